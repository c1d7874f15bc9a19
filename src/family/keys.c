/* Keys whatever they hold: deleting, renaming, copying, moving, finding, and whole databases. */
#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "command/args.h"
#include "command/call.h"
#include "command/effect.h"
#include "command/event.h"
#include "command/lookup.h"
#include "command/message/tracking.h"
#include "family/cursor.h"
#include "family/families.h"

/* --- some keys ----------------------------------------------------------------------------------------- */

static void del_command(struct call *call)
{
    int64_t deleted = 0;
    for (int i = 1; i < call->argc; i++) {
        uint64_t hash = call_hash(call, i);
        if (!lookup_write(call, call->argv[i], hash))
            continue;
        call_changed(call, call->argv[i], hash);
        database_delete(call->db, call->argv[i], hash);
        call_notify(call, NOTIFY_GENERIC, "del", call->argv[i]);
        deleted++;
    }
    if (deleted > 0)
        effect_verbatim(call);
    reply_int(call->reply, deleted);
}

typedef struct entry *key_lookup(struct call *call, struct slice key, uint64_t hash);

static void count_present(struct call *call, key_lookup *lookup)
{
    int64_t present = 0;
    for (int i = 1; i < call->argc; i++)
        present += lookup(call, call->argv[i], call_hash(call, i)) != NULL;
    reply_int(call->reply, present);
}

static void exists_command(struct call *call)
{
    count_present(call, lookup_peek);
}

/* TOUCH marks a key as used even for a session that otherwise leaves no traces. */
static struct entry *touch(struct call *call, struct slice key, uint64_t hash)
{
    struct entry *entry = lookup_peek(call, key, hash);
    if (entry && !call->world->child_active)
        database_touch(call->db, entry);
    return entry;
}

static void touch_command(struct call *call)
{
    count_present(call, touch);
}

static void type_command(struct call *call)
{
    const struct entry *entry = lookup_peek(call, call->argv[1], call_hash(call, 1));
    reply_simple(call->reply, entry ? value_type_name(entry_type(entry)) : "none");
}

/* --- a key elsewhere ----------------------------------------------------------------------------------- */

enum rename_outcome { RENAME_DONE, RENAME_TAKEN, RENAME_FAILED };

/* A key renamed to itself stays as it is. With only_if_free, that counts as taken. */
static enum rename_outcome rename_generic(struct call *call, bool only_if_free)
{
    struct slice from = call->argv[1];
    struct slice to = call->argv[2];
    uint64_t from_hash = call_hash(call, 1);
    uint64_t to_hash = call_hash(call, 2);
    struct entry *entry = lookup_write(call, from, from_hash);
    if (!entry) {
        reply_error(call->reply, "ERR no such key");
        return RENAME_FAILED;
    }
    if (slice_equal(from, to))
        return only_if_free ? RENAME_TAKEN : RENAME_DONE;
    if (lookup_write(call, to, to_hash) && only_if_free)
        return RENAME_TAKEN;
    call_changed(call, from, from_hash);
    call_changed(call, to, to_hash);
    database_move_entry(call->db, entry, call->db, to);
    effect_verbatim(call);
    call_notify(call, NOTIFY_NEW, "new", to);
    call_notify(call, NOTIFY_GENERIC, "rename_from", from);
    call_notify(call, NOTIFY_GENERIC, "rename_to", to);
    return RENAME_DONE;
}

static void rename_command(struct call *call)
{
    if (rename_generic(call, false) == RENAME_DONE)
        reply_ok(call->reply);
}

static void renamenx_command(struct call *call)
{
    enum rename_outcome outcome = rename_generic(call, true);
    if (outcome != RENAME_FAILED)
        reply_int(call->reply, outcome == RENAME_DONE);
}

static void reply_same_object(struct call *call)
{
    reply_error(call->reply, "ERR source and destination objects are the same");
}

