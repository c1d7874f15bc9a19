/* The rewrite: a forked child writes the state as it is at one LSN, while the parent goes on.
 *
 * The cut and the fork happen between two commands, so what the child sees is the state at the cut. Until the
 * journal has put the new base in place (after syncing everything before the cut), the old base and segments
 * count. */
#include <errno.h>

#include "base/diag.h"
#include "base/number.h"
#include "command/effect.h"
#include "command/whole.h"
#include "command/world.h"
#include "engine/private.h"

/* The buffer is offered to the writer every so many keys; the writer decides when it makes a frame. */
#define KEYS_BETWEEN_FLUSHES 64
/* Or as soon as it has so many. */
#define FLUSH_BYTES (1 << 20)

struct dump {
    struct base_writer *writer;
    struct buffer *buffer;
    struct rewrite_progress *progress;
    uint64_t keys;
    uint64_t bytes;
    int database;
    int error;
};

static void dump_flush(struct dump *dump, int next_database, bool last)
{
    size_t size = dump->buffer->size;
    if (dump->error == 0)
        dump->error = base_writer_flush(dump->writer, next_database, last);
    dump->buffer = base_writer_buffer(dump->writer);
    dump->bytes += size - dump->buffer->size;
    atomic_store_explicit(&dump->progress->keys, dump->keys, memory_order_relaxed);
    atomic_store_explicit(&dump->progress->bytes, dump->bytes, memory_order_relaxed);
}

/* A string whose value lies in a file of its own: it is named again instead of written. */
static bool dump_value(struct whole_writer *writer, struct blob *blob, struct slice key)
{
    struct dump *dump = writer->context;
    dump->error = base_writer_value(dump->writer, blob, key);
    return dump->error == 0;
}

/* Between two pieces of a large collection. */
static bool dump_piece(struct whole_writer *writer)
{
    struct dump *dump = writer->context;
    if (dump->buffer->size > FLUSH_BYTES)
        dump_flush(dump, dump->database, false);
    writer->buffer = dump->buffer;
    return dump->error == 0;
}

static void dump_entry(void *context, struct entry *entry)
{
    struct dump *dump = context;
    if (dump->error)
        return;
    struct whole_writer writer = {.buffer = dump->buffer,
                                  .form = WHOLE_PACKED,
                                  .context = dump,
                                  .flush = dump_piece,
                                  .value = dump_value};
    whole_write(&writer, entry);
    if (++dump->keys % KEYS_BETWEEN_FLUSHES == 0 || dump->buffer->size > FLUSH_BYTES)
        dump_flush(dump, dump->database, false);
}

int rewrite_write(struct engine *engine, struct rewrite_progress *progress)
{
    struct store *store = engine->world->store;
    struct dump dump = {.progress = progress};
    dump.writer = base_writer_new(engine->journal, engine->rewrite.lsn, &dump.error);
    if (!dump.writer) {
        diag(DIAG_WARNING, "rewrite: cannot create the new base: %s", strerror(-dump.error));
        return 1;
    }
    dump.buffer = base_writer_buffer(dump.writer);
    for (int i = 0; i < store_database_count(store); i++) {
        struct database *db = store_database(store, i);
        if (database_size(db) == 0)
            continue;
        dump.database = i;
        dump_flush(&dump, i, true);
        database_each(db, dump_entry, &dump);
    }
    dump_flush(&dump, 0, true);
    uint64_t file_bytes = 0;
    int finish_error = base_writer_finish(dump.writer, &file_bytes);
    if (dump.error == 0)
        dump.error = finish_error;
    if (dump.error)
        diag(DIAG_WARNING, "rewrite: writing the new base failed: %s", strerror(-dump.error));
    return dump.error ? 1 : 0;
}

/* In the child. */
static int rewrite_work(void *argument, struct rewrite_progress *progress)
{
    return rewrite_write(argument, progress);
}

void rewrite_init(struct engine *engine, const struct rewrite_triggers *triggers)
{
    engine->rewrite = (struct rewrite){.triggers = *triggers,
                                       .last_ok = true,
                                       .last_us = -1,
                                       .last_ended_ms = engine->world->now_ms,
                                       .rested_us = engine->world->monotonic_us,
                                       .retry_wait_ms = REWRITE_RETRY_MS_MIN};
}

static void rewrite_ended(struct rewrite *rewrite, bool ok)
{
    rewrite->ended[rewrite->kind]++;
    rewrite->ended_well[rewrite->kind] = ok;
}

