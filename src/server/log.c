/* The log: a line is formatted on the stack and written with one call, without a lock, so that a forked
 * child can log whatever the other threads were doing at the fork. Two things stand in the way of that, and
 * are dealt with: local time (the C library takes a lock to compute it, so the offset from UTC is kept and
 * the date computed here) and syslog (guarded by a lock of our own, which is held while the process forks).
 * */
#include "server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/memory.h"
#include "server/process.h"

struct log {
    char *file; /* "": standard output */
    int descriptor;
    atomic_bool silent; /* loglevel nothing */
    atomic_bool to_syslog;
    atomic_char role;
    char *ident; /* syslog keeps the pointer */
    pthread_mutex_t syslog_lock;

    /* Seconds east of UTC, looked up by the thread that opened the log, at most once a minute. */
    atomic_int zone_offset;
    int64_t zone_minute;
    pid_t zone_thread;
};

static struct log the_log = {
    .descriptor = STDOUT_FILENO, .role = 'M', .syslog_lock = PTHREAD_MUTEX_INITIALIZER};

/* --- time ------------------------------------------------------------------------------------------- */

static void zone_refresh(struct log *log, int64_t seconds)
{
    /* In a forked child the thread has another id, and the offset stays as it was at the fork. */
    if (seconds / 60 == log->zone_minute || gettid() != log->zone_thread)
        return;
    log->zone_minute = seconds / 60;
    time_t now = (time_t)seconds;
    struct tm local;
    if (localtime_r(&now, &local) != NULL)
        atomic_store_explicit(&log->zone_offset, (int)local.tm_gmtoff, memory_order_relaxed);
}

struct date {
    int year;
    int month; /* 0 to 11 */
    int day;
};

/* The Gregorian date of a day counted from 1970-01-01. Years here begin in March, so that the leap day is
 * their last; 400 of them have 146097 days. */
static struct date date_of_day(int64_t day)
{
    day += 719468; /* from 0000-03-01 */
    int64_t era = day / 146097;
    int64_t of_era = day % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153; /* 0: March */
    struct date date;
    date.day = (int)(of_year - (153 * month + 2) / 5 + 1);
    date.month = (int)((month + 2) % 12);
    date.year = (int)(year + era * 400 + (month >= 10));
    return date;
}

static int format_head(struct log *log, char *out, size_t size, enum diag_level level)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static const char marks[] = ".-*#";
    int64_t now_ms = clock_wall_ms(clock_system());
    zone_refresh(log, now_ms / 1000);
    int64_t seconds = now_ms / 1000 + atomic_load_explicit(&log->zone_offset, memory_order_relaxed);
    struct date date = date_of_day(seconds / 86400);
    int of_day = (int)(seconds % 86400);
    return snprintf(out, size, "%d:%c %02d %s %04d %02d:%02d:%02d.%03d %c ", (int)getpid(),
                    (char)atomic_load_explicit(&log->role, memory_order_relaxed), date.day,
                    months[date.month], date.year, of_day / 3600, of_day / 60 % 60, of_day % 60,
                    (int)(now_ms % 1000), marks[level]);
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void write_syslog(struct log *log, enum diag_level level, const char *text)
{
    static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
    pthread_mutex_lock(&log->syslog_lock);
    syslog(priorities[level], "%s", text);
    pthread_mutex_unlock(&log->syslog_lock);
}

static void log_sink(void *context, enum diag_level level, const char *text)
{
    struct log *log = context;
    if (atomic_load_explicit(&log->silent, memory_order_relaxed))
        return;
    char head[80];
    int size = format_head(log, head, sizeof(head), level);
    struct iovec parts[] = {
        {head, (size_t)size}, {(void *)(uintptr_t)text, strlen(text)}, {(void *)(uintptr_t) "\n", 1}};
    /* There is nobody to tell when the log cannot be written. */
    ssize_t written = writev(log->descriptor, parts, 3);
    /* Whoever waits for the start hears what is wrong, wherever the log goes. */
    if (level == DIAG_WARNING && process_is_awaited())
        written = writev(STDERR_FILENO, parts, 3);
    (void)written;
    if (atomic_load_explicit(&log->to_syslog, memory_order_relaxed))
        write_syslog(log, level, text);
}

/* --- opening ---------------------------------------------------------------------------------------- */

static void before_fork(void)
{
    pthread_mutex_lock(&the_log.syslog_lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&the_log.syslog_lock);
}

static int open_file(const char *file)
{
    return open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

/* From now on lines go to descriptor, which is closed. The number stays the same, so that no writer notices.
 * */
static void move_to(struct log *log, int descriptor)
{
    if (log->descriptor == STDOUT_FILENO) {
        log->descriptor = descriptor;
        return;
    }
    dup3(descriptor, log->descriptor, O_CLOEXEC);
    close(descriptor);
}

static void back_to_output(struct log *log)
{
    if (log->descriptor != STDOUT_FILENO)
        close(log->descriptor);
    log->descriptor = STDOUT_FILENO;
}

static void start_syslog(struct log *log, const struct log_options *options)
{
    char *old = log->ident;
    log->ident = mem_strdup(options->syslog_ident);
    openlog(log->ident, LOG_PID | LOG_NDELAY | LOG_NOWAIT, options->syslog_facility);
    mem_free(old);
    atomic_store(&log->to_syslog, true);
}

bool log_open(const struct log_options *options, struct log_error *error)
{
    struct log *log = &the_log;
    static bool hooked;
    if (options->file[0] != '\0') {
        int descriptor = open_file(options->file);
        if (descriptor < 0) {
            snprintf(error->text, sizeof(error->text), "cannot open the log file '%s': %s", options->file,
                     strerror(errno));
            return false;
        }
        move_to(log, descriptor);
    } else
        back_to_output(log);
    mem_free(log->file);
    log->file = mem_strdup(options->file);
    log->zone_thread = gettid();
    log->zone_minute = 0;
    if (!hooked)
        pthread_atfork(before_fork, after_fork, after_fork);
    hooked = true;
    if (options->syslog)
        start_syslog(log, options);
    log_set_level(options->level);
    diag_set_sink(log_sink, log);
    return true;
}

void log_reopen(void)
{
    struct log *log = &the_log;
    if (log->file == NULL || log->file[0] == '\0')
        return;
    int descriptor = open_file(log->file);
    if (descriptor < 0)
        diag(DIAG_WARNING, "cannot open the log file '%s' again: %s; going on with the old one", log->file,
             strerror(errno));
    else
        move_to(log, descriptor);
}

void log_set_level(enum log_level level)
{
    static const enum diag_level levels[] = {DIAG_DEBUG, DIAG_VERBOSE, DIAG_NOTICE, DIAG_WARNING,
                                             DIAG_WARNING};
    diag_set_level(levels[level]);
    atomic_store(&the_log.silent, level == LOG_LEVEL_NOTHING);
}

void log_set_role(char role)
{
    atomic_store(&the_log.role, role);
}

int log_descriptor(void)
{
    return the_log.descriptor;
}

void log_close(void)
{
    struct log *log = &the_log;
    diag_set_sink(NULL, NULL);
    back_to_output(log);
    if (atomic_exchange(&log->to_syslog, false))
        closelog();
    mem_free(log->file);
    mem_free(log->ident);
    log->file = NULL;
    log->ident = NULL;
}
