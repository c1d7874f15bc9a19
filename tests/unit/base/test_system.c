/* Clock, random numbers and diagnostics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/random.h"

/* The wall clock agrees with the kernel's, and the monotonic one goes on by what was slept. */
static void clock_tells_time(void **state)
{
    (void)state;
    struct clock *clock = clock_system();
    int64_t seconds = clock_wall_us(clock) / 1000000;
    assert_in_range(time(NULL) - seconds, 0, 1);
    assert_in_range(clock_wall_ms(clock) / 1000 - seconds, 0, 1);
    int64_t begin = clock_monotonic_us(clock);
    usleep(2000);
    assert_in_range(clock_monotonic_us(clock) - begin, 2000, 5000000);
}

/* A seed gives the same numbers for ever: seeds printed by the simulator must replay. */
static void seeded_numbers_repeat(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 42);
    uint64_t first = random_next(&random);
    assert_true(first == 0x15780b2e0c2ec716);
    assert_true(random_next(&random) == 0x6104d9866d113a7e);
    uint64_t hundredth = 0;
    for (int i = 2; i < 100; i++)
        hundredth = random_next(&random);
    assert_true(hundredth == 0xe67446e763165cd);
    random_seed(&random, 43);
    assert_true(random_next(&random) != first);
}

/* Numbers below a bound stay below it and come about equally often. */
static void bounded_numbers_are_uniform(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 0);
    int seen[10] = {0};
    for (int i = 0; i < 100000; i++) {
        uint64_t value = random_below(&random, 10);
        assert_true(value < 10);
        seen[value]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 9500, 10500);
    assert_true(random_below(&random, 1) == 0);
    uint64_t large = (UINT64_C(1) << 63) + 1;
    for (int i = 0; i < 1000; i++)
        assert_true(random_below(&random, large) < large);
}

/* Run ids are hexadecimal, of the length asked for, and differ. */
static void hex_ids_differ(void **state)
{
    (void)state;
    char a[41];
    char b[41];
    random_hex(a, 40);
    random_hex(b, 40);
    assert_int_equal(strlen(a), 40);
    assert_int_equal(strspn(a, "0123456789abcdef"), 40);
    assert_string_not_equal(a, b);
}

struct recorded {
    int lines;
    enum diag_level level;
    char text[64];
};

static void record(void *context, enum diag_level level, const char *text)
{
    struct recorded *recorded = context;
    recorded->lines++;
    recorded->level = level;
    snprintf(recorded->text, sizeof(recorded->text), "%s", text);
}

/* Lines at or above the level reach the sink, others do not. */
static void lines_reach_the_sink(void **state)
{
    (void)state;
    struct recorded recorded = {0};
    diag_set_sink(record, &recorded);
    assert_int_equal(diag_get_level(), DIAG_NOTICE);
    diag(DIAG_VERBOSE, "too quiet");
    assert_int_equal(recorded.lines, 0);
    diag(DIAG_WARNING, "%d sheep", 3);
    assert_int_equal(recorded.lines, 1);
    assert_int_equal(recorded.level, DIAG_WARNING);
    assert_string_equal(recorded.text, "3 sheep");
    diag_set_level(DIAG_DEBUG);
    diag(DIAG_DEBUG, "whisper");
    assert_string_equal(recorded.text, "whisper");
    diag_set_level(DIAG_NOTICE);
    diag_set_sink(NULL, NULL);
}

static void panicking_sink(void *context, enum diag_level level, const char *text)
{
    (void)context;
    (void)level;
    (void)text;
    panic("the sink fails");
}

/* Runs what_fails in a child and returns the signal it died of, with its standard error in *text. */
static int child_signal(void (*what_fails)(void), char *text, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        what_fails();
        _exit(0);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], text, size - 1);
    text[got < 0 ? 0 : got] = '\0';
    close(ends[0]);
    int status;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void fail_assertion(void)
{
    ASSERT(1 + 1 == 3);
}

static void fail_in_sink(void)
{
    diag_set_sink(panicking_sink, NULL);
    panic("first");
}

/* A failed assertion says what and where, and aborts. A sink that fails itself does not loop. */
static void failed_assertions_abort(void **state)
{
    (void)state;
    char text[256];
    assert_int_equal(child_signal(fail_assertion, text, sizeof(text)), SIGABRT);
    assert_non_null(strstr(text, "assertion failed: 1 + 1 == 3 (tests/unit/base/test_system.c:"));
    assert_int_equal(child_signal(fail_in_sink, text, sizeof(text)), SIGABRT);
    assert_non_null(strstr(text, "the sink fails"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_tells_time),
        cmocka_unit_test(seeded_numbers_repeat),
        cmocka_unit_test(bounded_numbers_are_uniform),
        cmocka_unit_test(hex_ids_differ),
        cmocka_unit_test(lines_reach_the_sink),
        cmocka_unit_test(failed_assertions_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
