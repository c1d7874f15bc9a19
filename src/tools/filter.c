#include "tools/filter.h"

#include <stdlib.h>

#include "base/glob.h"
#include "base/hash.h"
#include "command/dispatch.h"
#include "family/families.h"

bool key_filter_open(struct key_filter *filter, const char *pattern)
{
    *filter = (struct key_filter){0};
    if (!pattern)
        return true;
    filter->glob = glob_new(slice_of(pattern), false);
    if (!filter->glob)
        return false;
    filter->commands = command_table_new();
    command_families_add(filter->commands);
    family_add_all(filter->commands);
    return true;
}

void key_filter_close(struct key_filter *filter)
{
    if (filter->commands)
        command_table_free(filter->commands);
    filter->commands = NULL;
    glob_free(filter->glob);
    filter->glob = NULL;
}

struct match {
    const struct glob *glob;
    const struct request *request;
    bool found;
};

static void match_key(void *context, int index, unsigned key_flags)
{
    struct match *match = context;
    (void)key_flags;
    match->found |= glob_matches(match->glob, match->request->argv[index]);
}

bool key_filter_passes(const struct key_filter *filter, const struct request *request)
{
    struct match match = {.glob = filter->glob, .request = request};
    if (!filter->commands)
        return true;
    const struct command_entry *entry = command_table_find(filter->commands, request->argv[0]);
    if (entry && command_arity_fits(entry->row, request->argc)) {
        if (!command_has_keys(entry->row))
            return true;
        command_each_key(entry->row, request->argc, request->argv, match_key, &match);
        return match.found;
    }
    for (int i = 1; i < request->argc; i++)
        match_key(&match, i, 0);
    return match.found;
}

/* --- counting ----------------------------------------------------------------------------------------- */

struct addition {
    struct key_set *set;
    const struct request *request;
    int database;
};

static void add_key(void *context, int index, unsigned key_flags)
{
    struct addition *addition = context;
    (void)key_flags;
    struct slice key = addition->request->argv[index];
    /* Bytes that lie in a file of their own are no key's. */
    if (!key.data && key.size > 0)
        return;
    uint64_t hash = hash_bytes(key.data, key.size, (uint64_t)addition->database);
    buffer_append(&addition->set->hashes, &hash, sizeof(hash));
}

void key_set_open(struct key_set *set)
{
    *set = (struct key_set){.commands = command_table_new()};
    command_families_add(set->commands);
    family_add_all(set->commands);
}

void key_set_close(struct key_set *set)
{
    command_table_free(set->commands);
    buffer_free(&set->hashes);
}

void key_set_add(struct key_set *set, int database, const struct request *request)
{
    struct addition addition = {set, request, database};
    const struct command_entry *entry = command_table_find(set->commands, request->argv[0]);
    if (entry && command_arity_fits(entry->row, request->argc) && command_has_keys(entry->row))
        command_each_key(entry->row, request->argc, request->argv, add_key, &addition);
}

static int compare(const void *a, const void *b)
{
    uint64_t x;
    uint64_t y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

size_t key_set_count(struct key_set *set)
{
    char *hashes = set->hashes.data;
    size_t count = set->hashes.size / sizeof(uint64_t);
    size_t different = 0;
    if (count > 1)
        qsort(hashes, count, sizeof(uint64_t), compare);
    for (size_t i = 0; i < count; i++)
        different +=
            i == 0 || compare(hashes + (i - 1) * sizeof(uint64_t), hashes + i * sizeof(uint64_t)) != 0;
    return different;
}
