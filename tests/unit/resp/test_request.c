/* Commands written for the stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resp/parser.h"
#include "resp/request.h"

/* What is written is what a client would send, and the parser takes it for the canonical form. */
static void requests_read_back(void **state)
{
    (void)state;
    struct slice argv[300];
    for (int i = 0; i < 300; i++)
        argv[i] = slice_make("\r\n$3\r\n*2\r\nabcdefghijklmnopqrstuvwxyz", (size_t)i % 36);
    argv[0] = slice_make(NULL, 0);
    struct buffer written = {0};
    for (int argc = 1; argc <= 300; argc += 13)
        request_append(&written, argc, argv);
    assert_memory_equal(written.data, "*1\r\n$0\r\n\r\n*14\r\n$0\r\n\r\n$1\r\n\r\r\n", 28);
    struct parser *parser = parser_new();
    const struct parser_limits limits = {.bulk_max = 1 << 20, .query_max = 1 << 20};
    int count;
    size_t consumed;
    assert_int_equal(parser_run(parser, buffer_slice(&written), &limits, &count, &consumed), PARSE_MORE);
    assert_int_equal(consumed, written.size);
    assert_int_equal(count, 24);
    for (int i = 0; i < count; i++) {
        const struct request *request = parser_request(parser, i);
        assert_int_equal(request->argc, 1 + i * 13);
        assert_int_equal(request->raw.size, request->end - request->begin);
        for (int j = 0; j < request->argc; j++)
            assert_true(slice_equal(request->argv[j], argv[j]));
    }
    parser_free(parser);
    buffer_free(&written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(requests_read_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
