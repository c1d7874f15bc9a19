/* OBJECT and MEMORY: how values are kept, and what they take. */
#include <stdio.h>

#include "base/memory.h"
#include "base/number.h"
#include "command/args.h"
#include "command/call.h"
#include "command/evict.h"
#include "command/lookup.h"
#include "family/families.h"

/* --- OBJECT -------------------------------------------------------------------------------------------- */

/* Redis keeps one object for each small integer and shares it among all keys that hold it; its count of
 * references is a constant that clients know. Here nothing is shared, but tools that look get the answer they
 * expect. */
#define SHARED_INTEGERS   10000
#define SHARED_REFERENCES INT32_MAX

/* The entry that argument 2 names; replies null when it is not there. */
static struct entry *object_entry(struct call *call)
{
    struct entry *entry = lookup_inspect(call, call->argv[2], call_hash(call, 2));
    if (!entry)
        reply_null(call->reply);
    return entry;
}

static void object_encoding_command(struct call *call)
{
    const struct entry *entry = object_entry(call);
    if (entry)
        reply_bulk_text(call->reply, entry_encoding_name(entry));
}

static void object_freq_command(struct call *call)
{
    const struct entry *entry = object_entry(call);
    if (!entry)
        return;
    if (evict_policy_is_lfu(call->world->settings.evict_policy))
        reply_int(call->reply, database_frequency(call->db, entry));
    else
        reply_error(call->reply,
                    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
                    "that when switching between policies at runtime LRU and LFU data will take some time to "
                    "adjust.");
}

static void object_idletime_command(struct call *call)
{
    const struct entry *entry = object_entry(call);
    if (!entry)
        return;
    if (evict_policy_is_lfu(call->world->settings.evict_policy))
        reply_error(call->reply,
                    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
                    "switching between policies at runtime LRU and LFU data will take some time to adjust.");
    else
        reply_int(call->reply, entry_idle_ms(entry, call->world->use_ms) / 1000);
}

static void object_refcount_command(struct call *call)
{
    const struct entry *entry = object_entry(call);
    int64_t value;
    if (!entry)
        return;
    bool shared = entry_type(entry) == VALUE_STRING && string_int(entry, &value) && value >= 0 &&
                  value < SHARED_INTEGERS;
    reply_int(call->reply, shared ? SHARED_REFERENCES : 1);
}

static void object_help_command(struct call *call)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Tell how the value of <key> is kept in memory.",
        "FREQ <key>",
        "    Tell how often <key> is used, on a logarithmic scale (LFU policies only).",
        "IDLETIME <key>",
        "    Tell for how many seconds <key> has not been used.",
        "REFCOUNT <key>",
        "    Tell how many references the value of <key> has.",
        NULL};
    call_help(call, lines);
}

/* --- MEMORY -------------------------------------------------------------------------------------------- */

static void memory_usage_command(struct call *call)
{
    for (int i = 3; i < call->argc; i += 2) {
        int64_t samples;
        if (!slice_is(call->argv[i], "samples") || i + 1 == call->argc) {
            call_syntax_error(call);
            return;
        }
        if (!call_int(call, i + 1, &samples))
            return;
        if (samples < 0) {
            call_syntax_error(call);
            return;
        }
    }
    const struct entry *entry = object_entry(call);
    if (entry)
        reply_int(call->reply, (int64_t)entry_memory(entry));
}

static double ratio(size_t a, size_t b)
{
    return b ? (double)a / (double)b : 0;
}

/* a - b, below 0 when a is the smaller. */
static int64_t difference(size_t a, size_t b)
{
    return (int64_t)a - (int64_t)b;
}

/* One figure of MEMORY STATS. */
static void reply_amount(struct call *call, const char *name, int64_t value)
{
    reply_bulk_text(call->reply, name);
    reply_int(call->reply, value);
}

static void reply_ratio(struct call *call, const char *name, double value)
{
    reply_bulk_text(call->reply, name);
    reply_double(call->reply, value);
}

static void reply_database(struct call *call, int index, const struct database *db)
{
    char name[32];
    snprintf(name, sizeof(name), "db.%d", index);
    reply_bulk_text(call->reply, name);
    reply_map(call->reply, 3);
    reply_amount(call, "overhead.hashtable.main", (int64_t)database_table_memory(db));
    reply_amount(call, "overhead.hashtable.expires", (int64_t)database_expiry_memory(db));
    reply_amount(call, "overhead.hashtable.slot-to-keys", 0);
}

