/* Times to live. Expected replies are those of Redis where no time passes; the clock is the test's own. */
#include "dialog.h"

/* EXPIRE and its kin, and what TTL and its kin tell. */
static void test_times(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"ttl k", ":-2\r\n"},
        {"pttl k", ":-2\r\n"},
        {"expiretime k", ":-2\r\n"},
        {"pexpiretime k", ":-2\r\n"},
        {"expire k 100", ":0\r\n"},
        {"persist k", ":0\r\n"},
        {"set k v", "+OK\r\n"},
        {"ttl k", ":-1\r\n"},
        {"pttl k", ":-1\r\n"},
        {"expiretime k", ":-1\r\n"},
        {"pexpiretime k", ":-1\r\n"},
        {"persist k", ":0\r\n"},
        {"expire k 100", ":1\r\n"},
        {"ttl k", ":100\r\n"},
        {"pexpire k 100000", ":1\r\n"},
        {"ttl k", ":100\r\n"},
        {"expireat k 99999999999", ":1\r\n"},
        {"expiretime k", ":99999999999\r\n"},
        {"pexpiretime k", ":99999999999000\r\n"},
        {"pexpireat k 99999999999500", ":1\r\n"},
        {"expiretime k", ":100000000000\r\n"},
        {"pexpireat k 99999999999499", ":1\r\n"},
        {"expiretime k", ":99999999999\r\n"},
        {"pexpiretime k", ":99999999999499\r\n"},
        {"persist k", ":1\r\n"},
        {"ttl k", ":-1\r\n"},
        {"persist k", ":0\r\n"},
    };
    PLAY(turns);
}

/* NX, XX, GT and LT, where no time to live counts as an endless one. */
static void test_conditions(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k v", "+OK\r\n"},
        {"pexpireat k 90000000000000 xx", ":0\r\n"},
        {"pexpireat k 90000000000000 gt", ":0\r\n"},
        {"pexpireat k 90000000000000 nx", ":1\r\n"},
        {"pexpireat k 90000000000001 nx", ":0\r\n"},
        {"pexpireat k 90000000000001 xx", ":1\r\n"},
        {"pexpiretime k", ":90000000000001\r\n"},
        {"pexpireat k 90000000000001 gt", ":0\r\n"},
        {"pexpireat k 90000000000001 lt", ":0\r\n"},
        {"pexpireat k 90000000000002 gt", ":1\r\n"},
        {"pexpireat k 90000000000001 lt", ":1\r\n"},
        {"pexpireat k 90000000000003 lt", ":0\r\n"},
        {"pexpiretime k", ":90000000000001\r\n"},
        {"pexpireat k 90000000000000 xx lt", ":1\r\n"},
        {"pexpireat k 90000000000009 xx gt", ":1\r\n"},
        {"pexpireat k 90000000000009 XX XX", ":1\r\n"},
        {"persist k", ":1\r\n"},
        {"pexpireat k 90000000000000 xx lt", ":0\r\n"},
        {"pexpireat k 90000000000000 lt", ":1\r\n"},
        {"pexpiretime k", ":90000000000000\r\n"},
        {"pexpireat k 1 gt", ":0\r\n"},
        {"exists k", ":1\r\n"},
        {"pexpireat k 1 lt", ":1\r\n"},
        {"exists k", ":0\r\n"},
    };
    PLAY(turns);
}

