/* Large arguments and replies, which travel in blobs. */
#include "harness.h"

#include "net/internal.h"

#define MB ((size_t)1 << 20)

/* "KEEP <size bytes>", with something behind it. */
static struct buffer keep_command(size_t size, const char *behind)
{
    struct buffer command = {0};
    buffer_append_format(&command, "*2\r\n$4\r\nKEEP\r\n$%zu\r\n", size);
    char *value = buffer_reserve(&command, size);
    for (size_t at = 0; at < size; at++)
        value[at] = (char)(at * 7 + at / 251);
    command.size += size;
    buffer_append_text(&command, behind);
    return command;
}

static void expect_kept(const struct server *server, size_t size)
{
    assert_non_null(server->kept);
    assert_int_equal(server->kept->size, size);
    assert_false(blob_is_shared(server->kept));
    for (size_t at = 0; at < size; at++)
        assert_int_equal(server->kept->data[at], (char)(at * 7 + at / 251));
}

/* Shows: what the socket filled is what the command is given and may keep, as its only owner, at any size
 * from RECEIVE_BLOB_MIN on; what follows it is run, too. */
static void test_kept(void **state)
{
    (void)state;
    const size_t sizes[] = {RECEIVE_BLOB_MIN, RECEIVE_BLOB_MIN + 1, 100000, MB - 1, MB, MB + 1, 3 * MB + 17};
    struct server server;
    server_open(&server);
    server.acknowledged = 100;
    int client = client_open(&server);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buffer command = keep_command(sizes[i], "\r\nALONE\r\n");
        client_send(&server, client, command.data, command.size);
        char reply[20];
        snprintf(reply, sizeof(reply), ":%zu\r\n:1\r\n", i + 1);
        client_expect(&server, client, reply);
        expect_kept(&server, sizes[i]);
        buffer_free(&command);
    }
    close(client);
    server_close(&server);
}

/* Shows: a large argument that comes when the journal cannot take it is put off, as often as it must be, with
 * what stands behind it, and is the same when it is run; nothing is left when its client goes meanwhile. */
static void test_put_off(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    server.acknowledged = 100;
    for (int dies = 0; dies < 2; dies++) {
        int client = client_open(&server);
        size_t before = memory_used();
        struct buffer command = keep_command(2 * MB, "\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhe");
        server.journal_full = true;
        client_send(&server, client, command.data, command.size);
        buffer_free(&command);
        server_rounds(&server, 20);
        assert_true(client_info(&server).paused);
        assert_int_equal(server_stats(&server).paused, 1);
        for (int i = 0; i < 3; i++) {
            loop_wake(server.loop);
            server_rounds(&server, 3);
            assert_true(client_info(&server).paused);
            assert_true(client_info(&server).input_used > 2 * MB);
        }
        assert_true(memory_used() - before < 2 * MB + 20000);
        if (!dies) {
            server.journal_full = false;
            loop_wake(server.loop);
            client_expect(&server, client, ":1\r\n+PONG\r\n");
            expect_kept(&server, 2 * MB);
            client_say(&server, client, "llo\r\n");
            client_expect(&server, client, "$5\r\nhello\r\n");
            keep_blob(&server, NULL);
        }
        close(client);
        server_rounds(&server, 5);
        if (dies) {
            loop_wake(server.loop);
            server_rounds(&server, 5);
        }
        assert_true(memory_used() < before + 10000);
    }
    server_close(&server);
}

/* Shows: an argument whose client goes in the middle leaves nothing, however much of it had come. */
static void test_die_in_the_middle(void **state)
{
    (void)state;
    const size_t parts[] = {30, 1000, RECEIVE_BLOB_MIN, 100000, MB + 100, 3 * MB};
    struct server server;
    server_open(&server);
    struct buffer command = keep_command(4 * MB, "");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t before = memory_used();
        int client = client_open(&server);
        client_send(&server, client, command.data, parts[i]);
        server_rounds(&server, 5);
        assert_int_equal(client_info(&server).input_used, parts[i]);
        assert_true(memory_used() - before < parts[i] + 20000);
        close(client);
        server_rounds(&server, 3);
        assert_int_equal(server_stats(&server).connected, 0);
        assert_true(memory_used() < before + 1000);
    }
    assert_int_equal(server.executions, 0);
    buffer_free(&command);
    server_close(&server);
}

/* Shows: a reply keeps the bytes that it refers to until they are sent, in steps between which others are
 * served; they are counted as its output's memory, and let go with a client that does not take them. */
static void test_replies(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    server.acknowledged = 100;
    struct buffer command = keep_command(4 * MB, "\r\n");
    int client = client_open(&server);
    client_send(&server, client, command.data, command.size);
    client_expect(&server, client, ":1\r\n");
    for (int dies = 0; dies < 2; dies++) {
        struct blob *blob = server.kept;
        client_say(&server, client, "SHOW\r\nSHOW\r\n");
        server_rounds(&server, 5);
        assert_true(client_info(&server).output_memory > 4 * MB);
        assert_true(client_info(&server).output_shared > 4 * MB);
        assert_true(blob_is_shared(blob));
        if (dies) {
            close(client);
            server_rounds(&server, 5);
            assert_false(blob_is_shared(blob));
            break;
        }
        struct buffer reply = {0};
        for (int i = 0; i < 2; i++) {
            buffer_append_format(&reply, "$%zu\r\n", 4 * MB);
            buffer_append(&reply, command.data + command.size - 2 - 4 * MB, 4 * MB + 2);
        }
        blob_share(blob);
        keep_blob(&server, NULL);
        client_expect_bytes(&server, client, reply.data, reply.size);
        server_rounds(&server, 3);
        assert_false(blob_is_shared(blob));
        keep_blob(&server, blob);
        blob_drop(blob);
        buffer_free(&reply);
    }
    buffer_free(&command);
    server_close(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_put_off),
        cmocka_unit_test(test_die_in_the_middle),
        cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
