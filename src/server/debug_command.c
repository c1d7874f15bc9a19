/* DEBUG, as far as test suites need it; behind enable-debug-command. */
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "base/diag.h"
#include "base/glob.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/number.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/lookup.h"
#include "command/whole.h"
#include "rdb/rdb_value.h"
#include "server/server.h"
#include "store/value_hash.h"
#include "value/listpack.h"

/* --- single keys and the process ----------------------------------------------------------------------- */

static void debug_sleep(struct call *call)
{
    long double seconds;
    if (!call_long_double(call, 2, &seconds))
        return;
    if (seconds > 0 && seconds < 1e6L) {
        struct timespec time = {.tv_sec = (time_t)seconds};
        time.tv_nsec = (long)((seconds - (long double)time.tv_sec) * 1e9L);
        while (nanosleep(&time, &time) != 0)
            ;
    }
    reply_ok(call->reply);
}

static void debug_object(struct call *call)
{
    struct entry *entry = lookup_inspect(call, call->argv[2], store_hash(call->world->store, call->argv[2]));
    if (!entry) {
        reply_error(call->reply, "ERR no such key");
        return;
    }
    char text[256];
    int64_t idle_ms = entry_idle_ms(entry, call->world->use_ms);
    snprintf(text, sizeof(text),
             "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%lld lru_seconds_idle:%lld",
             (void *)entry, entry_encoding_name(entry),
             rdb_value_size(entry, call->world->settings.dump_compressed),
             (long long)((call->world->use_ms - idle_ms) / 1000 & 0xffffff), (long long)(idle_ms / 1000));
    reply_simple(call->reply, text);
}

static void debug_stringmatch(struct call *call)
{
    struct glob *glob = glob_new(call->argv[3], false);
    if (glob)
        reply_int(call->reply, glob_matches(glob, call->argv[2]));
    else
        reply_error(call->reply, GLOB_TOO_COMPLEX);
    glob_free(glob);
}

static void debug_set_active_expire(struct call *call)
{
    int64_t on;
    if (!call_int(call, 2, &on))
        return;
    engine_set_active_expire(server_of(call->world)->engine, on != 0);
    reply_ok(call->reply);
}

static void debug_ok(struct call *call)
{
    reply_ok(call->reply);
}

static void debug_log(struct call *call)
{
    diag(DIAG_WARNING, "DEBUG LOG: %.*s", quote_size(call->argv[2]), call->argv[2].data);
    reply_ok(call->reply);
}

static void debug_error(struct call *call)
{
    reply_error_slice(call->reply, call->argv[2]);
    call->reply->errors--; /* the command has not failed, and INFO counts no such error */
}

static void debug_jmap(struct call *call)
{
    reply_error(call->reply, "ERR there is no heap of Java objects in here");
}

static void debug_attribute(struct reply *reply)
{
    reply_attribute(reply, 1);
    reply_bulk_text(reply, "key-popularity");
    reply_array(reply, 2);
    reply_bulk_text(reply, "key:123");
    reply_int(reply, 90);
}

/* One reply of each kind that RESP has, for the tests of client libraries. What is no reply of its own is
 * followed by one. */
static void debug_protocol(struct call *call)
{
    struct reply *reply = call->reply;
    struct slice type = call->argv[2];
    if (slice_is(type, "string")) {
        reply_bulk_text(reply, "Hello World");
    } else if (slice_is(type, "integer")) {
        reply_int(reply, 12345);
    } else if (slice_is(type, "double")) {
        reply_double(reply, 3.141);
    } else if (slice_is(type, "null")) {
        reply_null(reply);
    } else if (slice_is(type, "array") || slice_is(type, "set")) {
        if (slice_is(type, "array"))
            reply_array(reply, 3);
        else
            reply_set(reply, 3);
        for (int i = 0; i < 3; i++)
            reply_int(reply, i);
    } else if (slice_is(type, "map")) {
        reply_map(reply, 3);
        for (int i = 0; i < 3; i++) {
            reply_int(reply, i);
            reply_bool(reply, i == 1);
        }
    } else if (slice_is(type, "attrib")) {
        if (reply->protocol >= 3)
            debug_attribute(reply);
        reply_bulk_text(reply, "Some real reply following the attribute");
    } else if (slice_is(type, "push") && reply->protocol < 3) {
        reply_error(reply, "ERR RESP2 is not supported by this command");
    } else if (slice_is(type, "push")) {
        reply_push(reply, 2);
        reply_bulk_text(reply, "server-cpu-usage");
        reply_int(reply, 42);
        reply_bulk_text(reply, "Some real reply following the push reply");
    } else if (slice_is(type, "bignum")) {
        reply_big_number(reply, slice_of("1234567999999999999999999999999999999"));
    } else if (slice_is(type, "true") || slice_is(type, "false")) {
        reply_bool(reply, slice_is(type, "true"));
    } else if (slice_is(type, "verbatim")) {
        reply_verbatim(reply, slice_of("This is a verbatim\nstring"), "txt");
    } else {
        reply_error(
            reply,
            "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|"
            "null|array|set|map|attrib|push|verbatim|true|false");
    }
}

