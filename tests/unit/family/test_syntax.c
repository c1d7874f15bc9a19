/* The lines that say what arguments commands have: each sign, and what COMMAND DOCS makes of it. */
#include "dialog.h"

#include "family/syntax.h"

static void check(const char *line, const char *expected)
{
    struct dialog dialog;
    dialog_begin(&dialog);
    struct reply reply = {.output = &dialog.output, .protocol = 3};
    reply_syntax(&reply, line);
    dialog_collect(&dialog);
    /* Without sizes, so that it can be read. */
    struct buffer text = {0};
    for (char *at = dialog.reply.data; *at; at = strstr(at, "\r\n") + 2) {
        if (*at == '$')
            continue;
        if (text.size > 0)
            buffer_append_char(&text, ' ');
        buffer_append(&text, at, strcspn(at, "\r"));
    }
    buffer_append_char(&text, '\0');
    assert_string_equal(text.data, expected);
    buffer_free(&text);
    dialog_end(&dialog);
}

static void test_signs(void **state)
{
    (void)state;
    check("name", "*1 %3 name name type string display_text name");
    check("key#key0", "*1 %4 name key type key display_text key key_spec_index :0");
    check("a-b:c/d#integer", "*1 %3 name a-b:c/d type integer display_text a-b:c/d");
    check("TOKEN", "*1 %4 name token type pure-token display_text token token TOKEN");
    check("TOKEN=other#token", "*1 %4 name other type pure-token display_text other token TOKEN");
    check("BY=pattern#pattern1",
          "*1 %5 name pattern type pattern display_text pattern key_spec_index :1 token BY");
    check("[a]", "*1 %4 name a type string display_text a flags ~1 +optional");
    check("[G=a+]",
          "*1 %5 name a type string display_text a token G flags ~3 +optional +multiple +multiple_token");
    check("a*~6.2.0!7.0.0", "*1 %6 name a type string display_text a since 6.2.0 deprecated_since 7.0.0 "
                            "flags ~1 +multiple");
}

static void test_groups(void **state)
{
    (void)state;
    check("a b", "*2 %3 name a type string display_text a %3 name b type string display_text b");
    check("g(a b)*",
          "*1 %4 name g type block flags ~1 +multiple arguments *2 %3 name a type string display_text a "
          "%3 name b type string display_text b");
    check("[g(X|Y=b)~1.0.0]",
          "*1 %5 name g type oneof since 1.0.0 flags ~1 +optional arguments *2 %4 name x type pure-token "
          "display_text x token X %4 name b type string display_text b token Y");
    check("g(a|)", "*1 %3 name g type oneof arguments *1 %3 name a type string display_text a");
    check(
        "g(a [h(b [i(c|d)])])",
        "*1 %3 name g type block arguments *2 %3 name a type string display_text a %4 name h type block "
        "flags ~1 "
        "+optional arguments *2 %3 name b type string display_text b %4 name i type oneof flags ~1 +optional "
        "arguments *2 %3 name c type string display_text c %3 name d type string display_text d");
}

/* Every line of the table is one. */
static void test_all_lines(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    assert_non_null(strstr(dialog_say(&dialog, "command docs"), "key_spec_index"));
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signs),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_all_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
