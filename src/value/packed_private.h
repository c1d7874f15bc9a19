/* What the files of the packed table share. */
#ifndef DKV_VALUE_PACKED_PRIVATE_H
#define DKV_VALUE_PACKED_PRIVATE_H

#include "value/packed_block.h"
#include "value/packed_due.h"
#include "value/segmented.h"

/* A bucket's elements are counted in classes of this many, and buckets by their class. */
#define CLASS_SIZE  16
#define CLASS_COUNT 16

struct packed_table {
    struct segmented buckets; /* of struct packed_block *, chains */
    size_t count;             /* buckets */
    size_t mask;              /* the least 2^n - 1 that is count - 1 or more */
    size_t size;
    size_t timed_size;
    int64_t late_ms; /* some element has this time; PACKED_NO_TIME: none is known */
    size_t expected;
    size_t payload;
    uint64_t seed;
    const bool *frozen;
    struct packed_account account;
    struct packed_due *due;        /* buckets by the earliest time in them; there while any element has one */
    uint32_t classes[CLASS_COUNT]; /* buckets of each class; the last one is open */
};

static inline struct packed_block **packed_bucket_at(const struct packed_table *table, size_t index)
{
    return segmented_at(&table->buckets, index, sizeof(struct packed_block *));
}

/* Buckets below count - 2^n, which were split in this round, and those they were split into are told by one
 * bit more of the hash than the others. */
static inline size_t packed_address(const struct packed_table *table, uint64_t hash)
{
    size_t large = hash & table->mask;
    size_t small = hash & (table->mask >> 1);
    return large < table->count ? large : small;
}

#endif
