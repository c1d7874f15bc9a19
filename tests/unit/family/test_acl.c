/* Users and rules: what rules come to, what they permit, what is noted, and taking another set of users into
 * use. */
#include "dialog.h"

#include "command/acl/acl.h"

static struct acl_user *user_of(struct dialog *dialog, const char *line)
{
    struct buffer *words;
    struct buffer error = {0};
    int count = words_split(slice_of(line), &words);
    struct slice rules[32];
    for (int i = 0; i < count; i++)
        rules[i] = buffer_slice(&words[i]);
    struct acl *acl = dialog->world->acl;
    if (!acl_set_user(acl, SLICE_LITERAL("u"), count, rules, &error))
        fail_msg("%s: %.*s", line, (int)error.size, error.data);
    words_free(words, count);
    return acl_find(acl, SLICE_LITERAL("u"));
}

/* What each list of rules comes to, from a new user on. */
static void rules_are_told_as_they_were_given(void **state)
{
    (void)state;
    static const struct {
        const char *rules;
        const char *text;
    } rows[] = {
        {"", "off sanitize-payload resetchannels -@all"},
        {"on nopass allkeys allchannels allcommands", "on nopass sanitize-payload ~* &* +@all"},
        {"+get +SET +get", "off sanitize-payload resetchannels -@all +set +get"},
        {"+config|get +config|set -config", "off sanitize-payload resetchannels -@all -config"},
        {"-config +config|get", "off sanitize-payload resetchannels -@all -config +config|get"},
        {"+@READ -@write +@read", "off sanitize-payload resetchannels -@all -@write +@read"},
        {"+get +@all -set", "off sanitize-payload resetchannels +@all -set"},
        {"+get nocommands", "off sanitize-payload resetchannels -@all"},
        {"+select|0 +select|1 +select", "off sanitize-payload resetchannels -@all +select"},
        {"+lpush +xgroup|create -zadd",
         "off sanitize-payload resetchannels -@all +lpush +xgroup|create -zadd"},
        {"~a %R~b %W~b %rw~c %RW", "off sanitize-payload ~a ~b ~c ~ resetchannels -@all"},
        {"~a resetkeys %R~b", "off sanitize-payload %R~b resetchannels -@all"},
        {"&a &b &a", "off sanitize-payload resetchannels &a &b -@all"},
        {"(~a +get) ( +set ~b )",
         "off sanitize-payload resetchannels -@all (~a resetchannels -@all +get) (~b "
         "resetchannels -@all +set)"},
        {"(+get) clearselectors skip-sanitize-payload", "off skip-sanitize-payload resetchannels -@all"},
        {">x ~a +get on reset", "off sanitize-payload resetchannels -@all"},
        {">x #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
         "off sanitize-payload #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 "
         "resetchannels -@all"},
        {">x nopass", "off nopass sanitize-payload resetchannels -@all"},
        {"nopass >x <x", "off sanitize-payload resetchannels -@all"},
    };
    struct dialog dialog;
    dialog_begin(&dialog);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer text = {0};
        acl_delete_user(dialog.world->acl, SLICE_LITERAL("u"));
        acl_describe(&text, user_of(&dialog, rows[i].rules), ACL_SHOWN);
        buffer_append_char(&text, '\0');
        assert_string_equal(text.data + strlen("user u "), rows[i].text);
        buffer_free(&text);
    }
    dialog_end(&dialog);
}

/* Only who may use all commands, keys and channels by one selector is spared the checks. */
static void who_is_unrestricted(void **state)
{
    (void)state;
    static const struct {
        const char *rules;
        bool unrestricted;
    } rows[] = {
        {"+@all ~* &*", true},         {"+@all ~*", false},          {"+@all ~* &* -get", false},
        {"(+@all ~* &*)", true},       {"+@all (~* &*)", false},     {"+@all ~* &* resetkeys", false},
        {"+@all ~* &* -lpush", false}, {"+@all ~* &* reset", false},
    };
    struct dialog dialog;
    dialog_begin(&dialog);
    assert_true(acl_user_is_unrestricted(acl_default_user(dialog.world->acl)));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        acl_delete_user(dialog.world->acl, SLICE_LITERAL("u"));
        assert_int_equal(acl_user_is_unrestricted(user_of(&dialog, rows[i].rules)), rows[i].unrestricted);
    }
    dialog_end(&dialog);
}

