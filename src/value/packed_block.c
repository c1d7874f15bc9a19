#include "value/packed_block.h"

#include <assert.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/diag.h"
#include "base/memory.h"

#define ROOM_STEP            4U
#define UNIT                 8U
#define OFFSET_TIMED         0x8000U
#define OFFSET_MASK          0x7fffU
#define FIELD_OUTSIDE        0x7fU
#define RECORD_VALUE_OUTSIDE 0x80U
#define TIME_SIZE            6U
#define RECORD_MAX           (1 + TIME_SIZE + 2 * PACKED_INLINE_MAX)
/* The tags are read in groups of so many, past their end. */
#define TAG_GROUP  16U
#define CACHE_LINE 64
/* With one slot and the least of records, this holds a group of tags; larger blocks hold theirs anyway. */
#define BLOCK_MIN 32U

static_assert(sizeof(struct packed_block) == 8, "the layout counts on it");
static_assert(PACKED_INLINE_MAX < FIELD_OUTSIDE, "a record's head tells sizes from pointers");
static_assert(PACKED_BLOCK_SLOTS % ROOM_STEP == 0 && PACKED_BLOCK_SLOTS / ROOM_STEP <= UINT8_MAX,
              "the header holds the room of the largest block");
static_assert(PACKED_BLOCK_MAX <= OFFSET_MASK && PACKED_BLOCK_MAX / UNIT * 2 <= UINT16_MAX,
              "offsets and sizes fit, whatever the allocator adds");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "times are the low bytes of a word");

/* --- Fields --- */

/* What is too large for a block. */
struct outside {
    size_t size;
    char bytes[];
};

static struct outside *field_outside(const struct packed_field *field)
{
    struct outside *outside;
    memcpy(&outside, field->bytes, sizeof(outside));
    return outside;
}

struct slice packed_field_bytes(const struct packed_field *field)
{
    if (!field->outside)
        return slice_make(field->bytes, field->size);
    const struct outside *outside = field_outside(field);
    return slice_make(outside->bytes, outside->size);
}

static struct outside *outside_new(struct packed_account *account, struct slice bytes)
{
    struct outside *outside = mem_try_alloc(sizeof(*outside) + bytes.size);
    if (outside == NULL)
        return NULL;
    outside->size = bytes.size;
    memcpy(outside->bytes, bytes.data, bytes.size);
    account->memory += mem_size(outside);
    account->outside++;
    return outside;
}

bool packed_field_make(struct packed_account *account, struct slice bytes, struct packed_field *field,
                       void **pointer)
{
    *field = (struct packed_field){.bytes = bytes.data, .size = bytes.size};
    if (bytes.size <= PACKED_INLINE_MAX)
        return true;
    *pointer = outside_new(account, bytes);
    *field = (struct packed_field){.bytes = (const char *)pointer, .size = sizeof(*pointer), .outside = true};
    return *pointer != NULL;
}

void packed_field_free(struct packed_account *account, const struct packed_field *field)
{
    if (!field->outside)
        return;
    struct outside *outside = field_outside(field);
    account->memory -= mem_size(outside);
    account->outside--;
    mem_free(outside);
}

/* --- Records --- */

static size_t record_size(const struct packed_record *record)
{
    return 1 + (record->time_ms != PACKED_NO_TIME ? TIME_SIZE : 0) + record->member.size + record->value.size;
}

static void record_write(const struct packed_record *record, char *out)
{
    unsigned head = record->member.outside ? FIELD_OUTSIDE : (unsigned)record->member.size;
    *out++ = (char)(head | (record->value.outside ? RECORD_VALUE_OUTSIDE : 0));
    if (record->time_ms != PACKED_NO_TIME) {
        memcpy(out, &record->time_ms, TIME_SIZE);
        out += TIME_SIZE;
    }
    if (record->member.size > 0)
        memcpy(out, record->member.bytes, record->member.size);
    if (record->value.size > 0)
        memcpy(out + record->member.size, record->value.bytes, record->value.size);
}

/* --- Inside a block --- */

static size_t block_begin(const struct packed_block *block)
{
    return sizeof(*block) + block->chained * sizeof(block);
}

static uint8_t *block_tags(const struct packed_block *block)
{
    return (uint8_t *)(uintptr_t)block + block_begin(block);
}

static size_t block_slots(const struct packed_block *block)
{
    return block->room * ROOM_STEP;
}

static uint16_t *block_offsets(const struct packed_block *block)
{
    return (uint16_t *)(void *)(block_tags(block) + block_slots(block));
}

