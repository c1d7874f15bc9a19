/* What the commands of dkv-log share: what was asked, where they read and where they write.
 *
 * A command is a function that gets a struct tool and returns an exit status. It touches the disk through
 * journal/disk.h only, so that tests and fuzzers run it on a disk in memory. */
#ifndef DKV_TOOLS_LOG_H
#define DKV_TOOLS_LOG_H

#include <stdio.h>

#include "base/clock.h"
#include "journal/disk.h"
#include "journal/frame.h"

/* Unsure: nothing is known to be wrong, but something could not be looked at. */
enum { STATUS_FINE = 0, STATUS_PROBLEM = 1, STATUS_USAGE = 2, STATUS_UNSURE = 3 };

/* A moment of the stream to go back to. */
enum target_kind { TARGET_NONE, TARGET_LSN, TARGET_TIME };

struct target {
    enum target_kind kind;
    lsn_t lsn;
    int64_t time_ms;
};

/* The command line. Each command looks at what is its own. */
struct options {
    const char *folder; /* or what is to be imported */
    const char *into;
    bool json;
    bool resp;
    bool base;         /* show what the base holds, too */
    bool skip_damaged; /* go on behind what cannot be read */
    bool yes;
    bool accept_loss; /* repair: also where data are given up, or may be */
    bool quick;
    bool has_from;
    lsn_t from;
    bool has_to;
    lsn_t to;
    bool has_since;
    int64_t since_ms;
    const char *key; /* glob pattern; NULL: all */
    struct target target;
};

struct tool {
    const struct options *options;
    FILE *out;
    FILE *error;
    bool on_terminal;  /* whether error is one: then progress is shown */
    struct disk *disk; /* of options->folder; NULL for import */
    struct disk *into; /* of options->into; NULL where there is none */
    bool in_use;       /* a server holds the folder */
    int holder;        /* its process id; 0 when that is not known */
    struct clock *clock;
};

int show_run(struct tool *tool);
int verify_run(struct tool *tool);
int repair_run(struct tool *tool);
int restore_run(struct tool *tool);
int stat_run(struct tool *tool);
int import_run(struct tool *tool);
int export_run(struct tool *tool);

/* Says on tool->error, in a line of its own, what went wrong. Returns STATUS_PROBLEM. */
int tool_fail(struct tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for what does not end the command. */
void tool_note(struct tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
