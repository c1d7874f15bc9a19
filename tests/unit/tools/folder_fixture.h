/* A data folder on a disk in memory, written by the journal itself, and what is in it.
 *
 * Every command sets another key, so the number of keys tells how far a recovered state reaches. */
#ifndef DKV_TESTS_FOLDER_FIXTURE_H
#define DKV_TESTS_FOLDER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../journal/memory_disk.c"
#include "journal/journal.h"
#include "resp/request.h"
#include "tools/recovery.h"
#include "tools/survey.h"

#define FIXTURE_UNITS_MAX 512
#define FIXTURE_FILES_MAX 64

struct test_clock {
    struct clock clock;
    int64_t now_us;
};

struct fixture {
    struct test_clock clock;
    struct memory_disk *disk;
    struct journal *journal;
    uint64_t keys;
    /* The end of each unit, and how many keys there are then. */
    struct {
        lsn_t lsn;
        uint64_t keys;
        int64_t time_ms;
    } units[FIXTURE_UNITS_MAX];
    size_t unit_count;
    FILE *null;
    struct options options;
};

static inline int64_t test_clock_now(struct clock *clock)
{
    return ((struct test_clock *)clock)->now_us;
}

static inline void test_wake(void *context)
{
    (void)context;
}

static inline void fixture_work(struct fixture *fixture)
{
    while (journal_work(fixture->journal))
        ;
}

static const char *no_apply(void *context, enum journal_source source, const struct frame *frame)
{
    (void)context;
    (void)source;
    (void)frame;
    return NULL;
}

static inline struct journal_options fixture_journal(struct fixture *fixture, struct memory_disk *disk)
{
    return (struct journal_options){.disk = &disk->disk,
                                    .clock = &fixture->clock.clock,
                                    .folder = "memory",
                                    .policy = SYNC_ALWAYS,
                                    .segment_size = 64 << 10,
                                    .unsynced_max = 1 << 20,
                                    .random_seed = 5,
                                    .wake = test_wake};
}

/* Starts and stops a server's journal on a disk, which removes what a server would remove. False when it
 * refuses. */
static inline bool fixture_try_start(struct fixture *fixture, struct memory_disk *disk)
{
    struct journal_error error;
    struct journal_options options = fixture_journal(fixture, disk);
    options.history_bases = 100;
    struct journal *journal = journal_open(&options, &error);
    enum recover_result result = RECOVER_MORE;
    while (journal && result == RECOVER_MORE)
        result = journal_recover_step(journal, 1 << 20, no_apply, NULL, &error);
    bool ok = journal && result == RECOVER_DONE && journal_start(journal, &error);
    if (journal)
        journal_abandon(journal);
    return ok;
}

static inline void fixture_start(struct fixture *fixture, int history_bases)
{
    struct journal_error error;
    struct journal_options options = fixture_journal(fixture, fixture->disk);
    options.history_bases = history_bases;
    fixture->journal = journal_open(&options, &error);
    if (!fixture->journal)
        fail_msg("%s", error.text);
    while (journal_recover_step(fixture->journal, 1 << 20, no_apply, NULL, &error) == RECOVER_MORE)
        ;
    if (!journal_start(fixture->journal, &error))
        fail_msg("%s", error.text);
}

static inline void fixture_open(struct fixture *fixture, int history_bases)
{
    *fixture = (struct fixture){.clock = {{test_clock_now, test_clock_now}, 1700000000000000},
                                .disk = memory_disk_new(),
                                .null = fopen("/dev/null", "w"),
                                .options = {.folder = "memory"}};
    fixture_start(fixture, history_bases);
}

static inline void fixture_append_set(struct buffer *buffer, uint64_t number, size_t value_size)
{
    char key[32];
    char *value = malloc(value_size + 1);
    memset(value, 'v', value_size + 1);
    snprintf(key, sizeof(key), "key:%llu", (unsigned long long)number);
    request_append(buffer, 3,
                   (struct slice[]){SLICE_LITERAL("SET"), slice_of(key), slice_make(value, value_size)});
    free(value);
}

/* Appends one unit of so many commands. */
static inline void fixture_append(struct fixture *fixture, int commands, size_t value_size)
{
    ASSERT(fixture->unit_count < FIXTURE_UNITS_MAX);
    while (journal_admit(fixture->journal, value_size + 200) != ADMIT_YES)
        fixture_work(fixture);
    struct buffer *buffer = journal_unit_begin(fixture->journal, 0);
    if (commands > 1)
        request_append(buffer, 1, &SLICE_LITERAL("MULTI"));
    for (int i = 0; i < commands; i++)
        fixture_append_set(buffer, fixture->keys++, value_size);
    if (commands > 1)
        request_append(buffer, 1, &SLICE_LITERAL("EXEC"));
    fixture->units[fixture->unit_count].lsn = journal_unit_end(fixture->journal);
    fixture->units[fixture->unit_count].keys = fixture->keys;
    fixture->units[fixture->unit_count++].time_ms = fixture->clock.now_us / 1000;
}

