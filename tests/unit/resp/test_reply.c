/* Replies in both versions of the protocol, byte for byte as Redis writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/memory.h"
#include "resp/reply.h"

struct exchange {
    struct output output;
    struct reply reply;
};

/* Sends what was written, compares it, and clears the output. */
static void assert_wrote(struct exchange *exchange, const char *expected)
{
    struct buffer received = {0};
    while (output_pending(&exchange->output) > 0) {
        struct iovec vector;
        assert_int_equal(output_vectors(&exchange->output, UINT64_MAX, &vector, 1), 1);
        buffer_append(&received, vector.iov_base, vector.iov_len);
        output_sent(&exchange->output, vector.iov_len);
    }
    if (!slice_equal(buffer_slice(&received), slice_of(expected)))
        fail_msg("wrote <%.*s>, not <%s>", (int)received.size, received.data, expected);
    buffer_free(&received);
}

static void write_ok(struct reply *reply)
{
    reply_ok(reply);
}

static void write_simple(struct reply *reply)
{
    reply_simple(reply, "QUEUED");
}

static void write_ints(struct reply *reply)
{
    reply_int(reply, 0);
    reply_int(reply, -42);
    reply_int(reply, INT64_MIN);
}

static void write_bulks(struct reply *reply)
{
    reply_bulk(reply, slice_make(NULL, 0));
    reply_bulk(reply, slice_of("a\r\nb"));
    reply_bulk_text(reply, "hello");
    reply_bulk_int(reply, -1234567);
}

static void write_nulls(struct reply *reply)
{
    reply_null(reply);
    reply_null_array(reply);
}

static void write_aggregates(struct reply *reply)
{
    reply_array(reply, 3);
    reply_map(reply, 3);
    reply_set(reply, 3);
    reply_push(reply, 3);
    reply_array(reply, 0);
}

static void write_doubles(struct reply *reply)
{
    reply_double(reply, 3);
    reply_double(reply, 0.1);
    reply_double(reply, -(double)INFINITY);
    reply_double(reply, (double)NAN);
}

static void write_bools(struct reply *reply)
{
    reply_bool(reply, true);
    reply_bool(reply, false);
}

static void write_verbatim(struct reply *reply)
{
    reply_verbatim(reply, slice_of("some text"), "txt");
    reply_verbatim(reply, slice_make(NULL, 0), "mkd");
}

static void write_big_number(struct reply *reply)
{
    reply_big_number(reply, slice_of("1234567999999999999999999999999999999"));
}

static void write_later(struct reply *reply)
{
    struct output_gap array = reply_later(reply);
    reply_int(reply, 1);
    struct output_gap map = reply_later(reply);
    reply_int(reply, 2);
    reply_int(reply, 3);
    reply_map_at(reply, map, 1);
    struct output_gap set = reply_later(reply);
    reply_set_at(reply, set, 0);
    reply_array_at(reply, array, 3);
}

static const struct {
    void (*write)(struct reply *reply);
    const char *resp2;
    const char *resp3;
} replies[] = {
    {write_ok, "+OK\r\n", "+OK\r\n"},
    {write_simple, "+QUEUED\r\n", "+QUEUED\r\n"},
    {write_ints, ":0\r\n:-42\r\n:-9223372036854775808\r\n", ":0\r\n:-42\r\n:-9223372036854775808\r\n"},
    {write_bulks, "$0\r\n\r\n$4\r\na\r\nb\r\n$5\r\nhello\r\n$8\r\n-1234567\r\n",
     "$0\r\n\r\n$4\r\na\r\nb\r\n$5\r\nhello\r\n$8\r\n-1234567\r\n"},
    {write_nulls, "$-1\r\n*-1\r\n", "_\r\n_\r\n"},
    {write_aggregates, "*3\r\n*6\r\n*3\r\n*3\r\n*0\r\n", "*3\r\n%3\r\n~3\r\n>3\r\n*0\r\n"},
    {write_doubles, "$1\r\n3\r\n$3\r\n0.1\r\n$4\r\n-inf\r\n$3\r\nnan\r\n", ",3\r\n,0.1\r\n,-inf\r\n,nan\r\n"},
    {write_bools, ":1\r\n:0\r\n", "#t\r\n#f\r\n"},
    {write_verbatim, "$9\r\nsome text\r\n$0\r\n\r\n", "=13\r\ntxt:some text\r\n=4\r\nmkd:\r\n"},
    {write_big_number, "$37\r\n1234567999999999999999999999999999999\r\n",
     "(1234567999999999999999999999999999999\r\n"},
    {write_later, "*3\r\n:1\r\n*2\r\n:2\r\n:3\r\n*0\r\n", "*3\r\n:1\r\n%1\r\n:2\r\n:3\r\n~0\r\n"},
};

