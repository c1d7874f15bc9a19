/* Letting go of files: in pieces and beside everything else, before anybody is told that the disk is full,
 * and whatever there is to write meanwhile. */
#include "fixture.c"

#include <unistd.h>

#include "journal/journal_private.h"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dkv-test-remover-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* On a real folder. */
static void start_there(struct fixture *f)
{
    fixture_init(f);
    disk_free(f->disk);
    f->memory = NULL;
    assert_int_equal(disk_posix_open(folder, &f->disk), 0);
    fixture_start(f);
}

static void make_file(struct fixture *f, const char *name, uint64_t bytes)
{
    struct disk_file *file;
    assert_int_equal(disk_open(f->disk, name, DISK_CREATE, &file), 0);
    assert_int_equal(disk_allocate(file, 0, bytes), 0);
    disk_close(file);
}

static bool is_there(struct fixture *f, const char *name)
{
    uint64_t bytes;
    return disk_size_of(f->disk, name, &bytes) == 0;
}

static int steps_to_remove(struct fixture *f)
{
    int steps = 0;
    while (journal_work_remover(f->journal))
        steps++;
    assert_int_equal(f->journal->remover.files, 0);
    assert_int_equal(f->journal->remover.bytes, 0);
    return steps;
}

/* Shows: a large file loses its name first, then a piece a step; a small one goes at once. */
static void a_large_file_goes_in_pieces(void **state)
{
    (void)state;
    struct fixture f;
    start_there(&f);
    make_file(&f, "large", 3 * REMOVAL_STEP + 1);
    make_file(&f, "small", 1000);
    remover_add(f.journal, "large", 0);
    remover_add(f.journal, "small", 1000);
    assert_true(journal_work_remover(f.journal));
    assert_false(is_there(&f, "large"));
    assert_int_equal(f.journal->remover.bytes, 3 * REMOVAL_STEP + 1 + 1000);
    assert_true(journal_work_remover(f.journal));
    assert_int_equal(f.journal->remover.bytes, 2 * REMOVAL_STEP + 1 + 1000);
    assert_int_equal(steps_to_remove(&f), 4);
    assert_false(is_there(&f, "small"));
    fixture_free(&f);
}

/* Shows: what somebody still reads, a tool that copies the folder for instance, or has under another name,
 * stays whole for them: only its name goes. */
static void what_others_have_stays_whole(void **state)
{
    (void)state;
    struct fixture f;
    start_there(&f);
    char from[128];
    char to[128];
    struct disk_file *reader;
    uint64_t bytes;
    make_file(&f, "read", 3 * REMOVAL_STEP);
    assert_int_equal(disk_open(f.disk, "read", DISK_READ, &reader), 0);
    make_file(&f, "linked", 3 * REMOVAL_STEP);
    snprintf(from, sizeof(from), "%s/linked", folder);
    snprintf(to, sizeof(to), "%s/copy", folder);
    assert_int_equal(link(from, to), 0);
    remover_add(f.journal, "read", 0);
    remover_add(f.journal, "linked", 0);
    assert_int_equal(steps_to_remove(&f), 2);
    assert_false(is_there(&f, "read"));
    assert_false(is_there(&f, "linked"));
    assert_int_equal(disk_size(reader, &bytes), 0);
    assert_int_equal(bytes, 3 * REMOVAL_STEP);
    assert_int_equal(disk_size_of(f.disk, "copy", &bytes), 0);
    assert_int_equal(bytes, 3 * REMOVAL_STEP);
    disk_close(reader);
    fixture_free(&f);
}

/* Shows: a name that is taken away at once may be used again while the old file is still being cut short. */
static void a_name_is_free_at_once(void **state)
{
    (void)state;
    struct fixture f;
    start_there(&f);
    uint64_t bytes;
    make_file(&f, "again", 3 * REMOVAL_STEP);
    remover_detach(f.journal, "again");
    make_file(&f, "again", 5000);
    assert_int_equal(steps_to_remove(&f), 3);
    assert_int_equal(disk_size_of(f.disk, "again", &bytes), 0);
    assert_int_equal(bytes, 5000);
    fixture_free(&f);
}