static char *block_records(const struct packed_block *block)
{
    return (char *)block_tags(block) + 3 * block_slots(block);
}

static size_t block_size(const struct packed_block *block)
{
    return (size_t)block->units * UNIT;
}

static size_t room_for(size_t slots)
{
    return (slots + ROOM_STEP - 1) / ROOM_STEP;
}

/* What a block takes that begins like this one. */
static size_t size_needed(bool chained, size_t room, size_t records)
{
    size_t size = sizeof(struct packed_block) + chained * sizeof(void *) + 3 * ROOM_STEP * room + records;
    return size < BLOCK_MIN + chained * sizeof(void *) ? BLOCK_MIN + chained * sizeof(void *) : size;
}

static size_t record_begin(const struct packed_block *block, unsigned slot)
{
    return block_offsets(block)[slot] & OFFSET_MASK;
}

static size_t record_end(const struct packed_block *block, unsigned slot)
{
    return slot + 1 < block->count ? record_begin(block, slot + 1) : block->end;
}

static bool record_is_timed(const struct packed_block *block, unsigned slot)
{
    return block_offsets(block)[slot] & OFFSET_TIMED;
}

static int64_t record_time(const struct packed_block *block, unsigned slot)
{
    if (!record_is_timed(block, slot))
        return PACKED_NO_TIME;
    int64_t time_ms = 0;
    memcpy(&time_ms, block_records(block) + record_begin(block, slot) + 1, TIME_SIZE);
    return time_ms;
}

struct packed_record packed_record_at(const struct packed_block *block, unsigned slot)
{
    const char *bytes = block_records(block) + record_begin(block, slot);
    const char *end = block_records(block) + record_end(block, slot);
    struct packed_record record = {.time_ms = record_time(block, slot)};
    unsigned head = (uint8_t)*bytes++;
    if (record.time_ms != PACKED_NO_TIME)
        bytes += TIME_SIZE;
    record.member.bytes = bytes;
    record.member.outside = (head & FIELD_OUTSIDE) == FIELD_OUTSIDE;
    record.member.size = record.member.outside ? sizeof(struct outside *) : head & FIELD_OUTSIDE;
    record.value.bytes = bytes + record.member.size;
    record.value.outside = head & RECORD_VALUE_OUTSIDE;
    record.value.size = (size_t)(end - record.value.bytes);
    return record;
}

struct packed_element packed_element_at(const struct packed_block *block, unsigned slot)
{
    struct packed_record record = packed_record_at(block, slot);
    return (struct packed_element){.member = packed_field_bytes(&record.member),
                                   .value = packed_field_bytes(&record.value),
                                   .time_ms = record.time_ms};
}

/* The slots of a group that have this tag, a bit each. */
static unsigned tags_match(const uint8_t *tags, uint8_t tag)
{
#ifdef __SSE2__
    __m128i group = _mm_loadu_si128((const __m128i *)(const void *)tags);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(group, _mm_set1_epi8((char)tag)));
#else
    unsigned matches = 0;
    for (unsigned i = 0; i < TAG_GROUP; i++)
        matches |= (unsigned)(tags[i] == tag) << i;
    return matches;
#endif
}

static bool record_has_member(const struct packed_block *block, unsigned slot, struct slice member)
{
    unsigned offset = block_offsets(block)[slot];
    const char *bytes = block_records(block) + (offset & OFFSET_MASK);
    unsigned head = (uint8_t)*bytes & FIELD_OUTSIDE;
    bytes += 1 + (offset & OFFSET_TIMED ? TIME_SIZE : 0);
    if (head != FIELD_OUTSIDE)
        return slice_equal(slice_make(bytes, head), member);
    struct packed_field field = {.bytes = bytes, .outside = true};
    return slice_equal(packed_field_bytes(&field), member);
}

static int block_find(const struct packed_block *block, struct slice member, uint8_t tag)
{
    for (unsigned first = 0; first < block->count; first += TAG_GROUP) {
        unsigned matches = tags_match(block_tags(block) + first, tag);
        for (; matches != 0; matches &= matches - 1) {
            unsigned slot = first + (unsigned)__builtin_ctz(matches);
            if (slot >= block->count)
                break;
            if (record_has_member(block, slot, member))
                return (int)slot;
        }
    }
    return -1;
}

