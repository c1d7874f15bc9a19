#include "http/http.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/memory.h"
#include "http/internal.h"

/* What libmicrohttpd has for a connection: a request's head and, in turns, pieces of its body, and the head
 * of the answer. */
#define CONNECTION_MEMORY 16384
/* A connection that others were not heard beside for so many rounds is taken for the only one. */
#define ROUNDS_OF_ONE 16

/* --- connections --------------------------------------------------------------------------------------- */

void http_set_state(struct http_connection *connection, enum request_state state)
{
    struct http *http = connection->http;
    connection->state = state;
    list_remove(&connection->state_node);
    if (state == REQUEST_PUT_OFF)
        list_append(&http->put_off, &connection->state_node);
    else if (state == REQUEST_HELD)
        list_append(&http->held, &connection->state_node);
}

static struct http_connection *connection_new(struct http *http, struct MHD_Connection *mhd)
{
    struct http_connection *connection = mem_alloc_zero(sizeof(*connection));
    connection->http = http;
    connection->mhd = mhd;
    connection->fd = http->accepting_fd;
    connection->peer = http->accepting_peer;
    connection->session = session_new(http->options.world, &connection->output, NULL);
    connection->session->http_owner = connection;
    connection->session->origin = &origin_http;
    connection->session->is_local = address_is_local(&connection->peer);
    connection->session->is_unix = connection->peer.any.sa_family == AF_UNIX;
    connection->request.connection = connection;
    list_append(&http->all, &connection->all_node);
    connection->is_spare = http->accepting_spare;
    if (connection->is_spare) {
        list_append(&http->spare, &connection->spare_node);
        http->stats.spare++;
    }
    wire_begin(connection);
    http_touch(connection);
    stall_watch(http);
    http->stats.connected++;
    return connection;
}

static void connection_free(struct http_connection *connection)
{
    struct http *http = connection->http;
    http->stats.connected--;
    http->stats.spare -= connection->is_spare;
    list_remove(&connection->spare_node);
    if (http->ran_last == connection)
        http->ran_last = NULL;
    request_clear(&connection->request);
    wire_end(connection);
    list_remove(&connection->state_node);
    list_remove(&connection->all_node);
    list_remove(&connection->touch_node);
    session_free(connection->session);
    output_free(&connection->output);
    buffer_free(&connection->request.target);
    buffer_free(&connection->request.key);
    buffer_free(&connection->request.field);
    buffer_free(&connection->request.body.bytes);
    mem_free(connection);
}

static void connection_notice(void *context, struct MHD_Connection *mhd, void **socket_context,
                              enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = connection_new(context, mhd);
    } else if (*socket_context != NULL) {
        struct http_connection *connection = *socket_context;
        /* A child that was forked just now may still have a copy of the descriptor, which would keep it open.
         */
        if (!linger_begin(connection))
            shutdown(connection->fd, SHUT_RDWR);
        connection_free(connection);
        *socket_context = NULL;
    }
}

static void option_set(int fd, int level, int name, int value)
{
    /* None of these is worth refusing a client for. */
    if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
        diag(DIAG_DEBUG, "setsockopt %d/%d on descriptor %d: %s", level, name, fd, strerror(errno));
}

/* A short answer has room in a socket that has nothing else to send; if it has not, the client learns it from
 * the closing. */
