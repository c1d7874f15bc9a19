/* COMMAND and its subcommands. Expected replies are those of Redis. */
#include "dialog.h"

/* COMMAND INFO in both protocols. */
static void test_command_info(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"command info get",
         "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n+@read\r\n+@"
         "string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n$12\r\nbegin_"
         "search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_"
         "keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n$"
         "7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n"},
        {"@3", ""},
        {"command info get",
         "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n~3\r\n+@read\r\n+@"
         "string\r\n+@fast\r\n~0\r\n~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n+access\r\n$12\r\nbegin_"
         "search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_"
         "keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$"
         "7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n"},
        {"command info setex nosuch",
         "*2\r\n*10\r\n$5\r\nsetex\r\n:4\r\n~2\r\n+write\r\n+denyoom\r\n:1\r\n:1\r\n:1\r\n~3\r\n+@write\r\n+@"
         "string\r\n+@slow\r\n~0\r\n~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+OW\r\n+update\r\n$12\r\nbegin_"
         "search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_"
         "keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$"
         "7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n_\r\n"},
        {"command info mset",
         "*1\r\n*10\r\n$4\r\nmset\r\n:-3\r\n~2\r\n+write\r\n+denyoom\r\n:1\r\n:-1\r\n:2\r\n~3\r\n+@write\r\n+"
         "@string\r\n+@slow\r\n~2\r\n$26\r\nrequest_policy:multi_shard\r\n$29\r\nresponse_policy:all_"
         "succeeded\r\n~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+OW\r\n+update\r\n$12\r\nbegin_search\r\n%2\r\n$"
         "4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n%2\r\n$"
         "4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:-1\r\n$7\r\nkeystep\r\n:2\r\n$"
         "5\r\nlimit\r\n:0\r\n~0\r\n"},
        {"command info dbsize", "*1\r\n*10\r\n$6\r\ndbsize\r\n:1\r\n~2\r\n+readonly\r\n+fast\r\n:0\r\n:0\r\n:"
                                "0\r\n~3\r\n+@keyspace\r\n+@read\r\n+@fast\r\n~2\r\n$25\r\nrequest_policy:"
                                "all_shards\r\n$23\r\nresponse_policy:agg_sum\r\n~0\r\n~0\r\n"},
        {"command info rename",
         "*1\r\n*10\r\n$6\r\nrename\r\n:3\r\n~1\r\n+write\r\n:1\r\n:2\r\n:1\r\n~3\r\n+@keyspace\r\n+@"
         "write\r\n+@slow\r\n~0\r\n~2\r\n%3\r\n$5\r\nflags\r\n~3\r\n+RW\r\n+access\r\n+delete\r\n$"
         "12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:1\r\n$"
         "9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$"
         "7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n%3\r\n$5\r\nflags\r\n~2\r\n+OW\r\n+update\r\n$"
         "12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:2\r\n$"
         "9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$"
         "7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n"},
        {"command info memory|usage",
         "*1\r\n*10\r\n$12\r\nmemory|usage\r\n:-3\r\n~1\r\n+readonly\r\n:2\r\n:2\r\n:1\r\n~2\r\n+@read\r\n+@"
         "slow\r\n~0\r\n~1\r\n%3\r\n$5\r\nflags\r\n~1\r\n+RO\r\n$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$"
         "5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:2\r\n$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$"
         "5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:"
         "0\r\n~0\r\n"},
        {"command info OBJECT|FREQ",
         "*1\r\n*10\r\n$11\r\nobject|freq\r\n:3\r\n~1\r\n+readonly\r\n:2\r\n:2\r\n:1\r\n~3\r\n+@keyspace\r\n+"
         "@read\r\n+@slow\r\n~1\r\n$23\r\nnondeterministic_output\r\n~1\r\n%3\r\n$5\r\nflags\r\n~1\r\n+"
         "RO\r\n$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$"
         "5\r\nindex\r\n:2\r\n$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$"
         "7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n"},
        {"command info object|nosuch", "*1\r\n_\r\n"},
        {"@2", ""},
        {"command info nosuch", "*1\r\n$-1\r\n"},
        {"command count foo", "-ERR wrong number of arguments for 'command|count' command\r\n"},
        {"command foo", "-ERR unknown subcommand 'foo'. Try COMMAND HELP.\r\n"},
    };
    PLAY(turns);
}

