#include "store/table.h"

#include "base/bits.h"
#include "base/diag.h"
#include "base/hash.h"
#include "base/memory.h"

/* --- Buckets --- */

/* A bucket is a cache line:
 *
 *     byte 0        meta: count of slots in use (4 bits), size class (2 bits), BUCKET_CHAINED
 *     bytes 1..9    a tag for each slot: 8 bits of the hash that choose no bucket
 *     bytes 10..63  9 slots of 6 bytes, the first one last: the low 48 bits of a pointer
 *
 * User space on x86-64 and aarch64 ends at 2^47 or 2^48 unless a program asks for more, so 48 bits hold any
 * pointer. That makes room for nine slots instead of seven: 12 bytes a key with seven come at up to 1.30
 * cache lines for a hit, 9.3 with nine at up to 1.21 (LOAD_MAX).
 *
 * When more is to go into a full bucket, its last slot becomes a pointer to a chained bucket of the same
 * shape, which is only as long as it must be: size class n is 16 * (n + 1) bytes and has room for 2, 4, 6
 * or 9. So a chain is a list of buckets that are all full but the last one, and a chained bucket holds two
 * entries at least (a single one would have the slot that points to it). */
#define BUCKET_SIZE    64
#define SLOTS          9
#define LAST_SLOT      (SLOTS - 1)
#define SLOT_SIZE      6
#define META_COUNT     0x0f
#define META_CLASS     0x30
#define META_CLASS_ONE 0x10
#define BUCKET_CHAINED 0x80
#define META_EMPTY     META_CLASS /* a whole cache line with nothing in it */

static const uint8_t class_slots[] = {2, 4, 6, SLOTS};

static_assert(1 + SLOTS + SLOTS * SLOT_SIZE == BUCKET_SIZE, "a bucket fills a cache line");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tags and slots are read as words");

static unsigned bucket_count(const uint8_t *bucket)
{
    return bucket[0] & META_COUNT;
}

static bool bucket_is_chained(const uint8_t *bucket)
{
    return bucket[0] & BUCKET_CHAINED;
}

static size_t bucket_size(const uint8_t *bucket)
{
    return (bucket[0] & META_CLASS) + 16U;
}

static unsigned bucket_slots(const uint8_t *bucket)
{
    return class_slots[(bucket[0] & META_CLASS) / META_CLASS_ONE];
}

static uint64_t slot_get(const uint8_t *bucket, unsigned slot)
{
    /* One load that begins two bytes early, instead of two that end in time. */
    uint64_t word;
    memcpy(&word, bucket + bucket_size(bucket) - (slot + 1) * SLOT_SIZE - 2, sizeof(word));
    return word >> 16;
}

static void slot_set(uint8_t *bucket, unsigned slot, uint64_t pointer)
{
    memcpy(bucket + bucket_size(bucket) - (slot + 1) * SLOT_SIZE, &pointer, SLOT_SIZE);
}

static struct entry *slot_entry(const uint8_t *bucket, unsigned slot)
{
    return (struct entry *)(uintptr_t)slot_get(bucket, slot);
}

static uint64_t pointer_pack(const void *pointer)
{
    uint64_t bits = (uintptr_t)pointer;
    ASSERT(bits >> 48 == 0);
    return bits;
}

static uint8_t *bucket_child(const uint8_t *bucket)
{
    return bucket_is_chained(bucket) ? (uint8_t *)(uintptr_t)slot_get(bucket, LAST_SLOT) : NULL;
}

static uint8_t hash_tag(uint64_t hash)
{
    return (uint8_t)(hash >> 56);
}

/* The slots whose tag is this one, a bit each. */
static unsigned bucket_match(const uint8_t *bucket, uint8_t tag)
{
    const uint64_t low_bits = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t word;
    memcpy(&word, bucket, sizeof(word));
    word ^= tag * UINT64_C(0x0101010101010101);
    /* The top bit of each byte that is zero, and only those; then these eight bits side by side. */
    uint64_t zeros = ~(((word & low_bits) + low_bits) | word | low_bits);
    unsigned first = (unsigned)(((zeros >> 7) * UINT64_C(0x0102040810204080)) >> 56) >> 1;
    unsigned last = (unsigned)(bucket[8] == tag) << 7 | (unsigned)(bucket[9] == tag) << 8;
    return (first | last) & ((1U << bucket_count(bucket)) - 1);
}