/* --- the whole state ----------------------------------------------------------------------------------- */

/* Options are for files of another kind: the log is all there is, and what it says replaces everything. */
static void debug_reload(struct call *call)
{
    bool loadaof = slice_is(call->argv[1], "loadaof");
    for (int i = 2; i < call->argc; i++) {
        if (loadaof || !slice_is(call->argv[i], "nosave")) {
            reply_error(call->reply,
                        "ERR DEBUG RELOAD loads the whole log: MERGE and NOFLUSH are not to be had");
            return;
        }
    }
    const char *refused = engine_reload(server_of(call->world)->engine);
    if (refused)
        reply_error(call->reply, refused);
    else
        reply_ok(call->reply);
}

#define DIGEST_WORDS 3
#define DIGEST_TEXT  40 /* letters, as many as Redis's digest has */

struct digest {
    const struct call *call;
    int database;
    uint64_t words[DIGEST_WORDS];
};

/* What a value and whether it has a time to live come to, in the digest's words; seeds: where they start
 * from. Of a time to live only that there is one counts, as in Redis. */
static void digest_value(struct digest *digest, const struct entry *entry, const uint64_t seeds[DIGEST_WORDS])
{
    bool expires = entry_expire_ms(entry) != EXPIRE_NEVER;
    for (uint64_t i = 0; i < DIGEST_WORDS; i++)
        digest->words[i] +=
            whole_digest(entry, seeds[i], digest->call->world->now_ms) + (expires ? i + 1 : 0);
}

/* In any order of keys the same. */
static void digest_add(void *context, struct entry *entry)
{
    struct digest *digest = context;
    uint64_t seeds[DIGEST_WORDS];
    if (world_hides(digest->call->world, entry))
        return;
    for (uint64_t i = 0; i < DIGEST_WORDS; i++)
        seeds[i] = hash_slice(entry_key(entry), i + (uint64_t)digest->database * DIGEST_WORDS);
    digest_value(digest, entry, seeds);
}

static void digest_format(const struct digest *digest, char text[DIGEST_TEXT + 16])
{
    for (int i = 0; i < DIGEST_WORDS; i++)
        snprintf(text + (ptrdiff_t)16 * i, 17, "%016llx", (unsigned long long)digest->words[i]);
    text[DIGEST_TEXT] = '\0';
}

/* Values that are still on their way from the disk cannot be looked at here. */
static bool digest_possible(struct call *call)
{
    if (!call->world->has_unloaded)
        return true;
    reply_error(call->reply, "ERR values are still being loaded: try again");
    return false;
}

static void debug_digest(struct call *call)
{
    struct store *store = call->world->store;
    struct digest digest = {.call = call};
    char text[DIGEST_TEXT + 16];
    if (!digest_possible(call))
        return;
    for (; digest.database < store_database_count(store); digest.database++)
        database_each(store_database(store, digest.database), digest_add, &digest);
    digest_format(&digest, text);
    reply_simple(call->reply, text);
}

static void debug_digest_value(struct call *call)
{
    char text[DIGEST_TEXT + 16];
    if (!digest_possible(call))
        return;
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++) {
        struct digest digest = {.call = call};
        struct entry *entry =
            lookup_inspect(call, call->argv[i], store_hash(call->world->store, call->argv[i]));
        /* Equal values have equal digests, whatever their keys are. */
        static const uint64_t seeds[DIGEST_WORDS] = {1, 2, 3};
        if (entry)
            digest_value(&digest, entry, seeds);
        digest_format(&digest, text);
        reply_simple(call->reply, text);
    }
}

