/* MONITOR, SLOWLOG and LATENCY: what is shown of commands, and what is not. */
#include "command/observe/latency.h"
#include "command/observe/observe.h"
#include "command/world.h"
#include "stage.h"

#define AT "+1600000000.000000 "

/* Every command that ran is shown, when it has run, quoted; not so what was refused or is for administrators;
 * secrets are replaced; EXEC comes behind what it ran; who asks to see sees his own behind their replies. */
static void test_monitor(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 monitor", {"+OK\r\n"}},
        {"0 monitor", {NULL}},
        {"1 set a \"x\\\"\\n\\x01\"", {AT "[0 ] \"set\" \"a\" \"x\\\"\\n\\x01\"\r\n", "+OK\r\n"}},
        {"1 select 3", {AT "[3 ] \"select\" \"3\"\r\n", "+OK\r\n"}},
        {"1 nosuch", {NULL, "-ERR unknown command 'nosuch', with args beginning with: \r\n"}},
        {"1 get", {NULL, "-ERR wrong number of arguments for 'get' command\r\n"}},
        {"1 slowlog len", {NULL, ":0\r\n"}},
        {"1 auth me secret",
         {AT "[3 ] \"auth\" \"(redacted)\" \"(redacted)\"\r\n",
          "-WRONGPASS invalid username-password pair or user is disabled.\r\n"}},
        {"1 hello 2 auth me secret",
         {AT "[3 ] \"hello\" \"2\" \"auth\" \"(redacted)\" \"(redacted)\"\r\n",
          "-WRONGPASS invalid username-password pair or user is disabled.\r\n"}},
        {"1 multi", {AT "[3 ] \"multi\"\r\n", "+OK\r\n"}},
        {"1 incr n", {NULL, "+QUEUED\r\n"}},
        /* A container's subcommand is not the command of that name. */
        {"1 slowlog reset", {NULL, "+QUEUED\r\n"}},
        {"1 monitor", {NULL, "+QUEUED\r\n"}},
        {"1 exec",
         {AT "[3 ] \"incr\" \"n\"\r\n" AT "[3 ] \"exec\"\r\n",
          "*3\r\n:1\r\n+OK\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n"}},
        {"0 ping", {"+PONG\r\n" AT "[0 ] \"ping\"\r\n"}},
        {"0 get a", {"-ERR Replica can't interact with the keyspace\r\n"}},
        {"0 set a 1", {"-ERR Replica can't interact with the keyspace\r\n"}},
        {"0 reset", {"+RESET\r\n"}},
        {"1 get a", {NULL, "$-1\r\n"}},
        {"2 monitor", {NULL, NULL, "+OK\r\n"}},
        {"2 @gone", {NULL}},
        {"1 get a", {NULL, "$-1\r\n"}},
    };
    STAGE(scenes);
}

static void set_slowlog(struct stage *stage, int64_t us, int64_t count)
{
    stage->dialog.world->settings.slowlog_us = us;
    stage->dialog.world->settings.slowlog_count = count;
    observe_update(stage->dialog.world);
}

/* The newest entries come first and the oldest are forgotten; long commands are cut where Redis cuts them. */
static void test_slowlog(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 slowlog get",
         {"*1\r\n*6\r\n:1\r\n:1600000000\r\n:0\r\n*2\r\n$3\r\nget\r\n$1\r\nb\r\n$0\r\n\r\n$2\r\nme\r\n"}},
        {"0 slowlog len", {":1\r\n"}},
        {"0 slowlog get -2", {"-ERR count should be greater than or equal to -1\r\n"}},
        {"0 slowlog reset", {"+OK\r\n"}},
        {"0 slowlog get -1", {"*0\r\n"}},
    };
    struct stage stage;
    stage_begin(&stage);
    set_slowlog(&stage, 0, 1);
    stage_say(&stage, 0, "hello 2 setname me");
    stage_say(&stage, 0, "get a");
    set_slowlog(&stage, 0, 1);
    stage_say(&stage, 0, "slowlog reset");
    stage_say(&stage, 0, "get b");
    set_slowlog(&stage, -1, 1);
    stage_heard(&stage, 0);
    struct scene first = scenes[0];
    stage_line(&stage, first.line);
    const char *heard = stage_heard(&stage, 0);
    const char *kept =
        strstr(heard, ":1600000000\r\n:0\r\n*2\r\n$3\r\nget\r\n$1\r\nb\r\n$0\r\n\r\n$2\r\nme\r\n");
    assert_non_null(kept);
    stage_play_on(&stage, scenes + 1, sizeof(scenes) / sizeof(scenes[0]) - 1);
    stage_end(&stage);
}

/* 32 arguments of 128 bytes are kept, and what is missing is counted. */
static void test_slowlog_cuts(void **state)
{
    (void)state;
    char line[2048] = "0 mget ";
    struct stage stage;
    stage_begin(&stage);
    set_slowlog(&stage, 0, 10);
    memset(line + 7, 'k', 130);
    for (int i = 0; i < 33; i++)
        strcat(line, " x");
    stage_line(&stage, line);
    set_slowlog(&stage, -1, 10);
    stage_heard(&stage, 0);
    stage_say(&stage, 0, "slowlog get 1");
    const char *heard = stage_heard(&stage, 0);
    assert_non_null(strstr(heard, "*32\r\n$4\r\nmget\r\n$146\r\nkkk"));
    assert_non_null(strstr(heard, "kkk... (2 more bytes)\r\n$1\r\nx\r\n"));
    assert_non_null(strstr(heard, "$1\r\nx\r\n$22\r\n... (4 more arguments)\r\n$0\r\n"));
    stage_end(&stage);
}

