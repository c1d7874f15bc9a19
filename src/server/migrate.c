/* MIGRATE: moves keys to another server by DUMP, RESTORE there, and DEL.
 *
 * The loop waits for the other server meanwhile, as redis-server does: between what is sent and what is
 * deleted nobody may change a key. Each step has the timeout that the command gives. What is sent is durable
 * here first, so that the other server is never shown what a crash could take back (D2). */
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/number.h"
#include "command/acl/acl.h"
#include "command/args.h"
#include "command/effect.h"
#include "command/event.h"
#include "command/lookup.h"
#include "rdb/rdb_value.h"
#include "resp/request.h"
#include "server/server.h"

#define TIMEOUT_MS_DEFAULT 1000
#define LINE_SIZE_MAX      1024 /* of a reply; what is longer is cut */

struct migration {
    struct call *call;
    int first_key;
    int key_count;
    bool copy;
    bool replace;
    int password; /* arguments; 0: not given */
    int user;
    int64_t database;
    int timeout_ms;
    int *sent; /* the keys that were there, by argument */
    int sent_count;
    struct buffer out;
    int socket;
    char unread[LINE_SIZE_MAX];
    size_t unread_size;
    const char *failed; /* as the error says it; NULL: the connection is fine */
};

/* --- arguments ----------------------------------------------------------------------------------------- */

/* Where the keys behind KEYS begin; 0: there is no such word. The other options are skipped, as a password
 * may be "keys". */
static int behind_keys(int argc, const struct slice *argv)
{
    for (int i = 6; i < argc; i++) {
        if (slice_is(argv[i], "auth"))
            i++;
        else if (slice_is(argv[i], "auth2"))
            i += 2;
        else if (slice_is(argv[i], "keys"))
            return argv[3].size == 0 ? i + 1 : 0;
    }
    return 0;
}

#define MOVED_FLAGS (KEY_RW | KEY_ACCESS | KEY_DELETE)

static void find_keys(int argc, const struct slice *argv, command_key_visit *visit, void *context)
{
    int first = behind_keys(argc, argv);
    if (first == 0)
        visit(context, 3, MOVED_FLAGS);
    for (int i = first; i > 0 && i < argc; i++)
        visit(context, i, MOVED_FLAGS);
}

/* The option at an argument; the next argument, or 0 with the error replied. */
static int option_read(struct migration *migration, int i)
{
    struct call *call = migration->call;
    int behind = call->argc - 1 - i;
    if (slice_is(call->argv[i], "copy")) {
        migration->copy = true;
    } else if (slice_is(call->argv[i], "replace")) {
        migration->replace = true;
    } else if (slice_is(call->argv[i], "auth") && behind >= 1) {
        migration->password = ++i;
    } else if (slice_is(call->argv[i], "auth2") && behind >= 2) {
        migration->user = ++i;
        migration->password = ++i;
    } else if (slice_is(call->argv[i], "keys") && call->argv[3].size == 0) {
        migration->first_key = i + 1;
        migration->key_count = behind;
        return call->argc;
    } else {
        if (slice_is(call->argv[i], "keys"))
            reply_error(call->reply,
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the "
                        "empty string");
        else
            call_syntax_error(call);
        return 0;
    }
    return i + 1;
}

/* Whatever may be wrong with what stands before them. */
static void redact_secrets(struct call *call)
{
    for (int i = 6; i < call->argc && !slice_is(call->argv[i], "keys"); i++) {
        int words = slice_is(call->argv[i], "auth") ? 1 : slice_is(call->argv[i], "auth2") ? 2 : 0;
        for (int word = 1; word <= words; word++)
            call_redact(call, i + word);
    }
}

static bool arguments_read(struct migration *migration)
{
    struct call *call = migration->call;
    int64_t timeout;
    redact_secrets(call);
    for (int i = 6; i < call->argc;) {
        i = option_read(migration, i);
        if (i == 0)
            return false;
    }
    if (!call_int(call, 5, &timeout) || !call_int(call, 4, &migration->database))
        return false;
    migration->timeout_ms = timeout <= 0 ? TIMEOUT_MS_DEFAULT : timeout > INT_MAX ? INT_MAX : (int)timeout;
    return true;
}

/* --- what is sent -------------------------------------------------------------------------------------- */

static void append_words(struct buffer *out, const char *name, const struct slice *first,
                         const struct slice *second)
{
    request_append_count(out, 1 + (first ? 1 : 0) + (second ? 1 : 0));
    request_append_argument(out, slice_of(name));
    if (first)
        request_append_argument(out, *first);
    if (second)
        request_append_argument(out, *second);
}

