#include "value/segmented.h"

#include <string.h>

#include "base/diag.h"
#include "base/memory.h"

static void directory_resize(struct segmented *array, size_t places)
{
    size_t before = array->segments_max;
    array->memory -= mem_size(array->segments);
    array->segments = mem_realloc(array->segments, places * sizeof(*array->segments));
    array->memory += mem_size(array->segments);
    if (places > before)
        memset(array->segments + before, 0, (places - before) * sizeof(*array->segments));
    array->segments_max = places;
}

static void first_resize(struct segmented *array, size_t capacity)
{
    size_t before = array->first_capacity;
    array->memory -= mem_size(array->segments[0]);
    array->segments[0] = mem_realloc(array->segments[0], capacity * array->item_size);
    array->memory += mem_size(array->segments[0]);
    if (capacity > before)
        memset(array->segments[0] + before * array->item_size, 0, (capacity - before) * array->item_size);
    array->first_capacity = (uint32_t)capacity;
}

void segmented_make(struct segmented *array, size_t index)
{
    size_t segment = index / SEGMENT_ITEMS;
    if (segment >= array->segments_max)
        directory_resize(array, segment == 0 ? 1 : segment * 2);
    if (segment == 0) {
        size_t capacity = array->first_capacity == 0 ? 1 : array->first_capacity;
        while (capacity <= index)
            capacity *= 2;
        if (capacity > array->first_capacity)
            first_resize(array, capacity);
    } else if (array->segments[segment] == NULL) {
        array->segments[segment] = mem_alloc_zero(SEGMENT_ITEMS * array->item_size);
        array->memory += mem_size(array->segments[segment]);
    }
    ASSERT(segmented_has(array, index));
}

void segmented_trim(struct segmented *array, size_t items)
{
    if (items == 0) {
        segmented_free(array);
        return;
    }
    size_t segment = items / SEGMENT_ITEMS;
    if (segment > 0 && items % SEGMENT_ITEMS == 0 && segmented_has(array, items)) {
        array->memory -= mem_size(array->segments[segment]);
        mem_free(array->segments[segment]);
        array->segments[segment] = NULL;
    }
    if (segment > 0 && segment * 4 <= array->segments_max)
        directory_resize(array, array->segments_max / 2);
    if (segment == 0 && items * 4 <= array->first_capacity)
        first_resize(array, array->first_capacity / 2);
}

void segmented_free(struct segmented *array)
{
    for (size_t segment = 0; segment < array->segments_max; segment++)
        mem_free(array->segments[segment]);
    mem_free(array->segments);
    *array = (struct segmented){.item_size = array->item_size};
}

bool segmented_duplicate(const struct segmented *array, struct segmented *copy)
{
    *copy = (struct segmented){.item_size = array->item_size};
    if (array->segments_max == 0)
        return true;
    directory_resize(copy, array->segments_max);
    for (size_t segment = 0; segment < array->segments_max; segment++) {
        if (array->segments[segment] == NULL)
            continue;
        size_t size = (segment == 0 ? array->first_capacity : SEGMENT_ITEMS) * array->item_size;
        copy->segments[segment] = mem_try_alloc(size);
        if (copy->segments[segment] == NULL) {
            segmented_free(copy);
            return false;
        }
        memcpy(copy->segments[segment], array->segments[segment], size);
        copy->memory += mem_size(copy->segments[segment]);
    }
    copy->first_capacity = array->first_capacity;
    return true;
}
