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
#include "command/world.h"
#include "net/internal.h"

/* Bytes sent to one connection in a round. */
#define SEND_ROUND_MAX   (512 * 1024)
#define SEND_VECTORS_MAX 64
/* Memory for replies that a connection keeps when all is sent. */
#define OUTPUT_KEPT_MAX 2048
/* Reads of what a client sent and nobody will run, before its connection is closed. */
#define CLOSING_READS_MAX 16

#define LOG_INTERVAL_US (60 * (int64_t)MICROSECONDS)

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

bool connection_is_unread(const struct connection *connection)
{
    const struct net *net = connection->net;
    uint64_t total_max = net->limits.output_total_max;
    return total_max > 0 && net->output_total > total_max && output_memory(&connection->output) > UNREAD_MIN;
}

/* It goes on where it stopped, if it had and may. */
static void unread_end(struct connection *connection)
{
    if (connection->run_state != RUN_UNREAD || connection->condemned || connection_is_unread(connection))
        return;
    /* With a parser it is in the middle of receiving a command. */
    bool ready = connection->parser == NULL && input_size(&connection->input) > 0;
    connection_set_run(connection, ready ? RUN_READY : RUN_IDLE);
}

void unread_release(struct net *net)
{
    struct list_node *next;
    if (net->output_total > net->limits.output_total_max && net->limits.output_total_max > 0)
        return;
    for (struct list_node *node = list_first(&net->run_lists[RUN_UNREAD]); node != NULL; node = next) {
        next = list_next(&net->run_lists[RUN_UNREAD], node);
        unread_end(LIST_OWNER(node, struct connection, run_node));
    }
}

static void connection_send(struct connection *connection)
{
    if (connection->condemned) {
        connection_close(connection);
        return;
    }
    uint64_t before = connection->output.sent;
    enum sent sent = connection_write(connection);
    connection_count_output(connection);
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
        if (sent == SENT_ALL && output_memory(&connection->output) > OUTPUT_KEPT_MAX) {
            output_trim(&connection->output);
            connection_count_output(connection);
        }
        break;
    }
    if (sent == SENT_ALL && connection->run_state == RUN_STOPPED)
        connection_finish(connection);
    else if (list_linked(&connection->soft_node))
        connection_check_output(connection);
    unread_end(connection);
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

/* --- closing, counting --------------------------------------------------------------------------------- */

bool log_is_due(const struct net *net, struct log_limit *limit, uint64_t *left_out)
{
    int64_t now_us = loop_time_us(net->loop);
    if (limit->logged_us != 0 && now_us - limit->logged_us < LOG_INTERVAL_US) {
        limit->left_out++;
        return false;
    }
    *left_out = limit->left_out;
    *limit = (struct log_limit){.logged_us = now_us};
    return true;
}

/* why: "" or what more there is to say. Strangers can have this line written as often as they like, and
 * clients with a password not so easily. */
static void output_too_large(struct connection *connection, const char *why)
{
    struct net *net = connection->net;
    struct log_limit *log = connection->is_stranger ? &net->stranger_log : &net->output_log;
    uint64_t left_out;
    char text[CONNECTION_TEXT_MAX];
    if (log_is_due(net, log, &left_out)) {
        connection_format(connection, text);
        diag(DIAG_WARNING,
             "Client %s omem=%zu scheduled to be closed ASAP for overcoming of output buffer limits%s. (%llu "
             "others were since the last such line.)",
             text, output_memory(&connection->output),
             connection->is_stranger ? ", which are small before it has authenticated" : why,
             (unsigned long long)left_out);
    }
    net->stats.closed_output_limit++;
    net->stats.closed_stranger += connection->is_stranger;
    connection_condemn(connection);
}

void connection_count_output(struct connection *connection)
{
    size_t memory = output_memory(&connection->output);
    connection->net->output_total += memory - connection->output_counted;
    connection->output_counted = memory;
}

/* --- being told of output ---------------------------------------------------------------------------- */

void connection_replied(struct connection *connection)
{
    if (connection->closed || connection->condemned)
        return;
    bool something = output_pending(&connection->output) > 0 || connection->run_state == RUN_STOPPED;
    if (something && connection->send_state == SEND_NOTHING)
        connection_set_send(connection, SEND_DUE);
    connection_check_output(connection);
}

