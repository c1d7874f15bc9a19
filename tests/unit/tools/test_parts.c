/* The small parts: times, JSON, the chart, payloads, Redis's logs, the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder_fixture.h"
#include "tools/aof.h"
#include "tools/chart.h"
#include "tools/command_line.h"
#include "tools/import.h"
#include "tools/json.h"
#include "tools/payload.h"

/* Shows which times are understood, and that what is printed is understood again. */
static void times(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: not a time */
    } rows[] = {{"2023-11-14", 1699920000000},
                {"2023-11-14T22:13", 1700000000000 - 20000},
                {"2023-11-14 22:13:20", 1700000000000},
                {"2023-11-14T22:13:20Z", 1700000000000},
                {"2023-11-14T22:13:20.5Z", 1700000000500},
                {"2023-11-14T22:13:20.1239Z", 1700000000123},
                {"2023-11-14T23:13:20.123+01:00", 1700000000123},
                {"2023-11-14T21:43:20-0030", 1700000000000},
                {"@1700000000", 1700000000000},
                {"@1700000000.25", 1700000000250},
                {"2023-11-14T", -1},
                {"2023-13-14", -1},
                {"2023-11-14T22:13:20X", -1},
                {"2023-11-14T22:13:20+25:00", -1},
                {"2023-11-14T22:13:20+01:0x", -1},
                {"@", -1},
                {"@-5", -1},
                {"@9223372036854775807", -1},
                {"yesterday", -1},
                {"", -1}};
    char printed[TIME_TEXT_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ms = -1;
        if (time_parse(rows[i].text, &ms) != (rows[i].ms >= 0) || (rows[i].ms >= 0 && ms != rows[i].ms))
            fail_msg("%s gives %lld", rows[i].text, (long long)ms);
        if (rows[i].ms < 0)
            continue;
        assert_true(time_parse(time_text(printed, ms), &ms));
        assert_int_equal(ms, rows[i].ms);
    }
    assert_string_equal(time_text(printed, -1), "1969-12-31T23:59:59.999Z");
    assert_string_equal(time_text(printed, INT64_MAX), "9223372036854775807ms");
    assert_string_equal(time_text(printed, INT64_MIN), "-9223372036854775808ms");
}

