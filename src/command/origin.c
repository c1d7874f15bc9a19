#include "command/origin.h"

const struct origin origin_client = {.checks_form = true,
                                     .checks_user = true,
                                     .checks_state = true,
                                     .expires = true,
                                     .is_logged = true,
                                     .is_announced = true,
                                     .is_limited = true,
                                     .may_block = true,
                                     .is_alone = true,
                                     .is_answered = true};

/* Whoever asks over HTTP gets an answer at once. */
const struct origin origin_http = {.by_own_name = true,
                                   .checks_form = true,
                                   .checks_user = true,
                                   .checks_state = true,
                                   .expires = true,
                                   .is_logged = true,
                                   .is_announced = true,
                                   .is_limited = true,
                                   .is_alone = true,
                                   .is_answered = true};

/* What the user may do can have changed since it was queued. */
const struct origin origin_queue = {.checks_user = true,
                                    .was_checked = true,
                                    .expires = true,
                                    .is_logged = true,
                                    .is_announced = true,
                                    .is_limited = true,
                                    .is_answered = true};

/* The stream is obeyed: it says what has expired, and what fits. */
const struct origin origin_stream = {.by_own_name = true, .checks_form = true};
