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
    struct fake_clock *fake = (struct fake_clock *)clock;
    return fake->now_us + fake->wall_ahead_us + 1700000000000000;
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
    fixture->clock = (struct fake_clock){{fake_wall, fake_monotonic}, 1000000, 0, 0};
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

static void set_value(struct fixture *fixture, uint64_t number, struct blob *blob, uint64_t at)
{
    struct fixture_value *value = &fixture->values[number % FIXTURE_KEYS];
    blob_drop(value->blob);
    *value = (struct fixture_value){blob, number, at};
}

static void drop_values(struct fixture *fixture)
{
    for (uint64_t i = 0; i < FIXTURE_KEYS; i++)
        set_value(fixture, i, NULL, 0);
}

int fixture_count_values(const struct fixture *fixture)
{
    int count = 0;
    for (int i = 0; i < FIXTURE_KEYS; i++)
        count += fixture->values[i].blob != NULL;
    return count;
}

void fixture_free(struct fixture *fixture)
{
    if (fixture->journal)
        journal_abandon(fixture->journal);
    drop_values(fixture);
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

/* Follows the keys: a unit that deletes one says so. */
static void note_unit(struct fixture *fixture, struct slice unit)
{
    const char *deletes = memmem(unit.data, unit.size, ":DEL", 4);
    if (deletes)
        set_value(fixture, (uint64_t)(deletes[4] - '0'), NULL, 0);
}

static const char *apply_text(struct fixture *fixture, const struct frame *frame, struct slice text)
{
    uint32_t next = 0;
    uint32_t count = frame_value_count(frame);
    size_t begin = fixture->recovered.size;
    for (size_t at = 0; at < text.size;) {
        const char *unit = text.data + at;
        size_t size = (size_t)((const char *)memchr(unit, '>', text.size - at) + 1 - unit);
        struct value_reference value = next < count ? frame_value(frame, next) : (struct value_reference){0};
        if (next == count || value.offset > at + size) {
            buffer_append(&fixture->recovered, unit, size);
            note_unit(fixture, slice_make(unit, size));
        } else {
            size_t head = value.offset - at;
            const char *wrong;
            struct blob *blob = journal_value_blob(fixture->journal, &value, &wrong);
            if (!blob)
                return wrong;
            buffer_append(&fixture->recovered, unit, head);
            uint64_t number = strtoull(unit + 1, NULL, 10);
            set_value(fixture, number, blob, fixture->recovered.size);
            assert_true(fixture->recovered.size + value.size <= fixture->stream.size);
            buffer_append(&fixture->recovered, fixture->stream.data + fixture->recovered.size, value.size);
            buffer_append(&fixture->recovered, unit + head, size - head);
            next++;
        }
        at += size;
    }
    assert_int_equal(next, count);
    assert_int_equal(fixture->recovered.size - begin, frame_stream_size(frame));
    return NULL;
}

static const char *apply(void *context, enum journal_source source, const struct frame *frame)
{
    struct fixture *fixture = context;
    if (fixture->refuse)
        return fixture->refuse;
    /* Whole units, beginning with the database that the frame names. */
    struct slice text = frame_text(frame);
    assert_int_equal(text.data[0], '<');
    assert_int_equal(text.data[text.size - 1], '>');
    assert_int_equal(database_of_unit(text.data), frame->database);
    if (source == SOURCE_BASE)
        fixture->base_seen = true;
    else
        assert_int_equal(frame->lsn, fixture->recovered.size);
    return apply_text(fixture, frame, text);
}

/* Values are compared at the end, as they may not be there before; what the log does not have of them, the
 * model lends. */
static void check_values(struct fixture *fixture)
{
    for (int i = 0; i < FIXTURE_KEYS; i++) {
        const struct fixture_value *value = &fixture->values[i];
        if (!value->blob)
            continue;
        const char *wrong = journal_value_load(fixture->journal, value->blob);
        if (wrong)
            fail_msg("%s", wrong);
        assert_true(value->at + value->blob->size <= fixture->stream.size);
        assert_memory_equal(value->blob->data, fixture->stream.data + value->at, value->blob->size);
    }
}

bool fixture_recover(struct fixture *fixture)
{
    fixture->options.disk = fixture->disk;
    fixture->options.random_seed = fixture->seed;
    fixture->error.text[0] = '\0';
    fixture->base_seen = false;
    buffer_clear(&fixture->recovered);
    drop_values(fixture);
    fixture->journal = journal_open(&fixture->options, &fixture->error);
    if (!fixture->journal)
        return false;
    enum recover_result result;
    do
        result = journal_recover_step(fixture->journal, 100, apply, fixture, &fixture->error);
    while (result == RECOVER_MORE);
    journal_recover_progress(fixture->journal, &fixture->progress);
    if (result == RECOVER_DONE) {
        if (!fixture->lazy)
            check_values(fixture);
        return true;
    }
    journal_abandon(fixture->journal);
    fixture->journal = NULL;
    drop_values(fixture);
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
    drop_values(fixture);
    /* A power failure may take what was only written. */
    if (crash != CRASH_OF_PROCESS)
        fixture->acknowledged = fixture->durable;
    memory_disk_restart(fixture->memory, crash, seed);
}

void fixture_close(struct fixture *fixture)
{
    assert_true(journal_close(fixture->journal));
    fixture->journal = NULL;
    drop_values(fixture);
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
    journal_submit(fixture->journal, fixture->alone);
}

void fixture_append_value(struct fixture *fixture, size_t size)
{
    uint64_t number = fixture->units++;
    int database = (int)(number / 2 % DATABASES);
    size_t begin = fixture->stream.size;
    unit_text(&fixture->stream, number, database, size);
    size_t head = fixture->stream.size - begin - size - 1;
    struct blob *blob = blob_new(size);
    memcpy(blob->data, fixture->stream.data + begin + head, size);
    blob->size = size;
    struct buffer *unit = journal_unit_begin(fixture->journal, database);
    buffer_append(unit, fixture->stream.data + begin, head);
    journal_unit_value(fixture->journal, blob, slice_of("key"));
    buffer_append(unit, ">", 1);
    assert_int_equal(journal_unit_end(fixture->journal), fixture->stream.size);
    set_value(fixture, number, blob, begin + head);
}

void fixture_delete_value(struct fixture *fixture, int key)
{
    uint64_t number = fixture->units++;
    int database = (int)(number / 2 % DATABASES);
    size_t begin = fixture->stream.size;
    buffer_append_format(&fixture->stream, "<%" PRIu64 "@%d:DEL%d>", number, database, key);
    struct buffer *unit = journal_unit_begin(fixture->journal, database);
    buffer_append(unit, fixture->stream.data + begin, fixture->stream.size - begin);
    assert_int_equal(journal_unit_end(fixture->journal), fixture->stream.size);
    set_value(fixture, (uint64_t)key, NULL, 0);
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

/* What a key still has goes to a file of its own, or is in one; older values are written as they are. */
static void write_base_unit(struct fixture *fixture, struct base_writer *writer, const char *unit,
                            size_t size)
{
    uint64_t number = strtoull(unit + 1, NULL, 10);
    const struct fixture_value *value = &fixture->values[number % FIXTURE_KEYS];
    if (!value->blob || value->number != number || !value->blob->origin) {
        buffer_append(base_writer_buffer(writer), unit, size);
        return;
    }
    buffer_append(base_writer_buffer(writer), unit, size - value->blob->size - 1);
    base_writer_value(writer, value->blob, slice_of("key"));
    buffer_append(base_writer_buffer(writer), ">", 1);
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
        write_base_unit(fixture, writer, unit, (size_t)(next - unit));
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
