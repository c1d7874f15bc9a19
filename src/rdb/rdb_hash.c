#include "rdb/rdb_hash.h"

#include "rdb/rdb_write.h"
#include "store/value_hash.h"

/* --- writing ------------------------------------------------------------------------------------------- */

static enum rdb_type type_of(const struct entry *entry)
{
    switch (entry_hash_encoding(entry)) {
    case HASH_LISTPACK: return RDB_HASH_LISTPACK;
    case HASH_LISTPACK_EX: return RDB_HASH_LISTPACK_EX;
    case HASH_TABLE: break;
    }
    return entry_hash_timed_size(entry) > 0 ? RDB_HASH_TIMED : RDB_HASH;
}

static void append_field(struct buffer *out, const struct hash_field *field, bool is_timed,
                         int64_t earliest_ms, bool compress)
{
    if (is_timed)
        rdb_append_length(
            out, field->expire_ms == FIELD_NEVER ? 0 : (uint64_t)(field->expire_ms - earliest_ms) + 1);
    rdb_append_string(out, field->name, compress);
    rdb_append_string(out, field->value, compress);
}

/* A bound below all times will not do for redis-server, which takes it for the time of the first. */
static int64_t exact_earliest_ms(const struct entry *entry)
{
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    struct hash_field field;
    int64_t earliest_ms = INT64_MAX;
    while (entry_hash_iterate(&iterator, &field))
        if (field.expire_ms != FIELD_NEVER && field.expire_ms < earliest_ms)
            earliest_ms = field.expire_ms;
    return earliest_ms;
}

/* What stands before the fields of a table. */
static int64_t append_table_head(struct buffer *out, const struct entry *entry, bool is_timed)
{
    int64_t earliest_ms = is_timed ? exact_earliest_ms(entry) : 0;
    if (is_timed)
        rdb_append_little_endian(out, (uint64_t)earliest_ms, sizeof(earliest_ms));
    rdb_append_length(out, entry_hash_size(entry));
    return earliest_ms;
}

static void append_listpack(struct buffer *out, const struct entry *entry, bool is_timed, bool compress)
{
    if (is_timed) {
        int64_t earliest_ms = exact_earliest_ms(entry);
        /* Where no field has a time any more. */
        if (earliest_ms == INT64_MAX)
            earliest_ms = 0;
        rdb_append_little_endian(out, (uint64_t)earliest_ms, sizeof(earliest_ms));
    }
    rdb_append_string(out, entry_hash_listpack(entry), compress);
}

void rdb_append_hash(struct buffer *out, const struct entry *entry, bool compress)
{
    enum rdb_type type = type_of(entry);
    buffer_append_char(out, (char)type);
    if (type == RDB_HASH_LISTPACK || type == RDB_HASH_LISTPACK_EX) {
        append_listpack(out, entry, type == RDB_HASH_LISTPACK_EX, compress);
        return;
    }
    bool is_timed = type == RDB_HASH_TIMED;
    int64_t earliest_ms = append_table_head(out, entry, is_timed);
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    struct hash_field field;
    while (entry_hash_iterate(&iterator, &field))
        append_field(out, &field, is_timed, earliest_ms, compress);
}

/* Field by field, so that the whole is never in memory twice. */
size_t rdb_hash_size(const struct entry *entry, bool compress)
{
    enum rdb_type type = type_of(entry);
    struct buffer out = {0};
    bool is_timed = type == RDB_HASH_TIMED || type == RDB_HASH_LISTPACK_EX;
    if (type == RDB_HASH_LISTPACK || type == RDB_HASH_LISTPACK_EX) {
        append_listpack(&out, entry, is_timed, compress);
        size_t size = out.size;
        buffer_free(&out);
        return size;
    }
    int64_t earliest_ms = append_table_head(&out, entry, is_timed);
    size_t size = out.size;
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    struct hash_field field;
    while (entry_hash_iterate(&iterator, &field)) {
        buffer_clear(&out);
        append_field(&out, &field, is_timed, earliest_ms, compress);
        size += out.size;
    }
    buffer_free(&out);
    return size;
}

