/* Bitmaps and BITFIELD. Expected replies are those of Redis. */
#include "dialog.h"

#define BAD_OFFSET "-ERR bit offset is not an integer or out of range\r\n"
#define BAD_BIT    "-ERR bit is not an integer or out of range\r\n"
#define BAD_INT    "-ERR value is not an integer or out of range\r\n"
#define SYNTAX     "-ERR syntax error\r\n"

/* SETBIT grows the string and returns the old bit; GETBIT sees zeros behind its end. */
static void test_one_bit(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"setbit k 7 1", ":0\r\n"},
        {"get k", "$1\r\n\x01\r\n"},
        {"setbit k 7 1", ":1\r\n"},
        {"setbit k 7 0", ":1\r\n"},
        {"setbit k 1 1", ":0\r\n"},
        {"get k", "$1\r\n@\r\n"},
        {"setbit k 17 1", ":0\r\n"},
        {"strlen k", ":3\r\n"},
        {"getbit k 17", ":1\r\n"},
        {"getbit k 16", ":0\r\n"},
        {"getbit k 4294967295", ":0\r\n"},
        {"getbit missing 0", ":0\r\n"},
        {"setbit new 9 0", ":0\r\n"},
        {"strlen new", ":2\r\n"},
        {"set n 10", "+OK\r\n"},
        {"setbit n 7 0", ":1\r\n"},
        {"get n", "$2\r\n00\r\n"},
        {"set n 10", "+OK\r\n"},
        {"setbit n 7 1", ":1\r\n"},
        {"object encoding n", "$3\r\nraw\r\n"},
        {"set t v px 100000", "+OK\r\n"},
        {"setbit t 100 1", ":0\r\n"},
        {"pttl t", ":100000\r\n"},
        {"setbit k -1 1", BAD_OFFSET},
        {"setbit k abc 1", BAD_OFFSET},
        {"setbit k #1 1", BAD_OFFSET},
        {"setbit k 4294967296 1", BAD_OFFSET},
        {"setbit k 9223372036854775807 1", BAD_OFFSET},
        {"getbit k 4294967296", BAD_OFFSET},
        {"setbit k 0 2", BAD_BIT},
        {"setbit k 0 -1", BAD_BIT},
        {"setbit k 0 x", BAD_BIT},
        {"setbit k 0", "-ERR wrong number of arguments for 'setbit' command\r\n"},
    };
    PLAY(turns);
}

static void test_counting(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k foobar", "+OK\r\n"},
        {"bitcount k", ":26\r\n"},
        {"bitcount k 0 0", ":4\r\n"},
        {"bitcount k 1 1", ":6\r\n"},
        {"bitcount k 0 -1", ":26\r\n"},
        {"bitcount k -2 -1", ":7\r\n"},
        {"bitcount k 1 1 BYTE", ":6\r\n"},
        {"bitcount k 5 30 BIT", ":17\r\n"},
        {"bitcount k 5 5 BIT", ":1\r\n"},
        {"bitcount k 3 3 BIT", ":0\r\n"},
        {"bitcount k 0 1000 BIT", ":26\r\n"},
        {"bitcount k -1000 1000", ":26\r\n"},
        {"bitcount k 3 2", ":0\r\n"},
        {"bitcount k -1 -3 nonsense", ":0\r\n"},
        {"bitcount k 0 0 nonsense", SYNTAX},
        {"bitcount k 0", SYNTAX},
        {"bitcount k 0 0 BIT 1", SYNTAX},
        {"bitcount k a 1", BAD_INT},
        {"bitcount k 1 a", BAD_INT},
        {"bitcount k -9223372036854775808 9223372036854775807", ":26\r\n"},
        {"bitcount missing", ":0\r\n"},
        {"bitcount missing a b", ":0\r\n"},
        {"set n 12", "+OK\r\n"},
        {"bitcount n", ":6\r\n"},
    };
    PLAY(turns);
}

