/* Hashes: due fields, and visiting many. */
#include "base/diag.h"
#include "base/memory.h"
#include "value/hash_private.h"

/* --- Due fields: in a listpack they come first --- */

int64_t hash_earliest_ms(const struct hash *hash)
{
    if (hash->encoding == HASH_TABLE)
        return packed_table_earliest(hash->table);
    if (hash->timed == 0)
        return INT64_MAX;
    int64_t earliest_ms = fields_time(hash->listpack, LISTPACK_BEGIN);
    ASSERT(earliest_ms != FIELD_NEVER);
    return earliest_ms;
}

int64_t hash_late_ms(const struct hash *hash)
{
    if (hash->encoding == HASH_TABLE)
        return packed_table_late(hash->table);
    /* The last one has the latest time, or none, which says nothing of the others. */
    int64_t late_ms;
    if (hash->timed == 0 || !listpack_number(hash->listpack, listpack_last(hash->listpack), &late_ms))
        return FIELD_NEVER;
    return late_ms != 0 ? late_ms : FIELD_NEVER;
}

void hash_note_late(struct hash *hash, int64_t expire_ms)
{
    if (hash->encoding == HASH_TABLE)
        packed_table_note_late(hash->table, expire_ms);
}

bool hash_next_due(const struct hash *hash, int64_t now_ms, struct hash_field *due)
{
    if (hash->encoding == HASH_TABLE) {
        struct packed_element element;
        if (!packed_table_next_due(hash->table, now_ms, &element))
            return false;
        field_of_element(due, &element);
        return true;
    }
    if (hash->timed == 0)
        return false;
    fields_read(hash->listpack, WIDTH_TIMED, LISTPACK_BEGIN, due);
    return due->expire_ms <= now_ms;
}

size_t hash_due_size(const struct hash *hash, int64_t now_ms)
{
    if (hash->encoding == HASH_TABLE)
        return packed_table_due_size(hash->table, now_ms);
    size_t due = 0;
    size_t at = LISTPACK_BEGIN;
    while (due < hash->timed && fields_time(hash->listpack, at) <= now_ms) {
        at += fields_bytes(hash->listpack, WIDTH_TIMED, at);
        due++;
    }
    return due;
}

/* --- All of them --- */

bool hash_iterate(struct hash_iterator *iterator, struct hash_field *field)
{
    const struct hash *hash = iterator->hash;
    if (hash->encoding == HASH_TABLE) {
        struct packed_element element;
        iterator->table.table = hash->table;
        if (!packed_table_iterate(&iterator->table, &element))
            return false;
        field_of_element(field, &element);
        return true;
    }
    size_t at = iterator->position == 0 ? LISTPACK_BEGIN : iterator->position;
    if (listpack_at_end(hash->listpack, at))
        return false;
    iterator->position = fields_read(hash->listpack, hash_width(hash), at, field);
    return true;
}

/* What visits elements of a table for somebody who visits fields. */
struct visitor {
    hash_visit *visit;
    void *context;
};

static void visit_element(void *context, const struct packed_element *element)
{
    const struct visitor *visitor = context;
    struct hash_field field;
    field_of_element(&field, element);
    visitor->visit(visitor->context, &field);
}

uint64_t hash_scan(const struct hash *hash, uint64_t cursor, hash_visit *visit, void *context)
{
    if (hash->encoding == HASH_TABLE) {
        struct visitor visitor = {visit, context};
        return packed_table_scan(hash->table, cursor, visit_element, &visitor);
    }
    struct hash_iterator iterator = {.hash = hash};
    struct hash_field field;
    while (hash_iterate(&iterator, &field))
        visit(context, &field);
    return 0;
}

/* --- By chance --- */

bool hash_random(const struct hash *hash, struct random *random, int64_t now_ms, struct hash_field *field)
{
    if (hash->encoding == HASH_TABLE) {
        struct packed_element element;
        if (!packed_table_random(hash->table, random, now_ms, &element))
            return false;
        field_of_element(field, &element);
        return true;
    }
    size_t due = hash_due_size(hash, now_ms);
    if (due == hash->size)
        return false;
    size_t index = due + random_below(random, hash->size - due);
    unsigned width = hash_width(hash);
    fields_read(hash->listpack, width, fields_seek(hash->listpack, width, index), field);
    return true;
}

void hash_draw_begin(struct hash_draw *draw, const struct hash *hash, struct random *random, int64_t now_ms)
{
    *draw = (struct hash_draw){.hash = hash, .random = random, .now_ms = now_ms};
    if (hash->encoding == HASH_TABLE)
        packed_draw_begin(&draw->table, hash->table, random, now_ms);
}

bool hash_draw_next(struct hash_draw *draw, struct hash_field *field)
{
    struct packed_element element;
    if (draw->hash->encoding != HASH_TABLE)
        return hash_random(draw->hash, draw->random, draw->now_ms, field);
    if (!packed_draw_next(&draw->table, &element))
        return false;
    field_of_element(field, &element);
    return true;
}

void hash_draw_end(struct hash_draw *draw)
{
    packed_draw_end(&draw->table);
}

/* Draws elements until count different ones have come. Where an element lies tells it from every other. */
static void draw_distinct(struct packed_draw *draw, size_t count, const struct visitor *visitor)
{
    size_t slots = 4;
    while (slots < 2 * count)
        slots *= 2;
    const char **drawn = mem_alloc_zero(slots * sizeof(*drawn));
    while (count > 0) {
        struct packed_element element;
        bool found = packed_draw_next(draw, &element);
        ASSERT(found);
        size_t slot = (uintptr_t)element.member.data * UINT64_C(0x9E3779B97F4A7C15) >> 32 & (slots - 1);
        while (drawn[slot] != NULL && drawn[slot] != element.member.data)
            slot = (slot + 1) & (slots - 1);
        if (drawn[slot] != NULL)
            continue;
        drawn[slot] = element.member.data;
        visit_element((void *)(uintptr_t)visitor, &element);
        count--;
    }
    mem_free(drawn);
}

/* As fields_choose, of those in a table that have not expired, which are so many. */
static void choose_from_table(const struct hash *hash, struct random *random, int64_t now_ms, size_t live,
                              size_t count, const struct visitor *visitor)
{
    struct packed_iterator iterator = {.table = hash->table};
    struct packed_element element;
    while (count > 0 && packed_table_iterate(&iterator, &element)) {
        if (element.time_ms != PACKED_NO_TIME && element.time_ms <= now_ms)
            continue;
        if (random_below(random, live--) < count) {
            visit_element((void *)(uintptr_t)visitor, &element);
            count--;
        }
    }
}

/* Above one in so many it is quicker to look at each field. */
#define DRAW_SHARE 4

void hash_random_distinct(const struct hash *hash, struct random *random, int64_t now_ms, size_t count,
                          hash_visit *visit, void *context)
{
    if (hash->encoding != HASH_TABLE) {
        size_t due = hash_due_size(hash, now_ms);
        fields_choose(hash->listpack, hash_width(hash), due, random, count, visit, context);
        return;
    }
    struct visitor visitor = {visit, context};
    struct packed_draw draw;
    packed_draw_begin(&draw, hash->table, random, now_ms);
    if (count < draw.live / DRAW_SHARE)
        draw_distinct(&draw, count, &visitor);
    else
        choose_from_table(hash, random, now_ms, draw.live, count, &visitor);
    packed_draw_end(&draw);
}
