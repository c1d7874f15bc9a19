/* Strings. Expected replies are those of Redis; IFEQ and DELIFEQ are as in Valkey. */
#include "dialog.h"

/* SET's options, their order, their conflicts, and what each outcome replies. */
static void test_set_options(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k v", "+OK\r\n"},
        {"get k", "$1\r\nv\r\n"},
        {"set k v2 nx", "$-1\r\n"},
        {"get k", "$1\r\nv\r\n"},
        {"set n v2 nx", "+OK\r\n"},
        {"set k v3 xx", "+OK\r\n"},
        {"set missing v xx", "$-1\r\n"},
        {"exists missing", ":0\r\n"},
        {"set k v4 get", "$2\r\nv3\r\n"},
        {"set missing2 v get", "$-1\r\n"},
        {"get missing2", "$1\r\nv\r\n"},
        {"set k v5 xx get", "$2\r\nv4\r\n"},
        {"set missing3 v xx get", "$-1\r\n"},
        {"set k v6 nx get", "$2\r\nv5\r\n"},
        {"get k", "$2\r\nv5\r\n"},
        {"set fresh v nx get", "$-1\r\n"},
        {"get fresh", "$1\r\nv\r\n"},
        {"set k v nx nx", "$-1\r\n"},
        {"set k v get get", "$2\r\nv5\r\n"},
        {"set k v nx xx", "-ERR syntax error\r\n"},
        {"set k v xx nx", "-ERR syntax error\r\n"},
        {"set k v foo", "-ERR syntax error\r\n"},
        {"set k v get foo", "-ERR syntax error\r\n"},
        {"set k v ex", "-ERR syntax error\r\n"},
        {"set k v ex 10 px 10", "-ERR syntax error\r\n"},
        {"set k v ex 10 keepttl", "-ERR syntax error\r\n"},
        {"set k v keepttl ex 10", "-ERR syntax error\r\n"},
        {"set k v persist", "-ERR syntax error\r\n"},
        {"set k v ifeq", "-ERR syntax error\r\n"},
        {"set k v ex abc", "-ERR value is not an integer or out of range\r\n"},
        {"set k v ex abc foo", "-ERR syntax error\r\n"},
        {"set k v ex 0", "-ERR invalid expire time in 'set' command\r\n"},
        {"set k v ex -1", "-ERR invalid expire time in 'set' command\r\n"},
        {"set k v px 0", "-ERR invalid expire time in 'set' command\r\n"},
        {"set k v exat 0", "-ERR invalid expire time in 'set' command\r\n"},
        {"set k v pxat -1", "-ERR invalid expire time in 'set' command\r\n"},
        {"set k v ex 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"},
        {"set k v ex 9223372036854775", "-ERR invalid expire time in 'set' command\r\n"},
        {"set k v px 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"},
        {"set k v pxat 9223372036854775807", "+OK\r\n"},
        {"pexpiretime k", ":9223372036854775807\r\n"},
        {"set k v exat 9223372036854775", "+OK\r\n"},
        {"pexpiretime k", ":9223372036854775000\r\n"},
        {"set k v EX 100 EX 200", "+OK\r\n"},
        {"set k v pxat 99999999999999 pxat 88888888888888", "+OK\r\n"},
        {"pexpiretime k", ":88888888888888\r\n"},
        {"set k w keepttl", "+OK\r\n"},
        {"pexpiretime k", ":88888888888888\r\n"},
        {"get k", "$1\r\nw\r\n"},
        {"set k w", "+OK\r\n"},
        {"ttl k", ":-1\r\n"},
        {"set k v exat 1", "+OK\r\n"},
        {"get k", "$-1\r\n"},
        {"exists k", ":0\r\n"},
        {"set k v xx", "$-1\r\n"},
        {"set k v keepttl", "+OK\r\n"},
        {"ttl k", ":-1\r\n"},
    };
    PLAY(turns);
}

