/* Hashes: counting in fields. A field keeps its time. */
#include <math.h>

#include "base/number.h"
#include "command/args.h"
#include "command/effect.h"
#include "family/hash/hash_key.h"

/* The field that argument 2 names, once it is known not to have expired; false: there is none. */
static bool find_number(struct hash_change *change, struct hash_field *field)
{
    hash_change_expire(change, 2, 3, 1);
    return change->entry && entry_hash_find(change->entry, change->call->argv[2], field);
}

void hincrby_command(struct call *call)
{
    struct hash_change change;
    struct hash_field field;
    char digits[INT64_TEXT_MAX];
    int64_t value = 0;
    int64_t by;
    bool found;
    if (!call_int(call, 3, &by) || !hash_change_begin(&change, call))
        return;
    if (find_number(&change, &field) && !int64_parse(field.value, &value)) {
        reply_error(call->reply, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        reply_error(call->reply, "ERR increment or decrement would overflow");
        return;
    }
    struct slice result = slice_make(digits, int64_format(digits, value));
    if (!hash_change_set(&change, call->argv[2], result, FIELD_KEEP_TIME, 0, &found))
        return;
    effect_verbatim(call);
    hash_change_end(&change, "hincrby");
    reply_int(call->reply, value);
}

/* Setting it to the text that came of it repeats the effect; a time that the field has must stay. */
static void effect_number(struct call *call, struct slice text, bool has_time)
{
    struct slice plain[] = {SLICE_LITERAL("HSET"), call->argv[1], call->argv[2], text};
    struct slice timed[] = {SLICE_LITERAL("HSETEX"),
                            call->argv[1],
                            SLICE_LITERAL("KEEPTTL"),
                            SLICE_LITERAL("FIELDS"),
                            SLICE_LITERAL("1"),
                            call->argv[2],
                            text};
    if (has_time)
        effect_command(call, call->session->database, 7, timed);
    else
        effect_command(call, call->session->database, 4, plain);
}

static bool read_increment(struct call *call, long double *by)
{
    if (!call_long_double(call, 3, by))
        return false;
    if (!isnan(*by) && !isinf(*by))
        return true;
    reply_error(call->reply, "ERR value is NaN or Infinity");
    return false;
}

void hincrbyfloat_command(struct call *call)
{
    struct hash_change change;
    struct hash_field field = {.expire_ms = FIELD_NEVER};
    char text[FLOAT_TEXT_MAX];
    long double value = 0;
    long double by;
    bool found;
    if (!read_increment(call, &by) || !hash_change_begin(&change, call))
        return;
    if (find_number(&change, &field) && !long_double_parse(field.value, &value)) {
        reply_error(call->reply, "ERR hash value is not a float");
        return;
    }
    value += by;
    if (isnan(value) || isinf(value)) {
        reply_error(call->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    bool has_time = field.expire_ms != FIELD_NEVER;
    struct slice result = slice_make(text, long_double_format(text, value));
    if (!hash_change_set(&change, call->argv[2], result, FIELD_KEEP_TIME, 0, &found))
        return;
    effect_number(call, result, has_time);
    hash_change_end(&change, "hincrbyfloat");
    reply_bulk(call->reply, result);
}
