#include "store/value_hash.h"

#include "store/hash_seat.h"
#include "store/parts.h"

/* --- Reading --- */

enum hash_encoding entry_hash_encoding(const struct entry *entry)
{
    const struct hash *hash = hash_object(entry);
    return hash == NULL ? HASH_LISTPACK : hash_encoding(hash);
}

size_t entry_hash_size(const struct entry *entry)
{
    const struct hash *hash = hash_object(entry);
    return hash == NULL ? packed_hash_size(hash_packed(entry)) : hash_size(hash);
}

size_t entry_hash_timed_size(const struct entry *entry)
{
    return entry_has_timed_parts(entry) ? hash_timed_size(hash_object(entry)) : 0;
}

size_t entry_hash_due_size(const struct entry *entry, int64_t now_ms)
{
    return entry_has_timed_parts(entry) ? hash_due_size(hash_object(entry), now_ms) : 0;
}

int64_t entry_hash_earliest_ms(const struct entry *entry)
{
    return entry_has_timed_parts(entry) ? hash_earliest_ms(hash_object(entry)) : INT64_MAX;
}

bool entry_hash_find(const struct entry *entry, struct slice name, struct hash_field *found)
{
    const struct hash *hash = hash_object(entry);
    return hash == NULL ? packed_hash_find(hash_packed(entry), name, found) : hash_find(hash, name, found);
}

#define CACHE_LINE 64
/* Lines of a packed hash that are asked for, behind the two that the entry's own prefetching asks for: all of
 * some ten fields of the usual sizes, of which those in front are looked at on the way to any. */
#define AHEAD_LINES_MAX 5

bool entry_hash_ahead(const struct entry *entry, struct slice name, struct packed_ahead *ahead)
{
    if (entry->type != VALUE_HASH)
        return false;
    const struct hash *hash = hash_object(entry);
    if (hash != NULL)
        return hash_ahead(hash, name, ahead);
    size_t lines = entry_size(entry) / CACHE_LINE + 1;
    for (size_t line = 2; line < lines && line < AHEAD_LINES_MAX; line++)
        __builtin_prefetch((const char *)entry + line * CACHE_LINE);
    return false;
}

struct entry_hash_iterator entry_hash_begin(const struct entry *entry)
{
    const struct hash *hash = hash_object(entry);
    if (hash == NULL)
        return (struct entry_hash_iterator){.packed = hash_packed(entry)};
    return (struct entry_hash_iterator){.object = {.hash = hash}};
}

bool entry_hash_iterate(struct entry_hash_iterator *iterator, struct hash_field *field)
{
    if (iterator->packed != NULL)
        return packed_hash_next(iterator->packed, &iterator->position, field);
    return hash_iterate(&iterator->object, field);
}

uint64_t entry_hash_scan(const struct entry *entry, uint64_t cursor, hash_visit *visit, void *context)
{
    const struct hash *hash = hash_object(entry);
    if (hash != NULL)
        return hash_scan(hash, cursor, visit, context);
    size_t position = 0;
    struct hash_field field;
    while (packed_hash_next(hash_packed(entry), &position, &field))
        visit(context, &field);
    return 0;
}

bool entry_hash_random(const struct entry *entry, struct random *random, int64_t now_ms,
                       struct hash_field *field)
{
    const struct hash *hash = hash_object(entry);
    return hash == NULL ? packed_hash_random(hash_packed(entry), random, field)
                        : hash_random(hash, random, now_ms, field);
}

void entry_hash_draw_begin(struct entry_hash_draw *draw, const struct entry *entry, struct random *random,
                           int64_t now_ms)
{
    const struct hash *hash = hash_object(entry);
    *draw = (struct entry_hash_draw){.random = random};
    if (hash == NULL)
        draw->packed = hash_packed(entry);
    else
        hash_draw_begin(&draw->object, hash, random, now_ms);
}

bool entry_hash_draw_next(struct entry_hash_draw *draw, struct hash_field *field)
{
    return draw->packed != NULL ? packed_hash_random(draw->packed, draw->random, field)
                                : hash_draw_next(&draw->object, field);
}

void entry_hash_draw_end(struct entry_hash_draw *draw)
{
    hash_draw_end(&draw->object);
}

void entry_hash_random_distinct(const struct entry *entry, struct random *random, int64_t now_ms,
                                size_t count, hash_visit *visit, void *context)
{
    const struct hash *hash = hash_object(entry);
    if (hash == NULL)
        packed_hash_random_distinct(hash_packed(entry), random, count, visit, context);
    else
        hash_random_distinct(hash, random, now_ms, count, visit, context);
}

struct slice entry_hash_listpack(const struct entry *entry)
{
    const struct hash *hash = hash_object(entry);
    return hash == NULL ? slice_make(hash_packed(entry), entry->inline_size) : hash_listpack(hash);
}

bool entry_hash_next_due(const struct entry *entry, int64_t now_ms, struct hash_field *due)
{
    return entry_has_timed_parts(entry) && hash_next_due(hash_object(entry), now_ms, due);
}

/* --- What the store asks of every type --- */

static const char *hash_entry_encoding(const struct entry *entry)
{
    return hash_encoding_name(entry_hash_encoding(entry));
}

static size_t hash_entry_memory(const struct entry *entry)
{
    return hash_memory(hash_object(entry));
}

static size_t hash_entry_free_cost(const struct entry *entry)
{
    const struct hash *hash = hash_object(entry);
    /* One of its allocations may be large. */
    return hash_free_cost(hash) + (hash_memory(hash) < LARGE_PIECE ? 0 : LARGE_PIECE_COST);
}

static void hash_entry_release(struct entry *entry)
{
    hash_free(hash_object(entry));
}

static bool hash_entry_release_step(struct entry *entry, size_t *steps)
{
    return hash_free_step(hash_object(entry), steps);
}

static bool hash_entry_duplicate(struct entry *entry)
{
    const struct hash *hash = hash_object(entry);
    struct hash *copy = hash_duplicate(hash);
    if (copy == NULL)
        return false;
    parts_copy(copy, hash);
    entry_block(entry)->object = copy;
    return true;
}

const struct value_operations hash_operations = {
    .name = "hash",
    .encoding = hash_entry_encoding,
    .count = entry_hash_size,
    .memory = hash_entry_memory,
    .free_cost = hash_entry_free_cost,
    .release = hash_entry_release,
    .release_step = hash_entry_release_step,
    .duplicate = hash_entry_duplicate,
};
