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
/* Runs one command whose checks and unit are the caller's (EXEC's queue): the function, its statistics. Fills
 * in what call->command, argc, argv and raw leave open. */
void dispatch_call(struct world *world, struct session *session, struct call *call);
/* A command of the stream, at recovery: nothing expires, nothing is logged. NULL, or what is wrong with it.
 */
const char *dispatch_replay(struct world *world, struct session *session, const struct request *request,
                            const struct prepared *prepared);

/* Whether the session's commands have taken so long by now that others should have their turn before the
 * next one. */
static inline bool session_turn_is_long(const struct session *session)
{
    return session->turn_ticks > session->world->turn_ticks_max;
}

/* Registers the families of this floor. */
void command_families_add(struct command_table *table);

#endif
