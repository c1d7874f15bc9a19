/* The small languages inside a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/internal.h"
#include "http/text.h"

static void assert_bytes(struct buffer *buffer, struct slice wanted)
{
    assert_int_equal(buffer->size, wanted.size);
    if (wanted.size > 0)
        assert_memory_equal(buffer->data, wanted.data, wanted.size);
    buffer_free(buffer);
    *buffer = (struct buffer){0};
}

/* Shows that every byte can be encoded, in either case of digits, and that half an encoding is none. */
static void test_percent(void **state)
{
    static const struct {
        const char *text;
        struct slice bytes;
    } right[] = {{"", SLICE_LITERAL("")},
                 {"abc", SLICE_LITERAL("abc")},
                 {"%41%62%00%Ff%fF", SLICE_LITERAL("Ab\0\xff\xff")},
                 {"a+b%2B", SLICE_LITERAL("a+b+")}};
    static const char *const wrong[] = {"%", "%4", "a%", "%4g", "%g4", "% 4", "%%41", "%-1"};
    struct buffer out = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        assert_true(percent_decode(slice_of(right[i].text), &out));
        assert_bytes(&out, right[i].bytes);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(percent_decode(slice_of(wrong[i]), &out));
        buffer_clear(&out);
    }
    buffer_free(&out);
}

/* Shows that the first field of a name counts, that a plus is a space, and that names are compared whole. */
static void test_query(void **state)
{
    static const struct {
        const char *query;
        const char *value; /* NULL: not there */
    } cases[] = {{"", NULL},
                 {"b=1", NULL},
                 {"a=1", "1"},
                 {"b=2&a=1&a=3", "1"},
                 {"a", ""},
                 {"a=", ""},
                 {"&&a=x+y%20z", "x y z"},
                 {"aa=1&ba=2", NULL},
                 {"a=b=c", "b=c"},
                 {"A=1", NULL}};
    struct buffer out = {0};
    bool wrong;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(query_find(slice_of(cases[i].query), "a", &out, &wrong), cases[i].value != NULL);
        assert_false(wrong);
        assert_bytes(&out, slice_of(cases[i].value != NULL ? cases[i].value : ""));
    }
    assert_true(query_find(SLICE_LITERAL("a=%4"), "a", &out, &wrong));
    assert_true(wrong);
    assert_bytes(&out, slice_of(""));
}