static bool copy_options(struct call *call, int *database, bool *replace)
{
    for (int i = 3; i < call->argc; i++) {
        if (slice_is(call->argv[i], "replace")) {
            *replace = true;
        } else if (slice_is(call->argv[i], "db") && i + 1 < call->argc) {
            if (!call_database_index(call, ++i, database, NULL))
                return false;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

static void copy_command(struct call *call)
{
    struct slice to = call->argv[2];
    int database = call->session->database;
    bool replace = false;
    if (!copy_options(call, &database, &replace))
        return;
    if (database == call->session->database && slice_equal(call->argv[1], to)) {
        reply_same_object(call);
        return;
    }
    uint64_t to_hash = call_hash(call, 2);
    struct entry *entry = lookup_read(call, call->argv[1], call_hash(call, 1));
    bool taken = entry && lookup_write_in(call, database, to, to_hash);
    if (!entry || (taken && !replace)) {
        reply_int(call->reply, 0);
        return;
    }
    if (!call_memory(call, entry_memory(entry)))
        return;
    struct database *target = store_database(call->world->store, database);
    call_changed_in(call, database, to, to_hash);
    if (taken)
        database_delete(target, to, to_hash);
    struct entry *copy = database_copy_entry(call->db, entry, target, to);
    if (!copy)
        panic("out of memory in the middle of COPY");
    database_touch(target, copy);
    effect_verbatim(call);
    call_notify_in(call, NOTIFY_NEW, "new", database, to);
    call_notify_in(call, NOTIFY_GENERIC, "copy_to", database, to);
    reply_int(call->reply, 1);
}

static void move_command(struct call *call)
{
    struct slice key = call->argv[1];
    uint64_t hash = call_hash(call, 1);
    int database;
    if (!call_database_index(call, 2, &database, NULL))
        return;
    if (database == call->session->database) {
        reply_same_object(call);
        return;
    }
    struct entry *entry = lookup_write(call, key, hash);
    if (!entry || lookup_write_in(call, database, key, hash)) {
        reply_int(call->reply, 0);
        return;
    }
    call_changed(call, key, hash);
    call_changed_in(call, database, key, hash);
    database_move_entry(call->db, entry, store_database(call->world->store, database), key);
    effect_verbatim(call);
    call_notify_in(call, NOTIFY_NEW, "new", database, key);
    call_notify(call, NOTIFY_GENERIC, "move_from", key);
    call_notify_in(call, NOTIFY_GENERIC, "move_to", database, key);
    reply_int(call->reply, 1);
}

/* --- finding keys -------------------------------------------------------------------------------------- */

/* Whether commands see it. Nothing here deletes what has expired: these commands only read. */
static bool is_live(const struct call *call, const struct entry *entry)
{
    return !world_hides(call->world, entry);
}

/* What a walk over the keyspace wants, and what it found. */
struct key_search {
    const struct call *call;
    struct glob *glob;        /* NULL: any key */
    const struct slice *type; /* NULL: any */
    uint64_t visited;
    struct entry **found;
    size_t count;
    size_t capacity;
};

static void key_search_visit(void *context, struct entry *entry)
{
    struct key_search *search = context;
    search->visited++;
    if (!is_live(search->call, entry))
        return;
    if (search->glob && !glob_matches(search->glob, entry_key(entry)))
        return;
    if (search->type && !slice_is(*search->type, value_type_name(entry_type(entry))))
        return;
    if (search->count == search->capacity) {
        search->capacity = search->capacity ? search->capacity * 2 : 64;
        search->found = mem_realloc(search->found, search->capacity * sizeof(struct entry *));
    }
    search->found[search->count++] = entry;
}

static void key_search_reply(struct call *call, struct key_search *search)
{
    reply_array(call->reply, (int64_t)search->count);
    for (size_t i = 0; i < search->count; i++)
        reply_bulk(call->reply, entry_key(search->found[i]));
    mem_free(search->found);
}

static void keys_command(struct call *call)
{
    struct key_search search = {.call = call};
    if (!call_pattern(call, 1, &search.glob))
        return;
    database_each(call->db, key_search_visit, &search);
    key_search_reply(call, &search);
    glob_free(search.glob);
}

/* Groups of buckets that one SCAN looks at for each key it was asked for, at the most: a nearly empty table
 * must not make it run for long. */
#define SCAN_STEPS_PER_KEY 10
#define SCAN_COUNT_DEFAULT 10

static bool scan_options(struct call *call, int64_t *count, struct key_search *search)
{
    for (int i = 2; i < call->argc; i += 2) {
        bool has_value = i + 1 < call->argc;
        if (has_value && slice_is(call->argv[i], "count")) {
            if (!call_int(call, i + 1, count))
                return false;
        } else if (has_value && slice_is(call->argv[i], "match")) {
            glob_free(search->glob);
            if (!call_pattern(call, i + 1, &search->glob))
                return false;
        } else if (has_value && slice_is(call->argv[i], "type")) {
            search->type = &call->argv[i + 1];
        } else {
            call_syntax_error(call);
            return false;
        }
        if (*count < 1) {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

static void scan_search(struct call *call, struct key_search *search, uint64_t cursor, int64_t count)
{
    int64_t steps;
    if (__builtin_mul_overflow(count, SCAN_STEPS_PER_KEY, &steps))
        steps = INT64_MAX;
    do
        cursor = database_scan(call->db, cursor, key_search_visit, search);
    while (cursor != 0 && --steps > 0 && search->visited < (uint64_t)count);
    char digits[INT64_TEXT_MAX];
    reply_array(call->reply, 2);
    reply_bulk(call->reply, slice_make(digits, uint64_format(digits, cursor)));
    key_search_reply(call, search);
}

static void scan_command(struct call *call)
{
    struct key_search search = {.call = call};
    int64_t count = SCAN_COUNT_DEFAULT;
    uint64_t cursor;
    if (call_cursor(call, 1, &cursor) && scan_options(call, &count, &search))
        scan_search(call, &search, cursor, count);
    glob_free(search.glob);
}

/* Draws before RANDOMKEY gives chance up, when most of what it draws has expired, and steps of the walk that
 * it then takes instead. */
#define RANDOM_DRAWS 100
#define RANDOM_STEPS 1000

static struct entry *random_live_entry(struct call *call)
{
    for (int i = 0; i < RANDOM_DRAWS; i++) {
        struct entry *entry = database_random(call->db);
        if (!entry || is_live(call, entry))
            return entry;
    }
    struct key_search search = {.call = call};
    uint64_t cursor = 0;
    int steps = 0;
    do
        cursor = database_scan(call->db, cursor, key_search_visit, &search);
    while (cursor != 0 && search.count == 0 && ++steps < RANDOM_STEPS);
    struct entry *entry = search.count > 0 ? search.found[0] : NULL;
    mem_free(search.found);
    return entry;
}

static void randomkey_command(struct call *call)
{
    const struct entry *entry = random_live_entry(call);
    if (entry)
        reply_bulk(call->reply, entry_key(entry));
    else
        reply_null(call->reply);
}

/* --- whole databases ----------------------------------------------------------------------------------- */

static void dbsize_command(struct call *call)
{
    reply_int(call->reply, (int64_t)database_size(call->db));
}

/* FLUSHALL's and FLUSHDB's only argument. */
static bool flush_option(struct call *call, bool *now)
{
    *now = call->argc == 2 && slice_is(call->argv[1], "sync");
    if (call->argc == 1 || *now || (call->argc == 2 && slice_is(call->argv[1], "async")))
        return true;
    call_syntax_error(call);
    return false;
}

/* Empties a database; returns whether there was anything in it. */
static bool flush_database(struct call *call, int database, bool now)
{
    struct world *world = call->world;
    struct database *db = store_database(world->store, database);
    if (database_size(db) == 0)
        return false;
    call_changed_all(call, database);
    database_clear(db, now);
    return true;
}

static void flush_range(struct call *call, int first, int last)
{
    bool now;
    bool changed = false;
    if (!flush_option(call, &now))
        return;
    for (int i = first; i <= last; i++)
        changed |= flush_database(call, i, now);
    if (call->origin->is_announced)
        tracking_flushed(call->world);
    if (changed)
        effect_verbatim(call);
    reply_ok(call->reply);
}

static void flushdb_command(struct call *call)
{
    flush_range(call, call->session->database, call->session->database);
}

static void flushall_command(struct call *call)
{
    flush_range(call, 0, store_database_count(call->world->store) - 1);
}

static void swapdb_command(struct call *call)
{
    struct store *store = call->world->store;
    int64_t given;
    int a;
    int b;
    if (!call_int_range(call, 1, INT32_MIN, INT32_MAX, &given, "ERR invalid first DB index") ||
        !call_int_range(call, 2, INT32_MIN, INT32_MAX, &given, "ERR invalid second DB index") ||
        !call_database_index(call, 1, &a, NULL) || !call_database_index(call, 2, &b, NULL))
        return;
    if (a != b) {
        call_changed_all(call, a);
        call_changed_all(call, b);
        store_swap(store, a, b);
        call_came_all(call, a);
        call_came_all(call, b);
        effect_verbatim(call);
    }
    reply_ok(call->reply);
}

static void select_command(struct call *call)
{
    if (call_database_index(call, 1, &call->session->database, NULL))
        reply_ok(call->reply);
}

/* --- the table ----------------------------------------------------------------------------------------- */

const struct command keys_commands[] = {
    {.name = "del",
     .arity = -2,
     .flags = CMD_WRITE,
     .categories = CAT_KEYSPACE,
     .keys = {KEYS_FROM(1, KEY_RM | KEY_DELETE)},
     .function = del_command,
     .arguments = "key#key0*",
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of keys, and the size of their values",
     .summary = "Deletes keys.",
     .tips = (const char *const[]){"request_policy:multi_shard", "response_policy:agg_sum", NULL}},
    {.name = "unlink",
     .arity = -2,
     .flags = CMD_WRITE | CMD_FAST,
     .categories = CAT_KEYSPACE,
     .keys = {KEYS_FROM(1, KEY_RM | KEY_DELETE)},
     .function = del_command,
     .arguments = "key#key0*",
     .group = "generic",
     .since = "4.0.0",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Deletes keys; large values are freed beside the loop.",
     .tips = (const char *const[]){"request_policy:multi_shard", "response_policy:agg_sum", NULL}},
    {.name = "exists",
     .arity = -2,
     .flags = CMD_READONLY | CMD_FAST,
     .categories = CAT_KEYSPACE,
     .keys = {KEYS_FROM(1, KEY_RO)},
     .function = exists_command,
     .arguments = "key#key0*",
     .group = "generic",
     .since = "1.0.0",
     .history = "3.0.3 Takes several keys.",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Tells how many of the keys are there.",
     .tips = (const char *const[]){"request_policy:multi_shard", "response_policy:agg_sum", NULL}},
    {.name = "touch",
     .arity = -2,
     .flags = CMD_READONLY | CMD_FAST,
     .categories = CAT_KEYSPACE,
     .keys = {KEYS_FROM(1, KEY_RO)},
     .function = touch_command,
     .arguments = "key#key0*",
     .group = "generic",
     .since = "3.2.1",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Marks keys as used now and tells how many of them are there.",
     .tips = (const char *const[]){"request_policy:multi_shard", "response_policy:agg_sum", NULL}},
    {.name = "type",
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RO)},
     .function = type_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Tells the type of the value that a key holds."},
    {.name = "rename",
     .arity = 3,
     .flags = CMD_WRITE,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_AT(2, KEY_OW | KEY_UPDATE)},
     .function = rename_command,
     .arguments = "key#key0 newkey#key1",
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Renames a key; what the new name held is replaced."},
    {.name = "renamenx",
     .arity = 3,
     .flags = CMD_WRITE | CMD_FAST,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_AT(2, KEY_OW | KEY_INSERT)},
     .function = renamenx_command,
     .arguments = "key#key0 newkey#key1",
     .group = "generic",
     .since = "1.0.0",
     .history = "3.2.0 Both names may be the same.",
     .complexity = "O(1)",
     .summary = "Renames a key if the new name is free."},
    {.name = "copy",
     .arity = -3,
     .flags = CMD_WRITE | CMD_DENYOOM,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS), KEY_AT(2, KEY_OW | KEY_UPDATE)},
     .function = copy_command,
     .arguments = "source#key0 destination#key1 [DB=destination-db#integer] [REPLACE]",
     .group = "generic",
     .since = "6.2.0",
     .complexity = "O(N) where N is the size of the value",
     .summary = "Copies a key's value and time to live to another key."},
    {.name = "move",
     .arity = 3,
     .flags = CMD_WRITE | CMD_FAST,
     .traits = TRAIT_KEEPS_VALUES,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
     .function = move_command,
     .arguments = "key#key0 db#integer",
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Moves a key to another database."},
    {.name = "randomkey",
     .arity = 1,
     .flags = CMD_READONLY | CMD_TOUCHES_ARBITRARY_KEYS,
     .traits = TRAIT_READS_ALL,
     .categories = CAT_KEYSPACE,
     .function = randomkey_command,
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Returns the name of a key chosen at random.",
     .tips = (const char *const[]){"request_policy:all_shards", "nondeterministic_output", NULL}},
    {.name = "keys",
     .arity = 2,
     .flags = CMD_READONLY,
     .traits = TRAIT_READS_ALL,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS,
     .function = keys_command,
     .arguments = "pattern#pattern",
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of keys in the database",
     .summary = "Returns the names of all keys that match a pattern.",
     .tips = (const char *const[]){"request_policy:all_shards", "nondeterministic_output_order", NULL}},
    {.name = "scan",
     .arity = -2,
     .flags = CMD_READONLY | CMD_TOUCHES_ARBITRARY_KEYS,
     .traits = TRAIT_READS_ALL,
     .categories = CAT_KEYSPACE,
     .function = scan_command,
     .arguments = "cursor#integer [MATCH=pattern#pattern] [COUNT=count#integer] [TYPE=type~6.0.0]",
     .group = "generic",
     .since = "2.8.0",
     .history = "6.0.0 Takes `TYPE`.",
     .complexity = "O(1) for every call, O(N) for a whole iteration over N keys",
     .summary = "Returns the names of the keys in the database, some at a time.",
     .tips = (const char *const[]){"nondeterministic_output", "request_policy:special", NULL}},
    {.name = "dbsize",
     .arity = 1,
     .flags = CMD_READONLY | CMD_FAST,
     .traits = TRAIT_READS_ALL,
     .categories = CAT_KEYSPACE,
     .function = dbsize_command,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Tells how many keys the database holds.",
     .tips = (const char *const[]){"request_policy:all_shards", "response_policy:agg_sum", NULL}},
    {.name = "flushdb",
     .arity = -1,
     .flags = CMD_WRITE,
     .traits = TRAIT_READS_ALL,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS,
     .function = flushdb_command,
     .arguments = "[async(ASYNC~4.0.0|SYNC~6.2.0)]",
     .group = "server",
     .since = "1.0.0",
     .history = "4.0.0 Takes `ASYNC`.\n"
                "6.2.0 Takes `SYNC`.",
     .complexity = "O(1), and O(N) work beside the loop for N keys",
     .summary = "Deletes all keys of the database.",
     .tips = (const char *const[]){"request_policy:all_shards", "response_policy:all_succeeded", NULL}},
    {.name = "flushall",
     .arity = -1,
     .flags = CMD_WRITE,
     .traits = TRAIT_READS_ALL,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS,
     .function = flushall_command,
     .arguments = "[async(ASYNC~4.0.0|SYNC~6.2.0)]",
     .group = "server",
     .since = "1.0.0",
     .history = "4.0.0 Takes `ASYNC`.\n"
                "6.2.0 Takes `SYNC`.",
     .complexity = "O(1), and O(N) work beside the loop for N keys",
     .summary = "Deletes all keys of all databases.",
     .tips = (const char *const[]){"request_policy:all_shards", "response_policy:all_succeeded", NULL}},
    {.name = "swapdb",
     .arity = 3,
     .flags = CMD_WRITE | CMD_FAST,
     .traits = TRAIT_READS_ALL,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS,
     .function = swapdb_command,
     .arguments = "index1#integer index2#integer",
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(N) where N is the number of keys watched by clients",
     .summary = "Exchanges the contents of two databases."},
    {.name = "select",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
     .categories = CAT_CONNECTION,
     .function = select_command,
     .arguments = "index#integer",
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Changes the database that the connection works on."},
};
const size_t keys_command_count = sizeof(keys_commands) / sizeof(keys_commands[0]);
