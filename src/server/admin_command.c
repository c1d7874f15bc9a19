/* Administration: rewrites under all their names, SHUTDOWN, TIME, ROLE, and DEBUG as far as test suites need
 * it. */
#include <stdio.h>
#include <time.h>

#include "base/number.h"
#include "server/server.h"

/* --- rewrites ------------------------------------------------------------------------------------------ */

/* Begins a rewrite, or, within a transaction, whose unit is still open, asks for one right after it. */
static void rewrite_in_background(struct call *call, const char *started, const char *scheduled)
{
    struct engine *engine = server_of(call->world)->engine;
    bool later = call->session->in_exec;
    const char *error = later ? engine_rewrite_later(engine) : engine_rewrite(engine);
    if (error)
        reply_error(call->reply, error);
    else
        reply_simple(call->reply, later ? scheduled : started);
}

static void bgrewriteaof_command(struct call *call)
{
    rewrite_in_background(call, "Background append only file rewriting started",
                          "Background append only file rewriting scheduled");
}

static bool rewriting(const struct world *world)
{
    struct engine_stats stats;
    engine_stats_read(server_of(world)->engine, &stats);
    return stats.rewriting;
}

static void bgsave_command(struct call *call)
{
    if (call->argc > 2 || (call->argc == 2 && !slice_is(call->argv[1], "schedule")))
        call_syntax_error(call);
    else if (rewriting(call->world))
        reply_error(call->reply, "ERR Background save already in progress");
    else
        rewrite_in_background(call, "Background saving started", "Background saving scheduled");
}

static uint64_t rewrites_ended(const struct engine_stats *stats)
{
    return stats->rewrites + stats->rewrites_failed;
}

static bool save_check(struct session *session, struct reply *reply)
{
    struct engine_stats stats;
    engine_stats_read(server_of(session->world)->engine, &stats);
    if (rewrites_ended(&stats) == session->block_count)
        return false;
    if (stats.last_rewrite_ok)
        reply_ok(reply);
    else
        reply_error(reply, "ERR the rewrite failed; the server's log has the reason");
    return true;
}

/* Saving waits, but only for the one who asked: everybody else is served. */
static void save_command(struct call *call)
{
    if (rewriting(call->world)) {
        reply_error(call->reply, "ERR Background save already in progress");
        return;
    }
    struct engine *engine = server_of(call->world)->engine;
    struct engine_stats stats;
    engine_stats_read(engine, &stats);
    const char *error = engine_rewrite(engine);
    if (error) {
        reply_error(call->reply, error);
        return;
    }
    call->session->blocked = BLOCK_WAIT_CHECK;
    call->session->block_deadline_ms = 0;
    call->session->block_count = rewrites_ended(&stats);
    call->session->block_check = save_check;
}

static void lastsave_command(struct call *call)
{
    struct engine_stats stats;
    engine_stats_read(server_of(call->world)->engine, &stats);
    reply_int(call->reply, stats.last_rewrite_ms / 1000);
}

/* --- the server ---------------------------------------------------------------------------------------- */

static void shutdown_command(struct call *call)
{
    bool force = false;
    bool abort = false;
    bool save = false;
    bool nosave = false;
    for (int i = 1; i < call->argc; i++) {
        if (slice_is(call->argv[i], "nosave"))
            nosave = true;
        else if (slice_is(call->argv[i], "save"))
            save = true;
        else if (slice_is(call->argv[i], "force"))
            force = true;
        else if (slice_is(call->argv[i], "abort"))
            abort = true;
        else if (!slice_is(call->argv[i], "now")) {
            call_syntax_error(call);
            return;
        }
    }
    if ((abort && call->argc > 2) || (save && nosave)) {
        call_syntax_error(call);
        return;
    }
    if (abort) {
        reply_error(call->reply, "ERR No shutdown in progress.");
        return;
    }
    /* The log is the data, so there is nothing to save or not to save: it is synced and closed in any case.
     */
    server_stop(server_of(call->world), force);
    call->session->close_after_reply = true;
}

static void time_command(struct call *call)
{
    int64_t now_us = clock_wall_us(call->world->clock);
    reply_array(call->reply, 2);
    reply_bulk_int(call->reply, now_us / 1000000);
    reply_bulk_int(call->reply, now_us % 1000000);
}

static void role_command(struct call *call)
{
    reply_array(call->reply, 3);
    reply_bulk_text(call->reply, "master");
    reply_int(call->reply, call->world->journal ? (int64_t)journal_acknowledged(call->world->journal) : 0);
    reply_array(call->reply, 0);
}

/* --- DEBUG --------------------------------------------------------------------------------------------- */

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
    static const char *const encodings[] = {"int", "embstr", "raw"};
    struct entry *entry = call_inspect(call, call->argv[2], store_hash(call->world->store, call->argv[2]));
    if (!entry) {
        reply_error(call->reply, "ERR no such key");
        return;
    }
    char text[256];
    int64_t idle_ms = entry_idle_ms(entry, call->world->now_ms);
    snprintf(text, sizeof(text),
             "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%lld lru_seconds_idle:%lld",
             (void *)entry, encodings[string_encoding(entry)], string_size(entry),
             (long long)((call->world->now_ms - idle_ms) / 1000 & 0xffffff), (long long)(idle_ms / 1000));
    reply_simple(call->reply, text);
}