int rdb_hash_version(const struct entry *entry)
{
    enum rdb_type type = type_of(entry);
    return type == RDB_HASH_TIMED || type == RDB_HASH_LISTPACK_EX ? RDB_VERSION_TIMED : RDB_VERSION;
}

/* --- pieces -------------------------------------------------------------------------------------------- */

/* The earliest time has to come first, and is not known yet: distances are from the first moment there is. */
#define PIECE_EARLIEST_MS 1

void rdb_hash_piece_add(struct rdb_hash_piece *piece, const struct hash_field *field)
{
    append_field(&piece->fields, field, piece->is_timed, PIECE_EARLIEST_MS, false);
    piece->count++;
}

size_t rdb_hash_piece_bytes(const struct rdb_hash_piece *piece)
{
    return piece->fields.size;
}

void rdb_hash_piece_end(struct rdb_hash_piece *piece, struct buffer *out)
{
    buffer_append_char(out, (char)(piece->is_timed ? RDB_HASH_TIMED : RDB_HASH));
    if (piece->is_timed)
        rdb_append_little_endian(out, PIECE_EARLIEST_MS, sizeof(uint64_t));
    rdb_append_length(out, piece->count);
    buffer_append_slice(out, buffer_slice(&piece->fields));
    buffer_clear(&piece->fields);
    piece->count = 0;
}

void rdb_hash_piece_free(struct rdb_hash_piece *piece)
{
    buffer_free(&piece->fields);
}

/* --- reading ------------------------------------------------------------------------------------------- */

static enum rdb_status read_listpack(struct slice *rest, enum hash_encoding encoding, enum rdb_source source,
                                     struct rdb_value *value)
{
    uint64_t earliest;
    if (encoding == HASH_LISTPACK_EX && !rdb_read_little_endian(rest, sizeof(earliest), &earliest))
        return RDB_BAD;
    value->encoding = encoding;
    if (!rdb_read_string(rest, UINT32_MAX, &value->string))
        return RDB_BAD;
    struct slice listpack = value->string.value;
    bool ok =
        source == RDB_OWN ? hash_listpack_whole(listpack, encoding) : hash_listpack_valid(listpack, encoding);
    return ok ? RDB_OK : RDB_BAD;
}

struct field_in {
    struct rdb_string name;
    struct rdb_string value;
    int64_t expire_ms;
};

static bool read_field(struct slice *rest, bool is_timed, uint64_t earliest_ms, struct field_in *field)
{
    uint64_t distance = 0;
    field->name.blob = field->value.blob = NULL;
    bool ok = !is_timed || rdb_read_length(rest, &distance);
    ok = rdb_read_string(rest, UINT32_MAX, &field->name) && ok;
    ok = ok && rdb_read_string(rest, UINT32_MAX, &field->value);
    if (!ok || distance == 0) {
        field->expire_ms = FIELD_NEVER;
        return ok;
    }
    uint64_t at_ms;
    if (__builtin_add_overflow(earliest_ms, distance - 1, &at_ms) || at_ms == 0 || at_ms > FIELD_TIME_MAX)
        return false;
    field->expire_ms = (int64_t)at_ms;
    return true;
}

/* A name that occurs twice makes the value a wrong one, as in Redis. */
static enum rdb_status read_into(struct hash *hash, struct slice *rest, bool is_timed, uint64_t earliest_ms)
{
    struct field_in field;
    enum rdb_status status = RDB_BAD;
    if (read_field(rest, is_timed, earliest_ms, &field)) {
        switch (hash_set(hash, field.name.value, field.value.value, field.expire_ms)) {
        case HASH_ADDED: status = RDB_OK; break;
        case HASH_REPLACED: break;
        case HASH_NO_MEMORY: status = RDB_NO_MEMORY; break;
        }
    }
    rdb_string_drop(&field.name);
    rdb_string_drop(&field.value);
    return status;
}

