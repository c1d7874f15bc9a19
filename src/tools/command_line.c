#include "tools/command_line.h"

#include <stdarg.h>
#include <stddef.h>

#include "base/number.h"
#include "tools/text.h"

/* --- commands ----------------------------------------------------------------------------------------- */

static const struct log_command commands[] = {
    {.name = "show",
     .arguments = "[options] DIR",
     .summary = "the stream as people read it",
     .help = "Prints time, LSN, database and command of what the log holds, oldest first: a line for each "
             "command,\n"
             "those of one unit indented between MULTI and EXEC. Units are shown whole.\n",
     .options = " from to since key base resp json skip-damaged ",
     .run = show_run},
    {.name = "verify",
     .arguments = "[--json] DIR",
     .summary = "read every frame of every file; exit status 1 when something is damaged",
     .help =
         "Names each damage with file, offset, LSN and what is at stake. A torn tail, which was never "
         "promised to\n"
         "anybody, is no damage. May be used while a server is using the folder.\n\n"
         "Exit status: 0, all that is there is whole (with \"all is well\", the end of the log is on record "
         "as well);\n"
         "1, something is damaged; 3, something could not be looked at. What a server that was killed wrote "
         "last is on\n"
         "record nowhere but in the log itself: then a note says that an end that was cut off could not be "
         "seen.\n",
     .options = " json ",
     .run = verify_run},
    {.name = "repair",
     .arguments = "[--yes] DIR",
     .summary = "show how a damaged folder can be made whole, and do it with --yes",
     .help =
         "The result is the state of the longest prefix of the stream that can be had. Damaged files stay "
         "beside,\n"
         "under other names. Without --yes nothing is changed. Refuses while a server is using the folder, "
         "and where a\n"
         "file may not be read.\n\n"
         "The line \"lost:\" says one of these:\n"
         "  nothing                         all that was ever written is there afterwards\n"
         "  nothing that can be seen        the same, but no server closed the log, or MANIFEST is gone: if "
         "an end was\n"
         "                                  cut off as well, nothing tells\n"
         "  all that followed LSN n         the end of the log cannot be read: how much that was, nobody can "
         "know\n"
         "  LSN n to m                      this is given up, with what of it can be read, and when it was "
         "written\n"
         "In the last two cases --yes alone changes nothing: --accept-loss has to be said, too.\n",
     .options = " yes accept-loss ",
     .run = repair_run},
    {.name = "restore",
     .arguments = "DIR [--to TIME|LSN --into DIR2]",
     .summary = "make a folder with the state at an earlier moment",
     .help = "The new folder holds the newest state kept from before that moment and the log up to it. How "
             "far back\n"
             "that is possible depends on the history kept (dkv.conf: history-bases, history-seconds); "
             "without --to,\n"
             "prints what can be restored. What is written at TIME itself, or ends at LSN, is included.\n",
     .options = " to into ",
     .run = restore_run},
    {.name = "stat",
     .arguments = "[--json] [--quick] DIR",
     .summary = "sizes, live and stale bytes, frames over time",
     .help = "What is live is found out by recovering the state in memory, as a server would.\n",
     .options = " json quick ",
     .run = stat_run},
    {.name = "import",
     .arguments = "AOF-OR-DIR --into DIR",
     .summary = "make a folder from a Redis append-only file or folder",
     .help = "Takes a file of commands, a folder with a manifest (appendonlydir), or Redis's data folder. An "
             "RDB\n"
             "snapshot at the beginning cannot be read yet: set aof-use-rdb-preamble to no and rewrite the "
             "log first.\n",
     .options = " into ",
     .opens_nothing = true,
     .needs_into = true,
     .run = import_run},
    {.name = "export",
     .arguments = "DIR > FILE",
     .summary = "write a plain append-only file that redis-server loads",
     .help = "The state in use and the log behind it, as commands. To load it: name FILE appendonly.aof in "
             "an empty\n"
             "folder and start redis-server --appendonly yes --dir there; or redis-cli --pipe < FILE.\n",
     .options = " skip-damaged ",
     .run = export_run},
};

