/* The expiry wheel, held against a plain list of times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../seed.h"
#include "base/memory.h"
#include "base/wheel.h"

#define NODES        2000
#define PLENTY       1000000
#define DAY_MS       (INT64_C(24) * 3600 * 1000)
#define YEAR_MS      (365 * DAY_MS)
#define TOLERANCE_MS ((WHEEL_REWIND_TICKS + 1) * (int64_t)WHEEL_TICK_MS)

struct fixture {
    struct random random;
    struct wheel *wheel;
    struct wheel_node nodes[NODES];
    bool in_wheel[NODES];
    size_t count;
    int64_t now_ms;
};

static void fixture_begin(struct fixture *fixture, const char *test)
{
    memset(fixture, 0, sizeof(*fixture));
    test_random(&fixture->random, test);
    fixture->wheel = wheel_new();
    fixture->now_ms = 5000 * YEAR_MS;
}

/* A span of time of a random magnitude, from nothing to centuries. */
static int64_t random_span(struct random *random)
{
    static const int64_t longest_ms[] = {1, 20, 1000, 60000, 3600000, DAY_MS, YEAR_MS, 300 * YEAR_MS};
    return (int64_t)random_below(random, (uint64_t)longest_ms[random_below(random, 8)] + 1);
}

static int64_t random_time(struct fixture *fixture)
{
    switch (random_below(&fixture->random, 40)) {
    case 0: return INT64_MAX - (int64_t)random_below(&fixture->random, 100);
    case 1: return INT64_MIN + (int64_t)random_below(&fixture->random, 100);
    case 2: return (int64_t)random_below(&fixture->random, 100) - 50;
    case 3:
    case 4: return fixture->now_ms - random_span(&fixture->random);
    default: return fixture->now_ms + random_span(&fixture->random);
    }
}

static void change_one(struct fixture *fixture)
{
    size_t i = random_below(&fixture->random, NODES);
    if (!fixture->in_wheel[i]) {
        wheel_insert(fixture->wheel, &fixture->nodes[i], random_time(fixture));
        fixture->in_wheel[i] = true;
        fixture->count++;
    } else if (random_below(&fixture->random, 3) == 0) {
        wheel_remove(fixture->wheel, &fixture->nodes[i]);
        fixture->in_wheel[i] = false;
        fixture->count--;
    } else {
        wheel_change(fixture->wheel, &fixture->nodes[i], random_time(fixture));
    }
}

/* Takes out what is due, with budgets of all sizes, until nothing more is. */
static void drain(struct fixture *fixture)
{
    int budget;
    do {
        int given = budget = (int)random_below(&fixture->random, 50) + 1;
        struct wheel_node *node;
        while ((node = wheel_next(fixture->wheel, fixture->now_ms, &budget)) != NULL) {
            assert_true(node->expire_ms <= fixture->now_ms);
            assert_true(budget < given);
            size_t i = (size_t)(node - fixture->nodes);
            assert_true(fixture->in_wheel[i]);
            if (random_below(&fixture->random, 4) == 0) {
                wheel_change(fixture->wheel, node, fixture->now_ms + 1 + random_span(&fixture->random));
                continue;
            }
            wheel_remove(fixture->wheel, node);
            fixture->in_wheel[i] = false;
            fixture->count--;
        }
        assert_true(budget >= 0);
    } while (budget == 0);
}

/* Whoever comes when wheel_due_ms says so, and no sooner, misses nothing. */
static void assert_due_is_not_late(const struct fixture *fixture)
{
    __int128 due_ms = wheel_due_ms(fixture->wheel);
    for (size_t i = 0; i < NODES; i++)
        if (fixture->in_wheel[i])
            assert_true(due_ms < (__int128)fixture->nodes[i].expire_ms + WHEEL_TICK_MS);
}

