/* Slices, buffers and word splitting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/memory.h"

static void assert_slice(struct slice actual, const char *expected)
{
    assert_int_equal(actual.size, strlen(expected));
    assert_memory_equal(actual.data, expected, actual.size);
}

/* Words compare without regard to ASCII case, and only as wholes. */
static void slices_compare_ignoring_case(void **state)
{
    (void)state;
    assert_true(slice_is(slice_of("GeT"), "get"));
    assert_false(slice_is(slice_of("gets"), "get"));
    assert_false(slice_is(slice_of("ge"), "get"));
    assert_false(slice_is(slice_of("["), "{"));
    assert_true(slice_equal_nocase(slice_make("a\0B", 3), slice_make("A\0b", 3)));
    assert_false(slice_equal_nocase(slice_make("a\0b", 3), slice_make("a\0c", 3)));
    assert_true(slice_equal(slice_make(NULL, 0), slice_of("")));
}

/* Slices are ordered as unsigned bytes, a prefix first. */
static void slices_are_ordered(void **state)
{
    (void)state;
    assert_true(slice_compare(slice_of("a"), slice_of("b")) < 0);
    assert_true(slice_compare(slice_of("a"), slice_of("a1")) < 0);
    assert_true(slice_compare(slice_of("\xff"), slice_of("a")) > 0);
    assert_int_equal(slice_compare(slice_of("same"), slice_of("same")), 0);
    assert_int_equal(slice_compare(slice_make(NULL, 0), slice_of("")), 0);
}

/* A C string of a slice keeps the bytes behind an embedded NUL. */
static void slices_become_c_strings(void **state)
{
    (void)state;
    char *text = slice_to_cstring(slice_make("a\0b", 3));
    assert_memory_equal(text, "a\0b\0", 4);
    mem_free(text);
    text = slice_to_cstring(slice_make(NULL, 0));
    assert_string_equal(text, "");
    mem_free(text);
}

/* What is appended is there, in order, across many growths. */
static void buffers_grow(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    for (int i = 0; i < 400000; i++)
        buffer_append_int(&buffer, i % 10);
    assert_int_equal(buffer.size, 400000);
    for (int i = 0; i < 400000; i++)
        assert_int_equal(buffer.data[i], '0' + i % 10);
    buffer_reserve(&buffer, 3 << 20);
    assert_int_equal(buffer.size, 400000);
    assert_true(buffer.capacity >= buffer.size + (3 << 20));
    buffer_free(&buffer);
    assert_null(buffer.data);
}

/* An empty buffer gives room too, and nothing appended costs nothing. */
static void buffers_may_be_empty(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_append(&buffer, NULL, 0);
    assert_null(buffer.data);
    assert_non_null(buffer_reserve(&buffer, 0));
    buffer_consume(&buffer, 0);
    buffer_free(&buffer);
    buffer_free(&buffer);
}