/* Shows that what is encoded is decoded again, whatever its length, and what is refused. */
static void test_base64(void **state)
{
    static const char *const wrong[] = {"A",    "AA",   "AAA",   "AA=A", "=AAA",
                                        "A===", "AA A", "AAA\n", "AA?=", "AAAA="};
    const char bytes[] = "\0\xff\x80 any bytes";
    struct buffer text = {0};
    struct buffer back = {0};
    (void)state;
    for (size_t size = 0; size < sizeof(bytes); size++) {
        buffer_clear(&text);
        base64_encode(slice_make(bytes, size), &text);
        assert_true(base64_decode(buffer_slice(&text), &back));
        assert_bytes(&back, slice_make(bytes, size));
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(base64_decode(slice_of(wrong[i]), &back));
    buffer_free(&text);
    buffer_free(&back);
}

/* Shows that a tag depends on the bytes alone, not on the pieces they lie in. */
static void test_etag(void **state)
{
    char bytes[] = "some bytes that lie in pieces";
    struct iovec whole = {bytes, 20};
    struct iovec pieces[] = {{bytes, 3}, {bytes + 3, 10}, {bytes + 13, 7}};
    struct iovec other = {bytes, 21};
    struct etag a;
    struct etag b;
    (void)state;
    etag_make(&a, &whole, 1);
    etag_make(&b, pieces, 3);
    assert_string_equal(a.text, b.text);
    assert_int_equal(strlen(a.text), ETAG_SIZE);
    etag_make(&b, &other, 1);
    assert_string_not_equal(a.text, b.text);
    etag_make(&b, NULL, 0);
    assert_int_equal(strlen(b.text), ETAG_SIZE);
}

/* Shows which conditions hold for a value, and for none. */
static void test_conditions(void **state)
{
    struct etag etag = {"\"0123456789abcdef0123456789abcdef\""};
    static const struct {
        const char *field;
        bool match; /* If-Match holds */
        bool none;  /* If-None-Match holds */
    } cases[] = {{"*", true, false},
                 {" * ", true, false},
                 {"\"0123456789abcdef0123456789abcdef\"", true, false},
                 {"\"x\", \"0123456789abcdef0123456789abcdef\" ,\"y\"", true, false},
                 {"W/\"0123456789abcdef0123456789abcdef\"", false, false},
                 {"\"0123456789abcdef0123456789abcdee\"", false, true},
                 {"0123456789abcdef0123456789abcdef", false, true},
                 {"", false, true},
                 {",,", false, true},
                 {"W/", false, true}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice field = slice_of(cases[i].field);
        assert_int_equal(condition_match(field, &etag), cases[i].match);
        assert_int_equal(condition_none_match(field, &etag), cases[i].none);
        assert_false(condition_match(field, NULL));
        assert_true(condition_none_match(field, NULL));
    }
    assert_true(condition_match(slice_make(NULL, 0), NULL));
    assert_true(condition_none_match(slice_make(NULL, 0), &etag));
}

/* Shows which part of ten bytes a field asks for. */
static void test_ranges(void **state)
{
    static const struct {
        const char *field;
        enum range_kind kind;
        uint64_t begin;
        uint64_t end;
    } cases[] = {{"bytes=0-0", RANGE_PART, 0, 1},
                 {"bytes=0-9", RANGE_PART, 0, 10},
                 {"Bytes= 3-5", RANGE_PART, 3, 6},
                 {"bytes=3-", RANGE_PART, 3, 10},
                 {"bytes=9-99", RANGE_PART, 9, 10},
                 {"bytes=9-18446744073709551615", RANGE_PART, 9, 10},
                 {"bytes=9-99999999999999999999999999", RANGE_PART, 9, 10},
                 {"bytes=-1", RANGE_PART, 9, 10},
                 {"bytes=-10", RANGE_PART, 0, 10},
                 {"bytes=-11", RANGE_PART, 0, 10},
                 {"bytes=-0", RANGE_BEYOND, 0, 0},
                 {"bytes=10-", RANGE_BEYOND, 0, 0},
                 {"bytes=10-12", RANGE_BEYOND, 0, 0},
                 {"bytes=99999999999999999999999999-", RANGE_BEYOND, 0, 0},
                 {"bytes=18446744073709551615-", RANGE_BEYOND, 0, 0},
                 {"bytes=1844674407370955161-99999999999999999999", RANGE_BEYOND, 0, 0},
                 {"bytes=5-4", RANGE_ALL, 0, 10},
                 {"bytes=1-2,4-5", RANGE_ALL, 0, 10},
                 {"bytes=-", RANGE_ALL, 0, 10},
                 {"bytes=5", RANGE_ALL, 0, 10},
                 {"bytes=", RANGE_ALL, 0, 10},
                 {"bytes=a-", RANGE_ALL, 0, 10},
                 {"bytes=1-2-3", RANGE_ALL, 0, 10},
                 {"lines=1-2", RANGE_ALL, 0, 10},
                 {"", RANGE_ALL, 0, 10}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct range range = range_parse(slice_of(cases[i].field), 10);
        assert_int_equal(range.kind, cases[i].kind);
        assert_int_equal(range.begin, cases[i].begin);
        assert_int_equal(range.end, cases[i].end);
    }
    assert_int_equal(range_parse(SLICE_LITERAL("bytes=0-"), 0).kind, RANGE_BEYOND);
    assert_int_equal(range_parse(SLICE_LITERAL("bytes=-5"), 0).kind, RANGE_BEYOND);
}

/* Shows which names can only be this machine's. */
static void test_hosts(void **state)
{
    static const char *const own[] = {"localhost",     "LOCALHOST:80", "a.localhost", "127.0.0.1",
                                      "10.0.0.1:8080", "[::1]",        "[::1]:8080",  "[2001:db8::1]:1"};
    static const char *const foreign[] = {"",
                                          "example.com",
                                          "localhost.example.com",
                                          "127.0.0.1.example.com",
                                          "[::1",
                                          "[::1].com",
                                          "[::1]x:1",
                                          "1.2.3",
                                          "a:1:2",
                                          ":80",
                                          "127.0.0.1@x",
                                          "notlocalhost"};
    (void)state;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        assert_true(host_is_own(slice_of(own[i])));
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        assert_false(host_is_own(slice_of(foreign[i])));
}

/* Shows that a route is found by its whole path and its method, and what else the path can be asked. */
static void test_routes(void **state)
{
    bool known;
    struct buffer methods = {0};
    (void)state;
    assert_non_null(route_find(HTTP_GET, SLICE_LITERAL("/kv/a"), &known));
    assert_ptr_equal(route_find(HTTP_HEAD, SLICE_LITERAL("/kv/a"), &known),
                     route_find(HTTP_GET, SLICE_LITERAL("/kv/b/c"), &known));
    assert_null(route_find(HTTP_POST, SLICE_LITERAL("/kv/a"), &known));
    assert_true(known);
    static const char *const unknown[] = {"", "/x", "/kvx", "kv/a", "/clear/", "//", "/metrics/"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_null(route_find(HTTP_GET, slice_of(unknown[i]), &known));
        assert_false(known);
    }
    route_methods(SLICE_LITERAL("/kv/a"), &methods);
    assert_bytes(&methods, SLICE_LITERAL("GET, HEAD, PUT, DELETE"));
}

/* Writes bytes to an output in small pieces, as commands do. */
static void replies_append(struct output *output, const char *text)
{
    output_append(output, text, strlen(text));
}

/* Shows that replies are read as they were written, over the borders of an output's chunks too. */
static void test_reply_reader(void **state)
{
    struct output output = {0};
    struct reply_reader reader;
    struct reply_value value;
    struct buffer copy = {0};
    char large[40000];
    (void)state;
    memset(large, 'x', sizeof(large));
    replies_append(&output, "+OK\r\n");
    replies_append(&output, "*4\r\n$3\r\na\r\n\r\n$-1\r\n:-7\r\n$40000\r\n");
    output_append(&output, large, sizeof(large));
    replies_append(&output, "\r\n-ERR no\r\n$0\r\n\r\n");
    reply_reader_begin(&reader, &output, 5);
    reply_reader_next(&reader, &value);
    assert_int_equal(value.kind, REPLY_KIND_ARRAY);
    assert_int_equal(value.number, 4);
    reply_reader_next(&reader, &value);
    assert_true(slice_equal(reply_slice(&reader, &value, &copy), SLICE_LITERAL("a\r\n")));
    reply_reader_next(&reader, &value);
    assert_int_equal(value.kind, REPLY_KIND_NULL);
    reply_reader_next(&reader, &value);
    assert_int_equal(value.number, -7);
    reply_reader_next(&reader, &value);
    assert_true(slice_equal(reply_slice(&reader, &value, &copy), slice_make(large, sizeof(large))));
    assert_int_equal(reply_pieces(&reader, &value, 5, 1, NULL), 1);
    assert_int_equal(reply_pieces(&reader, &value, 40000, 0, NULL), 0);
    reply_reader_next(&reader, &value);
    assert_int_equal(value.kind, REPLY_KIND_ERROR);
    assert_true(slice_equal(value.text, SLICE_LITERAL("ERR no")));
    reply_reader_next(&reader, &value);
    assert_int_equal(value.size, 0);
    reply_reader_end(&reader);
    buffer_free(&copy);
    output_free(&output);
}

/* Shows that a body is whole in whatever pieces it came, small or large, announced or not, and that nothing
 * is left in the count of all bodies. */
static void test_bodies(void **state)
{
    static const size_t sizes[] = {1, 100, 65535, 65536, 70000, 300000};
    char *bytes = test_malloc(300000);
    (void)state;
    for (size_t i = 0; i < 300000; i++)
        bytes[i] = (char)(i * 7 % 251);
    for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t size = sizes[i / 2];
        size_t total = 0;
        struct http_body body = {0};
        body_begin(&body, i % 2 ? size : 0, &total);
        for (size_t at = 0; at < size; at += 7777)
            assert_true(body_append(&body, bytes + at, size - at < 7777 ? size - at : 7777));
        assert_int_equal(total, size);
        body_complete(&body);
        assert_true(slice_equal(body_slice(&body), slice_make(bytes, size)));
        assert_int_equal(body.blob != NULL, size >= BLOB_MIN);
        body_clear(&body);
        assert_int_equal(total, 0);
        buffer_free(&body.bytes);
    }
    test_free(bytes);
}

