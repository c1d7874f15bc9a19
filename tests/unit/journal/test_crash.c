/* D1, D5, D10: a crash at any call to the disk leaves a prefix of what was executed, with all that was
 * acknowledged in it, and nothing to clean up by hand. */
#include "fixture.c"

static char context[128]; /* which crash, told when a test fails */

static int tell_context(void **state)
{
    (void)state;
    if (context[0])
        print_message("at %s\n", context);
    context[0] = '\0';
    return 0;
}

static bool is_alive(struct fixture *f)
{
    return !memory_disk_has_crashed(f->memory);
}

/* One life: recovery, appending over several segments, rewrites that make spares and use them up, a failed
 * rewrite, quiet times, and a clean stop. Returns as soon as the power is gone. */
static void live(struct fixture *f, int rounds)
{
    bool started = fixture_recover(f) && journal_start(f->journal, &f->error);
    if (!started) {
        if (is_alive(f))
            fail_msg("%s", f->error.text);
        return;
    }
    fixture_check(f);
    for (int round = 0; round < rounds && is_alive(f); round++) {
        for (int i = 0; i < 4; i++) {
            fixture_append(f, 2, (size_t)(60 * i + round));
            fixture_work(f);
            journal_admit(f->journal, 300);
            fixture_work(f);
        }
        bool rewrites = round % 2 == 1;
        lsn_t lsn = rewrites ? journal_rewrite_begin(f->journal) : 0;
        fixture_append(f, 1, 20);
        fixture_pass(f, 150000);
        fixture_append(f, 1, 1500);
        fixture_work(f);
        if (rewrites) {
            bool ok = fixture_write_base(f, lsn) == 0;
            journal_rewrite_end(f->journal, ok && round != 3);
        }
        fixture_pass(f, 1000000);
    }
    fixture_append(f, 1, 10);
    if (journal_close(f->journal))
        f->acknowledged = f->durable = f->stream.size;
    f->journal = NULL;
}

static void configure(struct fixture *f, enum sync_policy policy, int history_bases)
{
    fixture_init(f);
    f->options.policy = policy;
    f->options.history_bases = history_bases;
}

/* The same, whatever the crash: afterwards it goes on, crashes again, and still nothing is missing. */
static void check_after_crash(struct fixture *f, enum memory_crash crash, uint64_t seed)
{
    fixture_crash(f, crash, seed);
    f->seed++;
    fixture_start(f);
    fixture_append(f, 3, 30);
    fixture_work(f);
    fixture_append(f, 2, 400);
    fixture_crash(f, CRASH_LOSING_ALL, 0);
    fixture_start(f);
    fixture_append(f, 1, 30);
    fixture_close(f);
    assert_true(fixture_recover(f));
    fixture_check(f);
    assert_int_equal(f->progress.torn_frames, 0);
}

static const struct {
    enum memory_crash crash;
    const char *name;
    int seeds;
} crashes[] = {
    {CRASH_OF_PROCESS, "process", 1}, {CRASH_LOSING_ALL, "all", 1}, {CRASH_LOSING_SOME, "some", 6}};

static void crash_everywhere(enum sync_policy policy, int history_bases)
{
    struct fixture f;
    configure(&f, policy, history_bases);
    live(&f, 6);
    assert_true(history_bases > 0 || fixture_count_files(&f, "spare-") > 0);
    uint64_t calls = memory_disk_calls(f.memory);
    fixture_free(&f);
    for (uint64_t call = 1; call <= calls; call++)
        for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
            for (int seed = 0; seed < crashes[i].seeds; seed++) {
                snprintf(context, sizeof(context),
                         "policy %d, call %" PRIu64 " of %" PRIu64 ", losing %s, seed %d", (int)policy, call,
                         calls, crashes[i].name, seed);
                configure(&f, policy, history_bases);
                memory_disk_crash_at(f.memory, call);
                live(&f, 6);
                check_after_crash(&f, crashes[i].crash, (uint64_t)seed + call * 8);
                fixture_free(&f);
            }
    context[0] = '\0';
}

static void a_crash_at_any_call_loses_nothing_under_always(void **state)
{
    (void)state;
    crash_everywhere(SYNC_ALWAYS, 0);
}

static void a_crash_at_any_call_keeps_a_prefix_under_everysec(void **state)
{
    (void)state;
    crash_everywhere(SYNC_EVERYSEC, 1);
}

static void a_crash_at_any_call_keeps_a_prefix_under_no(void **state)
{
    (void)state;
    crash_everywhere(SYNC_NO, 0);
}

/* Recovery and start may be cut short at any call as well, again and again. */
static void a_crash_during_recovery_loses_nothing(void **state)
{
    (void)state;
    struct fixture f;
    bool done = false;
    for (uint64_t first = 5; !done; first += 3) {
        bool recovered = false;
        for (uint64_t second = 1; !recovered; second++) {
            snprintf(context, sizeof(context), "call %" PRIu64 ", then call %" PRIu64, first, second);
            configure(&f, SYNC_ALWAYS, (int)(first % 2));
            memory_disk_crash_at(f.memory, first);
            live(&f, 6);
            done = is_alive(&f);
            fixture_crash(&f, CRASH_LOSING_SOME, first);
            f.seed++;
            memory_disk_crash_at(f.memory, second);
            if (fixture_recover(&f) && journal_start(f.journal, &f.error)) {
                recovered = true;
                fixture_work(&f);
            }
            assert_true(recovered || !is_alive(&f));
            check_after_crash(&f, CRASH_LOSING_SOME, second);
            fixture_free(&f);
        }
    }
    context[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_crash_at_any_call_loses_nothing_under_always, tell_context),
        cmocka_unit_test_teardown(a_crash_at_any_call_keeps_a_prefix_under_everysec, tell_context),
        cmocka_unit_test_teardown(a_crash_at_any_call_keeps_a_prefix_under_no, tell_context),
        cmocka_unit_test_teardown(a_crash_during_recovery_loses_nothing, tell_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
