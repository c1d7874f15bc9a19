/* Where a command comes from, and what follows from that. Each question is asked by itself: no code asks
 * which origin it is. What a command runs under is call->origin; session->origin is what its next one will.
 */
#ifndef DKV_COMMAND_ORIGIN_H
#define DKV_COMMAND_ORIGIN_H

#include <stdbool.h>

struct origin {
    /* Before it runs (dispatch_check). */
    bool by_own_name;  /* it goes by the name that the log knows, whatever clients call it */
    bool checks_form;  /* whether there is such a command, and it takes so many arguments */
    bool checks_user;  /* whether the user may run it */
    bool checks_state; /* the client's and the server's state: authentication, loading, memory */
    bool was_checked;  /* earlier, too: what is refused now was permitted then */

    /* While it runs. */
    bool expires;      /* what has expired is hidden, and deleted by writes */
    bool is_logged;    /* its effects go to the stream; otherwise they are there already */
    bool is_announced; /* what it changes is told: to watchers, as events, to caches, and to readers' marks */
    bool is_limited;   /* by the settings, which may have been others when it was logged */
    bool may_block;    /* its session may wait */
    bool is_alone;     /* it is a unit of its own: nothing of its unit came before it or comes behind it */

    /* Behind it. */
    bool is_answered; /* somebody is told the outcome: replies wait for what they tell, figures count it */
};

extern const struct origin origin_client; /* a client's own */
extern const struct origin origin_http;   /* the same over HTTP, which runs what its routes say */
extern const struct origin origin_queue;  /* queued by MULTI, run by EXEC */
extern const struct origin origin_stream; /* the log's, at recovery */

#endif
