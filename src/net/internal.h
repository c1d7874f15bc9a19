/* What the files of this folder share with each other and with nobody else.
 *
 * A connection is in one of the run states and in one of the send states, independently of each other:
 *
 *   RUN_IDLE     all that is complete has run: waits to be readable
 *   RUN_READY    there may be more to run: its turn comes in the next round, without a read
 *   RUN_PAUSED   the journal could not take its next command: goes on after a wake
 *   RUN_BLOCKED  its session waits for something (session->blocked)
 *   RUN_UNREAD   it does not read its replies, and all connections' take too much: goes on when they are read
 *   RUN_STOPPED  nothing is read or run any more: closes when what is queued is sent
 *
 *   SEND_NOTHING nothing is queued
 *   SEND_DUE     something is, and has to be looked at before the loop sleeps
 *   SEND_HELD    what is queued waits for an LSN: looked at when the acknowledged one has grown
 *   SEND_FULL    the socket is full: waits to be writable
 *
 * READY, PAUSED, BLOCKED, UNREAD, DUE and HELD are lists, so that no round looks at a connection it has
 * nothing to do for. */
#ifndef DKV_NET_INTERNAL_H
#define DKV_NET_INTERNAL_H

#include "base/list.h"
#include "net/input.h"
#include "net/net.h"
#include "net/transport.h"

enum run_state { RUN_IDLE, RUN_READY, RUN_PAUSED, RUN_BLOCKED, RUN_UNREAD, RUN_STOPPED, RUN_STATE_COUNT };
enum send_state { SEND_NOTHING, SEND_DUE, SEND_HELD, SEND_FULL, SEND_STATE_COUNT };

struct connection {
    struct net *net;
    struct session *session;
    const struct transport *transport;
    void *transport_state;
    int fd;
    uint32_t events; /* what epoll is asked for */
    bool closed;     /* memory is all that is left of it, until the round is over */
    bool condemned;  /* to be closed as soon as nobody is in the middle of using it, without sending anything
                        more */
    enum run_state run_state;
    enum send_state send_state;
    enum connection_class class;
    bool is_stranger; /* not authenticated, as of its last batch of commands */
    size_t
        stranger_allowance; /* memory that its output may take besides, since it became one later (RESET) */
    size_t output_counted;  /* its share of net->output_total */
    struct parser *parser;  /* NULL while no command is partly received */
    struct input input;
    struct output output;
    int64_t touched_seconds;    /* when a byte came or went last */
    int64_t over_soft_since_us; /* while in net->over_soft */
    struct address peer;
    struct list_node run_node;
    struct list_node send_node;
    struct list_node all_node;   /* when closed: in net->closed */
    struct list_node touch_node; /* in net->by_touch */
    struct list_node soft_node;
};

/* Bytes read from a socket at once, but for the bulk of a large argument. */
#define READ_BUFFER_SIZE 65536
/* Arguments from here on (not below BLOB_MIN) are received into a blob. A read of the socket brings smaller
 * ones whole. */
#define RECEIVE_BLOB_MIN ((size_t)READ_BUFFER_SIZE)
/* Whoever has not authenticated makes the server keep no more than this: bytes of a request that has not come
 * wholly (the parser sees to that as well), and memory for replies that are not read. */
#define STRANGER_INPUT_MAX  UNAUTHENTICATED_QUERY_MAX
#define STRANGER_OUTPUT_MAX 4096
/* Who has no more waiting than this is not held responsible for what all have. */
#define UNREAD_MIN ((size_t)1024 * 1024)
/* The same for those that are sent messages, which come whether or not they go on reading. */
#define UNREAD_MESSAGES_MAX ((size_t)16 * 1024 * 1024)
/* In RUN_UNREAD without taking a byte for so long: it never will, and is closed. */
#define UNREAD_SECONDS 60
/* Parsers without a connection that are kept for the next one. */
#define PARSERS_KEPT 16

/* The largest of something lately: within this period and the one before. */
struct recent_max {
    int64_t period;
    uint64_t current;
    uint64_t previous;
};

