/* Limits: nobody gets more connections, memory or time than the configuration allows. */
#include <arpa/inet.h>
#include <netinet/tcp.h>

#include "harness.h"

static void limits_set(struct server *server, struct net_limits *limits)
{
    server->limits = *limits;
    net_set_limits(server->net, limits);
}

static struct net_limits limits_get(struct server *server)
{
    return server->limits;
}

/* Shows: a client that asks for much and never reads is closed at the hard limit, within a pipeline too, with
 * a log line, and memory does not go far beyond the limit on the way. */
static void test_output_hard_limit(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    struct net_limits limits = limits_get(&server);
    limits.output[CLASS_NORMAL].hard = 4000000;
    limits_set(&server, &limits);
    int client = client_open(&server);
    size_t most = 0;
    struct buffer pipeline = {0};
    for (int i = 0; i < 1000; i++)
        buffer_append_text(&pipeline, "BIG 100000\r\n");
    assert_int_equal(send(client, pipeline.data, pipeline.size, 0), pipeline.size);
    for (int round = 0; round < 100 && server.sessions > 0; round++) {
        server_round(&server);
        if (server.sessions > 0) {
            struct connection_info info = client_info(&server);
            most = info.memory > most ? info.memory : most;
        }
    }
    assert_int_equal(server.sessions, 0);
    assert_in_range(most, 1000000, 5300000); /* a turn more */
    assert_in_range(server.executions, 38, 60);
    assert_int_equal(log_count(&server, "Client id=1 "), 1);
    assert_int_equal(
        log_count(&server, "scheduled to be closed ASAP for overcoming of output buffer limits."), 1);
    assert_int_equal(server_stats(&server).closed_output_limit, 1);
    buffer_free(&pipeline);
    close(client);
    server_close(&server);
}

/* Shows: the hard limit holds within one command, too, whose large reply takes no more memory than it allows;
 * a limit that is set while a client is connected holds for it, and what is within it is not touched. */
static void test_output_limit_in_command(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    struct net_limits limits = limits_get(&server);
    limits.output[CLASS_NORMAL].hard = 4000000;
    limits_set(&server, &limits);
    client_say(&server, client, "PING\r\nMANY 100\r\nPING\r\n");
    client_expect_end(&server, client);
    assert_int_equal(server.sessions, 0);
    assert_int_equal(server.executions, 2);
    assert_in_range(server.output_most, 3000000, 4000000);
    assert_int_equal(log_count(&server, "scheduled to be closed ASAP"), 1);
    assert_int_equal(server_stats(&server).closed_output_limit, 1);

    client = client_open(&server);
    client_say(&server, client, "MANY 3\r\nPING\r\n");
    char *data = malloc(3000000 + 4 + 3 * 12);
    client_read(&server, client, data, 3000000 + 4 + 3 * 12);
    assert_memory_equal(data, "*3\r\n$1000000\r\n", 14);
    client_expect(&server, client, "+PONG\r\n");
    limits.output[CLASS_NORMAL].hard = 0;
    limits_set(&server, &limits);
    client_say(&server, client, "MANY 5\r\n");
    server_round(&server);
    assert_in_range(server.output_most, 5000000, 6000000);
    assert_int_equal(server.sessions, 1);
    free(data);
    close(client);
    server_close(&server);
}

/* Shows: somebody who is pushed to and does not read is closed too, before the loop sleeps and not under the
 * pusher's hands. */
static void test_output_limit_of_pushes(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    struct net_limits limits = limits_get(&server);
    limits.output[CLASS_PUBSUB].hard = 300000;
    limits_set(&server, &limits);
    int reader = client_open(&server);
    connection_set_class(client_connection(&server), CLASS_PUBSUB);
    int pusher = client_open(&server);
    struct buffer push = {0};
    buffer_append_text(&push, "*3\r\n$4\r\nPUSH\r\n$1\r\n1\r\n$50000\r\n");
    memset(buffer_reserve(&push, 50000), 'p', 50000);
    push.size += 50000;
    buffer_append_text(&push, "\r\n");
    for (int i = 0; i < 50 && server.sessions == 2; i++) {
        client_send(&server, pusher, push.data, push.size);
        client_expect(&server, pusher, "+OK\r\n");
    }
    assert_int_equal(server.sessions, 1);
    assert_int_equal(server_stats(&server).closed_output_limit, 1);
    buffer_free(&push);
    close(reader);
    close(pusher);
    server_close(&server);
}

