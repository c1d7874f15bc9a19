#include "store/store.h"

#include "base/hash.h"
#include "base/memory.h"
#include "store/database.h"
#include "store/value_hash.h"

struct store *store_new(const struct store_options *options)
{
    ASSERT(options->databases >= 1);
    size_t count = (size_t)options->databases;
    struct store *store = mem_alloc_zero(sizeof(*store) + count * sizeof(store->databases[0]));
    store->hash_seed = options->hash_seed;
    store->hash_settings = (struct hash_settings){.entries_max = HASH_ENTRIES_MAX_DEFAULT,
                                                  .value_max = HASH_VALUE_MAX_DEFAULT,
                                                  .seed = options->hash_seed};
    store->database_count = options->databases;
    random_seed(&store->random, options->random_seed);
    for (size_t i = 0; i < count; i++) {
        store->databases[i].store = store;
        table_init(&store->databases[i].contents.table, options->hash_seed, false);
    }
    return store;
}

void store_free(struct store *store)
{
    if (store == NULL)
        return;
    store->indexes_volatile = false;
    store->free_later = NULL;
    for (int i = 0; i < store->database_count; i++)
        contents_free(database_take(&store->databases[i]));
    mem_free(store);
}

int store_database_count(const struct store *store)
{
    return store->database_count;
}

uint64_t store_size(const struct store *store)
{
    uint64_t keys = 0;
    for (int i = 0; i < store->database_count; i++)
        keys += database_size(&store->databases[i]);
    return keys;
}

struct database *store_database(struct store *store, int index)
{
    ASSERT(index >= 0 && index < store->database_count);
    return &store->databases[index];
}

void store_swap(struct store *store, int a, int b)
{
    struct database *first = store_database(store, a);
    database_assert_none_empty(first);
    struct database *second = store_database(store, b);
    struct database_contents contents = first->contents;
    first->contents = second->contents;
    second->contents = contents;
}

void store_freeze_tables(struct store *store, bool frozen)
{
    ASSERT(store->emptied == NULL);
    store->hash_settings.frozen = frozen;
    for (int i = 0; i < store->database_count; i++) {
        struct database_contents *contents = &store->databases[i].contents;
        contents->table.frozen = frozen;
        if (contents->volatile_index != NULL)
            contents->volatile_index->frozen = frozen;
    }
}

void store_set_use(struct store *store, const struct use_settings *settings)
{
    store->use.settings = *settings;
}

void store_set_time(struct store *store, int64_t now_ms)
{
    use_set_time(&store->use, now_ms);
}

void store_index_volatile(struct store *store, bool on)
{
    store->indexes_volatile = on;
    for (int i = 0; i < store->database_count; i++)
        database_index_volatile(&store->databases[i], on);
}

size_t database_table_memory(const struct database *db)
{
    return table_memory(&db->contents.table);
}

size_t database_expiry_memory(const struct database *db)
{
    const struct database_contents *contents = &db->contents;
    size_t total = 0;
    if (contents->volatile_index != NULL)
        total = mem_size(contents->volatile_index) + table_memory(contents->volatile_index);
    total += contents->wheel == NULL ? 0 : wheel_memory(contents->wheel);
    return total + (contents->parts == NULL ? 0 : wheel_memory(contents->parts));
}

size_t store_overhead(const struct store *store)
{
    size_t total = 0;
    for (int i = 0; i < store->database_count; i++)
        total += database_table_memory(&store->databases[i]) + database_expiry_memory(&store->databases[i]);
    return total;
}

uint64_t store_hash(const struct store *store, struct slice key)
{
    return hash_slice(key, store->hash_seed);
}