/* Framing of SET key value in the stream. */
#define POPULATE_OVERHEAD 64

struct populate {
    int64_t count;
    struct slice prefix;
    int64_t size; /* of values; -1: as long as their text */
};

static bool populate_read(struct call *call, struct populate *populate)
{
    *populate = (struct populate){.prefix = SLICE_LITERAL("key"), .size = -1};
    if (call->argc > 3)
        populate->prefix = call->argv[3];
    return call_int_range(call, 2, 0, INT32_MAX, &populate->count, NULL) &&
           (call->argc < 5 || call_int_range(call, 4, 0, INT32_MAX, &populate->size, NULL));
}

/* How long the server stands still until the log has made room. */
#define POPULATE_WAIT_MS 5000

static bool populate_admit_size(struct journal *journal, uint64_t size)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    enum admit_result admitted;
    for (int i = 0; (admitted = journal_admit(journal, size)) == ADMIT_WAIT && i < POPULATE_WAIT_MS; i++) {
        journal_hand_over(journal);
        nanosleep(&pause, NULL);
    }
    return admitted == ADMIT_YES;
}

/* Whether the log takes all of it in one go, as a command has to be written. */
static bool populate_admit(struct call *call, const struct populate *populate)
{
    const struct world *world = call->world;
    uint64_t value = populate->size > 0 ? (uint64_t)populate->size : INT64_TEXT_MAX + 8;
    uint64_t each = 2 * (populate->prefix.size + INT64_TEXT_MAX + 1) + value + POPULATE_OVERHEAD;
    uint64_t total;
    if (!world->journal)
        return true;
    if (!__builtin_mul_overflow(each, (uint64_t)populate->count, &total) &&
        total <= server_of(world)->config->unsynced_max && populate_admit_size(world->journal, total))
        return true;
    reply_error(call->reply, "ERR that is more than the log takes in one go (unsynced-max)");
    return false;
}

static void populate_one(struct call *call, const struct populate *populate, int64_t number,
                         struct buffer *key, struct buffer *value)
{
    buffer_clear(key);
    buffer_append_slice(key, populate->prefix);
    buffer_append_format(key, ":%lld", (long long)number);
    uint64_t hash = store_hash(call->world->store, buffer_slice(key));
    if (lookup_write(call, buffer_slice(key), hash))
        return;
    buffer_clear(value);
    buffer_append_format(value, "value:%lld", (long long)number);
    if (populate->size >= 0) {
        size_t size = (size_t)populate->size;
        if (size > value->size)
            memset(buffer_reserve(value, size - value->size), 0, size - value->size);
        value->size = size;
    }
    struct entry *entry = database_set_string(call->db, buffer_slice(key), hash, buffer_slice(value),
                                              STRING_FORM_BEST, EXPIRE_NEVER);
    if (!entry)
        panic("out of memory in the middle of DEBUG POPULATE");
    call_changed(call, buffer_slice(key), hash);
    effect_set(call, call->session->database, entry);
}

static void debug_populate(struct call *call)
{
    struct populate populate;
    struct buffer key = {0};
    struct buffer value = {0};
    if (call->world->unit_open) {
        reply_error(call->reply, "ERR a transaction that has written cannot populate");
        return;
    }
    if (!populate_read(call, &populate) || !populate_admit(call, &populate))
        return;
    for (int64_t i = 0; i < populate.count; i++)
        populate_one(call, &populate, i, &key, &value);
    buffer_free(&key);
    buffer_free(&value);
    reply_ok(call->reply);
}

/* --- the rest ------------------------------------------------------------------------------------------ */

static void debug_change_repl_id(struct call *call)
{
    reply_error(call->reply, "ERR the stream's id tells which log this is: it is not to be changed");
}

