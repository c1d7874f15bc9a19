/* The command line of dkv-log: commands, their options and their help, from one table. */
#ifndef DKV_TOOLS_COMMAND_LINE_H
#define DKV_TOOLS_COMMAND_LINE_H

#include "tools/log.h"

struct log_command {
    const char *name;
    const char *arguments; /* for the usage line */
    const char *summary;   /* one line */
    const char *help;      /* the rest, one or more lines */
    const char *options;   /* their names, with spaces around each */
    bool opens_nothing;    /* what it is given is no data folder */
    bool needs_into;
    int (*run)(struct tool *tool);
};

enum parse_result { PARSED, PARSED_HELP, PARSED_VERSION, PARSED_WRONG };

/* Fills in options. With PARSED_HELP *command may be NULL: the help is about all of them. With PARSED_WRONG
 * the reason was told on standard error, in one line. */
enum parse_result command_line_parse(int argc, char **argv, const struct log_command **command,
                                     struct options *options);
/* command NULL: about all of them. */
void command_line_help(FILE *out, const struct log_command *command);

#endif
