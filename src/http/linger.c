/* Closing while the client still sends. The kernel answers bytes for a closed socket with a reset, and that
 * can take the answer away before the client has read it. So a descriptor of the socket is kept for a moment
 * after libmicrohttpd has closed its own, which has ended our side of it, and what comes is dropped. */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "http/internal.h"

#define LINGER_US    2000000
#define LINGER_BYTES (16 << 20)
#define LINGER_READ  65536
/* More than this are closed at once. */
#define LINGERING_MAX 64
/* As the kernel counts states. Their names are in netinet/tcp.h, which excludes the header above. */
#define TCP_ESTABLISHED 1
#define TCP_CLOSE_WAIT  8

struct lingering {
    struct http *http;
    int fd;
    size_t left; /* bytes that are dropped at the most */
    int64_t due_us;
    struct list_node node;
};

static void lingering_close(struct lingering *lingering)
{
    struct http *http = lingering->http;
    loop_remove(http->options.loop, lingering->fd);
    shutdown(lingering->fd, SHUT_RDWR);
    close(lingering->fd);
    list_remove(&lingering->node);
    http->lingering_count--;
    mem_free(lingering);
}

static void lingering_read(void *context, uint32_t events)
{
    static char dropped[LINGER_READ];
    struct lingering *lingering = context;
    (void)events;
    ssize_t size = recv(lingering->fd, dropped, sizeof(dropped), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0 || (size_t)size >= lingering->left)
        lingering_close(lingering);
    else
        lingering->left -= (size_t)size;
}

static void timer_update(struct http *http)
{
    struct list_node *node = list_first(&http->lingering);
    if (node == NULL)
        loop_timer_cancel(http->options.loop, &http->linger_timer);
    else
        loop_timer_set(http->options.loop, &http->linger_timer,
                       LIST_OWNER(node, struct lingering, node)->due_us);
}

void linger_due(void *context)
{
    struct http *http = context;
    int64_t now_us = loop_time_us(http->options.loop);
    struct list_node *node;
    while ((node = list_first(&http->lingering)) != NULL) {
        struct lingering *lingering = LIST_OWNER(node, struct lingering, node);
        if (lingering->due_us > now_us)
            break;
        lingering_close(lingering);
    }
    timer_update(http);
}

bool linger_begin(struct http_connection *connection)
{
    struct http *http = connection->http;
    struct tcp_info info;
    socklen_t size = sizeof(info);
    if (connection->is_clean || connection->peer.any.sa_family == AF_UNIX ||
        getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return false;
    bool peer_is_done = info.tcpi_state == TCP_CLOSE_WAIT;
    if (info.tcpi_state != TCP_ESTABLISHED && !peer_is_done)
        return false;
    /* One that ends in the middle it closes without a word. */
    if (info.tcpi_bytes_received > 0 && info.tcpi_bytes_sent == 0 && !connection->was_told)
        http_answer_bare(connection, 400, "Bad Request", "the request ends in its middle\n");
    if (peer_is_done)
        return false;
    shutdown(connection->fd, SHUT_WR);
    if (http->lingering_count >= LINGERING_MAX)
        return false;
    int kept = fcntl(connection->fd, F_DUPFD_CLOEXEC, 0);
    if (kept < 0)
        return false;
    struct lingering *lingering = mem_alloc_zero(sizeof(*lingering));
    *lingering = (struct lingering){.http = http,
                                    .fd = kept,
                                    .left = LINGER_BYTES,
                                    .due_us = loop_time_us(http->options.loop) + LINGER_US};
    if (loop_add(http->options.loop, kept, EPOLLIN, lingering_read, lingering) != 0) {
        close(kept);
        mem_free(lingering);
        return false;
    }
    list_append(&http->lingering, &lingering->node);
    http->lingering_count++;
    if (!loop_timer_is_set(&http->linger_timer))
        timer_update(http);
    return true;
}

void linger_end(struct http *http)
{
    struct list_node *node;
    while ((node = list_first(&http->lingering)) != NULL)
        lingering_close(LIST_OWNER(node, struct lingering, node));
    loop_timer_cancel(http->options.loop, &http->linger_timer);
}
