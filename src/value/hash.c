#include <assert.h>

#include "base/diag.h"
#include "base/memory.h"
#include "value/hash_private.h"

static_assert(FIELDS_BYTES_MAX * 14 / 4 <= LISTPACK_BYTES_MAX, "times of fields fit, too");

/* A listpack larger than this may be refused for want of memory; for smaller ones the process ends. */
#define ABORT_MAX ((size_t)64 << 10)

static_assert(FIELD_NEVER == PACKED_NO_TIME && FIELD_KEEP_TIME == PACKED_KEEP_TIME, "the same to the table");
static_assert(FIELD_TIME_MAX <= PACKED_TIME_MAX, "the table takes every time");

static bool is_time(int64_t expire_ms)
{
    return expire_ms > 0; /* the time that a new field keeps is none, too */
}

/* --- Making and freeing --- */

struct hash *hash_new(const struct hash_settings *settings)
{
    struct hash *hash = mem_alloc_zero(sizeof(*hash));
    hash->settings = settings;
    hash->listpack = mem_alloc(LISTPACK_EMPTY_BYTES);
    listpack_init(hash->listpack);
    return hash;
}

static void owner_room_make(struct hash *hash)
{
    if (hash->owner_room == NULL)
        hash->owner_room = mem_alloc_zero(HASH_OWNER_ROOM);
}

static void body_free(struct hash *hash)
{
    if (hash->encoding == HASH_TABLE)
        packed_table_free(hash->table);
    else
        mem_free(hash->listpack);
}

void hash_free(struct hash *hash)
{
    body_free(hash);
    mem_free(hash->owner_room);
    mem_free(hash);
}

bool hash_free_step(struct hash *hash, size_t *steps)
{
    if (hash->encoding == HASH_TABLE && hash->table != NULL) {
        if (!packed_table_free_step(hash->table, steps))
            return false;
        hash->table = NULL;
    }
    if (*steps == 0)
        return false;
    --*steps;
    hash_free(hash);
    return true;
}

size_t hash_free_cost(const struct hash *hash)
{
    return hash->encoding == HASH_TABLE ? 1 + packed_table_free_cost(hash->table) : 2;
}

static void *bytes_alloc(size_t size)
{
    return size > ABORT_MAX ? mem_try_alloc(size) : mem_alloc(size);
}

struct hash *hash_duplicate(const struct hash *hash)
{
    struct hash *copy = mem_alloc(sizeof(*copy));
    *copy = *hash;
    copy->owner_room = NULL;
    if (hash->encoding == HASH_TABLE) {
        copy->table = packed_table_duplicate(hash->table);
    } else {
        struct slice bytes = listpack_slice(hash->listpack);
        copy->listpack = bytes_alloc(bytes.size);
        if (copy->listpack != NULL)
            memcpy(copy->listpack, bytes.data, bytes.size);
    }
    if (copy->listpack == NULL) {
        mem_free(copy);
        return NULL;
    }
    if (hash->owner_room != NULL)
        owner_room_make(copy);
    return copy;
}

/* --- From one shape to the next --- */

/* Makes a table of the fields in a listpack. NULL: there is not enough memory. */
static struct packed_table *table_of(const struct hash_settings *settings, const char *listpack,
                                     unsigned width, size_t size)
{
    struct packed_table *table = packed_table_new(settings->seed, &settings->frozen);
    packed_table_expect(table, size);
    for (size_t at = LISTPACK_BEGIN; !listpack_at_end(listpack, at);) {
        struct hash_field field;
        at = fields_read(listpack, width, at, &field);
        enum packed_status status = packed_table_set(table, field.name, field.value, field.expire_ms);
        if (status == PACKED_NO_MEMORY) {
            packed_table_free(table);
            return NULL;
        }
        ASSERT(status == PACKED_ADDED);
    }
    packed_table_expect(table, 0);
    return table;
}

/* false: there is not enough memory, and it is a listpack still. */
static bool become_table(struct hash *hash)
{
    struct packed_table *table = table_of(hash->settings, hash->listpack, hash_width(hash), hash->size);
    if (table == NULL)
        return false;
    ASSERT(packed_table_size(table) == hash->size && packed_table_timed_size(table) == hash->timed);
    mem_free(hash->listpack);
    hash->table = table;
    hash->encoding = HASH_TABLE;
    return true;
}

