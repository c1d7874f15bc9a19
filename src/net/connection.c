#include "net/connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/call.h"
#include "command/world.h"
#include "net/internal.h"

/* --- coming ------------------------------------------------------------------------------------------ */

static void option_set(int fd, int level, int name, int value)
{
    /* None of these is worth refusing a client for. */
    if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
        diag(DIAG_DEBUG, "setsockopt %d/%d on descriptor %d: %s", level, name, fd, strerror(errno));
}

static void tcp_tune(int fd, int keepalive_seconds)
{
    option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (keepalive_seconds <= 0)
        return;
    /* The first probe after the interval, and three of them within another one. */
    int probe_seconds = keepalive_seconds < 3 ? 1 : keepalive_seconds / 3;
    option_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    option_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_seconds);
    option_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, probe_seconds);
    option_set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

static void connection_event(void *context, uint32_t events)
{
    struct connection *connection = context;
    enum run_state run = connection->run_state;
    if (events & EPOLLOUT)
        connection_set_send(connection, SEND_DUE);
    if (!connection->net->draining && run == RUN_IDLE) {
        if (events & ~(uint32_t)EPOLLOUT)
            connection_receive(connection);
        return;
    }
    if (!connection->net->draining && run == RUN_READY)
        return; /* reads again when it has run what it has */
    /* Whoever waits for an answer that may take forever is let go as soon as he hangs up. Not so a paused
     * client that has only shut down its sending side: what it sent will be run. */
    if ((events & (EPOLLHUP | EPOLLERR)) || (run == RUN_BLOCKED && (events & EPOLLRDHUP)))
        connection_close(connection);
    else
        connection_watch(connection, 0, events & (EPOLLIN | EPOLLRDHUP));
}

struct connection *connection_new(struct net *net, int fd, const struct address *peer)
{
    struct connection *connection = mem_alloc_zero(sizeof(*connection));
    connection->net = net;
    connection->fd = fd;
    connection->peer = *peer;
    connection->transport = &transport_plain;
    connection->events = EPOLLIN | EPOLLRDHUP;
    int error = loop_add(net->loop, fd, connection->events, connection_event, connection);
    if (error != 0) {
        diag(DIAG_WARNING, "Cannot watch a new connection: epoll_ctl: %s", strerror(-error));
        close(fd);
        mem_free(connection);
        return NULL;
    }
    if (peer->any.sa_family == AF_INET || peer->any.sa_family == AF_INET6)
        tcp_tune(fd, net->limits.tcp_keepalive_seconds);
    list_append(&net->all, &connection->all_node);
    net->run_counts[RUN_IDLE]++;
    net->stats.connected++;
    connection->touched_seconds = -1;
    connection_touch(connection);
    connection->session = net->handler.session_new(net->handler.context, &connection->output, connection);
    connection->is_stranger = !session_is_authenticated(connection->session);
    connection_limit_output(connection);
    connection_log(connection, "Accepted", 0);
    return connection;
}

/* --- states ------------------------------------------------------------------------------------------ */

void connection_set_run(struct connection *connection, enum run_state state)
{
    struct net *net = connection->net;
    net->run_counts[connection->run_state]--;
    net->run_counts[state]++;
    connection->run_state = state;
    list_remove(&connection->run_node);
    switch (state) {
    case RUN_IDLE: connection_watch(connection, EPOLLIN | EPOLLRDHUP, 0); break;
    case RUN_STOPPED: connection_watch(connection, 0, EPOLLIN | EPOLLRDHUP); break;
    case RUN_BLOCKED:
        connection_watch(connection, EPOLLRDHUP, 0);
        list_append(&net->run_lists[state], &connection->run_node);
        break;
    case RUN_UNREAD:
        list_append(&net->run_lists[state], &connection->run_node);
        unread_begins(connection);
        break;
    /* Watching goes on as it is: most have nothing more to say, which spares the system calls to stop and
     * resume it. The event of one that has stops it. */
    default: list_append(&net->run_lists[state], &connection->run_node);
    }
}

void connection_set_send(struct connection *connection, enum send_state state)
{
    connection->send_state = state;
    list_remove(&connection->send_node);
    if (state == SEND_DUE || state == SEND_HELD)
        list_append(&connection->net->send_lists[state], &connection->send_node);
}

void connection_watch(struct connection *connection, uint32_t more, uint32_t fewer)
{
    uint32_t events = (connection->events | more) & ~fewer;
    if (events == connection->events)
        return;
    connection->events = events;
    loop_modify(connection->net->loop, connection->fd, events);
}

void connection_touch(struct connection *connection)
{
    struct net *net = connection->net;
    int64_t now_seconds = loop_time_us(net->loop) / MICROSECONDS;
    if (connection->touched_seconds == now_seconds)
        return;
    connection->touched_seconds = now_seconds;
    list_remove(&connection->touch_node);
    list_append(&net->by_touch, &connection->touch_node);
}

/* --- going ------------------------------------------------------------------------------------------- */

