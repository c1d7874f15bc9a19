/* The hash table through the databases that use it: growing, shrinking, freezing, scanning, choosing at
 * random. */
#include "store_test.h"

#include "base/memory.h"
#include "store/database.h"

static size_t buckets(const struct database *db)
{
    return db->contents.table.count;
}

static void add(struct store *store, struct database *db, uint64_t number)
{
    char text[TEST_KEY_SIZE];
    test_set(store, db, test_key(text, number), slice_of("value"), EXPIRE_NEVER);
}

static bool drop(struct store *store, struct database *db, uint64_t number)
{
    char text[TEST_KEY_SIZE];
    return test_delete(store, db, test_key(text, number));
}

static bool is_there(struct store *store, struct database *db, uint64_t number)
{
    char text[TEST_KEY_SIZE];
    return test_find(store, db, test_key(text, number)) != NULL;
}

static uint64_t number_of(const struct entry *entry)
{
    char text[TEST_KEY_SIZE] = {0};
    struct slice key = entry_key(entry);
    memcpy(text, key.data, key.size);
    return strtoull(text + strlen("key:"), NULL, 10);
}

struct visits {
    uint8_t *seen; /* by number */
    size_t count;
};

static void visit_count(void *context, struct entry *entry)
{
    struct visits *visits = context;
    uint64_t number = number_of(entry);
    if (visits->seen[number] < UINT8_MAX)
        visits->seen[number]++;
    visits->count++;
}

static void assert_each_visits(struct database *db, size_t count, size_t universe)
{
    struct visits visits = {.seen = mem_alloc_zero(universe)};
    database_each(db, visit_count, &visits);
    assert_int_equal(visits.count, count);
    for (size_t i = 0; i < universe; i++)
        assert_true(visits.seen[i] <= 1);
    mem_free(visits.seen);
}

/* Through growth to 100,000 keys and back all keys that should be there are found, no others, and the number
 * of buckets follows the number of keys. */
static void keys_are_found_while_the_table_grows_and_shrinks(void **state)
{
    (void)state;
    enum { KEYS = 100000 };
    struct store *store = test_store(1, NULL);
    struct database *db = store_database(store, 0);
    for (uint64_t i = 0; i < KEYS; i++) {
        add(store, db, i);
        assert_int_equal(database_size(db), i + 1);
        assert_true(is_there(store, db, i / 2));
        assert_false(is_there(store, db, i + 1));
        assert_true(buckets(db) * 9 >= i + 1);
    }
    assert_each_visits(db, KEYS, KEYS);
    for (uint64_t i = 0; i < KEYS; i++) {
        assert_true(drop(store, db, i));
        assert_false(drop(store, db, i));
        assert_true(i + 1 == KEYS || is_there(store, db, i + 1 + (KEYS - i - 1) / 2));
        assert_true(buckets(db) * 5 <= KEYS - i + 8);
    }
    assert_int_equal(database_size(db), 0);
    store_free(store);
}

/* Table and chains take between 9 and 10 bytes for a key, at every size; an empty database takes nothing but
 * its struct. */
static void memory_for_a_key_is_steady(void **state)
{
    (void)state;
    struct store *store = test_store(16, NULL);
    struct database *db = store_database(store, 0);
    assert_int_equal(store_overhead(store), 0);
    for (uint64_t i = 0; i < 300000; i++) {
        add(store, db, i);
        if (i >= 100000 && i % 1000 == 0) {
            double for_a_key = (double)store_overhead(store) / (double)(i + 1);
            assert_true(for_a_key > 8.5 && for_a_key < 10.5);
        }
    }
    store_free(store);
}

/* All that was allocated is given back: entries at once, the last of a table by database_step. */
static void memory_returns_to_zero(void **state)
{
    (void)state;
    struct store *store = test_store(2, NULL);
    struct database *db = store_database(store, 0);
    size_t before = memory_used();
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 20000; i++) {
            char text[TEST_KEY_SIZE];
            struct slice key = test_key(text, i);
            test_set(store, db, key, slice_of("value"), i % 2 == 0 ? (int64_t)i : EXPIRE_NEVER);
        }
        assert_true(memory_used() > before + store_overhead(store));
        for (uint64_t i = 0; i < 20000; i++)
            assert_true(drop(store, db, i));
        assert_false(database_step(db, 1));
        assert_int_equal(memory_used(), before);
        assert_int_equal(store_overhead(store), 0);
    }
    store_free(store);
}

