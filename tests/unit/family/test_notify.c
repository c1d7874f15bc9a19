/* Keyspace notifications: classes, channels, and that nothing is told twice or by a replay. What each command
 * tells is compared with redis-server in redis-tests/test_notifications.py. */
#include "command/event.h"
#include "command/message/pubsub.h"
#include "stage.h"

#define EVENT(channel, size, message, message_size) \
    "*3\r\n$7\r\nmessage\r\n$" size "\r\n" channel "\r\n$" message_size "\r\n" message "\r\n"

/* Letters name classes, A most of them; without K or E there is nobody to tell. */
static void test_classes(void **state)
{
    (void)state;
    assert_int_equal(notify_classes(""), 0);
    assert_int_equal(notify_classes("A$gmn"), 0);
    assert_int_equal(notify_classes("K$"), NOTIFY_KEYSPACE | NOTIFY_STRING);
    assert_int_equal(notify_classes("AE"), NOTIFY_ALL | NOTIFY_KEYEVENT);
    assert_false(notify_classes("AKE") & (NOTIFY_MISS | NOTIFY_NEW));
    assert_int_equal(notify_classes("g$lshzxetdKEmn"), notify_classes("AKEmn"));
}

/* Only what the classes say, on the channels that they say, with the database's number. */
static void test_channels(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 subscribe __keyspace@0__:a __keyevent@0__:set __keyevent@3__:del",
         {"*3\r\n$9\r\nsubscribe\r\n$16\r\n__keyspace@0__:a\r\n:1\r\n"
          "*3\r\n$9\r\nsubscribe\r\n$18\r\n__keyevent@0__:set\r\n:2\r\n"
          "*3\r\n$9\r\nsubscribe\r\n$18\r\n__keyevent@3__:del\r\n:3\r\n"}},
        {"1 set a 1",
         {EVENT("__keyspace@0__:a", "16", "set", "3") EVENT("__keyevent@0__:set", "18", "a", "1"),
          "+OK\r\n"}},
        {"1 set b 1", {EVENT("__keyevent@0__:set", "18", "b", "1"), "+OK\r\n"}},
        {"1 get nothing", {NULL, "$-1\r\n"}},
        {"1 incr a", {EVENT("__keyspace@0__:a", "16", "incrby", "6"), ":2\r\n"}},
        {"1 move a 3", {EVENT("__keyspace@0__:a", "16", "move_from", "9"), ":1\r\n"}},
        {"1 select 3", {NULL, "+OK\r\n"}},
        {"1 del a b", {EVENT("__keyevent@3__:del", "18", "a", "1"), ":1\r\n"}},
    };
    struct stage stage;
    stage_begin(&stage);
    stage.dialog.world->settings.notify = notify_classes("KEA");
    stage_play_on(&stage, scenes, sizeof(scenes) / sizeof(scenes[0]));
    stage_end(&stage);
}

/* What the stream repeats at recovery is no event. */
static void test_replay_is_silent(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    stage.dialog.world->settings.notify = notify_classes("KEAmn");
    stage_say(&stage, 0, "psubscribe *");
    stage_heard(&stage, 0);
    stage.actors[1].session->origin = &origin_stream;
    struct slice argv[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("a"), SLICE_LITERAL("1")};
    struct request request = {.argc = 3, .argv = argv};
    assert_null(dialog_replay(stage.dialog.world, stage.actors[1].session, &request));
    assert_string_equal(stage_heard(&stage, 0), "");
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_replay_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
