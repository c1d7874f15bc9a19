/* A server to test the network side with: its commands are made for that, and its clock and its journal are
 * turned by hand. Clients are non-blocking sockets of the same thread; whoever waits for one of them turns
 * the loop meanwhile. */
#ifndef DKV_TESTS_NET_HARNESS_H
#define DKV_TESTS_NET_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "command/call.h"
#include "net/net.h"
#include "resp/reply.h"

/* Only some of this is used by each test program. */
#define HARNESS static __attribute__((unused))

/* Rounds of the loop after which something that did not happen will not. */
#define ROUNDS_MAX 3000
/* Sessions that may wait at once. */
#define WAITING_MAX 8

struct server {
    struct clock clock; /* first: the clock's functions are given this */
    int64_t clock_ahead_us;
    struct world world; /* its sessions'; all that is looked at is that it asks for a password */
    struct loop *loop;
    struct net *net;
    struct net_limits limits; /* as they were set last */
    uint64_t next_id;
    int sessions;
    lsn_t executed;
    lsn_t acknowledged;
    bool journal_full; /* WRITE has to wait */
    bool release;      /* blocked sessions are free to go on */
    int executions;
    struct waiting {
        struct session *session; /* NULL: a free place */
        int64_t deadline_ms;     /* 0: none */
    } waiting[WAITING_MAX];
    bool serves_one;            /* as the handler was told last */
    size_t output_most;         /* bytes of memory while MANY replied */
    struct blob *kept;          /* by KEEP */
    struct session *others[16]; /* by id, for KILL, PUSH and FINISH */
    struct buffer log;
};

HARNESS int64_t server_clock(struct clock *clock)
{
    struct server *server = (struct server *)(void *)clock;
    return clock_monotonic_us(clock_system()) + server->clock_ahead_us;
}

HARNESS struct session *handle_session_new(void *context, struct output *output,
                                           struct connection *connection)
{
    struct server *server = context;
    struct session *session = calloc(1, sizeof(*session));
    session->id = ++server->next_id;
    session->output = output;
    session->owner = connection;
    session->world = &server->world;
    server->world.is_open = false;
    server->world.turn_ticks_max = 1000;
    session->authenticated = true;
    if (session->id < 16)
        server->others[session->id] = session;
    server->sessions++;
    return session;
}

HARNESS void handle_session_free(void *context, struct session *session)
{
    for (int i = 0; i < WAITING_MAX; i++)
        if (((struct server *)context)->waiting[i].session == session)
            ((struct server *)context)->waiting[i].session = NULL;
    struct server *server = context;
    if (session->id < 16)
        server->others[session->id] = NULL;
    server->sessions--;
    free(session);
}

HARNESS void handle_begin(void *context)
{
    (void)context;
}

HARNESS void handle_prepare(void *context, struct session *session, const struct request *requests[],
                            struct prepared prepared[], int count)
{
    (void)context;
    (void)session;
    for (int i = 0; i < count; i++) {
        assert_true(requests[i]->argc >= 1);
        prepared[i] = (struct prepared){0};
    }
}

HARNESS struct connection *other_connection(struct server *server, struct slice id)
{
    int64_t number;
    assert_true(int64_parse(id, &number));
    assert_in_range(number, 1, 15);
    assert_non_null(server->others[number]);
    return server->others[number]->owner;
}

HARNESS void reply_big(struct reply *reply, struct slice size)
{
    int64_t number;
    assert_true(int64_parse(size, &number));
    char *data = malloc((size_t)number + 1);
    for (int64_t i = 0; i < number; i++)
        data[i] = (char)('a' + i % 26);
    reply_bulk(reply, slice_make(data, (size_t)number));
    free(data);
}

/* An array of large values, in one reply. */
HARNESS void reply_many(struct server *server, struct reply *reply, struct slice count)
{
    int64_t number;
    assert_true(int64_parse(count, &number));
    struct output_gap gap = reply_later(reply);
    for (int64_t i = 0; i < number; i++) {
        reply_big(reply, slice_of("1000000"));
        size_t memory = output_memory(reply->output);
        server->output_most = memory > server->output_most ? memory : server->output_most;
    }
    reply_array_at(reply, gap, number);
}

/* Replaces what is kept. */
HARNESS void keep_blob(struct server *server, struct blob *blob)
{
    blob_drop(server->kept);
    server->kept = blob == NULL ? NULL : blob_share(blob);
}

/* KEEP x: keeps the blob that x came as; as WRITE otherwise. ALONE: whether nobody else has it. SHOW: replies
 * it. PING, ECHO x, BIG size, MANY count (of 1000000 bytes each): reply. WRITE: as PING, with the next LSN,
 * for which the reply waits. BLOCK ms: waits for server->release or that long. QUIT. AUTH. KILL id, FINISH
 * id, PUSH id text: close another or send to it. SLOW: takes 400 of the 1000 ticks of a turn. */
