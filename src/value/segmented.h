/* An array in segments: growing and shrinking it moves no more than a bounded number of bytes, however long
 * it is. Private to this floor.
 *
 * Only segments with something in them need be there, so an array may be used sparsely. The first one grows
 * by doubling until it is whole, so that a short array is small; the others come whole. The directory of
 * segments is moved when it grows: 8 bytes for SEGMENT_ITEMS items. */
#ifndef DKV_VALUE_SEGMENTED_H
#define DKV_VALUE_SEGMENTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_ITEMS ((size_t)1024)

/* All zero but for item_size is an empty one. */
struct segmented {
    char **segments;
    size_t segments_max;     /* places in the directory */
    size_t memory;           /* bytes that all this takes */
    uint32_t first_capacity; /* items there is room for in the first segment */
    uint32_t item_size;
};

/* The item, whose segment must be there. item_size is asked for so that the compiler knows it. */
static inline void *segmented_at(const struct segmented *array, size_t index, size_t item_size)
{
    return array->segments[index / SEGMENT_ITEMS] + index % SEGMENT_ITEMS * item_size;
}

/* Whether there is room for the item. */
static inline bool segmented_has(const struct segmented *array, size_t index)
{
    return index < SEGMENT_ITEMS ? index < array->first_capacity
                                 : index / SEGMENT_ITEMS < array->segments_max &&
                                       array->segments[index / SEGMENT_ITEMS] != NULL;
}

/* Sees to room for the item. What is in new room is zero. */
void segmented_make(struct segmented *array, size_t index);
/* Gives back what is not needed for so many items; to be called at each item that is dropped. */
void segmented_trim(struct segmented *array, size_t items);
void segmented_free(struct segmented *array);
/* A copy, byte for byte. false: there is not enough memory, and the copy is empty. */
bool segmented_duplicate(const struct segmented *array, struct segmented *copy);

#endif