/* What EXPIRE refuses, in the order in which it looks. */
static void test_errors(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k v", "+OK\r\n"},
        {"expire k abc", "-ERR value is not an integer or out of range\r\n"},
        {"expire k 10 foo", "-ERR Unsupported option foo\r\n"},
        {"expire k abc foo", "-ERR Unsupported option foo\r\n"},
        {"expire k 10 nx xx", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"},
        {"expire k 10 nx gt", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"},
        {"expire k 10 nx lt", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"},
        {"expire k 10 gt lt", "-ERR GT and LT options at the same time are not compatible\r\n"},
        {"expire k 10 xx gt lt", "-ERR GT and LT options at the same time are not compatible\r\n"},
        {"expire k abc nx xx", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"},
        {"expire k", "-ERR wrong number of arguments for 'expire' command\r\n"},
        {"expire k 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"},
        {"expire k 9223372036854776", "-ERR invalid expire time in 'expire' command\r\n"},
        {"expire k -9223372036854775808", "-ERR invalid expire time in 'expire' command\r\n"},
        {"expireat k 9223372036854775807", "-ERR invalid expire time in 'expireat' command\r\n"},
        {"pexpire k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command\r\n"},
        {"pexpireat k 9223372036854775807", ":1\r\n"},
        {"pexpiretime k", ":9223372036854775807\r\n"},
        {"expire missing 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"},
        {"expireat missing 10", ":0\r\n"},
        {"ttl k a", "-ERR wrong number of arguments for 'ttl' command\r\n"},
        {"persist k a", "-ERR wrong number of arguments for 'persist' command\r\n"},
    };
    PLAY(turns);
}

/* A time that has passed deletes. */
static void test_past(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k v", "+OK\r\n"},
        {"expire k 0", ":1\r\n"},
        {"exists k", ":0\r\n"},
        {"set k v", "+OK\r\n"},
        {"expire k -1", ":1\r\n"},
        {"exists k", ":0\r\n"},
        {"set k v", "+OK\r\n"},
        {"pexpireat k -1", ":1\r\n"},
        {"exists k", ":0\r\n"},
        {"set k v", "+OK\r\n"},
        {"pexpireat k -9223372036854775808", ":1\r\n"},
        {"exists k", ":0\r\n"},
        {"set k v", "+OK\r\n"},
        {"expireat k 1", ":1\r\n"},
        {"exists k", ":0\r\n"},
        {"dbsize", ":0\r\n"},
        {"pexpire missing -1", ":0\r\n"},
    };
    PLAY(turns);
}

/* A key lives until its time has passed, to the millisecond. */
static void test_passing(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k v px 100", "+OK\r\n"},
        {"@+99", ""},
        {"get k", "$1\r\nv\r\n"},
        {"pttl k", ":1\r\n"},
        {"@+1", ""},
        {"get k", "$-1\r\n"},
        {"set k v ex 100", "+OK\r\n"},
        {"@+99999", ""},
        {"exists k", ":1\r\n"},
        {"@+1", ""},
        {"exists k", ":0\r\n"},
        {"set k v", "+OK\r\n"},
        {"pexpire k 500", ":1\r\n"},
        {"@+600", ""},
        {"ttl k", ":-2\r\n"},
    };
    PLAY(turns);
}

/* TTL and EXPIRETIME round to the nearest second, halves up. */
static void test_rounding(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k v px 1500", "+OK\r\n"},          {"ttl k", ":2\r\n"}, {"expiretime k", ":1600000002\r\n"},
        {"set k v px 1499", "+OK\r\n"},          {"ttl k", ":1\r\n"}, {"expiretime k", ":1600000001\r\n"},
        {"set k v px 499", "+OK\r\n"},           {"ttl k", ":0\r\n"}, {"pttl k", ":499\r\n"},
        {"pexpiretime k", ":1600000000499\r\n"},
    };
    PLAY(turns);
}

/* What has expired is hidden from every command that reads, and yet not deleted by them. */
static void test_reads_see_nothing(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k v px 100", "+OK\r\n"},
        {"@+100", ""},
        {"get k", "$-1\r\n"},
        {"mget k", "*1\r\n$-1\r\n"},
        {"exists k", ":0\r\n"},
        {"touch k", ":0\r\n"},
        {"type k", "+none\r\n"},
        {"ttl k", ":-2\r\n"},
        {"pexpiretime k", ":-2\r\n"},
        {"strlen k", ":0\r\n"},
        {"getrange k 0 -1", "$0\r\n\r\n"},
        {"lcs k k len", ":0\r\n"},
        {"getex k", "$-1\r\n"},
        {"getex k persist", "$-1\r\n"},
        {"getdel k", "$-1\r\n"},
        {"object encoding k", "$-1\r\n"},
        {"memory usage k", "$-1\r\n"},
        {"copy k x", ":0\r\n"},
        {"keys *", "*0\r\n"},
        {"scan 0", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"randomkey", "$-1\r\n"},
        {"dbsize", ":1\r\n"},
    };
    PLAY(turns);
}

/* Commands that write take an expired key for a missing one: nothing of it is left. */
static void test_writes_start_anew(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"set k w keepttl", "+OK\r\n"},
        {"ttl k", ":-1\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"set k w xx", "$-1\r\n"},
        {"dbsize", ":0\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"set k w ifeq v", "$-1\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"set k w get", "$-1\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"setnx k w", ":1\r\n"},
        {"ttl k", ":-1\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"msetnx k w", ":1\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"getset k w", "$-1\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"append k w", ":1\r\n"},
        {"ttl k", ":-1\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"setrange k 1 w", ":2\r\n"},
        {"ttl k", ":-1\r\n"},
        {"set k 5 px 10", "+OK\r\n"},
        {"@+10", ""},
        {"incr k", ":1\r\n"},
        {"ttl k", ":-1\r\n"},
        {"set k 5 px 10", "+OK\r\n"},
        {"@+10", ""},
        {"incrbyfloat k 0.5", "$3\r\n0.5\r\n"},
        {"ttl k", ":-1\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"delifeq k v", ":0\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"del k", ":0\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"expire k 100", ":0\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"persist k", ":0\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"rename k x", "-ERR no such key\r\n"},
        {"move k 1", ":0\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"set live w", "+OK\r\n"},
        {"@+10", ""},
        {"renamenx live k", ":1\r\n"},
        {"get k", "$1\r\nw\r\n"},
        {"ttl k", ":-1\r\n"},
        {"set old v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"copy k old", ":1\r\n"},
        {"ttl old", ":-1\r\n"},
        {"select 1", "+OK\r\n"},
        {"set k v px 10", "+OK\r\n"},
        {"select 0", "+OK\r\n"},
        {"@+10", ""},
        {"move k 1", ":1\r\n"},
        {"select 1", "+OK\r\n"},
        {"get k", "$1\r\nw\r\n"},
        {"ttl k", ":-1\r\n"},
    };
    PLAY(turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_past),
        cmocka_unit_test(test_passing),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_reads_see_nothing),
        cmocka_unit_test(test_writes_start_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
