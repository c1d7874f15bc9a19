/* A packed table is an array of buckets, each of which is a packed block (packed_block.h draws it): one
 * allocation, filled with the elements whose hashes lead there.
 *
 *     directory of segments -> segments of 1024 buckets -> blocks of about LOAD_MAX elements
 *
 * Linear hashing, as in store/table.h: the table grows by splitting one bucket at a time, in order, and
 * shrinks by merging one. So no change does more than a few blocks' work, no two tables stand side by side,
 * and what an element takes is about the same at every size.
 *
 * An element takes its bytes, a head of 1, a tag of 1 and an offset of 2, if it has a time 6 more, and its
 * share of a header and a pointer. A block has the least size that the allocator offers for what is in it:
 * those sizes are a fifth to a quarter apart, so that a block is nine tenths full in the mean, and is copied
 * once for each quarter that it grows. One allocation for each element, in comparison, takes a multiple of 16
 * bytes and a pointer of 8 to find it: 75 bytes in the keyspace's table where this takes 59.
 *
 * What LOAD_MAX does, measured with 1 million members of 16 bytes and values of 32:
 *
 *     load    bytes allocated    resident bytes
 *      8      59.6               66.5
 *     12      58.7               66.4
 *     16      58.2               72.0
 *     20      57.7               72.7
 *     24      57.3               73.9
 *
 * The time that a lookup, an addition or a deletion takes hardly depends on it. What the allocator gave out
 * falls as the header's share does. What is resident rises, as blocks of more sizes leave more of their slabs
 * empty when a split moves them on. 12 is the best of both, and also keeps small what changing one element
 * moves. From 1 to 2 million elements, 12 takes 58.4 to 58.8 bytes (resident: 66 to 69); 67.5 to 67.8 (76 to
 * 80) with a time on each; 23.7 to 23.8 (27 to 29) without values.
 *
 * Owed to: W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980, and P.-A.
 * Larson, "Dynamic hash tables", CACM 31(4), 1988, for the table; Google's Swiss tables for tags compared
 * sixteen at a time; Dragonfly's dash table for many entries in a bucket with their tags in front; Redis's
 * dict for what a frozen table may do all the same. */
#include "value/packed_table.h"

#include "base/diag.h"
#include "base/hash.h"
#include "base/memory.h"
#include "value/packed_private.h"

/* --- Buckets --- */

static uint8_t hash_tag(uint64_t hash)
{
    return (uint8_t)(hash >> 56);
}

static uint64_t hash_of(const struct packed_table *table, struct slice member)
{
    return hash_slice(member, table->seed);
}

static size_t class_of(size_t count)
{
    return count / CLASS_SIZE < CLASS_COUNT ? count / CLASS_SIZE : CLASS_COUNT - 1;
}

/* A bucket had so many elements, and has so many now. */
static void class_change(struct packed_table *table, size_t before, size_t after)
{
    if (class_of(before) != class_of(after)) {
        ASSERT(table->classes[class_of(before)] > 0);
        table->classes[class_of(before)]--;
        table->classes[class_of(after)]++;
    }
}

/* Adds an empty bucket at the end. */
static void bucket_add(struct packed_table *table)
{
    segmented_make(&table->buckets, table->count);
    *packed_bucket_at(table, table->count) = NULL;
    if (table->mask < table->count)
        table->mask = table->mask * 2 + 1;
    table->count++;
    table->classes[0]++;
}

/* Drops the last bucket, which is empty. */
static void bucket_drop(struct packed_table *table)
{
    table->count--;
    table->classes[0]--;
    if (table->count <= table->mask / 2 + 1)
        table->mask /= 2;
    segmented_trim(&table->buckets, table->count);
    if (table->due != NULL)
        packed_due_trim(table->due, table->count);
}

/* --- Growing and shrinking --- */

/* The load is elements for each bucket. */
#define LOAD_MAX 12
#define LOAD_MIN 8
/* A frozen table splits only at this many times the load: by then, most of what is in it is new anyway, and a
 * bucket stays a bounded size. So does Redis's dict. */
#define LOAD_FROZEN 4
/* What a change does of the work that is due: more than one, so that a backlog left by a freeze is caught up.
 */
#define SETTLE_STEPS 2

static size_t size_to_hold(const struct packed_table *table)
{
    return table->size > table->expected ? table->size : table->expected;
}

