#include "http/keyspace_view.h"

#include "base/memory.h"
#include "command/observe/observe.h"
#include "store/value_hash.h"

static void sample_take(const struct world *world, struct keyspace_sample *sample)
{
    struct store *store = world->store;
    size_t databases = (size_t)store_database_count(store);
    if (!sample->databases)
        sample->databases = mem_alloc(databases * sizeof(*sample->databases));
    *sample = (struct keyspace_sample){.lsn = world->journal ? journal_executed(world->journal) : 0,
                                       .is_taken = true,
                                       .slow_id = slowlog_next_id(world->slowlog),
                                       .databases = sample->databases};
    for (size_t i = 0; i < databases; i++) {
        const struct database *db = store_database(store, (int)i);
        if (database_size(db) == 0)
            continue;
        struct database_figures *figures = &sample->databases[sample->count++];
        *figures = (struct database_figures){.database = (int)i,
                                             .keys = database_size(db),
                                             .volatile_keys = database_volatile_size(db),
                                             .timed_hashes = database_parts_size(db),
                                             .mean_ttl_ms = database_mean_ttl_ms(db, world->now_ms)};
        sample->keys += figures->keys;
        sample->volatile_keys += figures->volatile_keys;
        sample->timed_hashes += figures->timed_hashes;
        for (int type = 0; type < VALUE_TYPE_COUNT; type++) {
            figures->types[type] = database_type_size(db, (enum value_type)type);
            sample->types[type] += figures->types[type];
        }
    }
}

static void sample_show(struct keyspace_view *view)
{
    struct keyspace_sample shown = view->shown;
    view->shown = view->waiting;
    view->waiting = shown;
    view->waiting.is_taken = false;
}

void keyspace_view_update(struct keyspace_view *view)
{
    const struct world *world = view->world;
    /* While the log is replayed there is nothing that anybody was promised, nor is it whole. */
    if (world->loading)
        return;
    lsn_t acknowledged = world->journal ? journal_acknowledged(world->journal) : 0;
    if (view->waiting.is_taken && view->waiting.lsn <= acknowledged)
        sample_show(view);
    if (view->waiting.is_taken)
        return;
    sample_take(world, &view->waiting);
    if (view->waiting.lsn <= acknowledged)
        sample_show(view);
}

void keyspace_view_free(struct keyspace_view *view)
{
    mem_free(view->shown.databases);
    mem_free(view->waiting.databases);
}