HARNESS enum dispatch_result handle_execute(void *context, struct session *session,
                                            const struct request *request, const struct prepared *prepared)
{
    struct server *server = context;
    struct reply reply = {.output = session->output, .protocol = 2};
    struct slice name = request->argv[0];
    struct slice argument = request->argc > 1 ? request->argv[1] : (struct slice){0};
    (void)prepared;
    server->executions++;
    if (slice_is(name, "ping")) {
        reply_simple(&reply, "PONG");
    } else if (slice_is(name, "slow")) {
        session->turn_ticks += 400;
        reply_simple(&reply, "SLOW");
    } else if (slice_is(name, "echo")) {
        reply_bulk(&reply, argument);
    } else if (slice_is(name, "size")) {
        reply_int(&reply, (int64_t)argument.size);
    } else if (slice_is(name, "big")) {
        reply_big(&reply, argument);
    } else if (slice_is(name, "many")) {
        reply_many(server, &reply, argument);
    } else if (slice_is(name, "alone")) {
        reply_int(&reply, !blob_is_shared(server->kept));
    } else if (slice_is(name, "show")) {
        reply_blob(&reply, server->kept, 0, server->kept->size);
    } else if (slice_is(name, "write") || slice_is(name, "keep")) {
        if (server->journal_full)
            return DISPATCH_WAIT;
        if (request->argc > 1)
            keep_blob(server, request_blob_find(request->blobs, request->blob_count, 1));
        server->executed++;
        reply_int(&reply, (int64_t)server->executed);
        output_mark(session->output, server->executed);
    } else if (slice_is(name, "block")) {
        int64_t wait_ms;
        assert_true(int64_parse(argument, &wait_ms));
        struct waiting *waiting = server->waiting;
        while (waiting->session)
            waiting++;
        assert_true(waiting < server->waiting + WAITING_MAX);
        waiting->session = session;
        waiting->deadline_ms = wait_ms == 0 ? 0 : server_clock(&server->clock) / 1000 + wait_ms;
        session->blocked = true;
        return DISPATCH_BLOCKED;
    } else if (slice_is(name, "quit")) {
        reply_ok(&reply);
        return DISPATCH_CLOSE;
    } else if (slice_is(name, "auth")) {
        session->authenticated = true;
        reply_ok(&reply);
    } else if (slice_is(name, "kill")) {
        connection_close(other_connection(server, argument));
        reply_ok(&reply);
    } else if (slice_is(name, "finish")) {
        connection_close_after_reply(other_connection(server, argument));
        reply_ok(&reply);
    } else if (slice_is(name, "push")) {
        connection_push(other_connection(server, argument), request->argv[2].data, request->argv[2].size);
        reply_ok(&reply);
    } else {
        reply_error(&reply, "ERR unknown command");
    }
    return DISPATCH_DONE;
}

/* Lets those go on who wait: all if server->release, the others whose time is up. */
HARNESS void unblock(struct server *server)
{
    for (struct waiting *waiting = server->waiting; waiting < server->waiting + WAITING_MAX; waiting++) {
        struct session *session = waiting->session;
        bool expired =
            waiting->deadline_ms > 0 && server_clock(&server->clock) / 1000 >= waiting->deadline_ms;
        if (!session || (!server->release && !expired))
            continue;
        struct reply reply = {.output = session->output, .protocol = 2};
        reply_simple(&reply, expired ? "EXPIRED" : "FREE");
        session->blocked = false;
        waiting->session = NULL;
        connection_resumed(session->owner);
    }
}

HARNESS void handle_submit(void *context, bool alone)
{
    struct server *server = context;
    server->serves_one = alone;
    unblock(server);
}

HARNESS lsn_t handle_acknowledged(void *context)
{
    struct server *server = context;
    return server->acknowledged;
}

HARNESS void log_keep(void *context, enum diag_level level, const char *text)
{
    struct server *server = context;
    (void)level;
    buffer_append_text(&server->log, text);
    buffer_append_char(&server->log, '\n');
}

HARNESS int log_count(struct server *server, const char *text)
{
    int count = 0;
    buffer_append_char(&server->log, '\0');
    for (const char *at = server->log.data; (at = strstr(at, text)) != NULL; at++)
        count++;
    server->log.size--;
    return count;
}