static bool wants_split(const struct packed_table *table)
{
    size_t load = *table->frozen ? LOAD_MAX * LOAD_FROZEN : LOAD_MAX;
    return size_to_hold(table) > table->count * load;
}

static bool wants_merge(const struct packed_table *table)
{
    /* The load that a merge leads to, so that it never calls for a split again. */
    return table->count > 1 && size_to_hold(table) < (table->count - 1) * LOAD_MIN && !*table->frozen;
}

/* Says when the first of a bucket is due after its elements were moved about. */
static void bucket_due_update(struct packed_table *table, size_t index)
{
    if (table->due != NULL)
        packed_due_set(table->due, index, packed_chain_earliest(*packed_bucket_at(table, index)));
}

/* Which elements of a block belong to a bucket that is being added, a bit for each slot. */
static bool block_high_slots(const struct packed_table *table, const struct packed_block *block, size_t index,
                             uint64_t *high)
{
    bool any = false;
    for (unsigned slot = 0; slot < block->count; slot++) {
        uint64_t hash = hash_of(table, packed_element_at(block, slot).member);
        if ((hash & table->mask) == index) {
            high[slot / 64] |= UINT64_C(1) << slot % 64;
            any = true;
        }
    }
    return any;
}

static void table_split(struct packed_table *table)
{
    size_t index = table->count;
    bucket_add(table);
    size_t low_index = index & (table->mask >> 1);
    struct packed_block **low = packed_bucket_at(table, low_index);
    struct packed_block **high = packed_bucket_at(table, index);
    struct packed_block *chain = *low;
    size_t before = packed_chain_count(chain);
    *low = NULL;
    for (struct packed_block *next; chain != NULL; chain = next) {
        uint64_t slots[PACKED_BLOCK_SLOTS / 64 + 1] = {0};
        bool any = block_high_slots(table, chain, index, slots);
        next = packed_block_next(chain);
        if (!any && next == NULL && *low == NULL && !chain->chained)
            *low = chain;
        else
            packed_block_distribute(&table->account, chain, slots, low, high);
    }
    class_change(table, before, packed_chain_count(*low));
    class_change(table, 0, packed_chain_count(*high));
    bucket_due_update(table, low_index);
    bucket_due_update(table, index);
}

static void table_merge(struct packed_table *table)
{
    static const uint64_t none[PACKED_BLOCK_SLOTS / 64 + 1];
    size_t index = table->count - 1;
    size_t low_index = index & (table->mask >> 1);
    struct packed_block **low = packed_bucket_at(table, low_index);
    struct packed_block *chain = *packed_bucket_at(table, index);
    size_t before = packed_chain_count(*low);
    class_change(table, packed_chain_count(chain), 0);
    for (struct packed_block *next; chain != NULL; chain = next) {
        next = packed_block_next(chain);
        packed_block_distribute(&table->account, chain, none, low, NULL);
    }
    class_change(table, before, packed_chain_count(*low));
    bucket_due_update(table, low_index);
    if (table->due != NULL)
        packed_due_set(table->due, index, PACKED_DUE_NEVER);
    bucket_drop(table);
}

static void table_balance(struct packed_table *table, int steps)
{
    for (; steps > 0 && wants_split(table); steps--)
        table_split(table);
    for (; steps > 0 && wants_merge(table); steps--)
        table_merge(table);
}

bool packed_table_settle(struct packed_table *table, int steps)
{
    table_balance(table, steps);
    return wants_split(table) || wants_merge(table);
}

void packed_table_expect(struct packed_table *table, size_t elements)
{
    table->expected = elements;
    while (wants_split(table))
        table_split(table);
}

/* --- A table --- */

struct packed_table *packed_table_new(uint64_t seed, const bool *frozen)
{
    struct packed_table *table = mem_alloc_zero(sizeof(*table));
    table->seed = seed;
    table->frozen = frozen;
    table->late_ms = PACKED_NO_TIME;
    table->buckets.item_size = sizeof(struct packed_block *);
    table->account.block_max = PACKED_BLOCK_MAX;
    bucket_add(table);
    return table;
}

void packed_table_block_max(struct packed_table *table, size_t bytes)
{
    table->account.block_max = bytes;
}