/* COMMAND GETKEYS and GETKEYSANDFLAGS. */
static void test_getkeys(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"command getkeys get k", "*1\r\n$1\r\nk\r\n"},
        {"command getkeys mset a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"command getkeys mset a 1 b", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"command getkeys del a b c", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
        {"command getkeys rename a b", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"command getkeys copy a b replace", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"command getkeys memory usage k", "*1\r\n$1\r\nk\r\n"},
        {"command getkeys object freq k", "*1\r\n$1\r\nk\r\n"},
        {"command getkeys object nosuch k", "-ERR Invalid command specified\r\n"},
        {"command getkeys object k", "-ERR Invalid command specified\r\n"},
        {"command getkeys nosuch k", "-ERR Invalid command specified\r\n"},
        {"command getkeys memory stats", "-ERR The command has no key arguments\r\n"},
        {"command getkeys dbsize foo", "-ERR The command has no key arguments\r\n"},
        {"command getkeys get k k", "-ERR Invalid number of arguments specified for command\r\n"},
        {"command getkeysandflags get k", "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+RO\r\n+access\r\n"},
        {"command getkeysandflags set k v", "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+OW\r\n+update\r\n"},
        {"command getkeysandflags set k v get", "*1\r\n*2\r\n$1\r\nk\r\n*3\r\n+RW\r\n+access\r\n+update\r\n"},
        {"command getkeysandflags set k get", "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+OW\r\n+update\r\n"},
        {"command getkeysandflags set k v ex 10 GET",
         "*1\r\n*2\r\n$1\r\nk\r\n*3\r\n+RW\r\n+access\r\n+update\r\n"},
        {"command getkeysandflags copy a b",
         "*2\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n*2\r\n$1\r\nb\r\n*2\r\n+OW\r\n+update\r\n"},
        {"command getkeysandflags lcs a b",
         "*2\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n*2\r\n$1\r\nb\r\n*2\r\n+RO\r\n+access\r\n"},
        {"command getkeysandflags unlink a b",
         "*2\r\n*2\r\n$1\r\na\r\n*2\r\n+RM\r\n+delete\r\n*2\r\n$1\r\nb\r\n*2\r\n+RM\r\n+delete\r\n"},
        {"@3", ""},
        {"command getkeysandflags rename a b", "*2\r\n*2\r\n$1\r\na\r\n~3\r\n+RW\r\n+access\r\n+delete\r\n*"
                                               "2\r\n$1\r\nb\r\n~2\r\n+OW\r\n+update\r\n"},
    };
    PLAY(turns);
}

/* COMMAND LIST and its filters. */
static void test_list(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"command list filterby module m", "*0\r\n"},
        {"command list filterby aclcat nosuch", "*0\r\n"},
        {"command list filterby pattern pexpireti*", "*1\r\n$11\r\npexpiretime\r\n"},
        {"command list filterby pattern PEXPIRETI*", "*1\r\n$11\r\npexpiretime\r\n"},
        {"command list filterby pattern memory|us*", "*1\r\n$12\r\nmemory|usage\r\n"},
        {"command list filterby", "-ERR syntax error\r\n"},
        {"command list filterby foo bar", "-ERR syntax error\r\n"},
        {"command list foo aclcat string", "-ERR syntax error\r\n"},
        {"command list filterby pattern a b", "-ERR syntax error\r\n"},
        {"command docs nosuch", "*0\r\n"},
        {"@3", ""},
        {"command docs nosuch", "%0\r\n"},
    };
    PLAY(turns);
}

/* COMMAND, COMMAND INFO and COMMAND DOCS without names tell of as many commands as COMMAND COUNT counts. */
static void test_all_commands(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog.session->protocol = 3;
    long count = atol(dialog_say(&dialog, "command count") + 1);
    assert_int_equal(count, command_table_count(dialog.world->commands));
    assert_int_equal(atol(dialog_say(&dialog, "command") + 1), count);
    assert_int_equal(atol(dialog_say(&dialog, "command info") + 1), count);
    const char *docs = dialog_say(&dialog, "command docs");
    assert_int_equal(docs[0], '%');
    assert_int_equal(atol(docs + 1), count);
    dialog_end(&dialog);
}

