/* SORT and SORT_RO, as far as there is something to sort, and LOLWUT. Expected replies are those of Redis. */
#include "dialog.h"

#define SYNTAX  "-ERR syntax error\r\n"
#define BAD_INT "-ERR value is not an integer or out of range\r\n"

static void test_sort(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"sort missing", "*0\r\n"},
        {"sort_ro missing", "*0\r\n"},
        {"sort missing by w_* limit 0 10 get # get o_* desc alpha", "*0\r\n"},
        {"set k v", "+OK\r\n"},
        {"sort k", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"sort_ro k", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"sort k store k", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
        {"sort missing store other store k", ":0\r\n"},
        {"exists k", ":0\r\n"},
        {"sort missing store k", ":0\r\n"},
        {"sort missing store", SYNTAX},
        {"sort missing limit 1", SYNTAX},
        {"sort missing limit x 1", BAD_INT},
        {"sort missing limit 1 99999999999999999999", BAD_INT},
        {"sort missing by", SYNTAX},
        {"sort missing nonsense", SYNTAX},
        {"sort_ro missing store k", SYNTAX},
        {"command getkeys sort a store b get store alpha", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"command getkeys sort a by store get store", "*1\r\n$1\r\na\r\n"},
        {"command getkeys sort_ro a store b", "*1\r\n$1\r\na\r\n"},
    };
    PLAY(turns);
}

/* Pictures of all sizes end in the version; only the versions that take numbers mind what is none. */
static void test_lolwut(void **state)
{
    (void)state;
    static const char *const lines[] = {"lolwut",
                                        "lolwut version 5 10 3 3",
                                        "lolwut version 6 1 1",
                                        "lolwut version 99 x",
                                        "lolwut x y",
                                        "lolwut 0 -5",
                                        "lolwut version 6 9223372036854775807 2",
                                        "lolwut version"};
    struct dialog dialog;
    dialog_begin(&dialog);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_non_null(strstr(dialog_say(&dialog, lines[i]), "Redis ver. 7.2.4\n\r\n"));
    assert_string_equal(dialog_say(&dialog, "lolwut version x"), BAD_INT);
    assert_string_equal(dialog_say(&dialog, "lolwut version 5 x"), BAD_INT);
    assert_string_equal(dialog_say(&dialog, "lolwut version 6 1 x"), BAD_INT);
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sort), cmocka_unit_test(test_lolwut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
