/* Hashes: every command's replies and errors, as Redis 7.0 gives them. */
#include "dialog.h"

/* Fields are created and overwritten; what is replied is how many are new. */
static void test_set(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h", "-ERR wrong number of arguments for 'hset' command\r\n"},
        {"hset h a", "-ERR wrong number of arguments for 'hset' command\r\n"},
        {"hset h a 1 b", "-ERR wrong number of arguments for 'hset' command\r\n"},
        {"hset h a 1", ":1\r\n"},
        {"hset h a 2 b 3 c hello", ":2\r\n"},
        {"hset h a 1 a 2 d 3 d 4", ":1\r\n"},
        {"hget h a", "$1\r\n2\r\n"},
        {"hmset h a 7", "+OK\r\n"},
        {"hmset h a 7 b", "-ERR wrong number of arguments for 'hmset' command\r\n"},
        {"hget h a", "$1\r\n7\r\n"},
        {"hsetnx h a 5", ":0\r\n"},
        {"hsetnx h e 5", ":1\r\n"},
        {"hsetnx fresh a 1", ":1\r\n"},
        {"hsetnx h e", "-ERR wrong number of arguments for 'hsetnx' command\r\n"},
        {"hgetall fresh", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
        {"hset h \"\" \"\"", ":1\r\n"},
        {"hget h \"\"", "$0\r\n\r\n"},
        {"hset ints 3 4 -5 6 9223372036854775807 -9223372036854775808 007 +1", ":4\r\n"},
        {"hgetall ints", "*8\r\n$1\r\n3\r\n$1\r\n4\r\n$2\r\n-5\r\n$1\r\n6\r\n$19\r\n9223372036854775807\r\n$"
                         "20\r\n-9223372036854775808\r\n$3\r\n007\r\n$2\r\n+1\r\n"},
        {"hget ints 7", "$-1\r\n"},
    };
    PLAY(turns);
}

/* Missing fields and missing keys are null, zero or nothing. */
static void test_read(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b \"\" c hello", ":3\r\n"},
        {"hget h a", "$1\r\n1\r\n"},
        {"hget h nope", "$-1\r\n"},
        {"hget nope a", "$-1\r\n"},
        {"hmget h a nope c a", "*4\r\n$1\r\n1\r\n$-1\r\n$5\r\nhello\r\n$1\r\n1\r\n"},
        {"hmget nope a b", "*2\r\n$-1\r\n$-1\r\n"},
        {"hmget h", "-ERR wrong number of arguments for 'hmget' command\r\n"},
        {"hgetall h", "*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$0\r\n\r\n$1\r\nc\r\n$5\r\nhello\r\n"},
        {"hgetall nope", "*0\r\n"},
        {"hkeys h", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
        {"hkeys nope", "*0\r\n"},
        {"hvals h", "*3\r\n$1\r\n1\r\n$0\r\n\r\n$5\r\nhello\r\n"},
        {"hvals nope", "*0\r\n"},
        {"hlen h", ":3\r\n"},
        {"hlen nope", ":0\r\n"},
        {"hstrlen h c", ":5\r\n"},
        {"hstrlen h b", ":0\r\n"},
        {"hstrlen h nope", ":0\r\n"},
        {"hstrlen nope a", ":0\r\n"},
        {"hexists h a", ":1\r\n"},
        {"hexists h nope", ":0\r\n"},
        {"hexists nope a", ":0\r\n"},
        {"@3", NULL},
        {"hgetall h", "%3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$0\r\n\r\n$1\r\nc\r\n$5\r\nhello\r\n"},
        {"hgetall nope", "%0\r\n"},
        {"hget h nope", "_\r\n"},
        {"hmget nope a b", "*2\r\n_\r\n_\r\n"},
        {"hkeys h", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
        {"hkeys nope", "*0\r\n"},
    };
    PLAY(turns);
}

