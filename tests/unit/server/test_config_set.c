/* CONFIG SET: all or none, with Redis's errors, and hooks that may refuse. */
#include "config_test.h"

/* Up to four pairs. */
static bool set(struct config *config, struct config_error *error, int words, const char *const *pairs)
{
    struct slice slices[8];
    for (int i = 0; i < words; i++)
        slices[i] = slice_of(pairs[i]);
    return config_set(config, false, words / 2, slices, error);
}

#define SET(CONFIG, ERROR, ...)                                                       \
    set(CONFIG, ERROR, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), \
        (const char *[]){__VA_ARGS__})

/* New values are there at once, in fields and for CONFIG GET, lists as one argument. */
static void sets_values(void **state)
{
    (void)state;
    struct config *config = config_new();
    struct config_error error;
    assert_true(SET(config, &error, "timeout", "5", "Bind", "10.0.0.1 -::1", "requirepass", "a b", "save",
                    "60 1 5 2"));
    assert_int_equal(config->timeout, 5);
    assert_string_equal(config->bind.items[0], "10.0.0.1");
    assert_true(slice_equal(config->requirepass, SLICE_LITERAL("a b")));
    assert_value(config, "save", "60 1 5 2");
    assert_true(SET(config, &error, "save", "", "bind", "", "client-output-buffer-limit", "normal 1 2 3"));
    assert_value(config, "save", "");
    assert_int_equal(config->bind.count, 0);
    assert_value(config, "client-output-buffer-limit",
                 "normal 1 2 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
    assert_true(SET(config, &error, "replica-priority", "1", "slave-priority", "2"));
    assert_value(config, "replica-priority", "2");
    config_free(config);
}

/* What cannot be is refused with Redis's text, and then nothing else of it happens either. */
static void refuses_all_or_none(void **state)
{
    (void)state;
    static const struct {
        const char *pairs[4];
        const char *error;
    } cases[] = {
        {{"foo", "1", "timeout", "5"}, "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"},
        {{"timeout", "5", "maxmemory", "x"},
         "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory "
         "value"},
        {{"timeout", "5", "daemonize", "yes"},
         "ERR CONFIG SET failed (possibly related to argument 'daemonize') - can't set immutable config"},
        {{"timeout", "5", "timeout", "6"},
         "ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"},
        {{"timeout", "5", "TIMEOUT", "6"},
         "ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"},
        {{"timeout", "5", "port", "70000"},
         "ERR CONFIG SET failed (possibly related to argument 'port') - argument must be between 0 and 65535 "
         "inclusive"},
        {{"timeout", "5", "appendfsync", "x"},
         "ERR CONFIG SET failed (possibly related to argument 'appendfsync') - argument(s) must be one of "
         "the "
         "following: everysec, always, no"},
        {{"timeout", "5", "dbfilename", "x"},
         "ERR CONFIG SET failed (possibly related to argument 'dbfilename') - can't set protected config"},
        {{"timeout", "5", "dir", "/tmp"},
         "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config"},
        {{"timeout", "5", "value-load", "background"},
         "ERR CONFIG SET failed (possibly related to argument 'value-load') - can't be changed while the "
         "server runs: "
         "set it in the configuration file and start again"},
        {{"timeout", "5", "save", "60"},
         "ERR CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters"},
    };
    struct config *config = config_new();
    struct config *standard = config_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config_error error;
        assert_false(set(config, &error, 4, cases[i].pairs));
        assert_string_equal(error.text, cases[i].error);
        assert_same_values(config, standard);
        assert_int_equal(config->timeout, 0);
    }
    config_free(config);
    config_free(standard);
}

/* What can only be set at start may be set to what it is; enable-protected-configs opens the protected ones.
 * */
static void takes_what_is_so(void **state)
{
    (void)state;
    struct config *config = config_of("enable-protected-configs yes");
    struct config_error error;
    assert_true(SET(config, &error, "value-load", "START", "dir", "./data", "dbfilename", "x"));
    assert_value(config, "dbfilename", "x");
    assert_false(SET(config, &error, "dir", "/tmp"));
    config_free(config);

    config = config_of("enable-protected-configs local");
    struct slice pair[] = {SLICE_LITERAL("dbfilename"), SLICE_LITERAL("x")};
    assert_false(config_set(config, false, 1, pair, &error));
    assert_true(config_set(config, true, 1, pair, &error));
    config_free(config);
}

/* What the system corrects is what CONFIG GET shows from then on, and nobody is asked. */
static void is_corrected(void **state)
{
    (void)state;
    struct config *config = config_of("maxclients 50000");
    config_correct(config, "maxclients", "4064");
    assert_int_equal(config->maxclients, 4064);
    assert_value(config, "maxclients", "4064");
    config_free(config);
}

/* --- hooks ------------------------------------------------------------------------------------------ */

struct recorder {
    char calls[256]; /* "name=value " for each call, in order */
    const char *refuse;
};

static const char *record(void *context, const struct config *config, const char *directive)
{
    struct recorder *recorder = context;
    size_t size = strlen(recorder->calls);
    snprintf(recorder->calls + size, sizeof(recorder->calls) - size, "%s=%s ", directive,
             config_get(config, slice_of(directive)));
    return recorder->refuse != NULL && strcmp(recorder->refuse, directive) == 0 ? "no way" : NULL;
}

/* The hook hears of what changed, by its own name, and of nothing else. */
static void tells_the_hook(void **state)
{
    (void)state;
    struct config *config = config_new();
    struct recorder recorder = {"", NULL};
    struct config_hooks hooks = {.context = &recorder, .apply = record};
    config_set_hooks(config, &hooks);
    struct config_error error;
    assert_true(
        SET(config, &error, "timeout", "5", "port", "6379", "slave-priority", "3", "appendonly", "yes"));
    assert_string_equal(recorder.calls, "timeout=5 replica-priority=3 ");
    config_free(config);
}

/* When it refuses, all is put back, and it hears of the values as they were. */
static void puts_back_what_is_refused(void **state)
{
    (void)state;
    struct config *config = config_of("bind 1.2.3.4\nrequirepass old");
    struct config *before = config_of("bind 1.2.3.4\nrequirepass old");
    struct recorder recorder = {"", "port"};
    struct config_hooks hooks = {.context = &recorder, .apply = record};
    config_set_hooks(config, &hooks);
    struct config_error error;
    assert_false(SET(config, &error, "bind", "::1", "requirepass", "new", "port", "7", "timeout", "9"));
    assert_string_equal(error.text, "ERR CONFIG SET failed (possibly related to argument 'port') - no way");
    assert_string_equal(recorder.calls,
                        "bind=::1 requirepass=new port=7 bind=1.2.3.4 requirepass=old port=6379 ");
    assert_same_values(config, before);
    assert_int_equal(config->port, 6379);
    assert_true(slice_equal(config->requirepass, SLICE_LITERAL("old")));
    assert_string_equal(config->bind.items[0], "1.2.3.4");
    config_free(config);
    config_free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_values),      cmocka_unit_test(refuses_all_or_none),
        cmocka_unit_test(takes_what_is_so), cmocka_unit_test(is_corrected),
        cmocka_unit_test(tells_the_hook),   cmocka_unit_test(puts_back_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
