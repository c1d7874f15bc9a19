/* The table of directives: complete, with the right defaults, and documented. */
#include "config_test.h"

#include "server/config_table.h"

/* What dkv does differently on purpose. */
static const struct {
    const char *name;
    const char *value;
} differences[] = {
    {"bind", "127.0.0.1 -::1"}, {"appendonly", "yes"},   {"appendfsync", "always"},
    {"dir", "./data"},          {"syslog-ident", "dkv"},
};

static const char *difference(const char *name)
{
    for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++)
        if (strcmp(differences[i].name, name) == 0)
            return differences[i].value;
    return NULL;
}

/* Every directive of Redis 7.2 is there, aliases too, with Redis's default but for the listed differences. */
static void knows_all_of_redis(void **state)
{
    (void)state;
    struct config *config = config_new();
    char *facts = file_text("tests/unit/server/redis-7.2.tsv");
    int count = 0;
    for (char *line = strtok(facts, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *tab = strchr(line, '\t');
        if (line[0] == '#' || tab == NULL)
            continue;
        *tab = '\0';
        const char *value = config_get(config, slice_of(line));
        if (value == NULL)
            fail_msg("no directive %s", line);
        const char *expected = difference(line) != NULL ? difference(line) : tab + 1;
        if (strcmp(value, expected) != 0)
            fail_msg("%s is '%s' instead of '%s'", line, value, expected);
        count++;
    }
    assert_true(count > 190);
    mem_free(facts);
    config_free(config);
}

/* Fields hold what the values say, each kind of them. */
static void fields_follow_defaults(void **state)
{
    (void)state;
    struct config *config = config_new();
    assert_int_equal(config->port, 6379);
    assert_int_equal(config->bind.count, 2);
    assert_string_equal(config->bind.items[1], "-::1");
    assert_true(config->appendonly);
    assert_int_equal(config->appendfsync, SYNC_ALWAYS);
    assert_int_equal(config->segment_size, 64 << 20);
    assert_int_equal(config->maxclients, 10000);
    assert_int_equal(config->requirepass.size, 0);
    assert_string_equal(config->dir, "./data");
    assert_int_equal(config->output_limits[OUTPUT_REPLICA].hard_bytes, 256 << 20);
    assert_int_equal(config->output_limits[OUTPUT_PUBSUB].soft_seconds, 60);
    assert_int_equal(config->loglevel, LOG_LEVEL_NOTICE);
    config_free(config);
}

/* dkv.conf gives every directive, by its own name, at least once, those without effect at its end; and
 * reading it changes nothing. */
static void documented_with_defaults(void **state)
{
    (void)state;
    char *text = file_text("dkv.conf");
    struct config *read = config_of(text);
    struct config *standard = config_new();
    const char *kept = strstr(text, "# --- Kept for compatibility");
    assert_non_null(kept);
    assert_same_values(read, standard);
    for (size_t i = 0; i < config_count(); i++) {
        char line[80];
        snprintf(line, sizeof(line), "\n%s ", config_name(i, NULL));
        const char *place = strstr(text, line);
        if (place == NULL)
            fail_msg("dkv.conf has no line for %s", config_name(i, NULL));
        bool acts = directives[i].field_size > 0;
        if (!(directives[i].flags & DIRECTIVE_FULFILLED) && (place < kept) != acts)
            fail_msg("%s is in the wrong part of dkv.conf", config_name(i, NULL));
    }
    struct buffer names = {0};
    assert_int_equal(config_inactive(read, &names), 0);
    mem_free(text);
    config_free(read);
    config_free(standard);
}

/* A default, given as a line, is the default again: the table's text and the canonical text say the same. */
static void defaults_read_back(void **state)
{
    (void)state;
    struct config *standard = config_new();
    for (size_t i = 0; i < config_count(); i++) {
        char text[256];
        const char *value = config_default(i);
        snprintf(text, sizeof(text), strchr(value, ' ') != NULL && value[0] != '{' ? "%s %s" : "%s \"%s\"",
                 config_name(i, NULL), value);
        struct config *config = config_of(text);
        assert_same_values(config, standard);
        config_free(config);
    }
    config_free(standard);
}

/* Names and aliases are unique. */
static void names_are_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_count(); i++)
        for (size_t j = 0; j < i; j++) {
            const char *alias;
            const char *name = config_name(i, &alias);
            const char *other_alias;
            const char *other = config_name(j, &other_alias);
            assert_string_not_equal(name, other);
            if (other_alias != NULL)
                assert_string_not_equal(name, other_alias);
            if (alias != NULL)
                assert_string_not_equal(alias, other);
        }
}

/* What is not acted on is told of when it was given another value than the default, and only then. */
static void tells_what_is_inactive(void **state)
{
    (void)state;
    struct config *config = config_of("masteruser 1gb\nhz 10\nslave-read-only no\nsave 60 1\nport 1\n"
                                      "rename-command FLUSHALL \"\"\n");
    struct buffer names = {0};
    assert_int_equal(config_inactive(config, &names), 2);
    buffer_append_char(&names, '\0');
    assert_string_equal(names.data, "masteruser, replica-read-only");
    assert_value(config, "masteruser", "1gb");
    buffer_free(&names);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_all_of_redis),       cmocka_unit_test(fields_follow_defaults),
        cmocka_unit_test(documented_with_defaults), cmocka_unit_test(defaults_read_back),
        cmocka_unit_test(names_are_unique),         cmocka_unit_test(tells_what_is_inactive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