/* SET IFEQ compares and sets, and DELIFEQ compares and deletes. */
static void test_set_ifeq(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k one", "+OK\r\n"},
        {"set k two ifeq zero", "$-1\r\n"},
        {"get k", "$3\r\none\r\n"},
        {"set k two ifeq one", "+OK\r\n"},
        {"get k", "$3\r\ntwo\r\n"},
        {"set missing v ifeq one", "$-1\r\n"},
        {"exists missing", ":0\r\n"},
        {"set missing v ifeq \"\"", "$-1\r\n"},
        {"set k 10 IFEQ two GET", "$3\r\ntwo\r\n"},
        {"set k 11 ifeq 9 get", "$2\r\n10\r\n"},
        {"set k 11 ifeq 10 get", "$2\r\n10\r\n"},
        {"get k", "$2\r\n11\r\n"},
        {"set missing v get ifeq x", "$-1\r\n"},
        {"set k v ifeq 11 nx", "-ERR syntax error\r\n"},
        {"set k v nx ifeq 11", "-ERR syntax error\r\n"},
        {"set k v xx ifeq 11", "-ERR syntax error\r\n"},
        {"set k v ifeq 11 ifeq 11", "-ERR syntax error\r\n"},
        {"set k v ifeq", "-ERR syntax error\r\n"},
        {"set k v pxat 99999999999999 ifeq 11", "+OK\r\n"},
        {"pexpiretime k", ":99999999999999\r\n"},
        {"set k w keepttl ifeq v", "+OK\r\n"},
        {"pexpiretime k", ":99999999999999\r\n"},
        {"delifeq k v", ":0\r\n"},
        {"get k", "$1\r\nw\r\n"},
        {"delifeq k w", ":1\r\n"},
        {"exists k", ":0\r\n"},
        {"delifeq k w", ":0\r\n"},
        {"delifeq k", "-ERR wrong number of arguments for 'delifeq' command\r\n"},
        {"set k 007", "+OK\r\n"},
        {"delifeq k 7", ":0\r\n"},
        {"delifeq k 007", ":1\r\n"},
    };
    PLAY(turns);
}

/* SETNX, SETEX, PSETEX and GETSET. */
static void test_kin_of_set(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"setnx k a", ":1\r\n"},
        {"setnx k b", ":0\r\n"},
        {"get k", "$1\r\na\r\n"},
        {"setex k 100 c", "+OK\r\n"},
        {"get k", "$1\r\nc\r\n"},
        {"setex k 0 c", "-ERR invalid expire time in 'setex' command\r\n"},
        {"setex k -1 c", "-ERR invalid expire time in 'setex' command\r\n"},
        {"setex k abc c", "-ERR value is not an integer or out of range\r\n"},
        {"setex k 9223372036854775807 c", "-ERR invalid expire time in 'setex' command\r\n"},
        {"psetex k 0 c", "-ERR invalid expire time in 'psetex' command\r\n"},
        {"psetex k abc c", "-ERR value is not an integer or out of range\r\n"},
        {"psetex k 9223372036854775807 c", "-ERR invalid expire time in 'psetex' command\r\n"},
        {"psetex k 100000 d", "+OK\r\n"},
        {"get k", "$1\r\nd\r\n"},
        {"getset k e", "$1\r\nd\r\n"},
        {"ttl k", ":-1\r\n"},
        {"getset missing f", "$-1\r\n"},
        {"get missing", "$1\r\nf\r\n"},
    };
    PLAY(turns);
}

/* GETDEL and GETEX. */
static void test_get_and_change(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"getdel k", "$-1\r\n"},
        {"set k v", "+OK\r\n"},
        {"getdel k", "$1\r\nv\r\n"},
        {"exists k", ":0\r\n"},
        {"set k v", "+OK\r\n"},
        {"getex k", "$1\r\nv\r\n"},
        {"ttl k", ":-1\r\n"},
        {"getex k pxat 99999999999999", "$1\r\nv\r\n"},
        {"pexpiretime k", ":99999999999999\r\n"},
        {"getex k", "$1\r\nv\r\n"},
        {"pexpiretime k", ":99999999999999\r\n"},
        {"getex k persist", "$1\r\nv\r\n"},
        {"ttl k", ":-1\r\n"},
        {"getex k exat 99999999999", "$1\r\nv\r\n"},
        {"pexpiretime k", ":99999999999000\r\n"},
        {"getex k persist persist", "$1\r\nv\r\n"},
        {"getex k ex 10 persist", "-ERR syntax error\r\n"},
        {"getex k persist ex 10", "-ERR syntax error\r\n"},
        {"getex k keepttl", "-ERR syntax error\r\n"},
        {"getex k nx", "-ERR syntax error\r\n"},
        {"getex k ex", "-ERR syntax error\r\n"},
        {"getex k foo", "-ERR syntax error\r\n"},
        {"getex k ex 0", "-ERR invalid expire time in 'getex' command\r\n"},
        {"getex k ex -5", "-ERR invalid expire time in 'getex' command\r\n"},
        {"getex k ex abc", "-ERR value is not an integer or out of range\r\n"},
        {"getex k px 9223372036854775807", "-ERR invalid expire time in 'getex' command\r\n"},
        {"getex missing ex 0", "$-1\r\n"},
        {"getex missing ex abc", "$-1\r\n"},
        {"getex missing foo", "-ERR syntax error\r\n"},
        {"getex k exat 1", "$1\r\nv\r\n"},
        {"exists k", ":0\r\n"},
    };
    PLAY(turns);
}

