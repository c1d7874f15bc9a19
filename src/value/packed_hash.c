#include "value/hash_private.h"

#include <assert.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/memory.h"

/* --- What the small forms share --- */

size_t fields_find(const char *listpack, unsigned width, struct slice name)
{
    return listpack_find(listpack, listpack_first(listpack), name, width - 1);
}

static int64_t time_at(const char *listpack, size_t position)
{
    int64_t expire_ms;
    return listpack_number(listpack, position, &expire_ms) && expire_ms != 0 ? expire_ms : FIELD_NEVER;
}

size_t fields_read(const char *listpack, unsigned width, size_t position, struct hash_field *field)
{
    static_assert(HASH_SCRATCH == LISTPACK_SCRATCH, "an integer fits");
    position = listpack_read(listpack, position, field->name_scratch, &field->name);
    position = listpack_read(listpack, position, field->value_scratch, &field->value);
    field->expire_ms = FIELD_NEVER;
    if (width == WIDTH_TIMED) {
        field->expire_ms = time_at(listpack, position);
        position += listpack_element_bytes(listpack, position);
    }
    return position;
}

int64_t fields_time(const char *listpack, size_t position)
{
    return time_at(listpack, listpack_next(listpack, listpack_next(listpack, position)));
}

size_t fields_count(const char *listpack, unsigned width)
{
    return listpack_count(listpack) / width;
}

size_t fields_seek(const char *listpack, unsigned width, size_t index)
{
    size_t position = listpack_seek(listpack, (int64_t)(index * width));
    ASSERT(position != 0);
    return position;
}

size_t fields_bytes(const char *listpack, unsigned width, size_t position)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < width; i++)
        bytes += listpack_element_bytes(listpack, position + bytes);
    return bytes;
}

bool fields_fit(const struct hash_settings *settings, struct slice name, struct slice value, size_t size,
                size_t bytes)
{
    return name.size <= settings->value_max && value.size <= settings->value_max &&
           size <= settings->entries_max && bytes <= FIELDS_BYTES_MAX;
}

/* Each field is taken with the chance that is left to it: D. Knuth, The Art of Computer Programming 2, 3.4.2,
 * algorithm S. */
void fields_choose(const char *listpack, unsigned width, size_t first, struct random *random, size_t count,
                   hash_visit *visit, void *context)
{
    size_t size = fields_count(listpack, width);
    if (first >= size)
        return;
    struct hash_field field;
    size_t position = fields_seek(listpack, width, first);
    for (size_t left = size - first; left > 0 && count > 0; left--) {
        position = fields_read(listpack, width, position, &field);
        if (random_below(random, left) < count) {
            visit(context, &field);
            count--;
        }
    }
}

/* --- What others wrote --- */

static int name_compare(const void *a, const void *b, void *context)
{
    const char *listpack = context;
    char scratch[2][LISTPACK_SCRATCH];
    return slice_compare(listpack_text(listpack, *(const uint32_t *)a, scratch[0]),
                         listpack_text(listpack, *(const uint32_t *)b, scratch[1]));
}

/* Something that equal names have in common, and different ones hardly ever: of names of 4 to 16 bytes all.
 * Never 0. */
static uint64_t fingerprint(struct slice name)
{
    uint64_t front = 0;
    uint64_t back = 0;
    uint32_t half[2];
    if (name.size >= sizeof(front)) {
        memcpy(&front, name.data, sizeof(front));
        memcpy(&back, name.data + name.size - sizeof(back), sizeof(back));
    } else if (name.size >= sizeof(half[0])) {
        memcpy(&half[0], name.data, sizeof(half[0]));
        memcpy(&half[1], name.data + name.size - sizeof(half[1]), sizeof(half[1]));
        front = (uint64_t)half[0] << 32 | half[1];
    } else {
        for (size_t i = 0; i < name.size; i++)
            front = front << 8 | (uint8_t)name.data[i];
    }
    uint64_t mixed = (front + name.size) * UINT64_C(0x9E3779B97F4A7C15) ^ back * UINT64_C(0xC2B2AE3D27D4EB4F);
    return (mixed ^ mixed >> 29) | 1;
}

