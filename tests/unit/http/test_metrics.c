/* Figures as they are told: to Prometheus, to the live page, and in the log. */
#include <jansson.h>

#include "../engine/fixture.h"
#include "command/observe/observe.h"
#include "http/figures.h"
#include "http/json_writer.h"

/* --- JSON ---------------------------------------------------------------------------------------------- */

/* Shows that any bytes become a JSON text that says what they were, and nothing that a page could take for
 * markup. */
static void test_json_text(void **state)
{
    static const struct {
        struct slice bytes;
        const char *json;
    } cases[] = {
        {SLICE_LITERAL("plain"), "\"plain\""},
        {SLICE_LITERAL(""), "\"\""},
        {SLICE_LITERAL("a\"b\\c"), "\"a\\\"b\\\\c\""},
        {SLICE_LITERAL("\n\0\x7f"), "\"\\u000a\\u0000\\u007f\""},
        {SLICE_LITERAL("</script>&"), "\"\\u003c/script\\u003e\\u0026\""},
        {SLICE_LITERAL("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x99\x82"), "\"grüß € 🙂\""},
        {SLICE_LITERAL("\xff"
                       "a\xc3"),
         "\"\\\\xffa\\\\xc3\""},
        {SLICE_LITERAL("\xc0\xaf"), "\"\\\\xc0\\\\xaf\""},                       /* an overlong form */
        {SLICE_LITERAL("\xed\xa0\x80"), "\"\\\\xed\\\\xa0\\\\x80\""},            /* half a surrogate pair */
        {SLICE_LITERAL("\xf4\x90\x80\x80"), "\"\\\\xf4\\\\x90\\\\x80\\\\x80\""}, /* beyond Unicode */
        {SLICE_LITERAL("\xe2\x82"), "\"\\\\xe2\\\\x82\""},                       /* cut short */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out = {0};
        json_write_text(&out, NULL, cases[i].bytes);
        buffer_append_char(&out, '\0');
        assert_string_equal(out.data, cases[i].json);
        buffer_free(&out);
    }
}

/* Shows that commas stand between members, and nowhere else. */
static void test_json_nesting(void **state)
{
    struct buffer out = {0};
    (void)state;
    json_write_object(&out, NULL);
    json_write_uint(&out, "a", UINT64_MAX);
    json_write_array(&out, "b");
    json_write_array(&out, NULL);
    json_write_array_end(&out);
    json_write_object(&out, NULL);
    json_write_object_end(&out);
    json_write_int(&out, NULL, -1);
    json_write_array_end(&out);
    json_write_real(&out, "c", 0.25);
    json_write_real(&out, "d", 1.0 / 0.0);
    json_write_bool(&out, "e", true);
    json_write_object_end(&out);
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data,
                        "{\"a\":18446744073709551615,\"b\":[[],{},-1],\"c\":0.25,\"d\":null,\"e\":true}");
    buffer_free(&out);
}

/* --- what is counted ----------------------------------------------------------------------------------- */

/* Shows that a route's requests are counted by status, and which of them count as failed. */
static void test_route_stats(void **state)
{
    struct route_stats stats = {.method = "GET", .route = "/kv/{key}"};
    (void)state;
    route_stats_add(&stats, 200, 100);
    route_stats_add(&stats, 404, 10);
    route_stats_add(&stats, 200, 300);
    route_stats_add(&stats, 412, 10);
    route_stats_add(&stats, 503, 10);
    assert_int_equal(stats.requests, 5);
    assert_int_equal(stats.failed, 1);
    assert_int_equal(stats.ticks, 430);
    assert_int_equal(stats.status_count, 4);
    assert_int_equal(stats.statuses[0].count, 2);
    assert_int_equal(stats.histogram->count, 5);
    route_stats_reset(&stats);
    assert_int_equal(stats.requests, 0);
    assert_string_equal(stats.route, "/kv/{key}");
}

/* Shows that durations are counted up to each bound, and that those beyond the last are in no bound. */
static void test_cumulate(void **state)
{
    struct latency_histogram *histogram = mem_alloc_zero(sizeof(*histogram));
    uint64_t counts[BOUND_COUNT];
    (void)state;
    histogram_add(histogram, 50);                    /* 50 ns */
    histogram_add(histogram, 1500);                  /* 1.5 us */
    histogram_add(histogram, 30000000);              /* 30 ms */
    histogram_add(histogram, UINT64_C(20000000000)); /* 20 s */
    histogram_cumulate(histogram, 1.0, counts);
    for (size_t i = 0; i < BOUND_COUNT; i++) {
        double bound = bounds_seconds[i];
        assert_int_equal(counts[i], bound < 1.4e-6 ? 1 : bound < 29e-3 ? 2 : 3);
    }
    mem_free(histogram);
}

/* --- snapshots ----------------------------------------------------------------------------------------- */