/* The flags of a key, as the call has them, decide which patterns permit it. */
static void permissions_follow_key_flags(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"acl setuser u on nopass +@all %R~r %W~w ~rw", "+OK\r\n"},
        {"acl dryrun u get r", "+OK\r\n"},
        {"acl dryrun u set w 1", "+OK\r\n"},
        {"acl dryrun u set rw 1 get", "+OK\r\n"},
        {"acl dryrun u set w 1 get", "$47\r\nUser u has no permissions to access the 'w' key\r\n"},
        {"acl dryrun u bitfield r get u8 0", "+OK\r\n"},
        {"acl dryrun u bitfield r set u8 0 1", "$47\r\nUser u has no permissions to access the 'r' key\r\n"},
        {"acl dryrun u exists w", "+OK\r\n"},
        {"acl dryrun u exists x", "$47\r\nUser u has no permissions to access the 'x' key\r\n"},
    };
    PLAY(turns);
}

/* What is alike is counted as one for a minute, and only so much is kept. */
static void the_log_counts_what_is_alike(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    struct acl *acl = dialog.world->acl;
    for (int i = 0; i < 5; i++) {
        dialog_say(&dialog, "auth u wrong");
        dialog_say(&dialog, "auth v wrong");
    }
    assert_int_equal(acl_log_size(acl), 2);
    assert_int_equal(acl_log_at(acl, 0)->count, 5);
    assert_true(slice_equal(acl_log_at(acl, 0)->user, SLICE_LITERAL("v")));
    dialog.now_ms += 60001;
    dialog_say(&dialog, "auth u wrong");
    assert_int_equal(acl_log_size(acl), 3);
    assert_int_equal(acl_log_at(acl, 0)->count, 1);
    assert_int_equal(dialog.world->stats.auth_failures, 11);
    acl_set_settings(acl, &(struct acl_settings){.log_max = 1});
    assert_int_equal(acl_log_size(acl), 1);
    acl_set_settings(acl, &(struct acl_settings){.log_max = 0});
    dialog_say(&dialog, "auth u wrong");
    assert_int_equal(acl_log_size(acl), 0);
    dialog_end(&dialog);
}

static bool draft_add(struct acl_draft *draft, const char *line)
{
    struct buffer *words;
    struct buffer error = {0};
    int count = words_split(slice_of(line), &words);
    struct slice slices[32];
    for (int i = 0; i < count; i++)
        slices[i] = buffer_slice(&words[i]);
    bool ok = acl_draft_add(draft, count, slices, &error);
    assert_int_equal(error.size == 0, ok);
    words_free(words, count);
    buffer_free(&error);
    return ok;
}

/* Another set of users comes into force as a whole; a session of one that is gone is nobody's. Where the set
 * does not name it, the default user keeps the configured password. */
static void another_set_of_users(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    struct acl *acl = dialog.world->acl;
    acl_set_default_password(acl, SLICE_LITERAL("secret"));
    dialog_say(&dialog, "auth secret");
    dialog_say(&dialog, "acl setuser u on nopass +@all ~* &*");
    dialog_say(&dialog, "auth u x");
    struct acl_draft *draft = acl_draft_new(acl);
    assert_true(draft_add(draft, "user v on nopass +get"));
    assert_false(draft_add(draft, "user v on"));
    acl_draft_free(draft);
    assert_string_equal(dialog_say(&dialog, "ping"), "+PONG\r\n");
    draft = acl_draft_new(acl);
    assert_true(draft_add(draft, "user v on nopass +get"));
    assert_false(draft_add(draft, "v on"));
    assert_false(draft_add(draft, "user w +nosuch"));
    acl_draft_free(draft);
    draft = acl_draft_new(acl);
    assert_true(draft_add(draft, "user v on nopass +get"));
    acl_draft_apply(draft);
    assert_int_equal(acl_count(acl), 2);
    assert_null(acl_find(acl, SLICE_LITERAL("u")));
    assert_true(dialog.session->close_after_reply);
    dialog.session->close_after_reply = false;
    assert_string_equal(dialog_say(&dialog, "ping"), "-NOAUTH Authentication required.\r\n");
    assert_string_equal(dialog_say(&dialog, "auth secret"), "+OK\r\n");
    dialog_end(&dialog);
}

/* Whether a set of no users would change anything. */
static bool is_plain(struct acl *acl)
{
    struct acl_draft *draft = acl_draft_new(acl);
    bool plain = acl_draft_changes_nothing(draft);
    acl_draft_free(draft);
    return plain;
}