/* A frozen table keeps its buckets whatever comes and goes, finds all the same, and catches up afterwards, by
 * steps and by insertions, a few buckets at a time. */
static void a_frozen_table_stays_and_catches_up(void **state)
{
    (void)state;
    enum { KEYS = 50000 };
    struct store *store = test_store(1, NULL);
    struct database *db = store_database(store, 0);
    for (uint64_t i = 0; i < 1000; i++)
        add(store, db, i);
    size_t frozen_buckets = buckets(db);
    store_freeze_tables(store, true);
    for (uint64_t i = 1000; i < KEYS; i++)
        add(store, db, i);
    assert_false(database_step(db, 100));
    assert_int_equal(buckets(db), frozen_buckets);
    for (uint64_t i = 0; i < KEYS; i += 7)
        assert_true(is_there(store, db, i));
    assert_each_visits(db, KEYS, KEYS);

    store_freeze_tables(store, false);
    add(store, db, KEYS);
    assert_true(buckets(db) > frozen_buckets && buckets(db) <= frozen_buckets + 2);
    assert_true(database_step(db, 10));
    assert_int_equal(buckets(db), frozen_buckets + 12);
    while (database_step(db, 10))
        ;
    assert_true(buckets(db) * 9 > KEYS);
    assert_each_visits(db, KEYS + 1, KEYS + 1);

    store_freeze_tables(store, true);
    frozen_buckets = buckets(db);
    for (uint64_t i = 10; i <= KEYS; i++)
        assert_true(drop(store, db, i));
    assert_int_equal(buckets(db), frozen_buckets);
    assert_non_null(database_random(db));
    store_freeze_tables(store, false);
    while (database_step(db, 10))
        ;
    assert_true(buckets(db) <= 4);
    assert_each_visits(db, 10, KEYS);
    store_free(store);
}

/* Keys that are expected find room made for them, and keep it while they come; what turns out not to be
 * needed is given back in steps once nothing is expected, and every key is found all along. */
static void room_is_made_for_expected_keys(void **state)
{
    (void)state;
    struct store *store = test_store(1, NULL);
    struct database *db = store_database(store, 0);
    for (uint64_t i = 0; i < 100; i++)
        add(store, db, i);
    database_expect(db, 20000);
    size_t made = buckets(db);
    assert_in_range(made, 20000 / 9, 20000 / 8);
    for (uint64_t i = 100; i < 2000; i++)
        add(store, db, i);
    assert_false(database_step(db, 1000));
    assert_int_equal(buckets(db), made);
    assert_each_visits(db, 2000, 2000);

    database_expect(db, 0);
    assert_int_equal(buckets(db), made);
    assert_true(database_step(db, 64));
    assert_int_equal(buckets(db), made - 64);
    while (database_step(db, 64))
        ;
    assert_in_range(buckets(db), 2000 / 9, 2000 / 4);
    for (uint64_t i = 0; i < 2000; i++)
        assert_true(is_there(store, db, i));
    store_free(store);
}

/* In a table at rest a scan visits every entry exactly once, with cursors no larger than the table. */
static void a_scan_at_rest_visits_each_once(void **state)
{
    (void)state;
    for (uint64_t keys = 0; keys < 3000; keys = keys * 5 / 4 + 1) {
        struct store *store = test_store(1, NULL);
        struct database *db = store_database(store, 0);
        for (uint64_t i = 0; i < keys; i++)
            add(store, db, i);
        struct visits visits = {.seen = mem_alloc_zero(keys + 1)};
        uint64_t cursor = 0;
        do {
            cursor = database_scan(db, cursor, visit_count, &visits);
            assert_true(cursor < 2 * buckets(db) + 1);
        } while (cursor != 0);
        assert_int_equal(visits.count, keys);
        for (uint64_t i = 0; i < keys; i++)
            assert_int_equal(visits.seen[i], 1);
        mem_free(visits.seen);
        store_free(store);
    }
}

