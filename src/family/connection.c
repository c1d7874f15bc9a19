/* The client's side of its session: PING, ECHO, AUTH, HELLO, QUIT, RESET, and the two that wait, WAIT and
 * WAITAOF. */
#include "base/number.h"
#include "base/version.h"
#include "command/acl/acl.h"
#include "command/args.h"
#include "command/block.h"
#include "command/dispatch.h"
#include "command/world.h"
#include "family/families.h"

static void ping_command(struct call *call)
{
    if (call->argc > 2) {
        reply_error(call->reply, "ERR wrong number of arguments for 'ping' command");
    } else if (call->reply->protocol < 3 && session_is_subscriber(call->session)) {
        /* In the form of a message, which is all that a subscriber's client expects. */
        reply_array(call->reply, 2);
        reply_bulk_text(call->reply, "pong");
        reply_bulk(call->reply, call->argc == 2 ? call->argv[1] : slice_make(NULL, 0));
    } else if (call->argc == 2) {
        call_reply_argument(call, 1);
    } else {
        reply_simple(call->reply, "PONG");
    }
}

static void echo_command(struct call *call)
{
    call_reply_argument(call, 1);
}

/* Replies the error and returns false unless user and password are right. */
static bool authenticate(struct call *call, struct slice user, struct slice password)
{
    if (acl_authenticate(call->session, call->argv[0], user, password))
        return true;
    reply_error(call->reply, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

static void auth_command(struct call *call)
{
    if (call->argc > 3) {
        call_syntax_error(call);
        return;
    }
    for (int i = 1; i < call->argc; i++)
        call_redact(call, i);
    if (call->argc == 2 && acl_default_needs_none(call->world->acl)) {
        reply_error(call->reply,
                    "ERR AUTH <password> called without any password configured for the default user. "
                    "Are you sure your configuration is correct?");
        return;
    }
    struct slice user = call->argc == 3 ? call->argv[1] : SLICE_LITERAL("default");
    if (authenticate(call, user, call->argv[call->argc - 1]))
        reply_ok(call->reply);
}

struct hello {
    int64_t protocol;
    const struct slice *auth; /* user, then password */
    const struct slice *name;
};

/* Reads all of HELLO's arguments before anything is done; replies the error and returns false when they are
 * wrong. */
static bool hello_parse(struct call *call, struct hello *hello)
{
    hello->protocol = call->session->protocol;
    if (call->argc == 1)
        return true;
    /* Whatever may be wrong with what stands before it. */
    for (int i = 2; i < call->argc; i++)
        for (int word = 1; word <= 2 && slice_is(call->argv[i], "auth"); word++)
            call_redact(call, i + word);
    if (!int64_parse(call->argv[1], &hello->protocol)) {
        reply_error(call->reply, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (hello->protocol < 2 || hello->protocol > 3) {
        reply_error(call->reply, "NOPROTO unsupported protocol version");
        return false;
    }
    for (int i = 2; i < call->argc; i++) {
        int left = call->argc - i - 1;
        if (slice_is(call->argv[i], "auth") && left >= 2) {
            hello->auth = &call->argv[i + 1];
            i += 2;
        } else if (slice_is(call->argv[i], "setname") && left >= 1) {
            hello->name = &call->argv[++i];
            if (!session_text_is_valid(*hello->name)) {
                reply_error(call->reply,
                            "ERR Client names cannot contain spaces, newlines or special characters.");
                return false;
            }
        } else {
            reply_error_format(call->reply, "ERR Syntax error in HELLO option '%.*s'",
                               quote_size(call->argv[i]), call->argv[i].data);
            return false;
        }
    }
    return true;
}

static void hello_reply(struct call *call)
{
    struct reply *reply = call->reply;
    reply_map(reply, 7);
    reply_bulk_text(reply, "server");
    reply_bulk_text(reply, "redis");
    reply_bulk_text(reply, "version");
    reply_bulk_text(reply, REDIS_VERSION);
    reply_bulk_text(reply, "proto");
    reply_int(reply, call->session->protocol);
    reply_bulk_text(reply, "id");
    reply_int(reply, (int64_t)call->session->id);
    reply_bulk_text(reply, "mode");
    reply_bulk_text(reply, "standalone");
    reply_bulk_text(reply, "role");
    reply_bulk_text(reply, "master");
    reply_bulk_text(reply, "modules");
    reply_array(reply, 0);
}

static void hello_command(struct call *call)
{
    struct hello hello = {0};
    if (!hello_parse(call, &hello))
        return;
    if (hello.auth && !authenticate(call, hello.auth[0], hello.auth[1]))
        return;
    if (!session_is_authenticated(call->session)) {
        reply_error(call->reply,
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
                    "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and "
                    "select the RESP protocol version at the same time");
        return;
    }
    if (hello.name)
        session_set_text(&call->session->name, *hello.name);
    call->session->protocol = call->reply->protocol = (int)hello.protocol;
    hello_reply(call);
}

static void quit_command(struct call *call)
{
    call->session->close_after_reply = true;
    reply_ok(call->reply);
}

/* Ends CLIENT REPLY OFF before it replies, but not a SKIP that is meant for it. */
static void reset_command(struct call *call)
{
    if (call->session->reply_mode != REPLY_SKIP)
        output_set_discard(call->session->output, false);
    session_reset(call->session);
    call->reply->protocol = 2;
    reply_simple(call->reply, "RESET");
}

/* --- WAIT and WAITAOF ---------------------------------------------------------------------------------- */

static void reply_wait_aof(struct reply *reply, bool local)
{
    reply_array(reply, 2);
    reply_int(reply, local);
    reply_int(reply, 0);
}

static bool is_durable(const struct world *world, lsn_t lsn)
{
    return world->journal && journal_durable(world->journal) >= lsn;
}

static bool wait_timeout(struct call *call, int index, int64_t *deadline_ms)
{
    if (!call_deadline(call, index, deadline_ms))
        return false;
    /* No time at all is all time. */
    if (*deadline_ms == call->world->monotonic_us / 1000)
        *deadline_ms = 0;
    return true;
}

static void wait_command(struct call *call)
{
    int64_t replicas;
    int64_t deadline_ms;
    if (!call_int(call, 1, &replicas) || !wait_timeout(call, 2, &deadline_ms))
        return;
    if (replicas <= 0 || call->resumed == RESUME_TIMEOUT || !call->origin->may_block)
        reply_int(call->reply, 0);
    else
        call_block_on_time(call, deadline_ms);
}

/* Nobody has replicas, so who wants to wait for one waits for his deadline. */
static void waitaof_command(struct call *call)
{
    struct session *session = call->session;
    struct world *world = call->world;
    int64_t local;
    int64_t replicas;
    int64_t deadline_ms;
    if (!call_int_range(call, 1, 0, 1, &local, NULL) ||
        !call_int_range(call, 2, 0, INT64_MAX, &replicas, "ERR value is out of range, must be positive") ||
        !wait_timeout(call, 3, &deadline_ms))
        return;
    if (local && !world->journal) {
        reply_error(call->reply,
                    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
        return;
    }
    bool durable = is_durable(world, session->last_write_lsn);
    bool is_over = call->resumed == RESUME_TIMEOUT || !call->origin->may_block;
    if ((replicas == 0 && (durable || !local)) || is_over) {
        reply_wait_aof(call->reply, durable);
        return;
    }
    if (world->journal)
        journal_request_sync(world->journal);
    if (replicas > 0)
        call_block_on_time(call, deadline_ms);
    else
        call_block_on_lsn(call, session->last_write_lsn, deadline_ms);
}

#define ANYTIME (CMD_FAST | CMD_LOADING | CMD_STALE)

const struct command connection_commands[] = {
    {.name = "ping",
     .arity = -1,
     .flags = CMD_FAST,
     .traits = TRAIT_FOR_SUBSCRIBERS,
     .categories = CAT_CONNECTION,
     .function = ping_command,
     .arguments = "[message]",
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Returns the server's liveliness response.",
     .tips = (const char *const[]){"request_policy:all_shards", "response_policy:all_succeeded", NULL}},
    {.name = "echo",
     .arity = 2,
     .flags = ANYTIME,
     .categories = CAT_CONNECTION,
     .function = echo_command,
     .arguments = "message",
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Returns the given string."},
    {.name = "auth",
     .arity = -2,
     .flags = ANYTIME | CMD_NOSCRIPT | CMD_NO_AUTH | CMD_SENTINEL | CMD_ALLOW_BUSY,
     .categories = CAT_CONNECTION,
     .function = auth_command,
     .arguments = "[username~6.0.0] password",
     .group = "connection",
     .since = "1.0.0",
     .history = "6.0.0 Takes a user's name before the password.",
     .complexity = "O(N) where N is the number of passwords defined for the user",
     .summary = "Authenticates the connection."},
    {.name = "hello",
     .arity = -1,
     .flags = ANYTIME | CMD_NOSCRIPT | CMD_NO_AUTH | CMD_SENTINEL | CMD_ALLOW_BUSY,
     .categories = CAT_CONNECTION,
     .function = hello_command,
     .arguments =
         "[arguments(protover#integer [AUTH=username_password(username password)] [SETNAME=clientname])]",
     .group = "connection",
     .since = "6.0.0",
     .history = "6.2.0 Without a version it only tells about the connection.",
     .complexity = "O(1)",
     .summary = "Handshakes with the server, switching the protocol version when asked to."},
    {.name = "quit",
     .arity = -1,
     .flags = ANYTIME | CMD_NOSCRIPT | CMD_NO_AUTH | CMD_ALLOW_BUSY,
     .traits = TRAIT_INSIDE_MULTI | TRAIT_ENDS_MULTI | TRAIT_FOR_SUBSCRIBERS,
     .categories = CAT_CONNECTION,
     .function = quit_command,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Closes the connection."},
    {.name = "reset",
     .arity = 1,
     .flags = ANYTIME | CMD_NOSCRIPT | CMD_NO_AUTH | CMD_ALLOW_BUSY,
     .traits = TRAIT_INSIDE_MULTI | TRAIT_ENDS_MULTI | TRAIT_FOR_SUBSCRIBERS,
     .categories = CAT_CONNECTION,
     .function = reset_command,
     .group = "connection",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Resets the connection to how it began."},
    {.name = "wait",
     .arity = 3,
     .categories = CAT_CONNECTION,
     .function = wait_command,
     .arguments = "numreplicas#integer timeout#integer",
     .group = "generic",
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Blocks until replicas have acknowledged the connection's writes.",
     .tips = (const char *const[]){"request_policy:all_shards", "response_policy:agg_min", NULL}},
    {.name = "waitaof",
     .arity = 4,
     .flags = CMD_NOSCRIPT,
     .categories = CAT_CONNECTION,
     .function = waitaof_command,
     .arguments = "numlocal#integer numreplicas#integer timeout#integer",
     .group = "generic",
     .since = "7.2.0",
     .complexity = "O(1)",
     .summary = "Blocks until the connection's writes are durable on this server's disk.",
     .tips = (const char *const[]){"request_policy:all_shards", "response_policy:agg_min", NULL}},
};
const size_t connection_command_count = sizeof(connection_commands) / sizeof(connection_commands[0]);
