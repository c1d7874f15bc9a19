/* Client-side caching: who is told of which change, once, and in which form. The options of CLIENT TRACKING
 * are compared with redis-server in redis-tests, too. */
#include "command/message/tracking.h"

#include "stage.h"

#define TOLD(key) ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\n" key "\r\n"

/* As much of CLIENT as this floor has. */
static const struct command subcommands[] = {
    {.name = "tracking", .arity = -3, .flags = CMD_LOADING, .function = client_tracking_command},
    {.name = "trackinginfo", .arity = 2, .flags = CMD_LOADING, .function = client_trackinginfo_command},
    {.name = "caching", .arity = 3, .flags = CMD_LOADING, .function = client_caching_command},
    {.name = "getredir", .arity = 2, .flags = CMD_LOADING, .function = client_getredir_command},
};
static const struct command rows[] = {
    {.name = "client",
     .arity = -2,
     .traits = TRAIT_KEEPS_CACHING,
     .subcommands = subcommands,
     .subcommand_count = sizeof(subcommands) / sizeof(subcommands[0])},
};

static void play(const struct scene *scenes, size_t count)
{
    struct stage stage;
    stage_begin(&stage);
    command_table_add(stage.dialog.world->commands, rows, sizeof(rows) / sizeof(rows[0]));
    for (int i = 0; i < ACTORS; i++)
        stage.actors[i].session->protocol = 3;
    stage_play_on(&stage, scenes, count);
    stage_end(&stage);
}

#define PLAY_SCENES(scenes) play(scenes, sizeof(scenes) / sizeof((scenes)[0]))

/* What was read is told of once, when it changes, to each who read it; own changes come behind the reply. */
static void test_default_mode(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 client tracking on", {"+OK\r\n"}},
        {"1 client tracking on", {NULL, "+OK\r\n"}},
        {"0 get a", {"_\r\n"}},
        {"0 get a", {"_\r\n"}},
        {"1 mget a b", {NULL, "*2\r\n_\r\n_\r\n"}},
        {"2 set a 1", {TOLD("a"), TOLD("a"), "+OK\r\n"}},
        {"2 set a 2", {NULL, NULL, "+OK\r\n"}},
        {"2 set b 2", {NULL, TOLD("b"), "+OK\r\n"}},
        {"0 set a 3", {"+OK\r\n"}},
        {"0 get a", {"$1\r\n3\r\n"}},
        {"0 set a 4", {"+OK\r\n" TOLD("a")}},
        {"0 get a", {"$1\r\n4\r\n"}},
        {"2 pexpire a 10", {TOLD("a"), NULL, ":1\r\n"}},
        {"0 get a", {"$1\r\n4\r\n"}},
        {"@+20", {NULL}},
        {"2 del a", {TOLD("a"), NULL, ":0\r\n"}},
        {"0 get a", {"_\r\n"}},
        {"2 select 3", {NULL, NULL, "+OK\r\n"}},
        {"2 set a 1", {TOLD("a"), NULL, "+OK\r\n"}},
        {"0 get c", {"_\r\n"}},
        {"2 flushdb", {">2\r\n$10\r\ninvalidate\r\n_\r\n", ">2\r\n$10\r\ninvalidate\r\n_\r\n", "+OK\r\n"}},
        {"2 set c 1", {NULL, NULL, "+OK\r\n"}},
        {"0 get d", {"_\r\n"}},
        {"0 client tracking off", {"+OK\r\n"}},
        {"2 set d 1", {NULL, NULL, "+OK\r\n"}},
    };
    PLAY_SCENES(scenes);
}

/* OPTIN tracks what CLIENT CACHING YES stands before, one command or transaction; OPTOUT the opposite; NOLOOP
 * says nothing of own changes. */
static void test_options(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 client tracking on optin", {"+OK\r\n"}},
        {"0 get a", {"_\r\n"}},
        {"2 set a 1", {NULL, NULL, "+OK\r\n"}},
        {"0 client caching yes", {"+OK\r\n"}},
        {"0 multi", {"+OK\r\n"}},
        {"0 get a", {"+QUEUED\r\n"}},
        {"0 get b", {"+QUEUED\r\n"}},
        {"0 exec", {"*2\r\n$1\r\n1\r\n_\r\n"}},
        {"0 get c", {"_\r\n"}},
        {"2 mset a 1 b 1 c 1", {TOLD("a") TOLD("b"), NULL, "+OK\r\n"}},
        {"0 client caching no",
         {"-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.\r\n"}},
        {"1 client tracking on optout noloop", {NULL, "+OK\r\n"}},
        {"1 client caching no", {NULL, "+OK\r\n"}},
        {"1 client trackinginfo",
         {NULL, "%3\r\n$5\r\nflags\r\n~4\r\n$2\r\non\r\n$6\r\noptout\r\n$10\r\ncaching-no\r\n$"
                "6\r\nnoloop\r\n$8\r\nredirect\r\n:"
                "0\r\n$8\r\n"
                "prefixes\r\n*0\r\n"}},
        {"1 get a", {NULL, "$1\r\n1\r\n"}},
        {"2 set a 2", {NULL, NULL, "+OK\r\n"}},
        {"1 get a", {NULL, "$1\r\n2\r\n"}},
        {"2 set a 3", {NULL, TOLD("a"), "+OK\r\n"}},
        {"1 get a", {NULL, "$1\r\n3\r\n"}},
        {"1 set a 4", {NULL, "+OK\r\n"}},
        {"3 client caching yes",
         {NULL, NULL, NULL,
          "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT "
          "mode "
          "enabled\r\n"}},
    };
    PLAY_SCENES(scenes);
}

