/* Which arguments of a call are keys. */
#include <assert.h>

#include "base/diag.h"
#include "base/number.h"
#include "command/command.h"

static_assert(KEY_BEGIN_INDEX == 0 && KEY_FIND_RANGE == 0, "what command_first_key takes for granted");

/* The first argument behind the keyword; 0: it is not there. */
static int behind_keyword(const struct key_spec *spec, int argc, const struct slice *argv)
{
    int step = spec->index > 0 ? 1 : -1;
    for (int i = spec->index > 0 ? spec->index : argc + spec->index; i > 0 && i < argc; i += step)
        if (slice_is(argv[i], spec->keyword))
            return i + 1;
    return 0;
}

/* The index of the last argument that may be a key. */
static int range_last(const struct key_spec *spec, int argc, int first)
{
    if (spec->last >= 0)
        return first + spec->last;
    if (spec->limit > 1)
        return first + (argc - first) / spec->limit + spec->last;
    return argc + spec->last;
}

/* The same where an argument says how many there are, from *first on. False when it does not. */
static bool counted_last(const struct key_spec *spec, int argc, const struct slice *argv, int *first,
                         int *last)
{
    int64_t count;
    int at = *first + spec->count_at;
    if (at >= argc || !int64_parse(argv[at], &count) || count <= 0)
        return false;
    *first += spec->first;
    if (count > (argc - *first + spec->step - 1) / spec->step)
        return false;
    *last = *first + ((int)count - 1) * spec->step;
    return true;
}

static bool each_of_spec(const struct key_spec *spec, int argc, const struct slice *argv,
                         command_key_visit *visit, void *context)
{
    int first = spec->index;
    int last;
    if ((spec->begin | spec->find | spec->last) == 0) { /* as most have it */
        if (first < argc)
            visit(context, first, spec->flags);
        return true;
    }
    if (spec->begin == KEY_BEGIN_KEYWORD && (first = behind_keyword(spec, argc, argv)) == 0)
        return true;
    if (spec->find == KEY_FIND_RANGE)
        last = range_last(spec, argc, first);
    else if (!counted_last(spec, argc, argv, &first, &last))
        return false;
    ASSERT(first > 0 && spec->step > 0);
    for (int index = first; index <= last && index < argc; index += spec->step)
        visit(context, index, spec->flags);
    return true;
}

bool command_each_key(const struct command *command, int argc, const struct slice *argv,
                      command_key_visit *visit, void *context)
{
    bool fits = true;
    if (command->find_keys) {
        command->find_keys(argc, argv, visit, context);
        return true;
    }
    for (int i = 0; i < KEY_SPECS_MAX && command->keys[i].flags != 0; i++)
        if (!(command->keys[i].flags & KEY_NOT_KEY))
            fits &= each_of_spec(&command->keys[i], argc, argv, visit, context);
    return fits;
}

unsigned command_key_flags_as_called(const struct command *command, int argc, const struct slice *argv,
                                     unsigned key_flags)
{
    unsigned flags = key_flags & ~(unsigned)KEY_VARIABLE_FLAGS;
    if (!(key_flags & KEY_VARIABLE_FLAGS) || !command->vary_key_flags)
        return flags;
    return command->vary_key_flags(argc, argv, flags);
}