/* MGET, MSET and MSETNX. */
static void test_many_keys(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"mget a b", "*2\r\n$-1\r\n$-1\r\n"},
        {"mset a 1 b 2", "+OK\r\n"},
        {"mget a b c a", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n$1\r\n1\r\n"},
        {"mset a 3 a 4", "+OK\r\n"},
        {"get a", "$1\r\n4\r\n"},
        {"mset a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n"},
        {"mset a", "-ERR wrong number of arguments for 'mset' command\r\n"},
        {"msetnx c 1 d", "-ERR wrong number of arguments for 'msetnx' command\r\n"},
        {"msetnx c 1 a 2", ":0\r\n"},
        {"exists c", ":0\r\n"},
        {"msetnx c 1 d 2 c 3", ":1\r\n"},
        {"mget c d", "*2\r\n$1\r\n3\r\n$1\r\n2\r\n"},
        {"set a x ex 100", "+OK\r\n"},
        {"mset a y", "+OK\r\n"},
        {"ttl a", ":-1\r\n"},
    };
    PLAY(turns);
}

/* GETRANGE, SUBSTR, STRLEN, SETRANGE and APPEND. */
static void test_ranges(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"strlen k", ":0\r\n"},
        {"getrange k 0 -1", "$0\r\n\r\n"},
        {"set k \"Hello World\"", "+OK\r\n"},
        {"strlen k", ":11\r\n"},
        {"getrange k 0 4", "$5\r\nHello\r\n"},
        {"getrange k -5 -1", "$5\r\nWorld\r\n"},
        {"getrange k 0 -1", "$11\r\nHello World\r\n"},
        {"getrange k 5 3", "$0\r\n\r\n"},
        {"set one x", "+OK\r\n"},
        {"getrange one -1 -5", "$0\r\n\r\n"},
        {"getrange one -5 -1", "$1\r\nx\r\n"},
        {"getrange k -1 -5", "$0\r\n\r\n"},
        {"getrange k -100 3", "$4\r\nHell\r\n"},
        {"getrange k 3 100", "$8\r\nlo World\r\n"},
        {"getrange k 100 200", "$0\r\n\r\n"},
        {"getrange k -200 -100", "$1\r\nH\r\n"},
        {"getrange k 9223372036854775807 -1", "$0\r\n\r\n"},
        {"getrange k -9223372036854775808 9223372036854775807", "$11\r\nHello World\r\n"},
        {"getrange k a 1", "-ERR value is not an integer or out of range\r\n"},
        {"getrange k 0 b", "-ERR value is not an integer or out of range\r\n"},
        {"substr k 0 4", "$5\r\nHello\r\n"},
        {"set i 12345", "+OK\r\n"},
        {"getrange i 1 3", "$3\r\n234\r\n"},
        {"strlen i", ":5\r\n"},
        {"setrange k 6 Redis", ":11\r\n"},
        {"get k", "$11\r\nHello Redis\r\n"},
        {"setrange k 0 \"\"", ":11\r\n"},
        {"setrange missing 0 \"\"", ":0\r\n"},
        {"exists missing", ":0\r\n"},
        {"setrange new 3 abc", ":6\r\n"},
        {"get new", "$6\r\n\000\000\000abc\r\n"},
        {"object encoding new", "$3\r\nraw\r\n"},
        {"setrange k -1 x", "-ERR offset is out of range\r\n"},
        {"setrange k abc x", "-ERR value is not an integer or out of range\r\n"},
        {"setrange k 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"},
        {"setrange k 536870911 \"\"", ":11\r\n"},
        {"setrange k 9223372036854775807 x",
         "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"},
        {"setrange missing 9223372036854775807 \"\"", ":0\r\n"},
        {"setrange i 1 x", ":5\r\n"},
        {"get i", "$5\r\n1x345\r\n"},
        {"append fresh 10", ":2\r\n"},
        {"object encoding fresh", "$3\r\nint\r\n"},
        {"append fresh 20", ":4\r\n"},
        {"get fresh", "$4\r\n1020\r\n"},
        {"object encoding fresh", "$3\r\nraw\r\n"},
        {"incr fresh", ":1021\r\n"},
        {"append k \"\"", ":11\r\n"},
        {"append missing \"\"", ":0\r\n"},
        {"exists missing", ":1\r\n"},
        {"set e v pxat 99999999999999", "+OK\r\n"},
        {"append e w", ":2\r\n"},
        {"setrange e 0 x", ":2\r\n"},
        {"get e", "$2\r\nxw\r\n"},
        {"pexpiretime e", ":99999999999999\r\n"},
    };
    PLAY(turns);
}

