/* Which commands touch a key. */
#ifndef DKV_TOOLS_FILTER_H
#define DKV_TOOLS_FILTER_H

#include "base/bytes.h"
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

/* Counts different keys. They are told apart by 64 bits of a hash. */
struct key_set {
    struct command_table *commands;
    struct buffer hashes;
};

void key_set_open(struct key_set *set);
void key_set_close(struct key_set *set);
void key_set_add(struct key_set *set, int database, const struct request *request);
size_t key_set_count(struct key_set *set);

#endif
