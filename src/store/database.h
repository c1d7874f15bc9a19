/* What a store and its databases are made of. Private to the floor. */
#ifndef DKV_STORE_DATABASE_H
#define DKV_STORE_DATABASE_H

#include "store/table.h"
#include "store/use.h"

/* All that a flush takes away. */
struct database_contents {
    struct table table;
    struct wheel *wheel; /* NULL until a key has a time to live */
    size_t payload;      /* of all entries */
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
    bool indexes_volatile;
    int database_count;
    struct database databases[];
};

/* Makes the index of volatile keys, or drops it. */
void database_index_volatile(struct database *db, bool on);

#endif
