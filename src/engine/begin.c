/* A log begun while the server runs, for one that kept everything in memory only until now.
 *
 * What is in memory becomes the first base. All is done when engine_begin_log returns, while nobody is
 * served: a write that is acknowledged afterwards is in the log, and all that it leans on is durable. A crash
 * before that leaves a log of nothing, or of all. */
#include <stdio.h>
#include <time.h>

#include "base/diag.h"
#include "engine/private.h"

#define PAUSE_NS 100000
#define US_MAX   (600 * INT64_C(1000000)) /* for one step of the commit thread */

/* A base is of some LSN above 0: so the stream begins with a unit that changes nothing. */
static const char first_unit[] = "*1\r\n$8\r\nFLUSHALL\r\n";
#define FIRST_UNIT_SIZE (sizeof(first_unit) - 1)

/* Lets the commit thread work for a moment, or does its work. */
static void let_work(struct engine *engine)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    journal_hand_over(engine->journal);
    if (engine->threaded)
        nanosleep(&pause, NULL);
    else
        journal_work(engine->journal);
}

static bool time_is_up(const struct engine *engine, int64_t began_us)
{
    return clock_monotonic_us(engine->world->clock) - began_us > US_MAX;
}

/* What an earlier try that came to no end left says nothing but that there is nothing. */
static const char *find_something(void *context, enum journal_source source, const struct frame *frame)
{
    (void)source;
    struct slice rest = frame->payload;
    while (rest.size >= FIRST_UNIT_SIZE && memcmp(rest.data, first_unit, FIRST_UNIT_SIZE) == 0)
        rest = slice_make(rest.data + FIRST_UNIT_SIZE, rest.size - FIRST_UNIT_SIZE);
    *(bool *)context = rest.size > 0;
    return rest.size > 0 ? "there are data already" : NULL;
}

/* Only where there is nothing: whose data they are, and whether they are still wanted, is not for us to tell.
 */
static bool start_in_empty_folder(struct journal *journal, const char *folder, struct journal_error *error)
{
    bool found = false;
    enum recover_result result;
    do
        result = journal_recover_step(journal, 1 << 20, find_something, &found, error);
    while (result == RECOVER_MORE);
    if (found)
        snprintf(error->text, sizeof(error->text),
                 "%s holds the log of an earlier life: start with it, or empty the folder", folder);
    return result == RECOVER_DONE && journal_start(journal, error);
}

static const char *append_first_unit(struct engine *engine)
{
    int64_t began_us = clock_monotonic_us(engine->world->clock);
    enum admit_result admit;
    while ((admit = journal_admit(engine->journal, FIRST_UNIT_SIZE)) == ADMIT_WAIT &&
           !time_is_up(engine, began_us))
        let_work(engine);
    if (admit == ADMIT_FULL)
        return journal_full(engine->journal);
    if (admit != ADMIT_YES)
        return "no room could be made in the log";
    buffer_append(journal_unit_begin(engine->journal, 0), first_unit, FIRST_UNIT_SIZE);
    journal_unit_end(engine->journal);
    return NULL;
}

/* NULL, or what went wrong. */
static const char *write_state(struct engine *engine)
{
    struct rewrite_progress progress = {0};
    const char *wrong = append_first_unit(engine);
    if (wrong)
        return wrong;
    lsn_t lsn = engine->rewrite.lsn = journal_rewrite_begin(engine->journal);
    bool ok = rewrite_write(engine, &progress) == 0;
    journal_rewrite_end(engine->journal, ok);
    int64_t began_us = clock_monotonic_us(engine->world->clock);
    while (journal_rewriting(engine->journal) && !journal_failed(engine->journal) &&
           !time_is_up(engine, began_us))
        let_work(engine);
    if (journal_failed(engine->journal))
        return journal_failed(engine->journal);
    struct journal_stats stats;
    journal_stats_read(engine->journal, &stats);
    if (!ok || stats.base_lsn != lsn)
        return "the base could not be written, the server's log tells why";
    engine->rewrite.bytes_after_last = stats.base_bytes;
    return engine_make_durable(engine) ? NULL : "the log could not be made durable";
}

bool engine_begin_log(struct engine *engine, const struct journal_options *options,
                      struct journal_error *error)
{
    struct world *world = engine->world;
    struct journal_options journal_options = *options;
    ASSERT(!engine->journal && !world->unit_open);
    journal_options.clock = world->clock;
    struct journal *journal = journal_open(&journal_options, error);
    if (!journal)
        return false;
    journal_set_time(journal, world->now_ms);
    if (!start_in_empty_folder(journal, options->folder, error)) {
        journal_abandon(journal);
        return false;
    }
    engine->journal = journal;
    engine->disk = options->disk;
    engine->folder = options->folder;
    engine->threaded = options->threaded;
    const char *wrong = write_state(engine);
    if (wrong) {
        snprintf(error->text, sizeof(error->text), "%s", wrong);
        journal_abandon(journal);
        engine->journal = NULL;
        engine->disk = NULL;
        return false;
    }
    world->stream_database = 0;
    world->changes_since_rewrite = 0;
    world->value_journal = journal;
    world->journal = journal;
    return true;
}
