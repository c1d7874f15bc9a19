/* The configuration in memory: defaults, changing values all or none, and looking them up. */
#include "server/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/memory.h"
#include "journal/disk.h"
#include "server/config_table.h"

bool config_fail(struct config_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return false;
}

/* The folder the process is in; "." where that cannot be told (it was removed, or its path is too long). */
static char *current_folder(void)
{
    char *path = getcwd(NULL, 0);
    char *copy = mem_strdup(path != NULL ? path : ".");
    free(path);
    return copy;
}

bool word_list_split(struct word_list *list, struct slice text)
{
    *list = (struct word_list){0};
    list->count = words_split(text, &list->words);
    if (list->count < 0)
        return false;
    list->slices = mem_alloc(sizeof(*list->slices) * (size_t)(list->count + 1));
    for (int i = 0; i < list->count; i++)
        list->slices[i] = buffer_slice(&list->words[i]);
    return true;
}

void word_list_free(struct word_list *list)
{
    words_free(list->words, list->count < 0 ? 0 : list->count);
    mem_free(list->slices);
    *list = (struct word_list){0};
}

/* Reads a value that is one text: a default, or what CONFIG SET was given. */
static bool read_text(const struct config *config, const struct directive *directive, struct slice text,
                      struct config_value *value, struct config_error *error)
{
    struct reading reading = {.directive = directive, .count = 1, .words = &text};
    reading.current = &config->values[directive_index(directive)];
    if (!kind_takes_several(directive->kind))
        return value_read(&reading, value, error);
    struct word_list list;
    bool ok = word_list_split(&list, text);
    if (ok) {
        reading.count = list.count;
        reading.words = list.slices;
        ok = value_read(&reading, value, error);
    } else
        config_fail(error, "unbalanced quotes");
    word_list_free(&list);
    return ok;
}

struct config *config_new(void)
{
    struct config *config = mem_alloc_zero(sizeof(*config));
    config->values = mem_alloc_zero(directive_count * sizeof(*config->values));
    config->start_folder = current_folder();
    config->file = "";
    for (size_t i = 0; i < directive_count; i++) {
        struct config_error error;
        if (!read_text(config, &directives[i], slice_of(directives[i].standard), &config->values[i], &error))
            panic("the default of %s: %s", directives[i].name, error.text);
        value_store(&directives[i], &config->values[i], config);
    }
    return config;
}

static void free_lines(int count, struct config_line *lines)
{
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < lines[i].count; j++)
            mem_free((char *)(uintptr_t)lines[i].words[j].data);
        mem_free(lines[i].words);
    }
    mem_free(lines);
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < directive_count; i++)
        value_free(&directives[i], &config->values[i]);
    free_lines(config->user_count, config->users);
    free_lines(config->rename_count, config->renames);
    mem_free(config->values);
    mem_free(config->file_owned);
    mem_free(config->dir_owned);
    mem_free(config->start_folder);
    mem_free(config);
}

bool config_read_words(struct config *config, const struct directive *directive, bool adds, int count,
                       const struct slice *words, struct config_error *error)
{
    struct config_value *current = &config->values[directive_index(directive)];
    struct reading reading = {directive, current, adds, count, words};
    struct config_value value;
    if (!value_read(&reading, &value, error))
        return false;
    value_free(directive, current);
    *current = value;
    value_store(directive, current, config);
    return true;
}

void config_correct(struct config *config, const char *name, const char *value)
{
    const struct directive *directive = directive_find(slice_of(name), NULL);
    struct slice word = slice_of(value);
    struct config_error error;
    ASSERT(directive != NULL);
    if (!config_read_words(config, directive, false, 1, &word, &error))
        panic("%s cannot be %s: %s", name, value, error.text);
}

bool config_is_default(const struct config *config, const struct directive *directive)
{
    struct config_value standard;
    struct config_error error;
    bool ok = read_text(config, directive, slice_of(directive->standard), &standard, &error);
    ASSERT(ok);
    bool same = slice_equal(value_text(&standard), value_text(&config->values[directive_index(directive)]));
    value_free(directive, &standard);
    return same;
}

void config_set_hooks(struct config *config, const struct config_hooks *hooks)
{
    config->hooks = hooks;
}

/* --- CONFIG SET ------------------------------------------------------------------------------------- */

