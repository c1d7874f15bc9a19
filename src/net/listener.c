#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/memory.h"

/* Connections accepted in one round from one socket: a storm of new ones must not starve those that are
 * there. */
#define ACCEPTS_PER_ROUND 128
/* How long accepting rests when there are no descriptors or there is no memory: the queue would keep epoll
 * awake. */
#define ACCEPT_REST_US 100000
/* Failures that are closer together than this are one burst, and logged once. */
#define ACCEPT_BURST_US 5000000
/* How often the log tells of clients that are turned away. */
#define TURNED_AWAY_US 10000000

struct listener {
    struct listener *next;
    struct listeners *set;
    int fd;
    char *name; /* as it was asked for: a TCP address, or a unix socket's path */
    int port;   /* as it was asked for; UNIX_PORT for a unix socket */
    int backlog;
    dev_t device; /* of a unix socket: which file that was when it was made */
    ino_t inode;
    struct listener *twin; /* in the other set, another descriptor of the same socket */
    bool aside;            /* does not listen, so that the heir can */
};

#define UNIX_PORT (-1)

struct listeners {
    struct loop *loop;
    listener_accept *accept;
    void *context;
    struct listener *first;
    struct listener **last_next;
    struct listeners *old; /* whose place this set is to take */
    struct listeners *heir;
    struct loop_timer rest;
    int64_t failed_us; /* when accepting failed last; 0: never */
    bool resting;
};

/* --- accepting --------------------------------------------------------------------------------------- */

static void accepting_update(struct listeners *listeners)
{
    uint32_t events = listeners->resting ? 0 : EPOLLIN;
    for (struct listener *listener = listeners->first; listener != NULL; listener = listener->next)
        loop_modify(listeners->loop, listener->fd, events);
}

static void rest_over(void *context)
{
    struct listeners *listeners = context;
    listeners->resting = false;
    accepting_update(listeners);
}

static void accept_failed(struct listeners *listeners, int error)
{
    int64_t now_us = loop_time_us(listeners->loop);
    if (listeners->failed_us == 0 || now_us - listeners->failed_us > ACCEPT_BURST_US)
        diag(DIAG_WARNING, "Cannot accept connections for now: %s. They wait in the queue of the kernel.",
             strerror(error));
    listeners->failed_us = now_us;
    listeners->resting = true;
    accepting_update(listeners);
    loop_timer_set(listeners->loop, &listeners->rest, now_us + ACCEPT_REST_US);
}

/* Whether a failed accept is about that one connection only, or nothing at all. */
static bool accept_error_passes(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED ||
           error == EPROTO || error == ENETDOWN || error == EHOSTDOWN || error == EHOSTUNREACH ||
           error == ENETUNREACH || error == EPERM;
}

static void listener_ready(void *context, uint32_t events)
{
    struct listener *listener = context;
    struct listeners *listeners = listener->set;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
        struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
        socklen_t size = sizeof(storage);
        int fd = accept4(listener->fd, (struct sockaddr *)&storage, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (!accept_error_passes(errno))
                accept_failed(listeners, errno);
            return;
        }
        struct address peer;
        address_set(&peer, &storage);
        listeners->accept(listeners->context, fd, &peer);
    }
}

void turned_away_add(struct turned_away *turned_away, const struct loop *loop, uint64_t clients_max)
{
    int64_t now_us = loop_time_us(loop);
    turned_away->untold++;
    if (turned_away->told_us != 0 && now_us - turned_away->told_us < TURNED_AWAY_US)
        return;
    diag(DIAG_WARNING,
         "Clients are turned away (%" PRIu64
         " since this was told last): as many as maxclients permits, %" PRIu64 ", are there.",
         turned_away->untold, clients_max);
    *turned_away = (struct turned_away){.told_us = now_us};
}

/* --- the set ----------------------------------------------------------------------------------------- */

struct listeners *listeners_new(struct loop *loop, listener_accept *accept, void *context)
{
    struct listeners *listeners = mem_alloc_zero(sizeof(*listeners));
    listeners->loop = loop;
    listeners->accept = accept;
    listeners->context = context;
    listeners->last_next = &listeners->first;
    listeners->rest = (struct loop_timer){.callback = rest_over, .context = listeners};
    return listeners;
}

