/* What the store's tests share: stores, and keys by number. */
#ifndef DKV_TESTS_STORE_TEST_H
#define DKV_TESTS_STORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "../seed.h"
#include "store/store.h"

static inline struct store *test_store(int databases, struct random *random)
{
    struct store_options options = {.databases = databases, .hash_seed = 1, .random_seed = 2};
    if (random != NULL)
        options.hash_seed = random_next(random);
    return store_new(&options);
}

#define TEST_KEY_SIZE 24

/* "key:<number>" in text, which must live as long as the slice. */
static inline struct slice test_key(char text[TEST_KEY_SIZE], uint64_t number)
{
    int size = snprintf(text, TEST_KEY_SIZE, "key:%llu", (unsigned long long)number);
    return slice_make(text, (size_t)size);
}

static inline struct entry *test_set(struct store *store, struct database *db, struct slice key,
                                     struct slice value, int64_t expire_ms)
{
    return database_set_string(db, key, store_hash(store, key), value, STRING_FORM_BEST, expire_ms);
}

static inline struct entry *test_find(struct store *store, struct database *db, struct slice key)
{
    return database_find(db, key, store_hash(store, key));
}

static inline bool test_delete(struct store *store, struct database *db, struct slice key)
{
    return database_delete(db, key, store_hash(store, key));
}

static inline void assert_slice(struct slice actual, struct slice expected)
{
    assert_int_equal(actual.size, expected.size);
    if (expected.size > 0)
        assert_memory_equal(actual.data, expected.data, expected.size);
}

static inline void assert_value(const struct entry *entry, struct slice expected)
{
    char scratch[STRING_SCRATCH];
    assert_non_null(entry);
    assert_slice(string_value(entry, scratch), expected);
    assert_int_equal(string_size(entry), expected.size);
}

#endif
