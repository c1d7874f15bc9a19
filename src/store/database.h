/* What a store and its databases are made of. Private to the floor. */
#ifndef DKV_STORE_DATABASE_H
#define DKV_STORE_DATABASE_H

#include "store/table.h"

/* All that a flush takes away. */
struct database_contents {
    struct table table;
    struct wheel *wheel; /* NULL until a key has a time to live */
    size_t payload;      /* of all entries */
};

struct database {
    struct database_contents contents;
    struct store *store;
};

struct store {
    uint64_t hash_seed;
    struct random random;
    int database_count;
    struct database databases[];
};

#endif
