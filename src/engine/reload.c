/* DEBUG RELOAD: the state in memory given up, and made again from the log that is being written. */
#include <time.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/watch.h"
#include "engine/private.h"
#include "journal/stream_reader.h"

/* How long what has been executed may take to become durable. */
#define DURABLE_US_MAX 30000000
#define DURABLE_LOOKS  100 /* microseconds between two looks */

static const char has_values[] =
    "ERR large values lie in files of their own, which can be loaded by a restart only";

static const char *reload_refused(const struct engine *engine)
{
    if (!engine->world->journal)
        return "ERR there is no log to load from (appendonly no)";
    if (engine->world->unit_open)
        return "ERR a transaction that has written cannot load the log";
    if (engine->rewrite.child_running || engine->rewrite.placing)
        return "ERR the log is being rewritten: try again when that is done";
    return journal_has_values(engine->journal) ? has_values : NULL;
}

bool engine_make_durable(struct engine *engine)
{
    struct journal *journal = engine->journal;
    const struct timespec pause = {.tv_nsec = DURABLE_LOOKS * 1000};
    int64_t begin_us = clock_monotonic_us(engine->world->clock);
    while (journal_durable(journal) < journal_executed(journal)) {
        if (journal_failed(journal) || clock_monotonic_us(engine->world->clock) - begin_us > DURABLE_US_MAX)
            return false;
        journal_request_sync(journal);
        journal_hand_over(journal);
        if (engine->threaded)
            nanosleep(&pause, NULL);
        else
            journal_work(journal);
    }
    return true;
}

/* Reads the whole stream, applying it if replay is given. Files of values that it refers to may be gone: they
 * were replaced, which a restart knows how to tell. False with the reason in error. */
static bool read_stream(struct engine *engine, const struct manifest *manifest, struct replay *replay,
                        bool *refers_to_values, struct journal_error *error)
{
    struct stream_reader reader;
    struct frame frame;
    enum journal_source source;
    enum stream_read read;
    const char *wrong = NULL;
    stream_reader_open(&reader, engine->disk, engine->folder, manifest, manifest->base_count - 1);
    while ((read = stream_reader_next(&reader, &source, &frame, error)) == STREAM_FRAME) {
        *refers_to_values |= frame.kind == FRAME_VALUES;
        if (replay && frame_has_units(&frame))
            wrong = replay_frame(replay, source, &frame);
        if (wrong)
            break;
    }
    if (wrong)
        stream_reader_describe(&reader, wrong, error);
    bool whole = read == STREAM_END && reader.lsn == journal_executed(engine->journal);
    if (read == STREAM_END && !whole)
        stream_reader_describe(&reader, "it ends before what has been executed does", error);
    stream_reader_close(&reader);
    return whole;
}

static void empty_databases(struct world *world)
{
    for (int i = 0; i < store_database_count(world->store); i++) {
        watch_touch_present(world->watches, world, i);
        database_clear(store_database(world->store, i), true);
    }
}

/* All is read once before anything is given up, so that a damaged log costs nothing but the answer. */
const char *engine_reload(struct engine *engine)
{
    static struct journal_error error;
    struct manifest manifest = {0};
    bool refers_to_values = false;
    const char *refused = reload_refused(engine);
    if (refused)
        return refused;
    if (!engine_make_durable(engine))
        return "ERR what has been executed does not become durable";
    struct journal_stats stats;
    journal_stats_read(engine->journal, &stats);
    bool ok = manifest_load(engine->disk, &manifest, &error) == 0 &&
              read_stream(engine, &manifest, NULL, &refers_to_values, &error);
    if (ok && refers_to_values) {
        refused = has_values;
    } else if (ok) {
        struct replay *replay = replay_new(engine->world, stats.base_bytes);
        empty_databases(engine->world);
        if (!read_stream(engine, &manifest, replay, &refers_to_values, &error))
            panic("the log could be read, but not loaded: %s", error.text);
        replay_free(replay);
    } else {
        diag(DIAG_WARNING, "DEBUG RELOAD: %s", error.text);
        refused = "ERR the log cannot be loaded; the server's log has the reason";
    }
    manifest_free(&manifest);
    return refused;
}