static void assert_none_is_overdue(const struct fixture *fixture, int64_t tolerance_ms)
{
    __int128 sum = 0;
    for (size_t i = 0; i < NODES; i++) {
        if (!fixture->in_wheel[i])
            continue;
        assert_true(fixture->nodes[i].expire_ms > fixture->now_ms - tolerance_ms);
        sum += fixture->nodes[i].expire_ms;
    }
    assert_int_equal(wheel_count(fixture->wheel), fixture->count);
    if (fixture->count > 0)
        assert_true(wheel_mean_ms(fixture->wheel) == (int64_t)(sum / (__int128)fixture->count));
}

/* Whatever is added, removed and changed, and however far the clock jumps ahead: nothing is handed out early,
 * and all that is due is, a tick late at the most. */
static void due_nodes_are_found_while_the_clock_runs(void **state)
{
    (void)state;
    struct fixture *fixture = mem_alloc(sizeof(*fixture));
    fixture_begin(fixture, "clock runs");
    for (int round = 0; round < 10000; round++) {
        for (uint64_t i = random_below(&fixture->random, 60); i > 0; i--)
            change_one(fixture);
        drain(fixture);
        assert_none_is_overdue(fixture, WHEEL_TICK_MS);
        assert_due_is_not_late(fixture);
        fixture->now_ms += random_span(&fixture->random) / (1 + 1000 * (round % 4 != 0));
    }
    wheel_free(fixture->wheel);
    mem_free(fixture);
}

/* The same with a clock that goes back, too: nothing early, and nothing later than the steps back that are
 * waited out. */
static void due_nodes_are_found_when_the_clock_goes_back(void **state)
{
    (void)state;
    struct fixture *fixture = mem_alloc(sizeof(*fixture));
    fixture_begin(fixture, "clock goes back");
    for (int round = 0; round < 10000; round++) {
        for (uint64_t i = random_below(&fixture->random, 60); i > 0; i--)
            change_one(fixture);
        drain(fixture);
        assert_none_is_overdue(fixture, TOLERANCE_MS);
        int64_t jump_ms = random_span(&fixture->random);
        fixture->now_ms += random_below(&fixture->random, 2) == 0 ? jump_ms : -jump_ms;
        if (fixture->now_ms < 0)
            fixture->now_ms = 0;
    }
    wheel_free(fixture->wheel);
    mem_free(fixture);
}

/* A jump over centuries costs work for the nodes, not for the time in between. */
static void a_long_jump_is_cheap(void **state)
{
    (void)state;
    struct wheel *wheel = wheel_new();
    struct wheel_node nodes[10];
    int budget = PLENTY;
    assert_null(wheel_next(wheel, 50 * YEAR_MS, &budget));
    for (int i = 0; i < 10; i++)
        wheel_insert(wheel, &nodes[i], 50 * YEAR_MS + i * 100 * YEAR_MS);
    int64_t now_ms = 50 * YEAR_MS + 1;
    for (int i = 0; i < 10; i++, now_ms += 100 * YEAR_MS) {
        assert_ptr_equal(wheel_next(wheel, now_ms, &budget), &nodes[i]);
        wheel_remove(wheel, &nodes[i]);
        assert_null(wheel_next(wheel, now_ms, &budget));
    }
    assert_true(PLENTY - budget < 10 * WHEEL_LEVELS);
    wheel_free(wheel);
}

/* With a budget of one a call looks at one node, and calling again goes on where it stopped. */
static void a_budget_bounds_the_work(void **state)
{
    (void)state;
    struct wheel *wheel = wheel_new();
    struct wheel_node nodes[100];
    for (int i = 0; i < 100; i++)
        wheel_insert(wheel, &nodes[i], DAY_MS + (i % 2 == 0 ? -1000 : 1000));
    int found = 0;
    for (int i = 0; i < 100; i++) {
        int budget = 1;
        struct wheel_node *node = wheel_next(wheel, DAY_MS, &budget);
        assert_int_equal(budget, 0);
        if (node == NULL)
            continue;
        wheel_remove(wheel, node);
        found++;
    }
    assert_int_equal(found, 50);
    int budget = 0;
    assert_null(wheel_next(wheel, 2 * DAY_MS, &budget));
    wheel_free(wheel);
}