void packed_block_prefetch_record(const struct packed_block *block, uint8_t tag)
{
    unsigned matches = tags_match(block_tags(block), tag);
    unsigned slot = matches == 0 ? block->count : (unsigned)__builtin_ctz(matches);
    const char *record =
        block_records(block) + (slot < block->count ? record_begin(block, slot) : block->end);
    __builtin_prefetch(record);
    __builtin_prefetch(record + CACHE_LINE);
}

/* --- Allocations --- */

static struct packed_block *block_taken(struct packed_account *account, struct packed_block *block)
{
    size_t size = mem_size(block);
    ASSERT(size / UNIT <= UINT16_MAX);
    block->units = (uint16_t)(size / UNIT);
    account->memory += block_size(block);
    return block;
}

static size_t size_rounded(size_t size)
{
    return (size + UNIT - 1) / UNIT * UNIT;
}

static struct packed_block *block_new(struct packed_account *account, struct packed_block *next, size_t room,
                                      size_t records)
{
    struct packed_block *block = mem_alloc(size_rounded(size_needed(next != NULL, room, records)));
    *block = (struct packed_block){.room = (uint8_t)room, .chained = next != NULL};
    if (next != NULL)
        *packed_block_link(block) = next;
    return block_taken(account, block);
}

void packed_block_free(struct packed_account *account, struct packed_block *block)
{
    account->memory -= block_size(block);
    mem_free(block);
}

static struct packed_block *block_resize(struct packed_account *account, struct packed_block *block,
                                         size_t size)
{
    account->memory -= block_size(block);
    return block_taken(account, mem_realloc(block, size_rounded(size)));
}

/* Moves offsets and records to where they belong with other room. There is space for it. */
static void room_change(struct packed_block *block, size_t room)
{
    char *offsets = (char *)block_offsets(block);
    char *records = block_records(block);
    bool grows = room > block->room;
    block->room = (uint8_t)room;
    if (grows)
        memmove(block_records(block), records, block->end);
    memmove(block_offsets(block), offsets, block->count * sizeof(uint16_t));
    if (!grows)
        memmove(block_records(block), records, block->end);
}

static bool block_can_hold(const struct packed_account *account, const struct packed_block *block,
                           size_t slots, size_t records)
{
    return block->count + slots <= PACKED_BLOCK_SLOTS &&
           size_needed(block->chained, room_for(block->count + slots), block->end + records) <=
               account->block_max;
}

/* Sees to room for more in a block that can hold it. */
static void block_reserve(struct packed_account *account, struct packed_block **link, size_t slots,
                          size_t records)
{
    struct packed_block *block = *link;
    size_t room = room_for(block->count + slots);
    if (room < block->room)
        room = block->room;
    size_t size = size_needed(block->chained, room, block->end + records);
    if (size > block_size(block))
        *link = block = block_resize(account, block, size);
    if (room > block->room)
        room_change(block, room);
}

/* Gives back what a removal left unused, unless the next addition would soon want it again. */
static void block_shrink(struct packed_account *account, struct packed_block **link)
{
    struct packed_block *block = *link;
    size_t size = size_needed(block->chained, room_for(block->count), block->end);
    if (mem_good_size(size_rounded(size + size / 8)) >= block_size(block))
        return;
    if (room_for(block->count) < block->room)
        room_change(block, room_for(block->count));
    *link = block_resize(account, block, size);
}

/* --- Changing a block --- */

/* Adds a slot with room for a record of this size, for which there is space. */
static char *block_append(struct packed_block *block, uint8_t tag, size_t size, bool timed)
{
    ASSERT(block->count < block_slots(block));
    unsigned slot = block->count++;
    block_tags(block)[slot] = tag;
    block_offsets(block)[slot] = (uint16_t)(block->end | (timed ? OFFSET_TIMED : 0));
    char *record = block_records(block) + block->end;
    block->end = (uint16_t)(block->end + size);
    block->timed = (uint8_t)(block->timed + timed);
    ASSERT((size_t)(block_records(block) + block->end - (char *)block) <= block_size(block));
    return record;
}

static void offsets_move(struct packed_block *block, unsigned from, int by)
{
    uint16_t *offsets = block_offsets(block);
    /* The flag above an offset is not touched: no sum crosses it. */
    for (unsigned slot = from; slot < block->count; slot++)
        offsets[slot] = (uint16_t)(offsets[slot] + by);
}