static void rewrite_failed(struct engine *engine)
{
    struct rewrite *rewrite = &engine->rewrite;
    rewrite_ended(rewrite, false);
    rewrite->failed++;
    rewrite->failed_in_row++;
    rewrite->last_ok = false;
    engine->world->changes_since_rewrite += rewrite->changes;
    rewrite->retry_at_ms = engine->world->monotonic_us / 1000 + rewrite->retry_wait_ms;
    diag(DIAG_WARNING,
         "rewrite failed; the log goes on as it is, the next try by itself is in %.1f s at the earliest",
         (double)rewrite->retry_wait_ms / 1000.0);
    rewrite->retry_wait_ms *= 2;
    if (rewrite->retry_wait_ms > REWRITE_RETRY_MS_MAX)
        rewrite->retry_wait_ms = REWRITE_RETRY_MS_MAX;
}

static void child_gone(struct engine *engine, bool ok)
{
    struct rewrite *rewrite = &engine->rewrite;
    rewrite->child_running = false;
    engine->world->child_active = false;
    store_freeze_tables(engine->world->store, false);
    rewrite->last_us = clock_monotonic_us(engine->world->clock) - rewrite->began_us;
    rewrite->us_total += (uint64_t)rewrite->last_us;
    journal_rewrite_end(engine->journal, ok);
    rewrite->placing = ok;
    if (!ok)
        rewrite_failed(engine);
}

static void rewrite_placed(struct engine *engine)
{
    struct rewrite *rewrite = &engine->rewrite;
    rewrite->placing = false;
    struct journal_stats stats;
    journal_stats_read(engine->journal, &stats);
    if (stats.base_lsn != rewrite->lsn) {
        rewrite_failed(engine);
        return;
    }
    rewrite_ended(rewrite, true);
    rewrite->succeeded++;
    rewrite->failed_in_row = 0;
    rewrite->last_ok = true;
    rewrite->last_ended_ms = engine->world->now_ms;
    rewrite->rested_us = engine->world->monotonic_us;
    rewrite->retry_wait_ms = REWRITE_RETRY_MS_MIN;
    rewrite->retry_at_ms = 0;
    rewrite->bytes_after_last = engine_bytes_on_disk(&stats);
    char size[32];
    byte_size_format(size, stats.base_bytes);
    diag(DIAG_NOTICE, "rewrite done: base at LSN %llu, %llu keys, %s, %.3f s",
         (unsigned long long)rewrite->lsn,
         (unsigned long long)atomic_load(&engine->host.child_progress(engine->host.context)->keys), size,
         (double)(engine->world->monotonic_us - rewrite->began_us) / 1e6);
}

static const char no_log[] =
    "ERR there is no log to rewrite: the server keeps everything in memory only (appendonly no)";

/* Why none can begin; NULL when one can. */
static const char *rewrite_refused(const struct engine *engine)
{
    const struct rewrite *rewrite = &engine->rewrite;
    if (!engine->world->journal)
        return no_log;
    if (rewrite->child_running || rewrite->placing || journal_rewriting(engine->journal))
        return "ERR Background append only file rewriting already in progress";
    return NULL;
}

uint64_t engine_rewrites_ended(const struct engine *engine)
{
    return engine->rewrite.succeeded + engine->rewrite.failed;
}

uint64_t engine_rewrites_ended_as(const struct engine *engine, enum rewrite_kind kind, bool *ok)
{
    if (ok)
        *ok = engine->rewrite.ended_well[kind];
    return engine->rewrite.ended[kind];
}

bool engine_is_rewriting(const struct engine *engine, enum rewrite_kind kind)
{
    const struct rewrite *rewrite = &engine->rewrite;
    return (rewrite->child_running || rewrite->placing) && rewrite->kind == kind;
}

const char *engine_rewrite_later(struct engine *engine, enum rewrite_kind kind)
{
    if (!engine->world->journal)
        return no_log;
    engine->rewrite.wanted[kind] = true;
    engine->next_check_us = 0;
    return NULL;
}

const char *engine_rewrite(struct engine *engine)
{
    return engine_rewrite_as(engine, REWRITE_LOG);
}

