/* Keys whatever they hold. Expected replies are those of Redis. */
#include "dialog.h"

/* DEL, UNLINK, EXISTS, TOUCH and TYPE. */
static void test_counting_keys(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"mset a 1 b 2 c 3", "+OK\r\n"},
        {"exists a b missing a", ":3\r\n"},
        {"touch a b missing a", ":3\r\n"},
        {"del a missing a", ":1\r\n"},
        {"exists a", ":0\r\n"},
        {"unlink b c", ":2\r\n"},
        {"dbsize", ":0\r\n"},
        {"del a", ":0\r\n"},
        {"unlink a", ":0\r\n"},
        {"type a", "+none\r\n"},
        {"set a 1", "+OK\r\n"},
        {"type a", "+string\r\n"},
        {"del", "-ERR wrong number of arguments for 'del' command\r\n"},
        {"exists", "-ERR wrong number of arguments for 'exists' command\r\n"},
    };
    PLAY(turns);
}

/* RENAME and RENAMENX, onto keys that are there, that are not, and themselves. */
static void test_rename(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"rename missing x", "-ERR no such key\r\n"},
        {"renamenx missing x", "-ERR no such key\r\n"},
        {"rename missing missing", "-ERR no such key\r\n"},
        {"set a 1 pxat 99999999999999", "+OK\r\n"},
        {"set b 2", "+OK\r\n"},
        {"rename a b", "+OK\r\n"},
        {"exists a", ":0\r\n"},
        {"get b", "$1\r\n1\r\n"},
        {"pexpiretime b", ":99999999999999\r\n"},
        {"set c 3", "+OK\r\n"},
        {"rename c b", "+OK\r\n"},
        {"get b", "$1\r\n3\r\n"},
        {"ttl b", ":-1\r\n"},
        {"rename b b", "+OK\r\n"},
        {"renamenx b b", ":0\r\n"},
        {"set d 4", "+OK\r\n"},
        {"renamenx b d", ":0\r\n"},
        {"get d", "$1\r\n4\r\n"},
        {"renamenx b e", ":1\r\n"},
        {"mget b e", "*2\r\n$-1\r\n$1\r\n3\r\n"},
        {"dbsize", ":2\r\n"},
    };
    PLAY(turns);
}

/* COPY within a database and to another, with and without REPLACE. */
static void test_copy(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"copy missing x", ":0\r\n"},
        {"set a 1 pxat 99999999999999", "+OK\r\n"},
        {"copy a b", ":1\r\n"},
        {"get b", "$1\r\n1\r\n"},
        {"pexpiretime b", ":99999999999999\r\n"},
        {"set a 2", "+OK\r\n"},
        {"copy a b", ":0\r\n"},
        {"get b", "$1\r\n1\r\n"},
        {"copy a b replace", ":1\r\n"},
        {"get b", "$1\r\n2\r\n"},
        {"ttl b", ":-1\r\n"},
        {"copy a a", "-ERR source and destination objects are the same\r\n"},
        {"copy a a db 0", "-ERR source and destination objects are the same\r\n"},
        {"copy a a db 1", ":1\r\n"},
        {"copy a c db 1 replace", ":1\r\n"},
        {"copy missing c db 1 replace", ":0\r\n"},
        {"select 1", "+OK\r\n"},
        {"mget a c", "*2\r\n$1\r\n2\r\n$1\r\n2\r\n"},
        {"select 0", "+OK\r\n"},
        {"copy a b foo", "-ERR syntax error\r\n"},
        {"copy a b db", "-ERR syntax error\r\n"},
        {"copy a b db abc", "-ERR value is not an integer or out of range\r\n"},
        {"copy a b db 16", "-ERR DB index is out of range\r\n"},
        {"copy a b db -1", "-ERR DB index is out of range\r\n"},
        {"copy a b db 99999999999",
         "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n"},
        {"copy a b db 1 db 2", ":1\r\n"},
        {"select 2", "+OK\r\n"},
        {"get b", "$1\r\n2\r\n"},
        {"copy b b2", ":1\r\n"},
        {"append b x", ":2\r\n"},
        {"mget b b2", "*2\r\n$2\r\n2x\r\n$1\r\n2\r\n"},
        {"select 0", "+OK\r\n"},
        {"flushall", "+OK\r\n"},
    };
    PLAY(turns);
}

/* MOVE to other databases. */
static void test_move(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set a 1 pxat 99999999999999", "+OK\r\n"},
        {"move a 1", ":1\r\n"},
        {"exists a", ":0\r\n"},
        {"move a 1", ":0\r\n"},
        {"select 1", "+OK\r\n"},
        {"get a", "$1\r\n1\r\n"},
        {"pexpiretime a", ":99999999999999\r\n"},
        {"move a 1", "-ERR source and destination objects are the same\r\n"},
        {"select 0", "+OK\r\n"},
        {"set a 2", "+OK\r\n"},
        {"move a 1", ":0\r\n"},
        {"get a", "$1\r\n2\r\n"},
        {"move missing 1", ":0\r\n"},
        {"move missing 0", "-ERR source and destination objects are the same\r\n"},
        {"move a abc", "-ERR value is not an integer or out of range\r\n"},
        {"move a 16", "-ERR DB index is out of range\r\n"},
        {"move a -1", "-ERR DB index is out of range\r\n"},
        {"move a 99999999999",
         "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n"},
        {"flushall", "+OK\r\n"},
    };
    PLAY(turns);
}

