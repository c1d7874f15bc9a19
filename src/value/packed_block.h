/* The packed blocks of a packed table, and the chains of them that its buckets are. Private to this floor.
 *
 * A block is one allocation of a size that the allocator has:
 *
 *     struct packed_block   8 bytes
 *     next block            8 bytes, only if `chained`
 *     tags                  a byte for each slot: 8 bits of the hash that choose no bucket
 *     offsets               2 bytes for each slot: where its record begins, counted from the first record;
 *                           OFFSET_TIMED if that holds a time
 *     records               one after another, in the order of the slots; each ends where the next begins
 *     unused                until the size of the allocation
 *
 * There is room for a multiple of ROOM_STEP slots in tags and offsets, so that records need not move for each
 * one that comes. A lookup reads the header and the tags, and nearly always the offset, from the first cache
 * line, the record from another.
 *
 *     record:  head      7 bits: size of the member, FIELD_OUTSIDE if it lies outside; RECORD_VALUE_OUTSIDE
 *              time      6 bytes, milliseconds, only with OFFSET_TIMED
 *              member    its bytes, or a pointer
 *              value     its bytes, whose number is what is left of the record, or a pointer
 *
 * What is larger than PACKED_INLINE_MAX bytes lies outside, in an allocation of its own, so that changing a
 * block never moves more than a bounded number of bytes. For the same reason a block has a largest size. What
 * does not fit goes to another block of the same bucket: the bucket is then a chain, of which any block may
 * have room. That needs hundreds of elements in a bucket, so it takes hashes that collide, or the largest
 * elements in a table that was kept from growing. */
#ifndef DKV_VALUE_PACKED_BLOCK_H
#define DKV_VALUE_PACKED_BLOCK_H

#include "base/bytes.h"
#include "value/packed_table.h"

#define PACKED_INLINE_MAX  126 /* of a member, and of a value */
#define PACKED_BLOCK_MAX   ((size_t)16384)
#define PACKED_BLOCK_SLOTS 240

struct packed_block {
    uint8_t count;   /* slots in use */
    uint8_t timed;   /* those with a time */
    uint8_t room;    /* slots that tags and offsets have room for, in units of ROOM_STEP */
    uint8_t chained; /* 1: there is a field for the next block */
    uint16_t units;  /* size of the allocation, in units of 8 bytes */
    uint16_t end;    /* bytes of all records */
};

/* What blocks need to know of their table, and what they keep up to date there. */
struct packed_account {
    size_t block_max; /* PACKED_BLOCK_MAX, less in tests */
    size_t memory;    /* bytes of blocks and what lies outside */
    size_t outside;   /* allocations of what lies outside */
};

/* A member or a value as a record has it. */
struct packed_field {
    const char *bytes; /* outside: the pointer's bytes */
    size_t size;
    bool outside;
};

struct packed_record {
    struct packed_field member;
    struct packed_field value;
    int64_t time_ms;
};

/* Where a record is: in the block that *link points to. */
struct packed_place {
    struct packed_block **link;
    unsigned slot;
};

/* The bytes of a field, wherever they lie. */
struct slice packed_field_bytes(const struct packed_field *field);
/* A field of these bytes, which it borrows if they are few enough, and otherwise copies to outside; *pointer
 * holds the pointer then. false: there is not enough memory. */
bool packed_field_make(struct packed_account *account, struct slice bytes, struct packed_field *field,
                       void **pointer);
/* Frees what lies outside. */
void packed_field_free(struct packed_account *account, const struct packed_field *field);

struct packed_record packed_record_at(const struct packed_block *block, unsigned slot);
struct packed_element packed_element_at(const struct packed_block *block, unsigned slot);

static inline struct packed_block **packed_block_link(struct packed_block *block)
{
    return (struct packed_block **)(block + 1);
}

static inline struct packed_block *packed_block_next(const struct packed_block *block)
{
    return block->chained ? *(struct packed_block *const *)(block + 1) : NULL;
}

/* Chains: *chain is the first block, NULL when there is nothing. */

static inline size_t packed_chain_count(const struct packed_block *chain)
{
    size_t count = 0;
    for (; chain != NULL; chain = packed_block_next(chain))
        count += chain->count;
    return count;
}

bool packed_chain_find(struct packed_block **chain, struct slice member, uint8_t tag,
                       struct packed_place *place);
/* Asks for the record that packed_chain_find will look at, or where one would be added. Reads the block. */
void packed_block_prefetch_record(const struct packed_block *block, uint8_t tag);
/* Adds a record. */
void packed_chain_add(struct packed_account *account, struct packed_block **chain, uint8_t tag,
                      const struct packed_record *record);
/* Puts a record in the place of another with the same member, to which it may point. */
void packed_chain_replace(struct packed_account *account, struct packed_block **chain,
                          struct packed_place place, const struct packed_record *record);
/* Takes a record out. What it has outside stays. */
void packed_chain_remove(struct packed_account *account, struct packed_place place);
/* The earliest time in it, INT64_MAX if there is none. */
int64_t packed_chain_earliest(const struct packed_block *chain);
/* Moves all records of one block, which is freed, to the ends of two chains: those whose slot is in high, a
 * set of bits, to *high_chain. */
void packed_block_distribute(struct packed_account *account, struct packed_block *block, const uint64_t *high,
                             struct packed_block **low_chain, struct packed_block **high_chain);
/* Frees a block, not what its records have outside, and not what follows it. */
void packed_block_free(struct packed_account *account, struct packed_block *block);
/* Frees a chain with all it has. Returns the number of allocations. */
size_t packed_chain_free(struct packed_account *account, struct packed_block *chain);
/* A copy with all it has; any_outside: some records may have something outside. false: there is not enough
 * memory; *copy is a part then, to be freed. */
bool packed_chain_duplicate(struct packed_account *account, const struct packed_block *chain,
                            bool any_outside, struct packed_block **copy);

#endif
