/* Which commands fail the watchers of a key: those that change it, by whatever way, and only those. */
#include "command/watch.h"
#include "dialog.h"

/* Sets the stage, watches, says one line, and tells whether a transaction then still goes through. */
struct watch_row {
    const char *watched;
    const char *line;
    bool fails;
};

static void say_setup(struct dialog *dialog)
{
    static const char *const lines[] = {"flushall",          "select 1", "set other 1",
                                        "set both 1",        "select 0", "mset k 1 s word both 1",
                                        "set t 1 px 1000000"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        dialog_say(dialog, lines[i]);
}

static void check_watches(const struct watch_row *rows, size_t count)
{
    struct dialog dialog;
    dialog_begin(&dialog);
    for (size_t i = 0; i < count; i++) {
        char line[64];
        say_setup(&dialog);
        snprintf(line, sizeof(line), "watch %s", rows[i].watched);
        dialog_say(&dialog, line);
        dialog_say(&dialog, rows[i].line);
        dialog_say(&dialog, "multi");
        const char *reply = dialog_say(&dialog, "exec");
        if (strcmp(reply, rows[i].fails ? "*-1\r\n" : "*0\r\n") != 0)
            fail_msg("%s should %sfail who watches %s: %s", rows[i].line, rows[i].fails ? "" : "not ",
                     rows[i].watched, reply);
    }
    dialog_end(&dialog);
}

#define CHECK_WATCHES(rows) check_watches(rows, sizeof(rows) / sizeof((rows)[0]))

/* Every way to change, create or delete a key. */
static void test_changes(void **state)
{
    (void)state;
    static const struct watch_row rows[] = {
        {"k", "set k 2", true},
        {"k", "set k 1", true},
        {"k", "set k 2 xx", true},
        {"k", "set k 2 ifeq 1 get", true},
        {"k", "getset k 2", true},
        {"k", "setex k 10 2", true},
        {"k", "psetex k 10 2", true},
        {"new", "setnx new 1", true},
        {"new", "set new 1", true},
        {"k", "mset s 1 k 2", true},
        {"new", "msetnx new2 1 new 2", true},
        {"k", "append k 1", true},
        {"new", "append new 1", true},
        {"k", "setrange k 1 x", true},
        {"new", "setrange new 1 x", true},
        {"k", "incr k", true},
        {"k", "decrby k 5", true},
        {"k", "incrbyfloat k 1", true},
        {"k", "getdel k", true},
        {"k", "getex k ex 10", true},
        {"k", "getex k exat 1", true},
        {"t", "getex t persist", true},
        {"k", "delifeq k 1", true},
        {"k", "del s k", true},
        {"k", "unlink k", true},
        {"k", "expire k 10", true},
        {"k", "expire k -1", true},
        {"t", "persist t", true},
        {"k", "rename k new", true},
        {"new", "rename k new", true},
        {"s", "rename k s", true},
        {"new", "renamenx k new", true},
        {"new", "copy k new", true},
        {"s", "copy k s replace", true},
        {"k", "move k 1", true},
        {"k", "flushdb", true},
        {"k", "flushall", true},
        {"k", "swapdb 0 1", true},
        {"other", "swapdb 0 1", true},
        {"both", "swapdb 1 0", true},
    };
    CHECK_WATCHES(rows);
}

/* Reading, refusing, and changing other keys. */
static void test_no_changes(void **state)
{
    (void)state;
    static const struct watch_row rows[] = {
        {"k", "get k", false},          {"k", "getex k", false},           {"k", "getex k persist", false},
        {"k", "set k 2 nx", false},     {"k", "set k 2 ifeq 5", false},    {"new", "set new 2 xx", false},
        {"k", "setnx k 2", false},      {"k", "msetnx new 1 k 2", false},  {"new", "msetnx new 1 k 2", false},
        {"s", "incr s", false},         {"k", "setrange k 0 \"\"", false}, {"k", "delifeq k 2", false},
        {"new", "del new", false},      {"new", "expire new 10", false},   {"k", "expire k 10 xx", false},
        {"k", "persist k", false},      {"k", "rename k k", false},        {"k", "renamenx k s", false},
        {"s", "renamenx k s", false},   {"s", "copy k s", false},          {"k", "copy k s replace", false},
        {"both", "move both 1", false}, {"new", "flushall", false},        {"new", "swapdb 0 1", false},
        {"k", "swapdb 2 3", false},     {"k", "touch k", false},           {"k", "set s 2", false},
        {"k", "copy k k db 1", false},
    };
    CHECK_WATCHES(rows);
}

/* A WATCH of so many keys as are in the words. */
static const char *watch_many(struct dialog *dialog, int count, char (*keys)[16])
{
    struct slice *argv = mem_alloc(((size_t)count + 1) * sizeof(*argv));
    argv[0] = SLICE_LITERAL("watch");
    for (int i = 0; i < count; i++) {
        snprintf(keys[i], sizeof(keys[i]), "key%d", i);
        argv[i + 1] = slice_of(keys[i]);
    }
    const char *reply = dialog_run(dialog, count + 1, argv);
    mem_free(argv);
    return reply;
}

/* Very many watched keys: each is watched once and found, and it takes no longer for each than for few (with
 * a look at every one before, this takes a minute). */
static void test_many(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    struct dialog dialog;
    char(*keys)[16] = mem_alloc(COUNT * sizeof(*keys));
    dialog_begin(&dialog);
    for (int round = 0; round < 4; round++) {
        char line[64];
        assert_string_equal(watch_many(&dialog, COUNT, keys), "+OK\r\n");
        size_t bytes = dialog.session->watch_bytes;
        assert_string_equal(watch_many(&dialog, COUNT, keys), "+OK\r\n");
        assert_int_equal(dialog.session->watch_bytes, bytes);
        assert_int_equal(watch_table_count(dialog.world->watches), COUNT);
        dialog_say(&dialog, "set other 1");
        if (round > 0) {
            snprintf(line, sizeof(line), "set key%d 1", round * (COUNT / 3) - 1);
            dialog_say(&dialog, line);
        }
        dialog_say(&dialog, "multi");
        assert_string_equal(dialog_say(&dialog, "exec"), round > 0 ? "*-1\r\n" : "*0\r\n");
        assert_int_equal(watch_table_count(dialog.world->watches), 0);
    }
    mem_free(keys);
    dialog_end(&dialog);
}

/* Sessions that watch the same key are all failed by its change, each but once. */
static void test_same_key(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    struct session *first = dialog.session;
    struct session *second = session_new(dialog.world, &dialog.output, NULL);
    dialog_say(&dialog, "watch k");
    dialog.session = second;
    dialog_say(&dialog, "watch k k");
    assert_int_equal(watch_table_count(dialog.world->watches), 2);
    dialog_say(&dialog, "set k 1");
    assert_true(first->watch_failed && second->watch_failed);
    session_free(second);
    dialog.session = first;
    dialog_end(&dialog);
}

/* A WATCH that is too large watches none of its keys. */
static void test_too_large(void **state)
{
    (void)state;
    struct dialog dialog;
    char keys[100][16];
    dialog_begin(&dialog);
    dialog.world->settings.query_max = 2000;
    dialog_say(&dialog, "watch a");
    assert_string_equal(watch_many(&dialog, 100, keys),
                        "-ERR watched keys are larger than client-query-buffer-limit\r\n");
    assert_int_equal(watch_table_count(dialog.world->watches), 1);
    dialog_say(&dialog, "set key0 1");
    dialog_say(&dialog, "multi");
    assert_string_equal(dialog_say(&dialog, "exec"), "*0\r\n");
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),  cmocka_unit_test(test_no_changes), cmocka_unit_test(test_many),
        cmocka_unit_test(test_same_key), cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