/* Prefixes: all changes of a round in one message, each key once; overlapping ones are refused. */
static void test_broadcast(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 client tracking on bcast prefix a prefix b", {"+OK\r\n"}},
        {"1 client tracking on bcast noloop", {NULL, "+OK\r\n"}},
        {"2 mset a1 1 a2 1 c 1", {NULL, NULL, "+OK\r\n"}},
        {"1 set a1 2", {NULL, "+OK\r\n"}},
        {"1 set x 2", {NULL, "+OK\r\n"}},
        {"@round",
         {">2\r\n$10\r\ninvalidate\r\n*2\r\n$2\r\na1\r\n$2\r\na2\r\n",
          ">2\r\n$10\r\ninvalidate\r\n*3\r\n$2\r\na1\r\n$2\r\na2\r\n$1\r\nc\r\n"}},
        {"@round", {NULL}},
        {"0 client tracking on bcast prefix bb",
         {"-ERR Prefix 'bb' overlaps with an existing prefix 'b'. Prefixes for a single client must not "
          "overlap.\r\n"}},
        {"2 client tracking on bcast prefix x prefix xy",
         {NULL, NULL,
          "-ERR Prefix 'x' overlaps with another provided prefix 'xy'. Prefixes for a single client must not "
          "overlap.\r\n"}},
        {"2 set b 1", {NULL, NULL, "+OK\r\n"}},
        {"0 @gone", {NULL}},
        {"@round", {NULL, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nb\r\n"}},
        {"2 client getredir", {NULL, NULL, ":-1\r\n"}},
    };
    PLAY_SCENES(scenes);
}

/* To another session: as a message on a channel where it speaks RESP2; when it has gone, its owner hears so.
 */
static void test_redirection(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"1 @2", {NULL}},
        {"0 client tracking on redirect 3", {"+OK\r\n"}}, /* the dialog's own session is 1 */
        {"0 client getredir", {":3\r\n"}},
        {"0 get a", {"_\r\n"}},
        {"2 set a 1", {NULL, NULL, "+OK\r\n"}}, /* no subscriber: cannot be told */
        {"1 subscribe x", {NULL, "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n"}},
        {"0 get a", {"$1\r\n1\r\n"}},
        {"2 set a 2",
         {NULL, "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\na\r\n", "+OK\r\n"}},
        {"1 @3", {NULL}},
        {"0 get a", {"$1\r\n2\r\n"}},
        {"2 set a 3", {NULL, TOLD("a"), "+OK\r\n"}},
        {"0 get a", {"$1\r\n3\r\n"}},
        {"1 @gone", {NULL}},
        {"2 set a 4", {">2\r\n$21\r\ntracking-redir-broken\r\n:3\r\n", NULL, "+OK\r\n"}},
        {"0 client tracking on redirect 99", {"-ERR The client ID you want redirect to does not exist\r\n"}},
    };
    PLAY_SCENES(scenes);
}

/* The table of keys has a limit: those beyond it are given up, and their readers told. */
static void test_limit(void **state)
{
    (void)state;
    struct stage stage;
    struct tracking_stats stats;
    char line[32];
    stage_begin(&stage);
    struct world *world = stage.dialog.world;
    command_table_add(world->commands, rows, sizeof(rows) / sizeof(rows[0]));
    world->settings.tracking_keys_max = 10;
    stage.actors[0].session->protocol = 3;
    stage_say(&stage, 0, "client tracking on");
    stage_heard(&stage, 0);
    for (int i = 0; i < 30; i++) {
        snprintf(line, sizeof(line), "get %c", 'A' + i);
        stage_say(&stage, 0, line);
        bool told = strstr(stage_heard(&stage, 0), "invalidate") != NULL;
        assert_int_equal(told, i >= 10);
    }
    tracking_stats_read(world, &stats);
    assert_int_equal(stats.keys, 10);
    assert_int_equal(stats.items, 10);
    assert_int_equal(world->tracking_sessions, 1);
    stage_say(&stage, 0, "reset");
    tracking_stats_read(world, &stats);
    assert_int_equal(stats.keys, 0);
    assert_int_equal(world->tracking_sessions, 0);
    stage_end(&stage);
}

/* Many sessions that read one key are all told, and each once. */
static void test_many_readers(void **state)
{
    (void)state;
    enum { READERS = 100 };
    struct stage stage;
    struct session *readers[READERS];
    static struct output outputs[READERS];
    stage_begin(&stage);
    struct world *world = stage.dialog.world;
    command_table_add(world->commands, rows, sizeof(rows) / sizeof(rows[0]));
    struct session *own = stage.actors[0].session;
    for (int i = 0; i < READERS; i++) {
        readers[i] = session_new(world, &outputs[i], NULL);
        readers[i]->protocol = 3;
        stage.actors[0].session = readers[i];
        stage_say(&stage, 0, "client tracking on");
        stage_say(&stage, 0, "get a");
        stage_say(&stage, 0, "get a");
    }
    stage.actors[0].session = own;
    uint64_t before[READERS];
    for (int i = 0; i < READERS; i++)
        before[i] = outputs[i].queued;
    stage_say(&stage, 1, "set a 1");
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(outputs[i].queued - before[i], sizeof(TOLD("a")) - 1);
        session_free(readers[i]);
        output_free(&outputs[i]);
    }
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_mode), cmocka_unit_test(test_options),
        cmocka_unit_test(test_broadcast),    cmocka_unit_test(test_redirection),
        cmocka_unit_test(test_limit),        cmocka_unit_test(test_many_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
