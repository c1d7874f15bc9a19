/* A client's session: what errors quote, passwords, names, replies that are not wanted, watched keys. */
#include "dialog.h"

#include "command/block.h"

#include "command/acl/acl.h"
#include "command/world.h"

/* Says words of which one may be longer than what is there: only its beginning may be looked at. */
static void check_quote(struct dialog *dialog, const char *begin, struct slice word,
                        const char *const error[2], size_t shown)
{
    struct slice argv[4];
    struct buffer *words;
    struct buffer expected = {0};
    int argc = words_split(slice_of(begin), &words);
    for (int i = 0; i < argc; i++)
        argv[i] = buffer_slice(&words[i]);
    argv[argc] = word;
    buffer_append_text(&expected, error[0]);
    buffer_append(&expected, word.data, shown);
    buffer_append_text(&expected, error[1]);
    buffer_append_char(&expected, '\0');
    assert_string_equal(dialog_run(dialog, argc + 1, argv), expected.data);
    buffer_free(&expected);
    words_free(words, argc);
}

/* A word of a client's that an error quotes is cut at 128 bytes, however long it is, and at a NUL. */
static void test_quotes(void **state)
{
    (void)state;
    static const struct {
        const char *begin;
        const char *error[2];
    } rows[] = {
        {"hello 3", {"-ERR Syntax error in HELLO option '", "'\r\n"}},
        {"expire k 10", {"-ERR Unsupported option ", "\r\n"}},
        {"object", {"-ERR unknown subcommand '", "'. Try OBJECT HELP.\r\n"}},
        {"nosuch", {"-ERR unknown command 'nosuch', with args beginning with: '", "' \r\n"}},
    };
    char word[200];
    memset(word, 'w', sizeof(word));
    struct dialog dialog;
    dialog_begin(&dialog);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_quote(&dialog, rows[i].begin, slice_make(word, 127), rows[i].error, 127);
        check_quote(&dialog, rows[i].begin, slice_make(word, sizeof(word)), rows[i].error, 128);
        check_quote(&dialog, rows[i].begin, slice_make(word, (size_t)INT32_MAX + 5), rows[i].error, 128);
        check_quote(&dialog, rows[i].begin, slice_make("a\0b", 3), rows[i].error, 1);
    }
    dialog_end(&dialog);
}

/* Who has not given the password is let in when none is needed any more, and out again when one is. */
static void test_password_taken_away(void **state)
{
    (void)state;
    static const char refused[] = "-NOAUTH Authentication required.\r\n";
    struct dialog dialog;
    dialog_begin(&dialog);
    acl_set_default_password(dialog.world->acl, SLICE_LITERAL("secret"));
    dialog_say(&dialog, "reset");
    assert_string_equal(dialog_say(&dialog, "ping"), refused);
    acl_set_default_password(dialog.world->acl, SLICE_LITERAL(""));
    assert_string_equal(dialog_say(&dialog, "ping"), "+PONG\r\n");
    assert_int_equal(dialog_say(&dialog, "hello 2")[0], '*');
    acl_set_default_password(dialog.world->acl, SLICE_LITERAL("another"));
    assert_string_equal(dialog_say(&dialog, "ping"), refused);
    assert_string_equal(dialog_say(&dialog, "auth another"), "+OK\r\n");
    acl_set_default_password(dialog.world->acl, SLICE_LITERAL("changed"));
    assert_string_equal(dialog_say(&dialog, "ping"), "+PONG\r\n");
    dialog_end(&dialog);
}

/* HELLO does all that it is asked for, or nothing. */
static void test_hello_fails_whole(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "hello 3 auth default secret setname \"a b\"",
        "hello 3 setname \"a b\" auth default secret",
        "hello 3 auth default secret setname good nosuch",
    };
    struct dialog dialog;
    dialog_begin(&dialog);
    acl_set_default_password(dialog.world->acl, SLICE_LITERAL("secret"));
    dialog_say(&dialog, "reset");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_memory_equal(dialog_say(&dialog, lines[i]), "-ERR ", 5);
        assert_string_equal(dialog_say(&dialog, "ping"), "-NOAUTH Authentication required.\r\n");
        assert_null(dialog.session->name);
    }
    assert_int_equal(dialog_say(&dialog, "hello 3 auth default secret setname good")[0], '%');
    assert_string_equal(dialog.session->name, "good");
    dialog_end(&dialog);
}

