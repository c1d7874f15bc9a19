/* Hashes in Redis's RDB format: written, read and the same again, in each form; and bytes that are not whole
 * or not right. That redis-server reads what is written is shown in redis-tests. */
#include "../store/store_test.h"

#include "base/crc64.h"
#include "base/memory.h"
#include "rdb/rdb_hash.h"
#include "rdb/rdb_write.h"
#include "store/value_hash.h"

#define BEGIN_MS INT64_C(1600000000000)

struct stage {
    struct store *store;
    struct database *db;
    struct random random;
};

static void stage_begin(struct stage *stage)
{
    test_random(&stage->random, "rdb");
    stage->store = test_store(1, &stage->random);
    stage->db = store_database(stage->store, 0);
}

static void stage_end(struct stage *stage)
{
    store_free(stage->store);
}

static const struct slice from = {"from", 4};
static const struct slice to = {"to", 2};

/* A hash of so many fields under "from"; one in timed_in has a time, 0: none. */
static struct entry *make(struct stage *stage, int fields, size_t value_size, uint64_t timed_in)
{
    struct entry *entry = NULL;
    char value[512];
    test_delete(stage->store, stage->db, from);
    for (int i = 0; i < fields; i++) {
        char name[TEST_KEY_SIZE];
        size_t size = value_size > 0 ? random_below(&stage->random, value_size) : 0;
        for (size_t at = 0; at < size; at++)
            value[at] = (char)random_next(&stage->random);
        int64_t expire_ms = FIELD_NEVER;
        if (timed_in > 0 && random_below(&stage->random, timed_in) == 0)
            expire_ms = BEGIN_MS + (int64_t)random_below(&stage->random, 1000000);
        struct slice number = slice_make(value, (size_t)snprintf(value + 256, 64, "%d", i * 977));
        struct slice given = i % 3 == 0 ? slice_make(value + 256, number.size) : slice_make(value, size);
        entry = database_hash_set(stage->db, from, store_hash(stage->store, from), entry,
                                  test_key(name, (uint64_t)i), given, expire_ms, 0)
                    .entry;
    }
    return entry;
}

static void assert_same(const struct entry *a, const struct entry *b)
{
    struct entry_hash_iterator iterator = entry_hash_begin(a);
    struct hash_field field;
    struct hash_field other;
    assert_int_equal(entry_hash_size(a), entry_hash_size(b));
    assert_int_equal(entry_hash_timed_size(a), entry_hash_timed_size(b));
    while (entry_hash_iterate(&iterator, &field)) {
        assert_true(entry_hash_find(b, field.name, &other));
        assert_slice(other.value, field.value);
        assert_int_equal(other.expire_ms, field.expire_ms);
    }
}

static struct entry *read_back(struct stage *stage, struct slice bytes, enum rdb_status expected)
{
    struct rdb_value value;
    struct slice rest = bytes;
    struct entry *entry = NULL;
    enum rdb_status status =
        rdb_read_value(&rest, RDB_ANYBODY, UINT64_MAX, database_hash_settings(stage->db), &value);
    assert_int_equal(status, expected);
    if (status == RDB_OK) {
        assert_int_equal(rest.size, 0);
        entry = rdb_put_value(stage->db, to, store_hash(stage->store, to), &value, EXPIRE_NEVER);
    }
    rdb_value_drop(&value);
    return entry;
}

static void test_round_trips(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 10, 127, 128, 129, 1000};
    struct stage stage;
    stage_begin(&stage);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (size_t value_size = 0; value_size <= 200; value_size += 50)
            for (uint64_t timed_in = 0; timed_in < 3; timed_in++)
                for (int compress = 0; compress < 2; compress++) {
                    struct buffer bytes = {0};
                    struct entry *entry = make(&stage, sizes[i], value_size, timed_in);
                    rdb_append_value(&bytes, entry, compress);
                    assert_int_equal(bytes.size, rdb_value_size(entry, compress) + 1);
                    struct entry *read = read_back(&stage, buffer_slice(&bytes), RDB_OK);
                    assert_same(test_find(stage.store, stage.db, from), read);
                    assert_string_equal(entry_encoding_name(read), entry_encoding_name(entry));
                    buffer_free(&bytes);
                }
    stage_end(&stage);
}

/* A large hash in pieces is the same again. */
static void test_pieces(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    for (uint64_t timed_in = 0; timed_in < 3; timed_in++) {
        struct entry *entry = make(&stage, 5000, 100, timed_in);
        struct rdb_hash_piece piece = {.is_timed = timed_in > 0};
        struct entry_hash_iterator iterator = entry_hash_begin(entry);
        struct hash_field field;
        struct entry *read = NULL;
        test_delete(stage.store, stage.db, to);
        for (bool more = true; more;) {
            more = entry_hash_iterate(&iterator, &field);
            if (more)
                rdb_hash_piece_add(&piece, &field);
            if (rdb_hash_piece_bytes(&piece) < 4096 && more)
                continue;
            struct buffer bytes = {0};
            if (piece.count == 0)
                break;
            rdb_hash_piece_end(&piece, &bytes);
            struct slice rest = buffer_slice(&bytes);
            if (!read)
                read = read_back(&stage, rest, RDB_OK);
            else
                assert_int_equal(rdb_read_hash_more(&rest, stage.db, to, store_hash(stage.store, to), &read),
                                 RDB_OK);
            buffer_free(&bytes);
        }
        assert_same(test_find(stage.store, stage.db, from), read);
        rdb_hash_piece_free(&piece);
    }
    stage_end(&stage);
}

