#include "store/database.h"

#include "base/hash.h"
#include "store/parts.h"
#include "store/value_hash.h"
#include "store/value_string.h"

/* Every entry of a database is in its table and counted in its payload; those with a time to live are in its
 * wheel and, if there is one, in the index of volatile keys, too; those whose values have parts with times
 * are in the wheel of such. What changes an entry's address or its time goes through the first few functions
 * here, which keep all that in step. */

static uint64_t key_hash(const struct database *db, struct slice key)
{
    return store_hash(db->store, key);
}

static struct table *db_table(struct database *db)
{
    return &db->contents.table;
}

static struct wheel *db_wheel(struct database *db)
{
    if (db->contents.wheel == NULL)
        db->contents.wheel = wheel_new();
    return db->contents.wheel;
}

static void volatile_add(struct database *db, struct entry *entry, uint64_t hash, int64_t expire_ms)
{
    wheel_insert(db_wheel(db), entry_node(entry), expire_ms);
    if (db->contents.volatile_index != NULL)
        table_insert(db->contents.volatile_index, entry, hash);
}

static void volatile_remove(struct database *db, struct entry *entry, uint64_t hash)
{
    wheel_remove(db_wheel(db), entry_node(entry));
    if (db->contents.volatile_index != NULL)
        table_remove(db->contents.volatile_index, entry, hash);
}

static void entry_add(struct database *db, struct entry *entry, uint64_t hash, int64_t expire_ms)
{
    if (entry_expires(entry))
        volatile_add(db, entry, hash, expire_ms);
    if (entry_has_timed_parts(entry))
        parts_add(db, entry);
    table_insert(db_table(db), entry, hash);
    db->contents.payload += entry_payload(entry);
    db->contents.type_sizes[entry->type]++;
}

/* Takes an entry out of its database without freeing it. */
static void entry_remove(struct database *db, struct entry *entry, uint64_t hash)
{
    table_remove(db_table(db), entry, hash);
    db->contents.payload -= entry_payload(entry);
    db->contents.type_sizes[entry->type]--;
    if (entry_expires(entry))
        volatile_remove(db, entry, hash);
    if (entry_has_timed_parts(entry))
        parts_remove(db, entry);
}

/* Whether both have the same object as their value. */
static bool entries_share_value(const struct entry *a, const struct entry *b)
{
    return entry_form(a) == FORM_BLOCK && entry_form(b) == FORM_BLOCK &&
           entry_block(a)->object == entry_block(b)->object;
}

static void replace_timed_parts(struct database *db, struct entry *old, struct entry *entry)
{
    if (entries_share_value(old, entry)) {
        parts_relocate(entry);
        return;
    }
    if (entry_has_timed_parts(old))
        parts_remove(db, old);
    if (entry_has_timed_parts(entry))
        parts_add(db, entry);
}

void database_replace_entry(struct database *db, struct entry *old, struct entry *entry, uint64_t hash,
                            int64_t expire_ms)
{
    ASSERT(entry_expires(entry) == (expire_ms != EXPIRE_NEVER));
    if (entry_has_timed_parts(old) || entry_has_timed_parts(entry))
        replace_timed_parts(db, old, entry);
    table_replace(db_table(db), old, entry, hash);
    db->contents.payload += entry_payload(entry) - entry_payload(old);
    db->contents.type_sizes[old->type]--;
    db->contents.type_sizes[entry->type]++;
    if (entry_expires(old) && entry_expires(entry)) {
        wheel_relocate(entry_node(old), entry_node(entry));
        wheel_change(db_wheel(db), entry_node(entry), expire_ms);
        if (db->contents.volatile_index != NULL)
            table_replace(db->contents.volatile_index, old, entry, hash);
    } else if (entry_expires(old)) {
        volatile_remove(db, old, hash);
    } else if (entry_expires(entry)) {
        volatile_add(db, entry, hash, expire_ms);
    }
}

struct entry *database_put_entry(struct database *db, struct entry *old, struct entry *entry, uint64_t hash,
                                 int64_t expire_ms)
{
    if (old == NULL) {
        entry->use = use_new(&db->store->use) & USE_MASK;
        entry_add(db, entry, hash, expire_ms);
        return entry;
    }
    entry->use = old->use;
    database_touch(db, entry);
    database_replace_entry(db, old, entry, hash, expire_ms);
    store_dispose(db->store, old);
    return entry;
}