static void bucket_prefetch_entries(const uint8_t *bucket)
{
    for (unsigned slot = 0; slot < bucket_count(bucket); slot++)
        __builtin_prefetch(slot_entry(bucket, slot));
}

/* --- Chains --- */

/* The last bucket of a chain and the one that points to it (NULL for the first). */
struct tail {
    uint8_t *parent;
    uint8_t *bucket;
};

static struct tail chain_tail(uint8_t *bucket)
{
    struct tail tail = {NULL, bucket};
    while (bucket_is_chained(tail.bucket))
        tail = (struct tail){tail.bucket, bucket_child(tail.bucket)};
    return tail;
}

static uint8_t *chained_new(struct table *table, unsigned size_class)
{
    size_t size = (size_class + 1) * 16;
    uint8_t *bucket = mem_alloc(size);
    bucket[0] = (uint8_t)(size_class * META_CLASS_ONE);
    table->chained_bytes += size;
    return bucket;
}

static void chained_free(struct table *table, uint8_t *bucket)
{
    table->chained_bytes -= bucket_size(bucket);
    mem_free(bucket);
}

static void bucket_push(uint8_t *bucket, uint64_t pointer, uint8_t tag)
{
    unsigned slot = bucket_count(bucket);
    bucket[1 + slot] = tag;
    slot_set(bucket, slot, pointer);
    bucket[0]++;
}

/* Makes room in the last bucket of a chain, which is full: a larger one in its place, or one more. */
static void tail_extend(struct table *table, struct tail *tail)
{
    uint8_t *full = tail->bucket;
    if (bucket_size(full) < BUCKET_SIZE) {
        uint8_t *larger = chained_new(table, (full[0] & META_CLASS) / META_CLASS_ONE + 1U);
        for (unsigned slot = 0; slot < bucket_count(full); slot++)
            bucket_push(larger, slot_get(full, slot), full[1 + slot]);
        slot_set(tail->parent, LAST_SLOT, pointer_pack(larger));
        chained_free(table, full);
        tail->bucket = larger;
        return;
    }
    uint8_t *child = chained_new(table, 0);
    bucket_push(child, slot_get(full, LAST_SLOT), full[1 + LAST_SLOT]);
    slot_set(full, LAST_SLOT, pointer_pack(child));
    full[0] = BUCKET_CHAINED | META_CLASS | LAST_SLOT;
    *tail = (struct tail){full, child};
}

static void tail_push(struct table *table, struct tail *tail, uint64_t pointer, uint8_t tag)
{
    if (bucket_count(tail->bucket) == bucket_slots(tail->bucket))
        tail_extend(table, tail);
    bucket_push(tail->bucket, pointer, tag);
}

/* Takes a slot out of a chain; the chain's last entry fills the hole. */
static void chain_take(struct table *table, uint8_t *first, uint8_t *bucket, unsigned slot)
{
    struct tail tail = chain_tail(first);
    unsigned last = bucket_count(tail.bucket) - 1;
    bucket[1 + slot] = tail.bucket[1 + last];
    slot_set(bucket, slot, slot_get(tail.bucket, last));
    tail.bucket[0]--;
    if (tail.parent == NULL || bucket_count(tail.bucket) > 1)
        return;
    tail.parent[0] = META_EMPTY | LAST_SLOT;
    bucket_push(tail.parent, slot_get(tail.bucket, 0), tail.bucket[1]);
    chained_free(table, tail.bucket);
}

/* --- Segments and addresses --- */

/* The first segment grows by doubling until it is whole, so that a small database is small. The others
 * come one at a time. A segment is large enough for the directory to stay in the cache (8 bytes for about
 * 8,400 keys) and for the page that the allocator adds to an allocation of its size not to matter. */
#define SEGMENT_BUCKETS ((size_t)1024)

static uint8_t *bucket_at(const struct table *table, size_t index)
{
    return table->segments[index / SEGMENT_BUCKETS] + index % SEGMENT_BUCKETS * BUCKET_SIZE;
}

/* Buckets below count - 2^n, which were split in this round, and those they were split into are told by one
 * bit more of the hash than the others. */
static size_t address(const struct table *table, uint64_t hash)
{
    size_t large = hash & table->mask;
    size_t small = hash & (table->mask >> 1);
    return large < table->count ? large : small;
}

static void directory_resize(struct table *table, size_t places)
{
    table->segments = mem_realloc(table->segments, places * sizeof(*table->segments));
    table->segments_max = places;
}