/* Shows: the soft limit may be exceeded for a while and no longer; who falls below it again starts anew;
 * taking the limit away lets everybody off. */
static void test_output_soft_limit(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    struct net_limits limits = limits_get(&server);
    limits.output[CLASS_NORMAL] = (struct output_limit){.soft = 1000000, .soft_seconds = 10};
    limits_set(&server, &limits);
    int client = client_open(&server);
    char *data = malloc(3000000);
    client_say(&server, client, "BIG 3000000\r\n");
    server_rounds(&server, 10);
    server.clock_ahead_us += 9000000;
    server_rounds(&server, 3);
    client_expect(&server, client, "$3000000\r\n");
    client_read(&server, client, data, 3000000);
    client_expect(&server, client, "\r\n");
    server.clock_ahead_us += 9000000;
    server_rounds(&server, 3);
    client_say(&server, client, "BIG 3000000\r\n");
    server_rounds(&server, 10);
    server.clock_ahead_us += 9000000;
    server_rounds(&server, 3);
    assert_int_equal(server.sessions, 1);
    struct net_limits none = limits_get(&server);
    none.output[CLASS_NORMAL] = (struct output_limit){0};
    limits_set(&server, &none);
    server.clock_ahead_us += 9000000;
    server_rounds(&server, 3);
    assert_int_equal(server.sessions, 1);
    limits_set(&server, &limits);
    client_say(&server, client, "PING\r\n");
    server_rounds(&server, 3);
    server.clock_ahead_us += 9900000;
    server_rounds(&server, 3);
    assert_int_equal(server.sessions, 1);
    server.clock_ahead_us += 200000;
    server_rounds(&server, 3);
    assert_int_equal(server.sessions, 0);
    assert_int_equal(server_stats(&server).closed_output_limit, 1);
    free(data);
    close(client);
    server_close(&server);
}

/* Shows: a soft limit that may be exceeded for longer than time can be counted in never closes anybody. */
static void test_output_soft_limit_for_ever(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    struct net_limits limits = limits_get(&server);
    limits.output[CLASS_NORMAL] = (struct output_limit){.soft = 1000000, .soft_seconds = INT64_MAX};
    limits_set(&server, &limits);
    int client = client_open(&server);
    client_say(&server, client, "BIG 3000000\r\n");
    server_rounds(&server, 10);
    server.clock_ahead_us += 1000000000000;
    server_rounds(&server, 3);
    server_expect_sleep(&server);
    assert_int_equal(server.sessions, 1);
    close(client);
    server_close(&server);
}

/* Shows: one client more than allowed is told so and closed, and when another leaves there is room. */
static void test_clients_max(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    struct net_limits limits = limits_get(&server);
    limits.clients_max = 2;
    limits_set(&server, &limits);
    int first = client_open(&server);
    int second = client_open(&server);
    int third = client_open(&server);
    client_expect(&server, third, "-ERR max number of clients reached\r\n");
    client_expect_end(&server, third);
    assert_int_equal(server_stats(&server).rejected, 1);
    assert_int_equal(server_stats(&server).accepted, 2);
    close(first);
    server_rounds(&server, 3);
    third = client_open(&server);
    client_say(&server, third, "PING\r\n");
    client_expect(&server, third, "+PONG\r\n");
    close(second);
    close(third);
    server_close(&server);
}

static int accept_from(struct server *server, const char *text)
{
    int ends[2];
    struct address peer = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    peer.any.sa_family = strchr(text, ':') ? AF_INET6 : AF_INET;
    void *number = strchr(text, ':') ? (void *)&peer.v6.sin6_addr : (void *)&peer.v4.sin_addr;
    assert_int_equal(inet_pton(peer.any.sa_family, text, number), 1);
    net_accept(server->net, ends[0], &peer);
    return ends[1];
}

