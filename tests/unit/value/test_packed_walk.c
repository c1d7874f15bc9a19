/* The packed table's elements without their members given: scanning, choosing by chance, what is due. */
#include "packed_test.h"

/* --- Scanning --- */

struct visits {
    uint8_t *seen; /* by number */
    size_t count;
};

static void visit_count(void *context, const struct packed_element *element)
{
    struct visits *visits = context;
    visits->seen[short_number(element->member)] = 1;
    visits->count++;
}

/* In a table at rest a scan visits every element exactly once, with cursors no larger than the table. */
static void a_scan_at_rest_visits_each_once(void **state)
{
    (void)state;
    for (uint64_t elements = 0; elements < 5000; elements = elements * 5 / 4 + 1) {
        struct packed_table *table = packed_table_new(1, &never_frozen);
        for (uint64_t i = 0; i < elements; i++)
            add(table, i);
        struct visits visits = {.seen = mem_alloc_zero(elements + 1)};
        uint64_t cursor = 0;
        do {
            cursor = packed_table_scan(table, cursor, visit_count, &visits);
            assert_true(cursor < 2 * buckets(table) + 1);
        } while (cursor != 0);
        assert_int_equal(visits.count, elements);
        for (uint64_t i = 0; i < elements; i++)
            assert_int_equal(visits.seen[i], 1);
        mem_free(visits.seen);
        packed_table_free(table);
    }
}

/* A cursor that nobody gave out is as good as any: the scan goes on and ends. */
static void any_cursor_leads_to_the_end(void **state)
{
    (void)state;
    struct random random;
    test_random(&random, "any cursor");
    struct packed_table *table = packed_table_new(1, &never_frozen);
    for (uint64_t i = 0; i < 1000; i++)
        add(table, i);
    struct visits visits = {.seen = mem_alloc_zero(1000)};
    for (int i = 0; i < 1000; i++) {
        uint64_t cursor = random_next(&random) >> random_below(&random, 64);
        size_t steps = 0;
        do {
            cursor = packed_table_scan(table, cursor, visit_count, &visits);
            assert_true(++steps <= buckets(table));
        } while (cursor != 0);
    }
    mem_free(visits.seen);
    packed_table_free(table);
}

enum { SCAN_KEPT = 300, SCAN_UNIVERSE = 60000 };

/* Moves the number of elements some way towards a target, leaving the first `kept` alone. */
static void scan_disturb(struct packed_table *table, bool *frozen, struct random *random, uint64_t target,
                         uint64_t kept, uint64_t universe)
{
    size_t changes = random_below(random, universe / 20);
    while (changes-- > 0 && packed_table_size(table) != target) {
        uint64_t number = kept + random_below(random, universe - kept);
        struct packed_element victim;
        if (packed_table_size(table) < target)
            add(table, number);
        else if (packed_table_random(table, random, INT64_MIN, &victim) &&
                 short_number(victim.member) >= kept)
            drop(table, short_number(victim.member));
    }
    if (random_below(random, 8) == 0)
        *frozen = random_below(random, 3) == 0;
    packed_table_settle(table, (int)random_below(random, 20));
}

static void scan_while_it_changes(struct random *random, uint64_t kept, uint64_t universe, int scans)
{
    bool frozen = false;
    struct packed_table *table = packed_table_new(random_next(random), &frozen);
    struct visits visits = {.seen = mem_alloc(universe)};
    for (uint64_t i = 0; i < kept; i++)
        add(table, i);
    for (int scan = 0; scan < scans; scan++) {
        memset(visits.seen, 0, universe);
        uint64_t cursor = 0;
        uint64_t target = kept + (random_below(random, universe - kept) >> random_below(random, 8));
        /* Few disturbances in a scan or many, so that it sees long and short ways of the table. */
        uint64_t rarity = 1 + random_below(random, 20);
        do {
            cursor = packed_table_scan(table, cursor, visit_count, &visits);
            if (random_below(random, 100) == 0)
                target = kept + (random_below(random, universe - kept) >> random_below(random, 8));
            if (random_below(random, rarity) == 0)
                scan_disturb(table, &frozen, random, target, kept, universe);
        } while (cursor != 0);
        for (uint64_t i = 0; i < kept; i++)
            assert_true(visits.seen[i]);
    }
    mem_free(visits.seen);
    packed_table_free(table);
}

/* The guarantee: whatever is added and deleted between the steps of a scan, and however the table grows,
 * shrinks and freezes meanwhile, what is there throughout is visited. In large tables and in such of a few
 * buckets, where every step of splitting and merging matters. */
static void a_scan_misses_nothing_that_stays(void **state)
{
    (void)state;
    struct random random;
    test_random(&random, "scan");
    scan_while_it_changes(&random, SCAN_KEPT, SCAN_UNIVERSE, 30);
    scan_while_it_changes(&random, 20, 300, 3000);
}

/* --- Choosing by chance --- */

/* Every element that may be chosen is chosen about as often as any other (chi-squared within six standard
 * deviations of its mean), whether hardly any is due, most are, or a freeze left most buckets empty. */