struct change {
    const struct directive *directive;
    const char *name; /* the one that was given: the directive's, or its alias */
    struct slice text;
    struct config_value
        value; /* the one not in force: the new one at first, the old one once that is exchanged */
    bool exchanged;
};

static bool fail_set(struct config_error *error, const char *name, const char *reason)
{
    return config_fail(error, "ERR CONFIG SET failed (possibly related to argument '%s') - %s", name, reason);
}

/* Whether CONFIG SET may touch the directive at all. */
static bool check_settable(const struct config *config, bool local, const struct change *change,
                           struct config_error *error)
{
    const struct directive *directive = change->directive;
    if (directive->flags & DIRECTIVE_IMMUTABLE)
        return fail_set(error, change->name, "can't set immutable config");
    if ((directive->flags & DIRECTIVE_PROTECTED) && config->enable_protected_configs != ACCESS_YES &&
        !(config->enable_protected_configs == ACCESS_LOCAL && local))
        return fail_set(error, change->name, "can't set protected config");
    return true;
}

static bool name_changes(const struct config *config, bool local, int count, const struct slice *pairs,
                         struct change *changes, struct config_error *error)
{
    for (int i = 0; i < count; i++) {
        struct slice name = pairs[2 * i];
        bool by_alias;
        const struct directive *directive = directive_find(name, &by_alias);
        if (directive == NULL)
            return config_fail(error, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                               (int)(name.size < 128 ? name.size : 128), name.data);
        changes[i] = (struct change){.directive = directive,
                                     .name = by_alias ? directive->alias : directive->name,
                                     .text = pairs[2 * i + 1]};
        if (!check_settable(config, local, &changes[i], error))
            return false;
        for (int j = 0; j < i; j++) /* a name and its alias together are fine, and the last one counts */
            if (slice_equal_nocase(name, pairs[2 * j]))
                return fail_set(error, changes[i].name, "duplicate parameter");
    }
    return true;
}

static bool read_changes(const struct config *config, int count, struct change *changes,
                         struct config_error *error)
{
    for (int i = 0; i < count; i++) {
        struct change *change = &changes[i];
        struct config_error reason;
        if (!read_text(config, change->directive, change->text, &change->value, &reason))
            return fail_set(error, change->name, reason.text);
        if ((change->directive->flags & DIRECTIVE_START_ONLY) &&
            !slice_equal(value_text(&change->value), config_value_text(config, change->directive)))
            return fail_set(
                error, change->name,
                "can't be changed while the server runs: set it in the configuration file and start again");
    }
    return true;
}

static void exchange(struct config *config, struct change *change)
{
    struct config_value *value = &config->values[directive_index(change->directive)];
    struct config_value other = *value;
    *value = change->value;
    change->value = other;
    change->exchanged = !change->exchanged;
    value_store(change->directive, value, config);
}

static const char *apply(const struct config *config, const struct change *change)
{
    const struct config_value *value = &config->values[directive_index(change->directive)];
    if (config->hooks == NULL || config->hooks->apply == NULL ||
        slice_equal(value_text(value), value_text(&change->value)))
        return NULL;
    return config->hooks->apply(config->hooks->context, config, change->directive->name);
}

/* Puts the values in force and tells the hook; when that refuses one, puts all back and tells it again. */
static bool exchange_all(struct config *config, int count, struct change *changes, struct config_error *error)
{
    for (int i = 0; i < count; i++)
        if (!(changes[i].directive->flags & DIRECTIVE_START_ONLY))
            exchange(config, &changes[i]);
    const char *refusal = NULL;
    int applied = 0;
    for (; applied < count && refusal == NULL; applied++)
        if (changes[applied].exchanged)
            refusal = apply(config, &changes[applied]);
    if (refusal == NULL)
        return true;
    fail_set(error, changes[applied - 1].name, refusal);
    for (int i = count - 1; i >= 0; i--)
        if (changes[i].exchanged)
            exchange(config, &changes[i]);
    for (int i = 0; i < applied; i++)
        if (!(changes[i].directive->flags & DIRECTIVE_START_ONLY))
            apply(config, &changes[i]);
    return false;
}

bool config_set(struct config *config, bool local, int count, const struct slice *pairs,
                struct config_error *error)
{
    struct change *changes = mem_alloc_zero(sizeof(*changes) * (size_t)(count + 1));
    bool ok = name_changes(config, local, count, pairs, changes, error) &&
              read_changes(config, count, changes, error) && exchange_all(config, count, changes, error);
    for (int i = 0; i < count; i++)
        if (changes[i].directive != NULL)
            value_free(changes[i].directive, &changes[i].value);
    mem_free(changes);
    return ok;
}