/* Shows how bytes become JSON: UTF-8 as a string, all else without loss. */
static void json_strings(void **state)
{
    static const struct {
        const char *bytes;
        const char *json;
    } rows[] = {{"plain", "\"plain\""},
                {"\"\\\n\x01\x7f", "\"\\\"\\\\\\u000a\\u0001\\u007f\""},
                {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
                {"\xff", "{\"hex\":\"ff\"}"},
                {"\xc3", "{\"hex\":\"c3\"}"},
                {"\xc0\xaf", "{\"hex\":\"c0af\"}"},             /* overlong */
                {"\xe0\x80\xaf", "{\"hex\":\"e080af\"}"},       /* overlong */
                {"\xed\xa0\x80", "{\"hex\":\"eda080\"}"},       /* a surrogate */
                {"\xf4\x90\x80\x80", "{\"hex\":\"f4908080\"}"}, /* beyond U+10FFFF */
                {"\xf8\x88\x80\x80\x80", "{\"hex\":\"f888808080\"}"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text;
        size_t size;
        struct json json = {.out = open_memstream(&text, &size)};
        json_bytes(&json, NULL, slice_of(rows[i].bytes));
        fclose(json.out);
        assert_string_equal(text, rows[i].json);
        free(text);
    }
}

/* Shows where commas go. */
static void json_nesting(void **state)
{
    char *text;
    size_t size;
    struct json json = {.out = open_memstream(&text, &size)};
    (void)state;
    json_object(&json, NULL);
    json_uint(&json, "a", UINT64_MAX);
    json_array(&json, "b");
    json_array_end(&json);
    json_array(&json, "c");
    json_int(&json, NULL, -1);
    json_object(&json, NULL);
    json_object_end(&json);
    json_bool(&json, NULL, true);
    json_array_end(&json);
    json_object_end(&json);
    json_end(&json);
    fclose(json.out);
    assert_string_equal(text, "{\"a\":18446744073709551615,\"b\":[],\"c\":[-1,{},true]}\n");
    free(text);
}

/* Shows that a chart loses no frame, however far times lie apart, and whichever way they go. */
static void charts(void **state)
{
    static const int64_t times_ms[] = {
        1700000000000, 1700000000500, 1700000100000, 1600000000000, INT64_MAX, INT64_MIN, 0, 1700000000000};
    struct chart chart = {0};
    uint64_t frames = 0;
    uint64_t bytes = 0;
    (void)state;
    for (size_t i = 0; i < 8; i++)
        chart_add(&chart, times_ms[i], 10);
    chart_narrow(&chart, 24);
    assert_true(chart.used > 0 && chart.used <= 24);
    for (size_t i = 0; i < chart.used; i++) {
        frames += chart.cells[i].frames;
        bytes += chart.cells[i].bytes;
    }
    assert_int_equal(frames, 8);
    assert_int_equal(bytes, 80);
}

/* --- payloads ----------------------------------------------------------------------------------------- */

static const char *read_payload(struct slice payload)
{
    struct payload_reader reader;
    payload_reader_open(&reader);
    const struct frame frame = {.kind = FRAME_DATA, .lsn = 1000, .payload = payload};
    const char *wrong = payload_each(&reader, &frame, NULL, NULL);
    payload_reader_close(&reader);
    return wrong;
}

/* Shows which payloads are not what a server writes. */
static void payloads(void **state)
{
    static const struct {
        const char *payload;
        bool ok;
    } rows[] = {{"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n", true},
                {"*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n*1\r\n$4\r\nEXEC\r\n", true},
                {"*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n", true},
                {"*2\r\n$6\r\nSELECT\r\n$2\r\n-1\r\n", false},
                {"*2\r\n$6\r\nSELECT\r\n$5\r\n65536\r\n", false},
                {"*1\r\n$5\r\nMULTI\r\n", false},
                {"*1\r\n$4\r\nEXEC\r\n", false},
                {"*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n", false},
                {"*3\r\n$3\r\nSET\r\n$1\r\na\r\n", false},
                {"*1\r\n$9999999999\r\n", false},
                {"*-5\r\n*x\r\n", false},
                {"", true}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if ((read_payload(slice_of(rows[i].payload)) == NULL) != rows[i].ok)
            fail_msg("payload %zu", i);
}

/* --- import ------------------------------------------------------------------------------------------- */

static bool read_text(struct importer *importer, const char *log)
{
    FILE *file = fmemopen((void *)(uintptr_t)log, strlen(log), "r");
    bool ok = importer_read(importer, file);
    fclose(file);
    return ok;
}

/* Imports a log given as the text of its files, the last of which is followed by NULL, and shows the stream
 * that comes of it. NULL when it is refused. */
static char *imported(struct fixture *fixture, const char *const *files, uint64_t *cut_bytes)
{
    struct memory_disk *into = memory_disk_new();
    struct importer importer;
    char *text = NULL;
    size_t size;
    bool ok = true;
    importer_open(&importer, &into->disk, &fixture->clock.clock);
    for (size_t i = 0; files[i] && ok; i++)
        ok = read_text(&importer, files[i]);
    ok = ok && new_folder_finish(&importer.out);
    *cut_bytes = importer.is_cut ? importer.cut_bytes : 0;
    importer_close(&importer);
    if (ok) {
        struct tool tool = fixture_tool(fixture, into);
        tool.out = open_memstream(&text, &size);
        assert_int_equal(show_run(&tool), STATUS_FINE);
        fclose(tool.out);
        assert_true(fixture_recover(fixture, into) >= 0);
    }
    disk_free(&into->disk);
    return text;
}

#define SET_A "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
#define SET_B "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n"
#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define EXEC  "*1\r\n$4\r\nEXEC\r\n"

/* Shows what becomes of each kind of line of a Redis log. */
static void imports(void **state)
{
    static const struct {
        const char *log;
        const char *shows; /* a part of it; NULL: refused */
        uint64_t cut;
    } rows[] = {
        {SET_A, "0  \"SET\" \"a\" \"1\"\n", 0},
        {"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n" SET_A, "3  \"SET\" \"a\" \"1\"\n", 0},
        {MULTI SET_A SET_B EXEC, "0  MULTI\n", 0},
        {"*3\r\n$6\r\nEXPIRE\r\n$1\r\na\r\n$2\r\n10\r\n", "\"PEXPIREAT\" \"a\" \"1700000010000\"\n", 0},
        {"*4\r\n$6\r\nPSETEX\r\n$1\r\na\r\n$2\r\n10\r\n$1\r\nv\r\n",
         "\"SET\" \"a\" \"v\" \"PXAT\" \"1700000000010\"\n", 0},
        {"*5\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\nv\r\n$2\r\nEX\r\n$1\r\n9\r\n",
         "\"set\" \"a\" \"v\" \"PXAT\" \"1700000009000\"\n", 0},
        {"*5\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\nv\r\n$4\r\nPXAT\r\n$1\r\n9\r\n", "\"PXAT\" \"9\"\n", 0},
        {"#TS:1600000000\r\n*3\r\n$6\r\nEXPIRE\r\n$1\r\na\r\n$2\r\n10\r\n", "\"1600000010000\"\n", 0},
        {"#TS:1600000000\r\n" SET_A, "2020-09-13T12:26:40.000Z", 0},
        {"# anything\r\n" SET_A, "\"SET\"", 0},
        {SET_A "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "\"SET\"", 0},
        {SET_A "*3\r\n$3\r\nSET\r\n$1\r\nb", "\"SET\" \"a\"", 18},
        {SET_A MULTI SET_B, "\"SET\" \"a\"", 42},
        {"", "", 0},
        {"*3\r\n$4\r\nHSET\r\n$1\r\na\r\n$1\r\n1\r\n", NULL, 0},
        {"*2\r\n$3\r\nSET\r\n$1\r\na\r\n", NULL, 0},
        {EXEC, NULL, 0},
        {MULTI MULTI, NULL, 0},
        {"SET a 1\r\n", NULL, 0},
        {SET_A "garbage", NULL, 0},
        {"REDIS0011\xfa\tredis-ver", NULL, 0},
        {"*3\r\n$6\r\nEXPIRE\r\n$1\r\na\r\n$1\r\nx\r\n", NULL, 0},
        {"*3\r\n$6\r\nEXPIRE\r\n$1\r\na\r\n$19\r\n9223372036854775807\r\n", NULL, 0},
        {"*2\r\n$6\r\nSELECT\r\n$5\r\n99999\r\n", NULL, 0},
    };
    struct fixture fixture;
    uint64_t cut;
    (void)state;
    fixture_open(&fixture, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = imported(&fixture, (const char *const[]){rows[i].log, NULL}, &cut);
        if ((text == NULL) != (rows[i].shows == NULL) || (text && !strstr(text, rows[i].shows)))
            fail_msg("%s gives %s", rows[i].log, text ? text : "nothing");
        if (text && cut != rows[i].cut)
            fail_msg("%s: %llu bytes are left out", rows[i].log, (unsigned long long)cut);
        free(text);
    }
    fixture_close(&fixture);
}

/* Shows that each file begins with database 0 selected, whatever the one before it ended with, as
 * redis-server has it when it loads them. */
static void import_begins_each_file_in_database_0(void **state)
{
    static const char *const files[] = {"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n" SET_A, SET_B,
                                        "*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\n", SET_A, NULL};
    struct fixture fixture;
    uint64_t cut;
    (void)state;
    fixture_open(&fixture, 0);
    char *text = imported(&fixture, files, &cut);
    assert_non_null(strstr(text, "3  \"SET\" \"a\" \"1\"\n"));
    assert_non_null(strstr(text, "0  \"SET\" \"b\" \"2\"\n"));
    assert_non_null(strstr(text, "0  \"SET\" \"a\" \"1\"\n"));
    free(text);
    fixture_close(&fixture);
}

/* Shows that the empty state that an imported stream begins with is as old as its first command, so that a
 * restore to any time since then finds it. */
static void import_begins_at_its_first_time(void **state)
{
    static const char log[] = "#TS:1600000000\r\n" SET_A "#TS:1600000099\r\n" SET_B;
    struct fixture fixture;
    struct importer importer;
    (void)state;
    fixture_open(&fixture, 0);
    struct memory_disk *into = memory_disk_new();
    importer_open(&importer, &into->disk, &fixture.clock.clock);
    assert_true(read_text(&importer, log));
    assert_int_equal(importer.out.manifest.bases[0].time_ms, INT64_C(1600000000000));
    importer_close(&importer);
    disk_free(&into->disk);
    fixture_close(&fixture);
}

/* --- the command line --------------------------------------------------------------------------------- */

static enum parse_result parse(struct options *options, const char *line)
{
    static char text[16][64]; /* options point there */
    char *argv[16] = {0};
    struct buffer *words;
    const struct log_command *command;
    int count = words_split(slice_of(line), &words);
    for (int i = 0; i < count; i++) {
        snprintf(text[i], sizeof(text[i]), "%.*s", (int)words[i].size, words[i].size ? words[i].data : "");
        argv[i] = text[i];
    }
    words_free(words, count);
    return command_line_parse(count, argv, &command, options);
}

/* Shows what is understood, and that everything else is refused. */
static void command_lines(void **state)
{
    static const struct {
        const char *line;
        enum parse_result result;
    } rows[] = {{"dkv-log", PARSED_WRONG},
                {"dkv-log --help", PARSED_HELP},
                {"dkv-log --version", PARSED_VERSION},
                {"dkv-log show --help", PARSED_HELP},
                {"dkv-log show x -h", PARSED_HELP},
                {"dkv-log show", PARSED_WRONG},
                {"dkv-log show x", PARSED},
                {"dkv-log show x y", PARSED_WRONG},
                {"dkv-log show -- --x", PARSED},
                {"dkv-log show --from 5 --to=9 --since 2023-11-14 --key a* --resp x", PARSED},
                {"dkv-log show --since 1700000000.5 x", PARSED},
                {"dkv-log show --json --resp x", PARSED_WRONG},
                {"dkv-log show --from -5 x", PARSED_WRONG},
                {"dkv-log show --from", PARSED_WRONG},
                {"dkv-log show --resp=1 x", PARSED_WRONG},
                {"dkv-log show --yes x", PARSED_WRONG},
                {"dkv-log show -x y", PARSED_WRONG},
                {"dkv-log verify --json x", PARSED},
                {"dkv-log repair --yes x", PARSED},
                {"dkv-log restore x", PARSED},
                {"dkv-log restore x --to 5", PARSED_WRONG},
                {"dkv-log restore x --into y", PARSED_WRONG},
                {"dkv-log restore x --into y --to 5", PARSED},
                {"dkv-log restore x --into y --to 2023-11-14T10:00", PARSED},
                {"dkv-log restore x --into y --to never", PARSED_WRONG},
                {"dkv-log restore x --into \"\" --to 5", PARSED_WRONG},
                {"dkv-log import x", PARSED_WRONG},
                {"dkv-log import x --into y", PARSED},
                {"dkv-log nothing x", PARSED_WRONG}};
    struct options options;
    (void)state;
    int said = dup(STDERR_FILENO);
    assert_non_null(freopen("/dev/null", "w", stderr));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (parse(&options, rows[i].line) != rows[i].result)
            fail_msg("%s", rows[i].line);
    assert_int_equal(parse(&options, "dkv-log restore x --into y --to 77"), PARSED);
    assert_int_equal(options.target.kind, TARGET_LSN);
    assert_int_equal(options.target.lsn, 77);
    assert_int_equal(parse(&options, "dkv-log restore x --into y --to @77"), PARSED);
    assert_int_equal(options.target.kind, TARGET_TIME);
    assert_int_equal(options.target.time_ms, 77000);
    assert_int_equal(parse(&options, "dkv-log show --to=0 x"), PARSED);
    assert_true(options.has_to && options.to == 0 && !options.has_from);
    dup2(said, STDERR_FILENO);
    close(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(json_nesting),
        cmocka_unit_test(charts),
        cmocka_unit_test(payloads),
        cmocka_unit_test(imports),
        cmocka_unit_test(import_begins_each_file_in_database_0),
        cmocka_unit_test(import_begins_at_its_first_time),
        cmocka_unit_test(command_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