/* Adds an empty bucket at the end and returns it. */
static uint8_t *bucket_add(struct table *table)
{
    size_t index = table->count;
    size_t segment = index / SEGMENT_BUCKETS;
    if (segment >= table->segments_max)
        directory_resize(table, segment == 0 ? 1 : segment * 2);
    if (index == 0)
        table->segments[0] = mem_alloc((table->first_capacity = 1) * BUCKET_SIZE);
    else if (index == table->first_capacity && segment == 0)
        table->segments[0] = mem_realloc(table->segments[0], (table->first_capacity *= 2) * BUCKET_SIZE);
    else if (segment > 0 && index % SEGMENT_BUCKETS == 0)
        table->segments[segment] = mem_alloc(SEGMENT_BUCKETS * BUCKET_SIZE);
    table->count++;
    if (table->mask < index)
        table->mask = table->mask * 2 + 1;
    uint8_t *bucket = bucket_at(table, index);
    bucket[0] = META_EMPTY;
    return bucket;
}

/* Drops the last bucket, which is empty by now. */
static void bucket_drop(struct table *table)
{
    size_t index = --table->count;
    size_t segment = index / SEGMENT_BUCKETS;
    if (index <= table->mask / 2 + 1)
        table->mask /= 2;
    if (segment > 0 && index % SEGMENT_BUCKETS == 0)
        mem_free(table->segments[segment]);
    if (segment > 0 && segment * 4 <= table->segments_max)
        directory_resize(table, table->segments_max / 2);
    if (segment == 0 && index > 0 && index * 4 <= table->first_capacity)
        table->segments[0] = mem_realloc(table->segments[0], (table->first_capacity /= 2) * BUCKET_SIZE);
}

void table_init(struct table *table, uint64_t seed, bool frozen)
{
    *table = (struct table){.seed = seed, .frozen = frozen};
}

struct table *table_new(uint64_t seed, bool frozen)
{
    struct table *table = mem_alloc(sizeof(*table));
    table_init(table, seed, frozen);
    return table;
}

static void table_release(struct table *table)
{
    for (size_t index = 0; index < table->count; index += SEGMENT_BUCKETS)
        mem_free(table->segments[index / SEGMENT_BUCKETS]);
    mem_free(table->segments);
    table->segments = NULL;
    table->segments_max = table->first_capacity = table->count = table->mask = 0;
}

size_t table_memory(const struct table *table)
{
    if (table->count == 0)
        return 0;
    size_t segments = (table->count - 1) / SEGMENT_BUCKETS;
    return mem_size(table->segments) + mem_size(table->segments[0]) +
           segments * mem_good_size(SEGMENT_BUCKETS * BUCKET_SIZE) + table->chained_bytes;
}

/* --- Growing and shrinking --- */

/* The load is entries for each bucket that is not a chained one. It steers rather than the memory for a
 * key, which it keeps steady enough. Measured from 1 to 2 million keys, as a mean (least to greatest):
 *
 *     load   bytes for a key     cache lines for a hit, for a miss
 *     5.5    12.2 (12.0-12.3)    1.06 (-1.07)   1.12 (-1.17)
 *     6.0    11.3 (11.1-11.5)    1.07 (-1.10)   1.16 (-1.22)
 *     6.5    10.7 (10.4-10.9)    1.09 (-1.12)   1.21 (-1.27)
 *     7.0    10.2 ( 9.9-10.4)    1.12 (-1.14)   1.26 (-1.33)
 *     8.0     9.5 ( 9.2- 9.7)    1.17 (-1.20)   1.39 (-1.45)
 *     8.25    9.3 ( 9.1- 9.5)    1.19 (-1.21)   1.43 (-1.48)
 *
 * 8.25 it is, because a small hash of ten fields then takes less than 330 bytes with its share of the table.
 * A random hit among 300,000 keys with a cache of 2 MiB, all lines counted, takes 2.67 misses and 1,540
 * instructions as against 2.65 and 1,537 at 6.5. */
#define LOAD_UNIT 16
#define LOAD_MAX  132 /* 8.25 entries for a bucket, in sixteenths */
#define LOAD_MIN  92  /* 5.75 */

/* What an insertion or a removal does of the work that is due: more than one, so that a backlog left by a
 * freeze is caught up. */
#define SETTLE_STEPS 2

