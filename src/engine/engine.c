#include "engine/engine.h"

#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "command/block.h"
#include "command/effect.h"
#include "command/evict.h"
#include "command/message/tracking.h"
#include "command/observe/latency.h"
#include "command/world.h"
#include "engine/private.h"
#include "family/families.h"
#include "store/value_hash.h"

/* Expiry runs in slices of at most this long, and at least three times as long passes between two of them: a
 * quarter of the processor at the most, and no command waits longer than a slice. */
#define EXPIRE_SLICE_US    1000
#define EXPIRE_REST_US     (3 * EXPIRE_SLICE_US)
#define EXPIRE_BATCH       64
#define EXPIRE_WHEEL_STEPS 256

/* Time between two looks at what changes slowly. */
#define TICK_US       100000  /* while commands run, or keys may expire by then */
#define TICK_IDLE_US  1000000 /* without */
#define TICK_BUSY_US  10000   /* while a child runs, or tables have work left */
#define TICK_EVICT_US 0       /* while memory is above its limit, and keys can be evicted */
#define TABLE_STEPS   64

static void free_later(void *context, struct remains *remains)
{
    struct engine *engine = context;
    lazyfree_add(engine->lazyfree, remains);
}

static size_t free_later_bytes(const struct world *world)
{
    const struct engine *engine = world->free_later_context;
    return lazyfree_bytes(engine->lazyfree);
}

static void free_beside(struct engine *engine)
{
    struct world *world = engine->world;
    engine->lazyfree = lazyfree_new();
    store_set_free_later(world->store, free_later, engine);
    world->free_later_context = engine;
    world->free_later_bytes = free_later_bytes;
}

struct engine *engine_open(const struct engine_options *options, struct journal_error *error)
{
    struct engine *engine = mem_alloc_zero(sizeof(*engine));
    engine->world = world_new(&options->world);
    family_add_all(engine->world->commands);
    engine->world->stream_database = -1;
    engine->host = options->host;
    engine->disk = options->journal.disk;
    engine->folder = options->journal.folder;
    engine->threaded = options->journal.threaded;
    rewrite_init(engine, &options->triggers);
    if (engine->disk) {
        struct journal_options journal_options = options->journal;
        journal_options.clock = options->world.clock;
        engine->journal = journal_open(&journal_options, error);
        if (!engine->journal) {
            world_free(engine->world);
            mem_free(engine);
            return NULL;
        }
        struct journal_stats stats;
        journal_stats_read(engine->journal, &stats);
        engine->world->value_journal = engine->journal;
        engine->replay = replay_new(engine->world, stats.base_bytes);
        engine->world->loading = true;
        engine->recovery_began_us = clock_monotonic_us(options->world.clock);
    }
    engine->background_free = options->background_free;
    return engine;
}

struct world *engine_world(struct engine *engine)
{
    return engine->world;
}

enum recover_result engine_recover_step(struct engine *engine, uint64_t bytes_max,
                                        struct journal_error *error)
{
    if (!engine->journal)
        return RECOVER_DONE;
    enum recover_result result =
        journal_recover_step(engine->journal, bytes_max, replay_frame, engine->replay, error);
    engine->recovered_commands = replay_commands(engine->replay);
    engine->recovery_us = clock_monotonic_us(engine->world->clock) - engine->recovery_began_us;
    return result;
}

/* What was in memory at the last end may be more than what it is allowed to take now. */
static void warn_of_memory(const struct world *world)
{
    char used[32];
    char limit[32];
    size_t bytes = evict_memory(world);
    if (world->settings.maxmemory == 0 || bytes <= world->settings.maxmemory)
        return;
    byte_size_format(used, bytes);
    byte_size_format(limit, world->settings.maxmemory);
    diag(DIAG_WARNING, "what was recovered takes %s, more than maxmemory (%s): %s", used, limit,
         world->settings.evict_policy == EVICT_NONE
             ? "commands that need memory are refused, as maxmemory-policy is noeviction"
             : "keys are evicted, as maxmemory-policy says");
}