static void append_key(struct migration *migration, int index, const struct entry *entry)
{
    const struct call *call = migration->call;
    char digits[INT64_TEXT_MAX];
    struct buffer payload = {0};
    int64_t left_ms = 0; /* for ever */
    int64_t expire_ms = entry_expire_ms(entry);
    if (expire_ms != EXPIRE_NEVER)
        left_ms = expire_ms - call->world->now_ms;
    rdb_append_payload(&payload, entry, call->world->settings.dump_compressed);
    request_append_count(&migration->out, migration->replace ? 5 : 4);
    request_append_argument(&migration->out, SLICE_LITERAL("RESTORE"));
    request_append_argument(&migration->out, call->argv[index]);
    request_append_argument(&migration->out, slice_make(digits, int64_format(digits, left_ms)));
    request_append_argument(&migration->out, buffer_slice(&payload));
    if (migration->replace)
        request_append_argument(&migration->out, SLICE_LITERAL("REPLACE"));
    buffer_free(&payload);
    migration->sent[migration->sent_count++] = index;
}

static void requests_make(struct migration *migration)
{
    struct call *call = migration->call;
    char digits[INT64_TEXT_MAX];
    struct slice database = slice_make(digits, int64_format(digits, migration->database));
    if (migration->password)
        append_words(&migration->out, "AUTH",
                     &call->argv[migration->user ? migration->user : migration->password],
                     migration->user ? &call->argv[migration->password] : NULL);
    append_words(&migration->out, "SELECT", &database, NULL);
    migration->sent = mem_alloc((size_t)(migration->key_count + 1) * sizeof(*migration->sent));
    for (int i = 0; i < migration->key_count; i++) {
        int index = migration->first_key + i;
        struct entry *entry = lookup_read(call, call->argv[index], call_hash(call, index));
        if (entry)
            append_key(migration, index, entry);
    }
}

/* --- the other server ---------------------------------------------------------------------------------- */

