/* Clients that do not read what they are answered: what they can make the server keep. */
#include "harness.h"

#define WHOLE_MAX  ((size_t)8000000)
#define REPLY_SIZE 100000
/* "$100000\r\n", the value, "\r\n" */
#define REPLY_BYTES ((size_t)REPLY_SIZE + 11)

/* As many bytes as the kernel takes of the same text, over and over. Returns how often it went whole. */
static int say_all(struct server *server, int client, const char *text, int times)
{
    size_t size = strlen(text);
    for (int i = 0; i < times; i++) {
        ssize_t sent = send(client, text, size, MSG_NOSIGNAL);
        for (int rounds = 0; sent < 0 && errno == EAGAIN && rounds < 3; rounds++) {
            server_round(server);
            sent = send(client, text, size, MSG_NOSIGNAL);
        }
        if (sent != (ssize_t)size)
            return i;
    }
    return times;
}

/* Shows: somebody who has not authenticated and reads no replies is closed when a few kilobytes wait for him,
 * whatever they are; others are told of in the log once a minute at the most; all of them are counted. */
static void test_stranger_reads_nothing(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    for (int i = 1; i <= 3; i++) {
        size_t most = 0;
        int client = client_open(&server);
        server.others[i]->authenticated = false;
        client_say(&server, client, "PING\r\n"); /* is seen to be none */
        for (int sent = 0; sent < 1000000 && server.sessions > 0; sent++) {
            if (say_all(&server, client,
                        "PING\r\nECHO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 100) == 0)
                server_round(&server);
            if (server.sessions > 0) {
                struct connection_info info = client_info(&server);
                most = info.memory > most ? info.memory : most;
            }
        }
        assert_int_equal(server.sessions, 0);
        assert_in_range(most, 1, 18432 + 4096 + 8192);
        assert_int_equal(server_stats(&server).closed_stranger, i);
        assert_int_equal(server_stats(&server).output_total, 0);
        close(client);
    }
    assert_int_equal(server_stats(&server).closed_output_limit, 3);
    assert_int_equal(log_count(&server, "small before it has authenticated"), 1);
    server_close(&server);
}

/* Shows: a stranger who reads may ask as often as he likes, also in one pipeline, and who was none before
 * (RESET) does not lose what he was answered until then. */
static void test_stranger_reads(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    server.others[1]->authenticated = false;
    struct buffer asked = {0};
    struct buffer answered = {0};
    for (int i = 0; i < 300; i++) {
        buffer_append_text(&asked, "ECHO abcdefghijklmnopqrstuvwxyz\r\n");
        buffer_append_text(&answered, "$26\r\nabcdefghijklmnopqrstuvwxyz\r\n");
    }
    buffer_append_char(&asked, '\0');
    buffer_append_char(&answered, '\0');
    for (int i = 0; i < 3; i++) {
        client_say(&server, client, asked.data);
        client_expect(&server, client, answered.data);
    }
    client_say(&server, client, "AUTH x\r\nBIG 1000000\r\n");
    server_rounds(&server, 10);
    server.others[1]->authenticated = false;
    client_say(&server, client, "PING\r\n");
    client_expect(&server, client, "+OK\r\n$1000000\r\n");
    char *data = malloc(1000002);
    client_read(&server, client, data, 1000002);
    client_expect(&server, client, "+PONG\r\n");
    free(data);
    buffer_free(&asked);
    buffer_free(&answered);
    close(client);
    server_close(&server);
}

static void set_total(struct server *server, uint64_t total)
{
    server->limits.output_total_max = total;
    net_set_limits(server->net, &server->limits);
}

/* A client whose pipeline of large replies nobody reads, stopped. Returns how many were asked for. */
static int stuck_client(struct server *server, int client)
{
    int asked = 0;
    for (int rounds = 0; rounds < 3 && asked < 100000;) {
        int more = say_all(server, client, "BIG 100000\r\n", 50);
        rounds = more == 0 ? rounds + 1 : 0;
        asked += more;
        server_rounds(server, 2);
    }
    return asked;
}

/* Shows: a pipeline whose replies nobody reads stops, input and all, when they take more than all clients'
 * may; others are served meanwhile; when it is read in the end, every reply comes. */
static void test_unread_stops(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    set_total(&server, WHOLE_MAX);
    int client = client_open(&server);
    int asked = stuck_client(&server, client);
    assert_true((size_t)asked * REPLY_BYTES > 2 * WHOLE_MAX);
    assert_int_equal(server_stats(&server).unread, 1);
    /* A turn more, and what chunks take beyond the bytes. */
    assert_in_range(server_stats(&server).output_total, WHOLE_MAX, WHOLE_MAX + WHOLE_MAX / 2);
    assert_int_equal(log_count(&server, "does not read its replies"), 1);
    server_expect_sleep(&server);

    int other = client_open(&server);
    client_say(&server, other, "PING\r\nBIG 500000\r\nPING\r\n");
    client_expect(&server, other, "+PONG\r\n$500000\r\n");
    char *data = malloc(REPLY_BYTES > 500002 ? REPLY_BYTES : 500002);
    client_read(&server, other, data, 500002);
    client_expect(&server, other, "+PONG\r\n");
    assert_int_equal(server_stats(&server).unread, 1);

    for (int i = 0; i < asked; i++) {
        client_read(&server, client, data, REPLY_BYTES);
        assert_memory_equal(data, "$100000\r\nabc", 12);
        assert_memory_equal(data + REPLY_BYTES - 2, "\r\n", 2);
    }
    client_say(&server, client, "\r\nPING\r\n");
    client_expect(&server, client, "+PONG\r\n");
    assert_int_equal(server_stats(&server).unread, 0);
    free(data);
    close(client);
    close(other);
    server_close(&server);
}

/* Shows: who stopped goes on when the others let go of their share, and when the limit is taken away. */
static void test_unread_is_released(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    set_total(&server, WHOLE_MAX);
    int client = client_open(&server);
    stuck_client(&server, client);
    int second = client_open(&server);
    client_say(&server, second, "MANY 3\r\nPING\r\n");
    server_rounds(&server, 5);
    assert_int_equal(server_stats(&server).unread, 2);
    int executions = server.executions;
    close(client);
    server_rounds(&server, 5);
    assert_int_equal(server_stats(&server).unread, 0);
    assert_int_equal(server.executions, executions + 1);
    client = client_open(&server);
    stuck_client(&server, client);
    executions = server.executions;
    set_total(&server, 0);
    server_rounds(&server, 5);
    assert_int_equal(server_stats(&server).unread, 0);
    assert_true(server.executions > executions);
    close(client);
    close(second);
    server_close(&server);
}

/* Shows: who stopped and takes nothing for a minute is closed, since it may wait for us as we do for it; one
 * that takes a little stays, and so does one whose replies we hold back ourselves. */
static void test_unread_for_a_minute(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    set_total(&server, WHOLE_MAX);
    int client = client_open(&server);
    stuck_client(&server, client);
    char *data = malloc(3000000);
    for (int i = 0; i < 4; i++) {
        server.clock_ahead_us += 40 * 1000000;
        server_rounds(&server, 3);
        assert_int_equal(server_stats(&server).unread, 1);
        client_read(&server, client, data, 400000);
        server_rounds(&server, 3);
    }
    server.clock_ahead_us += 62 * 1000000;
    server_rounds(&server, 3);
    server.clock_ahead_us += 62 * 1000000;
    server_rounds(&server, 3);
    assert_int_equal(server.sessions, 0);
    assert_int_equal(server_stats(&server).closed_unread, 1);
    assert_int_equal(log_count(&server, "has read nothing for a minute"), 1);
    close(client);

    client = client_open(&server);
    client_say(&server, client, "WRITE\r\nMANY 9\r\nPING\r\n");
    server_rounds(&server, 5);
    for (int i = 0; i < 4; i++) {
        server.clock_ahead_us += 62 * 1000000;
        server_rounds(&server, 3);
    }
    assert_int_equal(server.sessions, 1);
    server.acknowledged = server.executed;
    loop_wake(server.loop);
    client_expect(&server, client, ":1\r\n*9\r\n$1000000\r\n");
    free(data);
    close(client);
    server_close(&server);
}

/* Shows: whoever is sent messages, which come although he is stopped, is closed when they take much while all
 * replies together take too much, and not before. */
static void test_unread_messages(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int reader = client_open(&server);
    int pusher = client_open(&server);
    struct buffer push = {0};
    buffer_append_text(&push, "*3\r\n$4\r\nPUSH\r\n$1\r\n1\r\n$900000\r\n");
    memset(buffer_reserve(&push, 900000), 'p', 900000);
    push.size += 900000;
    buffer_append_text(&push, "\r\n");
    for (int i = 0; i < 30; i++) {
        client_send(&server, pusher, push.data, push.size);
        client_expect(&server, pusher, "+OK\r\n");
    }
    assert_int_equal(server.sessions, 2);
    set_total(&server, WHOLE_MAX);
    client_send(&server, pusher, push.data, push.size);
    client_expect(&server, pusher, "+OK\r\n");
    server_rounds(&server, 3);
    assert_int_equal(server.sessions, 1);
    assert_int_equal(server_stats(&server).closed_output_limit, 1);
    assert_in_range(server_stats(&server).output_total, 0, 100000);
    buffer_free(&push);
    close(reader);
    close(pusher);
    server_close(&server);
}

/* Shows: a command beyond client-query-buffer-limit is counted and told. */
static void test_query_limit(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    server.limits.parser.query_max = 1 << 20;
    net_set_limits(server.net, &server.limits);
    for (int i = 0; i < 2; i++) {
        int client = client_open(&server);
        client_say(&server, client, "*2\r\n$4\r\nECHO\r\n$2000000\r\n");
        client_expect(&server, client, "-ERR Protocol error: query buffer limit exceeded\r\n");
        client_expect_end(&server, client);
    }
    assert_int_equal(server_stats(&server).closed_query_limit, 2);
    assert_int_equal(log_count(&server, "larger than client-query-buffer-limit"), 1);
    server_close(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stranger_reads_nothing),
        cmocka_unit_test(test_stranger_reads),
        cmocka_unit_test(test_unread_stops),
        cmocka_unit_test(test_unread_is_released),
        cmocka_unit_test(test_unread_for_a_minute),
        cmocka_unit_test(test_unread_messages),
        cmocka_unit_test(test_query_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
