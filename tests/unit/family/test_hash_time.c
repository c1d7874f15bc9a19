/* Times to live of fields: replies and errors as Redis 8.2 gives them, and what has expired. What the stream
 * is told is in test_effects.c. */
#include "command/effect.h"
#include "command/event.h"
#include "stage.h"

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

/* A field whose time has passed is gone for every command, and a hash of which no other is left as well. */
static void test_hidden(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"hset h a 1 b 2 c 3 d 4", ":4\r\n"},
        {"hpexpire h 100 fields 2 a b", "*2\r\n:1\r\n:1\r\n"},
        {"hpexpire h 200 fields 1 c", "*1\r\n:1\r\n"},
        {"@+99", NULL},
        {"hlen h", ":4\r\n"},
        {"hpttl h fields 2 a c", "*2\r\n:1\r\n:101\r\n"},
        {"@+1", NULL},
        {"hlen h", ":2\r\n"},
        {"hget h a", "$-1\r\n"},
        {"hmget h b c", "*2\r\n$-1\r\n$1\r\n3\r\n"},
        {"hgetall h", "*4\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nd\r\n$1\r\n4\r\n"},
        {"hkeys h", "*2\r\n$1\r\nc\r\n$1\r\nd\r\n"},
        {"hvals h", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n"},
        {"hexists h a", ":0\r\n"},
        {"hstrlen h a", ":0\r\n"},
        {"hscan h 0", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nd\r\n$1\r\n4\r\n"},
        {"hscan h 0 match [ab]", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"hrandfield h 5", "*2\r\n$1\r\nc\r\n$1\r\nd\r\n"},
        {"httl h fields 3 a c d", "*3\r\n:-2\r\n:1\r\n:-1\r\n"},
        {"hpexpiretime h fields 1 a", "*1\r\n:-2\r\n"},
        {"hpersist h fields 1 a", "*1\r\n:-2\r\n"},
        {"hset h a 9", ":1\r\n"},
        {"hpttl h fields 1 a", "*1\r\n:-1\r\n"},
        {"hincrby h b 1", ":1\r\n"},
        {"hdel h a b d", ":3\r\n"},
        {"@+100", NULL},
        {"exists h", ":0\r\n"},
        {"type h", "+none\r\n"},
        {"get h", "$-1\r\n"},
        {"hlen h", ":0\r\n"},
        {"hgetall h", "*0\r\n"},
        {"hrandfield h", "$-1\r\n"},
        {"hscan h 0", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"object encoding h", "$-1\r\n"},
        {"keys *", "*0\r\n"},
        {"scan 0", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"randomkey", "$-1\r\n"},
        {"rename h g", "-ERR no such key\r\n"},
        {"copy h g", ":0\r\n"},
        {"expire h 100", ":0\r\n"},
        {"set h x nx", "+OK\r\n"},
    };
    PLAY(turns);
}

#define HEARS(event, size) "*3\r\n$7\r\nmessage\r\n$16\r\n__keyspace@0__:h\r\n$" size "\r\n" event "\r\n"

/* What a command finds expired is told before what the command does. */
static void test_events(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 subscribe __keyspace@0__:h", {"*3\r\n$9\r\nsubscribe\r\n$16\r\n__keyspace@0__:h\r\n:1\r\n"}},
        {"1 hset h a 1 b 1", {HEARS("new", "3") HEARS("hset", "4"), ":2\r\n"}},
        {"1 hpexpire h 10 fields 1 a", {HEARS("hexpire", "7"), "*1\r\n:1\r\n"}},
        {"@+10", {NULL}},
        {"1 hget h a", {NULL, "$-1\r\n"}},
        {"1 hset h a 2", {HEARS("hexpired", "8") HEARS("hset", "4"), ":1\r\n"}},
        {"1 hpexpire h 10 fields 2 a b", {HEARS("hexpire", "7"), "*2\r\n:1\r\n:1\r\n"}},
        {"@+10", {NULL}},
        {"1 exists h", {NULL, ":0\r\n"}},
        {"1 hsetnx h a 1",
         {HEARS("hexpired", "8") HEARS("del", "3") HEARS("new", "3") HEARS("hset", "4"), ":1\r\n"}},
    };
    struct stage stage;
    stage_begin(&stage);
    stage.dialog.world->settings.notify = notify_classes("KAn");
    stage_play_on(&stage, scenes, sizeof(scenes) / sizeof(scenes[0]));
    assert_int_equal(stage.dialog.world->stats.expired_fields, 3);
    assert_int_equal(stage.dialog.world->stats.expired, 0);
    stage_end(&stage);
}

