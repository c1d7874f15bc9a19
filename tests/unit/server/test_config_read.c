/* Reading directives: syntax, errors with their places, files that include files, the command line. */
#include "config_test.h"

/* Comments, blank lines, quoting, letters of any case, line ends of any kind; the last line counts. And
 * values of each kind, in their fields and as CONFIG GET shows them. */
static void reads_values_of_each_kind(void **state)
{
    (void)state;
    struct config *config =
        config_of("# comment\n\n \t \n  port 7000\r\nPORT 7001\nrequirepass \"a \\x41\\n\\\"\"\n"
                  "logfile 'it\\'s'\nunixsocket \"\"\nappendfsync EverySec\nappendonly NO\n"
                  "bind 10.0.0.1   -::1\nunixsocketperm 770\nproto-max-bulk-len 2MB\n"
                  "latency-tracking-info-percentiles 50 99.90\nmaxmemory-clients 5%\n"
                  "shutdown-on-sigterm nosave now\nnotify-keyspace-events KEA\n"
                  "oom-score-adj-values -1 2 3\nreplicaof 10.0.0.9 7000\nhz 1000\n"
                  "dir '/x y/'");
    assert_int_equal(config->port, 7001);
    assert_true(slice_equal(config->requirepass, SLICE_LITERAL("a A\n\"")));
    assert_string_equal(config->logfile, "it's");
    assert_string_equal(config->unixsocket, "");
    assert_int_equal(config->appendfsync, SYNC_EVERYSEC);
    assert_false(config->appendonly);
    assert_int_equal(config->bind.count, 2);
    assert_string_equal(config->bind.items[0], "10.0.0.1");
    assert_int_equal(config->unixsocketperm, 0770);
    assert_int_equal(config->proto_max_bulk_len, 2 << 20);
    assert_value(config, "unixsocketperm", "770");
    assert_value(config, "latency-tracking-info-percentiles", "50 99.9");
    assert_value(config, "maxmemory-clients", "5%");
    assert_value(config, "shutdown-on-sigterm", "nosave now");
    assert_value(config, "notify-keyspace-events", "AKE");
    assert_value(config, "oom-score-adj-values", "-1 2 3");
    assert_value(config, "slaveof", "10.0.0.9 7000");
    assert_value(config, "hz", "500");
    assert_value(config, "dir", "/x y/");
    config_free(config);
}

/* The lines of save add up, "" forgets those before; a line of output limits sets its classes only. */
static void adds_up(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *save;
    } cases[] = {
        {"save 60 1000", "60 1000"},
        {"save 60 1000\nsave 10 2 5 1", "60 1000 10 2 5 1"},
        {"save \"\"", ""},
        {"save 60 1000\nsave \"\"\nsave 1 1", "1 1"},
        {"save", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *config = config_of(cases[i].text);
        assert_value(config, "save", cases[i].save);
        config_free(config);
    }
    struct config *config = config_of("client-output-buffer-limit normal 1 2 3\n"
                                      "client-output-buffer-limit pubsub 4kb 5 6 replica 1 1 1");
    assert_value(config, "client-output-buffer-limit", "normal 1 2 3 slave 1 1 1 pubsub 4096 5 6");
    assert_int_equal(config->output_limits[OUTPUT_NORMAL].soft_bytes, 2);
    assert_int_equal(config->output_limits[OUTPUT_PUBSUB].hard_bytes, 4096);
    config_free(config);
}