static void debug_stringmatch(struct call *call)
{
    reply_int(call->reply, glob_match(call->argv[3], call->argv[2], false));
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

/* One reply of each kind that RESP has, for the tests of client libraries. */
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
    } else if (slice_is(type, "array") || slice_is(type, "set") || slice_is(type, "push")) {
        if (slice_is(type, "array"))
            reply_array(reply, 3);
        else if (slice_is(type, "set"))
            reply_set(reply, 3);
        else
            reply_push(reply, 3);
        for (int i = 0; i < 3; i++)
            reply_int(reply, i);
    } else if (slice_is(type, "attrib") && reply->protocol < 3) {
        reply_error(reply, "ERR RESP2 is not supported by this command");
    } else if (slice_is(type, "map") || slice_is(type, "attrib")) {
        if (slice_is(type, "map"))
            reply_map(reply, 3);
        else
            reply_attribute(reply, 3);
        for (int i = 0; i < 3; i++) {
            reply_int(reply, i);
            reply_bool(reply, i == 1);
        }
        if (slice_is(type, "attrib"))
            reply_bulk_text(reply, "Some real reply following the attribute");
    } else if (slice_is(type, "bignum")) {
        reply_big_number(reply, slice_of("1234567999999999999999999999999999999"));
    } else if (slice_is(type, "true") || slice_is(type, "false")) {
        reply_bool(reply, slice_is(type, "true"));
    } else if (slice_is(type, "verbatim")) {
        reply_verbatim(reply, slice_of("This is a verbatim\nstring"), "txt");
    } else {
        reply_error(
            reply,
            "ERR Wrong protocol type name. Please use one of the following: string|integer|double|null|"
            "array|set|map|attrib|push|verbatim|true|false");
    }
}

static const struct debug_operation {
    const char *name;
    int argc;
    void (*run)(struct call *call);
} debug_operations[] = {
    {"sleep", 3, debug_sleep},
    {"object", 3, debug_object},
    {"set-active-expire", 3, debug_set_active_expire},
    {"stringmatch-len", 4, debug_stringmatch},
    {"protocol", 3, debug_protocol},
    {"log", 3, debug_log},
    {"error", 3, debug_error},
    {"jmap", 2, debug_jmap},
    {"quicklist-packed-threshold", 3, debug_ok},
    {"set-disable-deny-scripts", 3, debug_ok},
};

static void debug_help(struct call *call)
{
    static const char *const lines[] = {
        "ERROR <string>",
        "    Return a Redis protocol error with <string> as message.",
        "LOG <message>",
        "    Write <message> to the server log.",
        "OBJECT <key>",
        "    Show low level info about <key> and its value.",
        "PROTOCOL <type>",
        "    Reply with a test value of the specified type.",
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
        if (slice_is(call->argv[1], debug_operations[i].name) && call->argc == debug_operations[i].argc) {
            debug_operations[i].run(call);
            return;
        }
    }
    call_subcommand_error(call);
}

/* --- the table ----------------------------------------------------------------------------------------- */

#define REWRITE_FLAGS (CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING)

static const struct command admin_commands[] = {
    {.name = "bgrewriteaof",
     .arity = 1,
     .flags = REWRITE_FLAGS,
     .function = bgrewriteaof_command,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Rewrites the log in the background."},
    {.name = "bgsave",
     .arity = -1,
     .flags = REWRITE_FLAGS,
     .function = bgsave_command,
     .arguments = "[SCHEDULE~3.2.2]",
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Rewrites the log in the background."},
    {.name = "save",
     .arity = 1,
     .flags = REWRITE_FLAGS | CMD_NO_MULTI,
     .function = save_command,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(N) where N is the total number of keys in all databases",
     .summary = "Rewrites the log and replies when that is done."},
    {.name = "lastsave",
     .arity = 1,
     .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
     .categories = CAT_ADMIN | CAT_DANGEROUS,
     .function = lastsave_command,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Returns the Unix timestamp of the last successful rewrite.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "shutdown",
     .arity = -1,
     .flags =
         CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_NO_MULTI | CMD_SENTINEL | CMD_ALLOW_BUSY,
     .function = shutdown_command,
     .arguments = "[nosave_save(NOSAVE|SAVE)] [NOW~7.0.0] [FORCE~7.0.0] [ABORT~7.0.0]",
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Makes everything durable, closes the log and stops the server."},
    {.name = "time",
     .arity = 1,
     .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
     .function = time_command,
     .group = "server",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Returns the server time.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "role",
     .arity = 1,
     .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_SENTINEL,
     .categories = CAT_ADMIN | CAT_DANGEROUS,
     .function = role_command,
     .group = "server",
     .since = "2.8.12",
     .complexity = "O(1)",
     .summary = "Returns the replication role."},
    {.name = "debug",
     .arity = -2,
     .flags = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_PROTECTED | CMD_READS_ALL,
     .function = debug_command,
     .group = "server",
     .since = "1.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for debugging commands."},
};

void admin_commands_add(struct command_table *table)
{
    command_table_add(table, admin_commands, sizeof(admin_commands) / sizeof(admin_commands[0]));
}
