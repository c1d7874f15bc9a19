/* What a store and its databases are made of. Private to the floor. */
#ifndef DKV_STORE_DATABASE_H
#define DKV_STORE_DATABASE_H

#include "store/table.h"
#include "store/use.h"
#include "value/hash.h"

/* All that a flush takes away. */
struct database_contents {
    struct table table;
    struct wheel *wheel; /* NULL until a key has a time to live */
    struct wheel *parts; /* NULL until a part of a value has a time (parts.h) */
    size_t payload;      /* of all entries */
    size_t type_sizes[VALUE_TYPE_COUNT];
    /* A second table, of the entries with a time to live only, while store_index_volatile is on. */
    struct table *volatile_index;
};

struct database {
    struct database_contents contents;
    struct store *store;
};

struct store {
    uint64_t hash_seed;
    struct random random;
    struct use use;
    struct hash_settings hash_settings;
    store_free_later *free_later; /* NULL: all is freed at once */
    void *free_later_context;
    /* A collection whose last element was deleted: the next that happens is that it is deleted, too. */
    const struct entry *emptied;
    bool indexes_volatile;
    int database_count;
    struct database databases[];
};

/* --- database.c: entries of a database. All that comes, goes or moves does so through these --- */

/* Puts one entry in the place of another with the same key, which is not freed: the two may share a value. */
void database_replace_entry(struct database *db, struct entry *old, struct entry *entry, uint64_t hash,
                            int64_t expire_ms);
/* Puts an entry of any type where old is (NULL: there was none), which is freed. What is remembered of its
 * use goes on; the entry counts as used now. */
struct entry *database_put_entry(struct database *db, struct entry *old, struct entry *entry, uint64_t hash,
                                 int64_t expire_ms);
/* The value of an entry in the database has changed in place; payload: entry_value_payload before. */
static inline void database_payload_changed(struct database *db, const struct entry *entry, size_t payload)
{
    db->contents.payload += entry_value_payload(entry) - payload;
}

/* An emptied collection is not there for anything but its deletion. */
static inline void database_assert_none_empty(const struct database *db)
{
    ASSERT(db->store->emptied == NULL);
}

/* Makes the index of volatile keys, or drops it. */
void database_index_volatile(struct database *db, bool on);

/* --- contents.c --- */

/* As remains_free_step. */
bool contents_free_step(struct database_contents *contents, size_t *steps);

/* --- remains.c: freeing, here or beside the loop --- */

void store_dispose_outside(struct store *store, struct entry *entry);
/* NULL is fine. */
void store_dispose_blob(struct store *store, struct blob *blob);

/* Frees an entry that is in no table and no wheel any more. */
static inline void store_dispose(struct store *store, struct entry *entry)
{
    if (entry_has_outside_parts(entry))
        store_dispose_outside(store, entry);
    else
        entry_free_shell(entry);
}

#endif