/* Messages come from others: that it does not read them stops nobody but itself from going on. */
void connection_pushed(struct connection *connection)
{
    connection_replied(connection);
    if (!connection->closed && !connection->condemned && connection_is_unread(connection) &&
        output_memory(&connection->output) > UNREAD_MESSAGES_MAX)
        output_too_large(connection, ", while the replies of all clients take more than client-output-total");
}

void connection_push(struct connection *connection, const void *data, size_t size)
{
    if (connection->closed || connection->condemned)
        return;
    output_append(&connection->output, data, size);
    connection_pushed(connection);
}

/* --- limits ------------------------------------------------------------------------------------------ */

static struct output_limit output_limit_of(const struct connection *connection)
{
    struct output_limit limit = connection->net->limits.output[connection->class];
    uint64_t stranger_max = connection->stranger_allowance + STRANGER_OUTPUT_MAX;
    if (connection->is_stranger && (limit.hard == 0 || limit.hard > stranger_max))
        limit.hard = stranger_max;
    return limit;
}

void connection_limit_output(struct connection *connection)
{
    output_set_limit(&connection->output, output_limit_of(connection).hard);
}

bool connection_know(struct connection *connection)
{
    bool is_stranger = !session_is_authenticated(connection->session);
    if (__builtin_expect(is_stranger == connection->is_stranger, 1))
        return false;
    connection->is_stranger = is_stranger;
    /* What was queued for one who had authenticated stays; behind it memory is taken in larger pieces. */
    bool begins_empty = output_pending(&connection->output) == 0;
    connection->stranger_allowance = begins_empty ? 0 : output_memory(&connection->output) + READ_BUFFER_SIZE;
    connection_limit_output(connection);
    return true;
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
    const struct output_limit limit = output_limit_of(connection);
    size_t memory = output_memory(&connection->output);
    if (connection->condemned)
        return;
    connection_count_output(connection);
    recent_max_note(net, &net->output_recent, memory);
    if (output_overflowed(&connection->output) || (limit.hard > 0 && memory >= limit.hard)) {
        output_too_large(connection, "");
    } else if (limit.soft == 0 || memory < limit.soft) {
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
            output_too_large(connection, "");
        else if (due_us < next_us)
            next_us = due_us;
    }
    if (next_us != INT64_MAX)
        loop_timer_set(net->loop, &net->soft_timer, next_us);
}

/* --- replies of all together ------------------------------------------------------------------------------
 */

void unread_begins(struct connection *connection)
{
    struct net *net = connection->net;
    uint64_t left_out;
    if (!loop_timer_is_set(&net->unread_timer))
        loop_timer_set(net->loop, &net->unread_timer,
                       loop_time_us(net->loop) + UNREAD_SECONDS * MICROSECONDS);
    if (!log_is_due(net, &net->unread_log, &left_out))
        return;
    char text[CONNECTION_TEXT_MAX];
    connection_format(connection, text);
    diag(
        DIAG_WARNING,
        "Client %s does not read its replies (omem=%zu), and those of all clients take %llu bytes, more than "
        "client-output-total: nothing more is run for it until it reads. (It was so %llu times since the "
        "last "
        "such line.)",
        text, output_memory(&connection->output), (unsigned long long)net->output_total,
        (unsigned long long)left_out);
}

/* Somebody who writes all that he has to ask before he reads would wait for ever, as this server waits for
 * him. */
void net_unread_timer(void *context)
{
    struct net *net = context;
    int64_t now_us = loop_time_us(net->loop);
    int64_t next_us = INT64_MAX;
    struct list_node *next;
    for (struct list_node *node = list_first(&net->run_lists[RUN_UNREAD]); node != NULL; node = next) {
        next = list_next(&net->run_lists[RUN_UNREAD], node);
        struct connection *connection = LIST_OWNER(node, struct connection, run_node);
        int64_t due_us = (connection->touched_seconds + UNREAD_SECONDS + 1) * MICROSECONDS;
        bool waits_for_log = connection->send_state == SEND_HELD;
        if (waits_for_log || due_us > now_us) {
            due_us = waits_for_log ? now_us + UNREAD_SECONDS * MICROSECONDS : due_us;
            next_us = due_us < next_us ? due_us : next_us;
            continue;
        }
        net->stats.closed_unread++;
        output_too_large(connection,
                         ", as the replies of all clients take more than client-output-total and it "
                         "has read nothing for a minute");
    }
    if (next_us != INT64_MAX)
        loop_timer_set(net->loop, &net->unread_timer, next_us);
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