/* A clock that runs behind at a start would show again what was shown as gone. */
static void warn_of_time(const struct world *world)
{
    int64_t ahead_us = world_time_ahead_us(world);
    if (ahead_us >= 1000000)
        diag(DIAG_WARNING,
             "the log was written to when it was %.1f s later than the clock says now. Time as commands see "
             "it "
             "never runs back: it goes on from there, %s (clock-set-back)",
             (double)ahead_us / 1e6,
             world->settings.clock_follows ? "until what had expired by then is deleted"
                                           : "more slowly until the clock has caught up");
}

bool engine_start(struct engine *engine, struct journal_error *error)
{
    struct world *world = engine->world;
    ASSERT(!engine->lazyfree);
    /* Not before: the end of recovery looks which files of values are still in use. */
    if (engine->background_free)
        free_beside(engine);
    if (!engine->journal)
        return true;
    struct recover_progress recovered;
    journal_recover_progress(engine->journal, &recovered);
    world_time_raise(world, recovered.time_ms);
    journal_set_time(engine->journal, world->now_ms); /* before any frame is written */
    if (!journal_start(engine->journal, error))
        return false;
    world->stream_database = replay_database(engine->replay);
    /* They were made before this start, but a rewrite leaves them out all the same. Were they not to count, a
     * log that fills the disk would stay: what counts is refused until there is room. */
    world->changes_since_rewrite = replay_log_commands(engine->replay);
    replay_free(engine->replay);
    engine->replay = NULL;
    world->journal = engine->journal;
    world->loading = false;
    warn_of_time(world);
    warn_of_memory(world);
    struct journal_stats stats;
    journal_stats_read(engine->journal, &stats);
    engine->rewrite.bytes_after_last = stats.base_bytes;
    return true;
}

void engine_begin_round(struct engine *engine)
{
    struct world *world = engine->world;
    world_refresh_time(world);
    if (!world->journal) {
        block_round(world);
        return;
    }
    write_waits_settle(engine);
    if (world->has_unloaded)
        journal_values_install(world->journal);
    world->has_unloaded = journal_has_unloaded(world->journal);
    block_round(world);
}

void engine_end_round(struct engine *engine, bool alone)
{
    tracking_broadcast(engine->world);
    if (!engine->world->journal)
        return;
    write_waits_note(engine);
    journal_submit(engine->world->journal, alone);
}

/* --- tick ---------------------------------------------------------------------------------------------- */

enum expire_result {
    EXPIRE_MORE, /* there may be more */
    EXPIRE_DONE,
    EXPIRE_WAIT /* the journal takes no more for now */
};

/* A batch of one database's hashes with fields that are due. */
static enum expire_result expire_fields_batch(struct world *world, int index)
{
    struct database *db = store_database(world->store, index);
    int steps = EXPIRE_WHEEL_STEPS;
    if (database_parts_size(db) == 0)
        return EXPIRE_DONE;
    while (steps > 0) {
        struct entry *entry = database_next_due_parts(db, world->now_ms, &steps);
        if (!entry)
            break;
        if (!world_expire_fields(world, index, entry, &steps))
            return EXPIRE_WAIT;
    }
    return steps > 0 ? EXPIRE_DONE : EXPIRE_MORE;
}

/* A batch of one database's due entries. */
static enum expire_result expire_keys_batch(struct world *world, int index)
{
    struct database *db = store_database(world->store, index);
    int steps = EXPIRE_WHEEL_STEPS;
    if (database_volatile_size(db) == 0)
        return EXPIRE_DONE;
    for (int i = 0; i < EXPIRE_BATCH; i++) {
        struct entry *entry = database_next_expired(db, world->now_ms, &steps);
        if (!entry)
            return steps <= 0 ? EXPIRE_MORE : EXPIRE_DONE;
        if (!world_expire(world, index, entry))
            return EXPIRE_WAIT;
    }
    return EXPIRE_MORE;
}

static enum expire_result expire_batch(struct world *world, int index)
{
    enum expire_result keys = expire_keys_batch(world, index);
    if (keys == EXPIRE_WAIT)
        return keys;
    enum expire_result fields = expire_fields_batch(world, index);
    return fields == EXPIRE_DONE ? keys : fields;
}