/* Shows: the reserved end of a segment that is written no more goes, and what was written stays. */
static void a_left_segment_is_cut_short(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.segment_size = 4 << 20;
    fixture_start(&f);
    fixture_append(&f, 1, 100);
    fixture_work(&f);
    assert_int_equal(journal_admit(f.journal, 2 << 20), ADMIT_WAIT);
    fixture_work(&f);
    fixture_rewrite(&f); /* what follows goes to another segment */
    assert_int_equal(f.journal->remover.files, 0);
    fixture_append(&f, 1, 100);
    fixture_work(&f);
    fixture_crash(&f, CRASH_LOSING_ALL, 0);
    fixture_start(&f);
    assert_true(memory_disk_used(f.memory) < 1 << 20);
    fixture_free(&f);
}

/* Shows: a segment whose end is still to be cut off is not made a spare, which would be written to meanwhile.
 */
static void a_segment_that_is_cut_short_is_no_spare(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.segment_size = 1 << 20;
    fixture_start(&f);
    fixture_append(&f, 1, 2000000); /* too large for a spare, but the log is long enough for some */
    fixture_work(&f);
    fixture_append(&f, 1, 300000);
    fixture_work(&f);
    char last[FILE_NAME_SIZE];
    snprintf(last, sizeof(last), "%s", f.journal->committer.writer.name);
    journal_admit(f.journal, 650000); /* which has that much reserved behind what is written */
    fixture_work(&f);
    assert_string_equal(f.journal->committer.writer.name, last);
    lsn_t lsn = journal_rewrite_begin(f.journal);
    assert_int_equal(fixture_write_base(&f, lsn), 0);
    journal_rewrite_end(f.journal, true);
    while (journal_work_committer(f.journal))
        ;
    assert_false(journal_rewriting(f.journal));
    struct journal_stats stats;
    journal_stats_read(f.journal, &stats);
    assert_int_equal(stats.spare_files, 0);
    assert_true(is_there(&f, last));
    fixture_work(&f);
    assert_false(is_there(&f, last));
    fixture_free(&f);
}

/* Shows: however much there is to write, a rewrite's result is taken into use, and the old base goes. */
static void a_full_queue_holds_up_no_other_task(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 10, 100);
    fixture_rewrite(&f);
    char old[FILE_NAME_SIZE];
    base_name(old, f.stream.size);
    assert_true(is_there(&f, old));
    fixture_append(&f, 10, 100);
    fixture_work(&f);
    lsn_t lsn = journal_rewrite_begin(f.journal);
    fixture_append(&f, 1, 10);
    fixture_work(&f);
    assert_int_equal(fixture_write_base(&f, lsn), 0);
    journal_rewrite_end(f.journal, true);
    for (int i = 0; i < 100; i++) {
        while (journal_admit(f.journal, 1000) != ADMIT_YES)
            assert_true(journal_work_committer(f.journal));
        fixture_append(&f, 1, 10);
        assert_true(journal_work_committer(f.journal));
        journal_work_remover(f.journal);
    }
    assert_false(journal_rewriting(f.journal));
    assert_false(is_there(&f, old));
    fixture_free(&f);
}

/* Shows: as long as something waits that is to be removed, nobody is told that the disk is full. */
static void what_is_to_go_makes_room_first(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    make_file(&f, "value-00000000000000099999-0000000000.dkv", 300000);
    remover_add(f.journal, "value-00000000000000099999-0000000000.dkv", 300000);
    memory_disk_set_capacity(f.memory, memory_disk_used(f.memory) + 1000);
    assert_int_equal(journal_admit(f.journal, 200000), ADMIT_WAIT);
    while (journal_work_committer(f.journal))
        ;
    assert_int_equal(journal_admit(f.journal, 200000), ADMIT_WAIT);
    assert_null(journal_full(f.journal));
    fixture_work(&f);
    assert_int_equal(journal_admit(f.journal, 200000), ADMIT_YES);
    /* And when nothing of that is left, they are. */
    assert_int_equal(journal_admit(f.journal, 2000000), ADMIT_WAIT);
    fixture_work(&f);
    assert_int_equal(journal_admit(f.journal, 2000000), ADMIT_FULL);
    fixture_free(&f);
}

