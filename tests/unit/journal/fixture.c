/* Tests include this file: what they share is not a library of its own. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/memory.h"
#include "fixture.h"
#include "memory_disk.c"

#define DATABASES 3

static int64_t fake_wall(struct clock *clock)
{
    return ((struct fake_clock *)clock)->now_us + 1700000000000000;
}

static int64_t fake_monotonic(struct clock *clock)
{
    struct fake_clock *fake = (struct fake_clock *)clock;
    fake->now_us += fake->step_us;
    return fake->now_us;
}

static void count_wake(void *context)
{
    atomic_fetch_add(&((struct fixture *)context)->wakes, 1);
}

static void ignore_line(void *context, enum diag_level level, const char *text)
{
    (void)context;
    (void)level;
    (void)text;
}

void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->memory = memory_disk_new();
    fixture->disk = memory_disk_interface(fixture->memory);
    fixture->clock = (struct fake_clock){{fake_wall, fake_monotonic}, 1000000, 0};
    fixture->seed = 1;
    fixture->options = (struct journal_options){.disk = fixture->disk,
                                                .clock = &fixture->clock.clock,
                                                .folder = "data",
                                                .policy = SYNC_ALWAYS,
                                                .segment_size = 1024,
                                                .unsynced_max = 1 << 20,
                                                .wake = count_wake,
                                                .wake_context = fixture};
    if (!getenv("DKV_TEST_LOG"))
        diag_set_sink(ignore_line, NULL);
}

void fixture_free(struct fixture *fixture)
{
    if (fixture->journal)
        journal_abandon(fixture->journal);
    buffer_free(&fixture->stream);
    buffer_free(&fixture->recovered);
    disk_free(fixture->disk);
    diag_set_sink(NULL, NULL);
}

/* A unit's text tells its number and its database. */
static void unit_text(struct buffer *out, uint64_t number, int database, size_t size)
{
    buffer_append_format(out, "<%" PRIu64 "@%d:", number, database);
    memset(buffer_reserve(out, size), 'a' + (int)(number % 26), size);
    out->size += size;
    buffer_append_char(out, '>');
}

static int database_of_unit(const char *unit)
{
    return atoi(strchr(unit, '@') + 1);
}

static const char *apply(void *context, enum journal_source source, const struct frame *frame)
{
    struct fixture *fixture = context;
    if (fixture->refuse)
        return fixture->refuse;
    /* Whole units, beginning with the database that the frame names. */
    assert_int_equal(frame->payload.data[0], '<');
    assert_int_equal(frame->payload.data[frame->payload.size - 1], '>');
    assert_int_equal(database_of_unit(frame->payload.data), frame->database);
    if (source == SOURCE_BASE)
        fixture->base_seen = true;
    else
        assert_int_equal(frame->lsn, fixture->recovered.size);
    buffer_append_slice(&fixture->recovered, frame->payload);
    return NULL;
}

bool fixture_recover(struct fixture *fixture)
{
    fixture->options.disk = fixture->disk;
    fixture->options.random_seed = fixture->seed;
    fixture->error.text[0] = '\0';
    fixture->base_seen = false;
    buffer_clear(&fixture->recovered);
    fixture->journal = journal_open(&fixture->options, &fixture->error);
    if (!fixture->journal)
        return false;
    enum recover_result result;
    do
        result = journal_recover_step(fixture->journal, 100, apply, fixture, &fixture->error);
    while (result == RECOVER_MORE);
    journal_recover_progress(fixture->journal, &fixture->progress);
    if (result == RECOVER_DONE)
        return true;
    journal_abandon(fixture->journal);
    fixture->journal = NULL;
    return false;
}

void fixture_check(struct fixture *fixture)
{
    if (fixture->recovered.size < fixture->acknowledged)
        fail_msg("acknowledged to %" PRIu64 ", recovered to %zu", fixture->acknowledged,
                 fixture->recovered.size);
    assert_true(fixture->recovered.size <= fixture->stream.size);
    if (fixture->recovered.size > 0)
        assert_memory_equal(fixture->recovered.data, fixture->stream.data, fixture->recovered.size);
    fixture->stream.size = fixture->recovered.size;
    fixture->acknowledged = fixture->durable = fixture->recovered.size;
}