/* Writes what was appended as one frame. */
static inline void fixture_commit(struct fixture *fixture)
{
    journal_submit(fixture->journal, false);
    fixture_work(fixture);
    fixture->clock.now_us += 10000;
}

/* Units of one, two, three ... commands, in frames of so many units. */
static inline void fixture_frames(struct fixture *fixture, int count, int units, size_t value_size)
{
    for (int i = 0; i < count; i++) {
        fixture_append(fixture, 1 + i % 3, value_size);
        if (i % units == units - 1 || i + 1 == count)
            fixture_commit(fixture);
    }
}

static inline void fixture_units(struct fixture *fixture, int count, size_t value_size)
{
    fixture_frames(fixture, count, 1, value_size);
}

static inline void fixture_rewrite(struct fixture *fixture)
{
    int rc;
    uint64_t bytes;
    lsn_t lsn = journal_rewrite_begin(fixture->journal);
    fixture_work(fixture);
    struct base_writer *writer = base_writer_new(fixture->journal, lsn, &rc);
    assert_int_equal(rc, 0);
    for (uint64_t i = 0; i < fixture->keys; i++)
        fixture_append_set(base_writer_buffer(writer), i, 5);
    assert_int_equal(base_writer_flush(writer, 0, true), 0);
    assert_int_equal(base_writer_finish(writer, &bytes), 0);
    journal_rewrite_end(fixture->journal, true);
    fixture_work(fixture);
    fixture->clock.now_us += 10000;
}

/* Closes the journal cleanly. */
static inline void fixture_stop(struct fixture *fixture)
{
    assert_true(journal_close(fixture->journal));
    fixture->journal = NULL;
}

static inline void fixture_close(struct fixture *fixture)
{
    if (fixture->journal)
        journal_abandon(fixture->journal);
    disk_free(&fixture->disk->disk);
    fclose(fixture->null);
}

/* A tool that works on a disk and says nothing. */
static inline struct tool fixture_tool(struct fixture *fixture, struct memory_disk *disk)
{
    return (struct tool){.options = &fixture->options,
                         .out = fixture->null,
                         .error = fixture->null,
                         .disk = &disk->disk,
                         .clock = &fixture->clock.clock};
}

/* How many keys there are when the stream has come to an LSN; what lies between two ends of units fails. */
static inline uint64_t fixture_keys_at(const struct fixture *fixture, lsn_t lsn)
{
    if (lsn == 0)
        return 0;
    for (size_t i = 0; i < fixture->unit_count; i++)
        if (fixture->units[i].lsn == lsn)
            return fixture->units[i].keys;
    fail_msg("LSN %llu is not the end of a unit", (unsigned long long)lsn);
    return 0;
}

/* Whether there is a MANIFEST that is whole. */
static inline bool fixture_has_manifest(struct memory_disk *disk)
{
    struct manifest manifest;
    struct journal_error ignored;
    bool has_one = manifest_load(&disk->disk, &manifest, &ignored) == 0;
    manifest_free(&manifest);
    return has_one;
}

/* What recovery makes of a disk: the number of keys, or -1 when it refuses. */
static inline int64_t fixture_recover(struct fixture *fixture, struct memory_disk *disk)
{
    struct replay_result result;
    struct journal_error error;
    bool ok = replay_folder(&disk->disk, "memory", &fixture->clock.clock, 16, &result, &error);
    return ok ? (int64_t)result.keys : -1;
}

/* What a survey makes of it: how many damages, those of MANIFEST included; -1 when there is nothing to
 * survey. *end: where the stream ends; *used: damages outside history. */
static inline int64_t fixture_survey(struct fixture *fixture, struct memory_disk *disk, lsn_t *end,
                                     size_t *used)
{
    struct tool tool = fixture_tool(fixture, disk);
    struct folder folder;
    struct survey survey;
    struct journal_error error;
    *end = 0;
    *used = 1;
    if (!survey_load(&survey, &folder, &tool, &error))
        return -1;
    *end = survey.log.end;
    *used = folder.state != MANIFEST_GOOD;
    for (size_t i = 0; i < survey.damage_count; i++) {
        const struct damage *damage = &survey.damages[i];
        const struct file_report *files = damage->source == SOURCE_BASE ? survey.bases : survey.segments;
        *used += !files[damage->index].is_history;
    }
    int64_t damages = (int64_t)survey.damage_count + (folder.state != MANIFEST_GOOD);
    survey_free(&survey);
    folder_free(&folder);
    return damages;
}

#endif
