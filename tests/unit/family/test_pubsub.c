/* Publish and subscribe: who hears what, in which form, and in which order with replies. */
#include "command/message/pubsub.h"
#include "stage.h"

#define SUBSCRIBED(name, count) "*3\r\n$9\r\nsubscribe\r\n$1\r\n" name "\r\n:" count "\r\n"
#define MESSAGE(name, text)     "*3\r\n$7\r\nmessage\r\n$1\r\n" name "\r\n$1\r\n" text "\r\n"

/* Channels and patterns: each subscription gets its own copy, and none comes after its end. */
static void test_channels_and_patterns(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 subscribe a b a", {SUBSCRIBED("a", "1") SUBSCRIBED("b", "2") SUBSCRIBED("a", "2")}},
        {"1 subscribe a", {NULL, SUBSCRIBED("a", "1")}},
        {"1 psubscribe ?", {NULL, "*3\r\n$10\r\npsubscribe\r\n$1\r\n?\r\n:2\r\n"}},
        {"2 publish a x",
         {MESSAGE("a", "x"), MESSAGE("a", "x") "*4\r\n$8\r\npmessage\r\n$1\r\n?\r\n$1\r\na\r\n$1\r\nx\r\n",
          ":3\r\n"}},
        {"2 publish aa x", {NULL, NULL, ":0\r\n"}},
        {"2 pubsub numsub a b c", {NULL, NULL, "*6\r\n$1\r\na\r\n:2\r\n$1\r\nb\r\n:1\r\n$1\r\nc\r\n:0\r\n"}},
        {"2 pubsub numpat", {NULL, NULL, ":1\r\n"}},
        {"2 pubsub channels", {NULL, NULL, "*2\r\n$1\r\na\r\n$1\r\nb\r\n"}},
        {"2 pubsub channels b*", {NULL, NULL, "*1\r\n$1\r\nb\r\n"}},
        {"0 unsubscribe a nothing",
         {"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$7\r\nnothing\r\n:"
          "1\r\n"}},
        {"1 unsubscribe", {NULL, "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n"}},
        {"1 unsubscribe", {NULL, "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n"}},
        {"1 punsubscribe", {NULL, "*3\r\n$12\r\npunsubscribe\r\n$1\r\n?\r\n:0\r\n"}},
        {"2 publish a x", {NULL, NULL, ":0\r\n"}},
        {"2 publish b x", {MESSAGE("b", "x"), NULL, ":1\r\n"}},
        {"0 @gone", {NULL}},
        {"2 publish b x", {NULL, NULL, ":0\r\n"}},
        {"2 pubsub channels", {NULL, NULL, "*0\r\n"}},
    };
    STAGE(scenes);
}

/* Shard channels are a world of their own. */
static void test_shards(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 ssubscribe a", {"*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n"}},
        {"0 subscribe a", {SUBSCRIBED("a", "1")}},
        {"1 psubscribe *", {NULL, "*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n"}},
        {"2 spublish a x", {"*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nx\r\n", NULL, ":1\r\n"}},
        {"2 pubsub shardchannels", {NULL, NULL, "*1\r\n$1\r\na\r\n"}},
        {"2 pubsub shardnumsub a b", {NULL, NULL, "*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:0\r\n"}},
        {"0 sunsubscribe", {"*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n"}},
        {"2 spublish a x", {NULL, NULL, ":0\r\n"}},
        {"2 pubsub channels x y",
         {NULL, NULL,
          "-ERR unknown subcommand or wrong number of arguments for 'channels'. Try PUBSUB HELP.\r\n"}},
    };
    STAGE(scenes);
}

/* In RESP2 a subscriber may say little, and PING looks like a message; in RESP3 there are no limits, and
 * messages are pushes. RESET and the last unsubscription end it. */
