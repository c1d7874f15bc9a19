/* Changing the hashes of a database: who sits in the entry, who beside it, and what the database has to know.
 */
#include "base/memory.h"
#include "store/hash_seat.h"
#include "store/parts.h"
#include "store/value_hash.h"

void store_set_hash_limits(struct store *store, size_t entries_max, size_t value_max)
{
    store->hash_settings.entries_max = entries_max;
    store->hash_settings.value_max = value_max;
}

const struct hash_settings *database_hash_settings(const struct database *db)
{
    return &db->store->hash_settings;
}

/* --- Entries --- */

static unsigned expiry_flag(int64_t expire_ms)
{
    return expire_ms == EXPIRE_NEVER ? 0 : ENTRY_EXPIRES;
}

/* An entry with a packed hash and so much room for it that it can grow by more_bytes. NULL: as entry_new. */
static struct entry *packed_entry_new(unsigned flags, struct slice key, const char *packed, size_t bytes,
                                      size_t more_bytes)
{
    size_t room = more_bytes < HASH_INLINE_MAX - bytes ? bytes + more_bytes : bytes;
    size_t packed_bytes = packed_hash_bytes(packed);
    if (room < packed_bytes)
        room = packed_bytes;
    struct entry *entry =
        entry_new(VALUE_HASH, flags | FORM_INLINE << ENTRY_FORM_SHIFT, key, packed_bytes, room);
    if (entry != NULL)
        memcpy(hash_packed(entry), packed, packed_bytes);
    return entry;
}

/* Puts an entry with the same key and the same time to live, but a value of its own, in the place of another,
 * of whose value nothing is left outside it. */
static void entry_take_over(struct database *db, struct entry *old, struct entry *entry)
{
    entry->use = old->use;
    database_replace_entry(db, old, entry, store_hash(db->store, entry_key(entry)), entry_expire_ms(old));
    entry_free_shell(old);
}

static void packed_apply(struct database *db, struct entry *entry, const struct packed_hash_change *change)
{
    size_t payload = entry_value_payload(entry);
    packed_hash_apply(hash_packed(entry), change);
    ASSERT(packed_hash_bytes(hash_packed(entry)) == change->bytes);
    entry->inline_size = (uint16_t)change->bytes;
    database_payload_changed(db, entry, payload);
}

/* An object with the fields of a packed hash. NULL: there is not enough memory. */
static struct hash *unpacked(struct database *db, const struct entry *entry)
{
    return hash_from_listpack(&db->store->hash_settings, entry_hash_listpack(entry), HASH_LISTPACK);
}

/* After a change of an object. */
static void object_changed(struct database *db, struct entry *entry, int64_t set_ms)
{
    size_t payload = entry_value_payload(entry);
    entry_block(entry)->size = hash_payload(hash_object(entry));
    database_payload_changed(db, entry, payload);
    parts_changed(db, entry, set_ms);
}

/* Puts an object in the place of a packed hash. NULL: there is not enough memory, and the object is freed. */
static struct entry *object_seat(struct database *db, struct entry *entry, struct hash *hash, int64_t set_ms)
{
    struct entry *other = entry_new_object(VALUE_HASH, entry->flags & ENTRY_EXPIRES, entry_key(entry), hash,
                                           hash_payload(hash));
    if (other == NULL) {
        hash_free(hash);
        return NULL;
    }
    entry_take_over(db, entry, other);
    parts_changed(db, other, set_ms);
    return other;
}

/* --- Setting --- */

static bool packed_fits(const struct database *db, const struct packed_hash_change *change, struct slice name,
                        struct slice value)
{
    return change->bytes <= HASH_INLINE_MAX &&
           packed_hash_stays(&db->store->hash_settings, change, name, value);
}

static struct hash_result object_set(struct database *db, struct entry *entry, struct slice name,
                                     struct slice value, int64_t expire_ms)
{
    enum hash_status status = hash_set(hash_object(entry), name, value, expire_ms);
    if (status == HASH_NO_MEMORY)
        return (struct hash_result){.entry = NULL};
    object_changed(db, entry, expire_ms);
    return (struct hash_result){.entry = entry, .found = status == HASH_REPLACED};
}