/* Whether a unix socket's file is still there, and not another server's by now. */
static bool socket_file_is_own(const struct listener *listener)
{
    struct stat status;
    return lstat(listener->name, &status) == 0 && status.st_dev == listener->device &&
           status.st_ino == listener->inode;
}

static void socket_file_remove(const struct listener *listener)
{
    if (socket_file_is_own(listener) && unlink(listener->name) != 0)
        diag(DIAG_WARNING, "Cannot remove the unix socket %s: %s", listener->name, strerror(errno));
}

static bool listener_is_unix(const struct listener *listener)
{
    return listener->port == UNIX_PORT;
}

static void listener_close(struct listener *listener)
{
    loop_remove(listener->set->loop, listener->fd);
    close(listener->fd);
    if (listener->twin != NULL)
        listener->twin->twin = NULL;
    else if (listener_is_unix(listener))
        socket_file_remove(listener);
    mem_free(listener->name);
    mem_free(listener);
}

/* Closes those from *from on. */
static void listeners_close_from(struct listeners *listeners, struct listener **from)
{
    struct listener *listener = *from;
    *from = NULL;
    listeners->last_next = from;
    while (listener != NULL) {
        struct listener *next = listener->next;
        listener_close(listener);
        listener = next;
    }
}

/* Listens again where the heir, which is no more, stood in the way. The sockets kept their addresses, so only
 * somebody who has come to listen on all addresses meanwhile can keep them from it. */
static void listeners_resume(struct listeners *listeners)
{
    struct listener **next = &listeners->first;
    for (struct listener *listener; (listener = *next) != NULL;) {
        if (listener->aside && listen(listener->fd, listener->backlog) != 0) {
            diag(DIAG_WARNING, "Cannot listen on %s:%d any more: %s. Set 'bind' or 'port' to try again.",
                 listener->name, listener->port, strerror(errno));
            *next = listener->next;
            listener_close(listener);
            continue;
        }
        listener->aside = false;
        next = &listener->next;
    }
    listeners->last_next = next;
}

void listeners_inherit(struct listeners *heir, struct listeners *old)
{
    ASSERT(heir->old == NULL && (old == NULL || old->heir == NULL));
    heir->old = old;
    if (old != NULL)
        old->heir = heir;
}

void listeners_free(struct listeners *listeners)
{
    if (listeners == NULL)
        return;
    loop_timer_cancel(listeners->loop, &listeners->rest);
    listeners_close_from(listeners, &listeners->first);
    if (listeners->heir != NULL)
        listeners->heir->old = NULL;
    if (listeners->old != NULL) {
        listeners->old->heir = NULL;
        listeners_resume(listeners->old);
    }
    mem_free(listeners);
}

/* Takes over a socket that listens. 0 or a negative errno, then the socket is still the caller's. */
static int listeners_adopt(struct listeners *listeners, int fd, const char *name, int port, int backlog,
                           struct listener **made)
{
    struct listener *listener = mem_alloc(sizeof(*listener));
    *listener = (struct listener){.set = listeners, .fd = fd, .port = port, .backlog = backlog};
    uint32_t events = listeners->resting ? 0 : EPOLLIN;
    int error = loop_add(listeners->loop, fd, events, listener_ready, listener);
    if (error != 0) {
        mem_free(listener);
        return error;
    }
    listener->name = mem_strdup(name);
    *listeners->last_next = listener;
    listeners->last_next = &listener->next;
    *made = listener;
    return 0;
}

/* The old set's listener of that name and port, if it can be shared. A port of 0 is another one each time. */
static struct listener *inherited_find(const struct listeners *heir, const char *name, int port)
{
    struct listener *listener = heir->old == NULL || port == 0 ? NULL : heir->old->first;
    while (listener != NULL && (listener->port != port || listener->twin != NULL || listener->aside ||
                                strcmp(listener->name, name) != 0))
        listener = listener->next;
    return listener;
}