static size_t size_to_hold(const struct table *table)
{
    return table->size > table->expected ? table->size : table->expected;
}

static bool wants_split(const struct table *table)
{
    return !table->frozen && size_to_hold(table) * LOAD_UNIT > table->count * LOAD_MAX;
}

static bool wants_merge(const struct table *table)
{
    /* The load that a merge leads to, so that it never calls for a split again. */
    return !table->frozen && table->count > 1 &&
           size_to_hold(table) * LOAD_UNIT < (table->count - 1) * LOAD_MIN;
}

static size_t next_to_split(const struct table *table)
{
    return table->count > table->mask ? 0 : table->count & (table->mask >> 1);
}

static void table_split(struct table *table)
{
    size_t index = table->count;
    struct tail high = {NULL, bucket_add(table)};
    struct tail low = {NULL, bucket_at(table, index & (table->mask >> 1))};

    uint8_t first[BUCKET_SIZE];
    memcpy(first, low.bucket, BUCKET_SIZE);
    low.bucket[0] = META_EMPTY;
    for (uint8_t *bucket = first, *next; bucket != NULL; bucket = next) {
        next = bucket_child(bucket);
        unsigned count = bucket_count(bucket);
        bucket_prefetch_entries(bucket);
        for (unsigned slot = 0; slot < count; slot++) {
            uint64_t hash = hash_slice(entry_key(slot_entry(bucket, slot)), table->seed);
            tail_push(table, (hash & table->mask) == index ? &high : &low, slot_get(bucket, slot),
                      bucket[1 + slot]);
        }
        if (bucket != first)
            chained_free(table, bucket);
    }
}

/* A split reads the keys of all that is in the bucket. They are asked for an insertion ahead, and the bucket
 * itself two ahead, so that the split need hardly wait for them. What is left of the waiting, some 15 ns of
 * an insertion's 160 in a table of a million keys, is all that bits of the hash next to the pointers could
 * save. */
static void split_prefetch(const struct table *table)
{
    size_t entries_max = table->count * LOAD_MAX / LOAD_UNIT;
    if (table->frozen || table->size + 1 < entries_max)
        return;
    if (table->size < entries_max)
        __builtin_prefetch(bucket_at(table, next_to_split(table)));
    else
        bucket_prefetch_entries(bucket_at(table, next_to_split(table)));
}

static void table_merge(struct table *table)
{
    size_t index = table->count - 1;
    struct tail low = chain_tail(bucket_at(table, index & (table->mask >> 1)));
    uint8_t *last = bucket_at(table, index);
    for (uint8_t *bucket = last, *next; bucket != NULL; bucket = next) {
        next = bucket_child(bucket);
        for (unsigned slot = 0; slot < bucket_count(bucket); slot++)
            tail_push(table, &low, slot_get(bucket, slot), bucket[1 + slot]);
        if (bucket != last)
            chained_free(table, bucket);
    }
    bucket_drop(table);
}

static void table_balance(struct table *table, int steps)
{
    for (; steps > 0 && wants_split(table); steps--)
        table_split(table);
    for (; steps > 0 && wants_merge(table); steps--)
        table_merge(table);
}

bool table_settle(struct table *table, int steps)
{
    table_balance(table, steps);
    if (table->size == 0 && table->count == 1 && !table->frozen)
        table_release(table);
    return wants_split(table) || wants_merge(table);
}

/* How many buckets ahead of the one that is split the keys are asked for: a base of 2 million keys, where
 * that is done for a quarter of them, loads in 0.35 s instead of 0.38. */
#define SPLITS_AHEAD 4

void table_expect(struct table *table, size_t entries)
{
    table->expected = entries;
    if (table->count == 0 && entries > 0)
        bucket_add(table);
    while (wants_split(table)) {
        size_t ahead = next_to_split(table) + SPLITS_AHEAD;
        if (ahead < table->count)
            bucket_prefetch_entries(bucket_at(table, ahead));
        table_split(table);
    }
}

/* --- One key --- */

void table_prefetch_bucket(const struct table *table, uint64_t hash)
{
    if (table->count > 0)
        __builtin_prefetch(bucket_at(table, address(table, hash)));
}

