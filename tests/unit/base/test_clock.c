/* Time that never runs back, over a wall clock that is set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

#define SECOND INT64_C(1000000)
#define BEGIN  INT64_C(1700000000000000)

/* Where the wall clock goes, or jumps ahead, time goes with it. */
static void it_follows_the_clock(void **state)
{
    (void)state;
    struct forward_time time = {0};
    assert_int_equal(forward_time_tell(&time, BEGIN, 5), BEGIN);
    assert_int_equal(forward_time_tell(&time, BEGIN + 1, 6), BEGIN + 1);
    assert_int_equal(forward_time_tell(&time, BEGIN + 1000 * SECOND, 7), BEGIN + 1000 * SECOND);
    assert_false(time.is_ahead);
}

/* Set back, it goes on at nine tenths of the pace until the wall clock has caught up, and not again before.
 */
static void it_never_runs_back(void **state)
{
    (void)state;
    struct forward_time time = {0};
    int64_t last = forward_time_tell(&time, BEGIN, 0);
    for (int64_t at = 0; at <= 200 * SECOND; at += SECOND / 10) {
        int64_t wall = BEGIN - 10 * SECOND + at;
        int64_t now = forward_time_tell(&time, wall, at);
        assert_true(now >= last && now >= wall);
        assert_int_equal(now, at < 100 * SECOND ? BEGIN + at / 10 * 9 : wall);
        last = now;
    }
    assert_false(time.is_ahead);
}

/* Many looks in a row lose nothing by rounding, and further steps back change nothing. */
static void steps_back_do_not_add_up(void **state)
{
    (void)state;
    struct forward_time time = {0};
    forward_time_tell(&time, BEGIN, 0);
    for (int64_t at = 1; at <= SECOND; at++)
        forward_time_tell(&time, BEGIN - 365 * 86400 * SECOND - at * 1000, at);
    assert_in_range(time.now_us, BEGIN + SECOND / 10 * 9 - 9, BEGIN + SECOND / 10 * 9);
    assert_true(time.is_ahead);
}

static void it_is_raised(void **state)
{
    (void)state;
    struct forward_time time = {0};
    forward_time_tell(&time, BEGIN, 0);
    forward_time_raise(&time, BEGIN - 1, 0);
    assert_int_equal(forward_time_tell(&time, BEGIN, 0), BEGIN);
    forward_time_raise(&time, BEGIN + 10 * SECOND, 0);
    assert_int_equal(forward_time_tell(&time, BEGIN + SECOND, SECOND), BEGIN + 10 * SECOND + SECOND / 10 * 9);
    assert_int_equal(forward_time_tell(&time, BEGIN + 100 * SECOND, 100 * SECOND), BEGIN + 100 * SECOND);
    assert_int_equal(forward_time_tell(&time, BEGIN + 101 * SECOND, 101 * SECOND), BEGIN + 101 * SECOND);
    assert_false(time.is_ahead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_follows_the_clock),
        cmocka_unit_test(it_never_runs_back),
        cmocka_unit_test(steps_back_do_not_add_up),
        cmocka_unit_test(it_is_raised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