/* Shares old's socket. 0 or a negative errno. */
static int listener_share(struct listeners *heir, struct listener *old)
{
    int fd = fcntl(old->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct listener *listener;
    int error = listeners_adopt(heir, fd, old->name, old->port, old->backlog, &listener);
    if (error != 0) {
        close(fd);
        return error;
    }
    listener->device = old->device;
    listener->inode = old->inode;
    listener->twin = old;
    old->twin = listener;
    return 0;
}

/* Has the old set's sockets of that port that are not shared stop listening: for as long as they do, none of
 * a wider or narrower address can. False when there is none. */
static bool inherited_step_aside(const struct listeners *heir, int port)
{
    bool some = false;
    struct listener *listener = heir->old == NULL ? NULL : heir->old->first;
    for (; listener != NULL; listener = listener->next) {
        if (listener->port != port || listener->twin != NULL || listener->aside)
            continue;
        listener->aside = shutdown(listener->fd, SHUT_RDWR) == 0;
        some = some || listener->aside;
    }
    return some;
}

int listeners_count(const struct listeners *listeners)
{
    int count = 0;
    for (struct listener *listener = listeners->first; listener != NULL; listener = listener->next)
        count++;
    return count;
}

static const struct listener *listener_at(const struct listeners *listeners, int index)
{
    const struct listener *listener = listeners->first;
    for (; index > 0 && listener != NULL; index--)
        listener = listener->next;
    ASSERT(listener != NULL);
    return listener;
}

void listeners_text(const struct listeners *listeners, int index, char *out)
{
    const struct listener *listener = listener_at(listeners, index);
    if (listener_is_unix(listener)) {
        snprintf(out, ADDRESS_TEXT_MAX, "%s", listener->name);
        return;
    }
    struct address address;
    address_of_socket(&address, listener->fd);
    address_format(&address, listener->fd, out);
}

/* --- TCP --------------------------------------------------------------------------------------------- */

/* Where opening a socket failed: the call's name, and errno, or the name service's error when errno is 0. */
struct open_failure {
    const char *step;
    int error;
};

static bool option_set(int fd, int level, int name)
{
    int on = 1;
    return setsockopt(fd, level, name, &on, sizeof(on)) == 0;
}

/* A listening socket for one resolved address, or -1. */
static int tcp_open_address(const struct addrinfo *info, int backlog, struct open_failure *failure)
{
    failure->step = "socket";
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, info->ai_protocol);
    if (fd < 0) {
        failure->error = errno;
        return -1;
    }
    failure->step = NULL;
    if (info->ai_family == AF_INET6 && !option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY))
        failure->step = "setsockopt IPV6_V6ONLY";
    else if (!option_set(fd, SOL_SOCKET, SO_REUSEADDR))
        failure->step = "setsockopt SO_REUSEADDR";
    else if (bind(fd, info->ai_addr, info->ai_addrlen) != 0)
        failure->step = "bind";
    else if (listen(fd, backlog) != 0)
        failure->step = "listen";
    if (failure->step == NULL)
        return fd;
    failure->error = errno;
    close(fd);
    return -1;
}

/* A listening socket for the first of an address' meanings that works, or -1. */
static int tcp_open(const char *address, int port, int backlog, struct open_failure *failure)
{
    bool v6 = strchr(address, ':') != NULL;
    const char *host = address;
    if (strcmp(address, "*") == 0 || strcmp(address, "::*") == 0)
        host = NULL; /* with AI_PASSIVE: all of the family */
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_family = v6 ? AF_INET6 : AF_INET,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *all;
    int verdict = getaddrinfo(host, service, &hints, &all);
    if (verdict != 0) {
        *failure = (struct open_failure){verdict == EAI_SYSTEM ? strerror(errno) : gai_strerror(verdict), 0};
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *info = all; info != NULL && fd < 0; info = info->ai_next)
        fd = tcp_open_address(info, backlog, failure);
    freeaddrinfo(all);
    return fd;
}

static void tcp_failure_format(struct listen_error *error, const char *address, int port,
                               const struct open_failure *failure)
{
    snprintf(error->text, sizeof(error->text), "Could not create server TCP listening socket %s:%d: %s%s%s",
             address, port, failure->step, failure->error != 0 ? ": " : "",
             failure->error != 0 ? strerror(failure->error) : "");
    error->port = port;
}

/* Whether a server can live without this address: it is optional and not there, or of a protocol not spoken
 * here. */
static bool tcp_failure_is_fine(int error, bool optional)
{
    return (optional && error == EADDRNOTAVAIL) || error == EAFNOSUPPORT || error == EPFNOSUPPORT ||
           error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT || error == ENOPROTOOPT;
}

