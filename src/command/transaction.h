/* MULTI, EXEC, DISCARD, WATCH, UNWATCH: the queue between MULTI and EXEC. */
#ifndef DKV_COMMAND_TRANSACTION_H
#define DKV_COMMAND_TRANSACTION_H

#include "command/dispatch.h"

/* Keeps a copy of a checked command for EXEC. False, with the reason in *error, when the queue is too large.
 */
bool transaction_queue(struct session *session, struct command_entry *entry, const struct request *request,
                       const char **error);
/* A copy of a request, to be run later. */
void queued_keep(struct queued_command *queued, struct command_entry *entry, const struct request *request);
void queued_free(struct queued_command *queued);
/* Its blobs are not needed any more. */
void queued_drop_blobs(struct queued_command *queued);

#endif
