/* Hashes: fields set, read and deleted along with their times. */
#include "base/memory.h"
#include "base/number.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/event.h"
#include "family/hash/hash_key.h"

/* --- options ------------------------------------------------------------------------------------------- */

struct time_word {
    const char *word;
    unsigned form; /* expire_form */
};

static const struct time_word *time_word_find(struct slice word)
{
    static const struct time_word words[] = {{"ex", EXPIRE_IN_SECONDS},
                                             {"px", 0},
                                             {"exat", EXPIRE_IN_SECONDS | EXPIRE_ABSOLUTE},
                                             {"pxat", EXPIRE_ABSOLUTE}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (slice_is(word, words[i].word))
            return &words[i];
    return NULL;
}

/* --- HGETDEL ------------------------------------------------------------------------------------------- */

/* Replies a field's value, or null; false: it is not there. What has expired was deleted before. */
static bool reply_value(struct hash_change *change, struct slice name, struct hash_field *field)
{
    struct reply *reply = change->call->reply;
    if (change->entry && entry_hash_find(change->entry, name, field)) {
        reply_bulk(reply, field->value);
        return true;
    }
    reply_null(reply);
    return false;
}

void hgetdel_command(struct call *call)
{
    struct hash_change change;
    struct hash_field field;
    int first;
    if (!hash_change_begin(&change, call) || !call_fields(call, 2, FIELDS_NUMBER_ERROR, &first))
        return;
    hash_change_expire(&change, first, call->argc, 1);
    struct slice words[] = {SLICE_LITERAL("HDEL"), call->argv[1]};
    bool any = false;
    reply_array(call->reply, call->argc - first);
    for (int i = first; i < call->argc; i++)
        if (reply_value(&change, call->argv[i], &field))
            any |= hash_change_delete(&change, call->argv[i]);
    if (!any)
        return;
    effect_of_fields(call, 2, words, first, call->argc, 1, NULL);
    hash_change_end(&change, "hdel");
}

/* --- HGETEX -------------------------------------------------------------------------------------------- */

/* *at_ms: FIELD_KEEP_TIME for none, FIELD_NEVER for PERSIST. */
static bool hgetex_options(struct call *call, int64_t *at_ms, int *index)
{
    const struct time_word *time = time_word_find(call->argv[2]);
    *at_ms = FIELD_KEEP_TIME;
    *index = 2;
    if (time) {
        *index = 4;
        return call_field_time(call, 3, time->form, at_ms);
    }
    if (slice_is(call->argv[2], "persist")) {
        *index = 3;
        *at_ms = FIELD_NEVER;
    }
    return true;
}

static void get_fields(struct hash_change *change, int first, int64_t at_ms)
{
    struct call *call = change->call;
    struct hash_field field;
    bool *done = mem_alloc_zero((size_t)call->argc * sizeof(*done));
    bool any = false;
    hash_change_expire(change, first, call->argc, 1);
    for (int i = first; i < call->argc; i++) {
        if (!reply_value(change, call->argv[i], &field) || at_ms == FIELD_KEEP_TIME ||
            (at_ms == FIELD_NEVER && field.expire_ms == FIELD_NEVER))
            continue;
        hash_change_time(change, call->argv[i], at_ms);
        any = done[i] = true;
    }
    if (any) {
        effect_field_times(call, first, done, at_ms);
        hash_change_end(change, field_time_event(call, at_ms));
    } else if (change->entry) {
        database_touch(call->db, change->entry);
    }
    mem_free(done);
}

void hgetex_command(struct call *call)
{
    struct hash_change change;
    int64_t at_ms;
    int index;
    int first;
    if (!hash_change_begin(&change, call) || !hgetex_options(call, &at_ms, &index) ||
        !call_fields(call, index, FIELDS_NUMBER_ERROR, &first))
        return;
    reply_array(call->reply, call->argc - first);
    get_fields(&change, first, at_ms);
}

/* --- HSETEX -------------------------------------------------------------------------------------------- */

enum field_condition { FIELDS_ALWAYS, FIELDS_IF_NONE, FIELDS_IF_ALL };

struct hsetex_options {
    enum field_condition condition;
    bool has_time; /* at_ms is one of EX, PX, EXAT, PXAT, KEEPTTL */
    int64_t at_ms; /* also FIELD_NEVER and FIELD_KEEP_TIME */
    int first;     /* field */
};

static bool hsetex_condition(struct call *call, enum field_condition condition,
                             struct hsetex_options *options)
{
    if (options->condition != FIELDS_ALWAYS) {
        reply_error(call->reply, "ERR Only one of FXX or FNX arguments can be specified");
        return false;
    }
    options->condition = condition;
    return true;
}

/* time NULL: KEEPTTL. */
static bool hsetex_time(struct call *call, int *index, const struct time_word *time,
                        struct hsetex_options *options)
{
    if (options->has_time) {
        reply_error(call->reply, "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
        return false;
    }
    options->has_time = true;
    options->at_ms = FIELD_KEEP_TIME;
    if (!time)
        return true;
    if (*index + 1 == call->argc) {
        call_syntax_error(call);
        return false;
    }
    return call_field_time(call, ++*index, time->form, &options->at_ms);
}

/* FIELDS, the number, and as many pairs to the end. */
static bool hsetex_fields(struct call *call, int index, struct hsetex_options *options)
{
    int64_t count = 0;
    options->first = index + 2;
    if (index + 3 < call->argc &&
        !call_int_range(call, index + 1, 1, INT32_MAX, &count, "ERR invalid number of fields"))
        return false;
    if (count > 0 && call->argc - options->first == 2 * count)
        return true;
    call_arity_error(call);
    return false;
}

static bool hsetex_option(struct call *call, int *index, struct hsetex_options *options)
{
    struct slice word = call->argv[*index];
    const struct time_word *time = time_word_find(word);
    if (slice_is(word, "fnx"))
        return hsetex_condition(call, FIELDS_IF_NONE, options);
    if (slice_is(word, "fxx"))
        return hsetex_condition(call, FIELDS_IF_ALL, options);
    if (time || slice_is(word, "keepttl"))
        return hsetex_time(call, index, time, options);
    reply_error_format(call->reply, "ERR unknown argument: %.*s", quote_size(word), word.data);
    return false;
}

static bool hsetex_options_read(struct call *call, struct hsetex_options *options)
{
    *options = (struct hsetex_options){.at_ms = FIELD_NEVER};
    for (int i = 2; i < call->argc; i++) {
        if (slice_is(call->argv[i], "fields"))
            return hsetex_fields(call, i, options);
        if (!hsetex_option(call, &i, options))
            return false;
    }
    reply_error(call->reply, "ERR missing FIELDS argument");
    return false;
}

static bool hsetex_condition_holds(const struct hash_change *change, const struct hsetex_options *options)
{
    const struct call *call = change->call;
    struct hash_field field;
    if (options->condition == FIELDS_ALWAYS)
        return true;
    bool wanted = options->condition == FIELDS_IF_ALL;
    for (int i = options->first; i < call->argc; i += 2)
        if ((change->entry && entry_hash_find(change->entry, call->argv[i], &field)) != wanted)
            return false;
    return true;
}

/* Whether the pairs alone would leave a hash small, as Redis asks before it sets any. */
static bool pairs_are_small(const struct call *call, int first)
{
    const struct hash_settings *settings = database_hash_settings(call->db);
    if ((size_t)(call->argc - first) / 2 > settings->entries_max)
        return false;
    for (int i = first; i < call->argc; i++)
        if (call->argv[i].size > settings->value_max)
            return false;
    return true;
}

/* Fields whose time has passed already were set, and are gone again. */
static void delete_again(struct hash_change *change, int first)
{
    struct call *call = change->call;
    struct slice words[] = {SLICE_LITERAL("HDEL"), call->argv[1]};
    for (int i = first; i < call->argc; i += 2)
        hash_change_delete(change, call->argv[i]);
    effect_of_fields(call, 2, words, first, call->argc, 2, NULL);
}

static void effect_pairs(struct call *call, const struct hsetex_options *options)
{
    char time[INT64_TEXT_MAX];
    char number[INT64_TEXT_MAX];
    int count = 0;
    struct slice words[6];
    words[count++] = SLICE_LITERAL("HSETEX");
    words[count++] = call->argv[1];
    if (options->at_ms == FIELD_KEEP_TIME) {
        words[count++] = SLICE_LITERAL("KEEPTTL");
    } else if (options->at_ms != FIELD_NEVER) {
        words[count++] = SLICE_LITERAL("PXAT");
        words[count++] = slice_make(time, int64_format(time, options->at_ms));
    }
    words[count++] = SLICE_LITERAL("FIELDS");
    words[count++] = slice_make(number, int64_format(number, (call->argc - options->first) / 2));
    effect_of_fields(call, count, words, options->first, call->argc, 1, NULL);
}

void hsetex_command(struct call *call)
{
    struct hash_change change;
    struct hsetex_options options;
    if (!hsetex_options_read(call, &options) || !hash_change_begin(&change, call))
        return;
    hash_change_expire(&change, options.first, call->argc, 2);
    if (!hsetex_condition_holds(&change, &options)) {
        reply_int(call->reply, 0);
        return;
    }
    if (!hash_change_admit(call, options.first))
        return;
    bool is_past = options.at_ms >= 0 && field_time_is_past(call, options.at_ms);
    /* A hash that is there does not grow for what is to be gone at once. */
    if (!is_past || !change.entry || !pairs_are_small(call, options.first))
        hash_change_set_pairs(&change, options.first, call->argc, is_past ? FIELD_NEVER : options.at_ms);
    if (is_past)
        delete_again(&change, options.first);
    else
        effect_pairs(call, &options);
    hash_change_end_set(&change, options.at_ms >= 0 ? field_time_event(call, options.at_ms) : NULL);
    reply_int(call->reply, 1);
}
