/* CONFIG: the configuration as clients see and change it. */
#include "base/diag.h"
#include "base/glob.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/dispatch.h"
#include "server/config_table.h"
#include "server/server.h"

static struct config *call_config(const struct call *call)
{
    return server_of(call->world)->config;
}

/* --- GET -------------------------------------------------------------------------------------------- */

/* Names already replied: each is replied once, however many patterns it matches. Two bits a row, for name
 * and alias. */
struct get {
    struct call *call;
    unsigned char *replied;
    int64_t count;
};

static void get_row(struct get *get, const struct directive *directive, bool alias, struct slice shown)
{
    unsigned char bit = alias ? 2 : 1;
    unsigned char *replied = &get->replied[directive_index(directive)];
    if (*replied & bit)
        return;
    *replied |= bit;
    reply_bulk(get->call->reply, shown);
    reply_bulk(get->call->reply, config_value_text(call_config(get->call), directive));
    get->count++;
}

/* A pattern that is too complex to be read is too long for any name. */
static void get_pattern(struct get *get, struct slice pattern)
{
    struct glob *glob = glob_new(pattern, true);
    if (!glob)
        return;
    for (size_t i = 0; i < directive_count; i++) {
        const char *names[] = {directives[i].name, directives[i].alias};
        for (int alias = 0; alias < 2; alias++)
            if (names[alias] != NULL && glob_matches(glob, slice_of(names[alias])))
                get_row(get, &directives[i], alias, slice_of(names[alias]));
    }
    glob_free(glob);
}

static void get_command(struct call *call)
{
    struct get get = {call, mem_alloc_zero(directive_count), 0};
    struct output_gap gap = reply_later(call->reply);
    for (int i = 2; i < call->argc; i++) {
        struct slice name = call->argv[i];
        bool by_alias;
        const struct directive *directive = directive_find(name, &by_alias);
        if (directive != NULL) /* in the letters it was asked for, as Redis does */
            get_row(&get, directive, by_alias, name);
        else
            get_pattern(&get, name);
    }
    reply_map_at(call->reply, gap, get.count);
    mem_free(get.replied);
}

/* --- the others ------------------------------------------------------------------------------------- */

static void set_command(struct call *call)
{
    struct config_error error;
    bool sets_appendonly = false;
    for (int i = 2; i + 1 < call->argc; i += 2) {
        const struct directive *directive = directive_find(call->argv[i], NULL);
        if (directive != NULL && (directive->flags & DIRECTIVE_SENSITIVE))
            call_redact(call, i + 1);
        sets_appendonly |= directive != NULL && strcmp(directive->name, "appendonly") == 0;
    }
    if (call->argc % 2 != 0) {
        call_syntax_error(call);
        return;
    }
    /* A transaction would be half in memory and half in the log; and it cannot be undone should another
     * directive be refused. */
    if (sets_appendonly && (!call->origin->is_alone || call->argc > 4)) {
        reply_error(call->reply,
                    "ERR CONFIG SET failed (possibly related to argument 'appendonly') - it has to be "
                    "set by itself, and not in a transaction");
        return;
    }
    if (!config_set(call_config(call), call->session->is_local, (call->argc - 2) / 2, call->argv + 2,
                    &error)) {
        reply_error(call->reply, error.text);
        return;
    }
    /* An OK to a stricter appendfsync means that it holds for everything so far. */
    if (call->world->journal)
        call->wait_lsn = journal_executed(call->world->journal);
    reply_ok(call->reply);
}

static void rewrite_command(struct call *call)
{
    struct config *config = call_config(call);
    struct config_error error;
    if (config_rewrite(config, &error)) {
        diag(DIAG_WARNING, "CONFIG REWRITE executed with success.");
        reply_ok(call->reply);
        return;
    }
    if (config->file[0] != '\0')
        diag(DIAG_WARNING, "CONFIG REWRITE failed: %s", error.text);
    reply_error(call->reply, error.text);
}

static void resetstat_command(struct call *call)
{
    command_table_reset_stats(call->world->commands);
    const struct config_hooks *hooks = call_config(call)->hooks;
    if (hooks != NULL && hooks->reset_stats != NULL)
        hooks->reset_stats(hooks->context);
    reply_ok(call->reply);
}

static void help_command(struct call *call)
{
    static const char *const lines[] = {"GET <pattern> [<pattern> ...]",
                                        "    Names that match a glob-style pattern, and their values.",
                                        "SET <directive> <value> [<directive> <value> ...]",
                                        "    Change directives: all of them, or none and an error.",
                                        "RESETSTAT",
                                        "    Set the figures of INFO back to zero.",
                                        "REWRITE",
                                        "    Bring the configuration file in line with the values in force.",
                                        NULL};
    call_help(call, lines);
}

static const char *const set_tips[] = {"request_policy:all_nodes", "response_policy:all_succeeded", NULL};

#define ADMIN (CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)

static const struct command config_subcommands[] = {
    {.name = "get",
     .arity = -3,
     .flags = ADMIN,
     .function = get_command,
     .arguments = "parameter(parameter)*",
     .group = "server",
     .since = "2.0.0",
     .history = "7.0.0 Takes several patterns.",
     .complexity = "O(N) in the number of directives and patterns",
     .summary = "Reads directives of the configuration."},
    {.name = "set",
     .arity = -4,
     .flags = ADMIN,
     .function = set_command,
     .arguments = "parameter_value(parameter value)*",
     .group = "server",
     .since = "2.0.0",
     .history = "7.0.0 Takes several directives.",
     .complexity = "O(N) in the number of directives given",
     .summary = "Changes directives of the configuration, all or none.",
     .tips = set_tips},
    {.name = "rewrite",
     .arity = 2,
     .flags = ADMIN,
     .function = rewrite_command,
     .group = "server",
     .since = "2.8.0",
     .complexity = "O(N) in the size of the file",
     .summary = "Writes the values in force to the configuration file."},
    {.name = "resetstat",
     .arity = 2,
     .flags = ADMIN,
     .function = resetstat_command,
     .group = "server",
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Sets the figures of INFO back."},
    {.name = "help",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .function = help_command,
     .group = "server",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Describes the subcommands."},
};

static const struct command config_commands[] = {
    {.name = "config",
     .arity = -2,
     .group = "server",
     .since = "2.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "Reads and changes the configuration.",
     .subcommands = config_subcommands,
     .subcommand_count = sizeof(config_subcommands) / sizeof(config_subcommands[0])},
};

void config_commands_add(struct command_table *table)
{
    command_table_add(table, config_commands, sizeof(config_commands) / sizeof(config_commands[0]));
}