/* Formatted text of any length arrives whole. */
static void buffers_format(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    char word[3000];
    memset(word, 'w', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    buffer_append_format(&buffer, "%d-%s", 42, "x");
    buffer_append_char(&buffer, '|');
    assert_slice(buffer_slice(&buffer), "42-x|");
    buffer_append_format(&buffer, "%s%s", word, word);
    assert_int_equal(buffer.size, 5 + 2 * (sizeof(word) - 1));
    assert_int_equal(buffer.data[buffer.size - 1], 'w');
    for (int length = 0; length < 600; length++) {
        struct buffer exact = {0};
        buffer_append_format(&exact, "%.*s", length, word);
        assert_int_equal(exact.size, length);
        assert_true(length == 0 || exact.data[length - 1] == 'w');
        buffer_free(&exact);
    }
    buffer_append_int(&buffer, INT64_MIN);
    buffer_consume(&buffer, buffer.size - 20);
    assert_slice(buffer_slice(&buffer), "-9223372036854775808");
    buffer_free(&buffer);
}

/* Quoting gives text that words_split reads back as the same bytes, for every byte. */
static void quoting_round_trips(void **state)
{
    (void)state;
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    struct buffer quoted = {0};
    buffer_append_quoted(&quoted, slice_make(bytes, 256));
    struct buffer *words;
    assert_int_equal(words_split(buffer_slice(&quoted), &words), 1);
    assert_true(slice_equal(buffer_slice(&words[0]), slice_make(bytes, 256)));
    words_free(words, 1);
    buffer_clear(&quoted);
    buffer_append_quoted(&quoted, slice_make("a\"\\\n\x01\xff ", 7));
    assert_slice(buffer_slice(&quoted), "\"a\\\"\\\\\\n\\x01\\xff \"");
    buffer_free(&quoted);
}

/* Shrinking keeps the contents and gives the rest back; it does nothing when the contents are larger. */
static void buffers_shrink(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_reserve(&buffer, 100000);
    buffer_append_text(&buffer, "kept");
    buffer_shrink(&buffer, 2);
    assert_true(buffer.capacity >= 100000);
    buffer_shrink(&buffer, 64);
    assert_int_equal(buffer.capacity, 64);
    assert_slice(buffer_slice(&buffer), "kept");
    buffer_clear(&buffer);
    buffer_shrink(&buffer, 0);
    assert_null(buffer.data);
}

static const struct {
    const char *line;
    int count; /* -1: unbalanced */
    const char *words[4];
} lines[] = {
    {"", 0, {0}},
    {" \t\r\n", 0, {0}},
    {"get key", 2, {"get", "key"}},
    {"  get \t key \r\n", 2, {"get", "key"}},
    {"set k \"a b\"", 3, {"set", "k", "a b"}},
    {"set k ''", 3, {"set", "k", ""}},
    {"\"\"", 1, {""}},
    {"\"\\n\\r\\t\\b\\a\\x41\\\\\\\"\\q\"", 1, {"\n\r\t\b\aA\\\"q"}},
    {"\"\\x4g\"", 1, {"x4g"}},
    {"'a\\'b\\n'", 1, {"a'b\\n"}},
    {"a\"b c\"", 1, {"ab c"}}, /* a quote may open inside a word */
    {"\"open", -1, {0}},
    {"'open", -1, {0}},
    {"\"open\\", -1, {0}},
    {"\"a\"b", -1, {0}}, /* but nothing may follow a closing one */
    {"'a''b'", -1, {0}},
    {"ok \"", -1, {0}},
    {"a\vb \v c", 2, {"a\vb", "c"}}, /* a vertical tab separates only where a word could begin */
};

/* Lines split into words as Redis splits inline commands and configuration lines. */
static void lines_split_into_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct buffer *words;
        int count = words_split(slice_of(lines[i].line), &words);
        if (count != lines[i].count)
            fail_msg("line <%s>: %d words", lines[i].line, count);
        for (int j = 0; j < count; j++)
            assert_slice(buffer_slice(&words[j]), lines[i].words[j]);
        words_free(words, count > 0 ? count : 0);
    }
}

/* A NUL ends the line. */
static void lines_end_at_nul(void **state)
{
    (void)state;
    struct buffer *words;
    assert_int_equal(words_split(slice_make("a b\0c d", 7), &words), 2);
    assert_slice(buffer_slice(&words[1]), "b");
    words_free(words, 2);
    assert_int_equal(words_split(slice_make(NULL, 0), &words), 0);
    words_free(words, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare_ignoring_case), cmocka_unit_test(slices_are_ordered),
        cmocka_unit_test(slices_become_c_strings),      cmocka_unit_test(buffers_grow),
        cmocka_unit_test(buffers_may_be_empty),         cmocka_unit_test(buffers_format),
        cmocka_unit_test(quoting_round_trips),          cmocka_unit_test(buffers_shrink),
        cmocka_unit_test(lines_split_into_words),       cmocka_unit_test(lines_end_at_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
