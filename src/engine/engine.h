/* Store, journal and commands as one thing you can embed: execute, tick, recover, close. No sockets and no
 * process management but what engine_host lends, so that the simulator drives exactly this.
 *
 * The life of an engine: engine_open, engine_recover_step until done, engine_start, then rounds of
 * engine_begin_round, dispatch for what clients sent (command/dispatch.h, with engine_world),
 * engine_end_round; and engine_close. Without a disk there is nothing to recover and nothing is kept. */
#ifndef DKV_ENGINE_ENGINE_H
#define DKV_ENGINE_ENGINE_H

#include <stdatomic.h>

#include "command/dispatch.h"

struct engine;
struct latency_histogram;

/* Written by the child of a rewrite, read by the parent, in memory that both share. */
struct rewrite_progress {
    _Atomic uint64_t keys;
    _Atomic uint64_t bytes;
};

/* What the process around the engine lends it: one child at a time. */
struct engine_host {
    void *context;
    /* Runs work(argument, progress) in a forked child that sees memory as it is now, and ends with success if
     * that returned 0. Returns 0, or a negative errno when there is no child. */
    int (*start_child)(void *context, int (*work)(void *argument, struct rewrite_progress *progress),
                       void *argument);
    /* Whether the child still runs; when not, *ok tells whether it ended with success. */
    bool (*child_running)(void *context, bool *ok);
    /* The running child's progress, or the last one's. Never NULL. */
    const struct rewrite_progress *(*child_progress)(void *context);
    /* Kills the child and waits for its end. */
    void (*kill_child)(void *context);
};

/* When the log is rewritten by itself; each 0 (or below) is off. Never while the log is shorter than
 * min_bytes, except for writes and interval. */
struct rewrite_triggers {
    int64_t growth_percent; /* log longer than after the last rewrite by this share */
    uint64_t min_bytes;
    uint64_t writes;          /* after this many changes */
    int64_t stale_percent;    /* this share of the log no longer says anything about the state */
    int64_t interval_seconds; /* this long after the last one, if anything was written */
};

struct engine_options {
    struct world_options world;
    /* disk NULL: memory only. clock is the world's, whatever is given here. */
    struct journal_options journal;
    struct rewrite_triggers triggers;
    struct engine_host host;
    bool background_free; /* from the start on, frees large values and flushed databases on its own thread */
};

/* Takes the folder. NULL on failure, with the reason in error. */
struct engine *engine_open(const struct engine_options *options, struct journal_error *error);
struct world *engine_world(struct engine *engine);

/* Replays about bytes_max bytes of the log. Until RECOVER_DONE, clients get -LOADING. */
enum recover_result engine_recover_step(struct engine *engine, uint64_t bytes_max,
                                        struct journal_error *error);
bool engine_start(struct engine *engine, struct journal_error *error);

/* Around everything that a round of the loop executes. begin reads the clock. end hands what was written to
 * the journal; alone: only one client is being served, so that waiting for the disk holds up nobody else. */
void engine_begin_round(struct engine *engine);
void engine_end_round(struct engine *engine, bool alone);
/* Work of its own: expiry, table maintenance, rewrites. Returns after how many microseconds it wants to be
 * called again at the latest; calling it more often costs little. Between begin_round and end_round. */
int64_t engine_tick(struct engine *engine);

/* What a rewrite is called: one of the log, by itself or by BGREWRITEAOF, or a save. All do the same. */
enum rewrite_kind { REWRITE_LOG, REWRITE_SAVE, REWRITE_KINDS };

/* Begins a rewrite of the log. NULL when it began; otherwise why not, as an error to reply. */
const char *engine_rewrite(struct engine *engine);
/* The same, called something. */
const char *engine_rewrite_as(struct engine *engine, enum rewrite_kind kind);
/* Asks for one as soon as none is running, at the next tick at the earliest: also for a caller in the middle
 * of a unit, where the stream cannot be cut. NULL, or the error to reply. */
