/* Large strings: kept as blobs, shared with whoever reads them. */
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

static struct blob *filled_blob(size_t size, char byte)
{
    struct blob *blob = blob_new(size);
    memset(blob->data, byte, size);
    blob->size = size;
    return blob;
}

static struct entry *find(const char *key)
{
    return test_find(store, db, slice_of(key));
}

static struct entry *set_bytes(const char *key, struct slice value)
{
    return test_set(store, db, slice_of(key), value, EXPIRE_NEVER);
}

static struct entry *set_blob(const char *key, struct blob *blob)
{
    return database_set_blob(db, slice_of(key), store_hash(store, slice_of(key)), blob, STRING_FORM_BEST,
                             EXPIRE_NEVER);
}

struct origin {
    struct blob_origin origin; /* first */
    int released;
};

static void origin_released(struct blob_origin *origin)
{
    ((struct origin *)origin)->released++;
}

/* Shows: BLOB_MIN decides how bytes are kept, whether they are set or grow, and a blob that is set is the
 * value itself, one that is too small a copy. */
static void size_decides(void **state)
{
    (void)state;
    struct blob *large = filled_blob(BLOB_MIN, 'x');
    struct slice bytes = blob_slice(large);
    assert_non_null(entry_blob(set_bytes("set", bytes)));
    assert_ptr_not_equal(entry_blob(find("set")), large);
    assert_null(entry_blob(set_bytes("small", slice_make(bytes.data, BLOB_MIN - 1))));
    assert_null(entry_blob(set_bytes("int", slice_of("12345"))));
    assert_ptr_equal(entry_blob(set_blob("set", large)), large);
    assert_true(blob_is_shared(large));

    struct entry *grown = database_write_string(db, find("small"), BLOB_MIN - 1, slice_of("y"));
    assert_non_null(entry_blob(grown));
    assert_int_equal(string_size(grown), BLOB_MIN);
    assert_int_equal(string_value(grown, NULL).data[BLOB_MIN - 1], 'y');
    assert_int_equal(string_encoding(grown), STRING_RAW);
    grown = database_write_string(db, find("int"), BLOB_MIN + 10, slice_of("y"));
    assert_non_null(entry_blob(grown));
    assert_memory_equal(string_value(grown, NULL).data, "12345\0\0", 7);

    struct blob *small = filled_blob(100, 's');
    assert_null(entry_blob(set_blob("small", small)));
    assert_false(blob_is_shared(small));
    assert_value(find("small"), blob_slice(small));
    blob_drop(small);
    blob_drop(large);
}

/* Shows: COPY shares the bytes, so do a move and a change of the time to live; a write to one of the two
 * takes a copy of its own, and the other's memory ends with its last owner. */
static void copies_share_until_written(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    struct blob *blob = filled_blob(SIZE, 'x');
    const char *data = blob->data;
    size_t payload = database_payload(db);
    size_t before = memory_used();
    struct entry *entry = set_blob("key", blob);
    blob_drop(blob);
    database_copy_entry(db, entry, db, slice_of("copy"));
    assert_true(memory_used() - before < 10000);
    assert_ptr_equal(string_value(find("copy"), NULL).data, data);
    entry = database_set_expire(db, find("copy"), 1000);
    database_move_entry(db, entry, db, slice_of("moved"));
    assert_ptr_equal(entry_blob(find("moved")), blob);
    assert_int_equal(database_payload(db) - payload, 2 * SIZE + 3 + 5);

    database_write_string(db, find("moved"), SIZE, slice_of("end"));
    assert_ptr_not_equal(entry_blob(find("moved")), blob);
    assert_int_equal(string_size(find("moved")), SIZE + 3);
    assert_int_equal(string_size(find("key")), SIZE);
    assert_ptr_equal(string_value(find("key"), NULL).data, data);
    assert_false(blob_is_shared(blob));
    assert_true(memory_used() - before >= SIZE);
    test_delete(store, db, slice_of("moved"));
    assert_true(memory_used() - before < 10000);
}

/* Shows: a reader's reference keeps the old bytes when the key is changed in place, overwritten or deleted.
 */
static void readers_keep_what_they_saw(void **state)
{
    (void)state;
    enum { SIZE = 100000, READERS = 3 };
    struct blob *read[READERS];
    for (int i = 0; i < READERS; i++) {
        char old = (char)('a' + i);
        struct blob *blob = filled_blob(SIZE, old);
        read[i] = blob_share(entry_blob(set_blob("key", blob)));
        blob_drop(blob);
        if (i == 0)
            assert_non_null(database_write_string(db, find("key"), 5, slice_of("HELLO")));
        else if (i == 1)
            assert_non_null(set_bytes("key", slice_of("something else")));
        else
            assert_true(test_delete(store, db, slice_of("key")));
        assert_int_equal(read[i]->size, SIZE);
        for (size_t at = 0; at < SIZE; at++)
            assert_int_equal(read[i]->data[at], old);
        assert_false(blob_is_shared(read[i]));
        blob_drop(read[i]);
    }
}

/* Shows: an origin is let go of exactly when the bytes change or are gone, not when a copy changes or when
 * nothing is written. */
static void changing_forgets_the_origin(void **state)
{
    (void)state;
    struct origin origin = {{origin_released}, 0};
    struct blob *blob = filled_blob(BLOB_MIN, 'x');
    blob->origin = &origin.origin;
    struct entry *entry = set_blob("key", blob);
    database_copy_entry(db, entry, db, slice_of("copy"));
    assert_non_null(database_write_string(db, find("copy"), 0, slice_of("y")));
    assert_null(entry_blob(find("copy"))->origin);
    assert_int_equal(origin.released, 0);
    assert_non_null(database_write_string(db, find("key"), BLOB_MIN, slice_of("")));
    assert_ptr_equal(entry_blob(find("key")), blob);
    blob_drop(blob);
    assert_int_equal(origin.released, 0);
    assert_non_null(database_write_string(db, find("key"), 0, slice_of("y")));
    assert_ptr_equal(entry_blob(find("key")), blob);
    assert_null(blob->origin);
    assert_int_equal(origin.released, 1);
    test_delete(store, db, slice_of("key"));
    assert_int_equal(origin.released, 1);
}

/* Shows: where there is no memory for a large value's own copy or growth, nothing changes. */
static void lack_of_memory_is_reported(void **state)
{
    (void)state;
    const size_t too_much = SIZE_MAX / 4;
    struct blob *blob = filled_blob(BLOB_MIN, 'x');
    set_blob("key", blob);
    for (int shared = 1; shared >= 0; shared--) {
        size_t payload = database_payload(db);
        assert_null(database_write_string(db, find("key"), too_much, slice_of("x")));
        assert_ptr_equal(entry_blob(find("key")), blob);
        assert_int_equal(string_size(find("key")), BLOB_MIN);
        assert_int_equal(database_payload(db), payload);
        assert_null(set_bytes("key", slice_make(blob->data, too_much)));
        assert_ptr_equal(entry_blob(find("key")), blob);
        if (shared)
            blob_drop(blob);
    }
}

int main(void)
{
#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(size_decides),
        STORE_TEST(copies_share_until_written),
        STORE_TEST(readers_keep_what_they_saw),
        STORE_TEST(changing_forgets_the_origin),
        STORE_TEST(lack_of_memory_is_reported),
    };
    return cmocka_run_group_tests_name("large values", tests, NULL, NULL);
}
