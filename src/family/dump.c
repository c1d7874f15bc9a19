/* DUMP and RESTORE: a value as bytes that redis-server understands, too (rdb/rdb_value.h). And DKV.LOAD, by
 * which a base of the log has collections as the blocks that they are. */
#include "base/memory.h"
#include "base/number.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/event.h"
#include "command/large.h"
#include "command/lookup.h"
#include "command/whole.h"
#include "family/expire.h"
#include "family/families.h"
#include "rdb/rdb_value.h"
#include "store/value_hash.h"

static void dump_command(struct call *call)
{
    struct buffer dump = {0};
    struct entry *entry = lookup_peek(call, call->argv[1], call_hash(call, 1));
    if (!entry) {
        reply_null(call->reply);
        return;
    }
    if (!call_memory(call, 2 * entry_memory(entry)))
        return;
    rdb_append_payload(&dump, entry, call->world->settings.dump_compressed);
    reply_bulk(call->reply, buffer_slice(&dump));
    buffer_free(&dump);
}

/* --- RESTORE ------------------------------------------------------------------------------------------- */

struct restore_options {
    bool replace;
    bool absolute;
    int64_t idle_s;    /* -1: not given */
    int64_t frequency; /* -1: not given */
};

static bool option_number(struct call *call, int index, int64_t max, const char *error, int64_t *number)
{
    if (!call_int(call, index, number))
        return false;
    if (*number >= 0 && *number <= max)
        return true;
    reply_error(call->reply, error);
    return false;
}

