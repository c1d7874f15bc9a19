/* HTTP: keys and values, figures and the live page for people without a Redis client, over libmicrohttpd.
 *
 * Its epoll descriptor is nested in the server's loop, so that one thread runs all commands. What a request
 * asks for is run through dispatch() by a session of its connection, and is answered only when the LSNs that
 * its replies wait for are acknowledged: until then libmicrohttpd has the connection suspended.
 *
 * The life of it: http_new after net_new, so that a round of the loop submits what requests wrote; listeners
 * (net/listener.h) are given http_accept; http_drain, http_flush, http_free. */
#ifndef DKV_HTTP_HTTP_H
#define DKV_HTTP_HTTP_H

#include "command/dispatch.h"
#include "net/connection.h"
#include "net/loop.h"

struct http;
struct http_connection;
struct metrics_source;
struct route_stats;

/* Connections beyond clients_max, for whoever looks after the server (health, readiness, metrics): one that
 * asks for anything else there is refused. Where all are taken, the oldest that asks for nothing makes room.
 */
#define HTTP_SPARE_MAX 16

/* What can be changed while running. */
struct http_limits {
    uint64_t clients_max;
    uint64_t value_max;      /* bytes in the body of a request */
    uint64_t bodies_max;     /* bytes in all bodies that are there at once, and in all answers of many keys */
    int64_t timeout_seconds; /* for each part of a request; 0: for ever */
    bool any_key;            /* keys may hold any bytes, percent-encoded */
    bool protect;            /* as net_limits has it */
    int tcp_keepalive_seconds; /* 0: off. Of new connections. */
    /* Web pages from these origins may ask; "*": from any. They live as long as these limits. */
    const char *const *cors_origins;
    int cors_origin_count;
};

struct http_options {
    struct loop *loop; /* outlives it, and so does the world */
    struct world *world;
    struct http_limits limits;
    /* What the caller lends; none may be NULL. */
    void *context;
    /* Fills in what /metrics and /stats tell. Pointers in it live until the next call. */
    void (*snapshot)(void *context, struct metrics_source *source);
    /* Clients that others serve: they count for clients_max, too. */
    uint64_t (*clients_elsewhere)(void *context);
};

/* NULL, told, when there is no daemon to be had. */
struct http *http_new(const struct http_options *options);
/* Closes all connections; NULL is fine. Call outside the loop's rounds. */
void http_free(struct http *http);
void http_set_limits(struct http *http, const struct http_limits *limits);

/* A listener_accept, with the http as its context. */
void http_accept(void *http, int fd, const struct address *peer);

struct http_stats {
    uint64_t connected;
    uint64_t spare; /* of them, beyond clients_max */
    uint64_t accepted;
    uint64_t rejected;
    uint64_t commands; /* run for requests */
};
/* NULL: all zero. */
void http_stats_read(const struct http *http, struct http_stats *stats);
/* CONFIG RESETSTAT: what was counted, by route too, begins anew. */
void http_stats_reset(struct http *http);

/* What was counted by route, and of requests for what there is not; *count of them, the http's. */
const struct route_stats *http_routes(const struct http *http, size_t *count);

/* Whether commands were run for requests since this was asked last; *alone: lately all of one connection. */
bool http_has_run(struct http *http, bool *alone);

/* --- connections, as CLIENT sees them: a session's http_owner --------------------------------------------
 */

void http_connection_describe(const struct http_connection *connection, struct connection_info *info);
int http_connection_fd(const struct http_connection *connection);
/* out holds ADDRESS_TEXT_MAX. */
void http_connection_peer_text(const struct http_connection *connection, char *out);
void http_connection_local_text(const struct http_connection *connection, char *out);
/* Soon: libmicrohttpd finds it closed. What is not sent yet may not be sent any more. */
void http_connection_close(struct http_connection *connection);

/* --- shutting down ----------------------------------------------------------------------------------- */

/* From now on no command is run; what was run goes on being answered. */
void http_drain(struct http *http);
/* Sends what is acknowledged until the clock's monotonic time is deadline_us. Returns how many requests are
 * still not answered. Call outside the loop's rounds. */
uint64_t http_flush(struct http *http, int64_t deadline_us);

#endif