/* The INCR family and its limits. */
static void test_counting(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"incr n", ":1\r\n"},
        {"incrby n 10", ":11\r\n"},
        {"decr n", ":10\r\n"},
        {"decrby n 5", ":5\r\n"},
        {"decrby n -5", ":10\r\n"},
        {"get n", "$2\r\n10\r\n"},
        {"incrby n abc", "-ERR value is not an integer or out of range\r\n"},
        {"incrby n 1.5", "-ERR value is not an integer or out of range\r\n"},
        {"incrby n \"\"", "-ERR value is not an integer or out of range\r\n"},
        {"incrby n +1", "-ERR value is not an integer or out of range\r\n"},
        {"incrby n 01", "-ERR value is not an integer or out of range\r\n"},
        {"incrby n \" 1\"", "-ERR value is not an integer or out of range\r\n"},
        {"set s abc", "+OK\r\n"},
        {"incr s", "-ERR value is not an integer or out of range\r\n"},
        {"set s \" 1\"", "+OK\r\n"},
        {"incr s", "-ERR value is not an integer or out of range\r\n"},
        {"set s 01", "+OK\r\n"},
        {"incr s", "-ERR value is not an integer or out of range\r\n"},
        {"set s \"\"", "+OK\r\n"},
        {"incr s", "-ERR value is not an integer or out of range\r\n"},
        {"set s 9223372036854775808", "+OK\r\n"},
        {"incr s", "-ERR value is not an integer or out of range\r\n"},
        {"set n 9223372036854775807", "+OK\r\n"},
        {"incr n", "-ERR increment or decrement would overflow\r\n"},
        {"decrby n -1", "-ERR increment or decrement would overflow\r\n"},
        {"decr n", ":9223372036854775806\r\n"},
        {"set n -9223372036854775808", "+OK\r\n"},
        {"decr n", "-ERR increment or decrement would overflow\r\n"},
        {"incrby n -1", "-ERR increment or decrement would overflow\r\n"},
        {"decrby n 1", "-ERR increment or decrement would overflow\r\n"},
        {"decrby n -9223372036854775808", "-ERR decrement would overflow\r\n"},
        {"incrby n 9223372036854775807", ":-1\r\n"},
        {"get n", "$2\r\n-1\r\n"},
        {"set t 5 pxat 99999999999999", "+OK\r\n"},
        {"incr t", ":6\r\n"},
        {"pexpiretime t", ":99999999999999\r\n"},
        {"object encoding t", "$3\r\nint\r\n"},
        {"set raw 1", "+OK\r\n"},
        {"append raw 2", ":2\r\n"},
        {"incr raw", ":13\r\n"},
        {"object encoding raw", "$3\r\nint\r\n"},
    };
    PLAY(turns);
}

/* INCRBYFLOAT, its results and its limits. */
static void test_counting_floats(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"incrbyfloat f 10.5", "$4\r\n10.5\r\n"},
        {"incrbyfloat f 0.1", "$4\r\n10.6\r\n"},
        {"incrbyfloat f -5", "$3\r\n5.6\r\n"},
        {"incrbyfloat f 5.0e3", "$22\r\n5005.60000000000000009\r\n"},
        {"get f", "$22\r\n5005.60000000000000009\r\n"},
        {"set f 5.0e3", "+OK\r\n"},
        {"incrbyfloat f 2.0e2", "$4\r\n5200\r\n"},
        {"set f 3", "+OK\r\n"},
        {"incrbyfloat f 1", "$1\r\n4\r\n"},
        {"object encoding f", "$6\r\nembstr\r\n"},
        {"incr f", ":5\r\n"},
        {"object encoding f", "$3\r\nint\r\n"},
        {"incrbyfloat f 1.5", "$3\r\n6.5\r\n"},
        {"incr f", "-ERR value is not an integer or out of range\r\n"},
        {"incrbyfloat f abc", "-ERR value is not a valid float\r\n"},
        {"incrbyfloat f \"\"", "-ERR value is not a valid float\r\n"},
        {"incrbyfloat f nan", "-ERR value is not a valid float\r\n"},
        {"incrbyfloat f inf", "-ERR increment would produce NaN or Infinity\r\n"},
        {"incrbyfloat f -inf", "-ERR increment would produce NaN or Infinity\r\n"},
        {"incrbyfloat f \" 1\"", "-ERR value is not a valid float\r\n"},
        {"incrbyfloat f \"1 \"", "-ERR value is not a valid float\r\n"},
        {"set g abc", "+OK\r\n"},
        {"incrbyfloat g 1", "-ERR value is not a valid float\r\n"},
        {"set g \" 1\"", "+OK\r\n"},
        {"incrbyfloat g 1", "-ERR value is not a valid float\r\n"},
        {"set g inf", "+OK\r\n"},
        {"incrbyfloat g 1", "-ERR increment would produce NaN or Infinity\r\n"},
        {"set g 1 pxat 99999999999999", "+OK\r\n"},
        {"incrbyfloat g 0.5", "$3\r\n1.5\r\n"},
        {"pexpiretime g", ":99999999999999\r\n"},
        {"incrbyfloat g 1e5000", "-ERR value is not a valid float\r\n"},
        {"incrbyfloat z -0", "$1\r\n0\r\n"},
        {"incrbyfloat z 0.1", "$3\r\n0.1\r\n"},
        {"incrbyfloat z 0.2", "$3\r\n0.3\r\n"},
        {"incrbyfloat big 100000000000000000000000000000", "$29\r\n99999999999999999997315645440\r\n"},
        {"incrbyfloat small 0.00000000000000001", "$19\r\n0.00000000000000001\r\n"},
    };
    PLAY(turns);
}