/* The key goes with the last field. */
static void test_delete(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b 2 c 3", ":3\r\n"}, {"hdel h nope", ":0\r\n"},
        {"hdel nope a", ":0\r\n"},        {"hdel h", "-ERR wrong number of arguments for 'hdel' command\r\n"},
        {"hdel h a a nope", ":1\r\n"},    {"exists h", ":1\r\n"},
        {"hdel h b c", ":2\r\n"},         {"exists h", ":0\r\n"},
        {"type h", "+none\r\n"},
    };
    PLAY(turns);
}

/* Whole numbers: the field is created as 0, and neither text nor overflow changes it. */
static void test_count(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hincrby h n 5", ":5\r\n"},
        {"hincrby h n -7", ":-2\r\n"},
        {"hincrby h n x", "-ERR value is not an integer or out of range\r\n"},
        {"hincrby h n 1.5", "-ERR value is not an integer or out of range\r\n"},
        {"hincrby h n", "-ERR wrong number of arguments for 'hincrby' command\r\n"},
        {"hset h t hello s \" 5\" e \"\" big 9223372036854775807", ":4\r\n"},
        {"hincrby h t 1", "-ERR hash value is not an integer\r\n"},
        {"hincrby h s 1", "-ERR hash value is not an integer\r\n"},
        {"hincrby h e 1", "-ERR hash value is not an integer\r\n"},
        {"hincrby h big 1", "-ERR increment or decrement would overflow\r\n"},
        {"hincrby h n -9223372036854775808", "-ERR increment or decrement would overflow\r\n"},
        {"hget h big", "$19\r\n9223372036854775807\r\n"},
        {"hincrby h n -9223372036854775800", ":-9223372036854775802\r\n"},
        {"hgetall h",
         "*10\r\n$1\r\nn\r\n$20\r\n-9223372036854775802\r\n$1\r\nt\r\n$5\r\nhello\r\n$1\r\ns\r\n$2\r\n "
         "5\r\n$1\r\ne\r\n$0\r\n\r\n$3\r\nbig\r\n$19\r\n9223372036854775807\r\n"},
    };
    PLAY(turns);
}

/* Fractions: printed as INCRBYFLOAT prints them. */
static void test_count_float(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hincrbyfloat h n 1.5", "$3\r\n1.5\r\n"},
        {"hincrbyfloat h n 1e2", "$5\r\n101.5\r\n"},
        {"hincrbyfloat h n -101.5", "$1\r\n0\r\n"},
        {"hincrbyfloat h n 0.1", "$3\r\n0.1\r\n"},
        {"hincrbyfloat h n 3.0e3", "$22\r\n3000.10000000000000009\r\n"},
        {"hincrbyfloat h n inf", "-ERR value is NaN or Infinity\r\n"},
        {"hincrbyfloat h n nan", "-ERR value is not a valid float\r\n"},
        {"hincrbyfloat h n x", "-ERR value is not a valid float\r\n"},
        {"hset h t hello s \" 5\" e \"\" big 1e4932", ":4\r\n"},
        {"hincrbyfloat h t 1", "-ERR hash value is not a float\r\n"},
        {"hincrbyfloat h s 1", "-ERR hash value is not a float\r\n"},
        {"hincrbyfloat h e 1", "-ERR hash value is not a float\r\n"},
        {"hincrbyfloat h big 1e4932", "-ERR increment would produce NaN or Infinity\r\n"},
        {"hget h big", "$6\r\n1e4932\r\n"},
    };
    PLAY(turns);
}

/* Every command on a key of another type. */
static void test_wrong_type(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set s x", "+OK\r\n"},
        {"hset s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hmset s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hsetnx s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hget s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hmget s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hgetall s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hkeys s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hvals s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hlen s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hstrlen s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hexists s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hdel s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hincrby s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hincrby s a x", "-ERR value is not an integer or out of range\r\n"},
        {"hincrbyfloat s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hincrbyfloat s a x", "-ERR value is not a valid float\r\n"},
        {"hrandfield s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hrandfield s 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hrandfield s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hrandfield s x", "-ERR value is not an integer or out of range\r\n"},
        {"hscan s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hscan s x", "-ERR invalid cursor\r\n"},
        {"get s", "$1\r\nx\r\n"},
    };
    PLAY(turns);
}