/* Of a packed hash that cannot stay so. */
static struct hash_result unpack_and_set(struct database *db, struct entry *entry, struct slice name,
                                         struct slice value, int64_t expire_ms)
{
    struct hash_result result = {.entry = NULL};
    struct hash *hash = unpacked(db, entry);
    if (hash == NULL)
        return result;
    enum hash_status status = hash_set(hash, name, value, expire_ms);
    if (status == HASH_NO_MEMORY) {
        hash_free(hash);
        return result;
    }
    result.entry = object_seat(db, entry, hash, expire_ms);
    result.found = status == HASH_REPLACED;
    return result;
}

static struct hash_result packed_set(struct database *db, struct entry *entry, struct slice name,
                                     struct slice value, int64_t expire_ms, size_t more_bytes)
{
    struct packed_hash_change change;
    packed_hash_plan_set(hash_packed(entry), name, value, &change);
    if (expire_ms >= 0 || !packed_fits(db, &change, name, value))
        return unpack_and_set(db, entry, name, value, expire_ms);
    bool grows = change.bytes > entry->inline_size;
    if (grows && entry_size(entry) - entry->inline_size + change.bytes > mem_size(entry)) {
        struct entry *larger = packed_entry_new(entry->flags & ENTRY_EXPIRES, entry_key(entry),
                                                hash_packed(entry), change.bytes, more_bytes);
        if (larger == NULL)
            return (struct hash_result){.entry = NULL};
        entry_take_over(db, entry, larger);
        entry = larger;
    }
    packed_apply(db, entry, &change);
    return (struct hash_result){.entry = entry, .found = change.found};
}

/* An entry with this field alone, in no database. */
static struct entry *first_entry(struct database *db, struct slice key, struct slice name, struct slice value,
                                 int64_t expire_ms, size_t more_bytes)
{
    char empty[PACKED_HASH_EMPTY_BYTES];
    struct packed_hash_change change;
    packed_hash_init(empty);
    packed_hash_plan_set(empty, name, value, &change);
    if (expire_ms < 0 && packed_fits(db, &change, name, value)) {
        struct entry *entry = packed_entry_new(0, key, empty, change.bytes, more_bytes);
        if (entry == NULL)
            return NULL;
        packed_hash_apply(hash_packed(entry), &change);
        entry->inline_size = (uint16_t)change.bytes;
        return entry;
    }
    struct hash *hash = hash_new(&db->store->hash_settings);
    struct entry *entry = NULL;
    if (hash_set(hash, name, value, expire_ms) != HASH_NO_MEMORY)
        entry = entry_new_object(VALUE_HASH, 0, key, hash, hash_payload(hash));
    if (entry == NULL)
        hash_free(hash);
    else
        parts_adopt(entry);
    return entry;
}

struct hash_result database_hash_set(struct database *db, struct slice key, uint64_t hash,
                                     struct entry *entry, struct slice name, struct slice value,
                                     int64_t expire_ms, size_t more_bytes)
{
    database_assert_none_empty(db);
    ASSERT(expire_ms <= FIELD_TIME_MAX &&
           (expire_ms > 0 || expire_ms == FIELD_NEVER || expire_ms == FIELD_KEEP_TIME));
    if (entry == NULL) {
        ASSERT(database_find(db, key, hash) == NULL);
        entry = first_entry(db, key, name, value, expire_ms, more_bytes);
        if (entry != NULL)
            database_put_entry(db, NULL, entry, hash, EXPIRE_NEVER);
        return (struct hash_result){.entry = entry};
    }
    if (hash_object(entry) == NULL)
        return packed_set(db, entry, name, value, expire_ms, more_bytes);
    return object_set(db, entry, name, value, expire_ms);
}

void database_hash_expect(struct database *db, struct entry *entry, size_t fields)
{
    database_assert_none_empty(db);
    if (hash_object(entry) != NULL)
        hash_expect(hash_object(entry), fields);
}