/* Returns whether the slice ended before the work did. */
static bool expire_slice(struct engine *engine)
{
    struct world *world = engine->world;
    int count = store_database_count(world->store);
    int64_t begin_us = clock_monotonic_us(world->clock);
    int64_t spent_us = 0;
    int idle = 0; /* databases in a row without work */
    while (idle < count && spent_us < EXPIRE_SLICE_US) {
        enum expire_result result = expire_batch(world, engine->expire_next_database);
        if (result == EXPIRE_WAIT)
            break;
        if (result == EXPIRE_MORE) {
            idle = 0;
            spent_us = clock_monotonic_us(world->clock) - begin_us;
            continue;
        }
        engine->expire_next_database = (engine->expire_next_database + 1) % count;
        idle++;
    }
    spent_us = clock_monotonic_us(world->clock) - begin_us;
    world->stats.expire_time_us += (uint64_t)spent_us;
    world_latency(world, "expire-cycle", spent_us);
    if (idle < count)
        world->stats.expire_cap_reached++;
    return idle < count;
}

/* How long expiry can wait, unless commands run. */
static int64_t expiry_wait_us(const struct world *world)
{
    int64_t due_ms = world->now_ms + TICK_IDLE_US / 1000;
    for (int i = 0; i < store_database_count(world->store); i++) {
        const struct database *db = store_database(world->store, i);
        int64_t keys_due_ms = database_expiry_due_ms(db);
        int64_t parts_due_ms = database_parts_due_ms(db);
        int64_t database_due_ms = keys_due_ms < parts_due_ms ? keys_due_ms : parts_due_ms;
        if (database_due_ms < due_ms)
            due_ms = database_due_ms;
    }
    if (due_ms <= world->now_ms + TICK_US / 1000)
        return TICK_US;
    return (due_ms - world->now_ms) * 1000;
}

/* Commands may have given keys a time to live. */
static int64_t next_check_us(const struct engine *engine)
{
    int64_t soon_us = engine->checked_us + TICK_US;
    bool ran = engine->world->stats.commands != engine->commands_checked;
    return ran && soon_us < engine->next_check_us ? soon_us : engine->next_check_us;
}

static bool table_steps(struct world *world)
{
    bool more = false;
    for (int i = 0; i < store_database_count(world->store); i++)
        more |= database_step(store_database(world->store, i), TABLE_STEPS);
    return more;
}

int64_t engine_tick(struct engine *engine)
{
    struct world *world = engine->world;
    if (world->loading)
        return TICK_US;
    int64_t now_us = world->monotonic_us;
    enum evict_result evicted = engine->draining ? EVICT_OK : evict_step(world);
    if (evicted == EVICT_LATER)
        return TICK_EVICT_US;
    bool expires = !engine->no_active_expire && !engine->draining && world->pause == PAUSE_NONE;
    bool follows = follow_begin(engine, expires);
    if (now_us < next_check_us(engine) && !follows)
        return next_check_us(engine) - now_us;
    int64_t next_us = TICK_IDLE_US;
    if (expires) {
        bool more = expire_slice(engine);
        follow_end(engine, !more);
        next_us = more ? EXPIRE_REST_US : expiry_wait_us(world);
    }
    if (world->time.is_held && next_us > TICK_BUSY_US)
        next_us = TICK_BUSY_US;
    if (!world->child_active && table_steps(world) && next_us > TICK_BUSY_US)
        next_us = TICK_BUSY_US;
    if (evicted == EVICT_WAIT && next_us > TICK_BUSY_US)
        next_us = TICK_BUSY_US;
    if (engine->journal)
        rewrite_tick(engine);
    if (rewrite_has_work(engine) && next_us > TICK_BUSY_US)
        next_us = TICK_BUSY_US;
    engine->checked_us = now_us;
    engine->commands_checked = world->stats.commands;
    engine->next_check_us = now_us + next_us;
    return next_us;
}

void engine_tick_soon(struct engine *engine)
{
    engine->next_check_us = 0;
}

void engine_drain(struct engine *engine)
{
    engine->draining = true;
}