/* Shows: while files of dead values wait that are more than all in use, values are taken only as they go. */
static void values_do_not_outrun_the_remover(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    uint64_t small = 100 + VALUE_IN_UNIT;
    uint64_t large = 100000 + VALUE_FILE_OVERHEAD;
    for (int i = 0; i < 200 && journal_admit_values(f.journal, small, large) != ADMIT_FULL; i++) {
        while (journal_work_committer(f.journal))
            ;
        if (journal_admit_values(f.journal, small, large) == ADMIT_YES) {
            fixture_append_value(&f, 100000);
            journal_submit(f.journal, false);
        }
    }
    struct journal_stats stats;
    journal_stats_read(f.journal, &stats);
    assert_true(stats.value_bytes_dead > 0);
    assert_true(stats.value_bytes_dead < (FIXTURE_KEYS + 4) * 100000 + f.options.segment_size);
    assert_int_equal(journal_admit_values(f.journal, small, large), ADMIT_WAIT);
    assert_int_equal(journal_admit(f.journal, 100), ADMIT_YES);
    fixture_work(&f);
    assert_int_equal(journal_admit_values(f.journal, small, large), ADMIT_YES);
    fixture_free(&f);
}

/* Shows: MANIFEST, which is written whole with each new segment, names a number of them that hardly grows. */
static void many_segments_grow(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.segment_size = 4096;
    fixture_start(&f);
    for (int i = 0; i < 4000; i++) {
        fixture_append(&f, 1, 1000);
        fixture_work(&f);
    }
    struct journal_stats stats;
    journal_stats_read(f.journal, &stats);
    assert_true(stats.log_bytes > 4000 * 1000);
    assert_true(stats.segments <= 5 * SEGMENTS_PER_DOUBLING);
    /* After a rewrite they are as small as ever, but for the first, which was begun before. */
    fixture_rewrite(&f);
    for (int i = 0; i < 400; i++) {
        fixture_append(&f, 1, 1000);
        fixture_work(&f);
    }
    journal_stats_read(f.journal, &stats);
    assert_true(stats.segments > 10);
    fixture_crash(&f, CRASH_LOSING_ALL, 0);
    fixture_start(&f);
    fixture_free(&f);
}

/* Shows: under everysec, when a write or a sync of the log was slow, the next are acknowledged when they are
 * synced, for a while; and what is acknowledged is synced before another call is made that may be slow. */
static void a_slow_disk_is_remembered(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.policy = SYNC_EVERYSEC;
    fixture_start(&f);
    fixture_append(&f, 1, 100);
    fixture_work(&f);
    assert_true(journal_durable(f.journal) < f.stream.size);
    f.clock.step_us = SLOW_CALL_US; /* as every look at the clock takes long, so does a sync */
    fixture_pass(&f, SYNC_AGE_US);
    f.clock.step_us = 0;
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    for (int i = 0; i < 3; i++) {
        fixture_append(&f, 1, 100);
        fixture_work(&f);
        assert_int_equal(journal_durable(f.journal), f.stream.size);
        fixture_pass(&f, 1000000);
    }
    fixture_pass(&f, SLOW_MEMORY_US);
    fixture_append(&f, 1, 100);
    fixture_work(&f);
    assert_true(journal_durable(f.journal) < f.stream.size);
    assert_int_equal(journal_admit(f.journal, 200000), ADMIT_WAIT);
    fixture_work(&f);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    fixture_free(&f);
}

/* Shows: what made a frame wait counts, too: a batch that made room or files of values slowly before its
 * frame is not acknowledged before it is synced. */
static void what_goes_before_a_frame_counts(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.policy = SYNC_EVERYSEC;
    fixture_start(&f);
    /* The frame's write alone is one look at the clock after another: not slow. The whole is. */
    f.clock.step_us = SLOW_CALL_US / 2;
    fixture_append(&f, 1, 100);
    while (journal_written(f.journal) < f.stream.size)
        assert_true(journal_work_committer(f.journal));
    f.clock.step_us = 0;
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_large_file_goes_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(what_others_have_stays_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_is_free_at_once, setup, teardown),
        cmocka_unit_test(a_left_segment_is_cut_short),
        cmocka_unit_test(a_segment_that_is_cut_short_is_no_spare),
        cmocka_unit_test(a_full_queue_holds_up_no_other_task),
        cmocka_unit_test(what_is_to_go_makes_room_first),
        cmocka_unit_test(values_do_not_outrun_the_remover),
        cmocka_unit_test(many_segments_grow),
        cmocka_unit_test(a_slow_disk_is_remembered),
        cmocka_unit_test(what_goes_before_a_frame_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