/* COMMAND DOCS tells summary, since, group and complexity, and those of subcommands. */
static void test_docs(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    const char *docs = dialog_say(&dialog, "command docs get nosuch");
    assert_ptr_equal(strstr(docs, "*2\r\n$3\r\nget\r\n*10\r\n$7\r\nsummary\r\n"), docs);
    assert_non_null(
        strstr(docs, "$5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n$10\r\ncomplexity\r\n"));
    docs = dialog_say(&dialog, "command docs object");
    assert_non_null(strstr(docs, "$11\r\nsubcommands\r\n*10\r\n"));
    assert_non_null(strstr(docs, "$11\r\nobject|freq\r\n*10\r\n"));
    dialog_end(&dialog);
}

static void count_lines(void *context, const char *reply)
{
    int *count = context;
    *count = atoi(reply + 1);
}

/* ACL categories follow from flags and rows: each command is fast or slow, never both. */
static void test_categories(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    int all;
    int fast;
    int slow;
    count_lines(&all, dialog_say(&dialog, "command list"));
    count_lines(&fast, dialog_say(&dialog, "command list filterby aclcat fast"));
    count_lines(&slow, dialog_say(&dialog, "command list filterby aclcat SLOW"));
    assert_true(fast > 0 && slow > 0);
    assert_int_equal(fast + slow, all);
    assert_non_null(
        strstr(dialog_say(&dialog, "command list filterby aclcat string"), "\r\nincrbyfloat\r\n"));
    assert_null(strstr(dialog_say(&dialog, "command list filterby aclcat string"), "\r\ndel\r\n"));
    assert_non_null(
        strstr(dialog_say(&dialog, "command list filterby aclcat dangerous"), "\r\nflushall\r\n"));
    dialog_end(&dialog);
}

static void check_entry(const struct command_entry *entry)
{
    const struct command *command = entry->row;
    assert_int_not_equal(command->arity, 0);
    assert_non_null(command->group);
    assert_non_null(command->since);
    assert_non_null(command->complexity);
    assert_non_null(command->summary);
    assert_true(command->function || command->subcommand_count > 0);
    assert_false((command->flags & CMD_WRITE) && (command->flags & CMD_READONLY));
    for (int i = 0; i < KEY_SPECS_MAX && command->keys[i].flags != 0; i++) {
        const struct key_spec *spec = &command->keys[i];
        assert_true(spec->flags & (KEY_RO | KEY_RW | KEY_OW | KEY_RM | KEY_NOT_KEY));
        /* A command that only reads says so of its keys, so that nobody waits for it who need not. */
        bool may_write = command->flags & (CMD_WRITE | CMD_MAY_REPLICATE);
        assert_false((command->flags & CMD_READONLY) && !may_write && !(spec->flags & KEY_RO));
    }
}

/* Rows as Redis has them, of commands that are not there yet: every way to find keys. */
static const struct command own_rows[] = {
    {.name = "own-zunionstore",
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
     .keys = {KEY_AT(1, KEY_OW | KEY_UPDATE), KEYS_COUNTED(2, KEY_RO | KEY_ACCESS)}},
    {.name = "own-xread",
     .arity = -4,
     .flags = CMD_READONLY | CMD_BLOCKING | CMD_MOVABLEKEYS,
     .keys = {{.begin = KEY_BEGIN_KEYWORD,
               .keyword = "STREAMS",
               .index = 1,
               .last = -1,
               .step = 1,
               .limit = 2,
               .flags = KEY_RO | KEY_ACCESS}}},
    {.name = "own-eval",
     .arity = -3,
     .flags = CMD_NOSCRIPT | CMD_NO_MANDATORY_KEYS | CMD_MOVABLEKEYS,
     .keys = {KEYS_COUNTED(2, KEY_RW | KEY_ACCESS | KEY_UPDATE)}},
};

