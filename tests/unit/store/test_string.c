/* Entries and strings: how they are kept, what they take, what changing them does. */
#include "store_test.h"

#include "base/memory.h"
#include "store/value_string.h"

static struct store *store;
static struct database *db;

static int setup(void **state)
{
    (void)state;
    store = test_store(2, NULL);
    db = store_database(store, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_free(store);
    return 0;
}

static struct entry *set(const char *key, struct slice value, enum string_form form)
{
    struct slice name = slice_of(key);
    return database_set_string(db, name, store_hash(store, name), value, form, EXPIRE_NEVER);
}

static struct entry *find(const char *key)
{
    return test_find(store, db, slice_of(key));
}

static char *filled(size_t size, char byte)
{
    return memset(mem_alloc(size + 1), byte, size + 1);
}

/* A 16-byte key with a 64-byte value fills 88 bytes and, with a time to live, 112: both in the allocator's
 * next class. */
static void small_entries_are_one_small_allocation(void **state)
{
    (void)state;
    char *value = filled(64, 'v');
    struct entry *entry = set("sixteen-byte-key", slice_make(value, 64), STRING_FORM_BEST);
    assert_int_equal(entry_size(entry), 88);
    assert_int_equal(entry_memory(entry), mem_size(entry));
    assert_int_equal(mem_size(entry), mem_good_size(88));
    entry = database_set_expire(db, entry, 1);
    assert_int_equal(entry_size(entry), 112);
    assert_int_equal(mem_size(entry), mem_good_size(112));
#ifndef DKV_SYSTEM_MALLOC
    assert_int_equal(mem_size(entry), 112);
    entry = database_set_expire(db, entry, EXPIRE_NEVER);
    assert_int_equal(mem_size(entry), 96);
#endif
    mem_free(value);
}

/* OBJECT ENCODING as Redis has it, for each way of setting a value. */
static void encodings_are_those_of_redis(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        enum string_form form;
        enum string_encoding encoding;
    } cases[] = {
        {"0", STRING_FORM_BEST, STRING_INT},
        {"-1", STRING_FORM_BEST, STRING_INT},
        {"9223372036854775807", STRING_FORM_BEST, STRING_INT},
        {"-9223372036854775808", STRING_FORM_BEST, STRING_INT},
        {"9223372036854775808", STRING_FORM_BEST, STRING_EMBSTR},
        {"", STRING_FORM_BEST, STRING_EMBSTR},
        {"-", STRING_FORM_BEST, STRING_EMBSTR},
        {"-0", STRING_FORM_BEST, STRING_EMBSTR},
        {"+1", STRING_FORM_BEST, STRING_EMBSTR},
        {"01", STRING_FORM_BEST, STRING_EMBSTR},
        {" 1", STRING_FORM_BEST, STRING_EMBSTR},
        {"1.0", STRING_FORM_BEST, STRING_EMBSTR},
        {"10", STRING_FORM_BYTES, STRING_EMBSTR},
        {"10", STRING_FORM_RAW, STRING_RAW},
        {"12345678901234567890123456789012345678901234", STRING_FORM_BEST, STRING_EMBSTR},
        {"123456789012345678901234567890123456789012345", STRING_FORM_BEST, STRING_RAW},
        {"123456789012345678901234567890123456789012345", STRING_FORM_BYTES, STRING_RAW},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice value = slice_of(cases[i].value);
        for (int overwrite = 0; overwrite < 3; overwrite++) {
            struct entry *entry = set("key", value, cases[i].form);
            assert_value(entry, value);
            assert_int_equal(string_encoding(entry), cases[i].encoding);
            int64_t number;
            assert_int_equal(string_int(entry, &number), cases[i].encoding == STRING_INT);
            /* Over nothing, over a raw string, over an integer. */
            if (overwrite == 0)
                set("key", value, STRING_FORM_RAW);
            else
                database_set_int(db, slice_of("key"), store_hash(store, slice_of("key")), 5, EXPIRE_NEVER);
        }
        test_delete(store, db, slice_of("key"));
    }
    struct slice key = slice_of("number");
    struct entry *entry = database_set_int(db, key, store_hash(store, key), -77, EXPIRE_NEVER);
    int64_t number = 0;
    assert_int_equal(string_encoding(entry), STRING_INT);
    assert_true(string_int(entry, &number) && number == -77);
    assert_value(entry, slice_of("-77"));
}

/* Keys and values of all sizes around the limits of their forms come back, with a time to live and without.
 */