/* Shows: in protected mode only this machine's own addresses get in; all others are told why not. */
static void test_protected_mode(void **state)
{
    (void)state;
    static const char *const local[] = {"127.0.0.1", "127.1.2.3", "::1"};
    static const char *const foreign[] = {"192.0.2.7", "10.0.0.1", "2001:db8::1"};
    static const char text[] =
        "-DENIED Redis is running in protected mode because protected mode is enabled and no "
        "password is set for the default user. ";
    struct server server;
    server_open(&server);
    struct net_limits limits = limits_get(&server);
    limits.protect = true;
    limits_set(&server, &limits);
    for (int i = 0; i < 3; i++) {
        int client = accept_from(&server, local[i]);
        client_say(&server, client, "PING\r\n");
        client_expect(&server, client, "+PONG\r\n");
        close(client);
        client = accept_from(&server, foreign[i]);
        client_expect(&server, client, text);
        char rest[2048];
        ssize_t size = recv(client, rest, sizeof(rest), 0);
        assert_in_range(size, 100, sizeof(rest));
        assert_memory_equal(rest + size - 2, "\r\n", 2);
        client_expect_end(&server, client);
    }
    int client = client_open(&server);
    client_say(&server, client, "PING\r\n");
    client_expect(&server, client, "+PONG\r\n");
    assert_int_equal(server_stats(&server).rejected, 3);
    close(client);
    server_close(&server);
}

/* Shows: who says nothing for longer than the timeout is closed, in the order of silence; who talks, waits or
 * is of another class is not; and the loop is woken for it once, not over and over. */
static void test_idle_timeout(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    /* To the beginning of a second, since that is what idleness is counted in. */
    server.clock_ahead_us += 1000000 - clock_monotonic_us(&server.clock) % 1000000;
    server_round(&server);
    int silent = client_open(&server);
    int talking = client_open(&server);
    int blocked = client_open(&server);
    int subscriber = client_open(&server);
    connection_set_class(client_connection(&server), CLASS_PUBSUB);
    client_say(&server, blocked, "BLOCK 0\r\n");
    server_rounds(&server, 3);
    struct net_limits limits = limits_get(&server);
    limits.timeout_seconds = 10;
    limits_set(&server, &limits);
    server.clock_ahead_us += 8000000;
    client_say(&server, talking, "PING\r\n");
    client_expect(&server, talking, "+PONG\r\n");
    server.clock_ahead_us += 1000000;
    server_rounds(&server, 3);
    assert_int_equal(server.sessions, 4);
    server.clock_ahead_us += 1000000;
    server_expect_sleep(&server);
    assert_int_equal(server.sessions, 4);
    server.clock_ahead_us += 2000000;
    client_expect_end(&server, silent);
    assert_int_equal(server.sessions, 3);
    assert_int_equal(log_count(&server, "Closing idle client"), 1);
    server.clock_ahead_us += 8000000;
    client_expect_end(&server, talking);
    assert_int_equal(server.sessions, 2);
    server.clock_ahead_us += 100000000;
    server_rounds(&server, 3);
    server_expect_sleep(&server);
    assert_int_equal(server.sessions, 2);
    assert_int_equal(server_stats(&server).closed_idle, 2);
    close(blocked);
    close(subscriber);
    server_close(&server);
}

/* Shows: without a timeout a quiet server sleeps for good: no timer is left to wake it. */
static void test_quiet_server_sleeps(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    client_say(&server, client, "PING\r\n");
    client_expect(&server, client, "+PONG\r\n");
    server_rounds(&server, 3);
    server_expect_sleep(&server);
    close(client);
    server_close(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_hard_limit),
        cmocka_unit_test(test_output_limit_in_command),
        cmocka_unit_test(test_output_limit_of_pushes),
        cmocka_unit_test(test_output_soft_limit),
        cmocka_unit_test(test_output_soft_limit_for_ever),
        cmocka_unit_test(test_clients_max),
        cmocka_unit_test(test_protected_mode),
        cmocka_unit_test(test_idle_timeout),
        cmocka_unit_test(test_quiet_server_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