/* SELECT and SWAPDB. */
static void test_select_and_swap(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"select abc", "-ERR value is not an integer or out of range\r\n"},
        {"select 16", "-ERR DB index is out of range\r\n"},
        {"select -1", "-ERR DB index is out of range\r\n"},
        {"select 99999999999",
         "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n"},
        {"select 1", "+OK\r\n"},
        {"set in 1", "+OK\r\n"},
        {"select 0", "+OK\r\n"},
        {"set in 0", "+OK\r\n"},
        {"swapdb 0 1", "+OK\r\n"},
        {"get in", "$1\r\n1\r\n"},
        {"select 1", "+OK\r\n"},
        {"get in", "$1\r\n0\r\n"},
        {"swapdb 0 1", "+OK\r\n"},
        {"get in", "$1\r\n1\r\n"},
        {"swapdb 3 3", "+OK\r\n"},
        {"swapdb a b", "-ERR invalid first DB index\r\n"},
        {"swapdb 0 b", "-ERR invalid second DB index\r\n"},
        {"swapdb 16 b", "-ERR invalid second DB index\r\n"},
        {"swapdb 16 0", "-ERR DB index is out of range\r\n"},
        {"swapdb 0 16", "-ERR DB index is out of range\r\n"},
        {"swapdb -1 0", "-ERR DB index is out of range\r\n"},
        {"swapdb 99999999999 0", "-ERR invalid first DB index\r\n"},
        {"flushall", "+OK\r\n"},
    };
    PLAY(turns);
}

/* FLUSHDB and FLUSHALL. */
static void test_flush(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set a 1", "+OK\r\n"},
        {"select 1", "+OK\r\n"},
        {"set b 1", "+OK\r\n"},
        {"flushdb", "+OK\r\n"},
        {"dbsize", ":0\r\n"},
        {"select 0", "+OK\r\n"},
        {"dbsize", ":1\r\n"},
        {"flushdb async", "+OK\r\n"},
        {"dbsize", ":0\r\n"},
        {"mset a 1 b 1", "+OK\r\n"},
        {"flushdb sync", "+OK\r\n"},
        {"flushall sync", "+OK\r\n"},
        {"flushall ASYNC", "+OK\r\n"},
        {"flushall foo", "-ERR syntax error\r\n"},
        {"flushdb async sync", "-ERR syntax error\r\n"},
        {"flushdb", "+OK\r\n"},
    };
    PLAY(turns);
}

