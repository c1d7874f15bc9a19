/* Fuzzes ACL files and the language of rules: whatever the text, it gives users or one error with its place;
 * and users that were read, written to a file or to a configuration and read again, are the same and may do
 * the same: never more. Build and run:
 *
 *     make fuzz-build BUILD=build/fuzz CC=clang SANITIZE=address,undefined,fuzzer-no-link
 *     build/fuzz/tests/fuzz/fuzz_acl -max_total_time=30 -dict=tests/fuzz/acl.dict tests/fuzz/corpus/acl
 */
#include <stdint.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/acl/acl_user.h"
#include "command/dispatch.h"
#include "command/world.h"
#include "family/families.h"
#include "server/acl_file.h"
#include "server/config_table.h"
#include "server/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Arguments that the text speaks of. */
#define TRIED_MAX 8

static struct acl *acl_make(void)
{
    const struct world_options options = {.clock = clock_system(),
                                          .databases = 1,
                                          .random_seed = 1,
                                          .settings = {.bulk_max = 1 << 20, .query_max = 1 << 20}};
    struct world *world = world_new(&options);
    family_add_all(world->commands);
    config_commands_add(world->commands);
    return world->acl;
}

/* Pieces between signs and blanks: what keys, channels and first arguments may be. */
static int pieces_of(struct slice text, struct slice *pieces)
{
    int count = 0;
    pieces[count++] = SLICE_LITERAL("k");
    while (text.size > 0 && count < TRIED_MAX) {
        size_t size = 0;
        while (size < text.size && text.data[size] != '\0' && !strchr(" \n~&|()", text.data[size]))
            size++;
        if (size > 0)
            pieces[count++] = slice_make(text.data, size);
        size += size < text.size;
        text = slice_make(text.data + size, text.size - size);
    }
    return count;
}

static enum acl_verdict verdict(struct acl *acl, struct slice user, const char *command, int argc,
                                const struct slice *argv)
{
    int denied;
    const struct command_entry *entry = command_table_lookup(acl_commands(acl), slice_of(command));
    ASSERT(entry != NULL);
    return acl_check(acl_find(acl, user), entry, argc, argv, &denied);
}

/* The same commands are permitted and refused, for the same reasons. */
static void check_decisions(struct acl *one, struct acl *other, struct slice user, struct slice text)
{
    static const struct {
        const char *name;
        int argc;
    } commands[] = {{"get", 2},        {"set", 3},        {"select", 2},  {"echo", 2},
                    {"publish", 3},    {"mget", 3},       {"rename", 3},  {"psubscribe", 2},
                    {"config|get", 3}, {"acl|whoami", 2}, {"flushall", 1}};
    struct slice pieces[TRIED_MAX];
    int count = pieces_of(text, pieces);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        for (int j = 0; j < count; j++) {
            struct slice argv[] = {slice_of(commands[i].name), pieces[j], pieces[(j + 1) % count]};
            ASSERT(verdict(one, user, commands[i].name, commands[i].argc, argv) ==
                   verdict(other, user, commands[i].name, commands[i].argc, argv));
        }
}

static bool read_file(struct acl *acl, struct slice text)
{
    struct buffer error = {0};
    struct acl_draft *draft = acl_draft_new(acl);
    bool ok = acl_file_read(draft, "fuzz", text, &error);
    ASSERT(ok == (error.size == 0));
    ASSERT(ok || memcmp(error.data, "fuzz:", 5) == 0);
    ASSERT(!error.size || !memchr(error.data, '\n', error.size));
    if (ok)
        acl_draft_apply(draft);
    else
        acl_draft_free(draft);
    buffer_free(&error);
    return ok;
}

/* As lines of a configuration. */
static void read_configuration(struct acl *acl, struct slice text)
{
    struct config *config = config_new();
    struct config_error failed;
    struct buffer error = {0};
    struct acl_draft *draft = acl_draft_new(acl);
    ASSERT(config_read_text(config, "written", text, &failed));
    for (int i = 0; i < config->user_count; i++)
        ASSERT(acl_draft_add(draft, config->users[i].count, config->users[i].words, &error));
    acl_draft_apply(draft);
    config_free(config);
}

static void check_same(struct acl *one, struct acl *other, struct slice text)
{
    ASSERT(acl_count(one) == acl_count(other));
    for (size_t i = 0; i < acl_count(one); i++) {
        ASSERT(acl_user_same(acl_at(one, i), acl_at(other, i)));
        check_decisions(one, other, acl_user_name(acl_at(one, i)), text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct acl *one;
    static struct acl *other;
    if (!one) {
        one = acl_make();
        other = acl_make();
    }
    if (size < 1 || size > 4000)
        return -1;
    struct slice text = slice_make(data + 1, size - 1);
    struct acl_settings settings = {.channels_by_default = data[0] & 1};
    acl_set_settings(one, &settings);
    settings.channels_by_default = data[0] >> 1 & 1; /* what is written does not lean on it */
    acl_set_settings(other, &settings);
    if (!read_file(one, text))
        return 0;
    struct buffer written = {0};
    struct buffer error = {0};
    /* What was read from a file has nothing in it that a file could not hold. */
    ASSERT(acl_file_write(one, &written, &error));
    ASSERT(read_file(other, buffer_slice(&written)));
    check_same(one, other, text);
    buffer_clear(&written);
    for (size_t i = 0; i < acl_count(one); i++) {
        acl_describe(&written, acl_at(one, i), ACL_IN_CONFIGURATION);
        buffer_append_char(&written, '\n');
    }
    read_configuration(other, buffer_slice(&written));
    check_same(one, other, text);
    buffer_free(&written);
    buffer_free(&error);
    return 0;
}