/* Each mistake gives one line with the file, the line's number, the words and the reason. */
static void errors_name_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"port 1\n# c\n\nprt 12\n", "test.conf:4: 'prt': unknown directive; did you mean 'port'?"},
        {"quux 1", "test.conf:1: 'quux': unknown directive"},
        {"port abc", "test.conf:1: 'port abc': argument couldn't be parsed into an integer"},
        {"port 70000", "test.conf:1: 'port 70000': argument must be between 0 and 65535 inclusive"},
        {"port", "test.conf:1: 'port': wrong number of arguments"},
        {"port 1 2", "test.conf:1: 'port 1 2': wrong number of arguments"},
        {"port 1 # c", "test.conf:1: 'port 1 # c': wrong number of arguments"},
        {"port +1", "test.conf:1: 'port +1': argument couldn't be parsed into an integer"},
        {"maxmemory 1xb", "test.conf:1: 'maxmemory 1xb': argument must be a memory value"},
        {"maxmemory -12", "test.conf:1: 'maxmemory -12': argument must be a memory value"},
        {"appendonly maybe", "test.conf:1: 'appendonly maybe': argument must be 'yes' or 'no'"},
        {"appendfsync maybe",
         "test.conf:1: 'appendfsync maybe': argument(s) must be one of the following: everysec, always, no"},
        {"appendfsync \"always", "test.conf:1: 'appendfsync': unbalanced quotes"},
        {"port \"1\"2", "test.conf:1: 'port': unbalanced quotes"},
        {"save 60", "test.conf:1: 'save 60': Invalid save parameters"},
        {"save 0 1", "test.conf:1: 'save 0 1': Invalid save parameters"},
        {"save 60 x", "test.conf:1: 'save 60 x': Invalid save parameters"},
        {"unixsocketperm 999",
         "test.conf:1: 'unixsocketperm 999': argument couldn't be parsed as an octal number"},
        {"unixsocketperm 1000",
         "test.conf:1: 'unixsocketperm 1000': argument must be between 0 and 777 inclusive"},
        {"client-output-buffer-limit normal 1 2",
         "test.conf:1: 'client-output-buffer-limit normal 1 2': Wrong number of arguments in buffer limit "
         "configuration."},
        {"client-output-buffer-limit foo 1 2 3", "test.conf:1: 'client-output-buffer-limit foo 1 2 3': "
                                                 "Invalid client class specified in buffer limit "
                                                 "configuration."},
        {"client-output-buffer-limit normal 1 2 x", "test.conf:1: 'client-output-buffer-limit normal 1 2 x': "
                                                    "Error in hard, soft or soft_seconds setting in "
                                                    "buffer limit configuration."},
        {"maxmemory-clients 101%",
         "test.conf:1: 'maxmemory-clients 101%': percentage argument must be less or equal to 100"},
        {"oom-score-adj-values 1 2", "test.conf:1: 'oom-score-adj-values 1 2': wrong number of arguments"},
        {"replicaof a", "test.conf:1: 'replicaof a': wrong number of arguments"},
        {"replicaof a 70000", "test.conf:1: 'replicaof a 70000': Invalid master port"},
        {"shutdown-on-sigint save nosave",
         "test.conf:1: 'shutdown-on-sigint save nosave': shutdown options SAVE "
         "and NOSAVE can't be used simultaneously"},
        {"notify-keyspace-events Q",
         "test.conf:1: 'notify-keyspace-events Q': Invalid event class character. Use 'Ag$lshzxeKEtmdn'."},
        {"proc-title-template {x}",
         "test.conf:1: 'proc-title-template {x}': template format is invalid or contains unknown variables"},
        {"dir \"\"", "test.conf:1: 'dir ': the data folder can't be empty; use . for the current one"},
        {"loadmodule /x.so", "test.conf:1: 'loadmodule /x.so': dkv loads no modules; remove the line"},
        {"rename-command a", "test.conf:1: 'rename-command a': wrong number of arguments"},
        {"user", "test.conf:1: 'user': wrong number of arguments"},
        {"include", "test.conf:1: 'include': wrong number of arguments"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_error(cases[i].text, cases[i].error);
}

/* A secret is not repeated in an error, long values are cut, what cannot be seen is shown. */
static void errors_are_discreet(void **state)
{
    (void)state;
    assert_error("requirepass secret word", "test.conf:1: 'requirepass': wrong number of arguments");
    assert_error("requirepass \"secret", "test.conf:1: 'requirepass': unbalanced quotes");
    assert_error("port \"\\x07\"", "test.conf:1: 'port \\x07': argument couldn't be parsed into an integer");
    assert_error("port 0123456789012345678901234567890123456789012345678901234567890123456789",
                 "test.conf:1: 'port 01234567890123456789012345678901234567890123456789012345678...': "
                 "argument couldn't be parsed into an integer");
}

