/* What a client sends, before libmicrohttpd has it: all of it passes the strict reading of framing.h, and
 * what is refused there is answered here; and the end of it, which libmicrohttpd has to be brought to see.
 *
 * It takes a read that did not fill its buffer for the last one there is, and waits for epoll's
 * next edge. An end of input that was there already when it asked epoll has no edge of its own, so that such
 * a client would stay until it times out. The loop watches for the end beside libmicrohttpd, and whoever read
 * some bytes of a connection that has one is made to read on: libmicrohttpd takes what was suspended and
 * resumed for readable.
 *
 * There is no place in libmicrohttpd to look at what it reads. So the function that it reads with is ours: a
 * program's own recv(2) goes before the C library's. For everybody else it is the same call. */
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/diag.h"
#include "base/memory.h"
#include "http/internal.h"

/* Whose turn it is to read, in this thread; NULL: nobody of libmicrohttpd's. */
static _Thread_local struct http *reading;

static struct http_connection *connection_at(const struct http *http, int fd)
{
    struct http_connection *connection = (size_t)fd < http->by_fd_count ? http->by_fd[fd] : NULL;
    ASSERT(connection != NULL);
    return connection;
}

static bool connection_reads(const struct http_connection *connection)
{
    return connection->state <= REQUEST_BODY;
}

void wire_read_on(struct http_connection *connection)
{
    if (connection->has_more && connection_reads(connection) && !list_linked(&connection->more_node))
        list_append(&connection->http->more, &connection->more_node);
}

/* libmicrohttpd reads when it has answered all that it was given before. */
static ssize_t connection_receive(struct http_connection *connection, void *data, size_t size, int flags)
{
    struct framing *framing = &connection->framing;
    if (framing->refusal != NULL) {
        connection->has_more = false;
        request_refuse(&connection->request, framing->refusal);
        return 0;
    }
    ssize_t received = recvfrom(connection->fd, data, size, flags, NULL, NULL);
    connection->has_more = connection->is_ended && received > 0;
    if (received > 0) {
        size_t passed = framing_feed(framing, data, (size_t)received);
        connection->has_passed = true;
        if (framing->refusal != NULL && passed == 0)
            return connection_receive(connection, data, size, flags);
        received = (ssize_t)passed;
        connection->has_more = connection->has_more || framing->refusal != NULL;
    }
    wire_read_on(connection);
    return received;
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
    if (reading == NULL)
        return recvfrom(fd, data, size, flags, NULL, NULL);
    return connection_receive(connection_at(reading, fd), data, size, flags);
}

/* One that is busy now is looked at again when it has answered. */
static void read_on(struct http *http)
{
    struct list_node *node;
    while ((node = list_take_first(&http->more)) != NULL) {
        struct http_connection *connection = LIST_OWNER(node, struct http_connection, more_node);
        if (!connection_reads(connection))
            continue;
        MHD_suspend_connection(connection->mhd);
        MHD_resume_connection(connection->mhd);
    }
}

bool wire_run(struct http *http)
{
    ASSERT(reading == NULL);
    read_on(http);
    reading = http;
    MHD_run(http->daemon);
    reading = NULL;
    return !list_empty(&http->more);
}

/* --- connections --------------------------------------------------------------------------------------- */

static void unwatch(struct http_connection *connection)
{
    if (connection->is_watched)
        loop_remove(connection->http->options.loop, connection->fd);
    connection->is_watched = false;
}

static void end_seen(void *context, uint32_t events)
{
    struct http_connection *connection = context;
    unwatch(connection);
    connection->is_ended = true;
    if (events & (EPOLLHUP | EPOLLERR)) {
        /* Nobody is there who could be answered. */
        http_connection_close(connection);
        return;
    }
    connection->has_more = true;
    wire_read_on(connection);
    connection->http->due = true;
}

void wire_begin(struct http_connection *connection)
{
    struct http *http = connection->http;
    size_t fd = (size_t)connection->fd;
    if (fd >= http->by_fd_count) {
        size_t count = fd + 1 > 2 * http->by_fd_count ? fd + 1 : 2 * http->by_fd_count;
        http->by_fd = mem_realloc(http->by_fd, count * sizeof(*http->by_fd));
        memset(http->by_fd + http->by_fd_count, 0, (count - http->by_fd_count) * sizeof(*http->by_fd));
        http->by_fd_count = count;
    }
    ASSERT(http->by_fd[fd] == NULL);
    http->by_fd[fd] = connection;
    int error = loop_add(http->options.loop, connection->fd, EPOLLRDHUP, end_seen, connection);
    connection->is_watched = error == 0;
    if (error != 0)
        diag(DIAG_WARNING, "An HTTP client's end may go unnoticed until it times out: epoll_ctl: %s",
             strerror(-error));
}

void wire_end(struct http_connection *connection)
{
    unwatch(connection);
    list_remove(&connection->more_node);
    connection->http->by_fd[connection->fd] = NULL;
}