/* What is expected was told by redis-server 7.0 of the commands of these names. */
static void test_ways_to_find_keys(void **state)
{
    (void)state;
#define NOT_VALID "-ERR Invalid arguments specified for command\r\n"
    static const struct turn turns[] = {
        {"command getkeys own-zunionstore d 2 a b weights 1 2", "*3\r\n$1\r\nd\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"command getkeysandflags own-zunionstore d 1 a",
         "*2\r\n*2\r\n$1\r\nd\r\n*2\r\n+OW\r\n+update\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n"},
        {"command getkeys own-zunionstore d 5 a b", NOT_VALID},
        {"command getkeys own-zunionstore d 2 a", NOT_VALID},
        {"command getkeys own-zunionstore d x a b", NOT_VALID},
        {"command getkeys own-zunionstore d 0 a b", NOT_VALID},
        {"command getkeys own-zunionstore d -1 a", NOT_VALID},
        {"command getkeys own-zunionstore d 9223372036854775807 a", NOT_VALID},
        {"command getkeys own-xread count 5 streams a b 1 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"command getkeys own-xread STREAMS a b c 1 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"command getkeys own-xread streams streams 0", "*1\r\n$7\r\nstreams\r\n"},
        {"command getkeys own-xread block 1 count 5 a b 1", NOT_VALID},
        {"command getkeys own-eval x 2 a b c", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"command getkeys own-eval x 0", "*0\r\n"},
        {"command getkeys own-eval x 9 a", "*0\r\n"},
        {"command getkeys spublish c m", "-ERR The command has no key arguments\r\n"},
    };
    struct dialog dialog;
    dialog_begin(&dialog);
    command_table_add(dialog.world->commands, own_rows, sizeof(own_rows) / sizeof(own_rows[0]));
    for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
        dialog_turn(&dialog, &turns[i]);
    dialog_end(&dialog);
}

static void test_ways_to_find_keys_are_told(void **state)
{
    (void)state;
#define RANGE_OF_ONE                                                                               \
    "find_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$" \
    "7\r\nkeystep\r\n"                                                                             \
    ":1\r\n$5\r\nlimit\r\n:0\r\n"
#define AT(index)                                                                                          \
    "$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:" index \
    "\r\n$9\r\n"
#define COUNT_FIRST                                                                                   \
    "find_keys\r\n%2\r\n$4\r\ntype\r\n$6\r\nkeynum\r\n$4\r\nspec\r\n%3\r\n$9\r\nkeynumidx\r\n:0\r\n$" \
    "8\r\nfirstkey\r\n"                                                                               \
    ":1\r\n$7\r\nkeystep\r\n:1\r\n"
    static const struct {
        const char *line;
        const char *range;
        const char *specifications;
    } rows[] = {
        {"command info own-zunionstore", "\r\n:1\r\n:1\r\n:1\r\n",
         "~2\r\n%3\r\n$5\r\nflags\r\n~2\r\n+OW\r\n+update\r\n" AT("1") RANGE_OF_ONE
         "%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n+access\r\n" AT("2") COUNT_FIRST},
        {"command info own-eval", "\r\n:0\r\n:0\r\n:0\r\n",
         "~1\r\n%3\r\n$5\r\nflags\r\n~3\r\n+RW\r\n+access\r\n+update\r\n" AT("2") COUNT_FIRST},
        {"command info own-xread", "\r\n:0\r\n:0\r\n:0\r\n",
         "begin_search\r\n%2\r\n$4\r\ntype\r\n$7\r\nkeyword\r\n$4\r\nspec\r\n%2\r\n$7\r\nkeyword\r\n$"
         "7\r\nSTREAMS\r\n$9\r\n"
         "startfrom\r\n:1\r\n$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$"
         "7\r\nlastkey\r\n:-1\r\n"
         "$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:2\r\n"},
    };
    struct dialog dialog;
    dialog_begin(&dialog);
    command_table_add(dialog.world->commands, own_rows, sizeof(own_rows) / sizeof(own_rows[0]));
    dialog.session->protocol = 3;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *reply = dialog_say(&dialog, rows[i].line);
        if (!strstr(reply, rows[i].range) || !strstr(reply, rows[i].specifications))
            fail_msg("%s: %s", rows[i].line, reply);
    }
    dialog_end(&dialog);
}

/* Every row of every family is complete and agrees with itself. */
static void test_rows(void **state)
{
    (void)state;
    struct command_table *table = command_table_new();
    command_families_add(table);
    family_add_all(table);
    for (size_t i = 0; i < command_table_count(table); i++) {
        const struct command_entry *entry = command_table_at(table, i);
        check_entry(entry);
        assert_ptr_equal(command_table_find(table, slice_of(entry->full_name)), entry);
        for (size_t j = 0; j < entry->row->subcommand_count; j++) {
            check_entry(&entry->children[j]);
            assert_ptr_equal(command_table_lookup(table, slice_of(entry->children[j].full_name)),
                             &entry->children[j]);
        }
    }
    command_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_info),
        cmocka_unit_test(test_getkeys),
        cmocka_unit_test(test_ways_to_find_keys),
        cmocka_unit_test(test_ways_to_find_keys_are_told),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_all_commands),
        cmocka_unit_test(test_docs),
        cmocka_unit_test(test_categories),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