static const struct log_command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* --- options ------------------------------------------------------------------------------------------ */

/* Each reads a value into the options. False when it is not what it should be. */
static bool read_lsn(const char *value, void *field)
{
    return uint64_parse(slice_of(value), field);
}

static bool read_since(const char *value, void *field)
{
    return seconds_parse(value, field) || time_parse(value, field);
}

static bool read_text(const char *value, void *field)
{
    *(const char **)field = value;
    return value[0] != '\0';
}

static bool read_target(const char *value, void *field)
{
    struct target *target = field;
    if (uint64_parse(slice_of(value), &target->lsn)) {
        target->kind = TARGET_LSN;
        return true;
    }
    target->kind = TARGET_TIME;
    return time_parse(value, &target->time_ms);
}

static const struct option {
    const char *name;
    const char *command;  /* NULL: of every command that takes it */
    const char *argument; /* NULL: a switch */
    const char *help;
    size_t field; /* in struct options */
    size_t given; /* a bool to be set, beside the field */
    bool (*read)(const char *value, void *field);
} option_rows[] = {
    {"from", NULL, "LSN", "begin at this place of the stream", offsetof(struct options, from),
     offsetof(struct options, has_from), read_lsn},
    {"to", "show", "LSN", "end before this place", offsetof(struct options, to),
     offsetof(struct options, has_to), read_lsn},
    {"to", "restore", "TIME|LSN", "a place of the stream, or a time as below",
     offsetof(struct options, target), offsetof(struct options, has_to), read_target},
    {"since", NULL, "TIME", "begin with what was written then: a time as below, or seconds since 1970",
     offsetof(struct options, since_ms), offsetof(struct options, has_since), read_since},
    {"key", NULL, "PATTERN", "only units that touch a key like this (* ? [a-z] as in KEYS)",
     offsetof(struct options, key), 0, read_text},
    {"into", NULL, "DIR", "the new folder, which must not exist or must be empty",
     offsetof(struct options, into), 0, read_text},
    {"base", NULL, NULL, "the state that the log in use begins with, too", offsetof(struct options, base), 0,
     NULL},
    {"resp", NULL, NULL, "as bytes that redis-cli --pipe takes", offsetof(struct options, resp), 0, NULL},
    {"json", NULL, NULL, "for programs", offsetof(struct options, json), 0, NULL},
    {"skip-damaged", NULL, NULL, "go on behind what is damaged, leaving a hole",
     offsetof(struct options, skip_damaged), 0, NULL},
    {"yes", NULL, NULL, "do it", offsetof(struct options, yes), 0, NULL},
    {"accept-loss", NULL, NULL,
     "do it also where that gives up data, or where nobody can know whether it does",
     offsetof(struct options, accept_loss), 0, NULL},
    {"quick", NULL, NULL, "do not find out how much is live", offsetof(struct options, quick), 0, NULL},
};

static bool takes(const struct log_command *command, const struct option *option)
{
    char padded[32];
    snprintf(padded, sizeof(padded), " %s ", option->name);
    return strstr(command->options, padded) != NULL &&
           (!option->command || strcmp(option->command, command->name) == 0);
}

static const struct option *find_option(const struct log_command *command, struct slice name)
{
    for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++)
        if (slice_equal(name, slice_of(option_rows[i].name)) && takes(command, &option_rows[i]))
            return &option_rows[i];
    return NULL;
}

static enum parse_result wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static enum parse_result wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("dkv-log: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return PARSED_WRONG;
}