/* Places for fingerprints; names that need more are compared themselves. */
#define PRINT_SLOTS_MAX 1024

/* Whether fingerprints alone show that all names differ. Whoever chooses names for equal fingerprints, or for
 * ones that fall together, gains no more than that they are compared. */
static bool fingerprints_differ(const char *listpack, unsigned width, size_t count)
{
    uint64_t prints[PRINT_SLOTS_MAX];
    char scratch[LISTPACK_SCRATCH];
    size_t slots = 16;
    if (count > PRINT_SLOTS_MAX / 2)
        return false;
    while (slots < 2 * count)
        slots *= 2;
    memset(prints, 0, slots * sizeof(prints[0]));
    size_t steps_left = 8 * count;
    for (size_t at = LISTPACK_BEGIN; !listpack_at_end(listpack, at);) {
        struct slice name;
        at = listpack_read(listpack, at, scratch, &name);
        uint64_t print = fingerprint(name);
        size_t slot = print >> 32 & (slots - 1);
        for (; prints[slot] != 0; slot = (slot + 1) & (slots - 1))
            if (prints[slot] == print || steps_left-- == 0)
                return false;
        prints[slot] = print;
        at += fields_bytes(listpack, width - 1, at);
    }
    return true;
}

/* More fields than this are sorted to find equal names; fewer are each looked for behind themselves. */
#define NAMES_LOOKED_FOR_MAX 16

static bool few_names_differ(const char *listpack, unsigned width)
{
    char scratch[LISTPACK_SCRATCH];
    for (size_t at = listpack_first(listpack); at != 0;) {
        struct slice name = listpack_text(listpack, at, scratch);
        for (unsigned i = 0; i < width; i++)
            at = listpack_next(listpack, at);
        if (at != 0 && listpack_find(listpack, at, name, width - 1) != 0)
            return false;
    }
    return true;
}

static bool many_names_differ(const char *listpack, unsigned width, size_t count)
{
    uint32_t *positions = mem_try_alloc(count * sizeof(*positions));
    if (positions == NULL)
        return false;
    size_t at = listpack_first(listpack);
    for (size_t i = 0; i < count; i++) {
        positions[i] = (uint32_t)at;
        for (unsigned j = 0; j < width; j++)
            at = listpack_next(listpack, at);
    }
    void *context = (void *)(uintptr_t)listpack;
    qsort_r(positions, count, sizeof(*positions), name_compare, context);
    bool differ = true;
    for (size_t i = 1; i < count && differ; i++)
        differ = name_compare(&positions[i - 1], &positions[i], context) != 0;
    mem_free(positions);
    return differ;
}

static bool times_valid(const char *listpack)
{
    int64_t last = 1;
    for (size_t at = listpack_first(listpack); at != 0; at = listpack_next(listpack, at)) {
        int64_t time;
        at = listpack_next(listpack, listpack_next(listpack, at));
        if (!listpack_number(listpack, at, &time) || time < 0 || time > FIELD_TIME_MAX)
            return false;
        int64_t rank = time == 0 ? INT64_MAX : time;
        if (rank < last)
            return false;
        last = rank;
    }
    return true;
}

static unsigned width_of(enum hash_encoding encoding)
{
    ASSERT(encoding != HASH_TABLE);
    return encoding == HASH_LISTPACK ? WIDTH_PLAIN : WIDTH_TIMED;
}

bool hash_listpack_whole(struct slice bytes, enum hash_encoding encoding)
{
    unsigned width = width_of(encoding);
    if (bytes.size > LISTPACK_BYTES_MAX || !listpack_valid(bytes))
        return false;
    size_t elements = listpack_count(bytes.data);
    return elements > 0 && elements % width == 0 && (width != WIDTH_TIMED || times_valid(bytes.data));
}

