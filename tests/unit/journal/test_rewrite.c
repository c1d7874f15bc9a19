/* Rewrites: a new base takes over, what it replaces becomes history, a spare, or goes; and one that fails
 * changes nothing.
 */
#include "fixture.c"

#include <errno.h>

#include "journal/manifest.h"
#include "journal/stream_reader.h"

static struct journal_stats stats_of(struct fixture *f)
{
    struct journal_stats stats;
    journal_stats_read(f->journal, &stats);
    return stats;
}

static void recover_again(struct fixture *f)
{
    fixture_crash(f, CRASH_LOSING_ALL, 0);
    fixture_start(f);
}

/* The base replaces the log before the cut; what was appended while it was written is kept. */
static void a_base_takes_over(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 10, 100);
    fixture_work(&f);
    lsn_t lsn = journal_rewrite_begin(f.journal);
    fixture_append(&f, 3, 100);
    fixture_work(&f);
    assert_true(journal_rewriting(f.journal));
    assert_int_equal(fixture_write_base(&f, lsn), 0);
    fixture_append(&f, 3, 100);
    uint64_t wakes = f.wakes;
    journal_rewrite_end(f.journal, true);
    fixture_work(&f);
    assert_false(journal_rewriting(f.journal));
    assert_true(f.wakes > wakes);
    struct journal_stats stats = stats_of(&f);
    assert_int_equal(stats.base_lsn, lsn);
    assert_int_equal(stats.log_bytes, f.stream.size - lsn);
    assert_int_equal(stats.history_files, 0);
    assert_int_equal(fixture_count_files(&f, "log-00000000000000000000"), 0);
    recover_again(&f);
    assert_true(f.base_seen);
    assert_true(f.progress.has_base);
    assert_int_equal(stats_of(&f).base_lsn, lsn);
    fixture_free(&f);
}

/* A rewrite of an empty stream, and one right after another, change nothing and break nothing. */
static void a_rewrite_with_nothing_new_is_fine(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.history_bases = 2;
    fixture_start(&f);
    for (int i = 0; i < 3; i++) {
        fixture_rewrite(&f);
        fixture_pass(&f, 1000);
    }
    recover_again(&f);
    fixture_append(&f, 5, 50);
    fixture_work(&f);
    for (int i = 0; i < 3; i++) {
        fixture_rewrite(&f);
        fixture_pass(&f, 1000);
    }
    recover_again(&f);
    assert_int_equal(stats_of(&f).base_lsn, f.stream.size);
    assert_int_equal(fixture_count_files(&f, "base-"), 2);
    fixture_rewrite(&f);
    fixture_append(&f, 1, 10);
    recover_again(&f);
    fixture_free(&f);
}

/* Whatever is wrong with what the child left, the old state stays in use and the leftovers go. */
static void a_failed_rewrite_changes_nothing(void **state)
{
    (void)state;
    for (int how = 0; how < 5; how++) {
        struct fixture f;
        fixture_init(&f);
        fixture_start(&f);
        fixture_append(&f, 5, 100);
        fixture_work(&f);
        lsn_t lsn = journal_rewrite_begin(f.journal);
        char name[64];
        snprintf(name, sizeof(name), "base-%020" PRIu64 ".dkv", lsn);
        int rc = 0;
        struct base_writer *abandoned = NULL;
        switch (how) {
        case 0: /* the child was killed while it wrote */
            abandoned = base_writer_new(f.journal, lsn, &rc);
            break;
        case 1: /* it says that it failed, though it did not */
            assert_int_equal(fixture_write_base(&f, lsn), 0);
            break;
        case 2: /* it says that all is well, and there is nothing */ break;
        case 3: /* or something else */
            memory_disk_put(f.memory, name, SLICE_LITERAL("DKVBASE\nand so on"));
            break;
        case 4: /* or a base without an end */
            assert_int_equal(fixture_write_base(&f, lsn), 0);
            memory_disk_file(f.memory, name)->size -= 10;
            break;
        }
        if (abandoned) { /* its file is left as it is */
            uint64_t bytes;
            memory_disk_fail(f.memory, CALL_SYNC | CALL_UNLINK, 0, 2, -EIO);
            assert_true(base_writer_finish(abandoned, &bytes) < 0);
            assert_int_equal(fixture_count_files(&f, "base-"), 1);
        }
        fixture_append(&f, 2, 100);
        journal_rewrite_end(f.journal, how >= 2);
        fixture_work(&f);
        assert_false(journal_rewriting(f.journal));
        assert_null(journal_failed(f.journal));
        assert_int_equal(fixture_count_files(&f, "base-"), 0);
        assert_int_equal(stats_of(&f).base_lsn, 0);
        fixture_append(&f, 2, 100);
        fixture_work(&f);
        fixture_rewrite(&f);
        recover_again(&f);
        fixture_free(&f);
    }
}