/* A zero byte, which would hide the rest of a line, is an error wherever it comes from. */
static void refuses_zero_bytes(void **state)
{
    (void)state;
    struct config *config = config_new();
    struct config_error error;
    assert_false(config_read_text(config, "f", SLICE_LITERAL("port 1\nport\0 2\n"), &error));
    assert_string_equal(error.text, "f:2: the line holds a zero byte");
    assert_false(config_read_text(config, "f", SLICE_LITERAL("logfile \"a\\x00b\""), &error));
    assert_false(config_read_text(config, "f", SLICE_LITERAL("include \"a\\x00b\""), &error));
    assert_string_equal(error.text, "f:1: 'include a\\x00b': the name holds a zero byte");
    config_free(config);
}

/* ... but where it is part of a secret, which may be any bytes, as redis-server has it. */
static void secrets_are_any_bytes(void **state)
{
    (void)state;
    struct config *config = config_of("requirepass \"a\\x00b\xff\"\nmasterauth \"\\x00\"\n"
                                      "user joe on \">a\\x00b\"\n");
    assert_true(slice_equal(config->requirepass, SLICE_LITERAL("a\0b\xff")));
    assert_true(slice_equal(config_get_bytes(config, SLICE_LITERAL("requirepass")), config->requirepass));
    assert_int_equal(config_get_bytes(config, SLICE_LITERAL("masterauth")).size, 1);
    assert_true(slice_equal(config->users[0].words[3], SLICE_LITERAL(">a\0b")));
    config_free(config);
}

/* What editors leave in files and nobody sees: a byte order mark, carriage returns, blanks at the ends of
 * lines, no newline behind the last one, very long lines. */
static void passes_over_what_nobody_sees(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\xef\xbb\xbfport 7\ntimeout 8\n",
        "\xef\xbb\xbf\nport 7\r\ntimeout 8",
        "port 7\r\ntimeout 8\r\n",
        "port 7 \t \r\n\ttimeout\t8\t\v\f",
        "\xef\xbb\xbf# a\n\r\nport 7\ntimeout 8",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct config *config = config_of(texts[i]);
        assert_int_equal(config->port, 7);
        assert_int_equal(config->timeout, 8);
        config_free(config);
    }
    const size_t size = 1 << 20;
    struct buffer text = {0};
    buffer_append_text(&text, "logfile \"");
    memset(buffer_reserve(&text, size), 'x', size);
    text.size += size;
    buffer_append_text(&text, "\"\nport 7\n#");
    memset(buffer_reserve(&text, size), ' ', size);
    text.size += size;
    buffer_append_char(&text, '\0');
    struct config *config = config_of(text.data);
    assert_int_equal(strlen(config->logfile), size);
    assert_int_equal(config->port, 7);
    config_free(config);
    buffer_free(&text);
}

/* ... and what is no text, or looks like something that it is not. */
static void shows_what_nobody_sees(void **state)
{
    (void)state;
    static const char utf16[] = "f:1: this is no plain text but UTF-16, it seems; save it as UTF-8";
    const struct slice texts[] = {SLICE_LITERAL("\xff\xfep\0o\0"), SLICE_LITERAL("\xfe\xff\0p\0o"),
                                  SLICE_LITERAL("p\0o\0"), SLICE_LITERAL("\0p\0o")};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct config *config = config_new();
        struct config_error error;
        assert_false(config_read_text(config, "f", texts[i], &error));
        assert_string_equal(error.text, utf16);
        config_free(config);
    }
    assert_error("port\xc2\xa0"
                 "7",
                 "test.conf:1: 'port\\xc2\\xa07': unknown directive; did you mean 'port'?");
    assert_error("port 7\xc2\xa0",
                 "test.conf:1: 'port 7\\xc2\\xa0': argument couldn't be parsed into an integer");
    assert_error("timeout 1\n\xef\xbb\xbfport 7",
                 "test.conf:2: '\\xef\\xbb\\xbfport': unknown directive; did you mean 'port'?");
}

