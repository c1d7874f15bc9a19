/* Where diagnostics go while a server runs: a file or standard output, and syslog. Lines look like Redis's:
 *
 *   pid:role dd Mon yyyy hh:mm:ss.mmm mark message        mark: . debug  - verbose  * notice  # warning
 *
 * There is one log a process, since there is one diag sink. Any thread may write, and so may a forked child:
 * a line is one write(2) of its own, and no lock is held while the process forks. */
#ifndef DKV_SERVER_LOG_H
#define DKV_SERVER_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_VERBOSE, LOG_LEVEL_NOTICE, LOG_LEVEL_WARNING, LOG_LEVEL_NOTHING };

struct log_options {
    const char *file; /* "": standard output */
    enum log_level level;
    bool syslog;
    const char *syslog_ident;
    int syslog_facility;
};

struct log_error {
    char text[512];
};

/* Opens the log and makes it the diag sink. Copies what it needs. False when the file cannot be opened; then
 * diagnostics go where they went before. May be called again, to move to another place. */
bool log_open(const struct log_options *options, struct log_error *error);
/* Opens the file again under its name (SIGHUP, after it was renamed away). On failure the old one stays in
 * use and the failure is logged there. */
void log_reopen(void);
void log_set_level(enum log_level level);
/* The letter after the process id: 'M' for a server (the default), 'C' for a forked child. */
void log_set_role(char role);
/* The descriptor that lines go to, for a crash report. */
int log_descriptor(void);
/* Back to diag's default sink; closes the file. */
void log_close(void);

#endif