/* Returns how many databases hold something. */
static int64_t reply_databases(struct call *call)
{
    struct store *store = call->world->store;
    int64_t count = 0;
    for (int i = 0; i < store_database_count(store); i++) {
        const struct database *db = store_database(store, i);
        if (database_size(db) == 0)
            continue;
        reply_database(call, i, db);
        count++;
    }
    return count;
}

/* In Redis's order; what is not there takes nothing. */
static void memory_stats_command(struct call *call)
{
    enum { FIELDS = 27 };
    const struct world *world = call->world;
    struct memory_stats memory;
    struct memory_parts parts = {0};
    memory_stats_read(&memory);
    if (world->memory_parts)
        world->memory_parts(world, &parts);
    size_t peak = memory.used > parts.peak ? memory.used : parts.peak;
    size_t overhead = store_overhead(world->store) + parts.startup + parts.clients;
    size_t dataset = memory.used > overhead ? memory.used - overhead : 0;
    size_t beyond_start = memory.used > parts.startup ? memory.used - parts.startup : 0;
    uint64_t unsynced =
        world->journal ? journal_executed(world->journal) - journal_written(world->journal) : 0;
    uint64_t keys = store_size(world->store);
    struct output_gap gap = reply_later(call->reply);
    reply_amount(call, "peak.allocated", (int64_t)peak);
    reply_amount(call, "total.allocated", (int64_t)memory.used);
    reply_amount(call, "startup.allocated", (int64_t)parts.startup);
    reply_amount(call, "replication.backlog", 0);
    reply_amount(call, "clients.slaves", 0);
    reply_amount(call, "clients.normal", (int64_t)parts.clients);
    reply_amount(call, "cluster.links", 0);
    reply_amount(call, "aof.buffer", (int64_t)unsynced);
    reply_amount(call, "lua.caches", 0);
    reply_amount(call, "functions.caches", 0);
    int64_t databases = reply_databases(call);
    reply_amount(call, "overhead.total", (int64_t)overhead);
    reply_amount(call, "keys.count", (int64_t)keys);
    reply_amount(call, "keys.bytes-per-key", keys ? (int64_t)(beyond_start / keys) : 0);
    reply_amount(call, "dataset.bytes", (int64_t)dataset);
    reply_ratio(call, "dataset.percentage", ratio(dataset, beyond_start) * 100);
    reply_ratio(call, "peak.percentage", ratio(memory.used, peak) * 100);
    reply_amount(call, "allocator.allocated", (int64_t)memory.allocated);
    reply_amount(call, "allocator.active", (int64_t)memory.active);
    reply_amount(call, "allocator.resident", (int64_t)memory.resident);
    reply_ratio(call, "allocator-fragmentation.ratio", ratio(memory.active, memory.allocated));
    reply_amount(call, "allocator-fragmentation.bytes", difference(memory.active, memory.allocated));
    reply_ratio(call, "allocator-rss.ratio", ratio(memory.resident, memory.active));
    reply_amount(call, "allocator-rss.bytes", difference(memory.resident, memory.active));
    reply_ratio(call, "rss-overhead.ratio", ratio(memory.rss, memory.resident));
    reply_amount(call, "rss-overhead.bytes", difference(memory.rss, memory.resident));
    reply_ratio(call, "fragmentation", ratio(memory.rss, memory.used));
    reply_amount(call, "fragmentation.bytes", difference(memory.rss, memory.used));
    reply_map_at(call->reply, gap, FIELDS + databases);
}

static void memory_malloc_stats_command(struct call *call)
{
    struct memory_stats memory;
    struct buffer text = {0};
    memory_stats_read(&memory);
    buffer_append_format(&text, "allocator: %s\n", memory_allocator_name());
    buffer_append_format(&text, "used: %zu\nallocated: %zu\nactive: %zu\nresident: %zu\nrss: %zu\n",
                         memory.used, memory.allocated, memory.active, memory.resident, memory.rss);
    reply_verbatim(call->reply, buffer_slice(&text), "txt");
    buffer_free(&text);
}

/* Below this, ratios say nothing. */
#define DOCTOR_BYTES_MIN ((size_t)5 << 20)
/* From here on, a share of waste is worth a word. */
#define DOCTOR_WASTE_RATIO 1.4

