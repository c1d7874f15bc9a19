/* Signals: those that ask for something become events of the loop, through a pipe; those that a crash raises
 * become a report. Handlers do only what signal-safety(7) allows, but for backtrace, which is made safe by
 * calling it once before. */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "server/log.h"
#include "server/process.h"

/* --- signals ---------------------------------------------------------------------------------------- */

/* What handlers may touch. A process has one set of signals, hence one of these. */
static struct {
    int pipe[2]; /* a byte in it: events are waiting */
    volatile sig_atomic_t stops;
    volatile sig_atomic_t stop_signal;
    volatile sig_atomic_t reopens;
    sig_atomic_t stops_taken;
    sig_atomic_t reopens_taken;
    const char *pidfile;
} signals = {.pipe = {-1, -1}};

static void signals_wake(void)
{
    int reason = errno;
    /* A full pipe wakes as well. */
    ssize_t written = write(signals.pipe[1], "", 1);
    (void)written;
    errno = reason;
}

static void handle_stop(int signal_)
{
    if (signals.stops > 0) {
        static const char line[] = "stopped at once by a second signal\n";
        ssize_t written = write(STDERR_FILENO, line, sizeof(line) - 1);
        (void)written;
        if (signals.pidfile != NULL)
            unlink(signals.pidfile);
        _exit(1);
    }
    signals.stops = 1;
    signals.stop_signal = signal_;
    signals_wake();
}

static void handle_reopen(int signal_)
{
    (void)signal_;
    signals.reopens = signals.reopens + 1;
    signals_wake();
}

static bool catch_signal(int signal_, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    return sigaction(signal_, &action, NULL) == 0;
}

int process_signals_open(const char *pidfile)
{
    if (signals.pipe[0] < 0 && pipe2(signals.pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    signals.pidfile = pidfile;
    signals.stops = signals.stops_taken = 0;
    signals.reopens = signals.reopens_taken = 0;
    signals.stop_signal = 0;
    bool ok = catch_signal(SIGTERM, handle_stop) && catch_signal(SIGINT, handle_stop) &&
              catch_signal(SIGHUP, handle_reopen) && catch_signal(SIGPIPE, SIG_IGN);
    return ok ? signals.pipe[0] : -1;
}

unsigned process_signals_take(void)
{
    char drained[64];
    while (read(signals.pipe[0], drained, sizeof(drained)) > 0)
        continue;
    unsigned events = PROCESS_NOTHING;
    sig_atomic_t stops = signals.stops;
    sig_atomic_t reopens = signals.reopens;
    if (stops != signals.stops_taken)
        events |= PROCESS_STOP;
    if (reopens != signals.reopens_taken)
        events |= PROCESS_REOPEN;
    signals.stops_taken = stops;
    signals.reopens_taken = reopens;
    return events;
}

int process_stop_signal(void)
{
    return signals.stop_signal;
}

void process_signals_reset(void)
{
    static const int caught[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
        catch_signal(caught[i], SIG_DFL);
}

void process_signals_unblock(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* --- crash reports ---------------------------------------------------------------------------------- */

#define CRASH_STACK_SIZE 65536
/* A log that is a full pipe, or a lock that the crash left behind, must not keep a process that has crashed,
 * and with it the port and the data folder. Longer than the look-up of names may take. */
#define CRASH_SECONDS_MAX 90

static const char *crash_what = "";

/* The address of the instruction that crashed, where it is known. */
static const void *crashed_at(const void *context)
{
#ifdef __x86_64__
    return (const void *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#else
    (void)context;
    return NULL;
#endif
}

/* First what needs nothing, then what may fail. */
static void handle_crash(int signal_, siginfo_t *info, void *context)
{
    int descriptor = log_descriptor();
    char line[512];
    signal(SIGALRM, SIG_DFL);
    alarm(CRASH_SECONDS_MAX);
    int size =
        snprintf(line, sizeof(line),
                 "\n=== %s CRASHED: process %d, signal %d (%s), code %d, address %p\n"
                 "=== Backtrace, innermost first:\n",
                 crash_what, (int)getpid(), signal_, sigabbrev_np(signal_), info->si_code, info->si_addr);
    ssize_t written = write(descriptor, line, (size_t)size < sizeof(line) ? (size_t)size : sizeof(line) - 1);
    void *frames[PROCESS_FRAMES_MAX];
    int count = backtrace(frames, PROCESS_FRAMES_MAX);
    backtrace_symbols_fd(frames, count, descriptor);
    static const char names[] = "=== The same by name:\n";
    written = write(descriptor, names, sizeof(names) - 1);
    process_backtrace_describe(frames, count, crashed_at(context), descriptor);
    static const char end[] = "=== End of the report.\n";
    written = write(descriptor, end, sizeof(end) - 1);
    (void)written;
    /* The handler was taken off when it was entered. */
    raise(signal_);
}

void process_crash_reports(const char *what)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    static char stack[CRASH_STACK_SIZE]; /* when the stack itself has run out */
    void *frame;
    crash_what = what;
    backtrace(&frame, 1); /* loads a library on its first call */
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};
    sigaltstack(&alternative, NULL);
    struct sigaction action = {.sa_sigaction = handle_crash,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        sigaction(crashes[i], &action, NULL);
}