/* KEYS, SCAN and RANDOMKEY. */
static void test_keys_and_scan(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"randomkey", "$-1\r\n"},
        {"keys *", "*0\r\n"},
        {"scan 0", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"set one 1", "+OK\r\n"},
        {"randomkey", "$3\r\none\r\n"},
        {"keys *", "*1\r\n$3\r\none\r\n"},
        {"keys o?e", "*1\r\n$3\r\none\r\n"},
        {"keys O*", "*0\r\n"},
        {"keys [a-o]ne", "*1\r\n$3\r\none\r\n"},
        {"keys two", "*0\r\n"},
        {"scan 0", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n"},
        {"scan 0 match o*", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n"},
        {"scan 0 match t*", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"scan 0 type string", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n"},
        {"scan 0 type STRING", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n"},
        {"scan 0 type list", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"scan 0 type nosuchtype", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"scan 0 count 100 match * type string", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n"},
        {"scan 0 match t* match o*", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n"},
        {"scan abc", "-ERR invalid cursor\r\n"},
        {"scan \"\"", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n"},
        {"scan +0", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n"},
        {"scan -0", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n"},
        {"scan \" 0\"", "-ERR invalid cursor\r\n"},
        {"scan \"0 \"", "-ERR invalid cursor\r\n"},
        {"scan 0x10", "-ERR invalid cursor\r\n"},
        {"scan 18446744073709551616", "-ERR invalid cursor\r\n"},
        {"scan 99999999999999999999999", "-ERR invalid cursor\r\n"},
        {"scan 0 count 0", "-ERR syntax error\r\n"},
        {"scan 0 count -1", "-ERR syntax error\r\n"},
        {"scan 0 count abc", "-ERR value is not an integer or out of range\r\n"},
        {"scan 0 count 9223372036854775807", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\none\r\n"},
        {"scan 0 count 99999999999999999999", "-ERR value is not an integer or out of range\r\n"},
        {"scan 0 count", "-ERR syntax error\r\n"},
        {"scan 0 match", "-ERR syntax error\r\n"},
        {"scan 0 foo bar", "-ERR syntax error\r\n"},
        {"scan 0 count 0 foo bar", "-ERR syntax error\r\n"},
        {"scan", "-ERR wrong number of arguments for 'scan' command\r\n"},
    };
    PLAY(turns);
}

#define MANY 2000

/* Reads the keys of a SCAN reply, "k<number>" each, into seen; returns the cursor. */
static unsigned long long scan_read(const char *reply, unsigned char *seen, int *returned)
{
    unsigned long long cursor =
        strtoull(strchr(reply, '\n') + 1 + strcspn(strchr(reply, '\n') + 1, "\n") + 1, NULL, 10);
    *returned = 0;
    for (const char *at = strstr(reply, "\r\nk"); at; at = strstr(at + 1, "\r\nk")) {
        seen[atoi(at + 3)]++;
        ++*returned;
    }
    return cursor;
}

/* Plays one whole SCAN with the line's options; between the calls, meddle changes other keys. */
static int scan_all(struct dialog *dialog, const char *options, unsigned char *seen,
                    void (*meddle)(struct dialog *dialog, int call))
{
    unsigned long long cursor = 0;
    int calls = 0;
    do {
        char line[128];
        int returned;
        snprintf(line, sizeof(line), "scan %llu %s", cursor, options);
        cursor = scan_read(dialog_say(dialog, line), seen, &returned);
        if (meddle)
            meddle(dialog, calls);
        assert_true(++calls < 100000);
    } while (cursor != 0);
    return calls;
}

static void fill(struct dialog *dialog, const char *command, int begin, int end)
{
    char line[64];
    for (int i = begin; i < end; i++) {
        snprintf(line, sizeof(line), "%s k%d%s", command, i, strcmp(command, "set") == 0 ? " v" : "");
        dialog_say(dialog, line);
    }
}

/* SCAN returns every key, with COUNT 1 as well as in one go, and COUNT bounds what one call returns. */
static void test_scan_everything(void **state)
{
    (void)state;
    static const char *const options[] = {
        "", "count 1", "count 7", "count 1000000", "match k*", "match k* type string"};
    struct dialog dialog;
    dialog_begin(&dialog);
    fill(&dialog, "set", 0, MANY);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        unsigned char seen[MANY] = {0};
        int calls = scan_all(&dialog, options[i], seen, NULL);
        for (int k = 0; k < MANY; k++)
            assert_int_equal(seen[k], 1);
        assert_true(calls >= (strcmp(options[i], "count 1000000") == 0 ? 1 : MANY / 100));
    }
    dialog_end(&dialog);
}

static void grow(struct dialog *dialog, int call)
{
    fill(dialog, "set", MANY + call * 50, MANY + call * 50 + 50);
}

static void shrink(struct dialog *dialog, int call)
{
    if (call < 18)
        fill(dialog, "del", MANY + call * 1000, MANY + call * 1000 + 1000);
}

/* A key that is there from the first call to the last is returned, while the table grows or shrinks. */
static void test_scan_while_resizing(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    static unsigned char seen[MANY + 1000000];
    fill(&dialog, "set", 0, MANY);
    memset(seen, 0, sizeof(seen));
    scan_all(&dialog, "count 100", seen, grow);
    for (int k = 0; k < MANY; k++)
        assert_true(seen[k] > 0);

    fill(&dialog, "set", MANY, MANY + 18000);
    memset(seen, 0, sizeof(seen));
    scan_all(&dialog, "count 10", seen, shrink);
    for (int k = 0; k < MANY; k++)
        assert_true(seen[k] > 0);
    dialog_end(&dialog);
}

/* KEYS returns what matches, once each. */
static void test_keys_pattern(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    fill(&dialog, "set", 0, MANY);
    assert_int_equal(strncmp(dialog_say(&dialog, "keys *"), "*2000\r\n", 7), 0);
    assert_int_equal(strncmp(dialog_say(&dialog, "keys k1?"), "*10\r\n", 5), 0);
    assert_int_equal(strncmp(dialog_say(&dialog, "keys nothing*"), "*0\r\n", 4), 0);
    dialog_end(&dialog);
}

/* RANDOMKEY finds the one live key among many that have expired, and is not always the same one. */
static void test_random_key(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    fill(&dialog, "set", 0, 100);
    char first[16];
    snprintf(first, sizeof(first), "%s", dialog_say(&dialog, "randomkey"));
    bool varies = false;
    for (int i = 0; i < 50; i++)
        varies |= strcmp(first, dialog_say(&dialog, "randomkey")) != 0;
    assert_true(varies);
    for (int i = 1; i < 100; i++) {
        char line[64];
        snprintf(line, sizeof(line), "pexpire k%d 10", i);
        dialog_say(&dialog, line);
    }
    dialog.now_ms += 10;
    for (int i = 0; i < 50; i++)
        assert_string_equal(dialog_say(&dialog, "randomkey"), "$2\r\nk0\r\n");
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counting_keys),
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_select_and_swap),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_keys_and_scan),
        cmocka_unit_test(test_scan_everything),
        cmocka_unit_test(test_scan_while_resizing),
        cmocka_unit_test(test_keys_pattern),
        cmocka_unit_test(test_random_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
