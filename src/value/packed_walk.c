/* The packed table's elements without their members given: what is due, all, and some by chance. */
#include "base/bits.h"
#include "base/diag.h"
#include "base/memory.h"
#include "value/packed_private.h"

/* --- What is due --- */

int64_t packed_table_earliest(const struct packed_table *table)
{
    return table->due == NULL ? PACKED_DUE_NEVER : packed_due_first(table->due).time_ms;
}

int64_t packed_table_late(const struct packed_table *table)
{
    return table->late_ms;
}

void packed_table_note_late(struct packed_table *table, int64_t time_ms)
{
    ASSERT(table->timed_size > 0 && time_ms >= 0);
    table->late_ms = time_ms;
}

static bool is_due(int64_t time_ms, int64_t now_ms)
{
    return time_ms != PACKED_NO_TIME && time_ms <= now_ms;
}

bool packed_table_next_due(const struct packed_table *table, int64_t now_ms, struct packed_element *due)
{
    if (table->due == NULL || packed_due_first(table->due).time_ms > now_ms)
        return false;
    size_t bucket = packed_due_first(table->due).bucket;
    const struct packed_block *block = *packed_bucket_at(table, bucket);
    for (; block != NULL; block = packed_block_next(block)) {
        for (unsigned slot = 0; slot < block->count; slot++) {
            *due = packed_element_at(block, slot);
            if (is_due(due->time_ms, now_ms))
                return true;
        }
    }
    panic("nothing is due in a bucket that says so");
}

static size_t chain_due_size(const struct packed_block *block, int64_t now_ms)
{
    size_t size = 0;
    for (; block != NULL; block = packed_block_next(block))
        for (unsigned slot = 0; block->timed > 0 && slot < block->count; slot++)
            size += is_due(packed_record_at(block, slot).time_ms, now_ms);
    return size;
}

struct due_counting {
    const struct packed_table *table;
    int64_t now_ms;
    size_t size;
};

static void visit_due_bucket(void *context, size_t bucket)
{
    struct due_counting *counting = context;
    counting->size += chain_due_size(*packed_bucket_at(counting->table, bucket), counting->now_ms);
}

size_t packed_table_due_size(const struct packed_table *table, int64_t now_ms)
{
    struct due_counting counting = {.table = table, .now_ms = now_ms};
    if (table->due != NULL)
        packed_due_each(table->due, now_ms, visit_due_bucket, &counting);
    return counting.size;
}

/* --- All elements --- */

/* The element so many places from the chain's begin; false: there are fewer. */
static bool chain_element(const struct packed_block *block, size_t position, struct packed_element *element)
{
    for (; block != NULL; block = packed_block_next(block)) {
        if (position < block->count) {
            *element = packed_element_at(block, (unsigned)position);
            return true;
        }
        position -= block->count;
    }
    return false;
}

bool packed_table_iterate(struct packed_iterator *iterator, struct packed_element *element)
{
    for (; iterator->bucket < iterator->table->count; iterator->bucket++, iterator->position = 0) {
        if (chain_element(*packed_bucket_at(iterator->table, iterator->bucket), iterator->position,
                          element)) {
            iterator->position++;
            return true;
        }
    }
    return false;
}

/* Why a scan misses nothing is told in store/table.c, at table_scan: a bucket's hashes are an interval of all
 * hashes in the order of their bits reversed, and a cursor is a point in that order. */
uint64_t packed_table_scan(const struct packed_table *table, uint64_t cursor, packed_visit *visit,
                           void *context)
{
    size_t index = packed_address(table, cursor);
    const struct packed_block *block = *packed_bucket_at(table, index);
    for (; block != NULL; block = packed_block_next(block)) {
        for (unsigned slot = 0; slot < block->count; slot++) {
            struct packed_element element = packed_element_at(block, slot);
            visit(context, &element);
        }
    }
    bool was_split = (index | (table->mask / 2 + 1)) < table->count;
    uint64_t mask = was_split ? table->mask : table->mask >> 1;
    return bits_reversed(bits_reversed(cursor | ~mask) + 1);
}