/* Makes room for times, of which there is none so far. */
static void become_timed(struct hash *hash)
{
    size_t room = listpack_bytes(hash->listpack) + hash->size * listpack_item_number(0).bytes;
    char *timed = mem_alloc(room);
    listpack_init(timed);
    for (size_t at = LISTPACK_BEGIN; !listpack_at_end(hash->listpack, at);) {
        struct hash_field field;
        at = fields_read(hash->listpack, WIDTH_PLAIN, at, &field);
        struct listpack_item items[] = {listpack_item(field.name), listpack_item(field.value),
                                        listpack_item_number(0)};
        listpack_splice(timed, listpack_end(timed), 0, 0, items, WIDTH_TIMED);
    }
    ASSERT(listpack_bytes(timed) <= room);
    mem_free(hash->listpack);
    hash->listpack = timed;
    hash->encoding = HASH_LISTPACK_EX;
}

static size_t count_timed(const char *listpack)
{
    size_t timed = 0;
    size_t at = LISTPACK_BEGIN;
    for (; !listpack_at_end(listpack, at) && fields_time(listpack, at) != FIELD_NEVER; timed++)
        at += fields_bytes(listpack, WIDTH_TIMED, at);
    return timed;
}

struct hash *hash_from_listpack(const struct hash_settings *settings, struct slice listpack,
                                enum hash_encoding encoding)
{
    ASSERT(encoding != HASH_TABLE && listpack_bytes(listpack.data) == listpack.size);
    struct hash *hash = mem_alloc_zero(sizeof(*hash));
    hash->settings = settings;
    hash->encoding = encoding;
    hash->size = (uint32_t)fields_count(listpack.data, hash_width(hash));
    hash->timed = encoding == HASH_LISTPACK_EX ? (uint32_t)count_timed(listpack.data) : 0;
    if (hash->size > settings->entries_max || listpack.size > FIELDS_BYTES_MAX) {
        hash->table = table_of(settings, listpack.data, hash_width(hash), hash->size);
        hash->encoding = HASH_TABLE;
    } else {
        hash->listpack = bytes_alloc(listpack.size);
        if (hash->listpack != NULL)
            memcpy(hash->listpack, listpack.data, listpack.size);
    }
    if (hash->listpack == NULL) {
        mem_free(hash);
        return NULL;
    }
    if (hash->timed > 0)
        owner_room_make(hash);
    return hash;
}

/* --- What it is --- */

enum hash_encoding hash_encoding(const struct hash *hash)
{
    return hash->encoding;
}

const char *hash_encoding_name(enum hash_encoding encoding)
{
    switch (encoding) {
    case HASH_LISTPACK: return "listpack";
    case HASH_LISTPACK_EX: return "listpackex";
    case HASH_TABLE: break;
    }
    return "hashtable";
}

size_t hash_size(const struct hash *hash)
{
    return hash->encoding == HASH_TABLE ? packed_table_size(hash->table) : hash->size;
}

size_t hash_timed_size(const struct hash *hash)
{
    return hash->encoding == HASH_TABLE ? packed_table_timed_size(hash->table) : hash->timed;
}

size_t hash_memory(const struct hash *hash)
{
    size_t memory = mem_size(hash) + (hash->owner_room != NULL ? mem_size(hash->owner_room) : 0);
    return memory +
           (hash->encoding == HASH_TABLE ? packed_table_memory(hash->table) : mem_size(hash->listpack));
}

size_t hash_payload(const struct hash *hash)
{
    if (hash->encoding != HASH_TABLE)
        return listpack_bytes(hash->listpack);
    return packed_table_payload(hash->table) + packed_table_timed_size(hash->table) * sizeof(int64_t);
}

struct slice hash_listpack(const struct hash *hash)
{
    return hash->encoding == HASH_TABLE ? slice_make(NULL, 0) : listpack_slice(hash->listpack);
}

void *hash_owner_room(const struct hash *hash)
{
    return hash->owner_room;
}

bool hash_find(const struct hash *hash, struct slice name, struct hash_field *found)
{
    if (hash->encoding == HASH_TABLE) {
        struct packed_element element;
        if (!packed_table_find(hash->table, name, &element))
            return false;
        field_of_element(found, &element);
        return true;
    }
    size_t position = fields_find(hash->listpack, hash_width(hash), name);
    if (position != 0)
        fields_read(hash->listpack, hash_width(hash), position, found);
    return position != 0;
}

bool hash_ahead(const struct hash *hash, struct slice name, struct packed_ahead *ahead)
{
    if (hash->encoding != HASH_TABLE)
        return false;
    packed_table_ahead(hash->table, name, ahead);
    return true;
}

/* --- Changing a listpack --- */

/* Room for a listpack of so many bytes. false: there is not enough memory, and nothing has changed. */
static bool listpack_room(struct hash *hash, size_t bytes)
{
    if (bytes <= listpack_bytes(hash->listpack) || bytes <= mem_size(hash->listpack))
        return true;
    char *moved =
        bytes > ABORT_MAX ? mem_try_realloc(hash->listpack, bytes) : mem_realloc(hash->listpack, bytes);
    if (moved == NULL)
        return false;
    hash->listpack = moved;
    return true;
}

