/* What concerns the whole contents of a database: settling, taking away, freeing. */
#include "base/memory.h"
#include "store/database.h"

static void index_visit(void *context, struct entry *entry)
{
    struct database *db = context;
    if (entry_expires(entry))
        table_insert(db->contents.volatile_index, entry, store_hash(db->store, entry_key(entry)));
}

void database_index_volatile(struct database *db, bool on)
{
    struct database_contents *contents = &db->contents;
    if ((contents->volatile_index != NULL) == on)
        return;
    if (on) {
        contents->volatile_index = table_new(db->store->hash_seed, contents->table.frozen);
        database_each(db, index_visit, db);
    } else {
        table_forget(contents->volatile_index);
        contents->volatile_index = NULL;
    }
}

static void drop_if_empty(struct wheel **wheel)
{
    if (*wheel != NULL && wheel_count(*wheel) == 0) {
        wheel_free(*wheel);
        *wheel = NULL;
    }
}

bool database_step(struct database *db, int steps)
{
    database_assert_none_empty(db);
    drop_if_empty(&db->contents.wheel);
    drop_if_empty(&db->contents.parts);
    bool index_left = db->contents.volatile_index != NULL && table_settle(db->contents.volatile_index, steps);
    return table_settle(&db->contents.table, steps) || index_left;
}

void database_expect(struct database *db, size_t keys)
{
    table_expect(&db->contents.table, keys);
}

struct database_contents *database_take(struct database *db)
{
    database_assert_none_empty(db);
    struct database_contents *taken = mem_alloc(sizeof(*taken));
    *taken = db->contents;
    db->contents = (struct database_contents){.wheel = NULL};
    table_init(&db->contents.table, db->store->hash_seed, taken->table.frozen);
    database_index_volatile(db, db->store->indexes_volatile);
    return taken;
}

static void contents_free_rest(struct database_contents *contents)
{
    wheel_free(contents->wheel);
    wheel_free(contents->parts);
    mem_free(contents);
}

/* The index goes first: its table must not outlive the entries that are in it. */
static void contents_forget_index(struct database_contents *contents)
{
    if (contents->volatile_index != NULL)
        table_forget(contents->volatile_index);
    contents->volatile_index = NULL;
}

void contents_free(struct database_contents *contents)
{
    if (contents == NULL)
        return;
    contents_forget_index(contents);
    table_free(&contents->table);
    contents_free_rest(contents);
}

bool contents_free_step(struct database_contents *contents, size_t *steps)
{
    contents_forget_index(contents);
    if (!table_free_step(&contents->table, steps))
        return false;
    contents_free_rest(contents);
    return true;
}

size_t contents_size(const struct database_contents *contents)
{
    return contents->table.size;
}