/* One address of listeners_add_tcp. */
static bool tcp_add(struct listeners *listeners, const char *address, int port, int backlog,
                    struct listen_error *error)
{
    bool optional = address[0] == '-';
    if (optional)
        address++;
    struct open_failure failure = {NULL, 0};
    struct listener *inherited = inherited_find(listeners, address, port);
    if (inherited != NULL) {
        failure = (struct open_failure){"dup", -listener_share(listeners, inherited)};
        if (failure.error != 0)
            tcp_failure_format(error, address, port, &failure);
        return failure.error == 0;
    }
    int fd = tcp_open(address, port, backlog, &failure);
    if (fd < 0 && failure.error == EADDRINUSE && inherited_step_aside(listeners, port))
        fd = tcp_open(address, port, backlog, &failure);
    if (fd < 0) {
        tcp_failure_format(error, address, port, &failure);
        if (!tcp_failure_is_fine(failure.error, optional))
            return false;
        diag(DIAG_NOTICE, "%s. Going on without it.", error->text);
        return true;
    }
    struct listener *listener;
    int added = listeners_adopt(listeners, fd, address, port, backlog, &listener);
    if (added == 0)
        return true;
    failure = (struct open_failure){"epoll_ctl", -added};
    tcp_failure_format(error, address, port, &failure);
    close(fd);
    return false;
}

bool listeners_add_tcp(struct listeners *listeners, const char *const *addresses, int count, int port,
                       int backlog, struct listen_error *error)
{
    struct listener **from = listeners->last_next;
    for (int i = 0; i < count; i++) {
        if (!tcp_add(listeners, addresses[i], port, backlog, error)) {
            listeners_close_from(listeners, from);
            return false;
        }
    }
    return true;
}

/* --- unix sockets ------------------------------------------------------------------------------------ */

/* Whether the file is a socket that its server left behind: nobody answers. */
static bool socket_file_is_stale(const struct sockaddr_un *name)
{
    struct stat status;
    if (lstat(name->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)name, sizeof(*name)) != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* Makes the socket and its file, listening; the failed step's name with errno, or NULL. The permissions are
 * set before anybody can connect. */
static const char *unix_listen(int fd, const struct sockaddr_un *name, unsigned mode, int backlog)
{
    if (socket_file_is_stale(name) && unlink(name->sun_path) != 0)
        return "unlink";
    if (bind(fd, (const struct sockaddr *)name, sizeof(*name)) != 0)
        return "bind";
    const char *step = NULL;
    if (mode != 0 && chmod(name->sun_path, mode) != 0)
        step = "chmod";
    else if (listen(fd, backlog) != 0)
        step = "listen";
    if (step != NULL) {
        int error = errno;
        unlink(name->sun_path);
        errno = error;
    }
    return step;
}

static bool unix_failed(struct listen_error *error, const char *path, const char *step, int number)
{
    snprintf(error->text, sizeof(error->text), "Failed opening Unix socket %s: %s: %s", path, step,
             strerror(number));
    error->port = 0;
    return false;
}

static bool unix_share(struct listeners *listeners, struct listener *old, unsigned mode,
                       struct listen_error *error)
{
    if (mode != 0 && chmod(old->name, mode) != 0)
        return unix_failed(error, old->name, "chmod", errno);
    int shared = listener_share(listeners, old);
    return shared == 0 || unix_failed(error, old->name, "dup", -shared);
}

bool listeners_add_unix(struct listeners *listeners, const char *path, unsigned mode, int backlog,
                        struct listen_error *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(name.sun_path))
        return unix_failed(error, path, "bind", ENAMETOOLONG);
    memcpy(name.sun_path, path, strlen(path) + 1);
    struct listener *inherited = inherited_find(listeners, path, UNIX_PORT);
    if (inherited != NULL && socket_file_is_own(inherited))
        return unix_share(listeners, inherited, mode, error);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return unix_failed(error, path, "socket", errno);
    const char *step = unix_listen(fd, &name, mode, backlog);
    if (step != NULL) {
        int number = errno;
        close(fd);
        return unix_failed(error, path, step, number);
    }
    struct listener *listener;
    int added = listeners_adopt(listeners, fd, path, UNIX_PORT, backlog, &listener);
    if (added != 0) {
        close(fd);
        unlink(path);
        return unix_failed(error, path, "epoll_ctl", -added);
    }
    struct stat status;
    if (lstat(path, &status) == 0) {
        listener->device = status.st_dev;
        listener->inode = status.st_ino;
    }
    return true;
}
