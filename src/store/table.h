/* The hash table of a database: linear hashing over cache-line buckets.
 *
 * After W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980, and P.-A. Larson,
 * "Dynamic hash tables", CACM 31(4), 1988, for the form in memory: buckets in segments, found through a
 * directory. The table grows by splitting one bucket at a time, in order, so there is never a second table
 * and never a pause, and the memory for a key stays about the same at every size. It shrinks by merging one
 * bucket at a time, in the opposite order.
 *
 * The table owns its buckets, not the entries. */
#ifndef DKV_STORE_TABLE_H
#define DKV_STORE_TABLE_H

#include "base/random.h"
#include "store/entry.h"

struct table {
    uint8_t **segments;
    size_t segments_max;   /* places in the array */
    size_t first_capacity; /* buckets there is room for in the first segment; the others are always whole */
    size_t count;          /* buckets, without chained ones */
    size_t mask;           /* the least 2^n - 1 that is count - 1 or more */
    size_t size;           /* entries */
    size_t expected;       /* entries that there is to be room for, however few there are */
    size_t chained_bytes;
    uint64_t seed;
    bool frozen; /* no splitting and no merging */
};

/* An empty table, which has no memory of its own; seed: of the hash of keys. */
void table_init(struct table *table, uint64_t seed, bool frozen);
/* Frees all and every entry with it. */
void table_free(struct table *table);
/* The same in steps, as remains_free_step; until it is done only this may be called. */
bool table_free_step(struct table *table, size_t *steps);

void table_prefetch_bucket(const struct table *table, uint64_t hash);
/* Returns the entry that may be the one; NULL: there is none, or it is not told. */
const struct entry *table_prefetch_entry(const struct table *table, uint64_t hash);

/* A table of entries that another one owns: made, and freed without them. */
struct table *table_new(uint64_t seed, bool frozen);
void table_forget(struct table *table);

struct entry *table_find(const struct table *table, struct slice key, uint64_t hash);
/* By the hash of the key alone. */
struct entry *table_find_hash(const struct table *table, uint64_t hash);
/* The key must not be there. */
void table_insert(struct table *table, struct entry *entry, uint64_t hash);
/* The entry must be there. */
void table_remove(struct table *table, const struct entry *entry, uint64_t hash);
/* Puts another entry with the same key in the place of one that is there. */
void table_replace(struct table *table, const struct entry *old, struct entry *entry, uint64_t hash);

/* Splits or merges, as the load wants it and at most this many times. Returns whether more is wanted. An
 * empty table gives its last memory back here. */
bool table_settle(struct table *table, int steps);
/* Makes room for so many entries at once, and keeps it until less is expected (0: nothing is). */
void table_expect(struct table *table, size_t entries);

struct entry *table_random(const struct table *table, struct random *random);
uint64_t table_scan(const struct table *table, uint64_t cursor, database_visit *visit, void *context);
void table_each(const struct table *table, database_visit *visit, void *context);
/* Bytes of buckets, segments and directory. */
size_t table_memory(const struct table *table);

#endif
