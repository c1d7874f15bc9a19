/* What the files of this folder share with each other and with nobody else.
 *
 * A connection is libmicrohttpd's; what is kept beside it is struct http_connection, with the one request
 * that it is about: libmicrohttpd reads the next one of a pipeline only when the last is answered. */
#ifndef DKV_HTTP_INTERNAL_H
#define DKV_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "base/list.h"
#include "http/framing.h"
#include "http/http.h"
#include "http/page.h"
#include "http/request.h"
#include "http/route_stats.h"
#include "net/listener.h"

enum request_state {
    REQUEST_NONE,     /* none has begun */
    REQUEST_HEAD,     /* its first line is there */
    REQUEST_BODY,     /* its body is being received */
    REQUEST_PUT_OFF,  /* suspended: what it runs cannot be run now; tried again after a wake */
    REQUEST_HELD,     /* suspended: its answer waits for an LSN */
    REQUEST_READY,    /* resumed from one of these */
    REQUEST_ANSWERED, /* the answer is libmicrohttpd's */
};

struct http_connection {
    struct http *http;
    struct MHD_Connection *mhd;
    int fd;
    struct address peer;
    struct session *session;
    struct output output; /* what the request's commands replied */
    enum request_state state;
    struct list_node state_node; /* in http->put_off or http->held */
    struct list_node all_node;
    struct list_node touch_node; /* in http->by_touch */
    struct list_node more_node;  /* in http->more */
    struct list_node spare_node; /* in http->spare */
    int64_t touched_us;          /* monotonic: when it last got on */
    int64_t body_began_us;
    uint64_t received; /* of the body */
    uint64_t taken;    /* of the answer, when that was looked at last */
    bool was_answered; /* some request was */
    bool is_clean;     /* the last request was read and answered to its end */
    bool is_closed;    /* by us: nothing is run or told for it any more */
    bool is_spare;     /* beyond the limit of clients */
    bool is_watched;   /* by the loop, for the end of its input */
    bool is_ended;     /* the end of its input is there, behind what was not read yet */
    bool has_more;     /* that libmicrohttpd does not know of: it is to read on */
    bool has_passed;   /* something, through framing */
    bool was_told;     /* something past libmicrohttpd, after which it is closed */
    struct framing framing;
    struct http_request request;
};

struct http {
    struct http_options options;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    bool draining;
    bool woken;
    bool due; /* libmicrohttpd has something to do that its descriptor does not tell */
    lsn_t acknowledged;
    struct list all;
    struct list by_touch; /* the one that has not got on for longest is first */
    struct list lingering;
    unsigned lingering_count;
    struct loop_timer stall_timer;
    struct loop_timer linger_timer;
    size_t bodies;  /* bytes of all bodies that there are */
    size_t answers; /* and of all answers that had to be written down */
    const struct http_connection *ran_last;
    int rounds_of_one; /* so many in a row, that ran commands, ran only that one's */
    bool ran;          /* some, since that was asked last */
    struct list put_off;
    struct list held;
    struct list spare; /* the oldest is first */
    struct turned_away turned_away;
    struct list more;               /* connections that are to be read on */
    struct http_connection **by_fd; /* NULL where there is none */
    size_t by_fd_count;
    /* The connection that is being handed to libmicrohttpd. */
    int accepting_fd;
    bool accepting_spare;
    struct address accepting_peer;
    struct http_stats stats;
    struct route_stats *routes; /* as many as there are routes, and one for what is none */
    struct page page;
};

/* --- http.c -------------------------------------------------------------------------------------------- */

void http_set_state(struct http_connection *connection, enum request_state state);
/* Says it to the client past libmicrohttpd, which has nothing to send meanwhile; the connection has to be
 * closed after that. */
void http_answer_bare(struct http_connection *connection, unsigned status, const char *phrase,
                      const char *text);

/* --- wire.c -------------------------------------------------------------------------------------------- */

/* A connection's first and last moment. */
void wire_begin(struct http_connection *connection);
void wire_end(struct http_connection *connection);
/* It reads again: what was left is read on. */
void wire_read_on(struct http_connection *connection);
/* Has libmicrohttpd do what there is to do; true: there is more, that its descriptor does not tell. */
bool wire_run(struct http *http);

/* --- stall.c ------------------------------------------------------------------------------------------- */

/* It has got on. */
void http_touch(struct http_connection *connection);
/* Some of its body has come: it has got on if that was enough. */
void http_touch_body(struct http_connection *connection);
/* There is something to watch. */
void stall_watch(struct http *http);
/* Of stall_timer. */
void stall_due(void *http);

/* --- linger.c ------------------------------------------------------------------------------------------ */

/* libmicrohttpd is about to close the socket: keeps it for a moment if the client may still be sending.
 * Returns whether it does. */
bool linger_begin(struct http_connection *connection);
/* Of linger_timer. */
void linger_due(void *http);
void linger_end(struct http *http);

/* --- request.c ----------------------------------------------------------------------------------------- */

/* Callbacks of libmicrohttpd. */
void *request_begin(void *http, const char *target, struct MHD_Connection *mhd);
enum MHD_Result request_advance(void *http, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_size, void **context);
void request_completed(void *http, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code);
/* NULL, or what is wrong with a key; any: it may hold any bytes. */
const char *key_check(struct slice key, bool any);
/* Answers past libmicrohttpd, which takes none in the middle of a request; the connection is closed after
 * that. */
void request_refuse(struct http_request *request, const struct refusal *refusal);
/* Gives back all that a request has. */
void request_clear(struct http_request *request);
/* Whether what its commands replied may be told. */
bool request_is_free(struct http_request *request);

/* --- admit.c ------------------------------------------------------------------------------------------- */

/* Each answers, and returns false, when the request is refused. By what web page, if any, it comes from, and
 * under what name it came here; */
bool check_page(struct http_request *request);
/* by its password; the session is that user's from then on; */
bool check_user(struct http_request *request);
/* by what its user may do. */
bool check_permission(struct http_request *request);
/* Whether a name, a Host field, can only be this machine's: an address, or localhost. */
bool host_is_own(struct slice authority);
/* Adds to the answer what tells a browser which pages may have it. */
void answer_share(struct http_request *request);

/* --- answer.c ------------------------------------------------------------------------------------------ */

/* A part of a value, not copied: the connection's output keeps it until all is sent. */
void http_answer_value(struct http_request *request, unsigned status, const struct reply_reader *reader,
                       const struct reply_value *value, size_t offset, size_t size);

/* --- body.c -------------------------------------------------------------------------------------------- */

/* size: what the client announced, 0 if it did not. total: where bytes of all bodies are counted. */
void body_begin(struct http_body *body, uint64_t size, size_t *total);
/* False when there is no memory. */
bool body_append(struct http_body *body, const char *data, size_t size);
/* All of it is there. */
void body_complete(struct http_body *body);
struct slice body_slice(const struct http_body *body);
void body_clear(struct http_body *body);

#endif