static void block_cut(struct packed_block *block, unsigned slot)
{
    char *records = block_records(block);
    uint8_t *tags = block_tags(block);
    uint16_t *offsets = block_offsets(block);
    size_t begin = record_begin(block, slot);
    size_t end = record_end(block, slot);
    unsigned later = block->count - slot - 1;
    block->timed = (uint8_t)(block->timed - record_is_timed(block, slot));
    offsets_move(block, slot + 1, (int)begin - (int)end);
    memmove(records + begin, records + end, block->end - end);
    memmove(tags + slot, tags + slot + 1, later);
    memmove(offsets + slot, offsets + slot + 1, later * sizeof(*offsets));
    block->end = (uint16_t)(block->end - (end - begin));
    block->count--;
}

/* Makes a record longer or shorter, within the block's space. */
static void record_resize(struct packed_block *block, unsigned slot, size_t size)
{
    char *records = block_records(block);
    size_t begin = record_begin(block, slot);
    size_t end = record_end(block, slot);
    memmove(records + begin + size, records + end, block->end - end);
    offsets_move(block, slot + 1, (int)(begin + size) - (int)end);
    block->end = (uint16_t)(block->end + begin + size - end);
}

/* --- Chains --- */

bool packed_chain_find(struct packed_block **chain, struct slice member, uint8_t tag,
                       struct packed_place *place)
{
    for (struct packed_block **link = chain; *link != NULL; link = packed_block_link(*link)) {
        int slot = block_find(*link, member, tag);
        if (slot >= 0) {
            *place = (struct packed_place){link, (unsigned)slot};
            return true;
        }
        if (!(*link)->chained)
            break;
    }
    return false;
}

/* The first block that can hold one record more of this size, at the start of the chain if there was none. */
static struct packed_block **chain_room(struct packed_account *account, struct packed_block **chain,
                                        size_t size)
{
    for (struct packed_block **link = chain; *link != NULL; link = packed_block_link(*link)) {
        if (block_can_hold(account, *link, 1, size)) {
            block_reserve(account, link, 1, size);
            return link;
        }
        if (!(*link)->chained)
            break;
    }
    *chain = block_new(account, *chain, room_for(1), size);
    return chain;
}

static char *chain_append(struct packed_account *account, struct packed_block **chain, uint8_t tag,
                          size_t size, bool timed)
{
    return block_append(*chain_room(account, chain, size), tag, size, timed);
}

void packed_chain_add(struct packed_account *account, struct packed_block **chain, uint8_t tag,
                      const struct packed_record *record)
{
    char *out = chain_append(account, chain, tag, record_size(record), record->time_ms != PACKED_NO_TIME);
    record_write(record, out);
}

void packed_chain_remove(struct packed_account *account, struct packed_place place)
{
    struct packed_block *block = *place.link;
    block_cut(block, place.slot);
    if (block->count > 0) {
        block_shrink(account, place.link);
        return;
    }
    *place.link = packed_block_next(block);
    packed_block_free(account, block);
}

void packed_chain_replace(struct packed_account *account, struct packed_block **chain,
                          struct packed_place place, const struct packed_record *record)
{
    char scratch[RECORD_MAX];
    size_t size = record_size(record);
    bool timed = record->time_ms != PACKED_NO_TIME;
    ASSERT(size <= sizeof(scratch));
    record_write(record, scratch);

    struct packed_block *block = *place.link;
    size_t old_size = record_end(block, place.slot) - record_begin(block, place.slot);
    if (size > old_size) {
        if (!block_can_hold(account, block, 0, size - old_size)) {
            uint8_t tag = block_tags(block)[place.slot];
            packed_chain_remove(account, place);
            memcpy(chain_append(account, chain, tag, size, timed), scratch, size);
            return;
        }
        block_reserve(account, place.link, 0, size - old_size);
        block = *place.link;
    }
    if (size != old_size)
        record_resize(block, place.slot, size);
    memcpy(block_records(block) + record_begin(block, place.slot), scratch, size);
    block->timed = (uint8_t)(block->timed - record_is_timed(block, place.slot) + timed);
    block_offsets(block)[place.slot] =
        (uint16_t)(record_begin(block, place.slot) | (timed ? OFFSET_TIMED : 0));
    if (size < old_size)
        block_shrink(account, place.link);
}

static int64_t block_earliest(const struct packed_block *block)
{
    int64_t earliest = INT64_MAX;
    unsigned timed = 0;
    for (unsigned slot = 0; block->timed > 0 && slot < block->count; slot++) {
        int64_t time_ms = record_time(block, slot);
        if (time_ms == PACKED_NO_TIME)
            continue;
        timed++;
        if (time_ms < earliest)
            earliest = time_ms;
    }
    ASSERT(timed == block->timed);
    return earliest;
}