/* Several words may be given as one, as redis-server takes them. */
static void splits_a_value_of_several_words(void **state)
{
    (void)state;
    struct config *config = config_of("save \"900 1 300 10\"\nbind '127.0.0.1 ::1'\n");
    assert_value(config, "save", "900 1 300 10");
    assert_int_equal(config->bind.count, 2);
    config_free(config);
}

/* Lines that declare users are kept word by word, in their order. */
static void keeps_users(void **state)
{
    (void)state;
    struct config *config = config_of("user default on nopass ~* &* +@all\nuser \"joe\" on \">a b\"\n");
    assert_int_equal(config->user_count, 2);
    assert_int_equal(config->users[0].count, 7);
    assert_string_equal(config->users[1].words[1].data, "joe");
    assert_string_equal(config->users[1].words[3].data, ">a b");
    config_free(config);
}

/* An included file is read at its place, by pattern too; errors name the file that they are in. */
static void includes_files(void **state)
{
    (void)state;
    char *folder = folder_new();
    file_write(path_in(folder, "a.conf"), "port 1\nmaxclients 7\n");
    file_write(path_in(folder, "b1.inc"), "timeout 1\n");
    file_write(path_in(folder, "b2.inc"), "timeout 2\n");
    char text[512];
    snprintf(text, sizeof(text),
             "port 5\ninclude %s/a.conf\nmaxclients 8\ninclude %s/b*.inc\ninclude %s/none*", folder, folder,
             folder);
    struct config *config = config_of(text);
    assert_int_equal(config->port, 1);
    assert_int_equal(config->maxclients, 8);
    assert_int_equal(config->timeout, 2);
    config_free(config);

    file_write(path_in(folder, "b2.inc"), "\nfoo\n");
    char expected[600];
    snprintf(expected, sizeof(expected), "%s/b2.inc:2: 'foo': unknown directive", folder);
    assert_error(text, expected);

    snprintf(text, sizeof(text), "\ninclude %s/missing", folder);
    snprintf(expected, sizeof(expected),
             "test.conf:2: cannot read the included file '%s/missing': No such file or directory", folder);
    assert_error(text, expected);
    folder_remove(folder);
}

/* A relative name starts from the folder that the process is in, whatever that is called; a byte order mark
 * of the included file is none of its first directive. */
static void includes_from_any_folder(void **state)
{
    (void)state;
    char *folder = folder_new();
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mkdir("a[b]*", 0700), 0);
    assert_int_equal(chdir("a[b]*"), 0);
    file_write("one.conf", "\xef\xbb\xbfport 7\n");
    file_write("two.inc", "timeout 8\n");
    struct config *config = config_of("include one.conf\ninclude t*.inc\n");
    assert_int_equal(config->port, 7);
    assert_int_equal(config->timeout, 8);
    config_free(config);
    assert_int_equal(chdir(before), 0);
    free(before);
    folder_remove(folder);
}

/* A file that includes itself is told of, not read until memory ends. */
static void includes_end(void **state)
{
    (void)state;
    char *folder = folder_new();
    char text[300];
    snprintf(text, sizeof(text), "include %s/a.conf", folder);
    file_write(path_in(folder, "a.conf"), text);
    struct config *config = config_new();
    struct config_error error;
    assert_false(config_read_text(config, "test.conf", slice_of(text), &error));
    assert_non_null(strstr(error.text, "files include each other too deeply"));
    config_free(config);
    folder_remove(folder);
}

/* --- the command line ------------------------------------------------------------------------------- */

struct command_line {
    const char *arguments[8];
    const char *name; /* a directive, and the value it has then */
    const char *value;
};

/* Options take the arguments up to the next; forms with =, with the value in the same argument, negative
 * numbers, values that look like options; save alone is none. */
