/* What is remembered of the use of entries, and drawing entries by chance. */
#include "store_test.h"

#define START_MS   INT64_C(1700000000000)
#define MINUTE_MS  INT64_C(60000)
#define LOG_FACTOR 10

static struct store *store;
static struct database *db;

static int setup(void **state)
{
    (void)state;
    store = test_store(1, NULL);
    db = store_database(store, 0);
    store_set_time(store, START_MS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_free(store);
    return 0;
}

static struct entry *add(uint64_t number, int64_t expire_ms)
{
    char text[TEST_KEY_SIZE];
    return test_set(store, db, test_key(text, number), slice_of("value"), expire_ms);
}

static void count_frequency(int64_t decay_minutes)
{
    store_set_use(store, &(struct use_settings){true, LOG_FACTOR, decay_minutes});
}

/* Frequencies are those that Redis documents for a factor of 10: about 10 after a hundred uses, 18 after a
 * thousand, 142 after a hundred thousand, and never more than 255. */
static void frequencies_grow_logarithmically(void **state)
{
    (void)state;
    static const struct {
        int uses, least, most;
    } steps[] = {{0, 5, 5}, {100, 7, 14}, {1000, 14, 25}, {100000, 120, 160}, {3000000, 255, 255}};
    count_frequency(1);
    struct entry *entry = add(1, EXPIRE_NEVER);
    int done = 0;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        for (; done < steps[i].uses; done++)
            database_touch(db, entry);
        assert_in_range(database_frequency(db, entry), (uintmax_t)steps[i].least, (uintmax_t)steps[i].most);
    }
}

/* Each decay time without use takes one off a frequency, never below 0; a decay time of 0 takes nothing. */
static void frequencies_decay(void **state)
{
    (void)state;
    count_frequency(2);
    struct entry *entry = add(1, EXPIRE_NEVER);
    database_set_frequency(db, entry, 20);
    store_set_time(store, START_MS + 2 * MINUTE_MS);
    assert_int_equal(database_frequency(db, entry), 19);
    store_set_time(store, START_MS + 21 * MINUTE_MS);
    assert_int_equal(database_frequency(db, entry), 10);
    store_set_time(store, START_MS + 2000 * MINUTE_MS);
    assert_int_equal(database_frequency(db, entry), 0);
    count_frequency(0);
    assert_int_equal(database_frequency(db, entry), 20);
}

/* A new value leaves a frequency, and counts as one use. */
static void setting_counts_as_use(void **state)
{
    (void)state;
    count_frequency(1);
    struct entry *entry = add(1, EXPIRE_NEVER);
    database_set_frequency(db, entry, 200);
    entry = add(1, START_MS);
    assert_in_range(database_frequency(db, entry), 200, 201);
    store_set_use(store, &(struct use_settings){.frequency = false});
    entry = add(1, EXPIRE_NEVER);
    assert_int_equal(entry_idle_ms(entry, START_MS + 7000), 7000);
    entry_set_idle_ms(entry, START_MS, 50000);
    assert_int_equal(entry_idle_ms(entry, START_MS), 50000);
}

/* Every entry with a time to live is drawn about equally often, and no other one is. */
static void volatile_entries_are_drawn_evenly(void **state)
{
    (void)state;
    enum { KEYS = 5000, EVERY = 50, VOLATILE = KEYS / EVERY, DRAWS = VOLATILE * 1000 };
    static int drawn[KEYS];
    memset(drawn, 0, sizeof(drawn));
    for (uint64_t i = 0; i < KEYS / 2; i++)
        add(i, i % EVERY == 0 ? START_MS + 1000 : EXPIRE_NEVER);
    store_index_volatile(store, true);
    for (uint64_t i = KEYS / 2; i < KEYS; i++)
        add(i, i % EVERY == 0 ? START_MS + 1000 : EXPIRE_NEVER);
    for (int i = 0; i < DRAWS; i++)
        drawn[strtoull(entry_key(database_random_volatile(db)).data + 4, NULL, 10)]++;
    for (int i = 0; i < KEYS; i++) {
        if (i % EVERY == 0)
            assert_in_range(drawn[i], 800, 1200);
        else
            assert_int_equal(drawn[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frequencies_grow_logarithmically, setup, teardown),
        cmocka_unit_test_setup_teardown(frequencies_decay, setup, teardown),
        cmocka_unit_test_setup_teardown(setting_counts_as_use, setup, teardown),
        cmocka_unit_test_setup_teardown(volatile_entries_are_drawn_evenly, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