int64_t packed_chain_earliest(const struct packed_block *chain)
{
    int64_t earliest = INT64_MAX;
    for (; chain != NULL; chain = packed_block_next(chain)) {
        int64_t time_ms = block_earliest(chain);
        if (time_ms < earliest)
            earliest = time_ms;
    }
    return earliest;
}

/* Sees to room for many records at once, where one block can hold them. */
static void chain_reserve(struct packed_account *account, struct packed_block **chain, size_t slots,
                          size_t records)
{
    if (slots == 0)
        return;
    if (*chain == NULL && slots <= PACKED_BLOCK_SLOTS &&
        size_needed(false, room_for(slots), records) <= account->block_max)
        *chain = block_new(account, NULL, room_for(slots), records);
    else if (*chain != NULL && block_can_hold(account, *chain, slots, records))
        block_reserve(account, chain, slots, records);
}

void packed_block_distribute(struct packed_account *account, struct packed_block *block, const uint64_t *high,
                             struct packed_block **low_chain, struct packed_block **high_chain)
{
    size_t slots = 0;
    size_t bytes = 0;
    for (unsigned slot = 0; slot < block->count; slot++) {
        if (high[slot / 64] >> slot % 64 & 1) {
            slots++;
            bytes += record_end(block, slot) - record_begin(block, slot);
        }
    }
    chain_reserve(account, low_chain, block->count - slots, block->end - bytes);
    chain_reserve(account, high_chain, slots, bytes);
    for (unsigned slot = 0; slot < block->count; slot++) {
        struct packed_block **chain = high[slot / 64] >> slot % 64 & 1 ? high_chain : low_chain;
        size_t begin = record_begin(block, slot);
        size_t size = record_end(block, slot) - begin;
        char *out = chain_append(account, chain, block_tags(block)[slot], size, record_is_timed(block, slot));
        memcpy(out, block_records(block) + begin, size);
    }
    packed_block_free(account, block);
}

/* --- Whole chains --- */

size_t packed_chain_free(struct packed_account *account, struct packed_block *chain)
{
    size_t before = account->outside;
    size_t blocks = 0;
    for (struct packed_block *next; chain != NULL; chain = next, blocks++) {
        next = packed_block_next(chain);
        for (unsigned slot = 0; account->outside > 0 && slot < chain->count; slot++) {
            struct packed_record record = packed_record_at(chain, slot);
            packed_field_free(account, &record.member);
            packed_field_free(account, &record.value);
        }
        packed_block_free(account, chain);
    }
    return blocks + before - account->outside;
}

/* Gives a field of a copied block a copy of what it has outside. */
static bool field_duplicate(struct packed_account *account, const struct packed_field *field)
{
    if (!field->outside)
        return true;
    struct outside *copy = outside_new(account, packed_field_bytes(field));
    /* The field lies in the copied block, which may be written to. */
    if (copy != NULL)
        memcpy((char *)(uintptr_t)field->bytes, &copy, sizeof(copy));
    return copy != NULL;
}

/* Ends a copied block before a record that could not be copied. */
static void block_truncate(struct packed_block *block, unsigned slot)
{
    block->end = (uint16_t)record_begin(block, slot);
    block->count = (uint8_t)slot;
}

static bool block_fields_duplicate(struct packed_account *account, struct packed_block *block)
{
    for (unsigned slot = 0; slot < block->count; slot++) {
        struct packed_record record = packed_record_at(block, slot);
        if (!field_duplicate(account, &record.member)) {
            block_truncate(block, slot);
            return false;
        }
        if (!field_duplicate(account, &record.value)) {
            packed_field_free(account, &record.member);
            block_truncate(block, slot);
            return false;
        }
    }
    return true;
}

bool packed_chain_duplicate(struct packed_account *account, const struct packed_block *chain,
                            bool any_outside, struct packed_block **copy)
{
    *copy = NULL;
    for (struct packed_block **link = copy; chain != NULL; chain = packed_block_next(chain)) {
        size_t used = (size_t)(block_records(chain) + chain->end - (const char *)chain);
        struct packed_block *block =
            mem_try_alloc(size_rounded(used < BLOCK_MIN + UNIT ? BLOCK_MIN + UNIT : used));
        if (block == NULL)
            return false;
        memcpy(block, chain, used);
        *link = block_taken(account, block);
        if (block->chained) {
            link = packed_block_link(block);
            *link = NULL;
        }
        if (any_outside && !block_fields_duplicate(account, block))
            return false;
    }
    return true;
}