const char *engine_rewrite_as(struct engine *engine, enum rewrite_kind kind)
{
    struct rewrite *rewrite = &engine->rewrite;
    struct world *world = engine->world;
    const char *refused = rewrite_refused(engine);
    if (refused)
        return refused;
    ASSERT(!world->unit_open);
    rewrite->wanted[kind] = false;
    rewrite->kind = kind;
    /* Behind the cut there may be no room for a moment. */
    if (world_may_hide(world))
        effect_time(world);
    rewrite->lsn = journal_rewrite_begin(engine->journal);
    rewrite->began_ms = world->now_ms;
    rewrite->began_us = world->monotonic_us;
    rewrite->keys_total = store_size(world->store);
    store_freeze_tables(world->store, true);
    world->child_active = true;
    rewrite->changes = world->changes_since_rewrite;
    world->changes_since_rewrite = 0;
    int64_t before_us = clock_monotonic_us(world->clock);
    int error = engine->host.start_child(engine->host.context, rewrite_work, engine);
    rewrite->last_fork_us = clock_monotonic_us(world->clock) - before_us;
    if (error) {
        diag(DIAG_WARNING, "rewrite: cannot fork: %s", strerror(-error));
        child_gone(engine, false);
        return "ERR Can't rewrite append only file in background: fork failed";
    }
    rewrite->child_running = true;
    engine->next_check_us = 0; /* its end is not to wait for a look that was due much later */
    diag(DIAG_NOTICE, "rewrite begun at LSN %llu: %llu keys", (unsigned long long)rewrite->lsn,
         (unsigned long long)rewrite->keys_total);
    return NULL;
}

void engine_rewrite_cancel(struct engine *engine)
{
    bool ok;
    if (!engine->rewrite.child_running)
        return;
    /* What a child that has ended meanwhile leaves is worth as much as ever. */
    if (!engine->host.child_running(engine->host.context, &ok)) {
        child_gone(engine, ok);
        return;
    }
    engine->host.kill_child(engine->host.context);
    diag(DIAG_NOTICE, "rewrite: the child was killed");
    child_gone(engine, false);
}

void engine_set_triggers(struct engine *engine, const struct rewrite_triggers *triggers)
{
    engine->rewrite.triggers = *triggers;
}

/* --- triggers ------------------------------------------------------------------------------------------ */

/* Why a rewrite is due, NULL when none is. */
static const char *rewrite_due(struct engine *engine)
{
    const struct rewrite_triggers *triggers = &engine->rewrite.triggers;
    const struct world *world = engine->world;
    if (world->changes_since_rewrite == 0)
        return NULL;
    if (triggers->writes && world->changes_since_rewrite >= triggers->writes)
        return "the number of writes";
    if (triggers->interval_seconds > 0 &&
        (world->monotonic_us - engine->rewrite.rested_us) / 1000000 >= triggers->interval_seconds)
        return "the time since the last one";
    struct journal_stats journal_stats;
    journal_stats_read(engine->journal, &journal_stats);
    uint64_t bytes = engine_bytes_on_disk(&journal_stats);
    /* As long as what the last one replaced is still being removed, another would only add to it. */
    if (bytes < triggers->min_bytes || journal_stats.removal_bytes > bytes)
        return NULL;
    uint64_t base = engine->rewrite.bytes_after_last ? engine->rewrite.bytes_after_last : 1;
    if (triggers->growth_percent > 0 && bytes > base &&
        (double)(bytes - base) * 100.0 / (double)base >= (double)triggers->growth_percent)
        return "the log's growth";
    struct engine_stats stats;
    engine_stats_read(engine, &stats);
    if (triggers->stale_percent > 0 && stats.live_bytes < bytes &&
        (double)(bytes - stats.live_bytes) * 100.0 / (double)bytes >= (double)triggers->stale_percent)
        return "the share of stale bytes";
    return NULL;
}

bool rewrite_has_work(const struct engine *engine)
{
    const struct rewrite *rewrite = &engine->rewrite;
    bool wanted = (rewrite->wanted[REWRITE_LOG] || rewrite->wanted[REWRITE_SAVE]) && !engine->draining;
    return rewrite->child_running || rewrite->placing || wanted;
}

void rewrite_tick(struct engine *engine)
{
    struct rewrite *rewrite = &engine->rewrite;
    bool ok;
    if (rewrite->child_running) {
        if (!engine->host.child_running(engine->host.context, &ok))
            child_gone(engine, ok);
        return;
    }
    if (rewrite->placing) {
        if (!journal_rewriting(engine->journal))
            rewrite_placed(engine);
        return;
    }
    bool wanted = rewrite->wanted[REWRITE_LOG] || rewrite->wanted[REWRITE_SAVE];
    bool resting = !wanted && engine->world->monotonic_us / 1000 < rewrite->retry_at_ms;
    if (journal_rewriting(engine->journal) || resting)
        return;
    const char *why = wanted ? "somebody asking for it" : rewrite_due(engine);
    if (why && !engine->draining) {
        diag(DIAG_NOTICE, "rewrite: due because of %s", why);
        engine_rewrite_as(engine, wanted && !rewrite->wanted[REWRITE_LOG] ? REWRITE_SAVE : REWRITE_LOG);
    }
}
