#include "server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/diag.h"

/* --- the pid file ------------------------------------------------------------------------------------ */

bool process_pidfile_write(const char *path)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return false;
    bool ok = dprintf(descriptor, "%d\n", (int)getpid()) > 0;
    int reason = errno;
    close(descriptor);
    errno = reason;
    return ok;
}

void process_pidfile_remove(const char *path)
{
    char text[32] = "";
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return;
    ssize_t size = read(descriptor, text, sizeof(text) - 1);
    close(descriptor);
    if (size > 0 && strtol(text, NULL, 10) == (long)getpid())
        unlink(path);
}

/* --- supervisors ------------------------------------------------------------------------------------ */

enum supervised_mode process_supervised_by(enum supervised_mode mode)
{
    bool systemd = getenv("NOTIFY_SOCKET") != NULL;
    bool upstart = getenv("UPSTART_JOB") != NULL;
    if (mode == SUPERVISED_AUTO)
        return systemd ? SUPERVISED_SYSTEMD : upstart ? SUPERVISED_UPSTART : SUPERVISED_NO;
    if (mode == SUPERVISED_SYSTEMD && !systemd) {
        diag(DIAG_WARNING,
             "systemd supervision was requested, but NOTIFY_SOCKET is not set: nobody will be notified");
        return SUPERVISED_NO;
    }
    if (mode == SUPERVISED_UPSTART && !upstart) {
        diag(DIAG_WARNING,
             "upstart supervision was requested, but UPSTART_JOB is not set: nobody will be notified");
        return SUPERVISED_NO;
    }
    return mode;
}

/* sd_notify(3)'s protocol: one datagram to the socket that the environment names, @ for an abstract one. */
static bool notify_systemd(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = path == NULL ? 0 : strlen(path);
    if (size < 2 || size >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@')) {
        errno = EINVAL;
        return false;
    }
    memcpy(address.sun_path, path, size);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0)
        return false;
    socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    bool ok =
        sendto(socket_, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, address_size) >= 0;
    int reason = errno;
    close(socket_);
    errno = reason;
    return ok;
}

void process_notify(enum supervised_mode by, const char *state)
{
    if (by == SUPERVISED_SYSTEMD && !notify_systemd(state))
        diag(DIAG_WARNING, "cannot notify systemd: %s", strerror(errno));
    if (by == SUPERVISED_UPSTART && strncmp(state, "READY=1", 7) == 0) {
        unsetenv("UPSTART_JOB"); /* once */
        raise(SIGSTOP);
    }
}

/* --- limits ----------------------------------------------------------------------------------------- */

/* The soft limit of open files that the kernel grants, at most wanted. */
static rlim_t raise_files(rlim_t wanted, struct rlimit limit)
{
    /* Above the hard limit only a privileged process gets. */
    struct rlimit all = {.rlim_cur = wanted, .rlim_max = wanted > limit.rlim_max ? wanted : limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &all) == 0)
        return wanted;
    int reason = errno;
    struct rlimit some = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    bool ok = setrlimit(RLIMIT_NOFILE, &some) == 0;
    errno = reason;
    return ok ? limit.rlim_max : limit.rlim_cur;
}

uint64_t process_raise_open_files(uint64_t clients, uint64_t reserved)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        diag(DIAG_WARNING, "cannot read the limit of open files: %s; assuming 1024", strerror(errno));
        return clients < 1024 - reserved ? clients : 1024 - reserved;
    }
    rlim_t wanted = clients + reserved;
    if (limit.rlim_cur >= wanted)
        return clients;
    rlim_t got = raise_files(wanted, limit);
    int reason = errno;
    if (got >= wanted) {
        diag(DIAG_NOTICE, "raised the limit of open files to %" PRIu64 " (it was %" PRIu64 ")", (uint64_t)got,
             (uint64_t)limit.rlim_cur);
        return clients;
    }
    uint64_t possible = got > reserved ? got - reserved : 0;
    diag(DIAG_WARNING,
         "maxclients %" PRIu64 " takes %" PRIu64 " open files, but the limit is %" PRIu64
         " and cannot be raised further: %s. For more, raise 'ulimit -n'",
         clients, (uint64_t)wanted, (uint64_t)got, strerror(reason));
    return possible;
}

/* What a control group may take, as containers see it; UINT64_MAX for no limit. */
static uint64_t group_memory(void)
{
    unsigned long long limit;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (file == NULL)
        return UINT64_MAX;
    bool limited = fscanf(file, "%llu", &limit) == 1;
    fclose(file);
    return limited ? limit : UINT64_MAX;
}

uint64_t process_memory(void)
{
    struct sysinfo machine;
    uint64_t limit = group_memory();
    uint64_t whole = sysinfo(&machine) == 0 ? (uint64_t)machine.totalram * machine.mem_unit : UINT64_MAX;
    return whole < limit ? whole : limit;
}

void process_disable_thp(void)
{
    if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
        diag(DIAG_WARNING, "cannot turn transparent huge pages off for this process: %s", strerror(errno));
}