/* Whether users were changed decides whether a configuration has to name them. */
static void plain_users_need_no_lines(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    struct acl *acl = dialog.world->acl;
    assert_true(is_plain(acl));
    acl_set_default_password(acl, SLICE_LITERAL("secret"));
    assert_true(is_plain(acl));
    user_of(&dialog, "on");
    assert_false(is_plain(acl));
    acl_delete_user(acl, SLICE_LITERAL("u"));
    assert_true(is_plain(acl));
    dialog_say(&dialog, "auth secret");
    dialog_say(&dialog, "acl setuser default -flushall");
    assert_false(is_plain(acl));
    dialog_end(&dialog);
}

/* The three forms of a text, where they differ, and what is refused because none of them could hold it. */
static void users_as_text(void **state)
{
    (void)state;
    static const struct {
        const char *rules;
        const char *forms[3]; /* as shown, in an ACL file, in a configuration */
    } rows[] = {
        {"'~a\"b'",
         {"~a\"b resetchannels -@all", "~a\"b resetchannels -@all", "\"~a\\\"b\" resetchannels -@all"}},
        {"\"+select|0 1\"",
         {"resetchannels -@all +select|0 1", "resetchannels -@all +select|0 1",
          "resetchannels -@all \"+select|0 1\""}},
        {"'(+get ~a))'",
         {"resetchannels -@all (~a) resetchannels -@all +get)",
          "resetchannels -@all (\"~a)\" resetchannels -@all +get)",
          "resetchannels -@all \"(\\\"~a)\\\" resetchannels -@all +get)\""}},
        {"'(+select|\"0 1\" ~z)'",
         {"resetchannels -@all (~z resetchannels -@all +select|0 1)",
          "resetchannels -@all (~z resetchannels -@all \"+select|0\\x201\")",
          "resetchannels -@all \"(~z resetchannels -@all \\\"+select|0\\\\x201\\\")\""}},
    };
    struct dialog dialog;
    dialog_begin(&dialog);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        acl_delete_user(dialog.world->acl, SLICE_LITERAL("u"));
        struct acl_user *user = user_of(&dialog, rows[i].rules);
        for (int form = 0; form < 3 && rows[i].forms[form]; form++) {
            struct buffer text = {0};
            acl_describe(&text, user, (enum acl_form)form);
            buffer_append_char(&text, '\0');
            assert_string_equal(text.data + strlen("user u off sanitize-payload "), rows[i].forms[form]);
            buffer_free(&text);
        }
    }
    static const struct turn turns[] = {
        {"acl setuser u \"+select|0\\x00\"",
         "-ERR Error in ACL SETUSER modifier '+select|0\0': Syntax error\r\n"},
        {"acl setuser u \"~a\\x00\"", "-ERR Error in ACL SETUSER modifier '~a\0': Syntax error\r\n"},
    };
    for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
        assert_memory_equal(dialog_say(&dialog, turns[i].line), turns[i].reply, strlen(turns[i].reply));
    dialog_end(&dialog);
}

/* A rule that makes another one void takes all of it away, also where it has spaces in it. */
static void rules_with_spaces_go_as_a_whole(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"acl setuser u on nopass \"+select|0  +@all\" -select \"+select|a b\" -select", "+OK\r\n"},
        {"acl dryrun u select 0", "$53\r\nUser u has no permissions to run the 'select' command\r\n"},
        {"acl list", "*2\r\n$51\r\nuser default on nopass sanitize-payload ~* &* +@all\r\n"
                     "$61\r\nuser u on nopass sanitize-payload resetchannels -@all -select\r\n"},
        /* A category forgets them as well, as in redis. */
        {"acl setuser v on nopass +select|0 -@connection", "+OK\r\n"},
        {"acl dryrun v select 0", "$53\r\nUser v has no permissions to run the 'select' command\r\n"},
    };
    PLAY(turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_told_as_they_were_given),
        cmocka_unit_test(who_is_unrestricted),
        cmocka_unit_test(permissions_follow_key_flags),
        cmocka_unit_test(the_log_counts_what_is_alike),
        cmocka_unit_test(another_set_of_users),
        cmocka_unit_test(plain_users_need_no_lines),
        cmocka_unit_test(users_as_text),
        cmocka_unit_test(rules_with_spaces_go_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
