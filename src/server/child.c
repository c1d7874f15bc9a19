#include "server/child.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/memory.h"
#include "server/log.h"
#include "server/process.h"

struct child {
    pid_t pid;
    struct disk *disk;
    struct rewrite_progress *progress; /* shared with the child */
};

struct child *child_new(struct disk *disk)
{
    struct child *child = mem_alloc_zero(sizeof(*child));
    child->disk = disk;
    child->progress =
        mmap(NULL, sizeof(*child->progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (child->progress == MAP_FAILED)
        panic("cannot map shared memory: %s", strerror(errno));
    return child;
}

void child_set_disk(struct child *child, struct disk *disk)
{
    child->disk = disk;
}

/* Closes the descriptors from first to last. */
static void close_between(int first, unsigned last)
{
    if ((unsigned)first <= last && close_range((unsigned)first, last, 0) != 0)
        diag(DIAG_WARNING, "rewrite: the child cannot close what it does not use: %s", strerror(errno));
}

/* Closes all that is open but for what the child uses, and the folder's lock: nobody else may have the folder
 * as long as the child may write there. With its copies of the server's sockets it would keep addresses taken
 * that the server has given up or that its successor wants. */
static void close_inherited(const struct child *child)
{
    int kept[3] = {log_descriptor()};
    disk_posix_descriptors(child->disk, &kept[1], &kept[2]);
    /* The C library would go on with its connection to syslog, which may have become another file's number.
     */
    closelog();
    int next = STDERR_FILENO + 1;
    for (;;) {
        int first = INT_MAX;
        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
            if (kept[i] >= next && kept[i] < first)
                first = kept[i];
        if (first == INT_MAX)
            break;
        close_between(next, (unsigned)first - 1);
        next = first + 1;
    }
    close_between(next, ~0U);
}

/* The child's life. It must not outlive the parent, whose next incarnation would have to wait for it to be
 * done with the folder, and must not keep the server's sockets, or act on signals meant for the server. */
static _Noreturn void child_run(struct child *child, pid_t parent,
                                int (*work)(void *argument, struct rewrite_progress *progress),
                                void *argument)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        diag(DIAG_WARNING, "rewrite: the child will not end with its server: %s", strerror(errno));
    if (getppid() != parent)
        _exit(1);
    prctl(PR_SET_NAME, "dkv-rewrite");
    log_set_role('C');
    process_signals_reset();
    process_signals_unblock();
    /* A log that nobody reads any more is no reason to end. */
    signal(SIGPIPE, SIG_IGN);
    /* Ctrl-C on a terminal goes to the child too: ending it is the parent's business. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    close_inherited(child);
    _exit(work(argument, child->progress));
}

static int start_child(void *context, int (*work)(void *argument, struct rewrite_progress *progress),
                       void *argument)
{
    struct child *child = context;
    ASSERT(child->pid == 0);
    atomic_store(&child->progress->keys, 0);
    atomic_store(&child->progress->bytes, 0);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        child_run(child, parent, work, argument);
    child->pid = pid;
    return 0;
}

static bool child_running(void *context, bool *ok)
{
    struct child *child = context;
    int status = 0;
    *ok = false;
    if (child->pid == 0)
        return false;
    pid_t ended = waitpid(child->pid, &status, WNOHANG);
    if (ended == 0)
        return true;
    child->pid = 0;
    *ok = ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (ended > 0 && WIFSIGNALED(status))
        diag(DIAG_WARNING, "rewrite: the child was ended by signal %d", WTERMSIG(status));
    return false;
}

static const struct rewrite_progress *child_progress(void *context)
{
    struct child *child = context;
    return child->progress;
}

static void kill_child(void *context)
{
    struct child *child = context;
    if (child->pid == 0)
        return;
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    child->pid = 0;
}

void child_free(struct child *child)
{
    kill_child(child);
    munmap(child->progress, sizeof(*child->progress));
    mem_free(child);
}

struct engine_host child_host(struct child *child)
{
    return (struct engine_host){.context = child,
                                .start_child = start_child,
                                .child_running = child_running,
                                .child_progress = child_progress,
                                .kill_child = kill_child};
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}
