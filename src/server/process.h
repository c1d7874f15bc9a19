/* The process around the server: becoming a daemon, the pid file, systemd and upstart, limits, signals,
 * crash reports and the title in ps. What it has to say goes to diag. */
#ifndef DKV_SERVER_PROCESS_H
#define DKV_SERVER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* --- going into the background ---------------------------------------------------------------------- */

/* Goes on as a child in a session of its own with /dev/null for standard input and output. The parent waits:
 * it exits 0 once the child calls process_started, and with the child's status if the child ends before that.
 * It passes on what the child meanwhile writes to standard error, and to the child SIGINT and SIGTERM. Call
 * before any thread is started. False, with errno, when that fails (in the parent). */
bool process_daemonize(void);
/* Whether a parent waits to hear how the start goes: standard error leads to it. */
bool process_is_awaited(void);
/* The server serves: lets the parent that waits go, and standard error is /dev/null from now on. Nothing
 * without such a parent. */
void process_started(void);

/* False, with errno, when it cannot be written. */
bool process_pidfile_write(const char *path);
/* Removes the file if it still holds this process's id. */
void process_pidfile_remove(const char *path);

enum supervised_mode { SUPERVISED_NO, SUPERVISED_AUTO, SUPERVISED_SYSTEMD, SUPERVISED_UPSTART };

/* What there is to be told: resolves SUPERVISED_AUTO by the environment, and warns and returns SUPERVISED_NO
 * when the supervisor that was asked for is not there. */
enum supervised_mode process_supervised_by(enum supervised_mode mode);
/* Tells systemd a state ("READY=1\nSTATUS=..."); with upstart, "READY=1" raises SIGSTOP. Nothing without a
 * supervisor. */
void process_notify(enum supervised_mode by, const char *state);

/* --- limits ----------------------------------------------------------------------------------------- */

/* Raises the limit of open files so that clients connections and reserved other files fit. Returns how many
 * clients do; says so where that is fewer. */
uint64_t process_raise_open_files(uint64_t clients, uint64_t reserved);
/* Bytes of memory that the machine has, or, where that is less, that this process's control group may take.
 */
uint64_t process_memory(void);
/* No transparent huge pages for this process: they make a fork's copying of pages expensive. */
void process_disable_thp(void);

/* --- signals ---------------------------------------------------------------------------------------- */

enum process_event {
    PROCESS_NOTHING = 0,
    PROCESS_STOP = 1 << 0,   /* SIGTERM or SIGINT */
    PROCESS_REOPEN = 1 << 1, /* SIGHUP */
};

/* Catches SIGTERM, SIGINT and SIGHUP, and ignores SIGPIPE. Returns a descriptor that becomes readable when
 * one of them came, -1 with errno on failure. From the second SIGTERM or SIGINT on the process ends at once
 * with status 1 (what was acknowledged is safe without it), removing pidfile if that is not NULL; pidfile is
 * not copied. */
int process_signals_open(const char *pidfile);
/* The events since the last call; makes the descriptor unreadable until the next. */
unsigned process_signals_take(void);
/* The signal that asked for the stop, 0 before. */
int process_stop_signal(void);
/* In a forked child: signals do what they do by default again. */
void process_signals_reset(void);
/* For a process that was forked by a thread that blocks signals, as most do (thread_start). */
void process_signals_unblock(void);

/* On SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT: writes a report with a backtrace to the log, then dies of
 * the signal. what names the program and its versions; it is not copied. Where the program's
 * main begins with process_describes_parent, it is started once more to find the names of functions. */
void process_crash_reports(const char *what);
/* Whether this process was started to describe where its parent crashed. Then it has done so, on standard
 * output, and has nothing else to do. */
bool process_describes_parent(int argc, char **argv);
/* For process_crash_reports, in a signal handler: writes function, file and line of each address to
 * descriptor. exact: the one that is no return address; NULL: all are. */
#define PROCESS_FRAMES_MAX 64
void process_backtrace_describe(void *const *addresses, int count, const void *exact, int descriptor);

/* --- knowing and being known ------------------------------------------------------------------------ */

/* Call first of all in main: makes room for process_title_set. */
void process_title_init(int argc, char **argv);
/* What ps shows. Cut to the room there is. */
void process_title_set(const char *title);
/* A number that differs from build to build (the linker's build id, folded); 0 without one. */
uint64_t process_build_id(void);

#endif
