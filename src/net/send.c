/* From queued replies to the socket.
 *
 * Nothing is sent while commands run. At the end of a round, when the journal has been given what they wrote,
 * each connection with something due is written to, and only one whose socket is full costs a system call to
 * wait for it. What is held back by a mark needs no system call either: it is looked at again when the
 * acknowledged LSN has grown. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/diag.h"
#include "base/memory.h"
#include "net/internal.h"

/* Bytes sent to one connection in a round. */
#define SEND_ROUND_MAX   (512 * 1024)
#define SEND_VECTORS_MAX 64
/* Memory for replies that a connection keeps when all is sent. */
#define OUTPUT_KEPT_MAX 2048
/* Reads of what a client sent and nobody will run, before its connection is closed. */
#define CLOSING_READS_MAX 16

enum sent {
    SENT_ALL,    /* nothing is queued */
    SENT_HELD,   /* the rest waits for an LSN */
    SENT_FULL,   /* the socket takes no more */
    SENT_ENOUGH, /* for this round */
    SENT_FAILED
};

static uint64_t vectors_size(const struct iovec *vectors, int count)
{
    uint64_t size = 0;
    for (int i = 0; i < count; i++)
        size += vectors[i].iov_len;
    return size;
}

/* One write of what may go. */
static enum sent write_once(struct connection *connection, uint64_t bytes_max)
{
    struct net *net = connection->net;
    struct iovec vectors[SEND_VECTORS_MAX];
    int count = output_vectors(&connection->output, bytes_max, vectors, SEND_VECTORS_MAX);
    ASSERT(count > 0);
    ssize_t size = connection->transport->write(connection->transport_state, connection->fd, vectors, count);
    if (size < 0 && errno == EINTR)
        return SENT_ENOUGH;
    if (size < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? SENT_FULL : SENT_FAILED;
    output_sent(&connection->output, (uint64_t)size);
    net->stats.bytes_out += (uint64_t)size;
    net->stats.writes++;
    return (uint64_t)size < vectors_size(vectors, count) ? SENT_FULL : SENT_ALL;
}

static enum sent connection_write(struct connection *connection)
{
    struct output *output = &connection->output;
    uint64_t end = output->sent + SEND_ROUND_MAX;
    for (;;) {
        uint64_t sendable = output_sendable(output, connection->net->acknowledged);
        if (sendable == 0)
            return output_pending(output) > 0 ? SENT_HELD : SENT_ALL;
        if (output->sent >= end)
            return SENT_ENOUGH;
        uint64_t room = end - output->sent;
        enum sent sent = write_once(connection, sendable < room ? sendable : room);
        if (sent != SENT_ALL)
            return sent;
    }
}

/* Closing a socket with unread bytes makes the kernel send a reset, which can take the last reply away from a
 * client before it has read it. */
static void connection_finish(struct connection *connection)
{
    struct net *net = connection->net;
    shutdown(connection->fd, SHUT_WR);
    for (int i = 0; i < CLOSING_READS_MAX; i++) {
        if (connection->transport->read(connection->transport_state, connection->fd, net->read_buffer,
                                        READ_BUFFER_SIZE) <= 0)
            break;
    }
    connection_close(connection);
}

static void connection_send(struct connection *connection)
{
    if (connection->condemned) {
        connection_close(connection);
        return;
    }
    uint64_t before = connection->output.sent;
    enum sent sent = connection_write(connection);
    if (connection->output.sent != before)
        connection_touch(connection);
    switch (sent) {
    case SENT_FAILED:
        connection_log(connection, "Writing to client", errno);
        connection_close(connection);
        return;
    case SENT_FULL:
        connection_watch(connection, EPOLLOUT, 0);
        connection_set_send(connection, SEND_FULL);
        break;
    case SENT_ENOUGH: connection_set_send(connection, SEND_DUE); break;
    case SENT_ALL:
    case SENT_HELD:
        connection_watch(connection, 0, EPOLLOUT);
        connection_set_send(connection, sent == SENT_ALL ? SEND_NOTHING : SEND_HELD);
        /* A connection that rests keeps room for a small reply and no more. */
        if (sent == SENT_ALL && output_memory(&connection->output) > OUTPUT_KEPT_MAX)
            output_trim(&connection->output);
        break;
    }
    if (sent == SENT_ALL && connection->run_state == RUN_STOPPED)
        connection_finish(connection);
    else if (list_linked(&connection->soft_node))
        connection_check_output(connection);
}

static void held_release(struct net *net)
{
    lsn_t acknowledged = net->handler.acknowledged(net->handler.context);
    if (acknowledged == net->acknowledged)
        return;
    net->acknowledged = acknowledged;
    struct list_node *node;
    while ((node = list_first(&net->send_lists[SEND_HELD])) != NULL)
        connection_set_send(LIST_OWNER(node, struct connection, send_node), SEND_DUE);
}

void net_send(struct net *net)
{
    held_release(net);
    struct list due;
    list_init(&due);
    list_splice(&due, &net->send_lists[SEND_DUE]);
    struct list_node *node;
    while ((node = list_take_first(&due)) != NULL)
        connection_send(LIST_OWNER(node, struct connection, send_node));
}

/* --- being told of output ---------------------------------------------------------------------------- */

void connection_pushed(struct connection *connection)
{
    if (connection->closed || connection->condemned)
        return;
    bool something = output_pending(&connection->output) > 0 || connection->run_state == RUN_STOPPED;
    if (something && connection->send_state == SEND_NOTHING)
        connection_set_send(connection, SEND_DUE);
    connection_check_output(connection);
}

void connection_push(struct connection *connection, const void *data, size_t size)
{
    if (connection->closed || connection->condemned)
        return;
    output_append(&connection->output, data, size);
    connection_pushed(connection);
}

/* --- limits ------------------------------------------------------------------------------------------ */

static void output_too_large(struct connection *connection)
{
    char text[CONNECTION_TEXT_MAX];
    connection_format(connection, text);
    diag(DIAG_WARNING,
         "Client %s omem=%zu scheduled to be closed ASAP for overcoming of output buffer limits.", text,
         output_memory(&connection->output));
    connection->net->stats.closed_output_limit++;
    connection_condemn(connection);
}

void connection_limit_output(struct connection *connection)
{
    const struct output_limit *limit = &connection->net->limits.output[connection->class];
    output_set_limit(&connection->output, limit->hard);
}

/* INT64_MAX for a time that never comes. */
static int64_t soft_due_us(const struct connection *connection)
{
    const struct output_limit *limit = &connection->net->limits.output[connection->class];
    int64_t due_us;
    if (__builtin_mul_overflow(limit->soft_seconds, MICROSECONDS, &due_us) ||
        __builtin_add_overflow(due_us, connection->over_soft_since_us, &due_us))
        return INT64_MAX;
    return due_us;
}

void connection_check_output(struct connection *connection)
{
    struct net *net = connection->net;
    const struct output_limit *limit = &net->limits.output[connection->class];
    size_t memory = output_memory(&connection->output);
    if (connection->condemned)
        return;
    recent_max_note(net, &net->output_recent, memory);
    if (output_overflowed(&connection->output) || (limit->hard > 0 && memory >= limit->hard)) {
        output_too_large(connection);
    } else if (limit->soft == 0 || memory < limit->soft) {
        list_remove(&connection->soft_node);
    } else if (!list_linked(&connection->soft_node)) {
        connection->over_soft_since_us = loop_time_us(net->loop);
        list_append(&net->over_soft, &connection->soft_node);
        if (!loop_timer_is_set(&net->soft_timer) || soft_due_us(connection) < net->soft_timer.due_us)
            loop_timer_set(net->loop, &net->soft_timer, soft_due_us(connection));
    }
}

/* Few are above their soft limit at any time, so all of them are looked at when the first may be due. */
void net_soft_timer(void *context)
{
    struct net *net = context;
    int64_t now_us = loop_time_us(net->loop);
    int64_t next_us = INT64_MAX;
    struct list_node *next;
    for (struct list_node *node = list_first(&net->over_soft); node != NULL; node = next) {
        next = list_next(&net->over_soft, node);
        struct connection *connection = LIST_OWNER(node, struct connection, soft_node);
        connection_check_output(connection);
        if (!list_linked(&connection->soft_node))
            continue;
        int64_t due_us = soft_due_us(connection);
        if (due_us <= now_us)
            output_too_large(connection);
        else if (due_us < next_us)
            next_us = due_us;
    }
    if (next_us != INT64_MAX)
        loop_timer_set(net->loop, &net->soft_timer, next_us);
}

/* --- shutting down ----------------------------------------------------------------------------------- */

/* Lists the full sockets for poll; the caller frees it. */
static struct pollfd *full_list(const struct net *net, nfds_t *count)
{
    struct pollfd *polled = mem_alloc((net->stats.connected + 1) * sizeof(*polled));
    *count = 0;
    for (struct list_node *node = list_first(&net->all); node != NULL; node = list_next(&net->all, node)) {
        const struct connection *connection = LIST_OWNER(node, struct connection, all_node);
        if (connection->send_state == SEND_FULL)
            polled[(*count)++] = (struct pollfd){.fd = connection->fd, .events = POLLOUT};
    }
    return polled;
}

static void full_make_due(struct net *net)
{
    for (struct list_node *node = list_first(&net->all); node != NULL; node = list_next(&net->all, node)) {
        struct connection *connection = LIST_OWNER(node, struct connection, all_node);
        if (connection->send_state == SEND_FULL)
            connection_set_send(connection, SEND_DUE);
    }
}

uint64_t net_flush(struct net *net, int64_t deadline_us)
{
    for (;;) {
        do {
            net_send(net);
        } while (!list_empty(&net->send_lists[SEND_DUE]));
        nfds_t full;
        struct pollfd *polled = full_list(net, &full);
        int64_t left_ms = (deadline_us - clock_monotonic_us(loop_clock(net->loop)) + 999) / 1000;
        bool over = full == 0 || left_ms <= 0;
        /* Which of them can go on is found by writing to all of them again. */
        if (!over)
            poll(polled, full, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
        mem_free(polled);
        if (over) {
            connections_reap(net);
            return full;
        }
        full_make_due(net);
    }
}
