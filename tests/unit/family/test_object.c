/* OBJECT and MEMORY. Expected errors and encodings are those of Redis. */
#include "dialog.h"

/* How values are kept. */
static void test_object(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set i 123", "+OK\r\n"},
        {"object encoding i", "$3\r\nint\r\n"},
        {"set s hello", "+OK\r\n"},
        {"object encoding s", "$6\r\nembstr\r\n"},
        {"set l 12345678901234567890123456789012345678901234", "+OK\r\n"},
        {"object encoding l", "$6\r\nembstr\r\n"},
        {"set l 123456789012345678901234567890123456789012345", "+OK\r\n"},
        {"object encoding l", "$3\r\nraw\r\n"},
        {"set m 9223372036854775807", "+OK\r\n"},
        {"object encoding m", "$3\r\nint\r\n"},
        {"set m 9223372036854775808", "+OK\r\n"},
        {"object encoding m", "$6\r\nembstr\r\n"},
        {"set o 0123", "+OK\r\n"},
        {"object encoding o", "$6\r\nembstr\r\n"},
        {"object refcount i", ":2147483647\r\n"},
        {"object refcount s", ":1\r\n"},
        {"object refcount m", ":1\r\n"},
        {"set n 10000", "+OK\r\n"},
        {"object refcount n", ":1\r\n"},
        {"set n 9999", "+OK\r\n"},
        {"object refcount n", ":2147483647\r\n"},
        {"set n -1", "+OK\r\n"},
        {"object refcount n", ":1\r\n"},
        {"object idletime i", ":0\r\n"},
        {"object freq i",
         "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
         "switching between policies at runtime LRU and LFU data will take some time to adjust.\r\n"},
        {"object encoding missing", "$-1\r\n"},
        {"object refcount missing", "$-1\r\n"},
        {"object idletime missing", "$-1\r\n"},
        {"object freq missing", "$-1\r\n"},
        {"object", "-ERR wrong number of arguments for 'object' command\r\n"},
        {"object foo", "-ERR unknown subcommand 'foo'. Try OBJECT HELP.\r\n"},
        {"object encoding", "-ERR wrong number of arguments for 'object|encoding' command\r\n"},
        {"object encoding i i", "-ERR wrong number of arguments for 'object|encoding' command\r\n"},
        {"object foo i", "-ERR unknown subcommand 'foo'. Try OBJECT HELP.\r\n"},
        {"OBJECT ENCODING i", "$3\r\nint\r\n"},
    };
    PLAY(turns);
}

/* What MEMORY refuses. */
static void test_memory_errors(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"memory", "-ERR wrong number of arguments for 'memory' command\r\n"},
        {"memory foo", "-ERR unknown subcommand 'foo'. Try MEMORY HELP.\r\n"},
        {"memory usage", "-ERR wrong number of arguments for 'memory|usage' command\r\n"},
        {"memory usage missing", "$-1\r\n"},
        {"set k v", "+OK\r\n"},
        {"memory usage k samples", "-ERR syntax error\r\n"},
        {"memory usage k samples -1", "-ERR syntax error\r\n"},
        {"memory usage k samples abc", "-ERR value is not an integer or out of range\r\n"},
        {"memory usage k foo 1", "-ERR syntax error\r\n"},
        {"memory usage missing samples foo", "-ERR value is not an integer or out of range\r\n"},
        {"memory usage missing samples 0", "$-1\r\n"},
        {"memory purge", "+OK\r\n"},
        {"memory purge foo", "-ERR wrong number of arguments for 'memory|purge' command\r\n"},
        {"memory stats foo", "-ERR wrong number of arguments for 'memory|stats' command\r\n"},
    };
    PLAY(turns);
}

/* OBJECT IDLETIME counts from the last use; looking with OBJECT, TTL or EXISTS is no use. */
static void test_idle_time(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k v", "+OK\r\n"},
        {"@+5000", ""},
        {"object idletime k", ":5\r\n"},
        {"exists k", ":1\r\n"},
        {"ttl k", ":-1\r\n"},
        {"type k", "+string\r\n"},
        {"object idletime k", ":5\r\n"},
        {"get k", "$1\r\nv\r\n"},
        {"object idletime k", ":0\r\n"},
        {"@+3000", ""},
        {"touch k", ":1\r\n"},
        {"object idletime k", ":0\r\n"},
    };
    PLAY(turns);
}

/* MEMORY USAGE grows with the value and covers at least key and value. */
static void test_memory_usage(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    char line[5000];
    long before = 0;
    for (int size = 16; size < 4096; size *= 4) {
        snprintf(line, sizeof(line), "set key %0*d", size, 0);
        assert_string_equal(dialog_say(&dialog, line), "+OK\r\n");
        long usage = atol(dialog_say(&dialog, "memory usage key samples 5") + 1);
        assert_true(usage >= size + 3);
        assert_true(usage >= before);
        before = usage;
    }
    dialog_end(&dialog);
}

/* MEMORY STATS is a map of Redis's fields; keys are counted over all databases. */
static void test_memory_stats(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog_say(&dialog, "set a 1");
    dialog_say(&dialog, "select 3");
    dialog_say(&dialog, "mset b 2 c 3");
    const char *reply = dialog_say(&dialog, "memory stats");
    assert_int_equal(reply[0], '*');
    assert_non_null(strstr(reply, "$10\r\nkeys.count\r\n:3\r\n"));
    assert_non_null(strstr(reply, "$15\r\ntotal.allocated\r\n:"));
    assert_non_null(strstr(reply, "$13\r\nfragmentation\r\n$"));
    dialog.session->protocol = 3;
    reply = dialog_say(&dialog, "memory stats");
    assert_int_equal(reply[0], '%');
    assert_non_null(strstr(reply, "$13\r\nfragmentation\r\n,"));
    dialog_end(&dialog);
}

/* The texts for people are verbatim strings, and HELP names what there is. */
static void test_texts(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog.session->protocol = 3;
    assert_int_equal(dialog_say(&dialog, "memory doctor")[0], '=');
    assert_int_equal(dialog_say(&dialog, "memory malloc-stats")[0], '=');
    const char *help = dialog_say(&dialog, "object help");
    assert_non_null(strstr(help, "+OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n"));
    assert_non_null(strstr(help, "+IDLETIME <key>\r\n"));
    assert_non_null(strstr(help, "+HELP\r\n"));
    assert_non_null(strstr(dialog_say(&dialog, "memory help"), "+USAGE <key> [SAMPLES <count>]\r\n"));
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object),       cmocka_unit_test(test_memory_errors),
        cmocka_unit_test(test_idle_time),    cmocka_unit_test(test_memory_usage),
        cmocka_unit_test(test_memory_stats), cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