static struct keyspace_view view_of(struct fixture *fixture)
{
    return (struct keyspace_view){.world = fixture->world};
}

/* Shows that neither keys nor slow commands are told of before what made them is durable, that the state
 * before goes on being told meanwhile, and that nothing is lost when writes never pause. */
static void test_nothing_unsynced(void **state)
{
    struct fixture *fixture = *state;
    struct keyspace_view view = view_of(fixture);
    fixture->world->settings.slowlog_us = 0;
    fixture->world->settings.slowlog_count = 100;
    observe_update(fixture->world);
    ask(fixture, "set a 1");
    keyspace_view_update(&view);
    assert_int_equal(view.shown.keys, 1);
    int64_t slow_id = view.shown.slow_id;
    send_line(fixture, &fixture->client, "set b 1 ex 100");
    keyspace_view_update(&view);
    keyspace_view_update(&view);
    assert_int_equal(view.shown.keys, 1);
    assert_int_equal(view.shown.slow_id, slow_id);
    commit(fixture);
    send_line(fixture, &fixture->client, "set c 1");
    keyspace_view_update(&view);
    assert_int_equal(view.shown.keys, 2);
    assert_int_equal(view.shown.volatile_keys, 1);
    assert_int_equal(view.shown.count, 1);
    assert_int_equal(view.shown.slow_id, slow_id + 1);
    commit(fixture);
    keyspace_view_update(&view);
    assert_int_equal(view.shown.keys, 3);
    keyspace_view_free(&view);
}

struct told {
    struct keyspace_view view;
    struct route_stats routes[2];
    struct metrics_source source;
    struct buffer text; /* NUL-terminated */
};

/* An engine on which something has happened, and a server around it that is made up. */
static void tell(struct fixture *fixture, struct told *told)
{
    struct metrics_source *source = &told->source;
    *told = (struct told){
        .view = view_of(fixture),
        .routes = {{.method = "GET", .route = "/kv/{key}"}, {.method = "PUT", .route = "/kv/{key}"}}};
    route_stats_add(&told->routes[1], 200, 100000);
    keyspace_view_update(&told->view);
    *source = (struct metrics_source){.world = fixture->world,
                                      .keyspace = &told->view,
                                      .routes = told->routes,
                                      .route_count = 2,
                                      .appendfsync = "always",
                                      .maxmemory_policy = "noeviction",
                                      .has_journal = true,
                                      .ns_per_tick = 0.5,
                                      .totals = fixture->world->stats};
    engine_stats_read(fixture->engine, &source->engine);
    journal_stats_read(fixture->world->journal, &source->journal);
    source->lsn_durable = journal_durable(fixture->world->journal);
    source->loop.rounds = 3;
    source->loop.busy_us = 5000;
    source->loop.durations[0] = 2;
    source->loop.durations[12] = 1;
    metrics_source_complete(source);
}

static void untell(struct told *told)
{
    route_stats_reset(&told->routes[0]);
    route_stats_reset(&told->routes[1]);
    keyspace_view_free(&told->view);
    buffer_free(&told->text);
}

static void has_line(const struct told *told, const char *line)
{
    if (!strstr(told->text.data, line))
        fail_msg("not there: %s", line);
}

/* Whether name is announced: by TYPE, or as a part of a histogram that is. */
static bool is_announced(const char *text, const char *name, size_t size)
{
    static const char *const suffixes[] = {"", "_bucket", "_sum", "_count"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t suffix = strlen(suffixes[i]);
        char type[128];
        if (size <= suffix || memcmp(name + size - suffix, suffixes[i], suffix) != 0)
            continue;
        snprintf(type, sizeof(type), "# TYPE %.*s %s", (int)(size - suffix), name,
                 i > 0 ? "histogram\n" : "");
        const char *first = strstr(text, type);
        if (first && !strstr(first + 1, type))
            return true;
    }
    return false;
}