/* A cursor that nobody gave out is as good as any: the scan goes on and ends. */
static void any_cursor_leads_to_the_end(void **state)
{
    (void)state;
    struct random random;
    test_random(&random, "any cursor");
    struct store *store = test_store(1, NULL);
    struct database *db = store_database(store, 0);
    for (uint64_t i = 0; i < 500; i++)
        add(store, db, i);
    struct visits visits = {.seen = mem_alloc_zero(500)};
    for (int i = 0; i < 1000; i++) {
        uint64_t cursor = random_next(&random) >> random_below(&random, 64);
        size_t steps = 0;
        do {
            cursor = database_scan(db, cursor, visit_count, &visits);
            assert_true(++steps <= buckets(db));
        } while (cursor != 0);
    }
    mem_free(visits.seen);
    store_free(store);
}

enum { SCAN_KEPT = 300, SCAN_UNIVERSE = 110000 };

/* Moves the number of keys some way towards a target between 10 and 100,000, leaving the first SCAN_KEPT
 * alone. */
static void scan_disturb(struct store *store, struct database *db, struct random *random, uint64_t target)
{
    size_t changes = random_below(random, 2000);
    while (changes-- > 0 && database_size(db) != target) {
        uint64_t number = SCAN_KEPT + random_below(random, SCAN_UNIVERSE - SCAN_KEPT);
        if (database_size(db) < target) {
            add(store, db, number);
        } else {
            struct entry *victim = database_random(db);
            if (number_of(victim) >= SCAN_KEPT)
                drop(store, db, number_of(victim));
        }
    }
    if (random_below(random, 8) == 0)
        store_freeze_tables(store, random_below(random, 3) == 0);
    database_step(db, (int)random_below(random, 20));
}

static void visit_mark(void *context, struct entry *entry)
{
    uint64_t number = number_of(entry);
    if (number < SCAN_KEPT)
        ((bool *)context)[number] = true;
}

/* The guarantee: whatever is inserted and deleted between the steps of a scan, and however the table grows,
 * shrinks and freezes meanwhile, what is there throughout is visited. */
static void a_scan_misses_nothing_that_stays(void **state)
{
    (void)state;
    static const uint64_t targets[] = {310, 320, 400, 1000, 5000, 20000, 100000};
    struct random random;
    test_random(&random, "scan");
    struct store *store = test_store(1, &random);
    struct database *db = store_database(store, 0);
    for (uint64_t i = 0; i < SCAN_KEPT; i++)
        add(store, db, i);
    size_t largest = 0;
    size_t smallest = SIZE_MAX;
    for (int scan = 0; scan < 200; scan++) {
        bool seen[SCAN_KEPT] = {false};
        uint64_t cursor = 0;
        uint64_t target = targets[random_below(&random, 7)];
        /* Few disturbances in a scan or many, so that it sees long and short ways of the table. */
        uint64_t rarity = 1 + random_below(&random, 60);
        do {
            cursor = database_scan(db, cursor, visit_mark, seen);
            if (random_below(&random, 500) == 0)
                target = targets[random_below(&random, 7)];
            if (random_below(&random, rarity) == 0)
                scan_disturb(store, db, &random, target);
            largest = database_size(db) > largest ? database_size(db) : largest;
            smallest = database_size(db) < smallest ? database_size(db) : smallest;
        } while (cursor != 0);
        for (int i = 0; i < SCAN_KEPT; i++)
            assert_true(seen[i]);
    }
    printf("scan: between %zu and %zu keys\n", smallest, largest);
    store_free(store);
}