/* A kind of log line that others can provoke: one in an interval, which tells how many were left out. */
struct log_limit {
    int64_t logged_us; /* 0: never */
    uint64_t left_out;
};

struct net {
    struct loop *loop;
    struct net_handler handler;
    struct net_limits limits;
    struct list all;      /* in the order they came */
    struct list by_touch; /* longest untouched first, to the second */
    struct list over_soft;
    struct list closed;
    struct list run_lists[RUN_STATE_COUNT];
    struct list send_lists[SEND_STATE_COUNT];
    uint64_t run_counts[RUN_STATE_COUNT];
    bool woken;                 /* since the last round began */
    struct connection *running; /* whose command is being executed */
    struct slice running_input; /* what is left of its input */
    bool draining;
    const struct connection *ran_last; /* NULL: it is gone, or nobody has run */
    int rounds_of_one;                 /* so many in a row, at the least, ran commands of that one only */
    lsn_t acknowledged;                /* as of the last sending */
    struct loop_timer idle_timer;
    struct loop_timer soft_timer;
    struct loop_timer unread_timer;
    struct parser *parsers[PARSERS_KEPT];
    int parser_count;
    char *read_buffer;
    uint64_t output_total;
    struct log_limit attack_log;
    struct log_limit stranger_log;
    struct log_limit output_log;
    struct log_limit query_log;
    struct log_limit unread_log;
    struct turned_away turned_away;
    struct net_stats stats;
    struct recent_max input_recent;
    struct recent_max output_recent;
};

#define MICROSECONDS 1000000

/* connection.c */
/* Takes fd over. NULL when it cannot be watched; fd is closed then too. */
struct connection *connection_new(struct net *net, int fd, const struct address *peer);
void connection_set_run(struct connection *connection, enum run_state state);
void connection_set_send(struct connection *connection, enum send_state state);
/* Asks epoll for more events, and for fewer. */
void connection_watch(struct connection *connection, uint32_t more, uint32_t fewer);
/* Bytes came or went. */
void connection_touch(struct connection *connection);
/* Marks it to be closed before the loop sleeps; safe while somebody holds on to its session. */
void connection_condemn(struct connection *connection);
/* Frees what has been closed. */
void connections_reap(struct net *net);
/* "id=7 addr=192.0.2.1:40000 fd=12 name=x", for log lines. */
#define CONNECTION_TEXT_MAX (ADDRESS_TEXT_MAX + 192)
void connection_format(const struct connection *connection, char *out);
/* Logs what happened to it, where such detail is wanted. error: an errno, 0 for none. */
void connection_log(const struct connection *connection, const char *what, int error);

/* Whether a line may be logged now. *left_out: how many of its kind were not, since the last. */
bool log_is_due(const struct net *net, struct log_limit *limit, uint64_t *left_out);

/* receive.c */
/* Reads once and runs what has come. */
void connection_receive(struct connection *connection);
/* Runs what is left of an earlier read. */
void connection_continue(struct connection *connection);
void connection_drop_input(struct connection *connection);
void parsers_free(struct net *net);

/* send.c */
/* Sends to every connection that has something to be sent. */
void net_send(struct net *net);
/* Looks whether the connection's output is within its limits, and condemns it if not. */
void connection_check_output(struct connection *connection);
/* Gives the output the hard limit that is in force for the connection, so that no single command goes beyond
 * it. */
void connection_limit_output(struct connection *connection);
/* Looks whether its client has authenticated, or is none any more who has. Returns whether that is new. */
bool connection_know(struct connection *connection);
/* As connection_pushed, for replies to its own commands. */
void connection_replied(struct connection *connection);
/* Whether it has to stop until its replies are read. */
bool connection_is_unread(const struct connection *connection);
/* Its output may take more or less than it did. */
void connection_count_output(struct connection *connection);
/* It was made RUN_UNREAD. */
void unread_begins(struct connection *connection);
/* Lets those in RUN_UNREAD go on that may. */
void unread_release(struct net *net);
void net_soft_timer(void *net);
void net_unread_timer(void *net);

/* net.c */
void recent_max_note(const struct net *net, struct recent_max *recent, uint64_t value);

#endif