/* --- looking up ------------------------------------------------------------------------------------- */

struct slice config_value_text(const struct config *config, const struct directive *directive)
{
    /* The folder is shown as what it came to be. */
    if (directive->field_offset == offsetof(struct config, dir) && directive->field_size > 0)
        return slice_of(config->dir);
    return value_text(&config->values[directive_index(directive)]);
}

struct slice config_get_bytes(const struct config *config, struct slice name)
{
    const struct directive *directive = directive_find(name, NULL);
    return directive == NULL ? (struct slice){0} : config_value_text(config, directive);
}

const char *config_get(const struct config *config, struct slice name)
{
    return config_get_bytes(config, name).data;
}

size_t config_count(void)
{
    return directive_count;
}

const char *config_name(size_t index, const char **alias)
{
    ASSERT(index < directive_count);
    if (alias != NULL)
        *alias = directives[index].alias;
    return directives[index].name;
}

const char *config_default(size_t index)
{
    ASSERT(index < directive_count);
    return directives[index].standard;
}

bool config_acts(size_t index)
{
    ASSERT(index < directive_count);
    return directives[index].field_size > 0;
}

/* --- the data folder -------------------------------------------------------------------------------- */

/* Durably: a log that was synced is lost if the folder that names it is. */
static int folder_create(const char *path)
{
    struct disk *disk;
    int error = disk_posix_open(path, &disk);
    if (error == 0)
        disk_free(disk);
    return error;
}

bool config_enter_dir(struct config *config, struct config_error *error)
{
    struct buffer path = {0};
    if (config->dir[0] != '/')
        buffer_append_format(&path, "%s/", config->start_folder);
    buffer_append_text(&path, config->dir);
    while (path.size > 1 && path.data[path.size - 1] == '/')
        path.size--;
    buffer_append_char(&path, '\0');
    /* Of a folder that is there, whoever opens the disk in it sees to it that it stays: once is enough, as
     * each folder above it costs a sync, and starts are to be quick. */
    int failed = chdir(path.data) == 0 ? 0 : -errno;
    if (failed == -ENOENT && (failed = folder_create(path.data)) == 0 && chdir(path.data) != 0)
        failed = -errno;
    if (failed)
        config_fail(error, "cannot use the data folder '%s': %s", path.data, strerror(-failed));
    buffer_free(&path);
    if (failed)
        return false;
    char *old = config->dir_owned;
    config->dir_owned = current_folder();
    config->dir = config->dir_owned;
    mem_free(old);
    return true;
}

bool config_gives_dir(const struct config *config)
{
    return config->values[directive_index(directive_find(SLICE_LITERAL("dir"), NULL))].given;
}

/* --- the process title ------------------------------------------------------------------------------ */

bool title_expand(const char *template, const struct config *config, const char *program, const char *listen,
                  struct buffer *out)
{
    char port[16];
    snprintf(port, sizeof(port), "%d", config == NULL ? 0 : config->port);
    const struct {
        const char *name;
        const char *value;
    } variables[] = {
        {"{title}", program},
        {"{listen-addr}", listen},
        {"{server-mode}", ""}, /* neither a cluster's node nor a sentinel */
        {"{port}", port},
        {"{tls-port}", "0"},
        {"{unixsocket}", config == NULL ? "" : config->unixsocket},
        {"{config-file}", config == NULL ? "" : config->file},
    };
    while (*template != '\0') {
        size_t plain = strcspn(template, "{");
        buffer_append(out, template, plain);
        template += plain;
        if (*template == '\0')
            break;
        size_t i = 0;
        while (i < sizeof(variables) / sizeof(variables[0]) &&
               strncmp(template, variables[i].name, strlen(variables[i].name)) != 0)
            i++;
        if (i == sizeof(variables) / sizeof(variables[0]))
            return false;
        buffer_append_text(out, variables[i].value);
        template += strlen(variables[i].name);
    }
    while (out->size > 0 && out->data[out->size - 1] == ' ')
        out->size--;
    return true;
}

void config_proc_title(const struct config *config, const char *program, const char *listen,
                       struct buffer *out)
{
    bool ok = title_expand(config->proc_title_template, config, program, listen, out);
    ASSERT(ok);
}