static void reads_the_command_line(void **state)
{
    (void)state;
    static const struct command_line cases[] = {
        {{"--port", "7777"}, "port", "7777"},
        {{"--port=7777", "--dir=./x=y"}, "dir", "./x=y"},
        {{"--port 7777"}, "port", "7777"},
        {{"--bind", "10.0.0.1", "::1", "--port", "1"}, "bind", "10.0.0.1 ::1"},
        {{"--bind=10.0.0.1", "::1"}, "bind", "10.0.0.1 ::1"},
        {{"--bind", "10.0.0.1 ::1"}, "bind", "10.0.0.1 ::1"},
        {{"--list-max-listpack-size", "-12"}, "list-max-listpack-size", "-12"},
        {{"--save", "", "--port", "1"}, "save", ""},
        {{"--save", "--port", "1"}, "save", ""},
        {{"--port", "1", "--save"}, "save", ""},
        {{"--save", "60 1"}, "save", "60 1"},
        {{"--save", "60 1 5"}, "save", NULL},
        {{"--save", "60", "1", "--save", "5", "2"}, "save", "60 1 5 2"},
        {{"--requirepass", "--secret", "--port", "1"}, "requirepass", "--secret"},
        {{"--requirepass", "a \"b"}, "requirepass", "a \"b"},
        {{"--PORT", "5"}, "port", "5"},
        {{"--port", "5", "--port", "6"}, "port", "6"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const *a = cases[i].arguments;
        struct config *config = config_new();
        struct config_error error;
        enum config_action action =
            load(config, &error, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], NULL);
        if (cases[i].value == NULL)
            assert_int_equal(action, CONFIG_FAILED);
        else {
            if (action != CONFIG_RUN)
                fail_msg("%s: %s", a[0], error.text);
            assert_value(config, cases[i].name, cases[i].value);
        }
        config_free(config);
    }
}

