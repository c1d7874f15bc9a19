/* From a request to its reply: lookup, checks, the function, the unit in the journal, the mark on the reply.
 */
#ifndef DKV_COMMAND_DISPATCH_H
#define DKV_COMMAND_DISPATCH_H

#include "command/call.h"

enum dispatch_result {
    DISPATCH_DONE,    /* a reply was queued (or was not wanted) */
    DISPATCH_WAIT,    /* not run: the journal cannot take it now, or CLIENT PAUSE holds it back; run it again
                       * after a wake of the journal, or of whoever ended the pause */
    DISPATCH_BLOCKED, /* the session waits (session->blocked); run nothing more for it until it does not */
    DISPATCH_CLOSE    /* send what is queued, then close */
};

/* A request looked at ahead of time, so that the cache misses of a pipeline overlap. */
struct prepared {
    struct command_entry *entry; /* NULL: unknown */
    uint64_t key_hash;           /* of the first key, if the command has one */
    bool has_key;
};

/* Fills in prepared[i] for each request and prefetches what they will touch. */
void dispatch_prepare(struct world *world, const struct session *session, const struct request *requests[],
                      struct prepared prepared[], int count);
enum dispatch_result dispatch(struct world *world, struct session *session, const struct request *request,
                              const struct prepared *prepared);

/* --- parts, for whoever runs commands that are no client's own request: EXEC, recovery -------------------
 */

/* The checks that come before a command may run or be queued, those that session->origin has. entry NULL: no
 * such command. False when it may not; the error, appended, says why. */
bool dispatch_check(struct world *world, struct session *session, const struct command_entry *entry, int argc,
                    const struct slice *argv, struct buffer *error);
/* Runs one command that was checked, as session->origin has it; there is no other way to run one. The caller
 * fills in command, argc, argv, raw, blobs, reply and, if the command has a first key, key_hash, and ends the
 * unit; this fills in the rest. NULL, or why the values that it needs cannot be had, which is replied. */
const char *dispatch_run(struct world *world, struct session *session, struct call *call);
/* The hash of the first key, if the command has one; 0 otherwise. */
uint64_t dispatch_key_hash(const struct world *world, const struct command_entry *entry, int argc,
                           const struct slice *argv);

/* Whether the session's commands have taken so long by now that others should have their turn before the
 * next one. */
static inline bool session_turn_is_long(const struct session *session)
{
    return session->turn_ticks > session->world->turn_ticks_max;
}

/* Registers the families of this floor. */
void command_families_add(struct command_table *table);

#endif