bool hash_listpack_valid(struct slice bytes, enum hash_encoding encoding)
{
    unsigned width = width_of(encoding);
    if (!hash_listpack_whole(bytes, encoding))
        return false;
    size_t count = listpack_count(bytes.data) / width;
    if (fingerprints_differ(bytes.data, width, count))
        return true;
    return count <= NAMES_LOOKED_FOR_MAX ? few_names_differ(bytes.data, width)
                                         : many_names_differ(bytes.data, width, count);
}

/* --- The small form without times, in bytes of the caller's --- */

size_t packed_hash_bytes(const char *packed)
{
    return listpack_bytes(packed);
}

void packed_hash_init(char *packed)
{
    static_assert(PACKED_HASH_EMPTY_BYTES == LISTPACK_EMPTY_BYTES, "an empty one has no elements");
    listpack_init(packed);
}

size_t packed_hash_pair_bytes(struct slice name, struct slice value)
{
    return listpack_item(name).bytes + listpack_item(value).bytes;
}

size_t packed_hash_size(const char *packed)
{
    return fields_count(packed, WIDTH_PLAIN);
}

bool packed_hash_find(const char *packed, struct slice name, struct hash_field *found)
{
    size_t position = fields_find(packed, WIDTH_PLAIN, name);
    if (position != 0)
        fields_read(packed, WIDTH_PLAIN, position, found);
    return position != 0;
}

bool packed_hash_next(const char *packed, size_t *position, struct hash_field *field)
{
    size_t at = *position == 0 ? LISTPACK_BEGIN : *position;
    if (listpack_at_end(packed, at))
        return false;
    *position = fields_read(packed, WIDTH_PLAIN, at, field);
    return true;
}

bool packed_hash_random(const char *packed, struct random *random, struct hash_field *field)
{
    size_t size = packed_hash_size(packed);
    if (size == 0)
        return false;
    fields_read(packed, WIDTH_PLAIN, fields_seek(packed, WIDTH_PLAIN, random_below(random, size)), field);
    return true;
}

void packed_hash_random_distinct(const char *packed, struct random *random, size_t count, hash_visit *visit,
                                 void *context)
{
    fields_choose(packed, WIDTH_PLAIN, 0, random, count, visit, context);
}

/* --- Changing it --- */

void packed_hash_plan_set(const char *packed, struct slice name, struct slice value,
                          struct packed_hash_change *change)
{
    size_t bytes = listpack_bytes(packed);
    size_t size = packed_hash_size(packed);
    size_t position = fields_find(packed, WIDTH_PLAIN, name);
    change->found = position != 0;
    if (change->found) {
        position = listpack_next(packed, position);
        change->position = position;
        change->old_bytes = listpack_element_bytes(packed, position);
        change->old_count = change->count = 1;
        change->items[0] = listpack_item(value);
        change->bytes = bytes - change->old_bytes + change->items[0].bytes;
        change->size = size;
        return;
    }
    change->position = bytes - 1;
    change->old_bytes = change->old_count = 0;
    change->count = 2;
    change->items[0] = listpack_item(name);
    change->items[1] = listpack_item(value);
    change->bytes = bytes + change->items[0].bytes + change->items[1].bytes;
    change->size = size + 1;
}

bool packed_hash_plan_delete(const char *packed, struct slice name, struct packed_hash_change *change)
{
    size_t position = fields_find(packed, WIDTH_PLAIN, name);
    change->found = position != 0;
    if (!change->found)
        return false;
    change->position = position;
    change->old_bytes = fields_bytes(packed, WIDTH_PLAIN, position);
    change->old_count = 2;
    change->count = 0;
    change->bytes = listpack_bytes(packed) - change->old_bytes;
    change->size = packed_hash_size(packed) - 1;
    return true;
}

bool packed_hash_stays(const struct hash_settings *settings, const struct packed_hash_change *change,
                       struct slice name, struct slice value)
{
    return fields_fit(settings, name, value, change->size, change->bytes);
}

void packed_hash_apply(char *packed, const struct packed_hash_change *change)
{
    listpack_splice(packed, change->position, change->old_bytes, change->old_count, change->items,
                    change->count);
    ASSERT(listpack_bytes(packed) == change->bytes);
}