/* --- Deleting --- */

/* So much more than it needs may a packed hash take, that has become smaller. */
static bool wastes(const struct entry *entry)
{
    size_t size = entry_size(entry);
    return mem_size(entry) > size + size / 2 + 16;
}

static struct entry *packed_delete(struct database *db, struct entry *entry,
                                   const struct packed_hash_change *change)
{
    packed_apply(db, entry, change);
    if (change->size == 0 || !wastes(entry))
        return entry;
    struct entry *smaller = packed_entry_new(entry->flags & ENTRY_EXPIRES, entry_key(entry),
                                             hash_packed(entry), change->bytes, 0);
    if (smaller == NULL)
        return entry;
    entry_take_over(db, entry, smaller);
    return smaller;
}

struct hash_result database_hash_delete(struct database *db, struct entry *entry, struct slice name)
{
    database_assert_none_empty(db);
    struct hash_result result = {.entry = entry};
    if (hash_object(entry) == NULL) {
        struct packed_hash_change change;
        result.found = packed_hash_plan_delete(hash_packed(entry), name, &change);
        if (result.found)
            result.entry = packed_delete(db, entry, &change);
    } else {
        result.found = hash_delete(hash_object(entry), name);
        if (result.found)
            object_changed(db, entry, INT64_MIN);
    }
    if (entry_hash_size(result.entry) == 0)
        db->store->emptied = result.entry;
    return result;
}

/* --- Times --- */

struct hash_result database_hash_set_time(struct database *db, struct entry *entry, struct slice name,
                                          int64_t expire_ms)
{
    database_assert_none_empty(db);
    ASSERT(expire_ms <= FIELD_TIME_MAX && (expire_ms > 0 || expire_ms == FIELD_NEVER));
    struct hash_result result = {.entry = entry};
    if (hash_object(entry) != NULL) {
        result.found = hash_set_time(hash_object(entry), name, expire_ms);
        if (result.found)
            object_changed(db, entry, expire_ms);
        return result;
    }
    struct hash_field field;
    result.found = packed_hash_find(hash_packed(entry), name, &field);
    if (!result.found || expire_ms == FIELD_NEVER)
        return result;
    struct hash *hash = unpacked(db, entry);
    if (hash != NULL)
        hash_set_time(hash, name, expire_ms);
    result.entry = hash == NULL ? NULL : object_seat(db, entry, hash, expire_ms);
    return result;
}

/* --- Whole hashes --- */

struct entry *database_put_hash(struct database *db, struct slice key, uint64_t hash, struct hash *value,
                                int64_t expire_ms)
{
    database_assert_none_empty(db);
    ASSERT(hash_size(value) > 0);
    struct entry *entry =
        entry_new_object(VALUE_HASH, expiry_flag(expire_ms), key, value, hash_payload(value));
    if (entry == NULL)
        return NULL;
    parts_adopt(entry);
    return database_put_entry(db, database_find(db, key, hash), entry, hash, expire_ms);
}

struct entry *database_put_hash_listpack(struct database *db, struct slice key, uint64_t hash,
                                         struct slice listpack, enum hash_encoding encoding,
                                         int64_t expire_ms)
{
    database_assert_none_empty(db);
    const struct hash_settings *settings = &db->store->hash_settings;
    if (encoding == HASH_LISTPACK && listpack.size <= HASH_INLINE_MAX &&
        packed_hash_size(listpack.data) <= settings->entries_max) {
        struct entry *entry = packed_entry_new(expiry_flag(expire_ms), key, listpack.data, listpack.size, 0);
        if (entry == NULL)
            return NULL;
        return database_put_entry(db, database_find(db, key, hash), entry, hash, expire_ms);
    }
    struct hash *value = hash_from_listpack(settings, listpack, encoding);
    if (value == NULL)
        return NULL;
    struct entry *entry = database_put_hash(db, key, hash, value, expire_ms);
    if (entry == NULL)
        hash_free(value);
    return entry;
}