/* A hash is nothing that commands for strings take, and they leave it alone. */
static void test_not_a_string(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1", ":1\r\n"},
        {"append h x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"setrange h 0 x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"setrange h 0 \"\"", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"getrange h 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"substr h 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"strlen h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"get h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"getset h x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"getdel h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"getex h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"getex h ex 10", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"getex h persist", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"incr h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"decr h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"incrby h 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"decrby h 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"incrbyfloat h 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"mget h s", "*2\r\n$-1\r\n$-1\r\n"},
        {"setnx h x", ":0\r\n"},
        {"set h x get", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"set h x nx get", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"set h x nx", "$-1\r\n"},
        {"msetnx h x y z", ":0\r\n"},
        {"lcs h s", "-ERR The specified keys must contain string values\r\n"},
        {"lcs s h", "-ERR The specified keys must contain string values\r\n"},
        {"setbit h 1 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"getbit h 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"bitcount h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"bitpos h 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"bitop not d h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"bitop and d s h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"bitfield h get u8 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"bitfield h set u8 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"bitfield_ro h get u8 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"pfadd h a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"pfcount h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"pfcount s h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"pfmerge h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"pfmerge d h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"pfmerge h s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"sort h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"sort_ro h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"hgetall h", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
        {"ttl h", ":-1\r\n"},
        {"set h x", "+OK\r\n"},
        {"get h", "$1\r\nx\r\n"},
        {"hset g a 1", ":1\r\n"},
        {"mset g x", "+OK\r\n"},
        {"get g", "$1\r\nx\r\n"},
    };
    PLAY(turns);
}

/* Fields by chance. */
static void test_random(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h f v", ":1\r\n"},
        {"hrandfield h", "$1\r\nf\r\n"},
        {"hrandfield h 5", "*1\r\n$1\r\nf\r\n"},
        {"hrandfield h -3", "*3\r\n$1\r\nf\r\n$1\r\nf\r\n$1\r\nf\r\n"},
        {"hrandfield h 0", "*0\r\n"},
        {"hrandfield h 1 withvalues", "*2\r\n$1\r\nf\r\n$1\r\nv\r\n"},
        {"hrandfield h -2 WITHVALUES", "*4\r\n$1\r\nf\r\n$1\r\nv\r\n$1\r\nf\r\n$1\r\nv\r\n"},
        {"hrandfield nope", "$-1\r\n"},
        {"hrandfield nope 3", "*0\r\n"},
        {"hrandfield nope 3 withvalues", "*0\r\n"},
        {"hrandfield nope -3 foo", "-ERR syntax error\r\n"},
        {"hrandfield h 3 foo", "-ERR syntax error\r\n"},
        {"hrandfield h 3 withvalues x", "-ERR syntax error\r\n"},
        {"hrandfield h x", "-ERR value is not an integer or out of range\r\n"},
        {"hrandfield h -9223372036854775808",
         "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n"},
        {"hrandfield h -9223372036854770000 withvalues", "-ERR value is out of range\r\n"},
        {"hrandfield h 9223372036854770000 withvalues", "-ERR value is out of range\r\n"},
        {"@3", NULL},
        {"hrandfield h 1 withvalues", "*1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"},
        {"hrandfield h -2 withvalues", "*2\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"},
        {"hrandfield nope 3 withvalues", "*0\r\n"},
        {"hrandfield nope", "_\r\n"},
    };
    PLAY(turns);
}