/* Older states are kept by number, and everything needed to restore any moment since the oldest is there and
 * whole. */
static void history_is_kept_by_number(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.history_bases = 2;
    fixture_start(&f);
    for (int i = 0; i < 6; i++) {
        fixture_append(&f, 10, 100);
        fixture_work(&f);
        fixture_rewrite(&f);
        int bases = i < 2 ? i + 1 : 3;
        assert_int_equal(fixture_count_files(&f, "base-"), bases);
    }
    fixture_append(&f, 5, 100);
    fixture_close(&f);
    struct manifest manifest;
    assert_int_equal(manifest_load(f.disk, &manifest, &f.error), 0);
    assert_int_equal(manifest.base_count, 3);
    for (size_t i = 0; i < manifest.base_count; i++) {
        struct stream_reader reader;
        struct buffer read = {0};
        enum journal_source source;
        struct frame frame;
        enum stream_read result;
        stream_reader_open(&reader, f.disk, "data", &manifest, i);
        while ((result = stream_reader_next(&reader, &source, &frame, &f.error)) == STREAM_FRAME)
            buffer_append_slice(&read, frame.payload);
        assert_int_equal(result, STREAM_END);
        assert_true(slice_equal(buffer_slice(&read), buffer_slice(&f.stream)));
        stream_reader_close(&reader);
        buffer_free(&read);
    }
    manifest_free(&manifest);
    /* Asking for less lets go of the rest, at the next start as well as while running. */
    f.options.history_bases = 1;
    fixture_start(&f);
    fixture_work(&f);
    assert_int_equal(fixture_count_files(&f, "base-"), 2);
    journal_set_limits(f.journal, 1024, 1 << 20, 0, 0);
    fixture_work(&f);
    assert_int_equal(fixture_count_files(&f, "base-"), 1);
    assert_int_equal(stats_of(&f).history_files, 0);
    recover_again(&f);
    fixture_free(&f);
}

/* And by age: as long as the configured past reaches back before the state that followed. */
static void history_is_kept_by_age(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.history_seconds = 100;
    fixture_start(&f);
    for (int i = 0; i < 5; i++) { /* bases at 30, 60, 90, 120, 150 seconds */
        fixture_append(&f, 3, 100);
        fixture_pass(&f, 30000000);
        fixture_rewrite(&f);
    }
    /* Now, at 150, the past reaches back to 50: needed is the base of 30. */
    assert_int_equal(fixture_count_files(&f, "base-"), 5);
    fixture_pass(&f, 9000000);
    assert_int_equal(fixture_count_files(&f, "base-"), 5);
    fixture_pass(&f, 2000000);
    assert_int_equal(fixture_count_files(&f, "base-"), 4);
    recover_again(&f);
    fixture_pass(&f, 30000000);
    assert_int_equal(fixture_count_files(&f, "base-"), 3);
    fixture_pass(&f, 600000000);
    assert_int_equal(fixture_count_files(&f, "base-"), 1);
    assert_int_equal(stats_of(&f).history_files, 0);
    recover_again(&f);
    fixture_free(&f);
}

/* What the wall clock says drops no state: not when it jumps while the server runs, nor at a start, nor when
 * it is set right; and when it is set back, no state stays for ever. */