void engine_set_active_expire(struct engine *engine, bool on)
{
    engine->no_active_expire = !on;
    engine_tick_soon(engine);
}

/* --- knowing ------------------------------------------------------------------------------------------- */

/* Framing of SET key value, and of a time to live, in a base: typical digits. */
#define LIVE_OVERHEAD_KEY      35
#define LIVE_OVERHEAD_VOLATILE 33

static uint64_t live_bytes(const struct world *world)
{
    uint64_t bytes = 0;
    for (int i = 0; i < store_database_count(world->store); i++) {
        const struct database *db = store_database(world->store, i);
        bytes += database_payload(db) + database_size(db) * LIVE_OVERHEAD_KEY +
                 database_volatile_size(db) * LIVE_OVERHEAD_VOLATILE;
    }
    return bytes;
}

void engine_stats_read(struct engine *engine, struct engine_stats *stats)
{
    const struct rewrite *rewrite = &engine->rewrite;
    *stats =
        (struct engine_stats){.recovering = engine->replay != NULL,
                              .recovery_us = engine->recovery_us,
                              .recovered_commands = engine->recovered_commands,
                              .rewriting = rewrite->child_running || rewrite->placing,
                              .rewrite_scheduled = rewrite->wanted[REWRITE_LOG],
                              .rewrite_began_ms = rewrite->began_ms,
                              .rewrite_keys_total = rewrite->keys_total,
                              .rewrites = rewrite->succeeded,
                              .rewrites_failed = rewrite->failed,
                              .rewrites_failed_in_row = rewrite->failed_in_row,
                              .last_rewrite_ok = rewrite->last_ok,
                              .last_rewrite_seconds = rewrite->last_us < 0 ? -1 : rewrite->last_us / 1000000,
                              .last_rewrite_us = rewrite->last_us,
                              .rewrite_us_total = rewrite->us_total,
                              .last_rewrite_ms = rewrite->last_ended_ms,
                              .last_fork_us = rewrite->last_fork_us,
                              .write_waits = engine->write_waits.histogram,
                              .write_waits_us_total = engine->write_waits.us_total,
                              .live_bytes = live_bytes(engine->world)};
    if (engine->journal) {
        journal_recover_progress(engine->journal, &stats->recovery);
        struct journal_stats journal_stats;
        journal_stats_read(engine->journal, &journal_stats);
        stats->log_bytes = engine_bytes_on_disk(&journal_stats);
        /* A rewrite does not write these. */
        uint64_t in_files = journal_stats.value_bytes - journal_stats.value_bytes_dead;
        stats->live_bytes -= in_files < stats->live_bytes ? in_files : stats->live_bytes;
    }
    if (stats->rewriting) {
        const struct rewrite_progress *progress = engine->host.child_progress(engine->host.context);
        stats->rewrite_keys = atomic_load_explicit(&progress->keys, memory_order_relaxed);
        stats->rewrite_bytes = atomic_load_explicit(&progress->bytes, memory_order_relaxed);
    }
    if (engine->lazyfree)
        lazyfree_stats(engine->lazyfree, &stats->lazyfree_pending, &stats->lazyfreed);
}

/* --- the end ------------------------------------------------------------------------------------------- */

static void engine_free(struct engine *engine)
{
    if (engine->replay)
        replay_free(engine->replay);
    store_set_free_later(engine->world->store, NULL, NULL);
    if (engine->lazyfree)
        lazyfree_free(engine->lazyfree);
    world_free(engine->world);
    mem_free(engine->write_waits.histogram);
    mem_free(engine);
}

bool engine_close(struct engine *engine)
{
    bool ok = true;
    engine_rewrite_cancel(engine);
    if (engine->world->journal)
        ok = journal_close(engine->journal);
    else if (engine->journal)
        journal_abandon(engine->journal);
    engine_free(engine);
    return ok;
}

void engine_abandon(struct engine *engine)
{
    if (engine->rewrite.child_running)
        engine->host.kill_child(engine->host.context);
    if (engine->journal)
        journal_abandon(engine->journal);
    engine_free(engine);
}
