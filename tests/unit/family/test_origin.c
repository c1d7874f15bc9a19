/* Where a command comes from, and what follows from that: each answer, by what it changes. */
#include "dialog.h"

#include "command/origin.h"

static const char *replay_line(struct dialog *dialog, const char *line)
{
    struct buffer *words;
    int argc = words_split(slice_of(line), &words);
    struct slice argv[16];
    assert_true(argc > 0 && argc <= 16);
    for (int i = 0; i < argc; i++)
        argv[i] = buffer_slice(&words[i]);
    const struct origin *before = dialog->session->origin;
    dialog->session->origin = &origin_stream;
    const char *wrong =
        dialog_replay(dialog->world, dialog->session, &(struct request){.argc = argc, .argv = argv});
    dialog->session->origin = before;
    dialog_collect(dialog);
    words_free(words, argc);
    return wrong;
}

/* The log and HTTP know commands by their own names, whatever clients call them. */
static void test_names(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    assert_null(
        command_table_rename(dialog.world->commands, SLICE_LITERAL("append"), SLICE_LITERAL("extend")));
    assert_string_equal(dialog_say(&dialog, "extend k a"), ":1\r\n");
    assert_non_null(strstr(dialog_say(&dialog, "append k b"), "-ERR unknown command"));
    dialog.session->origin = &origin_http;
    assert_string_equal(dialog_say(&dialog, "append k b"), ":2\r\n");
    assert_null(replay_line(&dialog, "append k c"));
    assert_string_equal(dialog.reply.data, ":3\r\n");
    dialog_end(&dialog);
}

/* Whoever asks has to be let in; the stream was let in when it was made. Its form is looked at always. */
static void test_checks(void **state)
{
    (void)state;
    static const struct origin *const asking[] = {&origin_client, &origin_http};
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog.session->authenticated = false;
    dialog.world->is_open = false;
    for (size_t i = 0; i < 2; i++) {
        dialog.session->origin = asking[i];
        assert_non_null(strstr(dialog_say(&dialog, "set k v"), "-NOAUTH"));
    }
    assert_null(replay_line(&dialog, "set k v"));
    assert_non_null(replay_line(&dialog, "set k"));
    assert_non_null(replay_line(&dialog, "no-such-command k"));
    assert_non_null(replay_line(&dialog, "config no-such-subcommand"));
    dialog_end(&dialog);
}

/* What has expired is gone for those who ask. The stream says itself when a key goes. */
static void test_expiry(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog_say(&dialog, "set k old px 5");
    dialog_turn(&dialog, &(struct turn){"@+10", ""});
    world_refresh_time(dialog.world);
    assert_null(replay_line(&dialog, "append k er"));
    assert_string_equal(dialog.reply.data, ":5\r\n");
    assert_string_equal(dialog_say(&dialog, "append k new"), ":3\r\n");
    dialog_end(&dialog);
}

/* The limits of today hold for whoever asks today, and not for what was within those of its time. */
static void test_limits(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog.world->settings.bulk_max = 10;
    assert_non_null(strstr(dialog_say(&dialog, "setrange k 20 x"), "-ERR string exceeds"));
    assert_null(replay_line(&dialog, "setrange k 20 x"));
    dialog_end(&dialog);
}

/* In a transaction, and over HTTP, nothing waits. */
static void test_blocking(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog_say(&dialog, "multi");
    dialog_say(&dialog, "wait 1 0");
    dialog_say(&dialog, "monitor");
    assert_string_equal(dialog_say(&dialog, "exec"),
                        "*2\r\n:0\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n");
    assert_ptr_equal(dialog.session->origin, &origin_client);
    dialog.session->origin = &origin_http;
    assert_string_equal(dialog_say(&dialog, "wait 1 0"), ":0\r\n");
    dialog_say(&dialog, "multi");
    assert_string_equal(dialog_say(&dialog, "exec"), "*0\r\n");
    assert_ptr_equal(dialog.session->origin, &origin_http);
    dialog_end(&dialog);
}

/* What the log repeats is nobody's command, and no change. */
static void test_figures(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog_say(&dialog, "set k 1");
    struct world_stats before = dialog.world->stats;
    assert_null(replay_line(&dialog, "set k 2"));
    assert_non_null(replay_line(&dialog, "incr"));
    assert_int_equal(dialog.world->stats.commands, before.commands);
    assert_int_equal(dialog.world->stats.changes, before.changes);
    assert_int_equal(dialog.world->stats.errors, before.errors);
    dialog_say(&dialog, "multi");
    dialog_say(&dialog, "set k 3");
    dialog_say(&dialog, "exec");
    assert_int_equal(dialog.world->stats.commands, before.commands + 3);
    assert_int_equal(dialog.world->stats.changes, before.changes + 1);
    dialog_end(&dialog);
}

/* A user who may no longer run what was queued is told so in its place, and the others run. */
static void test_checked_again(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog_say(&dialog, "acl setuser u on nopass ~* +@all");
    dialog_say(&dialog, "auth u x");
    dialog_say(&dialog, "multi");
    dialog_say(&dialog, "set k 1");
    dialog_say(&dialog, "acl setuser u -incr");
    dialog_say(&dialog, "incr k");
    dialog_say(&dialog, "append k 0");
    assert_string_equal(
        dialog_say(&dialog, "exec"),
        "*4\r\n+OK\r\n+OK\r\n-NOPERM ACLs rules changed between the moment the transaction was accumulated "
        "and the EXEC call. This command is no longer allowed for the following reason: no permission to "
        "execute the command or subcommand\r\n:2\r\n");
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),         cmocka_unit_test(test_checks),   cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_blocking), cmocka_unit_test(test_figures),
        cmocka_unit_test(test_checked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