bool packed_table_free_step(struct packed_table *table, size_t *steps)
{
    while (table->count > 0 && *steps > 0) {
        size_t freed = packed_chain_free(&table->account, *packed_bucket_at(table, --table->count));
        segmented_trim(&table->buckets, table->count);
        /* An empty bucket is a step of work, too. */
        freed = freed == 0 ? 1 : freed;
        *steps -= freed < *steps ? freed : *steps;
    }
    if (table->count > 0)
        return false;
    ASSERT(table->account.memory == 0 && table->account.outside == 0);
    segmented_free(&table->buckets);
    packed_due_free(table->due);
    mem_free(table);
    return true;
}

void packed_table_free(struct packed_table *table)
{
    size_t steps = SIZE_MAX;
    if (table != NULL)
        packed_table_free_step(table, &steps);
}

size_t packed_table_free_cost(const struct packed_table *table)
{
    return table->count + table->account.outside;
}

struct packed_table *packed_table_duplicate(const struct packed_table *table)
{
    struct packed_table *copy = mem_try_alloc(sizeof(*copy));
    if (copy == NULL)
        return NULL;
    *copy = *table;
    copy->account.memory = copy->account.outside = 0;
    copy->due = NULL;
    /* The copy of the buckets is of their addresses. They are replaced one by one. */
    copy->count = 0;
    bool whole = segmented_duplicate(&table->buckets, &copy->buckets);
    while (whole && copy->count < table->count) {
        size_t index = copy->count++;
        whole = packed_chain_duplicate(&copy->account, *packed_bucket_at(table, index),
                                       table->account.outside > 0, packed_bucket_at(copy, index));
    }
    if (whole && table->due != NULL)
        whole = (copy->due = packed_due_duplicate(table->due)) != NULL;
    if (whole)
        return copy;
    while (copy->count > 0)
        packed_chain_free(&copy->account, *packed_bucket_at(copy, --copy->count));
    packed_table_free(copy);
    return NULL;
}

size_t packed_table_size(const struct packed_table *table)
{
    return table->size;
}

size_t packed_table_timed_size(const struct packed_table *table)
{
    return table->timed_size;
}

size_t packed_table_memory(const struct packed_table *table)
{
    return mem_size(table) + table->buckets.memory + table->account.memory +
           (table->due == NULL ? 0 : packed_due_memory(table->due));
}

size_t packed_table_payload(const struct packed_table *table)
{
    return table->payload;
}

/* --- One element --- */

/* Where an element is, and in which bucket. */
struct position {
    size_t bucket;
    struct packed_place place;
};

static bool table_find(const struct packed_table *table, struct slice member, uint64_t hash,
                       struct position *position)
{
    position->bucket = packed_address(table, hash);
    return packed_chain_find(packed_bucket_at(table, position->bucket), member, hash_tag(hash),
                             &position->place);
}

bool packed_table_find(const struct packed_table *table, struct slice member, struct packed_element *found)
{
    struct position position;
    if (!table_find(table, member, hash_of(table, member), &position))
        return false;
    if (found != NULL)
        *found = packed_element_at(*position.place.link, position.place.slot);
    return true;
}

void packed_table_ahead(const struct packed_table *table, struct slice member, struct packed_ahead *ahead)
{
    uint64_t hash = hash_of(table, member);
    ahead->bucket = packed_bucket_at(table, packed_address(table, hash));
    ahead->tag = hash_tag(hash);
    __builtin_prefetch(ahead->bucket);
}

void packed_ahead_block(const struct packed_ahead *ahead)
{
    __builtin_prefetch(*ahead->bucket);
}

void packed_ahead_record(const struct packed_ahead *ahead)
{
    if (*ahead->bucket != NULL)
        packed_block_prefetch_record(*ahead->bucket, ahead->tag);
}

static bool is_moment(int64_t time_ms)
{
    return time_ms >= 0;
}

/* Keeps account of an element's time, which has changed (PACKED_NO_TIME: it had, or has none). */
static void time_changed(struct packed_table *table, size_t bucket, int64_t before, int64_t after)
{
    if (before == after)
        return;
    if (before == table->late_ms || after > table->late_ms)
        table->late_ms = after;
    table->timed_size = table->timed_size - is_moment(before) + is_moment(after);
    if (table->timed_size == 0) {
        packed_due_free(table->due);
        table->due = NULL;
        return;
    }
    if (table->due == NULL)
        table->due = packed_due_new();
    int64_t earliest = packed_due_time(table->due, bucket);
    if (is_moment(after) && after < earliest)
        packed_due_set(table->due, bucket, after);
    else if (is_moment(before) && before == earliest)
        packed_due_set(table->due, bucket, packed_chain_earliest(*packed_bucket_at(table, bucket)));
}

