/* Hashes: whole ones, fields by chance, and walks over them. */
#include <stdio.h>

#include "base/glob.h"
#include "base/number.h"
#include "command/args.h"
#include "family/cursor.h"
#include "family/hash/hash_key.h"

/* What of a field is told. */
enum field_part { PART_NAME = 1, PART_VALUE = 2, PART_BOTH = PART_NAME | PART_VALUE };

static void reply_parts(struct call *call, const struct hash_field *field, enum field_part parts)
{
    if (parts & PART_NAME)
        reply_bulk(call->reply, field->name);
    if (parts & PART_VALUE)
        reply_bulk(call->reply, field->value);
}

/* --- all of it ----------------------------------------------------------------------------------------- */

static void reply_all(struct call *call, enum field_part parts)
{
    struct hash_field field;
    struct entry *entry;
    if (!call_read_hash(call, &entry))
        return;
    int64_t size = entry ? (int64_t)call_hash_size(call, entry) : 0;
    if (parts == PART_BOTH)
        reply_map(call->reply, size);
    else
        reply_array(call->reply, size);
    if (!entry)
        return;
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    while (entry_hash_iterate(&iterator, &field))
        if (!call_hides_field(call, &field))
            reply_parts(call, &field, parts);
}

void hgetall_command(struct call *call)
{
    reply_all(call, PART_BOTH);
}

void hkeys_command(struct call *call)
{
    reply_all(call, PART_NAME);
}

void hvals_command(struct call *call)
{
    reply_all(call, PART_VALUE);
}

/* --- by chance ----------------------------------------------------------------------------------------- */

/* Bytes of a reply in which fields come again and again, about. A client can ask for any number of them with
 * one small hash; redis goes on until its memory or the client's limit ends it. */
#define AGAIN_REPLY_MAX ((uint64_t)1 << 30)
/* What an element takes beside its bytes, about. */
#define AGAIN_OVERHEAD 16

struct random_reply {
    struct call *call;
    bool with_values;
};

/* A pair is an array of its own in RESP3. */
static void reply_random(void *context, const struct hash_field *field)
{
    const struct random_reply *random = context;
    if (random->with_values && random->call->reply->protocol >= 3)
        reply_array(random->call->reply, 2);
    reply_parts(random->call, field, random->with_values ? PART_BOTH : PART_NAME);
}

static void reply_random_begin(const struct random_reply *random, int64_t count)
{
    bool flat = random->with_values && random->call->reply->protocol < 3;
    reply_array(random->call->reply, flat ? 2 * count : count);
}

static bool again_admit(struct call *call, const struct entry *entry, uint64_t count)
{
    uint64_t mean = entry_memory(entry) / entry_hash_size(entry) + AGAIN_OVERHEAD;
    uint64_t bytes;
    if (!__builtin_mul_overflow(mean, count, &bytes) && bytes <= AGAIN_REPLY_MAX)
        return true;
    reply_error(call->reply, "ERR value is out of range");
    return false;
}

/* count fields, in which the same may come again. */
static void reply_again(struct random_reply *random, const struct entry *entry, uint64_t count)
{
    struct call *call = random->call;
    struct hash_field field;
    if (!again_admit(call, entry, count))
        return;
    struct entry_hash_draw draw;
    entry_hash_draw_begin(&draw, entry, &call->world->random, call_fields_now(call));
    reply_random_begin(random, (int64_t)count);
    for (uint64_t i = 0; i < count && !output_overflowed(call->reply->output); i++)
        if (entry_hash_draw_next(&draw, &field))
            reply_random(random, &field);
    entry_hash_draw_end(&draw);
}

static bool random_options(struct call *call, int64_t *count, struct random_reply *random)
{
    if (!call_int_range(call, 2, -INT64_MAX, INT64_MAX, count, NULL))
        return false;
    random->with_values = call->argc == 4 && slice_is(call->argv[3], "withvalues");
    if (call->argc > 3 && !random->with_values) {
        call_syntax_error(call);
        return false;
    }
    if (random->with_values && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2)) {
        reply_error(call->reply, "ERR value is out of range");
        return false;
    }
    return true;
}