static void history_outlives_wrong_clocks(void **state)
{
    (void)state;
    static const int64_t jumps_us[] = {INT64_C(31536000000000), -INT64_C(31536000000000), -INT64_C(10000000)};
    for (size_t i = 0; i < sizeof(jumps_us) / sizeof(jumps_us[0]); i++) {
        struct fixture f;
        fixture_init(&f);
        f.options.history_seconds = 100;
        fixture_start(&f);
        for (int base = 0; base < 2; base++) {
            fixture_append(&f, 3, 100);
            fixture_pass(&f, 1000000);
            fixture_rewrite(&f);
        }
        f.clock.wall_ahead_us = jumps_us[i];
        fixture_pass(&f, 20000000);
        fixture_append(&f, 3, 100);
        fixture_rewrite(&f);
        assert_int_equal(fixture_count_files(&f, "base-"), 3);
        fixture_close(&f);
        f.clock.wall_ahead_us *= 2;
        fixture_start(&f);
        fixture_pass(&f, 70000000);
        f.clock.wall_ahead_us = 0;
        fixture_pass(&f, 9000000);
        assert_int_equal(fixture_count_files(&f, "base-"), 3);
        fixture_pass(&f, 2000000);
        assert_int_equal(fixture_count_files(&f, "base-"), 2);
        fixture_pass(&f, 20000000);
        assert_int_equal(fixture_count_files(&f, "base-"), 1);
        fixture_close(&f);
        fixture_free(&f);
    }
}

/* Useless segments are used again, at most as many bytes as the last log was, and a small log leaves none. */
static void segments_are_recycled(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    for (int i = 0; i < 10; i++) {
        fixture_append(&f, 1, 700);
        fixture_work(&f);
    }
    fixture_rewrite(&f);
    int spares = fixture_count_files(&f, "spare-");
    assert_true(spares >= 4);
    assert_int_equal(stats_of(&f).spare_files, spares);
    for (int i = 0; i < 4; i++) { /* the first goes to the segment that the cut began */
        fixture_append(&f, 1, 700);
        fixture_work(&f);
    }
    assert_int_equal(fixture_count_files(&f, "spare-"), spares - 3);
    recover_again(&f);
    assert_int_equal(stats_of(&f).spare_files, spares - 3);
    /* New spares join those that an earlier life left. */
    fixture_rewrite(&f);
    assert_int_equal(fixture_count_files(&f, "spare-"), 2);
    assert_int_equal(stats_of(&f).spare_files, 2);
    for (int i = 0; i < 10; i++) {
        fixture_append(&f, 1, 700);
        fixture_work(&f);
    }
    fixture_rewrite(&f);
    assert_true(fixture_count_files(&f, "spare-") >= 4);
    assert_int_equal(stats_of(&f).spare_files, fixture_count_files(&f, "spare-"));
    /* When space is short, spares go first. */
    memory_disk_set_capacity(f.memory, memory_disk_used(f.memory));
    assert_int_equal(journal_admit(f.journal, 4000), ADMIT_WAIT);
    fixture_work(&f);
    assert_int_equal(journal_admit(f.journal, 4000), ADMIT_YES);
    assert_int_equal(fixture_count_files(&f, "spare-"), 0);
    memory_disk_set_capacity(f.memory, UINT64_MAX);
    fixture_append(&f, 1, 10);
    fixture_work(&f);
    fixture_rewrite(&f);
    assert_int_equal(fixture_count_files(&f, "spare-"), 0);
    recover_again(&f);
    fixture_free(&f);
}

/* A disk too full for the new segment holds up what follows the cut, and only until the rewrite is given up.
 */
static void a_cut_on_a_full_disk_is_undone(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.segment_size = 1 << 20;
    fixture_start(&f);
    fixture_append(&f, 3, 100);
    fixture_work(&f);
    memory_disk_set_capacity(f.memory, memory_disk_used(f.memory));
    assert_int_equal(journal_admit(f.journal, 100), ADMIT_YES);
    lsn_t lsn = journal_rewrite_begin(f.journal);
    assert_int_equal(journal_admit(f.journal, 100), ADMIT_WAIT);
    fixture_append(&f, 1, 100); /* what was not asked for is kept */
    fixture_work(&f);
    assert_int_equal(journal_admit(f.journal, 100), ADMIT_FULL);
    assert_int_equal(fixture_write_base(&f, lsn), -ENOSPC);
    journal_rewrite_end(f.journal, false);
    fixture_work(&f);
    assert_false(journal_rewriting(f.journal));
    assert_null(journal_full(f.journal));
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    assert_int_equal(journal_admit(f.journal, 100), ADMIT_YES);
    recover_again(&f);
    fixture_free(&f);
}

/* A rewrite that has ended is finished by closing; and a cut needs no closing frame, for MANIFEST holds the
 * promise. */