void fixture_start(struct fixture *fixture)
{
    if (!fixture_recover(fixture) || !journal_start(fixture->journal, &fixture->error))
        fail_msg("%s", fixture->error.text);
    fixture_check(fixture);
    assert_int_equal(journal_executed(fixture->journal), fixture->stream.size);
    assert_int_equal(journal_durable(fixture->journal), fixture->stream.size);
}

void fixture_crash(struct fixture *fixture, enum memory_crash crash, uint64_t seed)
{
    if (fixture->journal)
        journal_abandon(fixture->journal);
    fixture->journal = NULL;
    /* A power failure may take what was only written. */
    if (crash != CRASH_OF_PROCESS)
        fixture->acknowledged = fixture->durable;
    memory_disk_restart(fixture->memory, crash, seed);
}

void fixture_close(struct fixture *fixture)
{
    assert_true(journal_close(fixture->journal));
    fixture->journal = NULL;
    fixture->acknowledged = fixture->durable = fixture->stream.size;
}

void fixture_append(struct fixture *fixture, int count, size_t size)
{
    for (int i = 0; i < count; i++) {
        uint64_t number = fixture->units++;
        int database = (int)(number / 2 % DATABASES);
        size_t begin = fixture->stream.size;
        unit_text(&fixture->stream, number, database, size);
        struct buffer *unit = journal_unit_begin(fixture->journal, database);
        buffer_append(unit, fixture->stream.data + begin, fixture->stream.size - begin);
        assert_int_equal(journal_unit_end(fixture->journal), fixture->stream.size);
    }
    if (fixture->alone)
        journal_submit_alone(fixture->journal);
    else
        journal_submit(fixture->journal);
}

static void note_acknowledged(struct fixture *fixture)
{
    lsn_t executed = journal_executed(fixture->journal);
    lsn_t written = journal_written(fixture->journal);
    lsn_t durable = journal_durable(fixture->journal);
    assert_true(durable <= written && written <= executed);
    lsn_t acknowledged = journal_acknowledged(fixture->journal);
    if (acknowledged > fixture->acknowledged)
        fixture->acknowledged = acknowledged;
    fixture->durable = durable;
}

void fixture_work(struct fixture *fixture)
{
    int steps = 0;
    while (journal_work(fixture->journal)) {
        note_acknowledged(fixture);
        assert_true(++steps < 100000);
    }
    /* What is due by itself is never in the past when all that was due is done. */
    assert_true(journal_failed(fixture->journal) ||
                journal_work_due_us(fixture->journal) > fixture->clock.now_us);
}

void fixture_pass(struct fixture *fixture, int64_t us)
{
    int64_t end_us = fixture->clock.now_us + us;
    for (;;) {
        fixture_work(fixture);
        int64_t due_us = journal_work_due_us(fixture->journal);
        if (due_us >= end_us)
            break;
        fixture->clock.now_us = due_us;
    }
    fixture->clock.now_us = end_us;
    fixture_work(fixture);
}

int fixture_write_base(struct fixture *fixture, lsn_t lsn)
{
    int rc;
    struct base_writer *writer = base_writer_new(fixture->journal, lsn, &rc);
    if (!writer)
        return rc;
    const char *end = fixture->stream.data + lsn;
    const char *next;
    for (const char *unit = fixture->stream.data; unit && unit < end; unit = next) {
        next = (const char *)memchr(unit, '>', (size_t)(end - unit)) + 1;
        /* A frame for every few units. */
        bool last = (unit - fixture->stream.data) % 3 == 0;
        base_writer_flush(writer, database_of_unit(unit), last);
        buffer_append(base_writer_buffer(writer), unit, (size_t)(next - unit));
    }
    uint64_t bytes;
    return base_writer_finish(writer, &bytes);
}

void fixture_rewrite(struct fixture *fixture)
{
    lsn_t lsn = journal_rewrite_begin(fixture->journal);
    assert_int_equal(lsn, fixture->stream.size);
    assert_int_equal(fixture_write_base(fixture, lsn), 0);
    journal_rewrite_end(fixture->journal, true);
    fixture_work(fixture);
    assert_false(journal_rewriting(fixture->journal));
}

int fixture_count_files(struct fixture *fixture, const char *prefix)
{
    struct buffer names = {0};
    int count = 0;
    memory_disk_names(fixture->memory, &names);
    for (size_t at = 0; at < names.size; at += strlen(names.data + at) + 1)
        count += strncmp(names.data + at, prefix, strlen(prefix)) == 0;
    buffer_free(&names);
    return count;
}