/* Looked at together, each request of a pipeline is found by its own name, whatever came before it. */
static void test_pipeline_looked_up(void **state)
{
    (void)state;
    static const struct {
        const char *words[2];
        const char *found; /* NULL: nothing */
    } rows[] = {{{"get", "a"}, "get"},
                {{"get", "b"}, "get"},
                {{"GET", "c"}, "get"},
                {{"getx", "d"}, NULL},
                {{"getx", "e"}, NULL},
                {{"ge", "f"}, NULL},
                {{"", "g"}, NULL},
                {{"object", "freq"}, "object|freq"},
                {{"object", "help"}, "object|help"},
                {{"object", "x"}, "object"},
                {{"set", "h"}, "set"},
                {{"get", "i"}, "get"}};
    enum { COUNT = sizeof(rows) / sizeof(rows[0]) };
    struct slice words[COUNT][2];
    struct request all[COUNT];
    const struct request *requests[COUNT];
    struct prepared prepared[COUNT];
    struct dialog dialog;
    dialog_begin(&dialog);
    for (int i = 0; i < COUNT; i++) {
        for (int word = 0; word < 2; word++)
            words[i][word] = slice_of(rows[i].words[word]);
        all[i] = (struct request){.argc = 2, .argv = words[i]};
        requests[i] = &all[i];
    }
    dispatch_prepare(dialog.world, dialog.session, requests, prepared, COUNT);
    for (int i = 0; i < COUNT; i++) {
        const char *found = prepared[i].entry ? prepared[i].entry->full_name : "nothing";
        if (strcmp(found, rows[i].found ? rows[i].found : "nothing") != 0)
            fail_msg("%d: %s %s is taken for %s", i, rows[i].words[0], rows[i].words[1], found);
    }
    dialog_end(&dialog);
}

/* A command that waits is as silent as any other when its reply comes. */
static void test_blocked_silently(void **state)
{
    (void)state;
    static const struct {
        enum reply_mode mode;
        const char *reply;
    } rows[] = {{REPLY_ON, ":0\r\n"}, {REPLY_OFF, ""}, {REPLY_SKIP, ""}};
    struct dialog dialog;
    const struct request request = {.argc = 3,
                                    .argv = (struct slice[]){slice_of("wait"), slice_of("1"), slice_of("5")}};
    const struct request *requests[] = {&request};
    dialog_begin(&dialog);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct prepared prepared;
        dialog.session->reply_mode = rows[i].mode;
        world_refresh_time(dialog.world);
        dispatch_prepare(dialog.world, dialog.session, requests, &prepared, 1);
        assert_int_equal(dispatch(dialog.world, dialog.session, &request, &prepared), DISPATCH_BLOCKED);
        block_round(dialog.world);
        assert_true(dialog.session->blocked);
        dialog.now_ms += 10;
        world_refresh_time(dialog.world);
        block_round(dialog.world);
        assert_false(dialog.session->blocked);
        dialog_collect(&dialog);
        if (strcmp(dialog.reply.data, rows[i].reply) != 0)
            fail_msg("reply mode %d, then WAIT: %s", (int)rows[i].mode, dialog.reply.data);
    }
    dialog_end(&dialog);
}

static void append_code(void *context, const char *code, uint64_t count)
{
    buffer_append_format(context, "%s=%llu ", code, (unsigned long long)count);
}

/* Errors are counted by code; what is none counts as ERR. */
static void test_error_codes(void **state)
{
    (void)state;
    static const char *const errors[] = {"WRONGTYPE x", "NOAUTH",   "a:b",       "A\nB x",
                                         "A:1 x",       " x",       "",          "WRONGTYPE y z",
                                         "wrong x",     "WRONG2 x", "CODE\xff x"};
    struct dialog dialog;
    struct buffer text = {0};
    dialog_begin(&dialog);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct reply reply = {.output = &dialog.output, .protocol = 2};
        reply_error(&reply, errors[i]);
        error_stats_count(dialog.world, &reply);
    }
    error_stats_each(dialog.world, append_code, &text);
    buffer_append_char(&text, '\0');
    assert_string_equal(text.data, "WRONGTYPE=2 NOAUTH=1 ERR=8 ");
    buffer_free(&text);
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_password_taken_away),
        cmocka_unit_test(test_hello_fails_whole),
        cmocka_unit_test(test_pipeline_looked_up),
        cmocka_unit_test(test_blocked_silently),
        cmocka_unit_test(test_error_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