/* A node that moves in memory keeps its place, also on the pending list. */
static void a_relocated_node_is_found_at_its_new_place(void **state)
{
    (void)state;
    struct wheel *wheel = wheel_new();
    struct wheel_node nodes[3], moved;
    int budget = PLENTY;
    wheel_next(wheel, DAY_MS, &budget);
    for (int i = 0; i < 3; i++)
        wheel_insert(wheel, &nodes[i], DAY_MS + 100);
    wheel_relocate(&nodes[1], &moved);
    memset(&nodes[1], 0xee, sizeof(nodes[1]));
    int found = 0;
    for (struct wheel_node *node; (node = wheel_next(wheel, 2 * DAY_MS, &budget)) != NULL; found++) {
        assert_ptr_not_equal(node, &nodes[1]);
        wheel_remove(wheel, node);
    }
    assert_int_equal(found, 3);
    wheel_free(wheel);
}

/* Whatever was inserted, removed and put off, the soonest node is taken off first, but for those that share
 * its slot. */
static void the_soonest_comes_first(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture, "soonest");
    int budget = PLENTY;
    wheel_next(fixture.wheel, fixture.now_ms, &budget);
    for (size_t i = 0; i < NODES; i++)
        wheel_insert(fixture.wheel, &fixture.nodes[i], fixture.now_ms + 1000 + (int64_t)i * 1000);
    /* Every second one is put off by as much again. */
    for (size_t i = 0; i < NODES; i += 2)
        wheel_change(fixture.wheel, &fixture.nodes[i], fixture.now_ms + 1000 + (int64_t)(NODES + i) * 1000);
    int64_t latest_ms = 0;
    struct wheel_node *node;
    while ((node = wheel_soonest(fixture.wheel, NODES)) != NULL) {
        assert_true(node->expire_ms > latest_ms);
        latest_ms = node->expire_ms;
        wheel_remove(fixture.wheel, node);
    }
    assert_int_equal(wheel_count(fixture.wheel), 0);
    wheel_free(fixture.wheel);
}

/* Whoever looks only when wheel_due_ms says so finds each node a tick late at the most, and need not look
 * often for one that is far away. */
static void nobody_looks_for_nothing(void **state)
{
    (void)state;
    struct wheel *wheel = wheel_new();
    struct wheel_node nodes[10];
    int64_t now_ms = 50 * YEAR_MS;
    int budget = PLENTY;
    int looks = 0;
    assert_true(wheel_due_ms(wheel) == INT64_MAX);
    assert_null(wheel_next(wheel, now_ms, &budget));
    int64_t distance_ms = 30;
    for (int i = 0; i < 10; i++, distance_ms *= 13)
        wheel_insert(wheel, &nodes[i], now_ms + distance_ms);
    for (int i = 0; i < 10; looks++) {
        assert_true(wheel_due_ms(wheel) > now_ms);
        now_ms = wheel_due_ms(wheel);
        struct wheel_node *node = wheel_next(wheel, now_ms, &budget);
        if (node == NULL)
            continue;
        assert_ptr_equal(node, &nodes[i++]);
        assert_in_range(now_ms, node->expire_ms, node->expire_ms + WHEEL_TICK_MS - 1);
        wheel_remove(wheel, node);
        assert_null(wheel_next(wheel, now_ms, &budget));
    }
    assert_true(looks < 10 * WHEEL_LEVELS);
    wheel_free(wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_nodes_are_found_while_the_clock_runs),
        cmocka_unit_test(due_nodes_are_found_when_the_clock_goes_back),
        cmocka_unit_test(a_long_jump_is_cheap),
        cmocka_unit_test(a_budget_bounds_the_work),
        cmocka_unit_test(a_relocated_node_is_found_at_its_new_place),
        cmocka_unit_test(the_soonest_comes_first),
        cmocka_unit_test(nobody_looks_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