/* Reads "--name value" or "--name=value" at *at, and moves to its last word. */
static enum parse_result parse_option(const struct log_command *command, struct options *options, int argc,
                                      char **argv, int *at)
{
    const char *word = argv[*at] + 2;
    const char *equals = strchr(word, '=');
    struct slice name = slice_make(word, equals ? (size_t)(equals - word) : strlen(word));
    const struct option *option = find_option(command, name);
    const char *value = equals ? equals + 1 : NULL;
    if (slice_is(name, "help"))
        return PARSED_HELP;
    if (!option)
        return wrong("%s has no option --%.*s: see dkv-log %s --help", command->name, (int)name.size,
                     name.data, command->name);
    if (!option->read) {
        if (value)
            return wrong("--%s takes no value", option->name);
        *(bool *)((char *)options + option->field) = true;
        return PARSED;
    }
    if (!value && *at + 1 == argc)
        return wrong("--%s needs a value: %s", option->name, option->argument);
    if (!value)
        value = argv[++*at];
    if (!option->read(value, (char *)options + option->field))
        return wrong("--%s: \"%s\" is no %s", option->name, value, option->argument);
    if (option->given)
        *(bool *)((char *)options + option->given) = true;
    return PARSED;
}

static enum parse_result check(const struct log_command *command, const struct options *options)
{
    bool restores = options->target.kind != TARGET_NONE;
    if (!options->folder)
        return wrong("%s needs to know what to read: dkv-log %s %s", command->name, command->name,
                     command->arguments);
    if (command->needs_into && !options->into)
        return wrong("%s needs --into DIR, the folder to be made", command->name);
    if (command->run == restore_run && restores != (options->into != NULL))
        return wrong("restore needs both --to and --into, or neither");
    if (options->json && options->resp)
        return wrong("--json and --resp exclude each other");
    return PARSED;
}

enum parse_result command_line_parse(int argc, char **argv, const struct log_command **command,
                                     struct options *options)
{
    *options = (struct options){0};
    *command = argc > 1 ? find_command(argv[1]) : NULL;
    if (argc < 2)
        return wrong("what is to be done? See dkv-log --help");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return PARSED_HELP;
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0)
        return PARSED_VERSION;
    if (!*command)
        return wrong("there is no command %s: see dkv-log --help", argv[1]);
    bool only_paths = false; /* behind -- */
    for (int i = 2; i < argc; i++) {
        bool is_option = !only_paths && argv[i][0] == '-' && argv[i][1] == '-';
        enum parse_result result = PARSED;
        if (is_option && argv[i][2] == '\0')
            only_paths = true;
        else if (is_option)
            result = parse_option(*command, options, argc, argv, &i);
        else if (!only_paths && argv[i][0] == '-')
            result = strcmp(argv[i], "-h") == 0 ? PARSED_HELP : wrong("there is no option %s", argv[i]);
        else if (options->folder || argv[i][0] == '\0')
            result = wrong("%s takes one path, \"%s\" is one too many", (*command)->name, argv[i]);
        else
            options->folder = argv[i];
        if (result != PARSED)
            return result;
    }
    return check(*command, options);
}

/* --- help --------------------------------------------------------------------------------------------- */

static void help_on_all(FILE *out)
{
    fputs("dkv-log looks into a data folder of dkv-server, and repairs it.\n\n", out);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(out, "  dkv-log %-8s%-32s  %s\n", commands[i].name, commands[i].arguments,
                commands[i].summary);
    fputs("\ndkv-log COMMAND --help says more. Exit status: 0 fine, 1 a problem, 2 not understood,\n"
          "3 something could not be checked.\n",
          out);
}

void command_line_help(FILE *out, const struct log_command *command)
{
    bool takes_time = false;
    if (!command) {
        help_on_all(out);
        return;
    }
    fprintf(out, "dkv-log %s %s: %s\n\n%s\n", command->name, command->arguments, command->summary,
            command->help);
    for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++) {
        const struct option *option = &option_rows[i];
        char usage[64];
        if (!takes(command, option))
            continue;
        snprintf(usage, sizeof(usage), "--%s%s%s", option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        fprintf(out, "  %-18s %s\n", usage, option->help);
        takes_time |= option->argument && strstr(option->argument, "TIME");
    }
    if (takes_time)
        fputs(
            "\nA time is 2026-11-20, 2026-11-20T10:47 or 2026-11-20T10:47:12.345+01:00 (UTC unless it says\n"
            "otherwise), or @ and seconds since 1970.\n",
            out);
}
