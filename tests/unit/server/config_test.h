/* Helpers for the tests of the configuration. */
#ifndef DKV_TESTS_CONFIG_TEST_H
#define DKV_TESTS_CONFIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "server/config.h"

/* --- files ------------------------------------------------------------------------------------------ */

/* A fresh folder, to be removed with folder_remove. */
static inline char *folder_new(void)
{
    char path[] = "/tmp/dkv-config-XXXXXX";
    assert_non_null(mkdtemp(path));
    return mem_strdup(path);
}

static inline void folder_remove(char *folder)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    mem_free(folder);
}

/* "folder/name", until the next but three calls. */
static inline const char *path_in(const char *folder, const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static inline void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

/* To be freed with mem_free. */
static inline char *file_text(const char *path)
{
    struct buffer text = {0};
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (size_t got = 1; got > 0; text.size += got)
        got = fread(buffer_reserve(&text, 65536), 1, 65536, file);
    fclose(file);
    char *copy = slice_to_cstring(buffer_slice(&text));
    buffer_free(&text);
    return copy;
}

/* --- reading ---------------------------------------------------------------------------------------- */

/* Loads a command line, given after the program's name and ended by NULL. */
static inline enum config_action load(struct config *config, struct config_error *error, const char *first,
                                      ...)
{
    char *argv[32] = {(char *)(uintptr_t) "dkv-server"};
    int argc = 1;
    va_list args;
    va_start(args, first);
    for (const char *word = first; word != NULL; word = va_arg(args, const char *))
        argv[argc++] = (char *)(uintptr_t)word;
    va_end(args);
    return config_load(config, argc, argv, error);
}

static inline struct config *config_of(const char *text)
{
    struct config *config = config_new();
    struct config_error error;
    if (!config_read_text(config, "test.conf", slice_of(text), &error))
        fail_msg("%s", error.text);
    return config;
}

/* The error that a text gives as "test.conf". */
static inline void assert_error(const char *text, const char *expected)
{
    struct config *config = config_new();
    struct config_error error = {""};
    assert_false(config_read_text(config, "test.conf", slice_of(text), &error));
    assert_string_equal(error.text, expected);
    config_free(config);
}

static inline void assert_value(const struct config *config, const char *name, const char *expected)
{
    const char *value = config_get(config, slice_of(name));
    assert_non_null(value);
    assert_string_equal(value, expected);
}

/* Every value of one is the other's. */
static inline void assert_same_values(const struct config *a, const struct config *b)
{
    for (size_t i = 0; i < config_count(); i++) {
        struct slice name = slice_of(config_name(i, NULL));
        if (!slice_equal(config_get_bytes(a, name), config_get_bytes(b, name)))
            fail_msg("%s is '%s' and '%s'", name.data, config_get(a, name), config_get(b, name));
    }
}

#endif
