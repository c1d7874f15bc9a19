/* Connections: what is received is run, in order, once, however it arrives; what is queued is sent when it
 * may be. */
#include "harness.h"

/* Shows: a pipeline that is cut at any byte, with the loop turned at the cut, gets the same replies. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    static const char pipeline[] = "*1\r\n$4\r\nPING\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhe\r\no\r\n\r\n"
                                   "*2\r\n$4\r\nECHO\r\n$0\r\n\r\nECHO 'a b'\r\n";
    static const char replies[] = "+PONG\r\n+PONG\r\n$5\r\nhe\r\no\r\n$0\r\n\r\n$3\r\na b\r\n";
    size_t size = sizeof(pipeline) - 1;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    for (size_t cut = 0; cut <= size; cut++) {
        client_send(&server, client, pipeline, cut);
        server_rounds(&server, 2);
        client_send(&server, client, pipeline + cut, size - cut);
        client_expect(&server, client, replies);
    }
    for (size_t i = 0; i < size; i++) {
        client_send(&server, client, pipeline + i, 1);
        server_rounds(&server, 2);
    }
    client_expect(&server, client, replies);
    assert_int_equal(client_info(&server).input_used, 0);
    close(client);
    server_close(&server);
}

/* Shows: 10,000 commands in one write are all run, in order, over several rounds, and other clients get their
 * turn in between. */
static void test_long_pipeline(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    int other = client_open(&server);
    struct buffer commands = {0};
    struct buffer replies = {0};
    for (int i = 0; i < 10000; i++) {
        char text[16];
        int size = snprintf(text, sizeof(text), "%d", i);
        buffer_append_format(&commands, "*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", size, text);
        buffer_append_format(&replies, "$%d\r\n%s\r\n", size, text);
    }
    client_say(&server, other, "PING\r\n");
    size_t sent = 0;
    int most = 0;
    while (server.executions < 10001) {
        ssize_t size = send(client, commands.data + sent, commands.size - sent, 0);
        sent += size > 0 ? (size_t)size : 0;
        int before = server.executions;
        server_round(&server);
        most = server.executions - before > most ? server.executions - before : most;
        if (server.executions > 1 && before == 0)
            client_expect(&server, other, "+PONG\r\n");
    }
    /* A turn, and one more for what the same round then reads. */
    assert_true(most <= 2 * 1024 + 1);
    client_expect_bytes(&server, client, replies.data, replies.size);
    client_expect_nothing(&server, client);
    buffer_free(&commands);
    buffer_free(&replies);
    close(client);
    close(other);
    server_close(&server);
}

/* Shows: commands that take long end a turn early, so that another client waits for few of them and not for a
 * whole pipeline; all are run in the end, each once. */
static void test_slow_pipeline(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    int other = client_open(&server);
    struct buffer replies = {0};
    char slow[200 * 6 + 1] = "";
    for (int i = 0; i < 200; i++) {
        memcpy(slow + i * 6, "SLOW\r\n", 7);
        buffer_append_text(&replies, "+SLOW\r\n");
    }
    client_say(&server, client, slow);
    while (server.executions == 0)
        server_round(&server);
    assert_true(server.executions <= 3);
    client_say(&server, other, "PING\r\n");
    client_expect(&server, other, "+PONG\r\n");
    assert_true(server.executions < 30);
    client_expect_bytes(&server, client, replies.data, replies.size);
    assert_int_equal(server.executions, 201);
    buffer_free(&replies);
    close(client);
    close(other);
    server_close(&server);
}

/* Shows: the handler learns that one connection is all there is to serve when it has been so for some rounds,
 * and in the very round in which another one speaks that it is not so any more. */
static void test_serving_one(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    int other = client_open(&server);
    for (int i = 0; i < 40; i++) {
        client_say(&server, client, "PING\r\n");
        client_expect(&server, client, "+PONG\r\n");
        if (i == 2)
            assert_false(server.serves_one);
    }
    assert_true(server.serves_one);
    client_say(&server, other, "PING\r\n");
    while (server.executions < 41)
        server_round(&server);
    server_round(&server); /* a round ends when the next one begins */
    assert_false(server.serves_one);
    client_expect(&server, other, "+PONG\r\n");
    server_rounds(&server, 40);
    assert_true(server.serves_one);
    close(other);
    server_rounds(&server, 40);
    assert_false(server.serves_one);
    close(client);
    server_close(&server);
}

/* Shows: arguments from the size of the read buffer to some megabytes arrive whole, with commands before and
 * behind them, and the memory they took is given back. */