/* Behind the end are zeros, unless the client says where to stop. */
static void test_finding(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k \"\\xff\\xf0\\x00\"", "+OK\r\n"},
        {"bitpos k 0", ":12\r\n"},
        {"bitpos k 1", ":0\r\n"},
        {"bitpos k 1 2", ":-1\r\n"},
        {"bitpos k 0 2", ":16\r\n"},
        {"bitpos k 1 -2 -1 BYTE", ":8\r\n"},
        {"bitpos k 0 2 13 BIT", ":12\r\n"},
        {"bitpos k 0 2 11 BIT", ":-1\r\n"},
        {"bitpos k 1 7 15 BIT", ":7\r\n"},
        {"bitpos k 1 -12 -1 BIT", ":-1\r\n"},
        {"set f \"\\xff\\xff\"", "+OK\r\n"},
        {"bitpos f 0", ":16\r\n"},
        {"bitpos f 0 0", ":16\r\n"},
        {"bitpos f 0 0 -1", ":-1\r\n"},
        {"bitpos f 0 2", ":-1\r\n"},
        {"bitpos missing 0", ":0\r\n"},
        {"bitpos missing 1", ":-1\r\n"},
        {"set e \"\"", "+OK\r\n"},
        {"bitpos e 0", ":-1\r\n"},
        {"bitpos e 1", ":-1\r\n"},
        {"bitpos k 2", "-ERR The bit argument must be 1 or 0.\r\n"},
        {"bitpos k x", BAD_INT},
        {"bitpos k 1 x", BAD_INT},
        {"bitpos k 1 0 x", BAD_INT},
        {"bitpos k 1 0 1 nonsense", SYNTAX},
        {"bitpos k 1 0 1 BIT 1", SYNTAX},
    };
    PLAY(turns);
}

/* Shorter sources go on in zeros; nothing in all of them deletes the target. */
static void test_combining(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set a abcdef", "+OK\r\n"},
        {"set b ABC", "+OK\r\n"},
        {"bitop and t a b", ":6\r\n"},
        {"get t", "$6\r\nABC"},
        {"bitop or t a b", ":6\r\n"},
        {"get t", "$6\r\nabcdef\r\n"},
        {"bitop xor t a b", ":6\r\n"},
        {"get t", "$6\r\n   def\r\n"},
        {"bitop xor a a b", ":6\r\n"},
        {"get a", "$6\r\n   def\r\n"},
        {"bitop not t b", ":3\r\n"},
        {"get t", "$3\r\n\xbe\xbd\xbc\r\n"},
        {"object encoding t", "$3\r\nraw\r\n"},
        {"bitop and t a missing", ":6\r\n"},
        {"strlen t", ":6\r\n"},
        {"bitcount t", ":0\r\n"},
        {"pexpire t 1000", ":1\r\n"},
        {"bitop or t b", ":3\r\n"},
        {"pttl t", ":-1\r\n"},
        {"bitop or t missing", ":0\r\n"},
        {"exists t", ":0\r\n"},
        {"bitop or t missing", ":0\r\n"},
        {"bitop not t a b", "-ERR BITOP NOT must be called with a single source key.\r\n"},
        {"bitop nor t a", SYNTAX},
        {"set x v px 10", "+OK\r\n"},
        {"@+10", ""},
        {"bitop or t x", ":0\r\n"},
    };
    struct dialog dialog;
    dialog_begin(&dialog);
    for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
        if (i == 3) { /* zeros end what C sees of this one */
            dialog_say(&dialog, turns[i].line);
            assert_memory_equal(dialog.reply.data, "$6\r\nABC\0\0\0\r\n", 13);
        } else {
            dialog_turn(&dialog, &turns[i]);
        }
    }
    dialog_end(&dialog);
}

