#include "command/watch.h"

#include "base/diag.h"
#include "base/memory.h"
#include "command/lookup.h"

/* Buckets at first: a power of two. There are never more watches than buckets. */
#define WATCH_BUCKETS_MIN 1024

struct watch {
    struct session *session;
    struct watch *next_in_session;
    struct watch *next_in_bucket;
    struct watch **link; /* what points at this one in its bucket */
    uint64_t hash;
    int database;
    bool had_expired;
    size_t key_size;
    char key[];
};

struct watch_table {
    size_t count;
    size_t bucket_count;
    struct watch **buckets;
};

static void buckets_new(struct watch_table *table, size_t count)
{
    table->bucket_count = count;
    table->buckets = mem_alloc_zero(count * sizeof(struct watch *));
}

struct watch_table *watch_table_new(void)
{
    struct watch_table *table = mem_alloc_zero(sizeof(*table));
    buckets_new(table, WATCH_BUCKETS_MIN);
    return table;
}

void watch_table_free(struct watch_table *table)
{
    ASSERT(table->count == 0);
    mem_free(table->buckets);
    mem_free(table);
}

size_t watch_table_count(const struct watch_table *table)
{
    return table->count;
}

static struct slice watch_key(const struct watch *watch)
{
    return slice_make(watch->key, watch->key_size);
}

static bool watch_is(const struct watch *watch, int database, struct slice key, uint64_t hash)
{
    return watch->hash == hash && watch->database == database && slice_equal(watch_key(watch), key);
}

static struct watch **bucket_of(const struct watch_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void bucket_add(struct watch_table *table, struct watch *watch)
{
    struct watch **bucket = bucket_of(table, watch->hash);
    watch->next_in_bucket = *bucket;
    watch->link = bucket;
    if (*bucket)
        (*bucket)->link = &watch->next_in_bucket;
    *bucket = watch;
}

static void buckets_double(struct watch_table *table)
{
    struct watch **old = table->buckets;
    size_t old_count = table->bucket_count;
    buckets_new(table, 2 * old_count);
    for (size_t i = 0; i < old_count; i++) {
        struct watch *next;
        for (struct watch *watch = old[i]; watch; watch = next) {
            next = watch->next_in_bucket;
            bucket_add(table, watch);
        }
    }
    mem_free(old);
}

size_t watch_memory(struct slice key)
{
    return sizeof(struct watch) + key.size;
}

void watch_add(struct watch_table *table, struct session *session, int database, struct slice key,
               uint64_t hash, bool had_expired)
{
    for (struct watch *watch = *bucket_of(table, hash); watch; watch = watch->next_in_bucket)
        if (watch->session == session && watch_is(watch, database, key, hash))
            return;
    if (table->count == table->bucket_count)
        buckets_double(table);
    struct watch *watch = mem_alloc(watch_memory(key));
    *watch = (struct watch){.session = session,
                            .next_in_session = session->watches,
                            .hash = hash,
                            .database = database,
                            .had_expired = had_expired,
                            .key_size = key.size};
    if (key.size)
        memcpy(watch->key, key.data, key.size);
    bucket_add(table, watch);
    session->watches = watch;
    session->watch_bytes += watch_memory(key);
    table->count++;
}

void watch_remove_all(struct watch_table *table, struct session *session)
{
    struct watch *next;
    for (struct watch *watch = session->watches; watch; watch = next) {
        next = watch->next_in_session;
        *watch->link = watch->next_in_bucket;
        if (watch->next_in_bucket)
            watch->next_in_bucket->link = watch->link;
        mem_free(watch);
        table->count--;
    }
    session->watches = NULL;
    session->watch_bytes = 0;
    if (table->count == 0 && table->bucket_count > WATCH_BUCKETS_MIN) {
        mem_free(table->buckets);
        buckets_new(table, WATCH_BUCKETS_MIN);
    }
}

void watch_touch(struct watch_table *table, int database, struct slice key, uint64_t hash, bool expired)
{
    for (struct watch *watch = *bucket_of(table, hash); watch; watch = watch->next_in_bucket) {
        if (!watch_is(watch, database, key, hash))
            continue;
        if (expired && watch->had_expired)
            watch->had_expired = false;
        else
            watch->session->watch_failed = true;
    }
}

static void touch_contents(struct watch_table *table, struct world *world, int database, bool came)
{
    if (table->count == 0)
        return;
    struct database *db = store_database(world->store, database);
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct watch *watch = table->buckets[i]; watch; watch = watch->next_in_bucket) {
            if (watch->database != database)
                continue;
            struct entry *entry = database_find(db, watch_key(watch), watch->hash);
            bool has_expired = entry && entry_has_expired(entry, world->now_ms);
            if (has_expired && came)
                watch->had_expired = true; /* to its watcher there is nothing, as there was before */
            else if (entry && !(has_expired && watch->had_expired))
                watch->session->watch_failed = true;
        }
    }
}

void watch_touch_present(struct watch_table *table, struct world *world, int database)
{
    touch_contents(table, world, database, false);
}

void watch_touch_came(struct watch_table *table, struct world *world, int database)
{
    touch_contents(table, world, database, true);
}

bool watch_any_expired(struct world *world, const struct session *session)
{
    for (const struct watch *watch = session->watches; watch; watch = watch->next_in_session) {
        struct database *db = store_database(world->store, watch->database);
        struct entry *entry = database_find(db, watch_key(watch), watch->hash);
        if (entry && !watch->had_expired && world_hides(world, entry))
            return true;
    }
    return false;
}