/* A piece that is cut at any length is refused, and nothing is dropped that was not read: compressed values
 * have blobs. */
static void test_cut_pieces(void **state)
{
    (void)state;
    static const char field[] = "\1a\xc3\6\5\4abcde"; /* a compressed value */
    struct stage stage;
    stage_begin(&stage);
    for (int is_timed = 0; is_timed < 2; is_timed++) {
        struct buffer bytes = {0};
        buffer_append(&bytes, is_timed ? "\x18\1\0\0\0\0\0\0\0\x28" : "\4\x28", is_timed ? 10 : 2);
        for (int i = 0; i < 40; i++) {
            if (is_timed)
                buffer_append_char(&bytes, 2);
            buffer_append(&bytes, field, sizeof(field) - 1);
            bytes.data[bytes.size - sizeof(field) + 2] = (char)('0' + i);
        }
        for (size_t size = 0; size <= bytes.size; size++) {
            struct entry *entry = make(&stage, 5, 10, 0);
            struct slice rest = slice_make(bytes.data, size);
            enum rdb_status status =
                rdb_read_hash_more(&rest, stage.db, from, store_hash(stage.store, from), &entry);
            assert_int_equal(status, size == bytes.size ? RDB_OK : RDB_BAD);
        }
        buffer_free(&bytes);
    }
    stage_end(&stage);
}

/* Cut at every length, it is refused; changed at random, it is refused or a hash that is right. */
static void test_damage(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    for (int kind = 0; kind < 4; kind++) {
        struct buffer bytes = {0};
        struct entry *entry = make(&stage, kind < 2 ? 12 : 600, 20, kind % 2);
        rdb_append_value(&bytes, entry, false);
        for (size_t size = 0; size < bytes.size; size += kind < 2 ? 1 : 97)
            read_back(&stage, slice_make(bytes.data, size), RDB_BAD);
        for (int i = 0; i < (kind < 2 ? 3000 : 600); i++) {
            struct rdb_value value;
            struct buffer copy = {0};
            buffer_append_slice(&copy, buffer_slice(&bytes));
            for (uint64_t n = 1 + random_below(&stage.random, 3); n > 0; n--)
                copy.data[random_below(&stage.random, copy.size)] = (char)random_next(&stage.random);
            struct slice rest = buffer_slice(&copy);
            enum rdb_status status =
                rdb_read_value(&rest, RDB_ANYBODY, UINT64_MAX, database_hash_settings(stage.db), &value);
            struct entry *read = NULL;
            if (status == RDB_OK)
                read = rdb_put_value(stage.db, to, store_hash(stage.store, to), &value, EXPIRE_NEVER);
            if (read && entry_type(read) == VALUE_HASH) {
                assert_true(entry_hash_size(read) > 0);
                assert_same(read, read);
            }
            rdb_value_drop(&value);
            buffer_free(&copy);
        }
        buffer_free(&bytes);
    }
    stage_end(&stage);
}

/* What says that much follows asks for no memory, and what occurs twice is refused. */
static void test_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } wrong[] = {
#define WRONG(text) {text, sizeof(text) - 1}
        WRONG("\4"),
        WRONG("\4\0"),
        WRONG("\4\x81\xff\xff\xff\xff\xff\xff\xff\xff\1a\1b"),
        WRONG("\4\2\1a\1b\1a\1c"),
        WRONG("\4\1\1a"),
        WRONG("\x18\0\0\0\0\0\0\0\0\1\1\1a\1b"),                 /* a time of 0 */
        WRONG("\x18\xff\xff\xff\xff\xff\xff\xff\xff\1\1\1a\1b"), /* too late */
        WRONG("\x18\xff\xff\xff\xff\xff\xff\xff\xff\1\x81\xff\xff\xff\xff\xff\xff\xff\xff\1a\1b"),
        WRONG("\x10\7\7\0\0\0\0\0\xff"),                                             /* no fields */
        WRONG("\x10\x0a\x0a\0\0\0\1\0\x81\x61\2\xff"),                               /* one element */
        WRONG("\x10\x13\x13\0\0\0\4\0\x81\x61\2\x81\x62\2\x81\x61\2\x81\x63\2\xff"), /* a twice */
        WRONG("\x19\0\0\0\0\0\0\0\0\7\7\0\0\0\0\0\xff"),
    };
    struct stage stage;
    stage_begin(&stage);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        read_back(&stage, slice_make(wrong[i].bytes, wrong[i].size), RDB_BAD);
    static const char right[] = "\x10\x0d\x0d\0\0\0\2\0\x81\x61\2\x81\x62\2\xff";
    assert_non_null(read_back(&stage, slice_make(right, sizeof(right) - 1), RDB_OK));
    stage_end(&stage);
}

/* A payload has the version that its form came with. */
static void test_versions(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    for (int fields = 10; fields <= 1000; fields *= 100)
        for (uint64_t timed = 0; timed < 2; timed++) {
            struct buffer payload = {0};
            struct slice value;
            rdb_append_payload(&payload, make(&stage, fields, 10, timed), true);
            assert_int_equal(payload.data[payload.size - 10], timed ? RDB_VERSION_TIMED : RDB_VERSION);
            assert_true(rdb_payload_value(buffer_slice(&payload), &value));
            payload.data[payload.size / 2] ^= 1;
            assert_false(rdb_payload_value(buffer_slice(&payload), &value));
            buffer_free(&payload);
        }
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_pieces), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_cut_pieces),  cmocka_unit_test(test_wrong),  cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