/* The longest common subsequence, its length and its ranges. */
static void test_lcs(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"mset a ohmytext b mynewtext", "+OK\r\n"},
        {"lcs a b", "$6\r\nmytext\r\n"},
        {"lcs a b len", ":6\r\n"},
        {"lcs a b idx", "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:"
                        "2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n"},
        {"lcs a b idx withmatchlen",
         "*4\r\n$7\r\nmatches\r\n*2\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n*3\r\n*2\r\n:2\r\n:"
         "3\r\n*2\r\n:0\r\n:1\r\n:2\r\n$3\r\nlen\r\n:6\r\n"},
        {"lcs a b idx minmatchlen 4",
         "*4\r\n$7\r\nmatches\r\n*1\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n$3\r\nlen\r\n:6\r\n"},
        {"lcs a b idx minmatchlen 4 withmatchlen",
         "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n"},
        {"lcs a b idx minmatchlen -1", "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:"
                                       "8\r\n*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n"},
        {"lcs a b idx minmatchlen 9", "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:6\r\n"},
        {"lcs a b minmatchlen abc", "-ERR value is not an integer or out of range\r\n"},
        {"lcs a b idx len", "-ERR If you want both the length and indexes, please just use IDX.\r\n"},
        {"lcs a b foo", "-ERR syntax error\r\n"},
        {"lcs a b minmatchlen", "-ERR syntax error\r\n"},
        {"lcs a missing", "$0\r\n\r\n"},
        {"lcs missing missing2 idx", "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n"},
        {"lcs missing missing2 len", ":0\r\n"},
        {"mset a 12345 b 24135", "+OK\r\n"},
        {"lcs a b", "$3\r\n245\r\n"},
        {"lcs a b idx",
         "*4\r\n$7\r\nmatches\r\n*3\r\n*2\r\n*2\r\n:4\r\n:4\r\n*2\r\n:4\r\n:4\r\n*2\r\n*2\r\n:3\r\n:3\r\n*"
         "2\r\n:1\r\n:1\r\n*2\r\n*2\r\n:1\r\n:1\r\n*2\r\n:0\r\n:0\r\n$3\r\nlen\r\n:3\r\n"},
        {"mset a rnasequence1agtcagtcagtc b agtcsequence2gtcagtca", "+OK\r\n"},
        {"lcs a b", "$17\r\nasequencegtcagtca\r\n"},
        {"lcs a b idx withmatchlen", "*4\r\n$7\r\nmatches\r\n*3\r\n*3\r\n*2\r\n:13\r\n:20\r\n*2\r\n:13\r\n:"
                                     "20\r\n:8\r\n*3\r\n*2\r\n:3\r\n:10\r\n*2\r\n:4\r\n:11\r\n:8\r\n*3\r\n*"
                                     "2\r\n:2\r\n:2\r\n*2\r\n:0\r\n:0\r\n:1\r\n$3\r\nlen\r\n:17\r\n"},
    };
    PLAY(turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_options), cmocka_unit_test(test_set_ifeq),
        cmocka_unit_test(test_kin_of_set),  cmocka_unit_test(test_get_and_change),
        cmocka_unit_test(test_many_keys),   cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_counting),    cmocka_unit_test(test_counting_floats),
        cmocka_unit_test(test_lcs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