/* Deletes as the engine does until nothing is due; returns in how many steps. */
static int expire_all(struct dialog *dialog)
{
    struct database *db = store_database(dialog->world->store, 0);
    struct entry *entry;
    int budget = 1000000;
    int steps = 0;
    world_refresh_time(dialog->world);
    while ((entry = database_next_due_parts(db, dialog->world->now_ms, &budget))) {
        assert_true(world_expire_fields(dialog->world, 0, entry, &budget));
        steps++;
    }
    return steps;
}

static int64_t fields_there(struct dialog *dialog, const char *key)
{
    struct slice name = slice_of(key);
    struct database *db = store_database(dialog->world->store, 0);
    struct entry *entry = database_find(db, name, store_hash(dialog->world->store, name));
    return entry ? (int64_t)entry_hash_size(entry) : -1;
}

/* By themselves they go in batches of a bounded size; a hash of which all have expired goes as a whole. */
static void test_batches(void **state)
{
    (void)state;
    char line[128];
    struct dialog dialog;
    dialog_begin(&dialog);
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof(line), "hsetex h px %d fields 1 f%d 1", i < 300 ? 10 : 5000, i);
        dialog_say(&dialog, line);
    }
    dialog_say(&dialog, "hset h stays 1");
    dialog.now_ms += 40;
    int steps = expire_all(&dialog);
    assert_in_range(steps, 5, 20);
    assert_int_equal(fields_there(&dialog, "h"), 701);
    assert_int_equal(dialog.world->stats.expired_fields, 300);
    assert_string_equal(dialog_say(&dialog, "hdel h stays"), ":1\r\n");
    dialog.now_ms += 6000;
    assert_int_equal(expire_all(&dialog), 1);
    assert_int_equal(fields_there(&dialog, "h"), -1);
    assert_int_equal(dialog.world->stats.expired_fields, 1000);
    dialog_end(&dialog);
}

/* A watcher who saw a field hears that it is gone; one to whom there was no hash hears nothing. */
static void test_watched(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog_say(&dialog, "hset h a 1 b 1");
    dialog_say(&dialog, "hpexpire h 10 fields 1 a");
    dialog_say(&dialog, "watch h");
    dialog.now_ms += 40;
    assert_int_equal(expire_all(&dialog), 1);
    dialog_say(&dialog, "multi");
    assert_string_equal(dialog_say(&dialog, "exec"), "*-1\r\n");
    dialog_say(&dialog, "hpexpire h 10 fields 1 b");
    dialog.now_ms += 40;
    dialog_say(&dialog, "watch h");
    assert_int_equal(expire_all(&dialog), 1);
    dialog_say(&dialog, "multi");
    assert_string_equal(dialog_say(&dialog, "exec"), "*0\r\n");
    dialog_end(&dialog);
}

/* Shows: the latest time that RESTORE may give a field is one that the stream may tell of, as an export does;
 * clients are refused it. */
static void test_latest_time_in_the_stream(void **state)
{
    (void)state;
    struct dialog dialog;
    struct output output = {0};
    char latest[32];
    snprintf(latest, sizeof(latest), "%lld", (long long)FIELD_TIME_MAX);
    dialog_begin(&dialog);
    struct session *stream = session_new(dialog.world, &output, NULL);
    stream->origin = &origin_stream;
    const struct slice argv[] = {slice_of("hpexpireat"), slice_of("h"), slice_of(latest),
                                 slice_of("fields"),     slice_of("1"), slice_of("a")};
    const struct request request = {.argc = 6, .argv = argv};
    dialog_say(&dialog, "hset h a 1");
    assert_string_equal(dialog_run(&dialog, 6, argv), "-ERR invalid expire time in 'hpexpireat' command\r\n");
    assert_null(dialog_replay(dialog.world, stream, &request));
    assert_string_equal(dialog_say(&dialog, "hpexpiretime h fields 1 a"), "*1\r\n:281474976710655\r\n");
    session_free(stream);
    output_free(&output);
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),       cmocka_unit_test(test_past),
        cmocka_unit_test(test_arguments), cmocka_unit_test(test_persist),
        cmocka_unit_test(test_getex),     cmocka_unit_test(test_setex),
        cmocka_unit_test(test_getdel),    cmocka_unit_test(test_novalues),
        cmocka_unit_test(test_whole),     cmocka_unit_test(test_hidden),
        cmocka_unit_test(test_events),    cmocka_unit_test(test_batches),
        cmocka_unit_test(test_watched),   cmocka_unit_test(test_latest_time_in_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