void connection_condemn(struct connection *connection)
{
    if (connection->condemned)
        return;
    connection->condemned = true;
    list_remove(&connection->soft_node);
    if (connection->net->running == connection)
        return;
    connection_set_run(connection, RUN_STOPPED);
    connection_set_send(connection, SEND_DUE);
    /* What is queued has taken too much already. */
    output_free(&connection->output);
    connection_count_output(connection);
    output_set_discard(&connection->output, true);
}

void connection_close(struct connection *connection)
{
    struct net *net = connection->net;
    ASSERT(!connection->closed);
    if (net->running == connection) {
        connection->condemned = true;
        return;
    }
    connection->closed = true;
    if (net->ran_last == connection)
        net->ran_last = NULL;
    loop_remove(net->loop, connection->fd);
    connection->transport->free(connection->transport_state);
    /* A child that was forked just now may still have a copy of the descriptor, which would keep it open. */
    shutdown(connection->fd, SHUT_RDWR);
    close(connection->fd);
    connection_drop_input(connection);
    list_remove(&connection->run_node);
    list_remove(&connection->send_node);
    list_remove(&connection->touch_node);
    list_remove(&connection->soft_node);
    list_remove(&connection->all_node);
    list_append(&net->closed, &connection->all_node);
    net->run_counts[connection->run_state]--;
    net->stats.connected--;
    struct session *session = connection->session;
    connection->session = NULL;
    net->handler.session_free(net->handler.context, session);
    output_free(&connection->output);
    connection_count_output(connection);
}

void connection_close_after_reply(struct connection *connection)
{
    if (connection->net->running == connection) {
        connection->session->close_after_reply = true;
        return;
    }
    connection_drop_input(connection);
    connection_set_run(connection, RUN_STOPPED);
    if (connection->send_state == SEND_NOTHING)
        connection_set_send(connection, SEND_DUE);
}

void connections_reap(struct net *net)
{
    struct list_node *node;
    while ((node = list_take_first(&net->closed)) != NULL)
        mem_free(LIST_OWNER(node, struct connection, all_node));
}

/* --- telling ----------------------------------------------------------------------------------------- */

struct session *connection_session(const struct connection *connection)
{
    return connection->session;
}

int connection_fd(const struct connection *connection)
{
    return connection->fd;
}

bool connection_is_unix(const struct connection *connection)
{
    return connection->peer.any.sa_family == AF_UNIX;
}

bool connection_is_local(const struct connection *connection)
{
    return address_is_local(&connection->peer);
}

void connection_peer_text(const struct connection *connection, char *out)
{
    address_format(&connection->peer, connection->fd, out);
}

void connection_local_text(const struct connection *connection, char *out)
{
    struct address local;
    address_of_socket(&local, connection->fd);
    address_format(&local, connection->fd, out);
}

void connection_format(const struct connection *connection, char *out)
{
    char peer[ADDRESS_TEXT_MAX];
    connection_peer_text(connection, peer);
    const char *name = connection->session->name;
    snprintf(out, CONNECTION_TEXT_MAX, "id=%llu addr=%s fd=%d name=%.100s",
             (unsigned long long)connection->session->id, peer, connection->fd, name != NULL ? name : "");
}

void connection_log(const struct connection *connection, const char *what, int error)
{
    if (diag_get_level() > DIAG_VERBOSE)
        return;
    char text[CONNECTION_TEXT_MAX];
    connection_format(connection, text);
    diag(DIAG_VERBOSE, "%s: %s%s%s", what, text, error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
}

void connection_describe(const struct connection *connection, struct connection_info *info)
{
    const struct net *net = connection->net;
    const struct input *input = &connection->input;
    bool running = net->running == connection;
    size_t blobs = connection->parser != NULL ? parser_blob_size(connection->parser) : 0;
    enum run_state run = connection->run_state;
    *info = (struct connection_info){
        .input_used = (running ? net->running_input.size : input_size(input)) + blobs,
        .input_free = input->capacity - input->end,
        .parser_memory = connection->parser != NULL ? parser_memory(connection->parser) : 0,
        .output_pending = output_pending(&connection->output),
        .output_memory = output_memory(&connection->output),
        .output_shared = output_shared_memory(&connection->output),
        .reads = connection->events & EPOLLIN,
        .writes = connection->events & EPOLLOUT,
        .blocked = run == RUN_BLOCKED,
        .paused = run == RUN_PAUSED,
        .closing = run == RUN_STOPPED || connection->condemned,
    };
    info->memory = sizeof(*connection) + input->capacity + blobs + info->parser_memory + info->output_memory;
}

void connection_set_class(struct connection *connection, enum connection_class class)
{
    connection->class = class;
    connection_limit_output(connection);
    list_remove(&connection->soft_node);
    connection_check_output(connection);
}

void connection_resumed(struct connection *connection)
{
    if (connection->closed || connection->condemned || connection->run_state != RUN_BLOCKED)
        return;
    if (connection->session->close_after_reply)
        connection_set_run(connection, RUN_STOPPED);
    else
        connection_set_run(connection, input_size(&connection->input) > 0 ? RUN_READY : RUN_IDLE);
    connection_replied(connection);
}