/* Shows that every series is announced, once, and that what operators look for is there with its value. */
static void test_metrics(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    ask(fixture, "set a 1");
    ask(fixture, "get a");
    ask(fixture, "get b");
    ask(fixture, "config get x y z");
    ask(fixture, "hset h f 1 g 2");
    ask(fixture, "hexpire h 100 fields 1 f");
    ask(fixture, "hset other f 1");
    assert_null(engine_rewrite(fixture->engine));
    finish_rewrite(fixture);
    tell(fixture, &told);
    metrics_write(&told.source, &told.text);
    buffer_append_char(&told.text, '\0');
    for (const char *line = told.text.data; *line; line = strchr(line, '\n') + 1) {
        size_t size = strcspn(line, "{ ");
        if (line[0] != '#' && !is_announced(told.text.data, line, size))
            fail_msg("not announced once: %.*s", (int)size, line);
    }
    has_line(&told, "\ndkv_commands_total{command=\"get\"} 2\n");
    has_line(&told, "\ndkv_keyspace_misses_total 1\n");
    has_line(&told, "\ndkv_keys{db=\"0\"} 3\n");
    has_line(&told, "\ndkv_keys_by_type{db=\"0\",type=\"string\"} 1\n");
    has_line(&told, "\ndkv_keys_by_type{db=\"0\",type=\"hash\"} 2\n");
    has_line(&told, "\ndkv_hashes_timed{db=\"0\"} 1\n");
    has_line(&told, "\ndkv_rewrites_total{result=\"ok\"} 1\n");
    has_line(&told, "\ndkv_rewrite_last_duration_seconds 0.");
    has_line(&told, "\ndkv_fsync_duration_seconds_count ");
    has_line(&told, "\ndkv_event_loop_lag_seconds_bucket{le=\"2e-06\"} 2\n");
    has_line(&told, "\ndkv_event_loop_lag_seconds_bucket{le=\"0.008192\"} 3\n");
    has_line(&told, "\ndkv_event_loop_lag_seconds_sum 0.005000\n");
    has_line(&told, "\ndkv_http_requests_total{method=\"PUT\",route=\"/kv/{key}\",status=\"200\"} 1\n");
    has_line(&told, "\ndkv_http_request_duration_seconds_count{method=\"PUT\",route=\"/kv/{key}\"} 1\n");
    untell(&told);
}

static json_t *at(json_t *root, const char *section, const char *name)
{
    json_t *found = json_object_get(json_object_get(root, section), name);
    if (!found)
        fail_msg("no %s.%s", section, name);
    return found;
}

/* Shows that /stats is JSON, that it holds every figure of the table, and that the slow log is in it only for
 * those who may see it, and only what is durable of it. */
static void test_stats_json(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    json_error_t error;
    fixture->world->settings.slowlog_us = 0;
    fixture->world->settings.slowlog_count = 100;
    observe_update(fixture->world);
    ask(fixture, "hset h f 1");
    ask(fixture, "set <b> \\xff");
    tell(fixture, &told);
    send_line(fixture, &fixture->client, "set unsynced 1");
    keyspace_view_update(&told.view);
    stats_json_write(&told.source, true, &told.text);
    assert_null(memmem(told.text.data, told.text.size, "unsynced", 8));
    json_t *root = json_loadb(told.text.data, told.text.size, 0, &error);
    if (!root)
        fail_msg("%s at %d", error.text, error.position);
    for (size_t i = 0; i < figure_count; i++)
        at(root, figures[i].section, figures[i].name);
    assert_int_equal(json_integer_value(at(root, "commands", "writes")), 3);
    assert_int_equal(json_integer_value(at(root, "keyspace", "keys")), 2);
    json_t *types = at(root, "keyspace", "types");
    assert_int_equal(json_integer_value(json_object_get(types, "string")), 1);
    assert_int_equal(json_integer_value(json_object_get(types, "hash")), 1);
    assert_string_equal(json_string_value(at(root, "server", "appendfsync")), "always");
    json_t *slow = json_array_get(json_object_get(root, "slow"), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(slow, "words"), 1)), "<b>");
    assert_null(memchr(told.text.data, '<', told.text.size));
    json_decref(root);
    buffer_clear(&told.text);
    stats_json_write(&told.source, false, &told.text);
    root = json_loadb(told.text.data, told.text.size, 0, &error);
    assert_null(json_object_get(root, "slow"));
    json_decref(root);
    untell(&told);
}

/* Shows that the table for the log has what was asked for most often first, with its failures, and is
 * empty when nothing was. */
static void test_summary(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    tell(fixture, &told);
    told.source.route_count = 0;
    summary_write(&told.source, &told.text);
    assert_int_equal(told.text.size, 0);
    untell(&told);
    ask(fixture, "set a 1");
    ask(fixture, "incr b");
    ask(fixture, "incr b");
    ask(fixture, "get a b");
    tell(fixture, &told);
    summary_write(&told.source, &told.text);
    buffer_append_char(&told.text, '\0');
    assert_memory_equal(told.text.data, "requests ", 9);
    const char *incr = strstr(told.text.data, "\n  incr                                2         0 ");
    const char *get =
        strstr(told.text.data, "\n  get                                 1         1         - ");
    const char *put = strstr(told.text.data, "\n  PUT /kv/{key}                       1         0 ");
    assert_non_null(incr);
    assert_non_null(get);
    assert_non_null(put);
    assert_true(incr < put && put < get);
    untell(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_text),
        cmocka_unit_test(test_json_nesting),
        cmocka_unit_test(test_route_stats),
        cmocka_unit_test(test_cumulate),
        cmocka_unit_test_setup_teardown(test_nothing_unsynced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stats_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_summary, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