static bool wait_for(struct migration *migration, short events)
{
    struct pollfd poller = {.fd = migration->socket, .events = events};
    int ready;
    do
        ready = poll(&poller, 1, migration->timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static bool connect_one(struct migration *migration, const struct addrinfo *address)
{
    int on = 1;
    int error = 0;
    socklen_t size = sizeof(error);
    migration->socket =
        socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->ai_protocol);
    if (migration->socket < 0)
        return false;
    bool ok = connect(migration->socket, address->ai_addr, address->ai_addrlen) == 0;
    if (!ok && errno == EINPROGRESS)
        ok = wait_for(migration, POLLOUT) &&
             getsockopt(migration->socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
    if (ok) {
        setsockopt(migration->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        return true;
    }
    if (error)
        migration->failed = "writing to target instance"; /* where redis-server learns of it */
    close(migration->socket);
    migration->socket = -1;
    return false;
}

static bool migration_connect(struct migration *migration)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *all;
    char *host = slice_to_cstring(migration->call->argv[1]);
    char *port = slice_to_cstring(migration->call->argv[2]);
    bool ok = false;
    migration->failed = "connecting to the client";
    if (getaddrinfo(host, port, &hints, &all) == 0) {
        for (const struct addrinfo *one = all; one && !ok; one = one->ai_next)
            ok = connect_one(migration, one);
        freeaddrinfo(all);
    }
    if (ok)
        migration->failed = NULL;
    mem_free(host);
    mem_free(port);
    return ok;
}

static bool requests_send(struct migration *migration)
{
    size_t sent = 0;
    while (sent < migration->out.size) {
        ssize_t size =
            send(migration->socket, migration->out.data + sent, migration->out.size - sent, MSG_NOSIGNAL);
        if (size > 0)
            sent += (size_t)size;
        else if (!(size < 0 && (errno == EAGAIN || errno == EINTR) && wait_for(migration, POLLOUT)))
            return false;
    }
    return true;
}

/* A line of what is there already; false: it is not whole yet. */
static bool line_take(struct migration *migration, char *line)
{
    char *end = memchr(migration->unread, '\n', migration->unread_size);
    if (!end)
        return false;
    size_t size = (size_t)(end - migration->unread);
    size_t kept = size > 0 && end[-1] == '\r' ? size - 1 : size;
    memcpy(line, migration->unread, kept);
    line[kept] = '\0';
    migration->unread_size -= size + 1;
    memmove(migration->unread, end + 1, migration->unread_size);
    return true;
}

/* Every reply here is one line: a status or an error. False when none comes in time. */
static bool line_read(struct migration *migration, char line[LINE_SIZE_MAX])
{
    while (!line_take(migration, line)) {
        if (migration->unread_size == sizeof(migration->unread))
            return false;
        ssize_t size = recv(migration->socket, migration->unread + migration->unread_size,
                            sizeof(migration->unread) - migration->unread_size, 0);
        if (size > 0)
            migration->unread_size += (size_t)size;
        else if (!(size < 0 && (errno == EAGAIN || errno == EINTR) && wait_for(migration, POLLIN)))
            return false;
    }
    return true;
}

/* --- what it answers ----------------------------------------------------------------------------------- */

/* What is no status is no yes. */
static void note_error(char first[LINE_SIZE_MAX], const char *line)
{
    if (line[0] != '+' && first[0] == '\0')
        snprintf(first, LINE_SIZE_MAX, "%s", line[0] == '-' ? line + 1 : line[0] ? line : "nothing");
}

/* Reads the replies; keys that the other server has taken are left in sent. error: what it said first that is
 * one; "": nothing. */
static void replies_read(struct migration *migration, char error[LINE_SIZE_MAX])
{
    char line[LINE_SIZE_MAX];
    int taken = 0;
    error[0] = '\0';
    for (int i = migration->password ? 2 : 1; i > 0; i--) {
        if (!line_read(migration, line)) {
            migration->failed = "reading to target instance";
            migration->sent_count = 0;
            return;
        }
        note_error(error, line);
    }
    bool refused = error[0] != '\0'; /* then keys may have gone elsewhere */
    for (int i = 0; i < migration->sent_count; i++) {
        if (!line_read(migration, line)) {
            migration->failed = "reading to target instance";
            break;
        }
        note_error(error, line);
        if (line[0] == '+' && !refused)
            migration->sent[taken++] = migration->sent[i];
    }
    migration->sent_count = taken;
}

/* Here they are no more. */
static void delete_sent(struct migration *migration)
{
    struct call *call = migration->call;
    if (migration->copy || migration->sent_count == 0)
        return;
    struct slice *words = mem_alloc((size_t)(migration->sent_count + 1) * sizeof(*words));
    int count = 0;
    words[count++] = SLICE_LITERAL("DEL");
    for (int i = 0; i < migration->sent_count; i++) {
        struct slice key = call->argv[migration->sent[i]];
        uint64_t hash = call_hash(call, migration->sent[i]);
        if (!lookup_write(call, key, hash))
            continue; /* named twice */
        call_changed(call, key, hash);
        database_delete(call->db, key, hash);
        call_notify(call, NOTIFY_GENERIC, "del", key);
        words[count++] = key;
    }
    if (count > 1)
        effect_command(call, call->session->database, count, words);
    mem_free(words);
}

/* Under always nobody is shown what is not durable, so the other server is not either. */
static bool sent_is_durable(struct migration *migration)
{
    struct call *call = migration->call;
    struct world *world = call->world;
    struct server *server = server_of(world);
    if (!world->journal || server->config->appendfsync != SYNC_ALWAYS)
        return true;
    if (world->unit_open) {
        reply_error(call->reply, "ERR a transaction that has written cannot migrate keys");
        return false;
    }
    if (engine_make_durable(server->engine))
        return true;
    reply_error(call->reply, "ERR what is to be migrated could not be made durable");
    return false;
}

static void migration_run(struct migration *migration)
{
    struct call *call = migration->call;
    char error[LINE_SIZE_MAX] = "";
    if (!sent_is_durable(migration))
        return;
    if (migration_connect(migration)) {
        if (requests_send(migration)) {
            replies_read(migration, error);
            delete_sent(migration);
        } else {
            migration->failed = "writing to target instance";
        }
        close(migration->socket);
    }
    if (migration->failed)
        reply_error_format(call->reply, "IOERR error or timeout %s", migration->failed);
    else if (error[0] != '\0')
        reply_error_format(call->reply, "ERR Target instance replied with error: %s", error);
    else
        reply_ok(call->reply);
}

static void migrate_command(struct call *call)
{
    struct migration migration = {.call = call, .first_key = 3, .key_count = 1, .socket = -1};
    if (!arguments_read(&migration))
        return;
    requests_make(&migration);
    if (migration.sent_count == 0)
        reply_simple(call->reply, "NOKEY");
    else
        migration_run(&migration);
    mem_free(migration.sent);
    buffer_free(&migration.out);
}

/* --- the table ----------------------------------------------------------------------------------------- */

static const struct command migrate_commands[] = {
    {.name = "migrate",
     .arity = -6,
     .flags = CMD_WRITE | CMD_MOVABLEKEYS,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS,
     .keys = {KEY_AT(3, MOVED_FLAGS),
              {.begin = KEY_BEGIN_KEYWORD,
               .keyword = "KEYS",
               .index = -2,
               .last = -1,
               .step = 1,
               .flags = MOVED_FLAGS | KEY_INCOMPLETE}},
     .find_keys = find_keys,
     .function = migrate_command,
     .arguments =
         "host port#integer key_or_empty_string(key#key0|=empty_string#token) destination-db#integer "
         "timeout#integer [COPY~3.0.0] [REPLACE~3.0.0] "
         "[authentication([AUTH=password~4.0.7]|[AUTH2=username_password(username password)~6.0.0])] "
         "[KEYS=key#key1*~3.0.6]",
     .group = "generic",
     .since = "2.6.0",
     .history = "3.0.0 Takes `COPY` and `REPLACE`.\n"
                "3.0.6 Takes `KEYS`.\n"
                "4.0.7 Takes `AUTH`.\n"
                "6.0.0 Takes `AUTH2`.",
     .complexity = "O(N) in the size of the values, which are sent",
     .summary = "Moves keys to another server, or copies them.",
     .tips = (const char *const[]){"nondeterministic_output", NULL}},
};

void migrate_commands_add(struct command_table *table)
{
    command_table_add(table, migrate_commands, sizeof(migrate_commands) / sizeof(migrate_commands[0]));
}
