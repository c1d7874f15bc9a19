#include "value/packed_due.h"

#include <assert.h>

#include "base/diag.h"
#include "base/memory.h"

#define CHILDREN 4
/* The heap begins this far into its array, so that the children of each node fill one cache line. */
#define HEAP_BEGIN (CHILDREN - 1)

static_assert(CHILDREN * sizeof(struct due_bucket) == 64, "children fill a cache line");

struct packed_due {
    struct segmented heap; /* of due_bucket */
    struct segmented
        places; /* of uint32_t, by bucket: where in the heap it is, counted from 1; 0: not there */
    size_t count;
};

static struct due_bucket *heap_at(const struct packed_due *due, size_t place)
{
    return segmented_at(&due->heap, place + HEAP_BEGIN, sizeof(struct due_bucket));
}

static uint32_t *place_of(const struct packed_due *due, size_t bucket)
{
    return segmented_at(&due->places, bucket, sizeof(uint32_t));
}

static void heap_put(struct packed_due *due, size_t place, struct due_bucket entry)
{
    *heap_at(due, place) = entry;
    *place_of(due, entry.bucket) = (uint32_t)(place + 1);
}

static void due_init(struct packed_due *due)
{
    *due = (struct packed_due){.heap.item_size = sizeof(struct due_bucket),
                               .places.item_size = sizeof(uint32_t)};
}

struct packed_due *packed_due_new(void)
{
    struct packed_due *due = mem_alloc(sizeof(*due));
    due_init(due);
    return due;
}

void packed_due_free(struct packed_due *due)
{
    if (due == NULL)
        return;
    segmented_free(&due->heap);
    segmented_free(&due->places);
    mem_free(due);
}

struct packed_due *packed_due_duplicate(const struct packed_due *due)
{
    struct packed_due *copy = packed_due_new();
    copy->count = due->count;
    if (segmented_duplicate(&due->heap, &copy->heap) && segmented_duplicate(&due->places, &copy->places))
        return copy;
    packed_due_free(copy);
    return NULL;
}

size_t packed_due_memory(const struct packed_due *due)
{
    return mem_size(due) + due->heap.memory + due->places.memory;
}

int64_t packed_due_time(const struct packed_due *due, size_t bucket)
{
    if (!segmented_has(&due->places, bucket))
        return PACKED_DUE_NEVER;
    uint32_t place = *place_of(due, bucket);
    return place == 0 ? PACKED_DUE_NEVER : heap_at(due, place - 1)->time_ms;
}

static void sift_up(struct packed_due *due, size_t place, struct due_bucket entry)
{
    while (place > 0) {
        size_t parent = (place - 1) / CHILDREN;
        if (heap_at(due, parent)->time_ms <= entry.time_ms)
            break;
        heap_put(due, place, *heap_at(due, parent));
        place = parent;
    }
    heap_put(due, place, entry);
}

static size_t earliest_child(const struct packed_due *due, size_t place)
{
    size_t first = place * CHILDREN + 1;
    size_t earliest = first;
    for (size_t child = first + 1; child < first + CHILDREN && child < due->count; child++)
        if (heap_at(due, child)->time_ms < heap_at(due, earliest)->time_ms)
            earliest = child;
    return earliest;
}

static void sift_down(struct packed_due *due, size_t place, struct due_bucket entry)
{
    while (place * CHILDREN + 1 < due->count) {
        size_t child = earliest_child(due, place);
        if (heap_at(due, child)->time_ms >= entry.time_ms)
            break;
        heap_put(due, place, *heap_at(due, child));
        place = child;
    }
    heap_put(due, place, entry);
}

/* Puts an entry into a place whose old entry does not count any more. */
static void heap_settle(struct packed_due *due, size_t place, struct due_bucket entry)
{
    if (place > 0 && heap_at(due, (place - 1) / CHILDREN)->time_ms > entry.time_ms)
        sift_up(due, place, entry);
    else
        sift_down(due, place, entry);
}

static void heap_remove(struct packed_due *due, size_t place)
{
    ASSERT(place < due->count);
    *place_of(due, heap_at(due, place)->bucket) = 0;
    struct due_bucket last = *heap_at(due, --due->count);
    if (place < due->count)
        heap_settle(due, place, last);
    segmented_trim(&due->heap, due->count + HEAP_BEGIN);
}

void packed_due_set(struct packed_due *due, size_t bucket, int64_t time_ms)
{
    if (time_ms == PACKED_DUE_NEVER && packed_due_time(due, bucket) == PACKED_DUE_NEVER)
        return;
    if (!segmented_has(&due->places, bucket))
        segmented_make(&due->places, bucket);
    struct due_bucket entry = {time_ms, bucket};
    size_t place = *place_of(due, bucket);
    if (time_ms == PACKED_DUE_NEVER) {
        heap_remove(due, place - 1);
    } else if (place == 0) {
        ASSERT(due->count < UINT32_MAX);
        segmented_make(&due->heap, due->count + HEAP_BEGIN);
        sift_up(due, due->count++, entry);
    } else if (heap_at(due, place - 1)->time_ms != time_ms) {
        heap_settle(due, place - 1, entry);
    }
}

struct due_bucket packed_due_first(const struct packed_due *due)
{
    return due->count == 0 ? (struct due_bucket){PACKED_DUE_NEVER, 0} : *heap_at(due, 0);
}

/* As deep as the heap. */
static void each_below(const struct packed_due *due, size_t place, int64_t now_ms, packed_due_visit *visit,
                       void *context)
{
    if (place >= due->count || heap_at(due, place)->time_ms > now_ms)
        return;
    visit(context, heap_at(due, place)->bucket);
    for (size_t child = place * CHILDREN + 1; child <= (place + 1) * CHILDREN; child++)
        each_below(due, child, now_ms, visit, context);
}

void packed_due_each(const struct packed_due *due, int64_t now_ms, packed_due_visit *visit, void *context)
{
    each_below(due, 0, now_ms, visit, context);
}

void packed_due_trim(struct packed_due *due, size_t buckets)
{
    segmented_trim(&due->places, buckets);
}
