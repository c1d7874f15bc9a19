/* Random lines: whatever they hold, reading ends with values in force or one error of one line, and every
 * value that was accepted reads back as itself. The fuzzer (tests/fuzz/fuzz_config.c) looks further. */
#include "base/random.h"
#include "config_test.h"

static const char *const pieces[] = {
    " ",
    "\t",
    "\"",
    "'",
    "\\",
    "\\x00",
    "\\x41",
    "#",
    "\r",
    "loadmodule",
    "user",
    "default",
    "on",
    "nopass",
    "0",
    "-1",
    "99999999999999999999",
    "1mb",
    "1gb",
    "yes",
    "no",
    "always",
    "save",
    "\"\"",
    "''",
    "*",
    "::1",
    "normal",
    "replica",
    "rename-command",
    "5%",
    "1.5",
    "\x80\xff",
    "{port}",
    "{",
    "777",
    "50",
    "Kg$lshzxe",
    "",
    "60 1",
    "one",
};

static void append_random_line(struct random *random, struct buffer *text)
{
    if (random_below(random, 8) != 0)
        buffer_append_text(text, config_name(random_below(random, config_count()), NULL));
    for (uint64_t left = random_below(random, 5); left > 0; left--) {
        if (random_below(random, 3) != 0)
            buffer_append_char(text, ' ');
        buffer_append_text(text, pieces[random_below(random, sizeof(pieces) / sizeof(pieces[0]))]);
    }
    buffer_append_char(text, '\n');
}

static void random_lines(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 21);
    struct config *config = config_new();
    int accepted = 0;
    for (int round = 0; round < 20000; round++) {
        struct buffer text = {0};
        append_random_line(&random, &text);
        struct config_error error = {""};
        if (config_read_text(config, "r", buffer_slice(&text), &error))
            accepted++;
        else {
            assert_int_equal(strncmp(error.text, "r:1: ", 5), 0);
            assert_null(strchr(error.text, '\n'));
        }
        buffer_free(&text);
    }
    assert_true(accepted > 1000);
    for (size_t i = 0; i < config_count(); i++) {
        struct slice name = slice_of(config_name(i, NULL));
        struct buffer before = {0};
        buffer_append_slice(&before, config_get_bytes(config, name));
        struct slice pair[] = {name, buffer_slice(&before)};
        struct config_error error;
        if (config_set(config, true, 1, pair, &error))
            assert_true(slice_equal(config_get_bytes(config, name), buffer_slice(&before)));
        buffer_free(&before);
    }
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
