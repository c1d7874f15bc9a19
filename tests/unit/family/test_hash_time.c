/* Times to live of fields: replies and errors as Redis 8.2 gives them, and what has expired. What the stream
 * is told is in test_effects.c. */
#include "dialog.h"

/* Each field has a reply of its own: -2 it is not there, 0 the condition does not hold, 1 it is set. */
static void test_set(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b 2 c 3 d 4", ":4\r\n"},
        {"hexpire h 100 fields 2 a zz", "*2\r\n:1\r\n:-2\r\n"},
        {"hexpire nope 100 fields 2 a zz", "*2\r\n:-2\r\n:-2\r\n"},
        {"hexpire h 100 nx fields 2 a b", "*2\r\n:0\r\n:1\r\n"},
        {"hexpire h 200 xx fields 2 a c", "*2\r\n:1\r\n:0\r\n"},
        {"hexpire h 100 gt fields 2 a c", "*2\r\n:0\r\n:0\r\n"},
        {"hexpire h 300 gt fields 2 a c", "*2\r\n:1\r\n:0\r\n"},
        {"hexpire h 200 lt fields 2 a c", "*2\r\n:1\r\n:1\r\n"},
        {"hexpire h 250 LT fields 1 a", "*1\r\n:0\r\n"},
        {"hexpire h 100 fields 2 d d", "*2\r\n:1\r\n:1\r\n"},
        {"hexpire h 100 nx fields 2 d d", "*2\r\n:0\r\n:0\r\n"},
        {"hpexpireat h 4102444800001 fields 2 a b", "*2\r\n:1\r\n:1\r\n"},
        {"hpexpiretime h fields 3 a b zz", "*3\r\n:4102444800001\r\n:4102444800001\r\n:-2\r\n"},
        {"hexpiretime h fields 2 a b", "*2\r\n:4102444801\r\n:4102444801\r\n"},
        {"hexpireat h 4102444800 fields 1 c", "*1\r\n:1\r\n"},
        {"hpexpiretime h fields 1 c", "*1\r\n:4102444800000\r\n"},
        {"httl nope fields 2 a b", "*2\r\n:-2\r\n:-2\r\n"},
    };
    PLAY(turns);
}

/* A time that has passed already deletes the field, and with the last one the key. */
static void test_past(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b 2 c 3 d 4", ":4\r\n"},
        {"hexpire h 0 fields 2 a a", "*2\r\n:2\r\n:-2\r\n"},
        {"hpexpire h 0 fields 1 a", "*1\r\n:-2\r\n"},
        {"hexpireat h 5 gt fields 2 b c", "*2\r\n:0\r\n:0\r\n"},
        {"hexpireat h 5 lt fields 2 b zz", "*2\r\n:2\r\n:-2\r\n"},
        {"hpexpireat h 1 fields 2 c d", "*2\r\n:2\r\n:2\r\n"},
        {"exists h", ":0\r\n"},
    };
    PLAY(turns);
}

