/* Going into the background. The parent, which a shell or an init script waits for, stays until the child
 * says that it serves, or ends: so its exit status is the outcome of the start. Until then the child's
 * standard error is a pipe to the parent, which passes on what comes. A zero byte ends the wait. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/process.h"

/* The parent's. */
static volatile sig_atomic_t child_pid;
/* The child's. */
static bool parent_waits;

/* Whoever stops the parent means the server. */
static void pass_on(int signal_)
{
    int reason = errno;
    kill((pid_t)child_pid, signal_);
    errno = reason;
}

static void write_all(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDERR_FILENO, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* there is nobody to tell */
        data += written;
        size -= (size_t)written;
    }
}

/* Whether the child said that it serves; false: its end of the pipe was closed before. */
static bool pass_until_started(int from)
{
    char text[4096];
    for (;;) {
        ssize_t size = read(from, text, sizeof(text));
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return false;
        const char *end = memchr(text, '\0', (size_t)size);
        write_all(text, end ? (size_t)(end - text) : (size_t)size);
        if (end)
            return true;
    }
}

/* The exit status of a child that never served. */
static int outcome_of(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "dkv-server: ended by signal %d (%s) before it served\n", WTERMSIG(status),
            strsignal(WTERMSIG(status)));
    return 1;
}

static _Noreturn void wait_for_start(pid_t child, int from)
{
    struct sigaction action = {.sa_handler = pass_on};
    sigemptyset(&action.sa_mask);
    child_pid = child;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    _exit(pass_until_started(from) ? 0 : outcome_of(child));
}

/* A descriptor that is opened has none of the three places then, which are put in place one by one below. */
static void fill_standard_places(void)
{
    int null;
    do {
        null = open("/dev/null", O_RDWR);
    } while (null >= 0 && null < STDERR_FILENO);
    if (null > STDERR_FILENO)
        close(null);
}

static void put_in_place(int descriptor, int place)
{
    if (descriptor < 0 || descriptor == place)
        return;
    dup2(descriptor, place);
    if (descriptor > STDERR_FILENO)
        close(descriptor);
}

bool process_daemonize(void)
{
    int ends[2];
    fill_standard_places();
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        int reason = errno;
        close(ends[0]);
        close(ends[1]);
        errno = reason;
        return false;
    }
    if (child > 0) {
        close(ends[1]);
        wait_for_start(child, ends[0]);
    }
    close(ends[0]);
    setsid();
    /* A parent that was killed must not take the server along. */
    signal(SIGPIPE, SIG_IGN);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    put_in_place(null, STDOUT_FILENO);
    put_in_place(ends[1], STDERR_FILENO);
    parent_waits = true;
    return true;
}

bool process_is_awaited(void)
{
    return parent_waits;
}

void process_started(void)
{
    if (!parent_waits)
        return;
    parent_waits = false;
    ssize_t written = write(STDERR_FILENO, "", 1);
    (void)written;
    put_in_place(open("/dev/null", O_RDWR | O_CLOEXEC), STDERR_FILENO);
}
