/* Strings: SET and everything that is SET with a twist, reading, changing in place, counting. */
#include <math.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/event.h"
#include "command/large.h"
#include "command/lookup.h"
#include "family/expire.h"
#include "family/families.h"
#include "family/lcs.h"
#include "family/string_key.h"

/* --- the options of SET and GETEX ---------------------------------------------------------------------- */

enum set_condition { SET_ALWAYS, SET_IF_ABSENT, SET_IF_PRESENT, SET_IF_EQUAL };

struct time_option {
    const char *word;
    unsigned form; /* expire_form */
};

struct value_options {
    enum set_condition condition;
    struct slice expected; /* SET_IF_EQUAL: what the key must hold */
    bool get;              /* reply what the key held */
    bool keep_ttl;
    bool persist;
    const struct time_option *time; /* NULL: none */
    int time_index;
};

static const struct time_option *time_option_find(struct slice word)
{
    static const struct time_option options[] = {
        {"ex", EXPIRE_POSITIVE | EXPIRE_IN_SECONDS},
        {"px", EXPIRE_POSITIVE},
        {"exat", EXPIRE_POSITIVE | EXPIRE_IN_SECONDS | EXPIRE_ABSOLUTE},
        {"pxat", EXPIRE_POSITIVE | EXPIRE_ABSOLUTE}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (slice_is(word, options[i].word))
            return &options[i];
    return NULL;
}

/* EX, PX, EXAT, PXAT. An option may be repeated, then the last one counts; two different ones contradict. */
static bool time_option_take(const struct call *call, int *index, struct value_options *options)
{
    const struct time_option *time = time_option_find(call->argv[*index]);
    if (!time || *index + 1 == call->argc || options->keep_ttl || options->persist)
        return false;
    if (options->time && options->time != time)
        return false;
    options->time = time;
    options->time_index = ++*index;
    return true;
}

static bool set_condition_take(struct value_options *options, enum set_condition condition)
{
    if (options->condition != SET_ALWAYS && options->condition != condition)
        return false;
    options->condition = condition;
    return true;
}

static bool set_option_take(const struct call *call, int *index, struct value_options *options)
{
    struct slice word = call->argv[*index];
    if (slice_is(word, "nx"))
        return set_condition_take(options, SET_IF_ABSENT);
    if (slice_is(word, "xx"))
        return set_condition_take(options, SET_IF_PRESENT);
    if (slice_is(word, "get"))
        return options->get = true;
    if (slice_is(word, "keepttl"))
        return options->keep_ttl = !options->time;
    if (slice_is(word, "ifeq") && *index + 1 < call->argc && options->condition == SET_ALWAYS) {
        options->condition = SET_IF_EQUAL;
        options->expected = call->argv[++*index];
        return true;
    }
    return time_option_take(call, index, options);
}

static bool getex_option_take(const struct call *call, int *index, struct value_options *options)
{
    if (slice_is(call->argv[*index], "persist"))
        return options->persist = !options->time;
    return time_option_take(call, index, options);
}

/* Reads all options from argument first on; replies the error and returns false when one is wrong. */
static bool options_read(struct call *call, int first, struct value_options *options,
                         bool (*take)(const struct call *call, int *index, struct value_options *options))
{
    for (int i = first; i < call->argc; i++) {
        if (!take(call, &i, options)) {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* --- setting ------------------------------------------------------------------------------------------- */

static bool value_is(const struct entry *entry, struct slice expected)
{
    char scratch[STRING_SCRATCH];
    return slice_equal(string_value(entry, scratch), expected);
}

void call_reply_part(struct call *call, const struct entry *entry, struct slice part)
{
    struct blob *blob = entry_blob(entry);
    if (blob && part.size >= BLOB_MIN)
        reply_blob(call->reply, blob, (size_t)(part.data - blob->data), part.size);
    else
        reply_bulk(call->reply, part);
}

void call_reply_string(struct call *call, const struct entry *entry)
{
    char scratch[STRING_SCRATCH];
    call_reply_part(call, entry, string_value(entry, scratch));
}

static void reply_value(struct call *call, const struct entry *entry)
{
    if (entry)
        call_reply_string(call, entry);
    else
        reply_null(call->reply);
}

/* Whether storing will create the key, for those who want to hear of that; a key whose time has passed goes
 * first then, which is an event, too. */
static bool will_be_new(struct call *call, struct slice key, uint64_t hash)
{
    if (__builtin_expect(!(call->world->settings.notify & (NOTIFY_NEW | NOTIFY_EXPIRED)), 1))
        return false;
    return lookup_write(call, key, hash) == NULL;
}

/* What follows an attempt to store: NULL for the entry says that there was not enough memory. */
static struct entry *stored(struct call *call, struct slice key, uint64_t hash, bool is_new,
                            struct entry *entry)
{
    if (!entry) {
        call_memory_error(call);
        return NULL;
    }
    call_changed(call, key, hash);
    large_changed(call->world, entry);
    if (is_new)
        call_notify(call, NOTIFY_NEW, "new", key);
    return entry;
}

struct entry *call_store_string(struct call *call, int index, struct slice value, enum string_form form,
                                int64_t expire_ms)
{
    struct slice key = call->argv[index];
    uint64_t hash = call_hash(call, index);
    bool is_new = will_be_new(call, key, hash);
    struct entry *entry = database_set_string(call->db, key, hash, value, form, expire_ms);
    return stored(call, key, hash, is_new, entry);
}

struct entry *call_store_blob(struct call *call, int index, struct blob *blob, enum string_form form,
                              int64_t expire_ms)
{
    struct slice key = call->argv[index];
    uint64_t hash = call_hash(call, index);
    bool is_new = will_be_new(call, key, hash);
    struct entry *entry = database_set_blob(call->db, key, hash, blob, form, expire_ms);
    return stored(call, key, hash, is_new, entry);
}

struct entry *call_store_argument(struct call *call, int index, int value_index, enum string_form form,
                                  int64_t expire_ms)
{
    struct blob *blob = call_blob(call, value_index);
    return blob ? call_store_blob(call, index, blob, form, expire_ms)
                : call_store_string(call, index, call->argv[value_index], form, expire_ms);
}

bool call_read_string(struct call *call, int index, struct entry **entry)
{
    *entry = lookup_read(call, call->argv[index], call_hash(call, index));
    return call_check_type(call, *entry, VALUE_STRING);
}

bool call_write_string(struct call *call, int index, struct entry **entry)
{
    *entry = lookup_write(call, call->argv[index], call_hash(call, index));
    return call_check_type(call, *entry, VALUE_STRING);
}

enum set_outcome {
    SET_DONE,
    SET_REFUSED, /* the condition does not hold */
    SET_FAILED   /* an error was replied */
};

/* Whether the condition holds for what the key holds now. */
static enum set_outcome condition_check(struct call *call, const struct value_options *options,
                                        const struct entry *entry)
{
    switch (options->condition) {
    case SET_ALWAYS: break;
    case SET_IF_ABSENT: return entry ? SET_REFUSED : SET_DONE;
    case SET_IF_PRESENT: return entry ? SET_DONE : SET_REFUSED;
    case SET_IF_EQUAL:
        if (!call_check_type(call, entry, VALUE_STRING))
            return SET_FAILED;
        return entry && value_is(entry, options->expected) ? SET_DONE : SET_REFUSED;
    }
    return SET_DONE;
}

/* Sets the key that argument 1 names to what argument value_index gives. With GET, what it held is replied
 * first, whatever the outcome. */
static enum set_outcome set_generic(struct call *call, int value_index, const struct value_options *options)
{
    int64_t expire_ms = EXPIRE_NEVER;
    uint64_t reply_begin = call->reply->output->queued;
    struct entry *entry;
    if (options->time && !call_expire_time(call, options->time_index, options->time->form, &expire_ms))
        return SET_FAILED;
    if (options->get) {
        if (!call_read_string(call, 1, &entry))
            return SET_FAILED;
        reply_value(call, entry);
    }
    entry = lookup_write(call, call->argv[1], call_hash(call, 1));
    enum set_outcome outcome = condition_check(call, options, entry);
    if (outcome != SET_DONE)
        return outcome;
    if (options->keep_ttl && entry)
        expire_ms = entry_expire_ms(entry);
    uint64_t reply_end = call->reply->output->queued;
    entry = call_store_argument(call, 1, value_index, STRING_FORM_BEST, expire_ms);
    if (!entry) {
        /* The error takes the place of what GET replied. */
        if (reply_end > reply_begin) {
            output_rewind(call->reply->output, reply_begin);
            call_memory_error(call);
        }
        return SET_FAILED;
    }
    effect_set(call, call->session->database, entry);
    call_notify(call, NOTIFY_STRING, "set", call->argv[1]);
    if (options->time)
        call_notify(call, NOTIFY_GENERIC, "expire", call->argv[1]);
    return SET_DONE;
}

/* Without options: what was there does not matter, not even whether its time had passed. */
static void set_plainly(struct call *call)
{
    struct entry *entry = call_store_argument(call, 1, 2, STRING_FORM_BEST, EXPIRE_NEVER);
    if (!entry)
        return;
    if (__builtin_expect(large_blob(call->world, entry) != NULL, 0))
        effect_set(call, call->session->database, entry);
    else
        effect_verbatim(call);
    call_notify(call, NOTIFY_STRING, "set", call->argv[1]);
    reply_ok(call->reply);
}

/* SET looks at what the key holds only when it is asked to. */
static unsigned set_key_flags(int argc, const struct slice *argv, unsigned key_flags)
{
    static const char *const words[] = {"get", "ifeq", NULL};
    return arguments_have(argc, argv, 3, words) ? key_flags : KEY_OW | KEY_UPDATE;
}

static void set_command(struct call *call)
{
    struct value_options options = {0};
    if (call->argc == 3) {
        set_plainly(call);
        return;
    }
    if (!options_read(call, 3, &options, set_option_take))
        return;
    enum set_outcome outcome = set_generic(call, 2, &options);
    if (options.get || outcome == SET_FAILED)
        return;
    if (outcome == SET_DONE)
        reply_ok(call->reply);
    else
        reply_null(call->reply);
}

static void setnx_command(struct call *call)
{
    const struct value_options options = {.condition = SET_IF_ABSENT};
    reply_int(call->reply, set_generic(call, 2, &options) == SET_DONE);
}

static void setex_generic(struct call *call, const char *unit)
{
    const struct value_options options = {.time = time_option_find(slice_of(unit)), .time_index = 2};
    if (set_generic(call, 3, &options) == SET_DONE)
        reply_ok(call->reply);
}

static void setex_command(struct call *call)
{
    setex_generic(call, "ex");
}

static void psetex_command(struct call *call)
{
    setex_generic(call, "px");
}

static void getset_command(struct call *call)
{
    const struct value_options options = {.get = true};
    set_generic(call, 2, &options);
}

/* --- several keys -------------------------------------------------------------------------------------- */

static void mget_command(struct call *call)
{
    reply_array(call->reply, call->argc - 1);
    for (int i = 1; i < call->argc; i++) {
        struct entry *entry = lookup_read(call, call->argv[i], call_hash(call, i));
        reply_value(call, entry && entry_type(entry) == VALUE_STRING ? entry : NULL);
    }
}

/* Keys and values must come in pairs. */
static bool pairs_check(struct call *call)
{
    if (call->argc % 2 == 1)
        return true;
    call_arity_error(call);
    return false;
}

/* False, with the error replied and nothing changed, when there is not enough memory. */
static bool set_pairs(struct call *call)
{
    size_t total = 0;
    for (int i = 1; i < call->argc; i += 2)
        total += call->argv[i].size + (call_blob(call, i + 1) ? 0 : call->argv[i + 1].size);
    if (!call_memory(call, total))
        return false;
    for (int i = 1; i < call->argc; i += 2) {
        if (!call_store_argument(call, i, i + 1, STRING_FORM_BEST, EXPIRE_NEVER))
            panic("out of memory in the middle of a command that sets several keys");
        call_notify(call, NOTIFY_STRING, "set", call->argv[i]);
    }
    return true;
}

static bool key_is_named_again(const struct call *call, int index)
{
    for (int i = index + 2; i < call->argc; i += 2)
        if (slice_equal(call->argv[i], call->argv[index]))
            return true;
    return false;
}

/* MSET repeats it, whichever command it was. A large value whose key is named again behind it is nobody's by
 * now and has no file; it is left out, as within the unit there need not be room for its bytes. */
static void effect_pairs(struct call *call)
{
    size_t count = (size_t)call->argc;
    struct blob **blobs = mem_alloc_zero(count * sizeof(struct blob *));
    struct slice *argv = mem_alloc(count * sizeof(*argv));
    int argc = 0;
    argv[argc++] = SLICE_LITERAL("MSET");
    for (int i = 1; i < call->argc; i += 2) {
        bool is_large = large_size(call->world, call->argv[i + 1].size);
        if (is_large && key_is_named_again(call, i))
            continue;
        if (is_large)
            blobs[argc + 1] =
                large_blob(call->world, database_find(call->db, call->argv[i], call_hash(call, i)));
        argv[argc++] = call->argv[i];
        argv[argc++] = call->argv[i + 1];
    }
    effect_values(call, call->session->database, argc, argv, blobs);
    mem_free(argv);
    mem_free(blobs);
}

static bool any_pair_is_large(const struct call *call)
{
    for (int i = 2; i < call->argc; i += 2)
        if (large_size(call->world, call->argv[i].size))
            return true;
    return false;
}

static void mset_command(struct call *call)
{
    if (!pairs_check(call) || !set_pairs(call))
        return;
    if (any_pair_is_large(call))
        effect_pairs(call);
    else
        effect_verbatim(call);
    reply_ok(call->reply);
}

static void msetnx_command(struct call *call)
{
    if (!pairs_check(call))
        return;
    for (int i = 1; i < call->argc; i += 2) {
        if (lookup_write(call, call->argv[i], call_hash(call, i))) {
            reply_int(call->reply, 0);
            return;
        }
    }
    if (!set_pairs(call))
        return;
    effect_pairs(call);
    reply_int(call->reply, 1);
}

/* --- reading ------------------------------------------------------------------------------------------- */

static void get_command(struct call *call)
{
    struct entry *entry;
    if (call_read_string(call, 1, &entry))
        reply_value(call, entry);
}

static void getdel_command(struct call *call)
{
    struct entry *entry;
    if (!call_read_string(call, 1, &entry))
        return;
    reply_value(call, entry);
    if (entry)
        call_delete(call, call->argv[1], call_hash(call, 1));
}

/* The time is looked at only once the key is known to be there. */
static void getex_command(struct call *call)
{
    struct value_options options = {0};
    struct entry *entry;
    int64_t at_ms;
    if (!options_read(call, 2, &options, getex_option_take) || !call_read_string(call, 1, &entry))
        return;
    if (entry && options.time && !call_expire_time(call, options.time_index, options.time->form, &at_ms))
        return;
    reply_value(call, entry);
    if (entry && options.time)
        call_set_expire(call, call->argv[1], call_hash(call, 1), entry, at_ms);
    else if (entry && options.persist)
        call_persist(call, call->argv[1], call_hash(call, 1), entry);
}

static void delifeq_command(struct call *call)
{
    struct entry *entry;
    if (!call_write_string(call, 1, &entry))
        return;
    bool equal = entry && value_is(entry, call->argv[2]);
    if (equal)
        call_delete(call, call->argv[1], call_hash(call, 1));
    reply_int(call->reply, equal);
}

static void strlen_command(struct call *call)
{
    struct entry *entry;
    if (call_read_string(call, 1, &entry))
        reply_int(call->reply, entry ? (int64_t)string_size(entry) : 0);
}

/* Turns positions that may count from the end into a part of size bytes; an empty one when they do not meet.
 */
static struct slice slice_range(struct slice value, int64_t start, int64_t end)
{
    int64_t size = (int64_t)value.size;
    if (start < 0 && end < 0 && start > end)
        return slice_make(NULL, 0);
    if (start < 0)
        start = start + size < 0 ? 0 : start + size;
    if (end < 0)
        end = end + size < 0 ? 0 : end + size;
    if (end >= size)
        end = size - 1;
    if (start > end)
        return slice_make(NULL, 0);
    return slice_make(value.data + start, (size_t)(end - start + 1));
}

static void getrange_command(struct call *call)
{
    char scratch[STRING_SCRATCH];
    struct entry *entry;
    int64_t start;
    int64_t end;
    if (!call_int(call, 2, &start) || !call_int(call, 3, &end) || !call_read_string(call, 1, &entry))
        return;
    if (entry)
        call_reply_part(call, entry, slice_range(string_value(entry, scratch), start, end));
    else
        reply_bulk(call->reply, slice_make(NULL, 0));
}

/* --- changing in place --------------------------------------------------------------------------------- */

bool call_check_string_size(struct call *call, size_t offset, size_t size)
{
    uint64_t total;
    bool fits = !__builtin_add_overflow(offset, size, &total) && total <= call->world->settings.bulk_max;
    if (fits || !call->origin->is_limited)
        return true;
    reply_error(call->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

struct entry *call_write_bytes(struct call *call, int index, struct entry *entry, size_t offset,
                               struct slice value)
{
    struct slice key = call->argv[index];
    uint64_t hash = call_hash(call, index);
    bool created = !entry;
    if (created)
        entry = database_set_string(call->db, key, hash, slice_make(NULL, 0), STRING_FORM_RAW, EXPIRE_NEVER);
    if (entry)
        entry = database_write_string(call->db, entry, offset, value);
    if (!entry) {
        if (created)
            database_delete(call->db, key, hash);
        call_memory_error(call);
        return NULL;
    }
    call_changed(call, key, hash);
    large_changed(call->world, entry);
    if (created)
        call_notify(call, NOTIFY_NEW, "new", key);
    return entry;
}

struct entry *call_make_raw(struct call *call, struct entry *entry)
{
    struct entry *raw = database_write_string(call->db, entry, string_size(entry), slice_make(NULL, 0));
    return raw ? raw : entry;
}

/* Writes value into the string at offset, states the effect, tells the event and replies the new length. */
static void write_in_place(struct call *call, struct entry *entry, size_t offset, struct slice value,
                           const char *event)
{
    entry = call_write_bytes(call, 1, entry, offset, value);
    if (!entry)
        return;
    effect_verbatim(call);
    call_notify(call, NOTIFY_STRING, event, call->argv[1]);
    reply_int(call->reply, (int64_t)string_size(entry));
}

static void append_command(struct call *call)
{
    struct entry *entry;
    if (!call_write_string(call, 1, &entry))
        return;
    if (entry) {
        if (call_check_string_size(call, string_size(entry), call->argv[2].size))
            write_in_place(call, entry, string_size(entry), call->argv[2], "append");
        return;
    }
    /* A new key holds what SET would have made of it. */
    if (!call_store_argument(call, 1, 2, STRING_FORM_BEST, EXPIRE_NEVER))
        return;
    effect_verbatim(call);
    call_notify(call, NOTIFY_STRING, "append", call->argv[1]);
    reply_int(call->reply, (int64_t)call->argv[2].size);
}

static void setrange_command(struct call *call)
{
    struct slice value = call->argv[3];
    struct entry *entry;
    int64_t offset;
    if (!call_int(call, 2, &offset))
        return;
    if (offset < 0) {
        reply_error(call->reply, "ERR offset is out of range");
        return;
    }
    if (!call_write_string(call, 1, &entry))
        return;
    if (value.size == 0)
        reply_int(call->reply, entry ? (int64_t)string_size(entry) : 0);
    else if (call_check_string_size(call, (size_t)offset, value.size))
        write_in_place(call, entry, (size_t)offset, value, "setrange");
}

/* --- counting ------------------------------------------------------------------------------------------ */

static void increment(struct call *call, int64_t by)
{
    char scratch[STRING_SCRATCH];
    struct entry *entry;
    int64_t value = 0;
    if (!call_write_string(call, 1, &entry))
        return;
    if (entry && !string_int(entry, &value) && !int64_parse(string_value(entry, scratch), &value)) {
        reply_error(call->reply, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        reply_error(call->reply, "ERR increment or decrement would overflow");
        return;
    }
    uint64_t hash = call_hash(call, 1);
    int64_t expire_ms = entry ? entry_expire_ms(entry) : EXPIRE_NEVER;
    bool is_new = !entry;
    entry = database_set_int(call->db, call->argv[1], hash, value, expire_ms);
    if (!entry) {
        call_memory_error(call);
        return;
    }
    call_changed(call, call->argv[1], hash);
    effect_verbatim(call);
    if (is_new)
        call_notify(call, NOTIFY_NEW, "new", call->argv[1]);
    call_notify(call, NOTIFY_STRING, "incrby", call->argv[1]);
    reply_int(call->reply, value);
}

static void incr_command(struct call *call)
{
    increment(call, 1);
}

static void decr_command(struct call *call)
{
    increment(call, -1);
}

static void incrby_command(struct call *call)
{
    int64_t by;
    if (call_int(call, 2, &by))
        increment(call, by);
}

static void decrby_command(struct call *call)
{
    int64_t by;
    if (!call_int(call, 2, &by))
        return;
    if (by == INT64_MIN) {
        reply_error(call->reply, "ERR decrement would overflow");
        return;
    }
    increment(call, -by);
}

static void incrbyfloat_command(struct call *call)
{
    char scratch[STRING_SCRATCH];
    char text[FLOAT_TEXT_MAX];
    struct entry *entry;
    long double value = 0;
    long double by;
    if (!call_write_string(call, 1, &entry))
        return;
    if (entry && !long_double_parse(string_value(entry, scratch), &value)) {
        reply_error(call->reply, "ERR value is not a valid float");
        return;
    }
    if (!call_long_double(call, 2, &by))
        return;
    value += by;
    if (isnan(value) || isinf(value)) {
        reply_error(call->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    struct slice result = slice_make(text, long_double_format(text, value));
    entry =
        call_store_string(call, 1, result, STRING_FORM_BYTES, entry ? entry_expire_ms(entry) : EXPIRE_NEVER);
    if (!entry)
        return;
    effect_set(call, call->session->database, entry);
    call_notify(call, NOTIFY_STRING, "incrbyfloat", call->argv[1]);
    reply_bulk(call->reply, result);
}

/* --- the table ----------------------------------------------------------------------------------------- */

const struct command string_commands[] = {
    {.name = "set",
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .traits = TRAIT_STORES_VALUES,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS)},
     .vary_key_flags = set_key_flags,
     .function = set_command,
     .arguments = "key#key0 value [condition(NX|XX|IFEQ=comparison-value~8.1.0)~2.6.12] [GET~6.2.0] "
                  "[expiration(EX=seconds#integer~2.6.12|PX=milliseconds#integer~2.6.12|EXAT=unix-time-"
                  "seconds#unix-time~6.2.0|PXAT=unix-time-milliseconds#unix-time~6.2.0|KEEPTTL~6.0.0)]",
     .group = "string",
     .since = "1.0.0",
     .history = "2.6.12 Takes `EX`, `PX`, `NX` and `XX`.\n"
                "6.0.0 Takes `KEEPTTL`.\n"
                "6.2.0 Takes `GET`, `EXAT` and `PXAT`.\n"
                "7.0.0 Takes `NX` together with `GET`.",
     .complexity = "O(1)",
     .summary = "Sets a key to a string, whatever it held before; with options, only under a condition or "
                "with a time to live."},
    {.name = "get",
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = get_command,
     .arguments = "key#key0",
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Returns the string that a key holds."},
    {.name = "setnx",
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .traits = TRAIT_STORES_VALUES,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_OW | KEY_INSERT)},
     .function = setnx_command,
     .arguments = "key#key0 value",
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Sets a key to a string if there is no such key."},
    {.name = "setex",
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .traits = TRAIT_STORES_VALUES,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_OW | KEY_UPDATE)},
     .function = setex_command,
     .arguments = "key#key0 seconds#integer value",
     .group = "string",
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Sets a key to a string that lives for a number of seconds."},
    {.name = "psetex",
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .traits = TRAIT_STORES_VALUES,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_OW | KEY_UPDATE)},
     .function = psetex_command,
     .arguments = "key#key0 milliseconds#integer value",
     .group = "string",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Sets a key to a string that lives for a number of milliseconds."},
    {.name = "getset",
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .traits = TRAIT_STORES_VALUES,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
     .function = getset_command,
     .arguments = "key#key0 value",
     .group = "string",
     .since = "1.0.0",
     .deprecated = "6.2.0 `SET` with `GET`",
     .complexity = "O(1)",
     .summary = "Sets a key to a string and returns what it held before."},
    {.name = "getdel",
     .arity = 2,
     .flags = CMD_WRITE | CMD_FAST,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
     .function = getdel_command,
     .arguments = "key#key0",
     .group = "string",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Returns the string that a key holds and deletes the key."},
    {.name = "delifeq",
     .arity = 3,
     .flags = CMD_WRITE,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RM | KEY_ACCESS | KEY_DELETE)},
     .function = delifeq_command,
     .arguments = "key#key0 value",
     .group = "string",
     .since = "9.0.0",
     .complexity = "O(1)",
     .summary = "Deletes a key if it holds a given string."},
    {.name = "getex",
     .arity = -2,
     .flags = CMD_WRITE | CMD_FAST,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
     .function = getex_command,
     .arguments = "key#key0 "
                  "[expiration(EX=seconds#integer|PX=milliseconds#integer|EXAT=unix-time-seconds#unix-time|"
                  "PXAT=unix-time-milliseconds#unix-time|PERSIST)]",
     .group = "string",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Returns the string that a key holds and changes its time to live."},
    {.name = "mget",
     .arity = -2,
     .flags = CMD_READONLY | CMD_FAST,
     .categories = CAT_STRING,
     .keys = {KEYS_FROM(1, KEY_RO | KEY_ACCESS)},
     .function = mget_command,
     .arguments = "key#key0*",
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Returns the strings that several keys hold.",
     .tips = (const char *const[]){"request_policy:multi_shard", NULL}},
    {.name = "mset",
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .traits = TRAIT_STORES_VALUES,
     .categories = CAT_STRING,
     .keys = {KEYS_EVERY(1, 2, KEY_OW | KEY_UPDATE)},
     .function = mset_command,
     .arguments = "key_value(key#key0 value)*",
     .group = "string",
     .since = "1.0.1",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Sets several keys to strings, all at once.",
     .tips = (const char *const[]){"request_policy:multi_shard", "response_policy:all_succeeded", NULL}},
    {.name = "msetnx",
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .traits = TRAIT_STORES_VALUES,
     .categories = CAT_STRING,
     .keys = {KEYS_EVERY(1, 2, KEY_OW | KEY_INSERT)},
     .function = msetnx_command,
     .arguments = "key_value(key#key0 value)*",
     .group = "string",
     .since = "1.0.1",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Sets several keys to strings, all at once, if none of them is there.",
     .tips = (const char *const[]){"request_policy:multi_shard", "response_policy:agg_min", NULL}},
    {.name = "strlen",
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RO)},
     .function = strlen_command,
     .arguments = "key#key0",
     .group = "string",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Returns the length of the string that a key holds."},
    {.name = "append",
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RW | KEY_INSERT)},
     .function = append_command,
     .arguments = "key#key0 value",
     .group = "string",
     .since = "2.0.0",
     .complexity = "O(1) amortised, when the appended value is small",
     .summary = "Appends to the string that a key holds, creating the key if need be."},
    {.name = "setrange",
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RW | KEY_UPDATE)},
     .function = setrange_command,
     .arguments = "key#key0 offset#integer value",
     .group = "string",
     .since = "2.2.0",
     .complexity = "O(N) where N is the length of the value, and of the zero bytes put before it",
     .summary = "Overwrites a part of the string that a key holds, creating the key if need be."},
    {.name = "getrange",
     .arity = 4,
     .flags = CMD_READONLY,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = getrange_command,
     .arguments = "key#key0 start#integer end#integer",
     .group = "string",
     .since = "2.4.0",
     .complexity = "O(N) where N is the length of the returned string",
     .summary = "Returns a part of the string that a key holds."},
    {.name = "substr",
     .arity = 4,
     .flags = CMD_READONLY,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = getrange_command,
     .arguments = "key#key0 start#integer end#integer",
     .group = "string",
     .since = "1.0.0",
     .deprecated = "2.0.0 `GETRANGE`",
     .complexity = "O(N) where N is the length of the returned string",
     .summary = "Returns a part of the string that a key holds."},
    {.name = "incr",
     .arity = 2,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
     .function = incr_command,
     .arguments = "key#key0",
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Adds one to the integer that a key holds; a missing key counts as 0."},
    {.name = "decr",
     .arity = 2,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
     .function = decr_command,
     .arguments = "key#key0",
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Takes one from the integer that a key holds; a missing key counts as 0."},
    {.name = "incrby",
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
     .function = incrby_command,
     .arguments = "key#key0 increment#integer",
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Adds a number to the integer that a key holds; a missing key counts as 0."},
    {.name = "decrby",
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
     .function = decrby_command,
     .arguments = "key#key0 decrement#integer",
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Takes a number from the integer that a key holds; a missing key counts as 0."},
    {.name = "incrbyfloat",
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     .effect_extra = FLOAT_TEXT_MAX,
     .categories = CAT_STRING,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
     .function = incrbyfloat_command,
     .arguments = "key#key0 increment#double",
     .group = "string",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Adds a number to the floating-point number that a key holds; a missing key counts as 0."},
    {.name = "lcs",
     .arity = -3,
     .flags = CMD_READONLY,
     .categories = CAT_STRING,
     .keys = {{.index = 1, .last = 1, .step = 1, .flags = KEY_RO | KEY_ACCESS}},
     .function = lcs_command,
     .arguments = "key1#key0 key2#key0 [LEN] [IDX] [MINMATCHLEN=len#integer] [WITHMATCHLEN]",
     .group = "string",
     .since = "7.0.0",
     .complexity = "O(N*M) where N and M are the lengths of the two strings",
     .summary = "Finds the longest common subsequence of two strings."},
};
const size_t string_command_count = sizeof(string_commands) / sizeof(string_commands[0]);
