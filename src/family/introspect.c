/* COMMAND and its subcommands: the command table as clients ask for it. Everything here follows from the rows
 * of the families; ACL categories partly follow from flags. */
#include <stdio.h>

#include "base/diag.h"
#include "base/glob.h"
#include "command/args.h"
#include "command/call.h"
#include "family/families.h"
#include "family/syntax.h"

/* --- names of bits, in the order in which they are told ------------------------------------------------ */

struct bit_name {
    unsigned bit;
    const char *name;
};

static const struct bit_name flag_names[] = {
    {CMD_WRITE, "write"},
    {CMD_READONLY, "readonly"},
    {CMD_DENYOOM, "denyoom"},
    {CMD_ADMIN, "admin"},
    {CMD_PUBSUB, "pubsub"},
    {CMD_NOSCRIPT, "noscript"},
    {CMD_BLOCKING, "blocking"},
    {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"},
    {CMD_SKIP_MONITOR, "skip_monitor"},
    {CMD_SKIP_SLOWLOG, "skip_slowlog"},
    {CMD_ASKING, "asking"},
    {CMD_FAST, "fast"},
    {CMD_NO_AUTH, "no_auth"},
    {CMD_NO_MANDATORY_KEYS, "no_mandatory_keys"},
    {CMD_NO_ASYNC_LOADING, "no_async_loading"},
    {CMD_NO_MULTI, "no_multi"},
    {CMD_MOVABLEKEYS, "movablekeys"},
    {CMD_ALLOW_BUSY, "allow_busy"},
};

static const struct bit_name key_flag_names[] = {
    {KEY_RO, "RO"},
    {KEY_RW, "RW"},
    {KEY_OW, "OW"},
    {KEY_RM, "RM"},
    {KEY_ACCESS, "access"},
    {KEY_UPDATE, "update"},
    {KEY_INSERT, "insert"},
    {KEY_DELETE, "delete"},
    {KEY_NOT_KEY, "not_key"},
    {KEY_INCOMPLETE, "incomplete"},
    {KEY_VARIABLE_FLAGS, "variable_flags"},
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static void reply_bits(struct reply *reply, unsigned bits, const struct bit_name *names, size_t count)
{
    struct output_gap gap = reply_later(reply);
    int64_t told = 0;
    for (size_t i = 0; i < count; i++) {
        if (bits & names[i].bit) {
            reply_simple(reply, names[i].name);
            told++;
        }
    }
    reply_set_at(reply, gap, told);
}

/* --- COMMAND INFO -------------------------------------------------------------------------------------- */

static void reply_categories(struct reply *reply, const struct command *command)
{
    struct output_gap gap = reply_later(reply);
    int64_t told = 0;
    for (size_t i = 0; command_category_name(i); i++) {
        if (command_in_category(command, i)) {
            char name[COMMAND_CATEGORY_NAME_MAX + 1];
            snprintf(name, sizeof(name), "@%s", command_category_name(i));
            reply_simple(reply, name);
            told++;
        }
    }
    reply_set_at(reply, gap, told);
}

static void reply_tips(struct reply *reply, const struct command *command)
{
    int64_t count = 0;
    while (command->tips && command->tips[count])
        count++;
    reply_set(reply, count);
    for (int64_t i = 0; i < count; i++)
        reply_bulk_text(reply, command->tips[i]);
}

static void reply_text_pair(struct reply *reply, const char *name, const char *value)
{
    reply_bulk_text(reply, name);
    reply_bulk_text(reply, value);
}

static void reply_int_pair(struct reply *reply, const char *name, int64_t value)
{
    reply_bulk_text(reply, name);
    reply_int(reply, value);
}

/* The beginning of one of the two parts of a specification, up to its own pairs. */
static void reply_key_search(struct reply *reply, const char *part, const char *type, int64_t pairs)
{
    reply_bulk_text(reply, part);
    reply_map(reply, 2);
    reply_text_pair(reply, "type", type);
    reply_bulk_text(reply, "spec");
    reply_map(reply, pairs);
}

static void reply_key_begin(struct reply *reply, const struct key_spec *spec)
{
    const char *part = "begin_search";
    switch ((enum key_begin)spec->begin) {
    case KEY_BEGIN_INDEX:
        reply_key_search(reply, part, "index", 1);
        reply_int_pair(reply, "index", spec->index);
        break;
    case KEY_BEGIN_KEYWORD:
        reply_key_search(reply, part, "keyword", 2);
        reply_text_pair(reply, "keyword", spec->keyword);
        reply_int_pair(reply, "startfrom", spec->index);
        break;
    case KEY_BEGIN_UNKNOWN: reply_key_search(reply, part, "unknown", 0); break;
    }
}

static void reply_key_find(struct reply *reply, const struct key_spec *spec)
{
    const char *part = "find_keys";
    switch ((enum key_find)spec->find) {
    case KEY_FIND_RANGE:
        reply_key_search(reply, part, "range", 3);
        reply_int_pair(reply, "lastkey", spec->last);
        reply_int_pair(reply, "keystep", spec->step);
        reply_int_pair(reply, "limit", spec->limit);
        break;
    case KEY_FIND_COUNT:
        reply_key_search(reply, part, "keynum", 3);
        reply_int_pair(reply, "keynumidx", spec->count_at);
        reply_int_pair(reply, "firstkey", spec->first);
        reply_int_pair(reply, "keystep", spec->step);
        break;
    case KEY_FIND_UNKNOWN: reply_key_search(reply, part, "unknown", 0); break;
    }
}

/* How to find keys: where to begin, and how far to go on from there. */
static void reply_key_spec(struct reply *reply, const struct key_spec *spec)
{
    reply_map(reply, 3);
    reply_bulk_text(reply, "flags");
    reply_bits(reply, spec->flags, key_flag_names, LENGTH(key_flag_names));
    reply_key_begin(reply, spec);
    reply_key_find(reply, spec);
}

static int key_spec_count(const struct command *command)
{
    int count = 0;
    while (count < KEY_SPECS_MAX && command->keys[count].flags != 0)
        count++;
    return count;
}

/* Whether clients older than key specifications can be told of it: the only one, or a run of keys one behind
 * the other, right behind that before. */
static bool is_in_range(const struct key_spec *spec, int count, int last)
{
    if (spec->begin != KEY_BEGIN_INDEX || spec->find != KEY_FIND_RANGE)
        return false;
    return count == 1 || (spec->step == 1 && (last == 0 || last == spec->index - 1));
}

/* First key, last key, step: one range over all specifications, as such clients know it. */
static void reply_key_range(struct reply *reply, const struct command *command)
{
    int count = key_spec_count(command);
    int first = 0;
    int last = 0;
    int step = 0;
    for (int i = 0; i < count; i++) {
        const struct key_spec *spec = &command->keys[i];
        if (!is_in_range(spec, count, last))
            continue;
        first = first ? first : spec->index;
        last = spec->last < 0 ? spec->last : spec->index + spec->last;
        step = spec->step;
    }
    reply_int(reply, first);
    reply_int(reply, last);
    reply_int(reply, step);
}

static void reply_info(struct reply *reply, const struct command_entry *entry)
{
    if (!entry) {
        reply_null(reply);
        return;
    }
    const struct command *command = entry->row;
    reply_array(reply, 10);
    reply_bulk_text(reply, entry->full_name);
    reply_int(reply, command->arity);
    reply_bits(reply, command->flags, flag_names, LENGTH(flag_names));
    reply_key_range(reply, command);
    reply_categories(reply, command);
    reply_tips(reply, command);
    reply_set(reply, key_spec_count(command));
    for (int i = 0; i < key_spec_count(command); i++)
        reply_key_spec(reply, &command->keys[i]);
    /* Subcommands are an array, but none of them are an empty set: so clients know it. */
    if (command->subcommand_count == 0)
        reply_set(reply, 0);
    else
        reply_array(reply, (int64_t)command->subcommand_count);
    for (size_t i = 0; i < command->subcommand_count; i++)
        reply_info(reply, &entry->children[i]);
}

static void reply_info_all(struct call *call)
{
    size_t count = command_table_count(call->world->commands);
    reply_array(call->reply, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        reply_info(call->reply, command_table_at(call->world->commands, i));
}

static void command_command(struct call *call)
{
    reply_info_all(call);
}

static void command_info_command(struct call *call)
{
    if (call->argc == 2) {
        reply_info_all(call);
        return;
    }
    reply_array(call->reply, call->argc - 2);
    for (int i = 2; i < call->argc; i++)
        reply_info(call->reply, command_table_lookup_called(call->world->commands, call->argv[i]));
}

static void command_count_command(struct call *call)
{
    reply_int(call->reply, (int64_t)command_table_count(call->world->commands));
}

/* --- COMMAND DOCS -------------------------------------------------------------------------------------- */

/* A line's version, and the rest of it. The lines behind it are returned. */
static const char *version_line(const char *line, struct slice *version, struct slice *text)
{
    const char *space = strchr(line, ' ');
    const char *end = strchrnul(line, '\n');
    ASSERT(space && space < end);
    *version = slice_make(line, (size_t)(space - line));
    *text = slice_make(space + 1, (size_t)(end - space - 1));
    return *end ? end + 1 : end;
}

static void reply_history(struct reply *reply, const char *history)
{
    struct slice version;
    struct slice text;
    int64_t lines = 1;
    for (const char *c = history; *c; c++)
        lines += *c == '\n';
    reply_bulk_text(reply, "history");
    reply_set(reply, lines);
    while (*history) {
        history = version_line(history, &version, &text);
        reply_array(reply, 2);
        reply_bulk(reply, version);
        reply_bulk(reply, text);
    }
}

static void reply_doc_flags(struct reply *reply, const struct command *command)
{
    struct slice version;
    struct slice instead;
    if (!command->deprecated && !command->internal)
        return;
    reply_bulk_text(reply, "doc_flags");
    reply_set(reply, (command->deprecated ? 1 : 0) + (command->internal ? 1 : 0));
    if (command->internal)
        reply_simple(reply, "syscmd");
    if (!command->deprecated)
        return;
    reply_simple(reply, "deprecated");
    version_line(command->deprecated, &version, &instead);
    reply_bulk_text(reply, "deprecated_since");
    reply_bulk(reply, version);
    reply_bulk_text(reply, "replaced_by");
    reply_bulk(reply, instead);
}

/* How many pairs the documentation of a command has. */
static int64_t count_docs(const struct command *command)
{
    int64_t flags = command->deprecated ? 3 : command->internal ? 1 : 0;
    return 4 + flags + (command->history ? 1 : 0) + (command->arguments ? 1 : 0) +
           (command->subcommand_count > 0 ? 1 : 0);
}

static void reply_docs(struct reply *reply, const struct command_entry *entry)
{
    const struct command *command = entry->row;
    reply_bulk_text(reply, entry->full_name);
    reply_map(reply, count_docs(command));
    reply_text_pair(reply, "summary", command->summary);
    reply_text_pair(reply, "since", command->since);
    reply_text_pair(reply, "group", command->group);
    reply_text_pair(reply, "complexity", command->complexity);
    reply_doc_flags(reply, command);
    if (command->history)
        reply_history(reply, command->history);
    if (command->arguments) {
        reply_bulk_text(reply, "arguments");
        reply_syntax(reply, command->arguments);
    }
    if (command->subcommand_count == 0)
        return;
    reply_bulk_text(reply, "subcommands");
    reply_map(reply, (int64_t)command->subcommand_count);
    for (size_t i = 0; i < command->subcommand_count; i++)
        reply_docs(reply, &entry->children[i]);
}

static void command_docs_command(struct call *call)
{
    const struct command_table *table = call->world->commands;
    if (call->argc == 2) {
        reply_map(call->reply, (int64_t)command_table_count(table));
        for (size_t i = 0; i < command_table_count(table); i++)
            reply_docs(call->reply, command_table_at(table, i));
        return;
    }
    struct output_gap gap = reply_later(call->reply);
    int64_t found = 0;
    for (int i = 2; i < call->argc; i++) {
        const struct command_entry *entry = command_table_lookup_called(table, call->argv[i]);
        if (!entry)
            continue;
        reply_docs(call->reply, entry);
        found++;
    }
    reply_map_at(call->reply, gap, found);
}

/* --- COMMAND LIST -------------------------------------------------------------------------------------- */

/* Whether a command is listed, and by what. */
typedef bool list_filter(const struct command_entry *entry, struct slice argument);

static bool filter_none(const struct command_entry *entry, struct slice argument)
{
    (void)entry;
    (void)argument;
    return true;
}

/* There are no modules, so nothing is of one. */
static bool filter_module(const struct command_entry *entry, struct slice argument)
{
    (void)entry;
    (void)argument;
    return false;
}

static bool filter_category(const struct command_entry *entry, struct slice argument)
{
    for (size_t i = 0; command_category_name(i); i++)
        if (slice_is(argument, command_category_name(i)))
            return command_in_category(entry->row, i);
    return false;
}

static bool filter_pattern(const struct command_entry *entry, struct slice argument)
{
    struct glob *glob = glob_new(argument, true);
    bool matches = glob && glob_matches(glob, slice_of(entry->full_name));
    glob_free(glob);
    return matches;
}

static list_filter *filter_find(struct slice word)
{
    static const struct {
        const char *word;
        list_filter *filter;
    } filters[] = {{"module", filter_module}, {"aclcat", filter_category}, {"pattern", filter_pattern}};
    for (size_t i = 0; i < LENGTH(filters); i++)
        if (slice_is(word, filters[i].word))
            return filters[i].filter;
    return NULL;
}

static int64_t reply_if_listed(struct reply *reply, const struct command_entry *entry, list_filter *filter,
                               struct slice argument)
{
    if (!filter(entry, argument))
        return 0;
    reply_bulk_text(reply, entry->full_name);
    return 1;
}

static void command_list_command(struct call *call)
{
    const struct command_table *table = call->world->commands;
    list_filter *filter = call->argc == 2 ? filter_none : NULL;
    struct slice argument = {NULL, 0};
    if (call->argc == 5 && slice_is(call->argv[2], "filterby")) {
        filter = filter_find(call->argv[3]);
        argument = call->argv[4];
    }
    if (!filter) {
        call_syntax_error(call);
        return;
    }
    struct output_gap gap = reply_later(call->reply);
    int64_t listed = 0;
    for (size_t i = 0; i < command_table_count(table); i++) {
        const struct command_entry *entry = command_table_at(table, i);
        listed += reply_if_listed(call->reply, entry, filter, argument);
        for (size_t j = 0; j < entry->row->subcommand_count; j++)
            listed += reply_if_listed(call->reply, &entry->children[j], filter, argument);
    }
    reply_array_at(call->reply, gap, listed);
}

/* --- COMMAND GETKEYS ----------------------------------------------------------------------------------- */

struct key_report {
    struct reply *reply;
    const struct command *command;
    const struct slice *argv; /* its arguments, under whatever name */
    int argc;
    bool with_flags;
};

static void key_report_visit(void *context, int index, unsigned key_flags)
{
    struct key_report *report = context;
    if (report->with_flags)
        reply_array(report->reply, 2);
    reply_bulk(report->reply, report->argv[index]);
    if (report->with_flags)
        reply_bits(report->reply,
                   command_key_flags_as_called(report->command, report->argc, report->argv, key_flags),
                   key_flag_names, LENGTH(key_flag_names));
}

static void count_key(void *context, int index, unsigned key_flags)
{
    (void)index, (void)key_flags;
    ++*(int64_t *)context;
}

/* 0 where the arguments do not fit. */
static int64_t count_keys(const struct command *command, int argc, const struct slice *argv)
{
    int64_t count = 0;
    return command_each_key(command, argc, argv, count_key, &count) ? count : 0;
}

static void getkeys_generic(struct call *call, bool with_flags)
{
    const struct slice *argv = call->argv + 2;
    int argc = call->argc - 2;
    const struct command_entry *entry = command_table_find_called(call->world->commands, argv[0]);
    if (entry && entry->row->subcommand_count > 0 && argc > 1)
        entry = command_entry_child(entry, argv[1]);
    if (!entry) {
        reply_error(call->reply, "ERR Invalid command specified");
        return;
    }
    if (!command_has_keys(entry->row)) {
        reply_error(call->reply, "ERR The command has no key arguments");
        return;
    }
    if (!command_arity_fits(entry->row, argc)) {
        reply_error(call->reply, "ERR Invalid number of arguments specified for command");
        return;
    }
    struct key_report report = {
        .reply = call->reply, .command = entry->row, .argv = argv, .argc = argc, .with_flags = with_flags};
    int64_t keys = count_keys(entry->row, argc, argv);
    if (keys == 0 && !(entry->row->flags & CMD_NO_MANDATORY_KEYS)) {
        reply_error(call->reply, "ERR Invalid arguments specified for command");
        return;
    }
    reply_array(call->reply, keys);
    if (keys > 0)
        command_each_key(entry->row, argc, argv, key_report_visit, &report);
}

static void command_getkeys_command(struct call *call)
{
    getkeys_generic(call, false);
}

static void command_getkeysandflags_command(struct call *call)
{
    getkeys_generic(call, true);
}

static void command_help_command(struct call *call)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Describe all commands.",
        "COUNT",
        "    Tell how many commands there are.",
        "DOCS [<command-name> ...]",
        "    Return the documentation of these commands, or of all.",
        "GETKEYS <full-command>",
        "    Extract the keys from a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Extract the keys, and what happens to them, from a full command.",
        "INFO [<command-name> ...]",
        "    Describe these commands, or all.",
        "LIST [FILTERBY (MODULE <name> | ACLCAT <category> | PATTERN <pattern>)]",
        "    List the names of all commands, or of some.",
        NULL,
    };
    call_help(call, lines);
}

/* --- the table ----------------------------------------------------------------------------------------- */

static const struct command command_subcommands[] = {
    {.name = "count",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_CONNECTION,
     .function = command_count_command,
     .group = "server",
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Tells how many commands there are."},
    {.name = "docs",
     .arity = -2,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_CONNECTION,
     .function = command_docs_command,
     .arguments = "[command-name*]",
     .group = "server",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of commands asked for",
     .summary = "Returns the documentation of commands.",
     .tips = (const char *const[]){"nondeterministic_output_order", NULL}},
    {.name = "getkeys",
     .arity = -3,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_CONNECTION,
     .function = command_getkeys_command,
     .group = "server",
     .since = "2.8.13",
     .complexity = "O(N) where N is the number of arguments",
     .summary = "Extracts the keys from a full command."},
    {.name = "getkeysandflags",
     .arity = -3,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_CONNECTION,
     .function = command_getkeysandflags_command,
     .group = "server",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of arguments",
     .summary = "Extracts the keys, and what happens to them, from a full command."},
    {.name = "info",
     .arity = -2,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_CONNECTION,
     .function = command_info_command,
     .arguments = "[command-name*]",
     .group = "server",
     .since = "2.8.13",
     .history = "7.0.0 Without names it describes all commands.",
     .complexity = "O(N) where N is the number of commands asked for",
     .summary = "Describes some commands.",
     .tips = (const char *const[]){"nondeterministic_output_order", NULL}},
    {.name = "list",
     .arity = -2,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_CONNECTION,
     .function = command_list_command,
     .arguments = "[FILTERBY=filterby(MODULE=module-name|ACLCAT=category|PATTERN=pattern#pattern)]",
     .group = "server",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of commands",
     .summary = "Lists the names of the commands.",
     .tips = (const char *const[]){"nondeterministic_output_order", NULL}},
    {.name = "help",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_CONNECTION,
     .function = command_help_command,
     .group = "server",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Lists the subcommands."},
};

const struct command introspect_commands[] = {
    {.name = "command",
     .arity = -1,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_CONNECTION,
     .function = command_command,
     .group = "server",
     .since = "2.8.13",
     .complexity = "O(N) where N is the number of commands",
     .summary = "Describes all commands.",
     .tips = (const char *const[]){"nondeterministic_output_order", NULL},
     .subcommands = command_subcommands,
     .subcommand_count = sizeof(command_subcommands) / sizeof(command_subcommands[0])},
};
const size_t introspect_command_count = sizeof(introspect_commands) / sizeof(introspect_commands[0]);
