/* Fuzzes values in Redis's format that others wrote, as RESTORE and import take them, and as pieces of large
 * hashes stand in bases: what is accepted is put under a key, every part of it is there, and what it is
 * written as is read again as the same. Build and run:
 *
 *     make fuzz-build BUILD=build/fuzz CC=clang SANITIZE=address,undefined,fuzzer-no-link
 *     build/fuzz/tests/fuzz/fuzz_rdb -max_total_time=30 tests/fuzz/corpus/rdb
 */
#include <stdint.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/whole.h"
#include "rdb/rdb_format.h"
#include "rdb/rdb_hash.h"
#include "store/value_hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STRING_MAX ((uint64_t)1 << 20)

/* The first byte of an input. */
enum { SMALL_LIMITS = 1, COMPRESS = 2, IN_PIECES = 4 };

static const struct slice first = {"first", 5};
static const struct slice second = {"second", 6};

static struct entry *find(struct store *store, struct slice key)
{
    return database_find(store_database(store, 0), key, store_hash(store, key));
}

/* Reads a value and puts it under a key; NULL: it is refused. */
static struct entry *load(struct store *store, struct slice key, struct slice bytes, struct slice *rest)
{
    struct database *db = store_database(store, 0);
    struct rdb_value value;
    struct entry *entry = NULL;
    *rest = bytes;
    if (rdb_read_value(rest, RDB_ANYBODY, STRING_MAX, database_hash_settings(db), &value) == RDB_OK) {
        ASSERT(rest->size < bytes.size && rest->data + rest->size == bytes.data + bytes.size);
        entry = rdb_put_value(db, key, store_hash(store, key), &value, 1000);
        ASSERT(entry != NULL && entry_expire_ms(entry) == 1000 && find(store, key) == entry);
    }
    rdb_value_drop(&value);
    return entry;
}

static void check_same(const struct entry *a, const struct entry *b)
{
    char scratch[2][STRING_SCRATCH];
    ASSERT(entry_type(a) == entry_type(b));
    if (entry_type(a) == VALUE_STRING) {
        ASSERT(slice_equal(string_value(a, scratch[0]), string_value(b, scratch[1])));
        return;
    }
    struct entry_hash_iterator iterator = entry_hash_begin(a);
    struct hash_field field, found;
    size_t count = 0;
    while (entry_hash_iterate(&iterator, &field)) {
        ASSERT(entry_hash_find(a, field.name, &found) && slice_equal(found.value, field.value));
        ASSERT(entry_hash_find(b, field.name, &found) && slice_equal(found.value, field.value));
        ASSERT(found.expire_ms == field.expire_ms);
        count++;
    }
    ASSERT(count > 0 && count == entry_hash_size(a) && count == entry_hash_size(b));
    ASSERT(entry_hash_timed_size(a) == entry_hash_timed_size(b));
    ASSERT(entry_hash_earliest_ms(a) == entry_hash_earliest_ms(b));
}

/* Written and read again it is the same; so is its payload of DUMP, and none whose byte was changed. */
static void check_written(struct store *store, bool compress)
{
    struct buffer out = {0};
    struct slice rest;
    rdb_append_value(&out, find(store, first), compress);
    ASSERT(load(store, second, buffer_slice(&out), &rest) != NULL && rest.size == 0);
    check_same(find(store, first), find(store, second));
    buffer_clear(&out);
    rdb_append_payload(&out, find(store, first), compress);
    ASSERT(rdb_payload_value(buffer_slice(&out), &rest));
    out.data[out.size / 2] ^= 1;
    ASSERT(!rdb_payload_value(buffer_slice(&out), &rest));
    buffer_free(&out);
}

/* A second value is read into the hash that is there: its fields are there then, and as they were given. */
static void check_more(struct store *store, struct slice bytes)
{
    struct database *db = store_database(store, 0);
    struct slice rest;
    bool is_hash = load(store, second, bytes, &rest) != NULL && entry_type(find(store, second)) == VALUE_HASH;
    /* Pieces are none of the small forms. */
    bool is_piece = is_hash && (bytes.data[0] == RDB_HASH || bytes.data[0] == RDB_HASH_TIMED);
    struct entry *entry = find(store, first);
    rest = bytes;
    enum rdb_status status = rdb_read_hash_more(&rest, db, first, store_hash(store, first), &entry);
    ASSERT(!is_piece || status == RDB_OK);
    ASSERT(entry == find(store, first) && entry_hash_size(entry) > 0);
    if (!is_piece)
        return;
    struct entry_hash_iterator iterator = entry_hash_begin(find(store, second));
    struct hash_field field, found;
    while (entry_hash_iterate(&iterator, &field))
        ASSERT(entry_hash_find(entry, field.name, &found) && slice_equal(found.value, field.value) &&
               found.expire_ms == field.expire_ms);
}

/* As the commands that make it. */
static void check_plain(const struct entry *entry)
{
    struct buffer out = {0};
    struct whole_writer writer = {.buffer = &out, .form = WHOLE_PLAIN};
    whole_write(&writer, entry);
    ASSERT(out.size > 0);
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned how = data[0];
    struct store *store = store_new(&(struct store_options){.databases = 1});
    if (how & SMALL_LIMITS)
        store_set_hash_limits(store, 4, 8);
    /* An allocation that is exactly as long, so that the sanitizer sees who reads on. */
    char *bytes = mem_alloc(size > 1 ? size - 1 : 1);
    memcpy(bytes, data + 1, size - 1);
    struct slice rest;
    if (load(store, first, slice_make(bytes, size - 1), &rest) != NULL) {
        check_written(store, how & COMPRESS);
        check_plain(find(store, first));
        if (how & IN_PIECES && entry_type(find(store, first)) == VALUE_HASH && rest.size > 0)
            check_more(store, rest);
    }
    mem_free(bytes);
    store_free(store);
    return 0;
}