/* A small hash comes in one step. */
static void test_scan(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b 2 c 3", ":3\r\n"},
        {"hscan h 0",
         "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"},
        {"hscan h 0 match a", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
        {"hscan h 0 match [bc] count 1",
         "*2\r\n$1\r\n0\r\n*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"},
        {"hscan h 0 match nope", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"hscan h 0 match *",
         "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"},
        {"hscan h 0 count 0", "-ERR syntax error\r\n"},
        {"hscan h 0 count x", "-ERR value is not an integer or out of range\r\n"},
        {"hscan h 0 count", "-ERR syntax error\r\n"},
        {"hscan h 0 match", "-ERR syntax error\r\n"},
        {"hscan h 0 foo", "-ERR syntax error\r\n"},
        {"hscan h 0 type hash", "-ERR syntax error\r\n"},
        {"hscan h x", "-ERR invalid cursor\r\n"},
        {"hscan h -1",
         "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"},
        {"hscan h", "-ERR wrong number of arguments for 'hscan' command\r\n"},
        {"hscan nope 0", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"hscan nope 0 foo", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"hscan nope x foo", "-ERR invalid cursor\r\n"},
        {"@3", NULL},
        {"hscan h 0 match b", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"},
    };
    PLAY(turns);
}

/* Commands for keys of any type. */
static void test_whole(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b 2", ":2\r\n"},
        {"type h", "+hash\r\n"},
        {"object encoding h", "$8\r\nlistpack\r\n"},
        {"object refcount h", ":1\r\n"},
        {"object freq h",
         "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
         "switching between policies at runtime LRU and LFU data will take some time to adjust.\r\n"},
        {"copy h h2", ":1\r\n"},
        {"hset h2 a 5 c 3", ":1\r\n"},
        {"hgetall h", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"},
        {"hgetall h2", "*6\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"},
        {"copy h h2", ":0\r\n"},
        {"copy h h2 replace", ":1\r\n"},
        {"hgetall h2", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"},
        {"rename h2 h3", "+OK\r\n"},
        {"hgetall h3", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"},
        {"renamenx h3 h", ":0\r\n"},
        {"move h3 1", ":1\r\n"},
        {"select 1", "+OK\r\n"},
        {"hgetall h3", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"},
        {"select 0", "+OK\r\n"},
        {"swapdb 0 1", "+OK\r\n"},
        {"hgetall h3", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"},
        {"select 1", "+OK\r\n"},
        {"hgetall h", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"},
        {"expire h 100", ":1\r\n"},
        {"hset h a 9", ":0\r\n"},
        {"ttl h", ":100\r\n"},
        {"persist h", ":1\r\n"},
        {"touch h", ":1\r\n"},
        {"set s x", "+OK\r\n"},
        {"scan 0 type hash match h*", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nh\r\n"},
        {"del h", ":1\r\n"},
        {"exists h", ":0\r\n"},
        {"hset u a 1", ":1\r\n"},
        {"unlink u", ":1\r\n"},
        {"hset u a 1", ":1\r\n"},
        {"rename s u", "+OK\r\n"},
        {"get u", "$1\r\nx\r\n"},
    };
    PLAY(turns);
}

/* The thresholds act on what is done from then on, and never back. */
static void test_encoding(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 12345678901234567890123456789012345678901234567890123456789012345678", ":1\r\n"},
        {"object encoding h", "$9\r\nhashtable\r\n"},
        {"hset h a 1", ":0\r\n"},
        {"object encoding h", "$9\r\nhashtable\r\n"},
        {"hset g 12345678901234567890123456789012345678901234567890123456789012345678 a", ":1\r\n"},
        {"object encoding g", "$9\r\nhashtable\r\n"},
        {"hset f a 1234567890123456789012345678901234567890123456789012345678901234", ":1\r\n"},
        {"object encoding f", "$8\r\nlistpack\r\n"},
        {"hdel f a", ":1\r\n"},
        {"hset f a 1", ":1\r\n"},
        {"object encoding f", "$8\r\nlistpack\r\n"},
        {"copy g f replace", ":1\r\n"},
        {"object encoding f", "$9\r\nhashtable\r\n"},
    };
    PLAY(turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),          cmocka_unit_test(test_read),
        cmocka_unit_test(test_delete),       cmocka_unit_test(test_count),
        cmocka_unit_test(test_count_float),  cmocka_unit_test(test_wrong_type),
        cmocka_unit_test(test_not_a_string), cmocka_unit_test(test_random),
        cmocka_unit_test(test_scan),         cmocka_unit_test(test_whole),
        cmocka_unit_test(test_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
