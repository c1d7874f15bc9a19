/* Shared by the files of engine/ only. */
#ifndef DKV_ENGINE_PRIVATE_H
#define DKV_ENGINE_PRIVATE_H

#include "base/memory.h"
#include "command/observe/latency.h"
#include "engine/engine.h"
#include "store/remains.h"

struct lazyfree;
struct replay;

/* A rewrite that failed is tried again by itself after this long, doubling up to the maximum. */
#define REWRITE_RETRY_MS_MIN 1000
#define REWRITE_RETRY_MS_MAX (10 * 60 * 1000)

struct rewrite {
    struct rewrite_triggers triggers;
    bool wanted[REWRITE_KINDS]; /* as soon as none is running */
    enum rewrite_kind kind;     /* of the last that began */
    uint64_t ended[REWRITE_KINDS];
    bool ended_well[REWRITE_KINDS]; /* the last of its kind */
    bool child_running;
    bool placing; /* the child has succeeded; the journal puts the result in place */
    int64_t began_ms;
    int64_t began_us;
    int64_t rested_us; /* monotonic: when the last good one ended, or the start of the server */
    uint64_t keys_total;
    uint64_t changes; /* that were counted before it began, and count again if it fails */
    lsn_t lsn;
    uint64_t succeeded;
    uint64_t failed;
    uint64_t failed_in_row;
    bool last_ok;
    int64_t last_us; /* how long its child took; -1: there was none yet */
    uint64_t us_total;
    int64_t last_ended_ms;
    int64_t last_fork_us;
    uint64_t bytes_after_last; /* base and log right after the last one: what growth is measured from */
    int64_t retry_wait_ms;
    int64_t retry_at_ms; /* monotonic */
};

/* Rounds with writes that wait to be acknowledged: more than there are between two syncs, as a rule. */
#define WRITE_MARKS_MAX 1024

struct write_mark {
    lsn_t lsn;        /* behind the round's last write */
    int64_t began_us; /* monotonic: the round */
    uint64_t writes;
};

struct write_waits {
    uint64_t seen; /* of world->stats.writes */
    uint64_t us_total;
    struct latency_histogram *histogram; /* in microseconds; NULL: nothing was counted */
    unsigned first;
    unsigned count;
    struct write_mark marks[WRITE_MARKS_MAX];
};

struct engine {
    struct world *world;
    struct journal *journal; /* NULL: memory only */
    struct disk *disk;
    const char *folder; /* for messages */
    bool threaded;      /* the journal has a thread of its own */
    struct engine_host host;
    struct rewrite rewrite;
    struct replay *replay; /* while recovering */
    int64_t recovery_began_us;
    int64_t recovery_us;
    uint64_t recovered_commands;
    bool background_free;
    struct lazyfree *lazyfree; /* NULL until the start, and without background_free */
    int64_t next_check_us;     /* of what need not be looked at in every tick, unless commands run */
    int64_t checked_us;        /* when that was last, */
    uint64_t commands_checked; /* and how many commands had run */
    bool no_active_expire;
    bool draining;
    int expire_next_database;
    bool follow_settled;     /* all that had expired is deleted, */
    lsn_t follow_lsn;        /* by units to here */
    int64_t follow_again_us; /* monotonic: when time may be held the next time */
    struct write_waits write_waits;
};

/* What a rewrite could make less of: base and log, and value files that only the log keeps from going. Those
 * that are dead and go anyhow are not counted: a rewrite would help nobody. */
static inline uint64_t engine_bytes_on_disk(const struct journal_stats *stats)
{
    return stats->base_bytes + stats->log_bytes + stats->value_bytes_pinned;
}

/* rewrite.c */
void rewrite_init(struct engine *engine, const struct rewrite_triggers *triggers);
/* Writes what is in memory as the base of rewrite.lsn. 0, or an exit status that is not. */
int rewrite_write(struct engine *engine, struct rewrite_progress *progress);
/* Looks after a running rewrite, and begins one when a trigger says so. */
/* Whether one is running, or follows. */
bool rewrite_has_work(const struct engine *engine);
void rewrite_tick(struct engine *engine);

/* follow.c: under clock-set-back follow, sets time as commands see it back to the wall clock as soon as
 * nothing is left that had expired by it. Around the look for what has expired: follow_begin, which is told
 * whether there will be one, says whether it is to be at once; follow_end is told whether all was found. */
bool follow_begin(struct engine *engine, bool expires);
void follow_end(struct engine *engine, bool all_found);

/* write_waits.c */
/* At the end of a round: what it wrote waits from now on. */
void write_waits_note(struct engine *engine);
/* Counts those that wait no more. */
void write_waits_settle(struct engine *engine);

/* replay.c */
/* base_bytes: size of the base that will be replayed, 0 for none. */
struct replay *replay_new(struct world *world, uint64_t base_bytes);
/* journal_apply: context is the replay. */
const char *replay_frame(void *context, enum journal_source source, const struct frame *frame);
uint64_t replay_commands(const struct replay *replay);
/* Those that stood in the log, not in the base. */
uint64_t replay_log_commands(const struct replay *replay);
/* The database that is selected at the end of the stream, -1 when no frame told. */
int replay_database(const struct replay *replay);
void replay_free(struct replay *replay);

/* lazyfree.c: a thread that frees large values and what was flushed. */
struct lazyfree *lazyfree_new(void);
void lazyfree_add(struct lazyfree *lazyfree, struct remains *remains);
/* Bytes that are still to come free, about; 0 when nothing is pending, and then only. Cheap. */
size_t lazyfree_bytes(const struct lazyfree *lazyfree);
void lazyfree_stats(struct lazyfree *lazyfree, uint64_t *pending, uint64_t *freed);
/* Waits until all is freed. */
void lazyfree_free(struct lazyfree *lazyfree);

#endif