static void random_fields(struct call *call)
{
    struct random_reply random = {.call = call};
    struct entry *entry;
    int64_t count;
    if (!random_options(call, &count, &random) || !call_read_hash(call, &entry))
        return;
    if (!entry || count == 0) {
        reply_array(call->reply, 0);
        return;
    }
    int64_t size = (int64_t)call_hash_size(call, entry);
    if (count < 0) {
        reply_again(&random, entry, (uint64_t)-count);
        return;
    }
    reply_random_begin(&random, count < size ? count : size);
    entry_hash_random_distinct(entry, &call->world->random, call_fields_now(call), (size_t)count,
                               reply_random, &random);
}

void hrandfield_command(struct call *call)
{
    struct hash_field field;
    struct entry *entry;
    if (call->argc > 2) {
        random_fields(call);
        return;
    }
    if (!call_read_hash(call, &entry))
        return;
    if (entry && call_hash_size(call, entry) > 0 &&
        entry_hash_random(entry, &call->world->random, call_fields_now(call), &field))
        reply_bulk(call->reply, field.name);
    else
        reply_null(call->reply);
}

/* --- a walk -------------------------------------------------------------------------------------------- */

/* Steps that one HSCAN takes for each field it was asked for, at the most. */
#define SCAN_STEPS_PER_FIELD 10
#define SCAN_COUNT_DEFAULT   10

struct field_search {
    struct call *call;
    struct glob *glob; /* NULL: any name */
    int64_t count;
    enum field_part parts;
    int64_t visited;
    int64_t replied; /* elements */
};

static void field_search_visit(void *context, const struct hash_field *field)
{
    struct field_search *search = context;
    search->visited++;
    if (call_hides_field(search->call, field) || (search->glob && !glob_matches(search->glob, field->name)))
        return;
    reply_parts(search->call, field, search->parts);
    search->replied += search->parts == PART_BOTH ? 2 : 1;
}

static bool hscan_options(struct call *call, struct field_search *search)
{
    for (int i = 3; i < call->argc; i++) {
        bool has_value = i + 1 < call->argc;
        if (has_value && slice_is(call->argv[i], "count")) {
            if (!call_int(call, ++i, &search->count))
                return false;
        } else if (has_value && slice_is(call->argv[i], "match")) {
            glob_free(search->glob);
            if (!call_pattern(call, ++i, &search->glob))
                return false;
        } else if (slice_is(call->argv[i], "novalues")) {
            search->parts = PART_NAME;
        } else {
            call_syntax_error(call);
            return false;
        }
        if (search->count < 1) {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* The cursor stands before the fields, and is known behind them. */
static void hscan_reply(struct call *call, const struct entry *entry, uint64_t cursor,
                        struct field_search *search)
{
    char digits[INT64_TEXT_MAX];
    char text[INT64_TEXT_MAX + 16];
    int64_t steps;
    if (__builtin_mul_overflow(search->count, SCAN_STEPS_PER_FIELD, &steps))
        steps = INT64_MAX;
    reply_array(call->reply, 2);
    struct output_gap cursor_gap = output_gap_open(call->reply->output);
    struct output_gap size_gap = reply_later(call->reply);
    do
        cursor = entry_hash_scan(entry, cursor, field_search_visit, search);
    while (cursor != 0 && --steps > 0 && search->visited < search->count);
    reply_array_at(call->reply, size_gap, search->replied);
    int size = (int)uint64_format(digits, cursor);
    int text_size = snprintf(text, sizeof(text), "$%d\r\n%.*s\r\n", size, size, digits);
    output_gap_fill(call->reply->output, cursor_gap, text, (size_t)text_size);
}

void hscan_command(struct call *call)
{
    struct field_search search = {.call = call, .count = SCAN_COUNT_DEFAULT, .parts = PART_BOTH};
    struct entry *entry;
    uint64_t cursor;
    if (!call_cursor(call, 2, &cursor) || !call_read_hash(call, &entry))
        return;
    if (!entry) {
        reply_array(call->reply, 2);
        reply_bulk_text(call->reply, "0");
        reply_array(call->reply, 0);
    } else if (hscan_options(call, &search)) {
        hscan_reply(call, entry, cursor, &search);
    }
    glob_free(search.glob);
}
