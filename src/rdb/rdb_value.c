#include "rdb/rdb_value.h"

#include <assert.h>

#include "base/crc64.h"
#include "base/diag.h"
#include "rdb/rdb_hash.h"
#include "rdb/rdb_write.h"
#include "store/value_hash.h"

#define FOOTER_SIZE (2 + sizeof(uint64_t))

/* --- strings ------------------------------------------------------------------------------------------- */

static void append_string(struct buffer *out, const struct entry *entry, bool compress)
{
    char scratch[STRING_SCRATCH];
    struct slice value = string_value(entry, scratch);
    buffer_reserve(out, value.size + 1 + 3 * RDB_LENGTH_SIZE_MAX);
    buffer_append_char(out, RDB_STRING);
    rdb_append_string(out, value, compress);
}

static size_t size_of_string(const struct entry *entry, bool compress)
{
    struct buffer out = {0};
    char scratch[STRING_SCRATCH];
    size_t size = 0;
    if (entry_blob(entry)) {
        size = string_size(entry);
        rdb_append_length(&out, size);
    } else {
        rdb_append_string(&out, string_value(entry, scratch), compress);
    }
    size += out.size;
    buffer_free(&out);
    return size;
}

static int string_version(const struct entry *entry)
{
    (void)entry;
    return RDB_VERSION;
}

/* --- the rows ------------------------------------------------------------------------------------------ */

static const struct {
    void (*append)(struct buffer *out, const struct entry *entry, bool compress);
    size_t (*size)(const struct entry *entry, bool compress);
    int (*version)(const struct entry *entry);
    /* As rdb_read_more; NULL: the type has no pieces. */
    enum rdb_status (*read_more)(struct slice *rest, struct database *db, struct slice key, uint64_t hash,
                                 struct entry **entry);
} types[] = {
    [VALUE_STRING] = {append_string, size_of_string, string_version, NULL},
    [VALUE_HASH] = {rdb_append_hash, rdb_hash_size, rdb_hash_version, rdb_read_hash_more},
};
static_assert(sizeof(types) / sizeof(types[0]) == VALUE_TYPE_COUNT, "a row for each type");

void rdb_append_value(struct buffer *out, const struct entry *entry, bool compress)
{
    types[entry_type(entry)].append(out, entry, compress);
}

int rdb_value_version(const struct entry *entry)
{
    return types[entry_type(entry)].version(entry);
}

size_t rdb_value_size(const struct entry *entry, bool compress)
{
    return types[entry_type(entry)].size(entry, compress);
}

/* --- reading ------------------------------------------------------------------------------------------- */

enum rdb_status rdb_read_value(struct slice *rest, enum rdb_source source, uint64_t string_max,
                               const struct hash_settings *settings, struct rdb_value *value)
{
    struct slice type;
    value->type = VALUE_STRING;
    value->string.blob = NULL;
    value->hash = NULL;
    if (!rdb_take(rest, 1, &type))
        return RDB_BAD;
    enum rdb_type told = (enum rdb_type)(unsigned char)type.data[0];
    if (told == RDB_STRING)
        return rdb_read_string(rest, string_max, &value->string) ? RDB_OK : RDB_BAD;
    value->type = VALUE_HASH;
    return rdb_read_hash(rest, told, source, settings, value);
}

static struct entry *put_string(struct database *db, struct slice key, uint64_t hash,
                                struct rdb_string *string, int64_t expire_ms)
{
    if (string->blob)
        return database_set_blob(db, key, hash, string->blob, STRING_FORM_BEST, expire_ms);
    return database_set_string(db, key, hash, string->value, STRING_FORM_BEST, expire_ms);
}

struct entry *rdb_put_value(struct database *db, struct slice key, uint64_t hash, struct rdb_value *value,
                            int64_t expire_ms)
{
    if (value->type == VALUE_STRING)
        return put_string(db, key, hash, &value->string, expire_ms);
    ASSERT(value->type == VALUE_HASH);
    if (!value->hash)
        return database_put_hash_listpack(db, key, hash, value->string.value, value->encoding, expire_ms);
    struct entry *entry = database_put_hash(db, key, hash, value->hash, expire_ms);
    if (entry)
        value->hash = NULL;
    return entry;
}

enum rdb_status rdb_read_more(struct slice *rest, struct database *db, struct slice key, uint64_t hash,
                              struct entry **entry)
{
    ASSERT(*entry);
    if (!types[entry_type(*entry)].read_more)
        return RDB_BAD;
    return types[entry_type(*entry)].read_more(rest, db, key, hash, entry);
}

void rdb_value_drop(struct rdb_value *value)
{
    rdb_string_drop(&value->string);
    if (value->hash)
        hash_free(value->hash);
    value->hash = NULL;
}

/* --- DUMP's payload ------------------------------------------------------------------------------------ */

void rdb_append_payload(struct buffer *out, const struct entry *entry, bool compress)
{
    size_t begin = out->size;
    rdb_append_value(out, entry, compress);
    rdb_append_little_endian(out, (uint64_t)rdb_value_version(entry), 2);
    rdb_append_little_endian(out, crc64(0, out->data + begin, out->size - begin), sizeof(uint64_t));
}

bool rdb_payload_value(struct slice payload, struct slice *value)
{
    uint64_t version;
    uint64_t checksum;
    if (payload.size < FOOTER_SIZE)
        return false;
    size_t size = payload.size - FOOTER_SIZE;
    struct slice footer = slice_make(payload.data + size, FOOTER_SIZE);
    *value = payload;
    return rdb_read_little_endian(&footer, 2, &version) &&
           rdb_read_little_endian(&footer, sizeof(checksum), &checksum) && version <= RDB_VERSION_MAX &&
           crc64(0, payload.data, size + 2) == checksum;
}