/* For entries that are only made anew to change their form: there is no way to report that it failed. */
static struct entry *entry_or_panic(struct entry *entry, struct slice key)
{
    if (entry == NULL)
        panic("out of memory for a key of %zu bytes", key.size);
    return entry;
}

/* --- Looking --- */

size_t database_size(const struct database *db)
{
    return db->contents.table.size;
}

size_t database_type_size(const struct database *db, enum value_type type)
{
    return db->contents.type_sizes[type];
}

size_t database_payload(const struct database *db)
{
    return db->contents.payload;
}

size_t database_volatile_size(const struct database *db)
{
    return db->contents.wheel == NULL ? 0 : wheel_count(db->contents.wheel);
}

int64_t database_mean_ttl_ms(const struct database *db, int64_t now_ms)
{
    if (database_volatile_size(db) == 0)
        return 0;
    int64_t mean_ms = wheel_mean_ms(db->contents.wheel);
    return mean_ms > now_ms ? mean_ms - now_ms : 0;
}

void database_prefetch_bucket(const struct database *db, uint64_t hash)
{
    table_prefetch_bucket(&db->contents.table, hash);
}

const struct entry *database_prefetch_entry(const struct database *db, uint64_t hash)
{
    return table_prefetch_entry(&db->contents.table, hash);
}

struct entry *database_find(struct database *db, struct slice key, uint64_t hash)
{
    return table_find(db_table(db), key, hash);
}

struct entry *database_random(struct database *db)
{
    return table_random(db_table(db), &db->store->random);
}

struct entry *database_random_volatile(struct database *db)
{
    ASSERT(db->contents.volatile_index != NULL);
    return table_random(db->contents.volatile_index, &db->store->random);
}

/* Entries with about the same time that are looked at for the one that ends first. */
#define SOONEST_LOOKS 16

struct entry *database_soonest(struct database *db)
{
    if (db->contents.wheel == NULL)
        return NULL;
    struct wheel_node *node = wheel_soonest(db->contents.wheel, SOONEST_LOOKS);
    return node == NULL ? NULL : entry_of_node(node);
}

struct entry *database_find_hash(struct database *db, uint64_t hash)
{
    return table_find_hash(db_table(db), hash);
}

/* --- Use --- */

void database_touch(struct database *db, struct entry *entry)
{
    use_touch(&db->store->use, &db->store->random, entry);
}

int database_frequency(const struct database *db, const struct entry *entry)
{
    return use_frequency(&db->store->use, entry);
}

void database_set_frequency(struct database *db, struct entry *entry, int frequency)
{
    use_set_frequency(&db->store->use, entry, frequency);
}

uint64_t database_scan(struct database *db, uint64_t cursor, database_visit *visit, void *context)
{
    return table_scan(db_table(db), cursor, visit, context);
}

void database_each(struct database *db, database_visit *visit, void *context)
{
    table_each(db_table(db), visit, context);
}

/* --- Deleting, moving, copying --- */

bool database_delete(struct database *db, struct slice key, uint64_t hash)
{
    struct entry *entry = database_find(db, key, hash);
    if (entry == NULL)
        return false;
    entry_remove(db, entry, hash);
    if (db->store->emptied == entry)
        db->store->emptied = NULL;
    store_dispose(db->store, entry);
    return true;
}

void database_move_entry(struct database *from, struct entry *entry, struct database *to, struct slice to_key)
{
    database_assert_none_empty(from);
    uint64_t hash = key_hash(from, entry_key(entry));
    uint64_t to_hash = key_hash(to, to_key);
    bool same_key = slice_equal(entry_key(entry), to_key);
    /* The new entry comes first: to_key may be the key of the one that is replaced. */
    int64_t expire_ms = entry_expire_ms(entry);
    struct entry *moved = entry;
    if (!same_key)
        moved = entry_or_panic(entry_rebuild(entry, to_key, entry_expires(entry)), to_key);
    entry_remove(from, entry, hash);
    if (!same_key)
        entry_free_shell(entry);
    database_delete(to, entry_key(moved), to_hash);
    entry_add(to, moved, to_hash, expire_ms);
}

struct entry *database_copy_entry(struct database *from, struct entry *entry, struct database *to,
                                  struct slice to_key)
{
    database_assert_none_empty(from);
    uint64_t to_hash = key_hash(to, to_key);
    ASSERT(database_find(to, to_key, to_hash) == NULL);
    struct entry *copy = entry_rebuild(entry, to_key, entry_expires(entry));
    if (copy == NULL || !entry_duplicate_value(copy))
        return NULL;
    entry_add(to, copy, to_hash, entry_expire_ms(entry));
    return copy;
}

