/* Clients that stall. Whoever began a request has so long for each part of it: from its connection or the
 * last answer to the first line, from there to the end of the head, and for a body as long as it keeps coming
 * at a modest rate; and he must go on reading the answer. One list, in the order of the last progress, and
 * one timer serve for all. */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "http/internal.h"

/* Bytes a second of a body, in the long run. */
#define BODY_RATE_MIN 4096

#define MICROSECONDS INT64_C(1000000)

void http_touch(struct http_connection *connection)
{
    struct http *http = connection->http;
    connection->touched_us = loop_time_us(http->options.loop);
    list_remove(&connection->touch_node);
    list_append(&http->by_touch, &connection->touch_node);
}

void http_touch_body(struct http_connection *connection)
{
    struct http *http = connection->http;
    int64_t elapsed_us = loop_time_us(http->options.loop) - connection->body_began_us;
    uint64_t due = (uint64_t)(elapsed_us / MICROSECONDS) * BODY_RATE_MIN;
    if (connection->received >= due)
        http_touch(connection);
}

static bool tcp_info_read(const struct http_connection *connection, struct tcp_info *info)
{
    socklen_t size = sizeof(*info);
    return connection->peer.any.sa_family != AF_UNIX &&
           getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

/* Whether something of a next request has come since the last one was answered, or at all. */
static bool request_has_begun(const struct http_connection *connection)
{
    struct tcp_info info;
    if (connection->state != REQUEST_NONE)
        return true;
    if (!tcp_info_read(connection, &info))
        return !connection->was_answered;
    if (!connection->was_answered)
        return info.tcpi_bytes_received > 0;
    int64_t now_us = loop_time_us(connection->http->options.loop);
    return now_us - (int64_t)info.tcpi_last_data_recv * 1000 > connection->touched_us + 10000;
}

/* Whether the client has taken some of its answer since this was asked last. */
static bool answer_moves(struct http_connection *connection)
{
    struct tcp_info info;
    uint64_t taken;
    int queued;
    if (tcp_info_read(connection, &info))
        taken = info.tcpi_bytes_acked;
    else if (ioctl(connection->fd, SIOCOUTQ, &queued) == 0)
        taken = (uint64_t)queued;
    else
        return false;
    bool moves = taken != connection->taken;
    connection->taken = taken;
    return moves;
}

/* Nothing has come, or gone, for too long. */
static void connection_stalled(struct http_connection *connection)
{
    enum request_state state = connection->state;
    bool waits_for_us = state == REQUEST_PUT_OFF || state == REQUEST_HELD || state == REQUEST_READY;
    http_touch(connection);
    if (waits_for_us || (state == REQUEST_ANSWERED && answer_moves(connection)))
        return;
    if (state != REQUEST_ANSWERED && request_has_begun(connection))
        http_answer_bare(connection, 408, "Request Timeout", "request timeout\n");
    http_connection_close(connection);
}

static int64_t timeout_us(const struct http *http)
{
    return http->options.limits.timeout_seconds * MICROSECONDS;
}

static void timer_update(struct http *http)
{
    struct list_node *node = list_first(&http->by_touch);
    if (node == NULL || timeout_us(http) == 0)
        loop_timer_cancel(http->options.loop, &http->stall_timer);
    else
        loop_timer_set(http->options.loop, &http->stall_timer,
                       LIST_OWNER(node, struct http_connection, touch_node)->touched_us + timeout_us(http));
}

void stall_watch(struct http *http)
{
    if (!loop_timer_is_set(&http->stall_timer))
        timer_update(http);
}

void stall_due(void *context)
{
    struct http *http = context;
    int64_t now_us = loop_time_us(http->options.loop);
    struct list_node *node;
    while ((node = list_first(&http->by_touch)) != NULL && timeout_us(http) > 0) {
        struct http_connection *connection = LIST_OWNER(node, struct http_connection, touch_node);
        if (connection->touched_us + timeout_us(http) > now_us)
            break;
        connection_stalled(connection);
    }
    timer_update(http);
}