/* The same in tables of a few buckets, where every step of splitting and merging matters. */
static void a_scan_of_a_tiny_table_misses_nothing(void **state)
{
    (void)state;
    enum { KEPT = 10, UNIVERSE = 200 };
    struct random random;
    test_random(&random, "tiny scan");
    struct store *store = test_store(1, &random);
    struct database *db = store_database(store, 0);
    struct visits visits = {.seen = mem_alloc(UNIVERSE)};
    for (uint64_t i = 0; i < KEPT; i++)
        add(store, db, i);
    for (int scan = 0; scan < 20000; scan++) {
        memset(visits.seen, 0, UNIVERSE);
        uint64_t cursor = 0;
        uint64_t most = 1 + random_below(&random, 30);
        bool growing = random_below(&random, 2) == 0;
        do {
            cursor = database_scan(db, cursor, visit_count, &visits);
            for (uint64_t i = random_below(&random, most); i > 0; i--) {
                uint64_t number = KEPT + random_below(&random, UNIVERSE - KEPT);
                if (growing == (random_below(&random, 8) != 0))
                    add(store, db, number);
                else
                    drop(store, db, number);
            }
        } while (cursor != 0);
        for (uint64_t i = 0; i < KEPT; i++)
            assert_true(visits.seen[i] > 0);
    }
    mem_free(visits.seen);
    store_free(store);
}

/* Every entry is chosen about as often as any other (chi-squared within six standard deviations of its mean).
 */
static void random_entries_are_uniform(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 5, 100, 1000, 1500};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t keys = sizes[i];
        struct store *store = test_store(1, NULL);
        struct database *db = store_database(store, 0);
        assert_null(database_random(db));
        for (uint64_t number = 0; number < keys; number++)
            add(store, db, number);
        uint32_t *chosen = mem_alloc_zero(keys * sizeof(*chosen));
        const double expected = 200;
        for (size_t draw = 0; draw < keys * 200; draw++)
            chosen[number_of(database_random(db))]++;
        double chi_squared = 0;
        for (size_t number = 0; number < keys; number++)
            chi_squared += (chosen[number] - expected) * (chosen[number] - expected) / expected;
        double deviation = chi_squared - (double)(keys - 1);
        assert_true(deviation * deviation <= 36 * 2 * (double)keys);
        mem_free(chosen);
        store_free(store);
    }
}

/* Keys whose hashes agree in all bits that choose buckets and tags are kept apart all the same. The table is
 * used directly: a real hash would have to be broken first. */
static void colliding_keys_form_a_chain(void **state)
{
    (void)state;
    enum { KEYS = 200 };
    const uint64_t hash = 42;
    struct table table;
    struct entry *entries[KEYS];
    table_init(&table, 1, true);
    for (uint64_t i = 0; i < KEYS; i++) {
        char text[TEST_KEY_SIZE];
        entries[i] = entry_new(VALUE_STRING, 0, test_key(text, i), 0, 0);
        table_insert(&table, entries[i], hash);
    }
    for (size_t left = KEYS; left > 0; left--) {
        for (size_t i = 0; i < KEYS; i++) {
            char text[TEST_KEY_SIZE];
            struct entry *found = table_find(&table, test_key(text, i), hash);
            assert_ptr_equal(found, entries[i]);
        }
        size_t victim = left * 7919 % KEYS;
        while (entries[victim] == NULL)
            victim = (victim + 1) % KEYS;
        table_remove(&table, entries[victim], hash);
        entry_free(entries[victim]);
        entries[victim] = NULL;
    }
    assert_int_equal(table.chained_bytes, 0);
    table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_while_the_table_grows_and_shrinks),
        cmocka_unit_test(memory_for_a_key_is_steady),
        cmocka_unit_test(memory_returns_to_zero),
        cmocka_unit_test(a_frozen_table_stays_and_catches_up),
        cmocka_unit_test(room_is_made_for_expected_keys),
        cmocka_unit_test(a_scan_at_rest_visits_each_once),
        cmocka_unit_test(any_cursor_leads_to_the_end),
        cmocka_unit_test(a_scan_misses_nothing_that_stays),
        cmocka_unit_test(a_scan_of_a_tiny_table_misses_nothing),
        cmocka_unit_test(random_entries_are_uniform),
        cmocka_unit_test(colliding_keys_form_a_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
