#include "tools/plain.h"

#include "command/whole.h"
#include "rdb/rdb_value.h"
#include "store/value_hash.h"

bool plain_is_wanted(const struct request *request)
{
    return request->argc >= 3 && slice_is(request->argv[0], WHOLE_LOAD);
}

/* A piece of a large collection comes out as what adds it to the pieces before. */
bool plain_make(struct plain *plain, const struct request *request)
{
    struct rdb_value value;
    struct slice key = request->argv[1];
    struct slice rest = request->argv[2];
    int64_t expire_ms = EXPIRE_NEVER;
    if (!plain->store)
        plain->store = store_new(&(struct store_options){.databases = 1});
    struct database *db = store_database(plain->store, 0);
    uint64_t hash = store_hash(plain->store, key);
    buffer_clear(&plain->text);
    if (request->argc == 5 && slice_is(request->argv[3], "pxat") &&
        !int64_parse(request->argv[4], &expire_ms))
        return false;
    struct entry *entry = NULL;
    if (rdb_read_value(&rest, RDB_OWN, UINT64_MAX, database_hash_settings(db), &value) == RDB_OK)
        entry = rdb_put_value(db, key, hash, &value, expire_ms);
    rdb_value_drop(&value);
    if (!entry)
        return false;
    struct whole_writer writer = {.buffer = &plain->text, .form = WHOLE_PLAIN};
    whole_write(&writer, entry);
    database_delete(db, key, hash);
    return true;
}

void plain_free(struct plain *plain)
{
    store_free(plain->store);
    buffer_free(&plain->text);
}