static void answer_bare(int fd, unsigned status, const char *phrase, const char *text)
{
    char answer[512];
    int size = snprintf(answer, sizeof(answer),
                        "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Length: %zu\r\n\r\n%s",
                        status, phrase, strlen(text), text);
    ASSERT(size > 0 && (size_t)size < sizeof(answer));
    if (send(fd, answer, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        diag(DIAG_DEBUG, "An HTTP client could not be told: %s", strerror(errno));
}

void http_answer_bare(struct http_connection *connection, unsigned status, const char *phrase,
                      const char *text)
{
    connection->was_told = true;
    answer_bare(connection->fd, status, phrase, text);
}

static void refuse(struct http *http, int fd, const char *why)
{
    http->stats.rejected++;
    answer_bare(fd, 503, "Service Unavailable", why);
    close(fd);
}

static void keepalive_set(int fd, int seconds)
{
    /* The first probe after the interval, and three of them within another one. */
    int probe_seconds = seconds < 3 ? 1 : seconds / 3;
    option_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    option_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    option_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, probe_seconds);
    option_set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

static uint64_t clients_of_all(const struct http *http)
{
    return http->stats.connected - http->stats.spare + http->options.clients_elsewhere(http->options.context);
}

static void http_run_daemon(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    bool more = wire_run(http);
    http->due = more || (MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES && timeout_ms == 0);
}

/* --- accepting ----------------------------------------------------------------------------------------- */

/* Those who have asked wholly are answered, and go; of the others the oldest does. */
static bool spare_make_room(struct http *http)
{
    if (http->stats.spare >= HTTP_SPARE_MAX)
        http_run_daemon(http);
    struct list_node *node = list_first(&http->spare);
    for (; node != NULL && http->stats.spare >= HTTP_SPARE_MAX; node = list_next(&http->spare, node)) {
        struct http_connection *connection = LIST_OWNER(node, struct http_connection, spare_node);
        if (connection->state > REQUEST_BODY)
            continue;
        http_connection_close(connection);
        http_run_daemon(http);
        break;
    }
    return http->stats.spare < HTTP_SPARE_MAX;
}

void http_accept(void *context, int fd, const struct address *peer)
{
    struct http *http = context;
    const struct http_limits *limits = &http->options.limits;
    if (http->draining) {
        close(fd);
        return;
    }
    if (limits->protect && !address_is_local(peer)) {
        refuse(http, fd,
               "protected mode: no password is set, so only clients on the server's own machine are let "
               "in (protected-mode, requirepass)\n");
        return;
    }
    http->accepting_spare = clients_of_all(http) >= limits->clients_max;
    if (http->accepting_spare && !spare_make_room(http)) {
        turned_away_add(&http->turned_away, http->options.loop, limits->clients_max);
        refuse(http, fd, "max number of clients reached\n");
        return;
    }
    if (peer->any.sa_family != AF_UNIX) {
        option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        if (limits->tcp_keepalive_seconds > 0)
            keepalive_set(fd, limits->tcp_keepalive_seconds);
    }
    http->accepting_fd = fd;
    http->accepting_peer = *peer;
    struct sockaddr_storage name = {.ss_family = peer->any.sa_family};
    if (MHD_add_connection(http->daemon, fd, (const struct sockaddr *)&name, sizeof(name)) == MHD_YES)
        http->stats.accepted++;
    else
        http->stats.rejected++;
    http->due = true;
}

/* --- what happens in a round --------------------------------------------------------------------------- */

static void epoll_ready(void *context, uint32_t events)
{
    (void)events;
    http_run_daemon(context);
}

static void http_woken(void *context)
{
    struct http *http = context;
    http->woken = true;
}

static void http_begin(void *context)
{
    struct http *http = context;
    struct list_node *node;
    if (http->woken && !http->draining) {
        while ((node = list_first(&http->put_off)) != NULL) {
            struct http_connection *connection = LIST_OWNER(node, struct http_connection, state_node);
            http_set_state(connection, REQUEST_READY);
            MHD_resume_connection(connection->request.mhd);
            http->due = true;
        }
    }
    http->woken = false;
    if (http->due)
        http_run_daemon(http);
}

/* Lets those go whose LSNs are acknowledged by now. */
static void held_release(struct http *http)
{
    struct journal *journal = http->options.world->journal;
    lsn_t acknowledged = journal != NULL ? journal_acknowledged(journal) : 0;
    if (acknowledged == http->acknowledged)
        return;
    http->acknowledged = acknowledged;
    struct list held;
    list_init(&held);
    list_splice(&held, &http->held);
    struct list_node *node;
    while ((node = list_take_first(&held)) != NULL) {
        struct http_connection *connection = LIST_OWNER(node, struct http_connection, state_node);
        if (!request_is_free(&connection->request)) {
            list_append(&http->held, &connection->state_node);
            continue;
        }
        http_set_state(connection, REQUEST_READY);
        MHD_resume_connection(connection->request.mhd);
        http->due = true;
    }
}

static int http_end(void *context)
{
    struct http *http = context;
    uint64_t commands = http->stats.commands;
    held_release(http);
    if (http->due)
        http_run_daemon(http);
    /* What was run just now is submitted by the next round. */
    return http->due || http->stats.commands != commands ? 0 : -1;
}

/* --- life ---------------------------------------------------------------------------------------------- */

static __attribute__((format(printf, 2, 0))) void daemon_log(void *context, const char *format,
                                                             va_list arguments)
{
    (void)context;
    char text[512];
    int size = vsnprintf(text, sizeof(text), format, arguments);
    while (size > 0 && (size_t)size < sizeof(text) && text[size - 1] == '\n')
        text[--size] = '\0';
    diag(DIAG_VERBOSE, "HTTP: %s", text);
}

static void daemon_panic(void *context, const char *file, unsigned line, const char *reason)
{
    (void)context;
    panic("libmicrohttpd: %s (%s:%u)", reason != NULL ? reason : "?", file, line);
}

static struct MHD_Daemon *daemon_start(struct http *http)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     MHD_USE_TURBO;
    /* TURBO leaves it to us to end a connection (linger.c). The listeners are ours: they apply the limits,
     * and move when the configuration does. */
    return MHD_start_daemon(
        flags, 0, NULL, NULL, request_advance, http, MHD_OPTION_EXTERNAL_LOGGER, daemon_log, http,
        MHD_OPTION_URI_LOG_CALLBACK, request_begin, http, MHD_OPTION_NOTIFY_COMPLETED, request_completed,
        http, MHD_OPTION_NOTIFY_CONNECTION, connection_notice, http, MHD_OPTION_CONNECTION_LIMIT, UINT_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
}

static void routes_new(struct http *http)
{
    size_t count = route_count();
    http->routes = mem_alloc_zero((count + 1) * sizeof(*http->routes));
    for (size_t i = 0; i < count; i++) {
        const struct route *route = route_at(i);
        http->routes[i].method = http_method_name(route->method);
        snprintf(http->routes[i].route, sizeof(http->routes[i].route), "%s%s", route->path,
                 route_has_key(route) ? "{key}" : "");
    }
    http->routes[count] = (struct route_stats){.method = "any", .route = "other"};
}

static void state_free(struct http *http)
{
    for (size_t i = 0; i <= route_count(); i++)
        route_stats_reset(&http->routes[i]);
    mem_free(http->routes);
    mem_free(http->by_fd);
    page_free(&http->page);
    mem_free(http);
}

const struct route_stats *http_routes(const struct http *http, size_t *count)
{
    *count = http ? route_count() + 1 : 0;
    return http ? http->routes : NULL;
}

struct http *http_new(const struct http_options *options)
{
    struct http *http = mem_alloc_zero(sizeof(*http));
    http->options = *options;
    list_init(&http->all);
    list_init(&http->put_off);
    list_init(&http->held);
    list_init(&http->more);
    list_init(&http->spare);
    list_init(&http->by_touch);
    list_init(&http->lingering);
    http->stall_timer = (struct loop_timer){.callback = stall_due, .context = http};
    http->linger_timer = (struct loop_timer){.callback = linger_due, .context = http};
    routes_new(http);
    page_make(&http->page);
    MHD_set_panic_func(daemon_panic, NULL);
    http->daemon = daemon_start(http);
    if (http->daemon == NULL) {
        diag(DIAG_WARNING, "cannot serve HTTP: libmicrohttpd does not start: %s", strerror(errno));
        state_free(http);
        return NULL;
    }
    http->epoll_fd = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int error = loop_add(options->loop, http->epoll_fd, EPOLLIN, epoll_ready, http);
    if (error != 0) {
        diag(DIAG_WARNING, "cannot serve HTTP: epoll_ctl: %s", strerror(-error));
        MHD_stop_daemon(http->daemon);
        state_free(http);
        return NULL;
    }
    loop_hook_add(
        options->loop,
        &(struct loop_hook){.context = http, .woken = http_woken, .begin = http_begin, .end = http_end});
    return http;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    struct list_node *node;
    /* libmicrohttpd does not stop while some are suspended. */
    struct list *suspended[] = {&http->held, &http->put_off};
    for (int i = 0; i < 2; i++) {
        while ((node = list_take_first(suspended[i])) != NULL)
            MHD_resume_connection(LIST_OWNER(node, struct http_connection, state_node)->request.mhd);
    }
    loop_hook_remove(http->options.loop, http);
    loop_remove(http->options.loop, http->epoll_fd);
    MHD_stop_daemon(http->daemon);
    ASSERT(list_empty(&http->all));
    linger_end(http);
    loop_timer_cancel(http->options.loop, &http->stall_timer);
    state_free(http);
}

void http_set_limits(struct http *http, const struct http_limits *limits)
{
    http->options.limits = *limits;
    loop_timer_cancel(http->options.loop, &http->stall_timer);
    stall_watch(http);
}

bool http_has_run(struct http *http, bool *alone)
{
    bool ran = http->ran;
    if (ran && http->ran_last == NULL)
        http->rounds_of_one = 0;
    else if (ran && http->rounds_of_one < ROUNDS_OF_ONE)
        http->rounds_of_one++;
    http->ran = false;
    *alone = http->rounds_of_one == ROUNDS_OF_ONE;
    return ran;
}

/* --- telling ------------------------------------------------------------------------------------------- */

int http_connection_fd(const struct http_connection *connection)
{
    return connection->fd;
}

void http_connection_peer_text(const struct http_connection *connection, char *out)
{
    address_format(&connection->peer, connection->fd, out);
}

void http_connection_local_text(const struct http_connection *connection, char *out)
{
    struct address local;
    address_of_socket(&local, connection->fd);
    address_format(&local, connection->fd, out);
}

void http_connection_describe(const struct http_connection *connection, struct connection_info *info)
{
    const struct http_request *request = &connection->request;
    size_t input = (size_t)request->body.size + request->target.size;
    *info = (struct connection_info){
        .input_used = input,
        .input_free = request->body.bytes.capacity - request->body.bytes.size,
        .output_pending = output_pending(&connection->output),
        .output_memory = output_memory(&connection->output),
        .output_shared = output_shared_memory(&connection->output),
        .reads = connection->state < REQUEST_PUT_OFF,
        .writes = connection->state == REQUEST_ANSWERED,
        .paused = connection->state == REQUEST_PUT_OFF,
    };
    info->output_memory += request->answer_size;
    info->memory = sizeof(*connection) + CONNECTION_MEMORY + input + info->input_free + info->output_memory;
}

void http_connection_close(struct http_connection *connection)
{
    shutdown(connection->fd, SHUT_RDWR);
    connection->is_closed = true;
    if (connection->state != REQUEST_PUT_OFF && connection->state != REQUEST_HELD)
        return;
    /* libmicrohttpd does not look at those that are suspended. */
    http_set_state(connection, REQUEST_READY);
    MHD_resume_connection(connection->request.mhd);
    connection->http->due = true;
}

void http_stats_read(const struct http *http, struct http_stats *stats)
{
    *stats = http != NULL ? http->stats : (struct http_stats){0};
}

void http_stats_reset(struct http *http)
{
    for (size_t i = 0; i <= route_count(); i++)
        route_stats_reset(&http->routes[i]);
    http->stats.accepted = 0;
    http->stats.rejected = 0;
}

/* --- shutting down ------------------------------------------------------------------------------------- */

void http_drain(struct http *http)
{
    if (http != NULL)
        http->draining = true;
}

uint64_t http_flush(struct http *http, int64_t deadline_us)
{
    if (http == NULL)
        return 0;
    for (;;) {
        held_release(http);
        http_run_daemon(http);
        uint64_t open = 0;
        for (struct list_node *node = list_first(&http->all); node != NULL;
             node = list_next(&http->all, node)) {
            enum request_state state = LIST_OWNER(node, struct http_connection, all_node)->state;
            open += state == REQUEST_HELD || state == REQUEST_READY || state == REQUEST_ANSWERED;
        }
        int64_t left_us = deadline_us - clock_monotonic_us(loop_clock(http->options.loop));
        if (open == 0 || left_us <= 0)
            return open;
        struct pollfd polled = {.fd = http->epoll_fd, .events = POLLIN};
        poll(&polled, 1, http->due ? 0 : (int)(left_us / 1000 + 1));
    }
}