HARNESS void server_open(struct server *server)
{
    alarm(60); /* a test that hangs ends */
    memset(server, 0, sizeof(*server));
    server->clock = (struct clock){.wall_us = server_clock, .monotonic_us = server_clock};
    diag_set_sink(log_keep, server);
    diag_set_level(DIAG_VERBOSE);
    server->loop = loop_new(&server->clock);
    assert_non_null(server->loop);
    server->limits = (struct net_limits){.clients_max = 10000,
                                         .tcp_keepalive_seconds = 300,
                                         .parser = {.bulk_max = 512 << 20, .query_max = 1 << 30}};
    struct net_options options = {
        .loop = server->loop,
        .handler = {.context = server,
                    .session_new = handle_session_new,
                    .session_free = handle_session_free,
                    .begin = handle_begin,
                    .prepare = handle_prepare,
                    .execute = handle_execute,
                    .submit = handle_submit,
                    .acknowledged = handle_acknowledged},
        .limits = server->limits,
    };
    server->net = net_new(&options);
}

HARNESS void server_close(struct server *server)
{
    net_free(server->net);
    keep_blob(server, NULL);
    assert_int_equal(server->sessions, 0);
    loop_free(server->loop);
    diag_set_sink(NULL, NULL);
    buffer_free(&server->log);
    alarm(0);
}

HARNESS struct net_stats server_stats(struct server *server)
{
    struct net_stats stats;
    net_stats_read(server->net, &stats);
    return stats;
}

HARNESS void server_round(struct server *server)
{
    loop_round(server->loop, 0);
}

HARNESS void server_rounds(struct server *server, int rounds)
{
    for (int i = 0; i < rounds; i++)
        server_round(server);
}

/* Fails unless the loop, having caught up, sleeps: nothing that it does not deal with keeps it awake. */
HARNESS void server_expect_sleep(struct server *server)
{
    server_rounds(server, 3);
    int64_t begin_us = clock_monotonic_us(clock_system());
    loop_round(server->loop, 20);
    assert_true(clock_monotonic_us(clock_system()) - begin_us >= 15000);
}

HARNESS void set_nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

/* A client on one end of a socket pair. */
HARNESS int client_open(struct server *server)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    struct address peer = {.any.sa_family = AF_UNIX};
    net_accept(server->net, ends[0], &peer);
    return ends[1];
}

/* The connection of the client that came last. */
HARNESS struct connection *client_connection(struct server *server)
{
    assert_in_range(server->next_id, 1, 15);
    return server->others[server->next_id]->owner;
}

HARNESS struct connection_info client_info(struct server *server)
{
    struct connection_info info;
    connection_describe(client_connection(server), &info);
    return info;
}

HARNESS void client_send(struct server *server, int client, const void *data, size_t size)
{
    for (int rounds = 0; size > 0; rounds++) {
        assert_true(rounds < ROUNDS_MAX);
        ssize_t sent = send(client, data, size, MSG_NOSIGNAL);
        if (sent < 0) {
            assert_int_equal(errno, EAGAIN);
            sent = 0;
        }
        data = (const char *)data + sent;
        size -= (size_t)sent;
        if (size > 0)
            server_round(server);
    }
}

HARNESS void client_say(struct server *server, int client, const char *text)
{
    client_send(server, client, text, strlen(text));
}

/* Reads exactly size bytes; fails when the connection ends before. */
HARNESS void client_read(struct server *server, int client, char *data, size_t size)
{
    int idle_rounds = 0;
    while (size > 0) {
        ssize_t got = recv(client, data, size, 0);
        if (got < 0 && errno == EAGAIN) {
            assert_true(idle_rounds++ < ROUNDS_MAX);
            server_round(server);
            continue;
        }
        assert_true(got > 0);
        idle_rounds = 0;
        data += got;
        size -= (size_t)got;
    }
}

HARNESS void client_expect_bytes(struct server *server, int client, const char *expected, size_t size)
{
    char *data = malloc(size + 1);
    client_read(server, client, data, size);
    assert_memory_equal(data, expected, size);
    free(data);
}

HARNESS void client_expect(struct server *server, int client, const char *expected)
{
    client_expect_bytes(server, client, expected, strlen(expected));
}

/* Nothing comes, however often the loop is turned. */
HARNESS void client_expect_nothing(struct server *server, int client)
{
    char byte;
    server_rounds(server, 10);
    assert_int_equal(recv(client, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

/* The server closes. */
HARNESS void client_expect_end(struct server *server, int client)
{
    char byte;
    for (int rounds = 0; rounds < ROUNDS_MAX; rounds++) {
        ssize_t got = recv(client, &byte, 1, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            close(client);
            return;
        }
        assert_true(got < 0);
        server_round(server);
    }
    fail_msg("the connection stays open");
}

/* As much as possible, for tests with many connections. Returns how many descriptors there may be. */
HARNESS size_t descriptors_raise(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 4096) {
        limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    return limit.rlim_cur;
}

#endif