static void closing_finishes_a_rewrite(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 5, 100);
    fixture_work(&f);
    lsn_t lsn = journal_rewrite_begin(f.journal);
    uint64_t frames = stats_of(&f).frames;
    fixture_pass(&f, 10000000);
    assert_int_equal(stats_of(&f).frames, frames);
    assert_int_equal(fixture_write_base(&f, lsn), 0);
    journal_rewrite_end(f.journal, true);
    fixture_close(&f);
    fixture_start(&f);
    assert_true(f.base_seen);
    fixture_free(&f);
}

/* While the cut waits for room there is no segment that carries on from the base, so the base has to wait
 * too. */
static void a_base_waits_for_its_cut(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 5, 100);
    fixture_work(&f);
    memory_disk_fail(f.memory, CALL_CREATE, 0, 1, -ENOSPC);
    lsn_t lsn = journal_rewrite_begin(f.journal);
    fixture_work(&f);
    assert_int_equal(fixture_write_base(&f, lsn), 0);
    journal_rewrite_end(f.journal, true);
    fixture_work(&f);
    assert_true(journal_rewriting(f.journal));
    assert_int_equal(stats_of(&f).base_lsn, 0);
    /* Nor does room in the old segment help anybody. */
    uint64_t used = memory_disk_used(f.memory);
    assert_int_equal(journal_admit(f.journal, 100000), ADMIT_FULL);
    fixture_work(&f);
    assert_int_equal(memory_disk_used(f.memory), used);
    fixture_pass(&f, 100000);
    assert_false(journal_rewriting(f.journal));
    assert_int_equal(stats_of(&f).base_lsn, lsn);
    recover_again(&f);
    fixture_free(&f);
}

/* It does not wait for ever: it may be the base that took the room. Then the rewrite is given up, and what it
 * took is there for writes. */
static void a_base_in_the_way_is_given_up(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 5, 100);
    fixture_work(&f);
    memory_disk_fail(f.memory, CALL_CREATE, 0, 100, -ENOSPC);
    lsn_t lsn = journal_rewrite_begin(f.journal);
    fixture_work(&f);
    memory_disk_fail(f.memory, CALL_CREATE, 1, 100, -ENOSPC); /* the base itself finds room */
    assert_int_equal(fixture_write_base(&f, lsn), 0);
    journal_rewrite_end(f.journal, true);
    fixture_pass(&f, 300000);
    assert_true(journal_rewriting(f.journal));
    assert_int_equal(fixture_count_files(&f, "base-"), 1);
    fixture_pass(&f, 400000);
    assert_false(journal_rewriting(f.journal));
    assert_int_equal(fixture_count_files(&f, "base-"), 0);
    assert_int_equal(stats_of(&f).base_lsn, 0);
    assert_null(journal_full(f.journal));
    assert_int_equal(journal_admit(f.journal, 100), ADMIT_YES);
    fixture_append(&f, 5, 100);
    recover_again(&f);
    fixture_free(&f);
}

/* A base that cannot be put into MANIFEST for want of space is put there later. */
static void a_manifest_without_room_is_replaced_later(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 10, 100);
    fixture_work(&f);
    lsn_t lsn = journal_rewrite_begin(f.journal);
    fixture_work(&f);
    assert_int_equal(fixture_write_base(&f, lsn), 0);
    journal_rewrite_end(f.journal, true);
    memory_disk_fail(f.memory, CALL_WRITE, 0, 3, -ENOSPC);
    fixture_work(&f);
    assert_true(journal_rewriting(f.journal));
    fixture_pass(&f, 350000);
    assert_false(journal_rewriting(f.journal));
    assert_int_equal(stats_of(&f).base_lsn, lsn);
    recover_again(&f);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_takes_over),
        cmocka_unit_test(a_rewrite_with_nothing_new_is_fine),
        cmocka_unit_test(a_failed_rewrite_changes_nothing),
        cmocka_unit_test(history_is_kept_by_number),
        cmocka_unit_test(history_is_kept_by_age),
        cmocka_unit_test(history_outlives_wrong_clocks),
        cmocka_unit_test(segments_are_recycled),
        cmocka_unit_test(a_cut_on_a_full_disk_is_undone),
        cmocka_unit_test(closing_finishes_a_rewrite),
        cmocka_unit_test(a_base_waits_for_its_cut),
        cmocka_unit_test(a_base_in_the_way_is_given_up),
        cmocka_unit_test(a_manifest_without_room_is_replaced_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
