/* CONFIG as clients see it. Replies and texts of errors are those of redis-server. */
#include "../family/dialog.h"
#include "server/server.h"

/* Plays turns against a fresh configuration. */
static void play(const struct turn *turns, size_t count)
{
    struct dialog dialog;
    dialog_begin(&dialog);
    struct config *config = config_new();
    dialog.world->owner = &(struct server){.config = config};
    config_commands_add(dialog.world->commands);
    for (size_t i = 0; i < count; i++)
        dialog_turn(&dialog, &turns[i]);
    config_free(config);
    dialog_end(&dialog);
}

#define PLAY_CONFIG(TURNS) play(TURNS, sizeof(TURNS) / sizeof((TURNS)[0]))

/* Patterns, several of them, aliases; each name once, and in the letters it was asked for; a map in RESP3. */
static void test_get(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"config get port", "*2\r\n$4\r\nport\r\n$4\r\n6379\r\n"},
        {"config get PORT", "*2\r\n$4\r\nPORT\r\n$4\r\n6379\r\n"},
        {"config get p[a-o]rt", "*2\r\n$4\r\nport\r\n$4\r\n6379\r\n"},
        {"config get P?RT port timeout", "*4\r\n$4\r\nport\r\n$4\r\n6379\r\n$7\r\ntimeout\r\n$1\r\n0\r\n"},
        {"config get *-priority",
         "*4\r\n$16\r\nreplica-priority\r\n$3\r\n100\r\n$14\r\nslave-priority\r\n$3\r\n100\r\n"},
        {"config get slave-priority", "*2\r\n$14\r\nslave-priority\r\n$3\r\n100\r\n"},
        {"config get nothing", "*0\r\n"},
        {"config get save bind",
         "*4\r\n$4\r\nsave\r\n$23\r\n3600 1 300 100 60 10000\r\n$4\r\nbind\r\n$14\r\n127.0.0.1 -::1\r\n"},
        {"@3", NULL},
        {"config get port", "%1\r\n$4\r\nport\r\n$4\r\n6379\r\n"},
        {"config get nothing", "%0\r\n"},
    };
    PLAY_CONFIG(turns);
}

/* One, several, none. */
static void test_set(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"config set timeout 5 maxmemory 1mb", "+OK\r\n"},
        {"config get timeout maxmemory",
         "*4\r\n$7\r\ntimeout\r\n$1\r\n5\r\n$9\r\nmaxmemory\r\n$7\r\n1048576\r\n"},
        {"config set timeout 6 port", "-ERR syntax error\r\n"},
        {"config set timeout 6 foo 1",
         "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'\r\n"},
        {"config set timeout 6 maxmemory x",
         "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory "
         "value\r\n"},
        {"config get timeout", "*2\r\n$7\r\ntimeout\r\n$1\r\n5\r\n"},
        {"config set save '60 1'", "+OK\r\n"},
        {"config set save ''", "+OK\r\n"},
        {"config get save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"},
    };
    PLAY_CONFIG(turns);
}

/* Arity, subcommands, and what needs more than there is. */
static void test_errors(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"config", "-ERR wrong number of arguments for 'config' command\r\n"},
        {"config get", "-ERR wrong number of arguments for 'config|get' command\r\n"},
        {"config set port", "-ERR wrong number of arguments for 'config|set' command\r\n"},
        {"config foo", "-ERR unknown subcommand 'foo'. Try CONFIG HELP.\r\n"},
        {"config rewrite x", "-ERR wrong number of arguments for 'config|rewrite' command\r\n"},
        {"config rewrite", "-ERR The server is running without a config file\r\n"},
    };
    PLAY_CONFIG(turns);
}

static void count_reset(void *context)
{
    ++*(int *)context;
}

/* RESETSTAT zeroes the figures of commands, and tells the hook, which zeroes the rest. */
static void test_resetstat(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    struct config *config = config_new();
    int resets = 0;
    const struct config_hooks hooks = {.context = &resets, .reset_stats = count_reset};
    config_set_hooks(config, &hooks);
    dialog.world->owner = &(struct server){.config = config};
    config_commands_add(dialog.world->commands);
    dialog_say(&dialog, "config get port");
    struct command_entry *entry = command_table_lookup(dialog.world->commands, SLICE_LITERAL("config|get"));
    assert_int_equal(entry->stats.calls, 1);
    assert_string_equal(dialog_say(&dialog, "config resetstat"), "+OK\r\n");
    assert_int_equal(entry->stats.calls, 0);
    assert_int_equal(resets, 1);
    config_free(config);
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_resetstat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