/* Mistakes on the command line are told as such. */
static void command_line_errors(void **state)
{
    (void)state;
    static const struct command_line cases[] = {
        {{"--foo", "bar"}, NULL, "command line: '--foo': unknown directive"},
        {{"--prot", "1"}, NULL, "command line: '--prot': unknown directive; did you mean 'port'?"},
        {{"--port"}, NULL, "command line: '--port': wrong number of arguments"},
        {{"--port", "--appendonly", "x"},
         NULL,
         "command line: '--port --appendonly x': wrong number of arguments"},
        {{"--port", "1", "-x"}, NULL, "command line: '--port 1 -x': wrong number of arguments"},
        {{"--port="}, NULL, "command line: '--port ': argument couldn't be parsed into an integer"},
        {{"--"}, NULL, "command line: '--' names no directive"},
        {{"-p", "12"}, NULL, "command line: '-p': a --directive is expected before a value"},
        {{"nowhere.conf"},
         NULL,
         "cannot read the configuration file 'nowhere.conf': No such file or directory"},
        {{"/"}, NULL, "cannot read the configuration file '/': Is a directory"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const *a = cases[i].arguments;
        struct config *config = config_new();
        struct config_error error;
        assert_int_equal(load(config, &error, a[0], a[1], a[2], a[3], NULL), CONFIG_FAILED);
        assert_string_equal(error.text, cases[i].value);
        config_free(config);
    }
}

/* File, then standard input, then the command line: later ones win. */
static void reads_in_order(void **state)
{
    (void)state;
    char *folder = folder_new();
    const char *file = path_in(folder, "a.conf");
    file_write(file, "port 1\ntimeout 1\nmaxclients 1\n");
    file_write(path_in(folder, "input"), "timeout 2\nmaxclients 2\n");
    assert_non_null(freopen(path_in(folder, "input"), "r", stdin));
    struct config *config = config_new();
    struct config_error error;
    assert_int_equal(load(config, &error, file, "-", "--maxclients", "3", NULL), CONFIG_RUN);
    assert_int_equal(config->port, 1);
    assert_int_equal(config->timeout, 2);
    assert_int_equal(config->maxclients, 3);
    assert_string_equal(config->file, file);
    config_free(config);

    assert_non_null(freopen(path_in(folder, "input"), "r", stdin));
    config = config_new();
    assert_int_equal(load(config, &error, "--port", "5", "-", NULL), CONFIG_RUN);
    assert_int_equal(config->timeout, 2);
    assert_int_equal(config->port, 5);
    assert_string_equal(config->file, "");
    config_free(config);

    file_write(path_in(folder, "input"), "\nport x\n");
    assert_non_null(freopen(path_in(folder, "input"), "r", stdin));
    config = config_new();
    assert_int_equal(load(config, &error, "-", NULL), CONFIG_FAILED);
    assert_string_equal(error.text,
                        "standard input:2: 'port x': argument couldn't be parsed into an integer");
    config_free(config);
    folder_remove(folder);
}

/* -v and -h, and the line in which tools look for v=. */
static void tells_its_version(void **state)
{
    (void)state;
    struct config *config = config_new();
    struct config_error error;
    assert_int_equal(load(config, &error, "--version", NULL), CONFIG_SHOW_VERSION);
    assert_int_equal(load(config, &error, "-v", "more", NULL), CONFIG_SHOW_VERSION);
    assert_int_equal(load(config, &error, "--help", NULL), CONFIG_SHOW_HELP);
    assert_int_equal(load(config, &error, "-h", NULL), CONFIG_SHOW_HELP);
    config_free(config);

    struct buffer line = {0};
    config_version_line(&line);
    buffer_append_char(&line, '\0');
    char version[16];
    char allocator[32];
    char build[32];
    char own[16];
    int bits;
    assert_int_equal(sscanf(line.data,
                            "dkv server v=%15s sha=00000000:0 malloc=%31s bits=%d build=%31s dkv=%15s",
                            version, allocator, &bits, build, own),
                     5);
    assert_string_equal(version, "7.2.4");
    assert_int_equal(bits, 64);
    buffer_free(&line);
}

/* The data folder is created with those above it, becomes the working folder, and is shown absolute. */
static void enters_the_data_folder(void **state)
{
    (void)state;
    char *folder = folder_new();
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(folder), 0);
    struct config *config = config_of("dir ./a/b/");
    struct config_error error;
    assert_true(config_enter_dir(config, &error));
    assert_string_equal(config->dir, path_in(folder, "a/b"));
    assert_value(config, "dir", path_in(folder, "a/b"));
    char *now = getcwd(NULL, 0);
    assert_string_equal(now, config->dir);
    struct stat status;
    assert_int_equal(stat(".", &status), 0);
    assert_int_equal(status.st_mode & 0007, 0);
    free(now);
    config_free(config);

    file_write(path_in(folder, "file"), "");
    char text[300];
    snprintf(text, sizeof(text), "dir %s/file/x", folder);
    config = config_of(text);
    assert_false(config_enter_dir(config, &error));
    assert_non_null(strstr(error.text, "Not a directory"));
    config_free(config);
    assert_int_equal(chdir(before), 0);
    free(before);
    folder_remove(folder);
}

/* The title follows its template, without spaces at the end. */
static void expands_the_title(void **state)
{
    (void)state;
    struct config *config =
        config_of("port 7\nproc-title-template '{title} [{listen-addr}] {port}{server-mode} '");
    struct buffer title = {0};
    config_proc_title(config, "dkv", "127.0.0.1:7", &title);
    buffer_append_char(&title, '\0');
    assert_string_equal(title.data, "dkv [127.0.0.1:7] 7");
    buffer_free(&title);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_values_of_each_kind),
        cmocka_unit_test(adds_up),
        cmocka_unit_test(errors_name_their_place),
        cmocka_unit_test(errors_are_discreet),
        cmocka_unit_test(refuses_zero_bytes),
        cmocka_unit_test(keeps_users),
        cmocka_unit_test(splits_a_value_of_several_words),
        cmocka_unit_test(secrets_are_any_bytes),
        cmocka_unit_test(passes_over_what_nobody_sees),
        cmocka_unit_test(shows_what_nobody_sees),
        cmocka_unit_test(includes_files),
        cmocka_unit_test(includes_from_any_folder),
        cmocka_unit_test(includes_end),
        cmocka_unit_test(reads_the_command_line),
        cmocka_unit_test(command_line_errors),
        cmocka_unit_test(reads_in_order),
        cmocka_unit_test(tells_its_version),
        cmocka_unit_test(enters_the_data_folder),
        cmocka_unit_test(expands_the_title),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
