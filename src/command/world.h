/* The world that all commands act on, and its time. One of these is all the state of this floor. */
#ifndef DKV_COMMAND_WORLD_H
#define DKV_COMMAND_WORLD_H

#include <time.h>

#include "base/chain.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/random.h"
#include "command/command.h"
#include "command/session.h"
#include "command/settings.h"
#include "journal/journal.h"
#include "store/store.h"

/* LSNs of the last change by key hash: a key's slot is hash % KEY_LSN_SLOTS. Two keys that share one only
 * wait for each other for a moment. */
#define KEY_LSN_SLOTS 65536

struct latency_events;
struct pubsub;
struct slowlog;
struct acl;
struct tracking;
struct watch_table;
struct blocks;
struct error_stats;

/* What is counted over all commands; INFO and CONFIG RESETSTAT. */
struct world_stats {
    uint64_t commands;
    uint64_t keyspace_hits;
    uint64_t keyspace_misses;
    uint64_t expired;
    uint64_t expired_fields; /* of hashes that were deleted because their time had passed */
    uint64_t expire_time_us;
    uint64_t expire_cap_reached;
    uint64_t evicted;
    uint64_t changes; /* since start */
    uint64_t writes;  /* commands that had effects, since start; EXEC is one */
    uint64_t errors;
    uint64_t replies_held; /* that had to wait for an LSN */
    uint64_t writes_refused_full;
    uint64_t auth_failures;
    uint64_t acl_denied_commands;
    uint64_t acl_denied_keys;
    uint64_t acl_denied_channels;
};

/* Time as commands see it (time.c). */
struct world_time {
    struct forward_time forward;
    bool is_held;         /* it stands still for a moment */
    int64_t wall_us;      /* the clock at the last look, */
    int64_t monotonic_us; /* and when that was */
    int64_t use_begin_ms; /* world's use_ms less the steady clock */
    int64_t
        hidden_ms; /* the highest time of a key, or a part of one, that was hidden because it had passed */
    int64_t on_record_ms; /* the time of the last unit: a recovery to it goes on from there, at least */
    lsn_t on_record_lsn;  /* its end */
    uint64_t steps_back;  /* of the wall clock, of a second or more */
    uint64_t steps_forward;
    int64_t told_us; /* monotonic: when the log last told of one */
};

enum pause_mode { PAUSE_NONE, PAUSE_WRITES, PAUSE_ALL };

/* What an upper floor does for sessions that have an owner. Any of these may be NULL. */
struct session_host {
    /* Something was appended to the session's output outside of its own commands. */
    void (*pushed)(struct session *session);
    /* It has begun, or ceased, to be one that waits for messages: other limits hold for it. */
    void (*subscribed)(struct session *session, bool subscribed);
    /* Its command, which waited, has been answered: it may go on. */
    void (*resumed)(struct session *session);
    /* The client's address as text. */
    void (*peer)(const struct session *session, char out[SESSION_PEER_MAX]);
};

/* What the process takes beside the keyspace, for MEMORY STATS. */
struct memory_parts {
    size_t peak; /* of everything */
    size_t startup;
    size_t clients;
};

struct world {
    struct store *store;
    struct journal *journal;       /* NULL: memory only */
    struct journal *value_journal; /* the same, but there while loading, too: for values that lie in files */
    bool has_unloaded;             /* some of them are not in memory yet */
    struct buffer looked_at;       /* origins of the large values that the command being run looks at */
    struct command_table *commands;
    struct clock *clock;
    struct random random;
    int64_t now_ms;       /* what "now" is to commands, for this round of the loop: never less than before */
    int64_t monotonic_us; /* the same moment on the steady clock */
    int64_t use_ms;       /* the same for times of use and idleness: a time of day that nobody can set */
    struct world_time time;
    bool hides;        /* the command being run has hidden something because its time has passed */
    bool hiding_waits; /* what may hide a key has to wait: the log has no room to put that on record */
    struct world_settings settings;
    struct world_stats stats;
    struct error_stats *errors; /* by code, for INFO errorstats */
    struct watch_table *watches;
    struct blocks *blocks;
    size_t blocked_count; /* sessions that wait (block.h) */
    struct acl *acl;
    bool is_open;             /* everybody is let in without a password: as acl_is_open */
    struct session *sessions; /* first and last of all */
    struct session *sessions_last;
    struct chain_table sessions_by_id;
    size_t session_count;
    uint64_t next_session_id;
    enum pause_mode pause; /* CLIENT PAUSE */
    int64_t pause_end_ms;  /* monotonic */
    struct session_host session_host;
    void *owner;               /* the upper floor's, for its own commands; nothing here looks at it */
    struct session *executing; /* whose command is being run; NULL between commands */
    struct list pushed;        /* sessions that were given something since the last delivery (push.h) */
    struct buffer own_pushes;  /* for the one whose command is being run: they follow its reply */
    struct pubsub *pubsub;
    struct slowlog *slowlog;
    struct tracking *tracking;
    size_t tracking_sessions; /* that are told of changes */
    struct latency_events *latency_events;
    uint64_t slow_ticks;     /* a command that takes so long may be noted (observe.h) */
    uint64_t turn_ticks_max; /* for session_turn_is_long */
    size_t monitor_count;    /* sessions that see all commands */
    bool loading;
    /* While a forked child shares the pages: nothing is written that need not be (LRU times). */
    bool child_active;
    lsn_t *key_lsns;    /* KEY_LSN_SLOTS */
    lsn_t all_keys_lsn; /* of the last change that touched whole databases: every key's reader waits for it */

    /* The unit being built (effect.c). */
    int stream_database; /* selected at the end of the stream; -1: not known, so that a SELECT is due */
    int unit_effects;
    bool unit_open;
    struct buffer *unit_buffer;
    size_t unit_begin; /* in the buffer, behind a SELECT */
    uint64_t changes_since_rewrite;

    /* Memory and its limit (evict.h). */
    struct evictor *evictor;
    bool evict_wanted; /* there may be more to evict: evict_step is due */
    /* Bytes in use; NULL: what the allocator counts. */
    size_t (*memory_used)(const struct world *world);
    /* The upper floor's; NULL: it takes nothing. */
    void (*memory_parts)(const struct world *world, struct memory_parts *parts);

    uint64_t ticks_begin; /* for world_ticks_to_us */
    int64_t ticks_begin_us;

    /* Bytes of what the store has handed over to be freed beside the loop and that are still to come free,
     * about; 0 only if nothing is pending. NULL: always 0. free_later_context is the engine's. */
    size_t (*free_later_bytes)(const struct world *world);
    void *free_later_context;
};

/* Whether its client has given the password, or needs none. */
static inline bool session_is_authenticated(const struct session *session)
{
    return session->authenticated || session->world->is_open;
}

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
static inline uint64_t world_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
#endif
}
uint64_t world_ticks_to_us(const struct world *world, uint64_t ticks);
uint64_t world_us_to_ticks(const struct world *world, uint64_t us);
double world_ns_per_tick(const struct world *world);

/* Errors replied so far, by code, for INFO errorstats. */
void error_stats_count(struct world *world, const struct reply *reply);
typedef void error_stats_visit(void *context, const char *code, uint64_t count);
void error_stats_each(const struct world *world, error_stats_visit *visit, void *context);
void error_stats_reset(struct world *world);

/* Bytes in use, by whatever counts them. */
size_t world_memory_used(const struct world *world);
/* Those among them that are on their way to being freed. */
size_t world_memory_leaving(const struct world *world);

#endif
