/* CLIENT: sessions and their connections, seen and handled by clients. */
#include <assert.h>
#include <inttypes.h>

#include "base/memory.h"
#include "base/number.h"
#include "command/acl/acl.h"
#include "command/args.h"
#include "command/block.h"
#include "command/message/tracking.h"
#include "server/server.h"

/* --- describing ---------------------------------------------------------------------------------------- */

/* Held back by CLIENT PAUSE, or waiting as its command has it. */
static bool is_blocked(const struct session *session, const struct connection_info *info)
{
    return info->blocked || (info->paused && session->world->pause != PAUSE_NONE);
}

/* That a watched key has changed tells of a write, which must not be taken back any more. */
static bool tells_of_failed_watch(const struct session *session)
{
    struct journal *journal = session->world->journal;
    return session->watch_failed && (!journal || journal_acknowledged(journal) == journal_executed(journal));
}

/* CLIENT LIST's flags, in Redis's order. */
#define FLAGS_MAX 16

static void flags_text(const struct session *session, const struct connection_info *info, char out[FLAGS_MAX])
{
    const struct {
        bool set;
        char letter;
    } flags[] = {
        {session->monitors, 'O'},
        {session_is_subscriber(session), 'P'},
        {session_in_transaction(session), 'x'},
        {is_blocked(session, info), 'b'},
        {session->tracking & TRACKING_ON, 't'},
        {session->tracking & TRACKING_BROKEN, 'R'},
        {session->tracking & TRACKING_BCAST, 'B'},
        {tells_of_failed_watch(session), 'd'},
        {info->closing, 'c'},
        {session->is_unix, 'U'},
        {session->no_evict, 'e'},
        {session->no_touch, 'T'},
    };
    size_t size = 0;
    static_assert(sizeof(flags) / sizeof(flags[0]) < FLAGS_MAX, "room for all flags");
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (flags[i].set)
            out[size++] = flags[i].letter;
    if (size == 0)
        out[size++] = 'N';
    out[size] = '\0';
}

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

void client_describe(struct buffer *out, const struct session *session)
{
    struct connection_info info;
    if (!client_connection(session, &info))
        return;
    char peer[ADDRESS_TEXT_MAX];
    char local[ADDRESS_TEXT_MAX];
    char flags[FLAGS_MAX];
    char events[3];
    size_t event = 0;
    client_peer_text(session, peer);
    client_local_text(session, local);
    flags_text(session, &info, flags);
    if (info.reads)
        events[event++] = 'r';
    if (info.writes)
        events[event++] = 'w';
    events[event] = '\0';
    int64_t now_ms = session->world->use_ms;
    buffer_append_format(out, "id=%" PRIu64 " addr=%s laddr=%s fd=%d name=%s age=%" PRId64 " idle=%" PRId64,
                         session->id, peer, local, client_fd(session), text_or_empty(session->name),
                         (now_ms - session->created_ms) / 1000, (now_ms - session->active_ms) / 1000);
    buffer_append_format(out, " flags=%s db=%d sub=%zu psub=%zu ssub=%zu multi=%d", flags, session->database,
                         session->subscription_counts[SUBSCRIPTION_CHANNEL],
                         session->subscription_counts[SUBSCRIPTION_PATTERN],
                         session->subscription_counts[SUBSCRIPTION_SHARD],
                         session_in_transaction(session) ? (int)session->queue_size : -1);
    buffer_append_format(out, " qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu", info.input_used,
                         info.input_free, info.parser_memory, session->queue_bytes);
    buffer_append_format(out, " rbs=0 rbp=0 obl=%" PRIu64 " oll=0 omem=%zu tot-mem=%zu events=%s",
                         info.output_pending, info.output_memory, client_memory(session, &info), events);
    struct slice user = acl_user_name(session->user);
    buffer_append_format(
        out, " cmd=%s user=%.*s redir=%lld resp=%d lib-name=%s lib-ver=%s\n",
        session->last_command ? session->last_command->full_name : "NULL", (int)user.size, user.data,
        session->tracking & TRACKING_ON ? (long long)session->tracking_redirect : -1LL, session->protocol,
        text_or_empty(session->library), text_or_empty(session->library_version));
}