/* --- Time to live --- */

struct entry *database_set_expire(struct database *db, struct entry *entry, int64_t expire_ms)
{
    bool expires = expire_ms != EXPIRE_NEVER;
    if (expires && entry_expires(entry)) {
        wheel_change(db_wheel(db), entry_node(entry), expire_ms);
        return entry;
    }
    if (!expires && !entry_expires(entry))
        return entry;
    struct slice key = entry_key(entry);
    struct entry *rebuilt = entry_or_panic(entry_rebuild(entry, key, expires), key);
    database_replace_entry(db, entry, rebuilt, key_hash(db, key), expire_ms);
    entry_free_shell(entry);
    return rebuilt;
}

struct entry *database_next_expired(struct database *db, int64_t now_ms, int *budget)
{
    if (db->contents.wheel == NULL)
        return NULL;
    struct wheel_node *node = wheel_next(db->contents.wheel, now_ms, budget);
    return node == NULL ? NULL : entry_of_node(node);
}

int64_t database_expiry_due_ms(const struct database *db)
{
    return db->contents.wheel == NULL ? INT64_MAX : wheel_due_ms(db->contents.wheel);
}

bool database_may_have_expired(const struct database *db, int64_t now_ms)
{
    static_assert(EXPIRY_TICK_MS == WHEEL_TICK_MS, "the wheel's ticks are what callers count on");
    int64_t due_ms = database_expiry_due_ms(db);
    int64_t parts_due_ms = database_parts_due_ms(db);
    if (parts_due_ms < due_ms)
        due_ms = parts_due_ms;
    return due_ms == INT64_MIN || due_ms - WHEEL_TICK_MS <= now_ms;
}

/* --- Strings --- */

static enum string_status overwrite_blob(struct database *db, struct entry *entry,
                                         const struct string_content *content)
{
    struct blob *old = NULL;
    enum string_status status = string_overwrite_blob(entry, content, &old);
    store_dispose_blob(db->store, old);
    return status;
}

static struct entry *database_set_content(struct database *db, struct slice key, uint64_t hash,
                                          const struct string_content *content, int64_t expire_ms)
{
    struct entry *old = database_find(db, key, hash);
    bool expires = expire_ms != EXPIRE_NEVER;
    if (old != NULL && entry_expires(old) == expires) {
        size_t payload = entry_value_payload(old);
        enum string_status status =
            content->form == FORM_BLOB ? overwrite_blob(db, old, content) : string_overwrite(old, content);
        database_payload_changed(db, old, payload);
        if (status == STRING_NO_MEMORY)
            return NULL;
        if (status == STRING_DONE) {
            database_touch(db, old);
            return database_set_expire(db, old, expire_ms);
        }
    }

    struct entry *entry = string_entry_new(key, content, expires);
    return entry == NULL ? NULL : database_put_entry(db, old, entry, hash, expire_ms);
}

struct entry *database_set_string(struct database *db, struct slice key, uint64_t hash, struct slice value,
                                  enum string_form form, int64_t expire_ms)
{
    struct string_content content = string_content_of(value, form);
    return database_set_content(db, key, hash, &content, expire_ms);
}

struct entry *database_set_blob(struct database *db, struct slice key, uint64_t hash, struct blob *blob,
                                enum string_form form, int64_t expire_ms)
{
    struct string_content content = string_content_blob(blob, form);
    return database_set_content(db, key, hash, &content, expire_ms);
}

struct entry *database_set_int(struct database *db, struct slice key, uint64_t hash, int64_t value,
                               int64_t expire_ms)
{
    struct string_content content = string_content_int(value);
    return database_set_content(db, key, hash, &content, expire_ms);
}

struct entry *database_write_string(struct database *db, struct entry *entry, size_t offset,
                                    struct slice value)
{
    size_t payload = entry_value_payload(entry);
    enum string_status status = string_write(entry, offset, value);
    database_payload_changed(db, entry, payload);
    if (status == STRING_NO_MEMORY)
        return NULL;
    database_touch(db, entry);
    if (status == STRING_DONE)
        return entry;
    struct entry *written = string_entry_written(entry, offset, value);
    if (written == NULL)
        return NULL;
    database_replace_entry(db, entry, written, key_hash(db, entry_key(entry)), entry_expire_ms(entry));
    store_dispose(db->store, entry);
    return written;
}