static enum packed_status element_add(struct packed_table *table, struct slice member, struct slice value,
                                      int64_t time_ms, uint64_t hash, size_t bucket)
{
    struct packed_record record = {.time_ms = time_ms};
    void *pointers[2];
    if (!packed_field_make(&table->account, member, &record.member, &pointers[0]))
        return PACKED_NO_MEMORY;
    if (!packed_field_make(&table->account, value, &record.value, &pointers[1])) {
        packed_field_free(&table->account, &record.member);
        return PACKED_NO_MEMORY;
    }
    struct packed_block **chain = packed_bucket_at(table, bucket);
    size_t before = packed_chain_count(*chain);
    packed_chain_add(&table->account, chain, hash_tag(hash), &record);
    class_change(table, before, before + 1);
    table->size++;
    table->payload += member.size + value.size;
    time_changed(table, bucket, PACKED_NO_TIME, time_ms);
    table_balance(table, SETTLE_STEPS);
    return PACKED_ADDED;
}

static enum packed_status element_replace(struct packed_table *table, struct position position,
                                          struct slice value, int64_t time_ms)
{
    struct packed_record old = packed_record_at(*position.place.link, position.place.slot);
    struct packed_record record = old;
    struct slice old_value = packed_field_bytes(&old.value);
    void *pointer;
    bool same_size = value.size == old_value.size;
    record.time_ms = time_ms;
    if (old.value.outside && same_size)
        memcpy((char *)(uintptr_t)old_value.data, value.data, value.size);
    else if (!packed_field_make(&table->account, value, &record.value, &pointer))
        return PACKED_NO_MEMORY;
    else
        packed_field_free(&table->account, &old.value);
    table->payload = table->payload - old_value.size + value.size;
    packed_chain_replace(&table->account, packed_bucket_at(table, position.bucket), position.place, &record);
    time_changed(table, position.bucket, old.time_ms, time_ms);
    return PACKED_REPLACED;
}

enum packed_status packed_table_set(struct packed_table *table, struct slice member, struct slice value,
                                    int64_t time_ms)
{
    ASSERT(time_ms >= PACKED_KEEP_TIME && time_ms <= PACKED_TIME_MAX);
    uint64_t hash = hash_of(table, member);
    struct position position;
    if (!table_find(table, member, hash, &position))
        return element_add(table, member, value, time_ms == PACKED_KEEP_TIME ? PACKED_NO_TIME : time_ms, hash,
                           position.bucket);
    if (time_ms == PACKED_KEEP_TIME)
        time_ms = packed_record_at(*position.place.link, position.place.slot).time_ms;
    return element_replace(table, position, value, time_ms);
}

bool packed_table_set_time(struct packed_table *table, struct slice member, int64_t time_ms)
{
    ASSERT(time_ms >= PACKED_NO_TIME && time_ms <= PACKED_TIME_MAX);
    struct position position;
    if (!table_find(table, member, hash_of(table, member), &position))
        return false;
    struct packed_record record = packed_record_at(*position.place.link, position.place.slot);
    int64_t before = record.time_ms;
    if (before == time_ms)
        return true;
    record.time_ms = time_ms;
    packed_chain_replace(&table->account, packed_bucket_at(table, position.bucket), position.place, &record);
    time_changed(table, position.bucket, before, time_ms);
    return true;
}

bool packed_table_delete(struct packed_table *table, struct slice member)
{
    struct position position;
    if (!table_find(table, member, hash_of(table, member), &position))
        return false;
    ASSERT(table->size > 0);
    struct packed_block **chain = packed_bucket_at(table, position.bucket);
    struct packed_record old = packed_record_at(*position.place.link, position.place.slot);
    size_t before = packed_chain_count(*chain);
    table->payload -= packed_field_bytes(&old.member).size + packed_field_bytes(&old.value).size;
    packed_field_free(&table->account, &old.member);
    packed_field_free(&table->account, &old.value);
    packed_chain_remove(&table->account, position.place);
    class_change(table, before, before - 1);
    table->size--;
    time_changed(table, position.bucket, old.time_ms, PACKED_NO_TIME);
    table_balance(table, SETTLE_STEPS);
    return true;
}
