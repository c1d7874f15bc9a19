/* MODULE, for those who ask which there are: none. */
#include "command/args.h"
#include "server/server.h"

static void list_command(struct call *call)
{
    reply_array(call->reply, 0);
}

static void refuse_command(struct call *call)
{
    reply_error(call->reply, "ERR there are no modules in dkv");
}

static void help_command(struct call *call)
{
    static const char *const lines[] = {"LIST", "    Return the modules that are loaded: none.",
                                        "LOAD|LOADEX|UNLOAD", "    Not supported.", NULL};
    call_help(call, lines);
}

#define ADMIN  (CMD_ADMIN | CMD_NOSCRIPT)
#define CHANGE (ADMIN | CMD_NO_ASYNC_LOADING)

static const struct command module_subcommands[] = {
    {.name = "list",
     .arity = 2,
     .flags = ADMIN,
     .function = list_command,
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Lists modules: there are none.",
     .tips = (const char *const[]){"nondeterministic_output_order", NULL}},
    {.name = "load",
     .arity = -3,
     .flags = CHANGE,
     .function = refuse_command,
     .arguments = "path [arg*]",
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Is refused."},
    {.name = "loadex",
     .arity = -3,
     .flags = CHANGE,
     .function = refuse_command,
     .arguments = "path [CONFIG=configs(name value)+] [ARGS=args(arg )*]",
     .group = "server",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Is refused."},
    {.name = "unload",
     .arity = 3,
     .flags = CHANGE,
     .function = refuse_command,
     .arguments = "name",
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Is refused."},
    {.name = "help",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .function = help_command,
     .group = "server",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Describes the subcommands."},
};

static const struct command module_commands[] = {
    {.name = "module",
     .arity = -2,
     .group = "server",
     .since = "4.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for the commands of modules.",
     .subcommands = module_subcommands,
     .subcommand_count = sizeof(module_subcommands) / sizeof(module_subcommands[0])},
};

void module_commands_add(struct command_table *table)
{
    command_table_add(table, module_commands, sizeof(module_commands) / sizeof(module_commands[0]));
}
