/* Which commands touch a key. */
#ifndef DKV_TOOLS_FILTER_H
#define DKV_TOOLS_FILTER_H

#include "command/command.h"
#include "resp/parser.h"

struct key_filter {
    struct command_table *commands; /* NULL: everything passes */
    struct glob *glob;
};

/* pattern: glob; NULL: all. False: it cannot be read (GLOB_TOO_COMPLEX). */
bool key_filter_open(struct key_filter *filter, const char *pattern);
void key_filter_close(struct key_filter *filter);
/* Whether a command touches a key that matches: one of its keys does, or it names no key but acts on whole
 * databases (FLUSHALL, SWAPDB). Of a command that is not known, any argument counts. */
bool key_filter_passes(const struct key_filter *filter, const struct request *request);

#endif