/* --- filters ------------------------------------------------------------------------------------------- */

struct filter {
    const struct slice *ids; /* any of these; NULL: any */
    int id_count;
    const struct slice *type;
    const struct slice *user;
    const struct slice *peer;
    const struct slice *local;
    const struct session *skip;
};

static bool type_is_known(struct slice type)
{
    static const char *const types[] = {"normal", "master", "replica", "slave", "pubsub"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (slice_is(type, types[i]))
            return true;
    return false;
}

static bool id_is_among(uint64_t id, const struct slice *ids, int count)
{
    for (int i = 0; i < count; i++) {
        int64_t wanted;
        if (int64_parse(ids[i], &wanted) && wanted >= 0 && (uint64_t)wanted == id)
            return true;
    }
    return count == 0;
}

static bool filter_matches(const struct filter *filter, const struct session *session)
{
    char text[ADDRESS_TEXT_MAX];
    if ((!session->owner && !session->http_owner) || session == filter->skip)
        return false;
    if (!id_is_among(session->id, filter->ids, filter->id_count))
        return false;
    if (filter->type && !slice_is(*filter->type, session_is_subscriber(session) ? "pubsub" : "normal"))
        return false;
    if (filter->user && !slice_equal(*filter->user, acl_user_name(session->user)))
        return false;
    if (filter->peer) {
        client_peer_text(session, text);
        if (!slice_equal(*filter->peer, slice_of(text)))
            return false;
    }
    if (filter->local) {
        client_local_text(session, text);
        if (!slice_equal(*filter->local, slice_of(text)))
            return false;
    }
    return true;
}

static bool check_type(struct call *call, const struct slice *type)
{
    if (!type || type_is_known(*type))
        return true;
    reply_error_format(call->reply, "ERR Unknown client type '%.*s'", quote_size(*type), type->data);
    return false;
}

/* --- LIST, INFO, KILL ---------------------------------------------------------------------------------- */

static bool list_parse(struct call *call, struct filter *filter)
{
    if (call->argc == 2)
        return true;
    if (call->argc == 4 && slice_is(call->argv[2], "type")) {
        filter->type = &call->argv[3];
        return check_type(call, filter->type);
    }
    if (call->argc > 3 && slice_is(call->argv[2], "id")) {
        filter->ids = &call->argv[3];
        filter->id_count = call->argc - 3;
        for (int i = 0; i < filter->id_count; i++) {
            int64_t id;
            if (!int64_parse(filter->ids[i], &id)) {
                reply_error(call->reply, "ERR Invalid client ID");
                return false;
            }
        }
        return true;
    }
    call_syntax_error(call);
    return false;
}

static void list_command(struct call *call)
{
    struct filter filter = {0};
    struct buffer out = {0};
    if (!list_parse(call, &filter))
        return;
    for (struct session *session = call->world->sessions; session; session = session->next)
        if (filter_matches(&filter, session))
            client_describe(&out, session);
    reply_verbatim(call->reply, buffer_slice(&out), "txt");
    buffer_free(&out);
}

static void info_command(struct call *call)
{
    struct buffer out = {0};
    client_describe(&out, call->session);
    reply_verbatim(call->reply, buffer_slice(&out), "txt");
    buffer_free(&out);
}

/* One pair of them; redis-server, too, refuses the first that is wrong, whatever comes behind it. */
static bool kill_option(struct call *call, struct slice name, const struct slice *value,
                        struct filter *filter)
{
    int64_t id;
    if (slice_is(name, "id")) {
        filter->ids = value;
        filter->id_count = 1;
        if (int64_parse(*value, &id) && id > 0)
            return true;
        reply_error(call->reply, "ERR client-id should be greater than 0");
        return false;
    }
    if (slice_is(name, "type")) {
        filter->type = value;
        return check_type(call, value);
    }
    if (slice_is(name, "user")) {
        filter->user = value;
        if (acl_find(call->world->acl, *value))
            return true;
        reply_error_format(call->reply, "ERR No such user '%.*s'", quote_size(*value), value->data);
        return false;
    }
    if (slice_is(name, "addr")) {
        filter->peer = value;
    } else if (slice_is(name, "laddr")) {
        filter->local = value;
    } else if (slice_is(name, "skipme") && (slice_is(*value, "yes") || slice_is(*value, "no"))) {
        filter->skip = slice_is(*value, "yes") ? call->session : NULL;
    } else {
        call_syntax_error(call);
        return false;
    }
    return true;
}

static bool kill_parse(struct call *call, struct filter *filter)
{
    filter->skip = call->session;
    for (int i = 2; i < call->argc; i += 2) {
        if (i + 1 == call->argc) {
            call_syntax_error(call);
            return false;
        }
        if (!kill_option(call, call->argv[i], &call->argv[i + 1], filter))
            return false;
    }
    return true;
}

static int64_t kill_matching(struct call *call, const struct filter *filter)
{
    int64_t killed = 0;
    struct session *next;
    for (struct session *session = call->world->sessions; session; session = next) {
        next = session->next;
        if (!filter_matches(filter, session))
            continue;
        killed++;
        if (session == call->session)
            session->close_after_reply = true;
        else
            client_close(session);
    }
    return killed;
}

static void kill_command(struct call *call)
{
    struct filter filter = {0};
    if (call->argc == 3) {
        filter.peer = &call->argv[2];
        if (kill_matching(call, &filter))
            reply_ok(call->reply);
        else
            reply_error(call->reply, "ERR No such client");
        return;
    }
    if (kill_parse(call, &filter))
        reply_int(call->reply, kill_matching(call, &filter));
}

/* --- one's own session --------------------------------------------------------------------------------- */

static void id_command(struct call *call)
{
    reply_int(call->reply, (int64_t)call->session->id);
}

static void getname_command(struct call *call)
{
    if (call->session->name)
        reply_bulk_text(call->reply, call->session->name);
    else
        reply_null(call->reply);
}

static void setname_command(struct call *call)
{
    if (session_set_text(&call->session->name, call->argv[2]))
        reply_ok(call->reply);
    else
        reply_error(call->reply, "ERR Client names cannot contain spaces, newlines or special characters.");
}

static void setinfo_command(struct call *call)
{
    struct slice option = call->argv[2];
    char **field;
    if (slice_is(option, "lib-name")) {
        field = &call->session->library;
    } else if (slice_is(option, "lib-ver")) {
        field = &call->session->library_version;
    } else {
        reply_error_format(call->reply, "ERR Unrecognized option '%.*s'", quote_size(option), option.data);
        return;
    }
    if (session_set_text(field, call->argv[3]))
        reply_ok(call->reply);
    else
        reply_error_format(call->reply, "ERR %.*s cannot contain spaces, newlines or special characters.",
                           quote_size(option), option.data);
}

static void reply_command(struct call *call)
{
    struct session *session = call->session;
    if (slice_is(call->argv[2], "on")) {
        session->reply_mode = REPLY_ON;
        output_set_discard(session->output, false);
        reply_ok(call->reply);
    } else if (slice_is(call->argv[2], "off")) {
        session->reply_mode = REPLY_OFF;
    } else if (slice_is(call->argv[2], "skip")) {
        if (session->reply_mode != REPLY_OFF)
            session->reply_mode = REPLY_SKIP_NEXT;
    } else {
        call_syntax_error(call);
    }
}

static void set_switch(struct call *call, bool *flag)
{
    if (slice_is(call->argv[2], "on"))
        *flag = true;
    else if (slice_is(call->argv[2], "off"))
        *flag = false;
    else {
        call_syntax_error(call);
        return;
    }
    reply_ok(call->reply);
}

static void no_evict_command(struct call *call)
{
    set_switch(call, &call->session->no_evict);
}

static void no_touch_command(struct call *call)
{
    set_switch(call, &call->session->no_touch);
}

/* --- PAUSE, UNPAUSE, UNBLOCK --------------------------------------------------------------------------- */

/* A pause that is in force is never made shorter or weaker. */
static void pause_command(struct call *call)
{
    struct world *world = call->world;
    enum pause_mode mode = PAUSE_ALL;
    int64_t end_ms;
    if (call->argc > 4) {
        call_subcommand_error(call);
        return;
    }
    if (call->argc == 4 && slice_is(call->argv[3], "write")) {
        mode = PAUSE_WRITES;
    } else if (call->argc == 4 && !slice_is(call->argv[3], "all")) {
        reply_error(call->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        return;
    }
    if (!call_deadline(call, 2, &end_ms))
        return;
    bool paused = world->pause != PAUSE_NONE;
    if (mode > world->pause)
        world->pause = mode;
    if (!paused || end_ms > world->pause_end_ms)
        world->pause_end_ms = end_ms;
    reply_ok(call->reply);
}

static void unpause_command(struct call *call)
{
    server_unpause(server_of(call->world));
    reply_ok(call->reply);
}

static void unblock_command(struct call *call)
{
    bool error = false;
    int64_t id;
    if (call->argc > 4) {
        call_subcommand_error(call);
        return;
    }
    if (call->argc == 4 && slice_is(call->argv[3], "error")) {
        error = true;
    } else if (call->argc == 4 && !slice_is(call->argv[3], "timeout")) {
        reply_error(call->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (!call_int(call, 2, &id))
        return;
    struct session *session = id > 0 ? session_find(call->world, (uint64_t)id) : NULL;
    reply_int(call->reply, session && block_break(session, error));
}

static void help_command(struct call *call)
{
    static const char *const lines[] = {"CACHING (YES|NO)",
                                        "    Track the keys of the next command, or do not (OPTIN, OPTOUT).",
                                        "GETREDIR",
                                        "    Return the client that invalidations are redirected to.",
                                        "GETNAME",
                                        "    Return the name of the current connection.",
                                        "ID",
                                        "    Return the ID of the current connection.",
                                        "INFO",
                                        "    Return information about the current client connection.",
                                        "KILL <ip:port>",
                                        "    Kill connection made from <ip:port>.",
                                        "KILL <option> <value> [<option> <value> [...]]",
                                        "    Kill connections. Options are:",
                                        "    * ADDR (<ip:port>|<unixsocket>:0)",
                                        "    * LADDR (<ip:port>|<unixsocket>:0)",
                                        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
                                        "    * USER <username>",
                                        "    * SKIPME (YES|NO)",
                                        "    * ID <client-id>",
                                        "LIST [options ...]",
                                        "    Return information about client connections. Options:",
                                        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
                                        "    * ID <client-id> [<client-id> ...]",
                                        "NO-EVICT (ON|OFF)",
                                        "    Protect current client connection from eviction.",
                                        "NO-TOUCH (ON|OFF)",
                                        "    Leave the times of last use of keys alone.",
                                        "PAUSE <timeout> [WRITE|ALL]",
                                        "    Hold commands back for <timeout> milliseconds.",
                                        "REPLY (ON|OFF|SKIP)",
                                        "    Control the replies sent to the current connection.",
                                        "SETINFO <option> <value>",
                                        "    Set client meta attributes. Options are:",
                                        "    * LIB-NAME: the client lib name.",
                                        "    * LIB-VER: the client lib version.",
                                        "SETNAME <name>",
                                        "    Assign the name <name> to the current connection.",
                                        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
                                        "         [OPTIN] [OPTOUT] [NOLOOP]",
                                        "    Tell the connection when keys that it has read are changed.",
                                        "TRACKINGINFO",
                                        "    Report tracking status for the current connection.",
                                        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
                                        "    End the wait of a blocked client.",
                                        "UNPAUSE",
                                        "    End CLIENT PAUSE.",
                                        NULL};
    call_help(call, lines);
}

#define OWN (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)

static const struct command client_subcommands[] = {
    {.name = "caching",
     .arity = 3,
     .flags = OWN,
     .categories = CAT_CONNECTION,
     .function = client_caching_command,
     .arguments = "mode(YES|NO)",
     .group = "connection",
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Instructs the server whether to track the keys in the next request."},
    {.name = "getname",
     .arity = 2,
     .flags = OWN,
     .categories = CAT_CONNECTION,
     .function = getname_command,
     .group = "connection",
     .since = "2.6.9",
     .complexity = "O(1)",
     .summary = "Returns the name of the connection."},
    {.name = "getredir",
     .arity = 2,
     .flags = OWN,
     .categories = CAT_CONNECTION,
     .function = client_getredir_command,
     .group = "connection",
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary =
         "Returns the client ID to which the tracking notifications of the connection are redirected."},
    {.name = "help",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_CONNECTION,
     .function = help_command,
     .group = "connection",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Returns helpful text about the different subcommands."},
    {.name = "id",
     .arity = 2,
     .flags = OWN,
     .categories = CAT_CONNECTION,
     .function = id_command,
     .group = "connection",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Returns the unique client ID of the connection."},
    {.name = "info",
     .arity = 2,
     .flags = OWN,
     .categories = CAT_CONNECTION,
     .function = info_command,
     .group = "connection",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Returns information about the connection.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "kill",
     .arity = -3,
     .flags = OWN | CMD_ADMIN,
     .categories = CAT_CONNECTION,
     .function = kill_command,
     .arguments = "filter(ip:port!2.8.12|new-format([ID=client-id#integer~2.8.12]|[TYPE=normal_master_slave_"
                  "pubsub(NORMAL|MASTER~3.2.0|SLAVE|REPLICA~5.0.0|PUBSUB)~2.8.12]|[USER=username]|[ADDR=ip:"
                  "port]|[LADDR=ip:port~6.2.0]|[SKIPME=yes/no])*)",
     .group = "connection",
     .since = "2.4.0",
     .history = "2.8.12 Takes filters.\n"
                "2.8.12 Takes `ID`.\n"
                "3.2.0 `TYPE` knows `master`.\n"
                "5.0.0 `TYPE` knows `replica`, the new name of `slave`.\n"
                "6.2.0 Takes `LADDR`.",
     .complexity = "O(N) where N is the number of client connections",
     .summary = "Terminates open connections."},
    {.name = "list",
     .arity = -2,
     .flags = OWN | CMD_ADMIN,
     .categories = CAT_CONNECTION,
     .function = list_command,
     .arguments = "[TYPE=normal_master_replica_pubsub(NORMAL|MASTER|REPLICA|PUBSUB)~5.0.0] "
                  "[ID=id(client-id#integer*)~6.2.0]",
     .group = "connection",
     .since = "2.4.0",
     .history = "2.8.12 Tells `id`.\n"
                "5.0.0 Takes `TYPE`.\n"
                "6.0.0 Tells `user`.\n"
                "6.2.0 Tells `argv-mem`, `tot-mem`, `laddr` and `redir`, and takes `ID`.\n"
                "7.0.0 Tells `resp`, `multi-mem`, `rbs` and `rbp`.\n"
                "7.0.3 Tells `ssub`.",
     .complexity = "O(N) where N is the number of client connections",
     .summary = "Lists open connections.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
    {.name = "no-evict",
     .arity = 3,
     .flags = OWN | CMD_ADMIN,
     .categories = CAT_CONNECTION,
     .function = no_evict_command,
     .arguments = "enabled(ON|OFF)",
     .group = "connection",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Sets the client eviction mode of the connection."},
    {.name = "no-touch",
     .arity = 3,
     .flags = OWN,
     .categories = CAT_CONNECTION,
     .function = no_touch_command,
     .arguments = "enabled(ON|OFF)",
     .group = "connection",
     .since = "7.2.0",
     .complexity = "O(1)",
     .summary = "Controls whether commands sent by the client affect the LRU/LFU of accessed keys."},
    {.name = "pause",
     .arity = -3,
     .flags = OWN | CMD_ADMIN,
     .categories = CAT_CONNECTION,
     .function = pause_command,
     .arguments = "timeout#integer [mode(WRITE|ALL)~6.2.0]",
     .group = "connection",
     .since = "3.0.0",
     .history = "6.2.0 Takes `WRITE` and `ALL`.",
     .complexity = "O(1)",
     .summary = "Suspends commands processing."},
    {.name = "reply",
     .arity = 3,
     .flags = OWN,
     .categories = CAT_CONNECTION,
     .function = reply_command,
     .arguments = "on_off_skip(ON|OFF|SKIP)",
     .group = "connection",
     .since = "3.2.0",
     .complexity = "O(1)",
     .summary = "Instructs the server whether to reply to commands."},
    {.name = "setinfo",
     .arity = 4,
     .flags = OWN,
     .categories = CAT_CONNECTION,
     .function = setinfo_command,
     .arguments = "attr(LIB-NAME=libname|LIB-VER=libver)",
     .group = "connection",
     .since = "7.2.0",
     .complexity = "O(1)",
     .summary = "Sets information specific to the client or connection.",
     .tips = (const char *const[]){"request_policy:all_nodes", "response_policy:all_succeeded", NULL}},
    {.name = "setname",
     .arity = 3,
     .flags = OWN,
     .categories = CAT_CONNECTION,
     .function = setname_command,
     .arguments = "connection-name",
     .group = "connection",
     .since = "2.6.9",
     .complexity = "O(1)",
     .summary = "Sets the connection name.",
     .tips = (const char *const[]){"request_policy:all_nodes", "response_policy:all_succeeded", NULL}},
    {.name = "tracking",
     .arity = -3,
     .flags = OWN,
     .categories = CAT_CONNECTION,
     .function = client_tracking_command,
     .arguments =
         "status(ON|OFF) [REDIRECT=client-id#integer] [PREFIX=prefix+] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
     .group = "connection",
     .since = "6.0.0",
     .complexity = "O(1). Some options may introduce additional complexity.",
     .summary = "Controls server-assisted client-side caching for the connection."},
    {.name = "trackinginfo",
     .arity = 2,
     .flags = OWN,
     .categories = CAT_CONNECTION,
     .function = client_trackinginfo_command,
     .group = "connection",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Returns information about server-assisted client-side caching for the connection."},
    {.name = "unblock",
     .arity = -3,
     .flags = OWN | CMD_ADMIN,
     .categories = CAT_CONNECTION,
     .function = unblock_command,
     .arguments = "client-id#integer [timeout_error(TIMEOUT|ERROR)]",
     .group = "connection",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Unblocks a client blocked by a blocking command from a different connection."},
    {.name = "unpause",
     .arity = 2,
     .flags = OWN | CMD_ADMIN,
     .categories = CAT_CONNECTION,
     .function = unpause_command,
     .group = "connection",
     .since = "6.2.0",
     .complexity = "O(N) where N is the number of paused clients",
     .summary = "Resumes processing commands from paused clients."},
};

static const struct command client_commands[] = {
    {.name = "client",
     .arity = -2,
     .traits = TRAIT_KEEPS_CACHING,
     .group = "connection",
     .since = "2.4.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for client connection commands.",
     .subcommands = client_subcommands,
     .subcommand_count = sizeof(client_subcommands) / sizeof(client_subcommands[0])},
};

void client_commands_add(struct command_table *table)
{
    command_table_add(table, client_commands, sizeof(client_commands) / sizeof(client_commands[0]));
}