static void keys_and_values_of_all_sizes_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,   1,    7,    8,    44,   45,   254,   255,  256,
                                   257, 1022, 1023, 1024, 1025, 4096, 65535, 70000};
    enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };
    char *bytes = filled(70000, 'b');
    for (size_t i = 0; i < 70000; i++)
        bytes[i] = (char)(i * 7 % 251);
    for (size_t k = 0; k < SIZES; k++) {
        for (size_t v = 0; v < SIZES; v++) {
            struct slice key = slice_make(bytes + 1, sizes[k] < 70000 ? sizes[k] : 69999);
            struct slice value = slice_make(bytes, sizes[v]);
            test_set(store, db, key, value, EXPIRE_NEVER);
            struct entry *entry = test_find(store, db, key);
            assert_value(entry, value);
            assert_slice(entry_key(entry), key);
            assert_int_equal(entry_expire_ms(entry), EXPIRE_NEVER);
            entry = database_set_expire(db, entry, 12345);
            assert_value(entry, value);
            assert_slice(entry_key(entry), key);
            assert_int_equal(entry_expire_ms(entry), 12345);
            assert_int_equal(database_volatile_size(db), 1);
            assert_int_equal(database_payload(db), key.size + value.size);
            assert_true(entry_memory(entry) >= key.size + value.size + 32);
            assert_true(test_delete(store, db, key));
            assert_int_equal(database_volatile_size(db), 0);
        }
    }
    assert_int_equal(database_payload(db), 0);
    mem_free(bytes);
}

/* A value that fits the old one's memory is put there; one that would waste it is not. */
static void overwriting_reuses_memory_that_fits(void **state)
{
    (void)state;
    char *value = filled(8000, 'x');
    for (size_t size = 40; size <= 8000; size *= 2) {
        struct entry *entry = set("key", slice_make(value, size), STRING_FORM_BEST);
        size_t memory = entry_memory(entry);
        assert_ptr_equal(set("key", slice_make(value + 1, size), STRING_FORM_BEST), entry);
        assert_ptr_equal(set("key", slice_make(value, size - 2), STRING_FORM_BEST), entry);
        assert_int_equal(entry_memory(entry), memory);
        assert_true(entry_memory(set("key", slice_make(value, size / 3), STRING_FORM_BEST)) < memory);
    }
    mem_free(value);
}

/* What is set may lie in the entry that it replaces: a part of its value, inline or in a block, or its key.
 */
static void a_value_may_be_set_from_itself(void **state)
{
    (void)state;
    static const size_t sizes[] = {40, 300, 1000, 3000, 100000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t size = sizes[i];
        char *value = filled(size, 'x');
        for (size_t j = 0; j < size; j++)
            value[j] = (char)('a' + j % 23);
        size_t parts[][2] = {{0, size}, {1, size - 1}, {size / 4, size / 2}, {size - 1, 1}, {3, size - 7}};
        for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
            for (int expires = 0; expires < 2; expires++) {
                char scratch[STRING_SCRATCH];
                struct entry *entry = set("the key", slice_make(value, size), STRING_FORM_BYTES);
                struct slice own = string_value(entry, scratch);
                struct slice part = slice_make(own.data + parts[p][0], parts[p][1]);
                struct slice key = entry_key(entry);
                entry = database_set_string(db, key, store_hash(store, key), part, STRING_FORM_BYTES,
                                            expires ? 1000 : EXPIRE_NEVER);
                assert_value(entry, slice_make(value + parts[p][0], parts[p][1]));
                assert_ptr_equal(entry, find("the key"));
                key = entry_key(entry);
                entry = database_set_string(db, key, store_hash(store, key), key, STRING_FORM_BYTES, 5);
                assert_value(entry, slice_of("the key"));
            }
        }
        mem_free(value);
    }
    assert_int_equal(database_size(db), 1);
}

/* Writing at any offset of a string of any form does what it does to an array of bytes. */
static void writing_in_place_acts_as_on_an_array(void **state)
{
    (void)state;
    enum { MODEL_MAX = 200000 };
    struct random random;
    test_random(&random, "write");
    char *model = filled(MODEL_MAX, 0);
    for (int round = 0; round < 300; round++) {
        struct entry *entry = set("key", slice_of("12345"), STRING_FORM_BEST);
        if (round % 2 == 0)
            entry = database_set_expire(db, entry, 777);
        memcpy(model, "12345", 5);
        size_t size = 5;
        for (int step = 0; step < 40; step++) {
            size_t offset = random_below(&random, 4) != 0 ? size : random_below(&random, size + 100);
            size_t count = random_below(&random, 1 + (UINT64_C(1) << random_below(&random, 13)));
            if (offset > size)
                memset(model + size, 0, offset - size);
            for (size_t i = 0; i < count; i++)
                model[offset + i] = (char)random_next(&random);
            size = offset + count > size ? offset + count : size;
            entry = database_write_string(db, entry, offset, slice_make(model + offset, count));
            assert_value(entry, slice_make(model, size));
            assert_int_equal(string_encoding(entry), STRING_RAW);
            assert_int_equal(entry_expire_ms(entry), round % 2 == 0 ? 777 : EXPIRE_NEVER);
            assert_int_equal(database_payload(db), 3 + size);
            assert_ptr_equal(find("key"), entry);
        }
        test_delete(store, db, slice_of("key"));
    }
    mem_free(model);
}