/* Names that are not known, or there twice, are told of. */
static void test_query_names(void **state)
{
    static const struct {
        const char *query;
        enum query_fault fault;
        const char *name;
    } cases[] = {{"", QUERY_FINE, ""},         {"&&", QUERY_FINE, ""},
                 {"a=1&bc=2", QUERY_FINE, ""}, {"bc", QUERY_FINE, ""},
                 {"b=1", QUERY_UNKNOWN, "b"},  {"a bc=1", QUERY_UNKNOWN, "a bc"},
                 {"=1", QUERY_UNKNOWN, ""},    {"a=1&x", QUERY_UNKNOWN, "x"},
                 {"a&a", QUERY_TWICE, "a"},    {"a=1&bc=1&a=1", QUERY_TWICE, "a"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice name;
        assert_int_equal(query_check(slice_of(cases[i].query), "a bc", &name), cases[i].fault);
        if (cases[i].fault != QUERY_FINE)
            assert_true(slice_equal(name, slice_of(cases[i].name)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percent),      cmocka_unit_test(test_query), cmocka_unit_test(test_query_names),
        cmocka_unit_test(test_base64),       cmocka_unit_test(test_etag),  cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_ranges),       cmocka_unit_test(test_hosts), cmocka_unit_test(test_routes),
        cmocka_unit_test(test_reply_reader), cmocka_unit_test(test_bodies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