/* After a change from so many bytes on: gives back what is more than twice of what is needed. */
static void listpack_trim(struct hash *hash, size_t old_bytes)
{
    size_t bytes = listpack_bytes(hash->listpack);
    if (bytes < old_bytes && mem_size(hash->listpack) > 2 * mem_good_size(bytes))
        hash->listpack = mem_realloc(hash->listpack, bytes);
}

/* Where a field with this time belongs: behind all that are earlier, at the end if it has none, as in
 * Redis 8. */
static size_t place_of(const char *listpack, int64_t expire_ms)
{
    if (!is_time(expire_ms))
        return listpack_end(listpack);
    size_t at = LISTPACK_BEGIN;
    for (; !listpack_at_end(listpack, at); at += fields_bytes(listpack, WIDTH_TIMED, at)) {
        int64_t there_ms = fields_time(listpack, at);
        if (there_ms == FIELD_NEVER || there_ms >= expire_ms)
            break;
    }
    return at;
}

static int64_t time_element(int64_t expire_ms)
{
    return is_time(expire_ms) ? expire_ms : 0;
}

/* Puts a field where it belongs. There is room for it. */
static void field_insert(struct hash *hash, const struct listpack_item pair[2], int64_t expire_ms)
{
    struct listpack_item items[WIDTH_TIMED] = {pair[0], pair[1]};
    unsigned width = hash_width(hash);
    size_t place = listpack_end(hash->listpack);
    if (width == WIDTH_TIMED) {
        items[2] = listpack_item_number(time_element(expire_ms));
        place = place_of(hash->listpack, expire_ms);
    }
    listpack_splice(hash->listpack, place, 0, 0, items, width);
    hash->size++;
    hash->timed += is_time(expire_ms);
}

static void field_remove(struct hash *hash, size_t position, int64_t expire_ms)
{
    unsigned width = hash_width(hash);
    listpack_splice(hash->listpack, position, fields_bytes(hash->listpack, width, position), width, NULL, 0);
    hash->size--;
    hash->timed -= is_time(expire_ms);
}

/* The time of the field at this position. */
static int64_t field_time(const struct hash *hash, size_t position)
{
    return hash->encoding == HASH_LISTPACK ? FIELD_NEVER : fields_time(hash->listpack, position);
}

/* Bytes of the listpack once the field at position, 0 for none, has given way to this one. */
static size_t bytes_after(const struct hash *hash, size_t position, const struct listpack_item pair[2],
                          int64_t expire_ms)
{
    unsigned width = hash_width(hash);
    size_t bytes = listpack_bytes(hash->listpack) + pair[0].bytes + pair[1].bytes;
    if (width == WIDTH_TIMED)
        bytes += listpack_item_number(time_element(expire_ms)).bytes;
    return bytes - (position != 0 ? fields_bytes(hash->listpack, width, position) : 0);
}

/* The field at position gets this value; what else others wrote of it stays as they did. */
static enum hash_status value_replace(struct hash *hash, size_t position, const struct listpack_item *value)
{
    position = listpack_next(hash->listpack, position);
    size_t old_bytes = listpack_bytes(hash->listpack);
    size_t bytes = old_bytes - listpack_element_bytes(hash->listpack, position) + value->bytes;
    if (!listpack_room(hash, bytes))
        return HASH_NO_MEMORY;
    listpack_replace(hash->listpack, position, value);
    ASSERT(listpack_bytes(hash->listpack) == bytes);
    listpack_trim(hash, old_bytes);
    return HASH_REPLACED;
}

/* The field at position, 0 if it is new, gets this value and this time. Where it is given a time it moves,
 * even if it had the same: as in Redis, it is the first of that time then. */
static enum hash_status listpack_set(struct hash *hash, size_t position, const struct listpack_item pair[2],
                                     int64_t expire_ms)
{
    int64_t old_ms = position != 0 ? field_time(hash, position) : FIELD_NEVER;
    if (position != 0 &&
        (expire_ms == FIELD_KEEP_TIME || (expire_ms == FIELD_NEVER && old_ms == FIELD_NEVER)))
        return value_replace(hash, position, &pair[1]);
    size_t old_bytes = listpack_bytes(hash->listpack);
    size_t bytes = bytes_after(hash, position, pair, expire_ms);
    if (!listpack_room(hash, bytes))
        return HASH_NO_MEMORY;
    if (position != 0)
        field_remove(hash, position, old_ms);
    field_insert(hash, pair, expire_ms);
    ASSERT(listpack_bytes(hash->listpack) == bytes);
    listpack_trim(hash, old_bytes);
    return position != 0 ? HASH_REPLACED : HASH_ADDED;
}