static void memory_doctor_command(struct call *call)
{
    struct memory_stats memory;
    struct buffer text = {0};
    memory_stats_read(&memory);
    if (memory.used < DOCTOR_BYTES_MIN) {
        buffer_append_text(&text, "There is too little data here for memory figures to mean anything.\n");
    } else {
        const struct {
            double ratio;
            const char *advice;
        } signs[] = {
            {ratio(memory.active, memory.allocated),
             "Fragmentation: many pages are only partly used. MEMORY PURGE does not help; a restart does."},
            {ratio(memory.resident, memory.active),
             "The allocator holds pages that nothing uses. MEMORY PURGE gives them back."},
            {ratio(memory.rss, memory.resident), "The process takes more memory than its allocator knows of: "
                                                 "large buffers, or pages shared with a child."},
        };
        for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
            if (signs[i].ratio > DOCTOR_WASTE_RATIO)
                buffer_append_format(&text, "%s (ratio %.2f)\n", signs[i].advice, signs[i].ratio);
        if (text.size == 0)
            buffer_append_text(&text, "No memory problem in sight.\n");
    }
    reply_verbatim(call->reply, buffer_slice(&text), "txt");
    buffer_free(&text);
}

static void memory_purge_command(struct call *call)
{
    memory_purge();
    reply_ok(call->reply);
}

static void memory_help_command(struct call *call)
{
    static const char *const lines[] = {"DOCTOR",
                                        "    Tell in words how the memory is doing.",
                                        "MALLOC-STATS",
                                        "    Tell what the allocator counts.",
                                        "PURGE",
                                        "    Ask the allocator to give unused pages back.",
                                        "STATS",
                                        "    Tell what takes how much memory.",
                                        "USAGE <key> [SAMPLES <count>]",
                                        "    Tell how many bytes <key> and its value take.",
                                        NULL};
    call_help(call, lines);
}

/* --- the table ----------------------------------------------------------------------------------------- */

static const struct command object_subcommands[] = {
    {.name = "encoding",
     .arity = 3,
     .flags = CMD_READONLY,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(2, KEY_RO)},
     .function = object_encoding_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Tells how a value is kept in memory.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "freq",
     .arity = 3,
     .flags = CMD_READONLY,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(2, KEY_RO)},
     .function = object_freq_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Tells how often a value is used, under an LFU policy.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "idletime",
     .arity = 3,
     .flags = CMD_READONLY,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(2, KEY_RO)},
     .function = object_idletime_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Tells for how many seconds a value has not been used.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "refcount",
     .arity = 3,
     .flags = CMD_READONLY,
     .categories = CAT_KEYSPACE,
     .keys = {KEY_AT(2, KEY_RO)},
     .function = object_refcount_command,
     .arguments = "key#key0",
     .group = "generic",
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Tells how many references a value has.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "help",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_KEYSPACE,
     .function = object_help_command,
     .group = "generic",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Lists the subcommands."},
};

static const struct command memory_subcommands[] = {
    {.name = "doctor",
     .arity = 2,
     .function = memory_doctor_command,
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Tells in words how the memory is doing.",
     .tips = (const char *const[]){"nondeterministic_output", "request_policy:all_shards",
                                   "response_policy:special", NULL}},
    {.name = "malloc-stats",
     .arity = 2,
     .function = memory_malloc_stats_command,
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Tells what the allocator counts.",
     .tips = (const char *const[]){"nondeterministic_output", "request_policy:all_shards",
                                   "response_policy:special", NULL}},
    {.name = "purge",
     .arity = 2,
     .function = memory_purge_command,
     .group = "server",
     .since = "4.0.0",
     .complexity = "Depends on how many pages are unused",
     .summary = "Asks the allocator to give unused pages back.",
     .tips = (const char *const[]){"request_policy:all_shards", "response_policy:all_succeeded", NULL}},
    {.name = "stats",
     .arity = 2,
     .traits = TRAIT_READS_ALL,
     .function = memory_stats_command,
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Tells what takes how much memory.",
     .tips = (const char *const[]){"nondeterministic_output", "request_policy:all_shards",
                                   "response_policy:special", NULL}},
    {.name = "usage",
     .arity = -3,
     .flags = CMD_READONLY,
     .keys = {KEY_AT(2, KEY_RO)},
     .function = memory_usage_command,
     .arguments = "key#key0 [SAMPLES=count#integer]",
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Tells how much memory a key and its value take."},
    {.name = "help",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .function = memory_help_command,
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Lists the subcommands."},
};

const struct command object_commands[] = {
    {.name = "object",
     .arity = -2,
     .group = "generic",
     .since = "2.2.3",
     .complexity = "Depends on subcommand.",
     .summary = "A container for commands that tell how a value is kept.",
     .subcommands = object_subcommands,
     .subcommand_count = sizeof(object_subcommands) / sizeof(object_subcommands[0])},
    {.name = "memory",
     .arity = -2,
     .group = "server",
     .since = "4.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for commands that tell about memory.",
     .subcommands = memory_subcommands,
     .subcommand_count = sizeof(memory_subcommands) / sizeof(memory_subcommands[0])},
};
const size_t object_command_count = sizeof(object_commands) / sizeof(object_commands[0]);