/* What stands before the fields of a table. A field takes two bytes at least, so a count that the rest cannot
 * hold is a wrong one, and asks for no memory. */
static bool read_table_head(struct slice *rest, bool is_timed, uint64_t *earliest_ms, uint64_t *count)
{
    *earliest_ms = 0;
    if (is_timed && !rdb_read_little_endian(rest, sizeof(*earliest_ms), earliest_ms))
        return false;
    return rdb_read_length(rest, count) && *count > 0 && *count <= rest->size / 2;
}

static enum rdb_status read_table(struct slice *rest, bool is_timed, const struct hash_settings *settings,
                                  struct rdb_value *value)
{
    uint64_t earliest_ms;
    uint64_t count;
    if (!read_table_head(rest, is_timed, &earliest_ms, &count))
        return RDB_BAD;
    value->hash = hash_new(settings);
    enum rdb_status status = RDB_OK;
    for (uint64_t i = 0; i < count && status == RDB_OK; i++)
        status = read_into(value->hash, rest, is_timed, earliest_ms);
    return status;
}

enum rdb_status rdb_read_hash(struct slice *rest, enum rdb_type type, enum rdb_source source,
                              const struct hash_settings *settings, struct rdb_value *value)
{
    switch (type) {
    case RDB_HASH_LISTPACK: return read_listpack(rest, HASH_LISTPACK, source, value);
    case RDB_HASH_LISTPACK_EX: return read_listpack(rest, HASH_LISTPACK_EX, source, value);
    case RDB_HASH:
    case RDB_HASH_TIMED: return read_table(rest, type == RDB_HASH_TIMED, settings, value);
    default: return RDB_BAD;
    }
}

/* --- more of one --------------------------------------------------------------------------------------- */

/* Fields that are read before they are set, so that the cache misses of setting them overlap. */
#define GROUP_MAX 16

static void group_ahead(const struct entry *entry, const struct field_in *fields, int count)
{
    struct packed_ahead ahead[GROUP_MAX];
    for (int i = 0; i < count; i++)
        if (!entry_hash_ahead(entry, fields[i].name.value, &ahead[i]))
            return;
    for (int i = 0; i < count; i++)
        packed_ahead_block(&ahead[i]);
    for (int i = 0; i < count; i++)
        packed_ahead_record(&ahead[i]);
}

enum rdb_status rdb_read_hash_more(struct slice *rest, struct database *db, struct slice key, uint64_t hash,
                                   struct entry **entry)
{
    struct slice type;
    uint64_t earliest_ms;
    uint64_t count;
    if (!rdb_take(rest, 1, &type))
        return RDB_BAD;
    bool is_timed = type.data[0] == RDB_HASH_TIMED;
    if (!is_timed && type.data[0] != RDB_HASH)
        return RDB_BAD;
    if (!read_table_head(rest, is_timed, &earliest_ms, &count))
        return RDB_BAD;
    struct field_in fields[GROUP_MAX];
    enum rdb_status status = RDB_OK;
    while (count > 0 && status == RDB_OK) {
        int group = count < GROUP_MAX ? (int)count : GROUP_MAX;
        int read = 0;
        while (read < group && read_field(rest, is_timed, earliest_ms, &fields[read]))
            read++;
        group_ahead(*entry, fields, read);
        for (int i = 0; i < read && status == RDB_OK; i++) {
            struct hash_result set = database_hash_set(db, key, hash, *entry, fields[i].name.value,
                                                       fields[i].value.value, fields[i].expire_ms, 0);
            status = set.entry ? RDB_OK : RDB_NO_MEMORY;
            *entry = set.entry ? set.entry : *entry;
        }
        if (read < group && status == RDB_OK)
            status = RDB_BAD;
        for (int i = 0; i < read + (read < group); i++) {
            rdb_string_drop(&fields[i].name);
            rdb_string_drop(&fields[i].value);
        }
        count -= (uint64_t)group;
    }
    return status;
}