/* --- Changing --- */

enum hash_status hash_set(struct hash *hash, struct slice name, struct slice value, int64_t expire_ms)
{
    ASSERT(expire_ms == FIELD_NEVER || expire_ms == FIELD_KEEP_TIME ||
           (is_time(expire_ms) && expire_ms <= FIELD_TIME_MAX));
    if (is_time(expire_ms))
        owner_room_make(hash);
    if (hash->encoding != HASH_TABLE) {
        size_t position = fields_find(hash->listpack, hash_width(hash), name);
        struct listpack_item pair[2] = {listpack_item(name), listpack_item(value)};
        size_t bytes = listpack_bytes(hash->listpack) + pair[0].bytes + pair[1].bytes;
        if (fields_fit(hash->settings, name, value, hash->size + (position == 0), bytes)) {
            if (is_time(expire_ms) && hash->encoding == HASH_LISTPACK) {
                become_timed(hash);
                position = fields_find(hash->listpack, WIDTH_TIMED, name);
            }
            return listpack_set(hash, position, pair, expire_ms);
        }
        if (!become_table(hash))
            return HASH_NO_MEMORY;
    }
    switch (packed_table_set(hash->table, name, value, expire_ms)) {
    case PACKED_ADDED: return HASH_ADDED;
    case PACKED_REPLACED: return HASH_REPLACED;
    case PACKED_NO_MEMORY: break;
    }
    return HASH_NO_MEMORY;
}

bool hash_delete(struct hash *hash, struct slice name)
{
    if (hash->encoding == HASH_TABLE)
        return packed_table_delete(hash->table, name);
    size_t position = fields_find(hash->listpack, hash_width(hash), name);
    if (position == 0)
        return false;
    size_t old_bytes = listpack_bytes(hash->listpack);
    field_remove(hash, position, field_time(hash, position));
    listpack_trim(hash, old_bytes);
    return true;
}

/* A field's name and value out of the listpack, in a buffer of their own. */
static void pair_copy(const char *listpack, size_t position, struct buffer *texts,
                      struct listpack_item pair[2])
{
    struct hash_field field;
    fields_read(listpack, WIDTH_TIMED, position, &field);
    buffer_reserve(texts, field.name.size + field.value.size + 1); /* an address, if both are empty, too */
    buffer_append_slice(texts, field.name);
    buffer_append_slice(texts, field.value);
    pair[0] = listpack_item(slice_make(texts->data, field.name.size));
    pair[1] = listpack_item(slice_make(texts->data + field.name.size, field.value.size));
}

static void listpack_set_time(struct hash *hash, size_t position, int64_t expire_ms)
{
    int64_t old_ms = field_time(hash, position);
    if (old_ms == FIELD_NEVER && expire_ms == FIELD_NEVER)
        return;
    struct buffer texts = {0};
    struct listpack_item pair[2];
    pair_copy(hash->listpack, position, &texts, pair);
    size_t bytes = bytes_after(hash, position, pair, expire_ms);
    if (bytes > mem_size(hash->listpack))
        hash->listpack = mem_realloc(hash->listpack, bytes);
    field_remove(hash, position, old_ms);
    field_insert(hash, pair, expire_ms);
    ASSERT(listpack_bytes(hash->listpack) == bytes);
    buffer_free(&texts);
}

bool hash_set_time(struct hash *hash, struct slice name, int64_t expire_ms)
{
    ASSERT(expire_ms == FIELD_NEVER || (is_time(expire_ms) && expire_ms <= FIELD_TIME_MAX));
    if (hash->encoding == HASH_TABLE) {
        bool found = packed_table_set_time(hash->table, name, expire_ms);
        if (found && is_time(expire_ms))
            owner_room_make(hash);
        return found;
    }
    size_t position = fields_find(hash->listpack, hash_width(hash), name);
    if (position == 0)
        return false;
    if (hash->encoding == HASH_LISTPACK) {
        if (!is_time(expire_ms))
            return true;
        become_timed(hash);
        position = fields_find(hash->listpack, WIDTH_TIMED, name);
    }
    if (is_time(expire_ms))
        owner_room_make(hash);
    listpack_set_time(hash, position, expire_ms);
    return true;
}

void hash_expect(struct hash *hash, size_t fields)
{
    if (hash->encoding != HASH_TABLE && (fields <= hash->settings->entries_max || !become_table(hash)))
        return;
    packed_table_expect(hash->table, fields);
}

bool hash_settle(struct hash *hash, int steps)
{
    return hash->encoding == HASH_TABLE && packed_table_settle(hash->table, steps);
}