const struct entry *table_prefetch_entry(const struct table *table, uint64_t hash)
{
    if (table->count == 0)
        return NULL;
    const char *entry = NULL;
    const uint8_t *bucket = bucket_at(table, address(table, hash));
    unsigned matches = bucket_match(bucket, hash_tag(hash));
    if (matches == 0 && bucket_is_chained(bucket))
        __builtin_prefetch(bucket_child(bucket));
    /* Two lines hold all of most small entries; where the value is read, too, the second saves 10 ns. */
    for (; matches != 0; matches &= matches - 1) {
        entry = (const char *)slot_entry(bucket, (unsigned)__builtin_ctz(matches));
        __builtin_prefetch(entry);
        __builtin_prefetch(entry + BUCKET_SIZE);
    }
    return (const struct entry *)(const void *)entry;
}

struct entry *table_find(const struct table *table, struct slice key, uint64_t hash)
{
    if (table->count == 0)
        return NULL;
    const uint8_t *bucket = bucket_at(table, address(table, hash));
    do {
        for (unsigned matches = bucket_match(bucket, hash_tag(hash)); matches != 0; matches &= matches - 1) {
            struct entry *entry = slot_entry(bucket, (unsigned)__builtin_ctz(matches));
            if (entry_has_key(entry, key))
                return entry;
        }
        bucket = bucket_child(bucket);
    } while (bucket != NULL);
    return NULL;
}

struct entry *table_find_hash(const struct table *table, uint64_t hash)
{
    if (table->count == 0)
        return NULL;
    const uint8_t *bucket = bucket_at(table, address(table, hash));
    for (; bucket != NULL; bucket = bucket_child(bucket)) {
        for (unsigned matches = bucket_match(bucket, hash_tag(hash)); matches != 0; matches &= matches - 1) {
            struct entry *entry = slot_entry(bucket, (unsigned)__builtin_ctz(matches));
            if (hash_slice(entry_key(entry), table->seed) == hash)
                return entry;
        }
    }
    return NULL;
}

/* Where an entry that is in the table is kept: the bucket and, in *slot, the slot. */
static uint8_t *entry_place(uint8_t *bucket, const struct entry *entry, uint64_t hash, unsigned *slot)
{
    for (; bucket != NULL; bucket = bucket_child(bucket)) {
        for (unsigned matches = bucket_match(bucket, hash_tag(hash)); matches != 0; matches &= matches - 1) {
            *slot = (unsigned)__builtin_ctz(matches);
            if (slot_entry(bucket, *slot) == entry)
                return bucket;
        }
    }
    panic("an entry is not in the table it should be in");
}

void table_insert(struct table *table, struct entry *entry, uint64_t hash)
{
    if (table->count == 0)
        bucket_add(table);
    struct tail tail = chain_tail(bucket_at(table, address(table, hash)));
    tail_push(table, &tail, pointer_pack(entry), hash_tag(hash));
    table->size++;
    table_balance(table, SETTLE_STEPS);
    split_prefetch(table);
}

void table_remove(struct table *table, const struct entry *entry, uint64_t hash)
{
    ASSERT(table->size > 0);
    unsigned slot;
    uint8_t *first = bucket_at(table, address(table, hash));
    uint8_t *bucket = entry_place(first, entry, hash, &slot);
    chain_take(table, first, bucket, slot);
    table->size--;
    table_balance(table, SETTLE_STEPS);
}

void table_replace(struct table *table, const struct entry *old, struct entry *entry, uint64_t hash)
{
    ASSERT(table->size > 0);
    unsigned slot;
    uint8_t *bucket = entry_place(bucket_at(table, address(table, hash)), old, hash, &slot);
    slot_set(bucket, slot, pointer_pack(entry));
}

/* --- All keys --- */

static size_t chain_size(const uint8_t *bucket)
{
    size_t size = 0;
    for (; bucket != NULL; bucket = bucket_child(bucket))
        size += bucket_count(bucket);
    return size;
}

static struct entry *chain_entry(const uint8_t *bucket, size_t position)
{
    while (position >= bucket_count(bucket)) {
        position -= bucket_count(bucket);
        bucket = bucket_child(bucket);
    }
    return slot_entry(bucket, (unsigned)position);
}

/* A bucket is chosen evenly and accepted with a chance that grows with its chain, so that every entry is
 * equally likely, as long as no chain is longer than `longest`: three times the mean leaves next to none out,
 * and accepts one in four. */
#define RANDOM_TRIES 64