static void test_large_arguments(void **state)
{
    (void)state;
    static const size_t sizes[] = {16383, 32768, 49152, 65500, 65536, 65537, 131072, 1000000, 5000000};
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buffer command = {0};
        buffer_append_format(&command, "PING\r\n*2\r\n$4\r\nECHO\r\n$%zu\r\n", sizes[i]);
        char *value = buffer_reserve(&command, sizes[i]);
        for (size_t at = 0; at < sizes[i]; at++)
            value[at] = (char)(at * 7 + at / 251);
        command.size += sizes[i];
        struct buffer reply = {0};
        buffer_append_format(&reply, "+PONG\r\n$%zu\r\n", sizes[i]);
        buffer_append(&reply, value, sizes[i]);
        buffer_append_text(&reply, "\r\n+PONG\r\n");
        buffer_append_text(&command, "\r\nPING\r\n");
        client_send(&server, client, command.data, command.size);
        client_expect_bytes(&server, client, reply.data, reply.size);
        buffer_free(&command);
        buffer_free(&reply);
    }
    char medium[6000 + 9 + 7];
    client_say(&server, client, "BIG 6000\r\nPING\r\n");
    client_read(&server, client, medium, sizeof(medium));
    server_rounds(&server, 3);
    struct connection_info info = client_info(&server);
    assert_int_equal(info.input_used, 0);
    assert_int_equal(info.input_free, 0);
    assert_int_equal(info.parser_memory, 0);
    assert_true(info.memory < 4096);
    close(client);
    server_close(&server);
}

/* Shows: a command of very many arguments is gathered without being moved every time something comes, and
 * without the memory for it being far beyond what came.
 */
static void test_many_arguments(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    struct buffer command = {0};
    buffer_append_text(&command, "*200001\r\n$4\r\nPING\r\n");
    for (int i = 0; i < 200000; i++)
        buffer_append_format(&command, "$6\r\n%06d\r\n", i);
    size_t half = command.size / 2;
    struct connection_info info = {0};
    size_t capacity = 0;
    int moves = 0;
    for (size_t at = 0; at < half; at += 10000) {
        client_send(&server, client, command.data + at, half - at < 10000 ? half - at : 10000);
        server_rounds(&server, 2);
        info = client_info(&server);
        moves += info.input_used + info.input_free > capacity + 20000;
        capacity = info.input_used + info.input_free;
    }
    assert_in_range(moves, 2, 15);
    assert_int_equal(info.input_used, half);
    assert_true(info.input_free <= half + 65536);
    client_send(&server, client, command.data + half, command.size - half);
    client_expect(&server, client, "+PONG\r\n");
    buffer_free(&command);
    close(client);
    server_close(&server);
}

/* Shows: a client that announces half a gigabyte and then stalls costs what it has sent, not what it
 * announced. */
static void test_stalled_bulk(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    client_say(&server, client, "*2\r\n$4\r\nECHO\r\n$500000000\r\n");
    server_rounds(&server, 5);
    assert_true(client_info(&server).memory < 4096);
    char *data = calloc(1, 300000);
    client_send(&server, client, data, 300000);
    server_rounds(&server, 50);
    struct connection_info info = client_info(&server);
    assert_true(info.input_used > 300000);
    assert_true(info.memory < 2 * 300000 + 65536);
    free(data);
    close(client);
    server_rounds(&server, 5);
    assert_int_equal(server.sessions, 0);
    server_close(&server);
}

/* Shows: a command that the journal cannot take is kept with all that follows, nothing of it is lost or run
 * twice, and it goes on after a wake, and only then. */
static void test_pause_and_resume(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    server.journal_full = true;
    server.acknowledged = 100;
    client_say(&server, client, "PING\r\nWRITE\r\nPING\r\nWRITE\r\nQUIT\r\n");
    client_expect(&server, client, "+PONG\r\n");
    client_expect_nothing(&server, client);
    assert_int_equal(server_stats(&server).paused, 1);
    assert_true(client_info(&server).paused);
    int executions = server.executions;
    client_say(&server, client, "PING\r\n");
    server_rounds(&server, 10);
    assert_int_equal(server.executions, executions); /* not even tried without a wake */
    loop_wake(server.loop);
    server_round(&server);
    assert_int_equal(server.executions, executions + 1); /* tried, and put off again */
    server.journal_full = false;
    client_expect_nothing(&server, client);
    loop_wake(server.loop);
    client_expect(&server, client, ":1\r\n+PONG\r\n:2\r\n+OK\r\n");
    client_expect_end(&server, client);
    server_close(&server);
}

/* Shows: of many paused clients those behind one that must pause again are not even tried, and keep their
 * order. */
