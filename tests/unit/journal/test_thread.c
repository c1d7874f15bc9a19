/* The commit thread, on a real folder and under the real clock. */
#include "fixture.c"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dkv-test-journal-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static int wake_fd;

static void wake(void *context)
{
    uint64_t one = 1;
    (void)context;
    assert_int_equal(write(wake_fd, &one, sizeof(one)), sizeof(one));
}

/* Sleeps until the commit thread wakes the loop; a wake that never comes ends the test. */
static void wait_for_wake(void)
{
    uint64_t count;
    assert_int_equal(read(wake_fd, &count, sizeof(count)), sizeof(count));
}

static void init(struct fixture *f, enum sync_policy policy)
{
    fixture_init(f);
    disk_free(f->disk);
    f->memory = NULL;
    assert_int_equal(disk_posix_open(folder, &f->disk), 0);
    f->options.clock = clock_system();
    f->options.folder = folder;
    f->options.threaded = true;
    f->options.policy = policy;
    f->options.segment_size = 1 << 20;
    f->options.wake = wake;
    f->seed = (uint64_t)clock_wall_us(clock_system());
    wake_fd = eventfd(0, 0);
    alarm(60);
}

static void done(struct fixture *f)
{
    fixture_free(f);
    close(wake_fd);
    alarm(0);
}

/* Appends until the stream has so many more units, as a loop does that sleeps when it may not go on, and now
 * and then writes and syncs by itself. */
static void append_as_a_loop(struct fixture *f, int units)
{
    lsn_t seen = journal_acknowledged(f->journal);
    for (int i = 0; i < units; i += 8) {
        while (journal_admit(f->journal, 3000) != ADMIT_YES)
            wait_for_wake();
        f->alone = i % 24 == 0;
        fixture_append(f, 8, (size_t)(i % 300));
        lsn_t acknowledged = journal_acknowledged(f->journal);
        assert_true(acknowledged >= seen);
        seen = acknowledged;
    }
    while (journal_acknowledged(f->journal) < f->stream.size)
        wait_for_wake();
    f->acknowledged = f->stream.size;
}

/* Thousands of units under each policy, over several segments, acknowledged in order; closed, and read back.
 */
static void everything_is_acknowledged_and_read_back(void **state)
{
    (void)state;
    for (int policy = SYNC_ALWAYS; policy <= SYNC_NO; policy++) {
        struct fixture f;
        setup(NULL);
        init(&f, (enum sync_policy)policy);
        for (int life = 0; life < 2; life++) {
            fixture_start(&f);
            append_as_a_loop(&f, 16000);
            fixture_append(&f, 3, 100);
            assert_true(journal_close(f.journal));
            f.journal = NULL;
        }
        assert_true(fixture_recover(&f));
        assert_int_equal(f.progress.torn_frames, 0);
        fixture_check(&f);
        done(&f);
        if (policy < SYNC_NO)
            teardown(NULL);
    }
}

/* A rewrite by a forked child while the loop goes on appending, several times. */
static void a_child_rewrites_while_the_loop_goes_on(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, SYNC_ALWAYS);
    fixture_start(&f);
    for (int i = 0; i < 4; i++) {
        append_as_a_loop(&f, 2000);
        lsn_t lsn = journal_rewrite_begin(f.journal);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(fixture_write_base(&f, lsn) == 0 ? 0 : 1);
        append_as_a_loop(&f, 2000);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        journal_rewrite_end(f.journal, true);
        while (journal_rewriting(f.journal))
            wait_for_wake();
        struct journal_stats stats;
        journal_stats_read(f.journal, &stats);
        assert_int_equal(stats.base_lsn, lsn);
    }
    /* The process is killed: what it handed to the kernel is there. */
    journal_abandon(f.journal);
    f.journal = NULL;
    fixture_start(&f);
    assert_true(f.base_seen);
    assert_true(journal_close(f.journal));
    f.journal = NULL;
    done(&f);
}

/* Starting on an empty folder and starting again take next to nothing. */
static void starting_is_quick(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, SYNC_ALWAYS);
    for (int life = 0; life < 3; life++) {
        int64_t begin_us = clock_monotonic_us(clock_system());
        fixture_start(&f);
        int64_t took_us = clock_monotonic_us(clock_system()) - begin_us;
        print_message("start %d: %.2f ms\n", life, (double)took_us / 1000);
        assert_true(took_us < 1000000); /* some disks sync slowly */
        append_as_a_loop(&f, 8);
        assert_true(journal_close(f.journal));
        f.journal = NULL;
    }
    done(&f);
}

/* D13: a second process that wants the folder is told who has it. */
static void a_second_process_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, SYNC_ALWAYS);
    fixture_start(&f);
    struct journal_options options = f.options;
    struct journal_error error = {""};
    char expected[64];
    assert_int_equal(disk_posix_open(folder, &options.disk), 0);
    assert_null(journal_open(&options, &error));
    snprintf(expected, sizeof(expected), "is in use by process %d", (int)getpid());
    assert_non_null(strstr(error.text, expected));
    disk_free(options.disk);
    assert_true(journal_close(f.journal));
    f.journal = NULL;
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(everything_is_acknowledged_and_read_back, teardown),
        cmocka_unit_test_setup_teardown(a_child_rewrites_while_the_loop_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(starting_is_quick, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_process_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
