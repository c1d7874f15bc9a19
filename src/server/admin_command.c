/* Administration: rewrites under all their names, SHUTDOWN, TIME and ROLE. */
#include "base/diag.h"
#include "base/number.h"
#include "command/acl/acl.h"
#include "command/args.h"
#include "command/block.h"
#include "command/world.h"
#include "server/server.h"

/* --- rewrites ------------------------------------------------------------------------------------------ */

/* Rewrites of the log and saves do the same here. That one is running means to the other what it means in
 * Redis, where they differ and only one child can be at work.
 *
 * Begins one, or asks for one behind that which is running, or behind a transaction, whose unit is open. */
static void rewrite_in_background(struct call *call, enum rewrite_kind kind, bool later, const char *started,
                                  const char *scheduled)
{
    struct engine *engine = server_of(call->world)->engine;
    later |= !call->origin->is_alone;
    const char *error = later ? engine_rewrite_later(engine, kind) : engine_rewrite_as(engine, kind);
    if (error)
        reply_error(call->reply, error);
    else
        reply_simple(call->reply, later ? scheduled : started);
}

static bool is_rewriting(const struct call *call, enum rewrite_kind kind)
{
    return engine_is_rewriting(server_of(call->world)->engine, kind);
}

static void bgrewriteaof_command(struct call *call)
{
    if (is_rewriting(call, REWRITE_LOG))
        reply_error(call->reply, "ERR Background append only file rewriting already in progress");
    else
        rewrite_in_background(call, REWRITE_LOG, is_rewriting(call, REWRITE_SAVE),
                              "Background append only file rewriting started",
                              "Background append only file rewriting scheduled");
}

static void bgsave_command(struct call *call)
{
    bool schedule = call->argc == 2 && slice_is(call->argv[1], "schedule");
    bool waits = is_rewriting(call, REWRITE_LOG);
    if (call->argc > 2 || (call->argc == 2 && !schedule))
        call_syntax_error(call);
    else if (is_rewriting(call, REWRITE_SAVE))
        reply_error(call->reply, "ERR Background save already in progress");
    else if (waits && !schedule && call->origin->is_alone)
        reply_error(
            call->reply,
            "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in "
            "order to schedule a BGSAVE whenever possible.");
    else
        rewrite_in_background(call, REWRITE_SAVE, waits, "Background saving started",
                              "Background saving scheduled");
}

/* Whether the save that this command waits for has ended; replies then. */
static bool save_has_ended(struct call *call)
{
    bool ok;
    if (engine_rewrites_ended_as(server_of(call->world)->engine, REWRITE_SAVE, &ok) ==
        call->session->block_count)
        return false;
    if (ok)
        reply_ok(call->reply);
    else
        reply_error(call->reply, "ERR the rewrite failed; the server's log has the reason");
    return true;
}

/* Saving waits, but only for the one who asked: everybody else is served. What the log's rewrite that may be
 * running writes is older than this command, so one of its own follows. */
static void save_command(struct call *call)
{
    struct engine *engine = server_of(call->world)->engine;
    if (call->resumed != RESUME_NOT) {
        if (!save_has_ended(call))
            call_block_on_event(call);
        return;
    }
    if (is_rewriting(call, REWRITE_SAVE)) {
        reply_error(call->reply, "ERR Background save already in progress");
        return;
    }
    uint64_t ended = engine_rewrites_ended_as(engine, REWRITE_SAVE, NULL);
    const char *error = is_rewriting(call, REWRITE_LOG) ? engine_rewrite_later(engine, REWRITE_SAVE)
                                                        : engine_rewrite_as(engine, REWRITE_SAVE);
    if (error) {
        reply_error(call->reply, error);
        return;
    }
    call->session->block_count = ended;
    call_block_on_event(call);
}

static void lastsave_command(struct call *call)
{
    struct engine_stats stats;
    engine_stats_read(server_of(call->world)->engine, &stats);
    reply_int(call->reply, stats.last_rewrite_ms / 1000);
}

/* --- the server ---------------------------------------------------------------------------------------- */

/* For whoever finds the server gone. */
static void log_shutdown(const struct call *call)
{
    const struct session *session = call->session;
    struct slice user = acl_user_name(session->user);
    char peer[SESSION_PEER_MAX];
    struct buffer words = {0};
    session_peer(session, peer);
    for (int i = 1; i < call->argc; i++)
        buffer_append_format(&words, " %.*s", (int)call->argv[i].size, call->argv[i].data);
    diag(DIAG_WARNING, "User requested shutdown: SHUTDOWN%.*s from id=%llu addr=%s name=%.100s user=%.*s",
         (int)words.size, words.data ? words.data : "", (unsigned long long)session->id, peer,
         session->name ? session->name : "", quote_size(user), user.data);
    buffer_free(&words);
}

static void shutdown_command(struct call *call)
{
    bool force = false;
    bool now = false;
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
        else if (slice_is(call->argv[i], "now"))
            now = true;
        else {
            call_syntax_error(call);
            return;
        }
    }
    if ((abort && (force || now || save || nosave)) || (save && nosave)) {
        call_syntax_error(call);
        return;
    }
    if (abort) {
        reply_error(call->reply, "ERR No shutdown in progress.");
        return;
    }
    /* The log is the data, so there is nothing to save or not to save: it is synced and closed in any case.
     */
    log_shutdown(call);
    server_stop(server_of(call->world), force);
    call->session->close_after_reply = true;
}

static void time_command(struct call *call)
{
    int64_t now_us = world_time_us(call->world);
    reply_array(call->reply, 2);
    reply_bulk_int(call->reply, now_us / 1000000);
    reply_bulk_int(call->reply, now_us % 1000000);
}

/* As in Redis, the offset stays 0 until somebody follows: INFO's dkv_lsn_ fields tell of the log. */
static void role_command(struct call *call)
{
    reply_array(call->reply, 3);
    reply_bulk_text(call->reply, "master");
    reply_int(call->reply, 0);
    reply_array(call->reply, 0);
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
     .history = "3.2.2 Takes `SCHEDULE`.",
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
     .history = "7.0.0 Takes `NOW`, `FORCE` and `ABORT`.",
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
};

void admin_commands_add(struct command_table *table)
{
    command_table_add(table, admin_commands, sizeof(admin_commands) / sizeof(admin_commands[0]));
}