/* --- Elements by chance --- */

/* A bucket is chosen evenly, and a place in it as if all buckets were as full as the fullest: an element is
 * there or it is not, so each is as likely. About one try in four succeeds. */
#define RANDOM_TRIES 128

/* So many elements are in no bucket; 0: that is not known. */
static size_t fullest_bound(const struct packed_table *table)
{
    size_t class = CLASS_COUNT - 1;
    if (table->classes[class] > 0)
        return 0;
    while (class > 0 && table->classes[class] == 0)
        class --;
    return (class + 1) * CLASS_SIZE;
}

/* Chooses among all elements that are not due by going through all buckets. */
static bool random_counted(const struct packed_table *table, struct random *random, int64_t now_ms,
                           struct packed_element *element)
{
    size_t left = table->size - packed_table_due_size(table, now_ms);
    if (left == 0)
        return false;
    size_t chosen = random_below(random, left);
    for (size_t index = 0; index < table->count; index++) {
        const struct packed_block *chain = *packed_bucket_at(table, index);
        size_t here = packed_chain_count(chain) - chain_due_size(chain, now_ms);
        for (size_t i = 0; chosen < here && chain_element(chain, i, element); i++)
            if (!is_due(element->time_ms, now_ms) && chosen-- == 0)
                return true;
        chosen -= here;
    }
    panic("a table has fewer elements than it counts");
}

bool packed_table_random(const struct packed_table *table, struct random *random, int64_t now_ms,
                         struct packed_element *element)
{
    size_t bound = fullest_bound(table);
    for (int i = 0; table->size > 0 && bound > 0 && i < RANDOM_TRIES; i++) {
        const struct packed_block *chain = *packed_bucket_at(table, random_below(random, table->count));
        ASSERT(packed_chain_count(chain) < bound);
        if (chain_element(chain, random_below(random, bound), element) && !is_due(element->time_ms, now_ms))
            return true;
    }
    return random_counted(table, random, now_ms, element);
}

/* --- Many by chance --- */

struct packed_spot {
    uint32_t bucket;
    uint32_t position;
};

/* A try that finds an element less often than once in so many is not worth it: some would go through all
 * buckets then. */
#define TRIES_WORTH 8

static bool worth_trying(const struct packed_table *table, size_t live)
{
    size_t bound = fullest_bound(table);
    return bound > 0 && live >= table->count * bound / TRIES_WORTH;
}

static struct packed_spot *spots_of_live(const struct packed_draw *draw)
{
    struct packed_iterator iterator = {.table = draw->table};
    struct packed_element element;
    struct packed_spot *spots = mem_alloc(draw->live * sizeof(*spots));
    size_t count = 0;
    while (packed_table_iterate(&iterator, &element)) {
        if (is_due(element.time_ms, draw->now_ms))
            continue;
        ASSERT(count < draw->live && iterator.bucket <= UINT32_MAX);
        spots[count++] = (struct packed_spot){(uint32_t)iterator.bucket, (uint32_t)iterator.position - 1};
    }
    ASSERT(count == draw->live);
    return spots;
}

void packed_draw_begin(struct packed_draw *draw, const struct packed_table *table, struct random *random,
                       int64_t now_ms)
{
    *draw = (struct packed_draw){.table = table, .random = random, .now_ms = now_ms};
    draw->live = table->size - packed_table_due_size(table, now_ms);
    if (draw->live > 0 && !worth_trying(table, draw->live))
        draw->spots = spots_of_live(draw);
}

bool packed_draw_next(struct packed_draw *draw, struct packed_element *element)
{
    if (draw->live == 0)
        return false;
    if (draw->spots == NULL)
        return packed_table_random(draw->table, draw->random, draw->now_ms, element);
    struct packed_spot spot = draw->spots[random_below(draw->random, draw->live)];
    bool found = chain_element(*packed_bucket_at(draw->table, spot.bucket), spot.position, element);
    ASSERT(found);
    return true;
}

void packed_draw_end(struct packed_draw *draw)
{
    mem_free(draw->spots);
}