const char *engine_rewrite_later(struct engine *engine, enum rewrite_kind kind);
/* Whether one of this kind is running. */
bool engine_is_rewriting(const struct engine *engine, enum rewrite_kind kind);
/* How many have ended since start, well or not: somebody may wait for it. Changes within engine_tick,
 * engine_rewrite and engine_rewrite_cancel. */
uint64_t engine_rewrites_ended(const struct engine *engine);
/* The same of one kind. *ok, unless NULL: whether the last of it went well. */
uint64_t engine_rewrites_ended_as(const struct engine *engine, enum rewrite_kind kind, bool *ok);
/* Kills a running one. */
void engine_rewrite_cancel(struct engine *engine);
void engine_set_triggers(struct engine *engine, const struct rewrite_triggers *triggers);

/* Makes all that was executed durable, gives up what is in memory, and loads the log again. NULL, or why not,
 * as an error to reply: then nothing was given up. Not within a unit that has written. */
const char *engine_reload(struct engine *engine);

/* Something has ended that held back what the tick does (CLIENT PAUSE): the next one looks at all of it. */
void engine_tick_soon(struct engine *engine);
/* From now on nothing is begun that was not asked for: no expiry, no rewrites. For a stop. */
void engine_drain(struct engine *engine);
/* Off: what has expired stays until it is written to (DEBUG SET-ACTIVE-EXPIRE). */
void engine_set_active_expire(struct engine *engine, bool on);

struct engine_stats {
    bool recovering;
    struct recover_progress recovery;
    int64_t recovery_us; /* how long it took, or has taken so far */
    uint64_t recovered_commands;

    bool rewriting;           /* the child runs, or its result is being put in place */
    int64_t rewrite_began_ms; /* wall clock, of the one that runs */
    bool rewrite_scheduled;   /* one of the log was asked for, and follows the one that is running */
    uint64_t rewrite_keys;    /* written so far, and how many there are */
    uint64_t rewrite_keys_total;
    uint64_t rewrite_bytes;
    uint64_t rewrites; /* that succeeded since start */
    uint64_t rewrites_failed;
    uint64_t rewrites_failed_in_row; /* since the last that succeeded */
    bool last_rewrite_ok;
    int64_t last_rewrite_seconds; /* -1: none yet */
    int64_t last_rewrite_us;      /* the same, exactly */
    uint64_t rewrite_us_total;    /* of all that have ended, failed ones included */
    int64_t last_rewrite_ms; /* wall clock at which the last good one ended, or the start of the server */
    int64_t last_fork_us;

    /* How long writes waited, in microseconds, from the beginning of the round in which they ran until they
     * were acknowledged: as latency.h counts; the engine's. NULL: nothing was counted. */
    const struct latency_histogram *write_waits;
    uint64_t write_waits_us_total;

    uint64_t live_bytes; /* about what a rewrite would write now */
    uint64_t log_bytes;  /* base and log as they are */
    uint64_t lazyfree_pending;
    uint64_t lazyfreed;
};
void engine_stats_read(struct engine *engine, struct engine_stats *stats);

/* Ends a rewrite, commits everything, closes the journal, frees all. Sessions must be gone. False when
 * something that was executed could not be made durable. */
bool engine_close(struct engine *engine);
/* For an engine without a log: begins one in options' folder, where there must be none yet, and writes what
 * is in memory to it; both are durable then. Between commands only. False, with the reason, when that fails:
 * the engine goes on without a log. */
bool engine_begin_log(struct engine *engine, const struct journal_options *options,
                      struct journal_error *error);
/* Waits, here and now, until all that was executed is durable; the units must be closed. False when that
 * takes too long, or the log has failed. */
bool engine_make_durable(struct engine *engine);
/* Frees without writing: for the simulator's crashes and a failed start. */
void engine_abandon(struct engine *engine);

#endif