/* What is checked, in Redis's order. */
static void test_arguments(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1", ":1\r\n"},
        {"set s x", "+OK\r\n"},
        {"hexpire h 100 fields 1", "-ERR wrong number of arguments for 'hexpire' command\r\n"},
        {"hexpire h 100 fields 2 a", "-ERR The `numfields` parameter must match the number of arguments\r\n"},
        {"hexpire h 100 fields 1 a b",
         "-ERR The `numfields` parameter must match the number of arguments\r\n"},
        {"hexpire h 100 nx xx fields 1 a",
         "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"hexpire h 100 foo fields 1 a",
         "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"hexpire h 100 nx foo 1 a",
         "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"hexpire h 100 fields 0 a", "-ERR Parameter `numFields` should be greater than 0\r\n"},
        {"hexpire h 100 fields x a", "-ERR Parameter `numFields` should be greater than 0\r\n"},
        {"hexpire h 100 fields 9223372036854775808 a",
         "-ERR Parameter `numFields` should be greater than 0\r\n"},
        {"hexpire h x foo fields 1 a", "-ERR value is not an integer or out of range\r\n"},
        {"hexpire h -1 fields 1 a", "-ERR invalid expire time, must be >= 0\r\n"},
        {"hexpire h 99999999999999999 fields 1 a", "-ERR invalid expire time in 'hexpire' command\r\n"},
        {"hpexpire h 9223372036854775807 fields 1 a", "-ERR invalid expire time in 'hpexpire' command\r\n"},
        {"hpexpireat h 70368744177663 fields 1 a", "*1\r\n:1\r\n"},
        {"hpexpireat h 70368744177664 fields 1 a", "-ERR invalid expire time in 'hpexpireat' command\r\n"},
        {"hexpireat h 70368744177 fields 1 a", "*1\r\n:1\r\n"},
        {"hexpireat h 70368744178 fields 1 a", "-ERR invalid expire time in 'hexpireat' command\r\n"},
        {"hexpire nope x fields 1 a", "-ERR value is not an integer or out of range\r\n"},
        {"hexpire nope 1 fields 1 a b",
         "-ERR The `numfields` parameter must match the number of arguments\r\n"},
        {"hexpire s x fields 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"httl h fields 1 a b", "-ERR The `numfields` parameter must match the number of arguments\r\n"},
        {"httl h fields 0 a", "-ERR Number of fields must be a positive integer\r\n"},
        {"httl h foo 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"httl nope foo 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"httl s foo 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hpttl s fields 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hexpiretime s fields 1 a",
         "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hpexpiretime s fields 1 a",
         "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hpersist h fields 2 a", "-ERR The `numfields` parameter must match the number of arguments\r\n"},
        {"hpersist h fields 0 a", "-ERR Number of fields must be a positive integer\r\n"},
        {"hpersist h x 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"hpersist nope x 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"hpersist s x 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    };
    PLAY(turns);
}

/* HPERSIST, and what else takes times away or keeps them. */
static void test_persist(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b 2", ":2\r\n"},
        {"hpexpireat h 4102444800000 fields 2 a b", "*2\r\n:1\r\n:1\r\n"},
        {"hpersist h fields 3 a zz a", "*3\r\n:1\r\n:-2\r\n:-1\r\n"},
        {"hpersist nope fields 2 a b", "*2\r\n:-2\r\n:-2\r\n"},
        {"hpexpireat h 4102444800000 fields 1 a", "*1\r\n:1\r\n"},
        {"hset h a 2", ":0\r\n"},
        {"hmset h x 1", "+OK\r\n"},
        {"hpexpiretime h fields 2 a b", "*2\r\n:-1\r\n:4102444800000\r\n"},
        {"hincrby h b 1", ":3\r\n"},
        {"hincrbyfloat h b 0.5", "$3\r\n3.5\r\n"},
        {"hsetnx h b 1", ":0\r\n"},
        {"hpexpiretime h fields 1 b", "*1\r\n:4102444800000\r\n"},
        {"hsetex h keepttl fields 2 a 3 b 4", ":1\r\n"},
        {"hpexpiretime h fields 2 a b", "*2\r\n:-1\r\n:4102444800000\r\n"},
        {"hsetex h fields 1 b 4", ":1\r\n"},
        {"hpexpiretime h fields 2 a b", "*2\r\n:-1\r\n:-1\r\n"},
        {"object encoding h", "$10\r\nlistpackex\r\n"},
    };
    PLAY(turns);
}

/* HGETEX reads first. */
static void test_getex(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b 2", ":2\r\n"},
        {"hgetex h fields 2 a zz", "*2\r\n$1\r\n1\r\n$-1\r\n"},
        {"hgetex nope fields 2 a zz", "*2\r\n$-1\r\n$-1\r\n"},
        {"hgetex h pxat 4102444800000 fields 2 a zz", "*2\r\n$1\r\n1\r\n$-1\r\n"},
        {"hpexpiretime h fields 2 a b", "*2\r\n:4102444800000\r\n:-1\r\n"},
        {"hgetex h persist fields 2 a b", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
        {"hgetex h exat 4102444800 fields 2 a a", "*2\r\n$1\r\n1\r\n$1\r\n1\r\n"},
        {"hgetex h fields 1 a", "*1\r\n$1\r\n1\r\n"},
        {"hpexpiretime h fields 2 a b", "*2\r\n:4102444800000\r\n:-1\r\n"},
        {"hgetex h ex 0 fields 2 a a", "*2\r\n$1\r\n1\r\n$-1\r\n"},
        {"hgetex h pxat 1 fields 1 b", "*1\r\n$1\r\n2\r\n"},
        {"exists h", ":0\r\n"},
        {"hset h b 1", ":1\r\n"},
        {"set s x", "+OK\r\n"},
        {"hgetex h ex -1 fields 1 b", "-ERR invalid expire time, must be >= 0\r\n"},
        {"hgetex h ex x fields 1 b", "-ERR value is not an integer or out of range\r\n"},
        {"hgetex h ex 9223372036854775807 fields 1 b", "-ERR invalid expire time in 'hgetex' command\r\n"},
        {"hgetex h ex 100 px 100 fields 1 b",
         "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"hgetex h persist ex 100 fields 1 b",
         "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"hgetex h keepttl fields 1 b",
         "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"hgetex h fields 1 b ex 100",
         "-ERR The `numfields` parameter must match the number of arguments\r\n"},
        {"hgetex h fields 2 b", "-ERR The `numfields` parameter must match the number of arguments\r\n"},
        {"hgetex h fields 0 b", "-ERR Number of fields must be a positive integer\r\n"},
        {"hgetex h foo 1 b", "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"hgetex h ex 100 b", "-ERR wrong number of arguments for 'hgetex' command\r\n"},
        {"hgetex h ex 100 fields", "-ERR wrong number of arguments for 'hgetex' command\r\n"},
        {"hgetex h persist fields 1",
         "-ERR The `numfields` parameter must match the number of arguments\r\n"},
        {"hgetex nope ex x fields 1 b", "-ERR value is not an integer or out of range\r\n"},
        {"hgetex s ex x fields 1 b",
         "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"@3", NULL},
        {"hgetex h fields 2 b c", "*2\r\n$1\r\n1\r\n_\r\n"},
    };
    PLAY(turns);
}

/* HSETEX sets all fields or none. */
static void test_setex(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hsetex h fields 2 a 1 b 2", ":1\r\n"},
        {"hsetex h pxat 4102444800000 fields 2 a 1 c 2", ":1\r\n"},
        {"hpexpiretime h fields 3 a b c", "*3\r\n:4102444800000\r\n:-1\r\n:4102444800000\r\n"},
        {"hsetex h fnx fields 2 a 5 e 5", ":0\r\n"},
        {"hsetex h fnx fields 2 f 5 f 6", ":1\r\n"},
        {"hget h f", "$1\r\n6\r\n"},
        {"hsetex h fxx exat 4102444800 fields 2 f 6 zz 5", ":0\r\n"},
        {"hsetex h fxx exat 4102444800 fields 2 f 6 a 5", ":1\r\n"},
        {"hsetex nope fxx ex 5 fields 1 a 5", ":0\r\n"},
        {"hmget h a b c f", "*4\r\n$1\r\n5\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n6\r\n"},
        {"hsetex h px 0 fields 2 a 1 zz 1", ":1\r\n"},
        {"hsetex gone pxat 1 fields 1 a 5", ":1\r\n"},
        {"exists gone", ":0\r\n"},
        {"hexists h a", ":0\r\n"},
        {"set s x", "+OK\r\n"},
        {"hsetex h fnx fxx fields 1 a 5", "-ERR Only one of FXX or FNX arguments can be specified\r\n"},
        {"hsetex h fnx fnx fields 1 a 5", "-ERR Only one of FXX or FNX arguments can be specified\r\n"},
        {"hsetex h ex 100 keepttl fields 1 a 5",
         "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"},
        {"hsetex h keepttl px 5 fields 1 a 5",
         "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"},
        {"hsetex h ex x fields 0 a 5", "-ERR value is not an integer or out of range\r\n"},
        {"hsetex h ex -1 fields 1 a 5", "-ERR invalid expire time, must be >= 0\r\n"},
        {"hsetex h ex 9223372036854775807 fields 1 a 5", "-ERR invalid expire time in 'hsetex' command\r\n"},
        {"hsetex h fields 2 a 1", "-ERR wrong number of arguments for 'hsetex' command\r\n"},
        {"hsetex h fields 1 a 1 b 2", "-ERR wrong number of arguments for 'hsetex' command\r\n"},
        {"hsetex h fields 0 a 1", "-ERR invalid number of fields\r\n"},
        {"hsetex h fields 2147483648 a 1", "-ERR invalid number of fields\r\n"},
        {"hsetex h fields 1 a 1 ex 100", "-ERR wrong number of arguments for 'hsetex' command\r\n"},
        {"hsetex h fnx fields x a", "-ERR wrong number of arguments for 'hsetex' command\r\n"},
        {"hsetex h foo 1 a 1", "-ERR unknown argument: foo\r\n"},
        {"hsetex h persist fields 1 a 5", "-ERR unknown argument: persist\r\n"},
        {"hsetex h fnx ex 5 ex",
         "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"},
        {"hsetex s fxx fields 1 a b",
         "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hsetex s foo 1 a b", "-ERR unknown argument: foo\r\n"},
    };
    PLAY(turns);
}

/* HGETDEL reads first. */
static void test_getdel(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b 2 c 3", ":3\r\n"},
        {"hgetdel h fields 2 a zz", "*2\r\n$1\r\n1\r\n$-1\r\n"},
        {"hgetdel h fields 2 b b", "*2\r\n$1\r\n2\r\n$-1\r\n"},
        {"hgetdel nope fields 2 a b", "*2\r\n$-1\r\n$-1\r\n"},
        {"hgetdel h fields 1 c", "*1\r\n$1\r\n3\r\n"},
        {"exists h", ":0\r\n"},
        {"hset h a 1", ":1\r\n"},
        {"set s x", "+OK\r\n"},
        {"hgetdel h fields 1 a b", "-ERR The `numfields` parameter must match the number of arguments\r\n"},
        {"hgetdel h fields 0 a", "-ERR Number of fields must be a positive integer\r\n"},
        {"hgetdel h foo 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"},
        {"hgetdel nope fields 0 a", "-ERR Number of fields must be a positive integer\r\n"},
        {"hgetdel s fields 0 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"@3", NULL},
        {"hgetdel h fields 2 a b", "*2\r\n$1\r\n1\r\n_\r\n"},
    };
    PLAY(turns);
}

/* HSCAN without values. */
static void test_novalues(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b 2", ":2\r\n"},
        {"hscan h 0 novalues", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"hscan h 0 count 2 novalues match a", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"},
        {"hscan h 0 novalues x", "-ERR syntax error\r\n"},
    };
    PLAY(turns);
}

/* Times go with the hash. */
static void test_whole(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b 2", ":2\r\n"},
        {"hpexpireat h 4102444800000 fields 1 a", "*1\r\n:1\r\n"},
        {"object encoding h", "$10\r\nlistpackex\r\n"},
        {"copy h h2", ":1\r\n"},
        {"rename h h3", "+OK\r\n"},
        {"move h3 1", ":1\r\n"},
        {"hpexpiretime h2 fields 2 a b", "*2\r\n:4102444800000\r\n:-1\r\n"},
        {"select 1", "+OK\r\n"},
        {"hpexpiretime h3 fields 2 a b", "*2\r\n:4102444800000\r\n:-1\r\n"},
        {"hpersist h3 fields 1 a", "*1\r\n:1\r\n"},
        {"object encoding h3", "$10\r\nlistpackex\r\n"},
    };
    PLAY(turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),     cmocka_unit_test(test_past),     cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_persist), cmocka_unit_test(test_getex),    cmocka_unit_test(test_setex),
        cmocka_unit_test(test_getdel),  cmocka_unit_test(test_novalues), cmocka_unit_test(test_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
