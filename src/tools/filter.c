#include "tools/filter.h"

#include "base/glob.h"
#include "command/dispatch.h"

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
    if (entry && command_arity_fits(entry->command, request->argc)) {
        if (entry->command->keys[0].first == 0)
            return true;
        command_each_key(entry->command, request->argc, request->argv, match_key, &match);
        return match.found;
    }
    for (int i = 1; i < request->argc; i++)
        match_key(&match, i, 0);
    return match.found;
}
