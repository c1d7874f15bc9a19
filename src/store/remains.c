#include "store/remains.h"

#include "base/memory.h"
#include "store/database.h"
#include "store/value_string.h"

void store_set_free_later(struct store *store, store_free_later *function, void *context)
{
    store->free_later = function;
    store->free_later_context = context;
}

static void hand_over(struct store *store, const struct remains *remains)
{
    struct remains *own = mem_alloc(sizeof(*own));
    *own = *remains;
    store->free_later(store->free_later_context, own);
}

void store_dispose_outside(struct store *store, struct entry *entry)
{
    ASSERT(entry_has_outside_parts(entry));
    size_t cost = store->free_later == NULL ? 0 : entry_free_cost(entry);
    if (cost < REMAINS_COST)
        entry_free(entry);
    else
        hand_over(store, &(struct remains){
                             .objects = 1, .bytes = entry_memory(entry), .cost = cost, .entry = entry});
}

void store_dispose_blob(struct store *store, struct blob *blob)
{
    size_t cost = store->free_later == NULL || blob == NULL ? 0 : string_blob_free_cost(blob);
    if (cost < REMAINS_COST)
        blob_drop(blob);
    else
        hand_over(store,
                  &(struct remains){.objects = 1, .bytes = blob_memory(blob), .cost = cost, .blob = blob});
}

void database_clear(struct database *db, bool at_once)
{
    struct store *store = db->store;
    struct database_contents *contents = database_take(db);
    if (at_once || store->free_later == NULL) {
        contents_free(contents);
        return;
    }
    size_t objects = contents_size(contents);
    hand_over(store, &(struct remains){.objects = objects,
                                       .bytes = contents->payload + table_memory(&contents->table),
                                       .cost = objects,
                                       .contents = contents});
}

bool remains_free_step(struct remains *remains, size_t *steps)
{
    bool gone = true;
    if (remains->contents != NULL)
        gone = contents_free_step(remains->contents, steps);
    else if (remains->entry != NULL)
        gone = entry_free_step(remains->entry, steps);
    else
        blob_drop(remains->blob);
    if (gone)
        mem_free(remains);
    return gone;
}

void remains_free(struct remains *remains)
{
    size_t steps;
    do {
        steps = SIZE_MAX;
    } while (!remains_free_step(remains, &steps));
}