static void random_elements_are_uniform(void **state)
{
    (void)state;
    static const struct {
        size_t elements;
        uint64_t due_every; /* this many there are to one that is not due */
        size_t dropped;     /* while frozen */
        size_t unfrozen;    /* so many come before a freeze, the others during it */
    } cases[] = {{1, 1, 0, 1},       {5, 1, 0, 5},         {100, 1, 0, 100},         {1500, 1, 0, 1500},
                 {1500, 3, 0, 1500}, {4000, 500, 0, 4000}, {20000, 1, 19900, 20000}, {4000, 2, 0, 1000}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool frozen = false;
        struct random random;
        random_seed(&random, 11);
        struct packed_table *table = packed_table_new(1, &frozen);
        struct packed_element element;
        assert_false(packed_table_random(table, &random, INT64_MIN, &element));
        char text[16];
        for (uint64_t number = 0; number < cases[i].elements; number++) {
            frozen = number >= cases[i].unfrozen;
            packed_table_set(table, short_member(text, number), SLICE_LITERAL("v"),
                             number % cases[i].due_every == 0 ? number % 2 == 0 ? PACKED_NO_TIME : 101 : 100);
        }
        frozen = true;
        for (uint64_t number = 0; number < cases[i].dropped; number++)
            drop(table, number);
        size_t eligible = packed_table_size(table) - packed_table_due_size(table, 100);
        uint32_t *chosen = mem_alloc_zero(cases[i].elements * sizeof(*chosen));
        const double expected = 200;
        for (size_t draw = 0; draw < eligible * 200; draw++) {
            assert_true(packed_table_random(table, &random, 100, &element));
            assert_int_not_equal(element.time_ms, 100);
            chosen[short_number(element.member)]++;
        }
        double chi_squared = 0;
        for (size_t number = 0; number < cases[i].elements; number++)
            if (number >= cases[i].dropped && number % cases[i].due_every == 0)
                chi_squared += (chosen[number] - expected) * (chosen[number] - expected) / expected;
        double deviation = chi_squared - (double)(eligible - 1);
        assert_true(deviation * deviation <= 36 * 2 * (double)eligible);
        mem_free(chosen);
        packed_table_free(table);
    }
}

/* --- What is due --- */

/* As time passes, what is handed out as due is what is due, all of it, and the count says so before. */
static void what_is_due_is_found_in_time(void **state)
{
    (void)state;
    enum { ELEMENTS = 20000, SPAN = 5000 };
    struct random random;
    test_random(&random, "due");
    struct packed_table *table = packed_table_new(1, &never_frozen);
    char text[16];
    size_t *at = mem_alloc_zero(SPAN * sizeof(*at));
    for (uint64_t i = 0; i < ELEMENTS; i++) {
        int64_t time_ms = i % 4 == 0 ? PACKED_NO_TIME : (int64_t)random_below(&random, SPAN);
        packed_table_set(table, short_member(text, i), SLICE_LITERAL("v"), time_ms);
        if (time_ms != PACKED_NO_TIME)
            at[time_ms]++;
    }
    for (int64_t now_ms = 0; now_ms < SPAN; now_ms++) {
        size_t due = 0;
        struct packed_element element;
        assert_int_equal(packed_table_due_size(table, now_ms), at[now_ms]);
        assert_int_equal(packed_table_earliest(table) == now_ms, at[now_ms] > 0);
        for (; packed_table_next_due(table, now_ms, &element); due++) {
            assert_int_equal(element.time_ms, now_ms);
            assert_true(drop(table, short_number(element.member)));
        }
        assert_int_equal(due, at[now_ms]);
    }
    assert_int_equal(packed_table_size(table), ELEMENTS / 4);
    assert_int_equal(packed_table_timed_size(table), 0);
    assert_int_equal(packed_table_earliest(table), INT64_MAX);
    mem_free(at);
    packed_table_free(table);
}

/* Each element that may be chosen is as likely as any other, many or few as they are. */
static void draws_are_equally_likely(void **state)
{
    (void)state;
    enum { ELEMENTS = 2000, DRAWS = 20000 };
    static const size_t lives[] = {0, 1, 10, ELEMENTS};
    for (size_t i = 0; i < COUNT_OF(lives); i++) {
        struct random random;
        random_seed(&random, 12);
        struct packed_table *table = packed_table_new(7, &never_frozen);
        unsigned drawn[ELEMENTS] = {0};
        for (uint64_t number = 0; number < ELEMENTS; number++) {
            char text[16];
            add(table, number);
            if (number >= lives[i])
                assert_true(packed_table_set_time(table, short_member(text, number), 5));
        }
        struct packed_draw draw;
        struct packed_element element;
        packed_draw_begin(&draw, table, &random, 5);
        assert_int_equal(draw.spots != NULL, lives[i] > 0 && lives[i] < ELEMENTS);
        assert_int_equal(packed_draw_next(&draw, &element), lives[i] > 0);
        for (int j = 0; lives[i] > 0 && j < DRAWS; j++) {
            assert_true(packed_draw_next(&draw, &element));
            drawn[short_number(element.member)]++;
        }
        packed_draw_end(&draw);
        size_t mean = lives[i] > 0 ? DRAWS / lives[i] : 0;
        for (size_t number = 0; number < ELEMENTS; number++)
            if (number >= lives[i])
                assert_int_equal(drawn[number], 0);
            else if (mean >= 1000)
                assert_in_range(drawn[number], mean * 9 / 10, mean * 11 / 10);
            else
                assert_in_range(drawn[number], 0, mean * 4);
        packed_table_free(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_at_rest_visits_each_once),  cmocka_unit_test(any_cursor_leads_to_the_end),
        cmocka_unit_test(a_scan_misses_nothing_that_stays), cmocka_unit_test(random_elements_are_uniform),
        cmocka_unit_test(what_is_due_is_found_in_time),     cmocka_unit_test(draws_are_equally_likely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