/* Every type, where fields lie, and what each overflow rule does. */
static void test_bitfield(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"bitfield k set u8 0 255 get u8 0 get i8 0 get u4 4", "*4\r\n:0\r\n:255\r\n:-1\r\n:15\r\n"},
        {"bitfield k set i8 #1 -100 get i8 #1 get u8 8", "*3\r\n:0\r\n:-100\r\n:156\r\n"},
        {"bitfield k incrby i5 100 1 get u4 0", "*2\r\n:1\r\n:15\r\n"},
        {"strlen k", ":14\r\n"},
        {"bitfield w incrby u2 100 1 overflow sat incrby u2 102 1", "*2\r\n:1\r\n:1\r\n"},
        {"bitfield w incrby u2 100 3 overflow sat incrby u2 102 3", "*2\r\n:0\r\n:3\r\n"},
        {"bitfield w overflow fail incrby u2 102 1", "*1\r\n$-1\r\n"},
        {"bitfield w overflow fail incrby u2 102 -4", "*1\r\n$-1\r\n"},
        {"bitfield w overflow sat incrby u2 102 -4", "*1\r\n:0\r\n"},
        {"bitfield s overflow sat set i8 0 1000 get i8 0", "*2\r\n:0\r\n:127\r\n"},
        {"bitfield s overflow sat set i8 0 -1000 get i8 0", "*2\r\n:127\r\n:-128\r\n"},
        {"bitfield s overflow wrap incrby i8 0 -1", "*1\r\n:127\r\n"},
        {"bitfield s overflow sat set u8 0 -1 get u8 0", "*2\r\n:127\r\n:255\r\n"},
        {"bitfield s set u8 0 -1 get u8 0", "*2\r\n:255\r\n:255\r\n"},
        {"bitfield l set i64 3 9223372036854775807 get i64 3", "*2\r\n:0\r\n:9223372036854775807\r\n"},
        {"bitfield l overflow fail incrby i64 3 1", "*1\r\n$-1\r\n"},
        {"bitfield l overflow wrap incrby i64 3 1", "*1\r\n:-9223372036854775808\r\n"},
        {"bitfield l overflow sat incrby i64 3 -1", "*1\r\n:-9223372036854775808\r\n"},
        {"bitfield u set u63 7 9223372036854775807 incrby u63 7 1", "*2\r\n:0\r\n:0\r\n"},
        {"bitfield k", "*0\r\n"},
        {"bitfield missing get u8 0 get i64 77", "*2\r\n:0\r\n:0\r\n"},
        {"exists missing", ":0\r\n"},
        {"bitfield_ro k get u8 0", "*1\r\n:255\r\n"},
        {"bitfield_ro k set u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand\r\n"},
        {"set n 99", "+OK\r\n"},
        {"bitfield n get u8 0 set u8 8 50", "*2\r\n:57\r\n:57\r\n"},
        {"get n", "$2\r\n92\r\n"},
    };
    PLAY(turns);
}

static void test_bitfield_errors(void **state)
{
    (void)state;
    static const char bad_type[] =
        "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not "
        "supported but i64 is.\r\n";
    static const char bad_rule[] = "-ERR Invalid OVERFLOW type specified\r\n";
    static const struct turn turns[] = {
        {"bitfield k get u64 0", bad_type},
        {"bitfield k get i65 0", bad_type},
        {"bitfield k get u0 0", bad_type},
        {"bitfield k get x8 0", bad_type},
        {"bitfield k get \"\" 0", bad_type},
        {"bitfield k get i 0", bad_type},
        {"bitfield k get U8 0", bad_type},
        {"bitfield k get u8 -1", BAD_OFFSET},
        {"bitfield k get u8 #-1", BAD_OFFSET},
        {"bitfield k get u8 #", BAD_OFFSET},
        {"bitfield k get u8 4294967296", BAD_OFFSET},
        {"bitfield k get u8 #9223372036854775807", BAD_OFFSET},
        {"bitfield k set u8 0 x", BAD_INT},
        {"bitfield k set u8 0 9223372036854775808", BAD_INT},
        {"bitfield k set u8 0", SYNTAX},
        {"bitfield k incrby u8", SYNTAX},
        {"bitfield k get u8", SYNTAX},
        {"bitfield k overflow", SYNTAX},
        {"bitfield k nonsense", SYNTAX},
        {"bitfield k overflow nonsense", bad_rule},
        {"bitfield k set u8 0 1 overflow nonsense", bad_rule},
        {"exists k", ":0\r\n"},
    };
    PLAY(turns);
}

/* Only real changes fail a watcher. */
static void test_watched(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"setbit k 1 1", ":0\r\n"}, {"watch k", "+OK\r\n"},
        {"setbit k 1 1", ":1\r\n"}, {"bitfield k set u8 0 64", "*1\r\n:64\r\n"},
        {"multi", "+OK\r\n"},       {"exec", "*0\r\n"},
        {"watch k", "+OK\r\n"},     {"setbit k 1 0", ":1\r\n"},
        {"multi", "+OK\r\n"},       {"exec", "*-1\r\n"},
        {"watch k", "+OK\r\n"},     {"bitfield k incrby u8 0 1", "*1\r\n:1\r\n"},
        {"multi", "+OK\r\n"},       {"exec", "*-1\r\n"},
    };
    PLAY(turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_bit),  cmocka_unit_test(test_counting),
        cmocka_unit_test(test_finding),  cmocka_unit_test(test_combining),
        cmocka_unit_test(test_bitfield), cmocka_unit_test(test_bitfield_errors),
        cmocka_unit_test(test_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