/* Each kind of reply, as RESP2 and as RESP3 have it. */
static void replies_follow_the_protocol(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
        for (int protocol = 2; protocol <= 3; protocol++) {
            struct exchange exchange = {0};
            exchange.reply = (struct reply){.output = &exchange.output, .protocol = protocol};
            replies[i].write(&exchange.reply);
            assert_wrote(&exchange, protocol == 2 ? replies[i].resp2 : replies[i].resp3);
            output_free(&exchange.output);
        }
}

/* An attribute exists in RESP3 only. */
static void attributes_are_written(void **state)
{
    (void)state;
    struct exchange exchange = {0};
    exchange.reply = (struct reply){.output = &exchange.output, .protocol = 3};
    reply_attribute(&exchange.reply, 2);
    assert_wrote(&exchange, "|2\r\n");
    output_free(&exchange.output);
}

/* Errors are one line each, counted, and their code is known. */
static void errors_are_lines(void **state)
{
    (void)state;
    struct exchange exchange = {0};
    struct reply *reply = &exchange.reply;
    *reply = (struct reply){.output = &exchange.output, .protocol = 2};
    reply_error(reply, "WRONGTYPE Operation against a key");
    assert_string_equal(reply->error_code, "WRONGTYPE");
    reply_error_format(reply, "ERR bad '%s' %d\r\n", "a\r\nb", 7);
    assert_string_equal(reply->error_code, "ERR");
    reply_error_slice(reply, slice_of("ERR end\n"));
    assert_int_equal(reply->errors, 3);
    assert_wrote(&exchange, "-WRONGTYPE Operation against a key\r\n-ERR bad 'a  b' 7\r\n-ERR end \r\n");
    reply_error(reply, "A-CODE-THAT-IS-MUCH-LONGER-THAN-ANY-CODE-SHOULD-BE x");
    assert_int_equal(strlen(reply->error_code), REPLY_ERROR_CODE_MAX - 1);
    reply_error_slice(reply, slice_of("NOAUTH"));
    assert_string_equal(reply->error_code, "NOAUTH");
    output_free(&exchange.output);
}

/* Values of all sizes around chunk borders arrive whole. */
static void large_values_arrive(void **state)
{
    (void)state;
    for (size_t size = 900; size < 200000; size = size * 8 / 7 + 1) {
        struct exchange exchange = {0};
        exchange.reply = (struct reply){.output = &exchange.output, .protocol = 2};
        char *value = mem_alloc(size);
        for (size_t i = 0; i < size; i++)
            value[i] = (char)('a' + i % 26);
        struct buffer expected = {0};
        for (int i = 0; i < 5; i++) {
            reply_bulk(&exchange.reply, slice_make(value, size));
            buffer_append_format(&expected, "$%zu\r\n", size);
            buffer_append(&expected, value, size);
            buffer_append_text(&expected, "\r\n");
        }
        buffer_append_char(&expected, '\0');
        assert_wrote(&exchange, expected.data);
        buffer_free(&expected);
        mem_free(value);
        output_free(&exchange.output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_follow_the_protocol),
        cmocka_unit_test(attributes_are_written),
        cmocka_unit_test(errors_are_lines),
        cmocka_unit_test(large_values_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