struct entry *table_random(const struct table *table, struct random *random)
{
    if (table->size == 0)
        return NULL;
    size_t longest = table->size * 3 / table->count + 8;
    for (int i = 0; i < RANDOM_TRIES; i++) {
        const uint8_t *bucket = bucket_at(table, random_below(random, table->count));
        size_t size = chain_size(bucket);
        size_t position = random_below(random, longest > size ? longest : size);
        if (position < size)
            return chain_entry(bucket, position);
    }
    /* Only where most buckets are empty, because a freeze keeps the table from shrinking. */
    size_t index = random_below(random, table->count);
    while (bucket_count(bucket_at(table, index)) == 0)
        index = index + 1 < table->count ? index + 1 : 0;
    const uint8_t *bucket = bucket_at(table, index);
    return chain_entry(bucket, random_below(random, chain_size(bucket)));
}

static void chain_visit(const uint8_t *bucket, database_visit *visit, void *context)
{
    for (; bucket != NULL; bucket = bucket_child(bucket)) {
        bucket_prefetch_entries(bucket);
        for (unsigned slot = 0; slot < bucket_count(bucket); slot++)
            visit(context, slot_entry(bucket, slot));
    }
}

/* Why a scan misses nothing. Order all hashes by their bits reversed, lowest bit first. Buckets are chosen by
 * low bits, so in that order the hashes of a bucket are one interval, and at every moment, wherever the
 * splitting stands, the buckets' intervals cut the whole order into pieces without gaps or overlaps; buckets
 * that were split are just half as long. A cursor is a point in the order, with its bits reversed so that
 * small tables have small cursors. Its promise: every entry that has been there since the scan began and
 * whose hash lies before the point was visited.
 *
 * A step finds the bucket whose interval holds the point, visits all of it, and goes on at the interval's
 * end. What lay between the point and that end was in that bucket and is visited now; so the promise holds
 * for the new point. Nothing in this speaks of how the table looked at earlier steps: hashes do not change,
 * and splitting or merging moves no hash across a point. The end of the last interval is 0 again: all was
 * visited. */
uint64_t table_scan(const struct table *table, uint64_t cursor, database_visit *visit, void *context)
{
    if (table->count == 0)
        return 0;
    size_t index = address(table, cursor);
    chain_visit(bucket_at(table, index), visit, context);
    bool was_split = (index | (table->mask / 2 + 1)) < table->count;
    uint64_t mask = was_split ? table->mask : table->mask >> 1;
    return bits_reversed(bits_reversed(cursor | ~mask) + 1);
}

void table_each(const struct table *table, database_visit *visit, void *context)
{
    for (size_t index = 0; index < table->count; index++) {
        if (index + 1 < table->count)
            bucket_prefetch_entries(bucket_at(table, index + 1));
        chain_visit(bucket_at(table, index), visit, context);
    }
}

static void visit_free(void *context, struct entry *entry)
{
    (void)context;
    entry_free(entry);
}

static void chains_free(struct table *table)
{
    for (size_t index = 0; index < table->count; index++) {
        for (uint8_t *bucket = bucket_child(bucket_at(table, index)), *next; bucket != NULL; bucket = next) {
            next = bucket_child(bucket);
            chained_free(table, bucket);
        }
    }
}

void table_free(struct table *table)
{
    table_each(table, visit_free, NULL);
    chains_free(table);
    table_release(table);
}

/* From the last bucket to the first, from the last entry of a chain to its first: what is left stays a table,
 * whose next entry to go may be gone in part. */
bool table_free_step(struct table *table, size_t *steps)
{
    while (table->count > 0) {
        if (*steps == 0)
            return false;
        size_t index = table->count - 1;
        uint8_t *first = bucket_at(table, index);
        if (index > 0)
            bucket_prefetch_entries(bucket_at(table, index - 1));
        while (bucket_count(first) > 0) {
            uint8_t *bucket = chain_tail(first).bucket;
            unsigned last = bucket_count(bucket) - 1;
            if (*steps == 0 || !entry_free_step(slot_entry(bucket, last), steps))
                return false;
            chain_take(table, first, bucket, last);
        }
        if (index % SEGMENT_BUCKETS == 0)
            mem_free(table->segments[index / SEGMENT_BUCKETS]);
        table->count--;
        /* There may be many empty ones. */
        *steps -= *steps > 0;
    }
    table_release(table);
    return true;
}

void table_forget(struct table *table)
{
    chains_free(table);
    table_release(table);
    mem_free(table);
}
