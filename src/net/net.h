/* The network side of the server: takes connections, reads and frames requests, has them run, and sends what
 * may be sent.
 *
 * It knows nothing of what commands mean: struct net_handler is what it asks for. One thread, the loop's,
 * calls all of this. In a round of the loop it runs what has arrived, at most one read and TURN_COMMANDS_MAX
 * commands (receive.c) for one connection, then calls the handler's submit, and then sends: every connection
 * that has something that may go is written to directly; a socket that is full is waited for; a reply that
 * has to wait for its LSN stays, with all that is behind it, until somebody calls loop_wake because the
 * acknowledged LSN has grown.
 *
 * The life of a net: net_new; listeners (net/listener.h) are given net_accept; net_drain, net_flush and
 * net_free. */
#ifndef DKV_NET_NET_H
#define DKV_NET_NET_H

#include "command/dispatch.h"
#include "net/connection.h"
#include "net/listener.h"
#include "net/loop.h"
#include "resp/parser.h"

struct net;

/* What a connection's bytes are for. None may be NULL but the last. */
struct net_handler {
    void *context;
    /* A client has connected: makes its session, which replies into output. */
    struct session *(*session_new)(void *context, struct output *output, struct connection *connection);
    void (*session_free)(void *context, struct session *session);
    /* A round begins: before anything else is asked. */
    void (*begin)(void *context);
    /* Before a batch of one session's requests is executed, one after the other. */
    void (*prepare)(void *context, struct session *session, const struct request *requests[],
                    struct prepared prepared[], int count);
    enum dispatch_result (*execute)(void *context, struct session *session, const struct request *request,
                                    const struct prepared *prepared);
    /* Everything that this round executes has been. alone: one connection was all that this round and the
     * last few had to serve. */
    void (*submit)(void *context, bool alone);
    /* Up to where replies may be sent. When it grows, somebody calls loop_wake. */
    lsn_t (*acknowledged)(void *context);
    /* How many clients somebody else serves, that count for clients_max, too. */
    uint64_t (*clients_elsewhere)(void *context);
};

/* In bytes of memory that queued replies take; 0 is no limit. */
struct output_limit {
    uint64_t hard;
    uint64_t soft; /* may be exceeded for soft_seconds */
    int64_t soft_seconds;
};

/* What can be changed while running. */
struct net_limits {
    uint64_t clients_max;
    int64_t timeout_seconds;   /* close what is idle for longer; 0: never */
    int tcp_keepalive_seconds; /* 0: off. Of new connections. */
    /* Turns clients away that are not on this machine (protected-mode on, no password, and so on: the
     * caller's rule). */
    bool protect;
    struct parser_limits parser; /* its unauthenticated is not looked at */
    struct output_limit output[CLASS_COUNT];
    /* Bytes of memory that the queued replies of all connections may take together before those that do not
     * read theirs have to stop (internal.h, RUN_UNREAD); 0: any number. */
    uint64_t output_total_max;
};

struct net_options {
    struct loop *loop; /* outlives the net */
    struct net_handler handler;
    struct net_limits limits;
};

struct net *net_new(const struct net_options *options);
/* Closes all connections; NULL is fine. Call outside the loop's rounds. */
void net_free(struct net *net);

void net_set_limits(struct net *net, const struct net_limits *limits);

/* A listener_accept, with the net as its context. Any connected stream socket, non-blocking, will do. */
void net_accept(void *net, int fd, const struct address *peer);

/* Visits all connections, oldest first. visit may close the one it is given. */
typedef void net_visit(void *context, struct connection *connection);
void net_each(struct net *net, net_visit *visit, void *context);

struct net_stats {
    uint64_t connected;
    uint64_t blocked;
    uint64_t paused;
    uint64_t unread;       /* connections that are not read from, since they do not read their replies */
    uint64_t output_total; /* bytes of memory that queued replies take */
    /* Since start or net_stats_reset: */
    uint64_t accepted;
    uint64_t rejected; /* too many, or not on this machine while protected */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t reads; /* system calls that brought or took something */
    uint64_t writes;
    uint64_t closed_output_limit; /* for the limits of their class, and the two reasons below */
    uint64_t closed_unread;       /* of them: since output_total_max was exceeded, and they read nothing */
    uint64_t closed_stranger;     /* of them: not authenticated, and did not read what that was answered */
    uint64_t closed_query_limit;
    uint64_t closed_idle;
    /* The largest of any connection within about the last eight seconds. */
    uint64_t input_recent_max;
    uint64_t output_recent_max;
};
void net_stats_read(struct net *net, struct net_stats *stats);
void net_stats_reset(struct net *net);

/* --- shutting down ----------------------------------------------------------------------------------- */

/* From now on no command is run and nothing is read; what is queued goes on being sent. Cannot be undone. */
void net_drain(struct net *net);
/* Sends what is queued and acknowledged, waiting for full sockets until the clock's monotonic time is
 * deadline_us. Returns the number of connections that still have some left. Call outside the loop's rounds.
 */
uint64_t net_flush(struct net *net, int64_t deadline_us);

#endif