static bool options_read(struct call *call, struct restore_options *options)
{
    *options = (struct restore_options){.idle_s = -1, .frequency = -1};
    for (int i = 4; i < call->argc; i++) {
        struct slice word = call->argv[i];
        bool has_next = i + 1 < call->argc;
        if (slice_is(word, "replace")) {
            options->replace = true;
        } else if (slice_is(word, "absttl")) {
            options->absolute = true;
        } else if (slice_is(word, "idletime") && has_next && options->frequency == -1) {
            if (!option_number(call, ++i, INT64_MAX, "ERR Invalid IDLETIME value, must be >= 0",
                               &options->idle_s))
                return false;
        } else if (slice_is(word, "freq") && has_next && options->idle_s == -1) {
            if (!option_number(call, ++i, USE_FREQUENCY_MAX,
                               "ERR Invalid FREQ value, must be >= 0 and <= 255", &options->frequency))
                return false;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* When the value expires: EXPIRE_NEVER for a time to live of 0. */
static bool restore_time(struct call *call, bool absolute, int64_t *at_ms)
{
    if (!option_number(call, 2, INT64_MAX, "ERR Invalid TTL value, must be >= 0", at_ms))
        return false;
    if (*at_ms == 0) {
        *at_ms = EXPIRE_NEVER;
        return true;
    }
    if (absolute || !__builtin_add_overflow(*at_ms, call->world->now_ms, at_ms))
        return true;
    reply_error_format(call->reply, "ERR invalid expire time in '%s' command", call->command->full_name);
    return false;
}

static void set_use(struct call *call, struct entry *entry, const struct restore_options *options)
{
    /* Longer than this no time of last use tells. */
    static const int64_t idle_max_s = 100 * 24 * 3600;
    int64_t idle_s = options->idle_s < idle_max_s ? options->idle_s : idle_max_s;
    if (idle_s >= 0)
        entry_set_idle_ms(entry, call->world->use_ms, idle_s * 1000);
    if (options->frequency >= 0)
        database_set_frequency(call->db, entry, (int)options->frequency);
}

/* The effect is the same payload, with the time to live as it came out. */
static void effect_restore(struct call *call, int64_t at_ms)
{
    char digits[INT64_TEXT_MAX];
    size_t size = int64_format(digits, at_ms == EXPIRE_NEVER ? 0 : at_ms);
    const struct slice argv[] = {SLICE_LITERAL("RESTORE"), call->argv[1],
                                 slice_make(digits, size), call->argv[3],
                                 SLICE_LITERAL("ABSTTL"),  SLICE_LITERAL("REPLACE")};
    effect_command(call, call->session->database, sizeof(argv) / sizeof(argv[0]), argv);
}

/* The value in the place of what the key holds: call_store_string's like for any type. */
static struct entry *put(struct call *call, uint64_t hash, struct rdb_value *value, int64_t at_ms)
{
    struct entry *entry = rdb_put_value(call->db, call->argv[1], hash, value, at_ms);
    if (!entry) {
        call_memory_error(call);
        return NULL;
    }
    call_changed(call, call->argv[1], hash);
    large_changed(call->world, entry);
    return entry;
}

static void restore(struct call *call, const struct restore_options *options, int64_t at_ms,
                    struct rdb_value *value)
{
    uint64_t hash = call_hash(call, 1);
    struct entry *entry = lookup_write(call, call->argv[1], hash);
    if (expire_has_passed(at_ms, call->world->now_ms) && call->origin->expires) {
        if (entry)
            call_delete(call, call->argv[1], hash);
        reply_ok(call->reply);
        return;
    }
    entry = put(call, hash, value, at_ms);
    if (!entry)
        return;
    set_use(call, entry, options);
    effect_restore(call, at_ms);
    /* Redis deletes what was there and adds it anew. */
    call_notify(call, NOTIFY_NEW, "new", call->argv[1]);
    call_notify(call, NOTIFY_GENERIC, "restore", call->argv[1]);
    reply_ok(call->reply);
}

static void restore_command(struct call *call)
{
    struct restore_options options;
    struct rdb_value value;
    struct slice rest;
    int64_t at_ms;
    if (!options_read(call, &options))
        return;
    if (!options.replace && lookup_write(call, call->argv[1], call_hash(call, 1))) {
        reply_error(call->reply, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!restore_time(call, options.absolute, &at_ms))
        return;
    if (!rdb_payload_value(call->argv[3], &rest)) {
        reply_error(call->reply, "ERR DUMP payload version or checksum are wrong");
        return;
    }
    uint64_t size_max = call->origin->is_limited ? call->world->settings.bulk_max : UINT64_MAX;
    switch (rdb_read_value(&rest, RDB_ANYBODY, size_max, database_hash_settings(call->db), &value)) {
    case RDB_OK: restore(call, &options, at_ms, &value); break;
    case RDB_BAD: reply_error(call->reply, "ERR Bad data format"); break;
    case RDB_NO_MEMORY: call_memory_error(call); break;
    }
    rdb_value_drop(&value);
}

/* --- DKV.LOAD ------------------------------------------------------------------------------------------ */

struct load_options {
    int64_t at_ms;
    bool more;
    int64_t parts; /* that the value will have when all of it is there; 0: it is */
};

/* The words behind the value; a stream has them as this server writes them. */
static bool load_options(struct call *call, struct load_options *options)
{
    int at = 3;
    *options = (struct load_options){.at_ms = EXPIRE_NEVER};
    options->more = call->argc > at && slice_is(call->argv[at], "more");
    at += options->more;
    if (call->argc == at)
        return true;
    if (call->argc == at + 2 && slice_is(call->argv[at], "of"))
        return call_int_range(call, at + 1, 0, INT64_MAX, &options->parts, NULL);
    if (call->argc == 5 && slice_is(call->argv[3], "pxat"))
        return call_int(call, 4, &options->at_ms);
    call_syntax_error(call);
    return false;
}

/* How many times as many parts as there are may be expected: what is promised is believed as far only as what
 * came bears it out. */
#define EXPECTED_FACTOR 64

/* More pieces follow, and find the room that they need. */
static void load_expect(struct call *call, struct entry *entry, int64_t parts)
{
    if (parts <= 0 || entry_type(entry) != VALUE_HASH)
        return;
    size_t size = entry_hash_size(entry);
    size_t expected = (size_t)parts / EXPECTED_FACTOR < size ? (size_t)parts : size * EXPECTED_FACTOR;
    database_hash_expect(call->db, entry, size < (size_t)parts ? expected : 0);
}

static enum rdb_status load(struct call *call, struct slice rest, const struct load_options *options)
{
    struct rdb_value value;
    struct entry *entry;
    enum rdb_status status =
        rdb_read_value(&rest, RDB_OWN, UINT64_MAX, database_hash_settings(call->db), &value);
    if (status == RDB_OK && rest.size > 0)
        status = RDB_BAD;
    if (status == RDB_OK && (entry = put(call, call_hash(call, 1), &value, options->at_ms)) == NULL)
        status = RDB_NO_MEMORY;
    if (status == RDB_OK)
        load_expect(call, entry, options->parts);
    rdb_value_drop(&value);
    return status;
}

static enum rdb_status load_more(struct call *call, struct slice rest, const struct load_options *options)
{
    uint64_t hash = call_hash(call, 1);
    struct entry *entry = lookup_write(call, call->argv[1], hash);
    if (!entry)
        return RDB_BAD;
    enum rdb_status status = rdb_read_more(&rest, call->db, call->argv[1], hash, &entry);
    load_expect(call, entry, options->parts);
    call_changed(call, call->argv[1], hash);
    return status == RDB_OK && rest.size > 0 ? RDB_BAD : status;
}

static void load_command(struct call *call)
{
    struct load_options options;
    if (!load_options(call, &options))
        return;
    switch (options.more ? load_more(call, call->argv[2], &options) : load(call, call->argv[2], &options)) {
    case RDB_OK: reply_ok(call->reply); break;
    case RDB_BAD: reply_error(call->reply, "ERR Bad data format"); break;
    case RDB_NO_MEMORY: call_memory_error(call); break;
    }
}

/* --- the table ----------------------------------------------------------------------------------------- */

#define RESTORE_ARGUMENTS                                                   \
    "key#key0 ttl#integer serialized-value [REPLACE~3.0.0] [ABSTTL~5.0.0] " \
    "[IDLETIME=seconds#integer~5.0.0] [FREQ=frequency#integer~5.0.0]"
#define RESTORE_HISTORY        \
    "3.0.0 Takes `REPLACE`.\n" \
    "5.0.0 Takes `ABSTTL`.\n"  \
    "5.0.0 Takes `IDLETIME` and `FREQ`."

const struct command dump_commands[] = {
    {.name = "dump",
     .arity = 2,
     .flags = CMD_READONLY,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .function = dump_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "2.6.0",
     .complexity = "O(N) where N is the size of the value",
     .summary = "Returns the value of a key as bytes that RESTORE takes, of this server or another.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "restore",
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS,
     .keys = {KEY_AT(1, KEY_OW | KEY_UPDATE)},
     .function = restore_command,
     .arguments = RESTORE_ARGUMENTS,
     .group = "generic",
     .since = "2.6.0",
     .history = RESTORE_HISTORY,
     .complexity = "O(N) where N is the size of the value",
     .summary = "Creates a key from what DUMP returned."},
    {.name = "restore-asking",
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_ASKING,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS,
     .keys = {KEY_AT(1, KEY_OW | KEY_UPDATE)},
     .function = restore_command,
     .arguments = RESTORE_ARGUMENTS,
     .group = "server",
     .since = "3.0.0",
     .history = RESTORE_HISTORY,
     .internal = true,
     .complexity = "O(N) where N is the size of the value",
     .summary = "Is RESTORE, as the nodes of a cluster send it."},
    {.name = "dkv.load",
     .arity = -3,
     .flags = CMD_WRITE | CMD_NOSCRIPT | CMD_NO_MULTI,
     .traits = TRAIT_STREAM_ONLY,
     .keys = {KEY_AT(1, KEY_OW | KEY_UPDATE)},
     .function = load_command,
     .arguments = "key#key0 value [PXAT=unix-time-milliseconds#unix-time] [MORE] [OF=parts#integer]",
     .group = "generic",
     .since = "7.2.0",
     .internal = true,
     .complexity = "O(N) where N is the size of the value",
     .summary = "Makes a key from a block of the log's base."},
};
const size_t dump_command_count = sizeof(dump_commands) / sizeof(dump_commands[0]);