/* Where Redis prints it on its standard output, it goes to the log. */
static void debug_listpack(struct call *call)
{
    struct entry *entry = lookup_inspect(call, call->argv[2], store_hash(call->world->store, call->argv[2]));
    struct slice listpack = slice_make(NULL, 0);
    if (!entry) {
        reply_error(call->reply, "ERR no such key");
        return;
    }
    if (entry_type(entry) == VALUE_HASH)
        listpack = entry_hash_listpack(entry);
    if (listpack.size == 0) {
        reply_error(call->reply, "ERR Not a listpack encoded object.");
        return;
    }
    size_t index = 0;
    diag(DIAG_NOTICE, "DEBUG LISTPACK: %zu bytes, %zu elements", listpack.size,
         listpack_count(listpack.data));
    for (size_t at = listpack_first(listpack.data); at; at = listpack_next(listpack.data, at), index++) {
        char scratch[LISTPACK_SCRATCH];
        struct slice text = listpack_text(listpack.data, at, scratch);
        diag(DIAG_NOTICE, "DEBUG LISTPACK: element %zu at %zu: %.*s", index, at, quote_size(text), text.data);
    }
    reply_simple(call->reply, "Listpack structure printed on stdout");
}

static void debug_quicklist(struct call *call)
{
    reply_error(call->reply, "ERR Not a quicklist encoded object.");
}

static const struct debug_operation {
    const char *name;
    int argc_min;
    int argc_max;
    void (*run)(struct call *call);
} debug_operations[] = {
    {"sleep", 3, 3, debug_sleep},
    {"object", 3, 3, debug_object},
    {"set-active-expire", 3, 3, debug_set_active_expire},
    {"stringmatch-len", 4, 4, debug_stringmatch},
    {"protocol", 3, 3, debug_protocol},
    {"log", 3, 3, debug_log},
    {"error", 3, 3, debug_error},
    {"jmap", 2, 2, debug_jmap},
    {"quicklist-packed-threshold", 3, 3, debug_ok},
    {"set-disable-deny-scripts", 3, 3, debug_ok},
    {"reload", 2, 5, debug_reload},
    {"loadaof", 2, 2, debug_reload},
    {"digest", 2, 2, debug_digest},
    {"digest-value", 3, INT_MAX, debug_digest_value},
    {"populate", 3, 5, debug_populate},
    {"change-repl-id", 2, 2, debug_change_repl_id},
    {"listpack", 3, 3, debug_listpack},
    {"quicklist", 3, 4, debug_quicklist},
};

static void debug_help(struct call *call)
{
    static const char *const lines[] = {
        "DIGEST",
        "    Return a hash of all databases, the same for the same keys, values and whether they expire.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Return a hash of each key and its value.",
        "ERROR <string>",
        "    Return a Redis protocol error with <string> as message.",
        "LOADAOF",
        "    As RELOAD.",
        "LOG <message>",
        "    Write <message> to the server log.",
        "OBJECT <key>",
        "    Show low level info about <key> and its value.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Create <count> strings <prefix>:<number> that are not there yet.",
        "PROTOCOL <type>",
        "    Reply with a test value of the specified type.",
        "RELOAD",
        "    Make everything durable, forget it, and load it again from the log.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Delete expired keys by themselves, or leave them until they are written to.",
        "SLEEP <seconds>",
        "    Stop the server for <seconds>. Decimals allowed.",
        "STRINGMATCH-LEN <string> <pattern>",
        "    Match <string> against <pattern>.",
        NULL};
    call_help(call, lines);
}

static void debug_command(struct call *call)
{
    if (slice_is(call->argv[1], "help")) {
        debug_help(call);
        return;
    }
    for (size_t i = 0; i < sizeof(debug_operations) / sizeof(debug_operations[0]); i++) {
        const struct debug_operation *operation = &debug_operations[i];
        if (slice_is(call->argv[1], operation->name) && call->argc >= operation->argc_min &&
            call->argc <= operation->argc_max) {
            operation->run(call);
            return;
        }
    }
    call_subcommand_error(call);
}

static const struct command debug_commands[] = {
    {.name = "debug",
     .arity = -2,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_PROTECTED,
     .traits = TRAIT_READS_ALL,
     .function = debug_command,
     .group = "server",
     .since = "1.0.0",
     .internal = true,
     .complexity = "Depends on subcommand.",
     .summary = "A container for debugging commands."},
};

void debug_commands_add(struct command_table *table)
{
    command_table_add(table, debug_commands, sizeof(debug_commands) / sizeof(debug_commands[0]));
}