static void test_protocols(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 subscribe a", {SUBSCRIBED("a", "1")}},
        {"0 get x",
         {"-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
          "allowed in "
          "this context\r\n"}},
        {"0 ping", {"*2\r\n$4\r\npong\r\n$0\r\n\r\n"}},
        {"0 ping hi", {"*2\r\n$4\r\npong\r\n$2\r\nhi\r\n"}},
        {"1 @3", {NULL}},
        {"1 subscribe a", {NULL, ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"}},
        {"1 get x", {NULL, "_\r\n"}},
        {"1 ping", {NULL, "+PONG\r\n"}},
        {"2 publish a x", {MESSAGE("a", "x"), ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n", ":2\r\n"}},
        {"0 unsubscribe", {"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"}},
        {"0 get x", {"$-1\r\n"}},
        {"0 subscribe a", {SUBSCRIBED("a", "1")}},
        {"0 reset", {"+RESET\r\n"}},
        {"0 get x", {"$-1\r\n"}},
        {"2 publish a x", {NULL, ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n", ":1\r\n"}},
    };
    STAGE(scenes);
}

/* What a session sends itself comes behind the reply of the command that sent it, EXEC's as a whole. */
static void test_own_messages_follow_the_reply(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 @3", {NULL}},
        {"0 subscribe a", {">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"}},
        {"0 publish a x", {":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"}},
        {"0 multi", {"+OK\r\n"}},
        {"0 publish a y", {"+QUEUED\r\n"}},
        {"1 publish a z", {">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nz\r\n", ":1\r\n"}},
        {"0 get x", {"+QUEUED\r\n"}},
        {"0 exec", {"*2\r\n:1\r\n_\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\ny\r\n"}},
        {"2 multi", {NULL, NULL, "+OK\r\n"}},
        {"2 subscribe a", {NULL, NULL, "+QUEUED\r\n"}},
        {"2 publish a w", {NULL, NULL, "+QUEUED\r\n"}},
        {"2 exec",
         {">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nw\r\n", NULL,
          "*2\r\n" SUBSCRIBED("a", "1") ":2\r\n" MESSAGE("a", "w")}},
    };
    STAGE(scenes);
}

/* The hooks by which limits on output are chosen hear of the first subscription and of the last one's end. */
static int told[2];

static void note_subscribed(struct session *session, bool subscribed)
{
    (void)session;
    told[subscribed]++;
}

static void test_host_is_told(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    stage.dialog.world->session_host.subscribed = note_subscribed;
    stage.actors[0].session->owner = &stage;
    stage_say(&stage, 0, "subscribe a b");
    stage_say(&stage, 0, "psubscribe a");
    assert_int_equal(told[true], 1);
    stage_say(&stage, 0, "unsubscribe");
    assert_int_equal(told[false], 0);
    stage_say(&stage, 0, "punsubscribe");
    assert_int_equal(told[false], 1);
    stage_end(&stage);
}

/* Many channels and many sessions come and go, and none is left. */
static void test_many(void **state)
{
    (void)state;
    struct stage stage;
    char line[64];
    stage_begin(&stage);
    for (int i = 0; i < 3000; i++) {
        snprintf(line, sizeof(line), "subscribe c%d", i);
        stage_say(&stage, i % ACTORS, line);
    }
    assert_int_equal(pubsub_count(stage.dialog.world, SUBSCRIPTION_CHANNEL), 3000);
    stage_say(&stage, 1, "reset");
    assert_int_equal(pubsub_count(stage.dialog.world, SUBSCRIPTION_CHANNEL), 3000 - 3000 / ACTORS);
    stage_heard(&stage, 1);
    stage_say(&stage, 1, "publish c2 x");
    assert_string_equal(stage_heard(&stage, 1), ":1\r\n");
    stage_say(&stage, 1, "publish c1 x");
    assert_string_equal(stage_heard(&stage, 1), ":0\r\n");
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels_and_patterns),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_own_messages_follow_the_reply),
        cmocka_unit_test(test_host_is_told),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