static void test_paused_keep_their_order(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int clients[8];
    server.journal_full = true;
    server.acknowledged = 100;
    for (int i = 0; i < 8; i++) {
        clients[i] = client_open(&server);
        client_say(&server, clients[i], "WRITE\r\n");
        server_rounds(&server, 2);
    }
    assert_int_equal(server_stats(&server).paused, 8);
    int executions = server.executions;
    for (int i = 0; i < 3; i++) {
        loop_wake(server.loop);
        server_round(&server);
    }
    assert_int_equal(server.executions, executions + 3);
    server.journal_full = false;
    loop_wake(server.loop);
    for (int i = 0; i < 8; i++) {
        char reply[8];
        snprintf(reply, sizeof(reply), ":%d\r\n", i + 1);
        client_expect(&server, clients[i], reply);
        close(clients[i]);
    }
    server_close(&server);
}

/* Shows: a blocked client's later commands wait, and its release lets them run. */
static void test_block_and_unblock(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    client_say(&server, client, "PING\r\nBLOCK 0\r\nPING\r\n");
    client_expect(&server, client, "+PONG\r\n");
    client_say(&server, client, "ECHO x\r\n");
    client_expect_nothing(&server, client);
    assert_int_equal(server_stats(&server).blocked, 1);
    server.release = true;
    client_expect(&server, client, "+FREE\r\n+PONG\r\n$1\r\nx\r\n");
    assert_int_equal(server_stats(&server).blocked, 0);

    server.release = false;
    client_say(&server, client, "BLOCK 1000\r\nPING\r\n");
    server_rounds(&server, 5);
    client_expect_nothing(&server, client);
    server_expect_sleep(&server); /* who waits keeps nobody awake */
    server.clock_ahead_us += 1100000;
    client_expect(&server, client, "+EXPIRED\r\n+PONG\r\n");
    close(client);
    server_close(&server);
}

/* Shows: a client that hangs up while it is blocked or paused is noticed, and its session freed. */
static void test_hang_up_while_waiting(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    server.journal_full = true;
    int blocked = client_open(&server);
    int paused = client_open(&server);
    client_say(&server, blocked, "BLOCK 0\r\nPING\r\n");
    client_say(&server, paused, "WRITE\r\nPING\r\n");
    server_rounds(&server, 3);
    assert_int_equal(server.sessions, 2);
    close(blocked);
    close(paused);
    server_rounds(&server, 3);
    assert_int_equal(server.sessions, 0);
    assert_int_equal(server_stats(&server).blocked, 0);
    assert_int_equal(server_stats(&server).paused, 0);
    server_close(&server);
}

/* Shows: what somebody pipes in and ends with a half-close is run to the end and answered, also when it had
 * to pause and its replies have to wait. */
static void test_half_close(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    server.journal_full = true;
    int client = client_open(&server);
    client_say(&server, client, "WRITE\r\nWRITE\r\nPING\r\n");
    server_rounds(&server, 3);
    client_say(&server, client, "ECHO last\r\n");
    shutdown(client, SHUT_WR);
    server_rounds(&server, 3);
    server_expect_sleep(&server);
    assert_int_equal(server.sessions, 1);
    server.journal_full = false;
    loop_wake(server.loop);
    client_expect_nothing(&server, client);
    server.acknowledged = 2;
    loop_wake(server.loop);
    client_expect(&server, client, ":1\r\n:2\r\n+PONG\r\n$4\r\nlast\r\n");
    client_expect_end(&server, client);
    server_close(&server);
}

/* Shows: replies go out as far as their LSN is acknowledged, those behind a held one wait with it, other
 * clients do not, and the loop sleeps meanwhile. (A mark holds whatever stands before it, so a PING's reply
 * waits for the WRITE behind it.) */
static void test_held_replies(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int first = client_open(&server);
    int second = client_open(&server);
    int third = client_open(&server);
    client_say(&server, first, "PING\r\nWRITE\r\nPING\r\nWRITE\r\nPING\r\n");
    client_say(&server, second, "WRITE\r\nECHO x\r\n");
    client_expect_nothing(&server, first);
    client_expect_nothing(&server, second);
    client_say(&server, third, "PING\r\n");
    client_expect(&server, third, "+PONG\r\n");
    server_expect_sleep(&server);
    server.acknowledged = 1;
    loop_wake(server.loop);
    client_expect(&server, first, "+PONG\r\n:1\r\n");
    client_expect_nothing(&server, first);
    client_expect_nothing(&server, second);
    server.acknowledged = 2;
    loop_wake(server.loop);
    client_expect(&server, first, "+PONG\r\n:2\r\n+PONG\r\n");
    client_expect_nothing(&server, second);
    server.acknowledged = 3;
    loop_wake(server.loop);
    client_expect(&server, second, ":3\r\n$1\r\nx\r\n");
    close(third);
    close(first);
    close(second);
    server_close(&server);
}