/* Appending a byte at a time moves the value a number of times that grows with the logarithm of its size. */
static void appending_is_amortised(void **state)
{
    (void)state;
    enum { APPENDS = 300000 };
    struct entry *entry = set("key", slice_of(""), STRING_FORM_RAW);
    int moves = 0;
    const char *at = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < APPENDS; i++) {
        entry = database_write_string(db, entry, i, slice_make("x", 1));
        char scratch[STRING_SCRATCH];
        const char *now_at = string_value(entry, scratch).data;
        moves += now_at != at || entry_memory(entry) != capacity;
        at = now_at;
        capacity = entry_memory(entry);
    }
    assert_int_equal(string_size(entry), APPENDS);
    assert_true(capacity < APPENDS * 3 / 2);
    assert_true(moves < 100);
}

/* Where there is not enough memory nothing changes and NULL says so. */
static void lack_of_memory_is_reported(void **state)
{
    (void)state;
    const size_t too_much = SIZE_MAX / 4;
    char *value = filled(3000, 'v');
    for (size_t size = 1; size <= 3000; size *= 9) {
        struct entry *entry = set("key", slice_make(value, size), STRING_FORM_BEST);
        assert_null(database_write_string(db, entry, too_much, slice_of("x")));
        assert_value(find("key"), slice_make(value, size));
        assert_ptr_equal(find("key"), entry);
        /* Never read: there is no room for it. */
        assert_null(set("key", slice_make(value, too_much), STRING_FORM_BEST));
        assert_null(set("other", slice_make(value, too_much), STRING_FORM_BEST));
        assert_value(find("key"), slice_make(value, size));
        assert_int_equal(database_size(db), 1);
        assert_int_equal(database_payload(db), 3 + size);
    }
    mem_free(value);
}

/* The time of last use is kept in seconds, wraps, and stays when a value is replaced, moved or given a time
 * to live. */
static void the_time_of_last_use_is_kept(void **state)
{
    (void)state;
    const int64_t now_ms = INT64_C(1700000000000);
    struct entry *entry = set("key", slice_of("some value"), STRING_FORM_BEST);
    store_set_time(store, now_ms);
    database_touch(db, entry);
    assert_int_equal(entry_idle_ms(entry, now_ms), 0);
    assert_int_equal(entry_idle_ms(entry, now_ms + 999), 0);
    assert_int_equal(entry_idle_ms(entry, now_ms + 5000), 5000);
    assert_int_equal(entry_idle_ms(entry, now_ms + (INT64_C(1) << 24) * 1000), 0);
    entry = database_set_expire(db, entry, now_ms);
    assert_int_equal(entry_idle_ms(entry, now_ms + 3000), 3000);
    entry = set("key", slice_of("another value that is longer than the one before"), STRING_FORM_BEST);
    assert_int_equal(entry_idle_ms(entry, now_ms + 3000), 3000);
    entry = database_write_string(db, entry, 3000, slice_of("x"));
    assert_int_equal(entry_idle_ms(entry, now_ms + 3000), 3000);
    database_move_entry(db, entry, store_database(store, 1), slice_of("moved"));
    entry = test_find(store, store_database(store, 1), slice_of("moved"));
    assert_int_equal(entry_idle_ms(entry, now_ms + 3000), 3000);
}

/* The name that TYPE answers. */
static void types_have_names(void **state)
{
    (void)state;
    assert_string_equal(value_type_name(VALUE_STRING), "string");
    assert_int_equal(entry_type(set("key", slice_of("value"), STRING_FORM_BEST)), VALUE_STRING);
}

int main(void)
{
#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(small_entries_are_one_small_allocation),
        STORE_TEST(encodings_are_those_of_redis),
        STORE_TEST(keys_and_values_of_all_sizes_come_back),
        STORE_TEST(overwriting_reuses_memory_that_fits),
        STORE_TEST(a_value_may_be_set_from_itself),
        STORE_TEST(writing_in_place_acts_as_on_an_array),
        STORE_TEST(appending_is_amortised),
        STORE_TEST(lack_of_memory_is_reported),
        STORE_TEST(the_time_of_last_use_is_kept),
        STORE_TEST(types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