/* Each value falls into the bucket whose end is not below it, by a part in 64 at the most. */
static void test_histogram_buckets(void **state)
{
    (void)state;
    unsigned before = 0;
    for (uint64_t ticks = 0; ticks < UINT64_C(1) << 43; ticks += 1 + ticks / 1000) {
        unsigned bucket = histogram_bucket(ticks);
        uint64_t end = histogram_bucket_end(bucket);
        assert_true(bucket >= before && bucket < HISTOGRAM_BUCKETS);
        assert_true(end >= ticks && end <= ticks + ticks / 64);
        if (bucket > 0)
            assert_true(histogram_bucket_end(bucket - 1) < ticks);
        before = bucket;
    }
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

/* Percentiles of known values, rounded up to a bucket's end. */
static void test_histogram_percentiles(void **state)
{
    (void)state;
    struct latency_histogram *histogram = mem_alloc_zero(sizeof(*histogram));
    for (uint64_t i = 1; i <= 1000; i++)
        histogram_add(histogram, i * 100);
    static const double shares[] = {0.001, 0.5, 0.9, 0.99, 1};
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        double wanted = shares[i] * 100000;
        double told = (double)histogram_percentile(histogram, shares[i]);
        assert_true(told >= wanted && told <= wanted * 65 / 64);
    }
    mem_free(histogram);
}

/* A command is counted in its own histogram, unless latency-tracking is off, and CONFIG RESETSTAT forgets. */
static void test_histograms_of_commands(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    struct world *world = stage.dialog.world;
    stage_say(&stage, 0, "get a");
    stage_say(&stage, 0, "latency histogram get");
    assert_non_null(strstr(stage_heard(&stage, 0), "*0\r\n"));
    world->settings.latency_tracking = true;
    for (int i = 0; i < 5; i++)
        stage_say(&stage, 0, "get a");
    stage_say(&stage, 0, "slowlog len");
    stage_heard(&stage, 0);
    stage_say(&stage, 0, "latency histogram get nosuch slowlog");
    const char *heard = stage_heard(&stage, 0);
    assert_non_null(strstr(heard, "$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:5\r\n$14\r\nhistogram_usec\r\n"));
    assert_non_null(strstr(heard, "$11\r\nslowlog|len\r\n*4\r\n$5\r\ncalls\r\n:1\r\n"));
    command_table_reset_stats(world->commands);
    stage_say(&stage, 0, "latency histogram get");
    assert_string_equal(stage_heard(&stage, 0), "*0\r\n");
    stage_end(&stage);
}

/* The worst of each second is kept, and the worst of all time. */
static void test_latency_events(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 latency latest", {"*1\r\n*4\r\n$4\r\nfork\r\n:1600000002\r\n:7\r\n:9\r\n"}},
        {"0 latency history fork", {"*2\r\n*2\r\n:1600000000\r\n:9\r\n*2\r\n:1600000002\r\n:7\r\n"}},
        {"0 latency history nosuch", {"*0\r\n"}},
        {"0 latency graph nosuch", {"-ERR No samples available for event 'nosuch'\r\n"}},
        {"0 latency reset nosuch", {":0\r\n"}},
        {"0 latency reset fork", {":1\r\n"}},
        {"0 latency latest", {"*0\r\n"}},
    };
    struct stage stage;
    stage_begin(&stage);
    struct world *world = stage.dialog.world;
    world_latency(world, "fork", 100000);
    world->settings.latency_us = 5000;
    world_latency(world, "fork", 6000);
    world_latency(world, "fork", 9000);
    world_latency(world, "fork", 8000);
    world_latency(world, "fork", 4999);
    stage_line(&stage, "@+2000");
    world_refresh_time(world);
    world_latency(world, "fork", 7000);
    stage_play_on(&stage, scenes, sizeof(scenes) / sizeof(scenes[0]));
    for (int i = 0; i < 200; i++) {
        stage_line(&stage, "@+1000");
        world_refresh_time(world);
        world_latency(world, "fork", 5000 + i * 1000);
    }
    stage_say(&stage, 0, "latency graph fork");
    assert_non_null(
        strstr(stage_heard(&stage, 0), "fork - high 204 ms, low 45 ms (all time high 204 ms)\n---"));
    stage_say(&stage, 0, "latency doctor");
    assert_non_null(strstr(stage_heard(&stage, 0), "1. fork: 160 latency spikes"));
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monitor),
        cmocka_unit_test(test_slowlog),
        cmocka_unit_test(test_slowlog_cuts),
        cmocka_unit_test(test_histogram_buckets),
        cmocka_unit_test(test_histogram_percentiles),
        cmocka_unit_test(test_histograms_of_commands),
        cmocka_unit_test(test_latency_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