/* Shows: QUIT closes after its reply and runs nothing behind it, also while the reply has to wait. */
static void test_quit(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    client_say(&server, client, "WRITE\r\nQUIT\r\nPING\r\n");
    client_expect_nothing(&server, client);
    assert_int_equal(server.executions, 2);
    server.acknowledged = 1;
    loop_wake(server.loop);
    client_expect(&server, client, ":1\r\n+OK\r\n");
    client_expect_end(&server, client);
    assert_int_equal(server.sessions, 0);
    server_close(&server);
}

/* Shows: bytes that are no command are answered with an error behind the replies so far, then the connection
 * closes. */
static void test_protocol_error(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    client_say(&server, client, "PING\r\n*1\r\n$-5\r\nPING\r\n");
    client_expect(&server, client, "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n");
    client_expect_end(&server, client);
    assert_int_equal(server.sessions, 0);
    server_close(&server);
}

/* Shows: an HTTP request is not answered but closed at once, with one warning for a series of them. */
static void test_http_request(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    for (int i = 0; i < 3; i++) {
        int client = client_open(&server);
        client_say(&server, client, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client_expect_end(&server, client);
    }
    assert_int_equal(log_count(&server, "Possible SECURITY ATTACK detected"), 1);
    server_close(&server);
}

/* Shows: a client without its password has tight limits, which end with AUTH, within one write too. */
static void test_unauthenticated(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    server.others[1]->authenticated = false;
    struct buffer large = {0};
    buffer_append_text(&large, "AUTH x\r\n*2\r\n$4\r\nSIZE\r\n$20000\r\n");
    memset(buffer_reserve(&large, 20000), 'x', 20000);
    large.size += 20000;
    buffer_append_text(&large, "\r\n");
    client_send(&server, client, large.data, large.size);
    client_expect(&server, client, "+OK\r\n:20000\r\n");
    close(client);
    client = client_open(&server);
    server.others[2]->authenticated = false;
    client_send(&server, client, large.data + 8, large.size - 8);
    client_expect(&server, client, "-ERR Protocol error: unauthenticated bulk length\r\n");
    client_expect_end(&server, client);
    buffer_free(&large);
    server_close(&server);
}

/* Shows: closing other connections from a command is safe, whether they have something to read in the same
 * round, wait in a list, or have something to send. */
static void test_close_during_round(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    server.journal_full = true;
    int killer = client_open(&server);
    int victims[6];
    for (int i = 0; i < 6; i++)
        victims[i] = client_open(&server);
    client_say(&server, victims[0], "BLOCK 0\r\n");
    client_say(&server, victims[1], "WRITE\r\n");
    server_rounds(&server, 3);
    server.journal_full = false;
    client_say(&server, victims[5], "WRITE\r\nPING\r\n");
    server_rounds(&server, 3); /* held */
    /* The killer's event comes first: it was sent first. */
    client_say(&server, killer,
               "KILL 2\r\nKILL 3\r\nKILL 4\r\nKILL 5\r\nPUSH 6 bye\r\nFINISH 6\r\nKILL 7\r\nPING\r\n");
    for (int i = 2; i < 5; i++)
        client_say(&server, victims[i], "PING\r\n");
    client_expect(&server, killer, "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+PONG\r\n");
    for (int i = 0; i < 4; i++)
        client_expect_end(&server, victims[i]);
    client_expect(&server, victims[4], "bye");
    client_expect_end(&server, victims[4]);
    client_expect_end(&server, victims[5]);
    assert_int_equal(server.sessions, 1);
    server.acknowledged = 10;
    loop_wake(server.loop);
    server_rounds(&server, 3);
    client_say(&server, killer, "PING\r\n");
    client_expect(&server, killer, "+PONG\r\n");
    close(killer);
    server_close(&server);
}

/* Shows: a command may close its own connection: at once, with nothing sent, or after its reply. */
static void test_close_oneself(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    client_say(&server, client, "PING\r\nKILL 1\r\nPING\r\n");
    client_expect_end(&server, client);
    assert_int_equal(server.executions, 2);
    client = client_open(&server);
    client_say(&server, client, "PING\r\nFINISH 2\r\nPING\r\n");
    client_expect(&server, client, "+PONG\r\n+OK\r\n");
    client_expect_end(&server, client);
    assert_int_equal(server.executions, 4);
    assert_int_equal(server.sessions, 0);
    server_close(&server);
}

/* Shows: a large reply to a slow reader goes out in pieces, and what is pushed meanwhile comes behind it. */
static void test_slow_reader(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int reader = client_open(&server);
    int other = client_open(&server);
    client_say(&server, reader, "BIG 3000000\r\n");
    server_rounds(&server, 20);
    client_say(&server, other, "PUSH 1 behind\r\n");
    client_expect(&server, other, "+OK\r\n");
    server_expect_sleep(&server);
    char *data = malloc(3000000);
    client_expect(&server, reader, "$3000000\r\n");
    client_read(&server, reader, data, 3000000);
    for (int i = 0; i < 3000000; i++)
        assert_int_equal(data[i], 'a' + i % 26);
    client_expect(&server, reader, "\r\nbehind");
    server_expect_sleep(&server);
    free(data);
    close(reader);
    close(other);
    server_close(&server);
}

/* Shows: after net_drain nothing more is run, while what waits for its LSN still goes out, with net_flush
 * too. */
static void test_drain_and_flush(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int client = client_open(&server);
    int big = client_open(&server);
    int stuck = client_open(&server);
    int paused = client_open(&server);
    client_say(&server, client, "WRITE\r\nPING\r\n");
    client_say(&server, big, "BIG 2000000\r\n");
    client_say(&server, stuck, "WRITE\r\n");
    server_rounds(&server, 5);
    server.journal_full = true;
    client_say(&server, paused, "WRITE\r\n");
    server_rounds(&server, 5);
    net_drain(server.net);
    assert_int_equal(server.executions, 5);
    server.journal_full = false;
    client_say(&server, client, "PING\r\n");
    loop_wake(server.loop);
    server_expect_sleep(&server);
    assert_int_equal(server.executions, 5);
    server.acknowledged = 1;
    assert_int_equal(net_flush(server.net, clock_monotonic_us(&server.clock) + 20000), 1);
    client_expect(&server, client, ":1\r\n+PONG\r\n");
    client_expect_nothing(&server, client);
    client_expect_nothing(&server, stuck);
    char *data = malloc(2000000);
    client_expect(&server, big, "$2000000\r\n");
    client_read(&server, big, data, 2000000);
    client_expect(&server, big, "\r\n");
    int64_t begin_us = clock_monotonic_us(&server.clock);
    assert_int_equal(net_flush(server.net, begin_us + 20000000), 0);
    assert_true(clock_monotonic_us(&server.clock) - begin_us < 5000000);
    free(data);
    close(paused);
    close(client);
    close(big);
    close(stuck);
    server_close(&server);
}

static void count_visit(void *context, struct connection *connection)
{
    int *count = context;
    if (++*count == 2)
        connection_close(connection);
}

/* Shows: the counters and the iteration agree with what happened, and the visited connection may be closed.
 */
static void test_counting(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    int clients[3];
    for (int i = 0; i < 3; i++)
        clients[i] = client_open(&server);
    client_say(&server, clients[0], "PING\r\n");
    client_expect(&server, clients[0], "+PONG\r\n");
    struct net_stats stats = server_stats(&server);
    assert_int_equal(stats.connected, 3);
    assert_int_equal(stats.accepted, 3);
    assert_int_equal(stats.bytes_in, 6);
    assert_int_equal(stats.bytes_out, 7);
    assert_int_equal(stats.input_recent_max, 6);
    int count = 0;
    net_each(server.net, count_visit, &count);
    assert_int_equal(count, 3);
    assert_int_equal(server_stats(&server).connected, 2);
    net_stats_reset(server.net);
    assert_int_equal(server_stats(&server).accepted, 0);
    assert_int_equal(server_stats(&server).connected, 2);
    server.clock_ahead_us += 20000000;
    server_round(&server);
    assert_int_equal(server_stats(&server).input_recent_max, 0);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
    server_close(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_pipeline),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_long_pipeline),
        cmocka_unit_test(test_serving_one),
        cmocka_unit_test(test_large_arguments),
        cmocka_unit_test(test_many_arguments),
        cmocka_unit_test(test_stalled_bulk),
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_paused_keep_their_order),
        cmocka_unit_test(test_block_and_unblock),
        cmocka_unit_test(test_hang_up_while_waiting),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_held_replies),
        cmocka_unit_test(test_quit),
        cmocka_unit_test(test_protocol_error),
        cmocka_unit_test(test_http_request),
        cmocka_unit_test(test_unauthenticated),
        cmocka_unit_test(test_close_during_round),
        cmocka_unit_test(test_close_oneself),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_drain_and_flush),
        cmocka_unit_test(test_counting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
