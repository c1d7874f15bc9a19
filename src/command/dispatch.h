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

/* Called in every round of the loop and after wakes of the journal: replies to a session whose wait is over
 * and clears session->blocked. Returns whether it is free to go on. */
bool session_unblock(struct session *session);

/* Registers the families of this floor. */
void command_families_add(struct command_table *table);

struct world_options {
    struct clock *clock;
    int databases;
    uint64_t random_seed; /* hash seed and chance */
    struct world_settings settings;
};
struct world *world_new(const struct world_options *options);
void world_free(struct world *world);
/* New limits and switches, whose pointers have to live as long. */
void world_set_settings(struct world *world, const struct world_settings *settings);
/* Reads the clock: what "now" is until the next call. */
void world_refresh_time(struct world *world);
/* The time by now, in microseconds, for replies that tell it. */
int64_t world_time_us(struct world *world);
/* How far it is ahead of the wall clock. */
int64_t world_time_ahead_us(const struct world *world);
/* From now on it is at least this. */
void world_time_raise(struct world *world, int64_t at_least_ms);
/* Lets it stand still at the next multiple of so many milliseconds. */
void world_time_hold(struct world *world, int64_t multiple_ms);
void world_time_go_on(struct world *world);
/* Sets it back to the wall clock, once all that had expired is deleted, and the deletions are written. */
void world_time_follow(struct world *world);
/* Whether there may be keys whose time has passed. */
bool world_may_hide(const struct world *world);
/* Time as command_stats counts it: a cheap counter of the processor's, and its conversion. */
uint64_t world_ticks(void);
uint64_t world_ticks_to_us(const struct world *world, uint64_t ticks);
uint64_t world_us_to_ticks(const struct world *world, uint64_t us);
double world_ns_per_tick(const struct world *world);

/* Errors replied so far, by code, for INFO errorstats. */
void error_stats_count(struct world *world, const struct reply *reply);
typedef void error_stats_visit(void *context, const char *code, uint64_t count);
void error_stats_each(const struct world *world, error_stats_visit *visit, void *context);
void error_stats_reset(struct world *world);

#endif
