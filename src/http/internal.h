/* What the files of this folder share with each other and with nobody else.
 *
 * A connection is libmicrohttpd's; what is kept beside it is struct http_connection, with the one request
 * that it is about: libmicrohttpd reads the next one of a pipeline only when the last is answered. */
#ifndef DKV_HTTP_INTERNAL_H
#define DKV_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "base/list.h"
#include "http/http.h"
#include "http/page.h"
#include "http/request.h"
#include "http/route_stats.h"

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
    int fd;
    struct address peer;
    struct session *session;
    struct output output; /* what the request's commands replied */
    enum request_state state;
    struct list_node state_node; /* in http->put_off or http->held */
    struct list_node all_node;
    struct http_request request;
};

struct http {
    struct http_options options;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    bool draining;
    bool woken;
    bool running; /* within MHD_run */
    bool due;     /* libmicrohttpd has something to do that its descriptor does not tell */
    lsn_t acknowledged;
    struct list all;
    struct list put_off;
    struct list held;
    /* The connection that is being handed to libmicrohttpd. */
    int accepting_fd;
    struct address accepting_peer;
    struct http_stats stats;
    struct route_stats *routes; /* as many as there are routes, and one for what is none */
    struct page page;
};

/* --- http.c -------------------------------------------------------------------------------------------- */

void connection_set_state(struct http_connection *connection, enum request_state state);

/* --- request.c ----------------------------------------------------------------------------------------- */

/* Callbacks of libmicrohttpd. */
void *request_begin(void *http, const char *target, struct MHD_Connection *mhd);
enum MHD_Result request_advance(void *http, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_size, void **context);
void request_completed(void *http, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code);
/* NULL, or what is wrong with a key; any: it may hold any bytes. */
const char *key_check(struct slice key, bool any);
/* Gives back all that a request has. */
void request_clear(struct http_request *request);
/* Whether what its commands replied may be told. */
bool request_is_free(struct http_request *request);

/* --- answer.c ------------------------------------------------------------------------------------------ */

/* A part of a value, not copied: the connection's output keeps it until all is sent. */
void http_answer_value(struct http_request *request, unsigned status, const struct reply_reader *reader,
                       const struct reply_value *value, size_t offset, size_t size);

/* --- body.c -------------------------------------------------------------------------------------------- */

/* size: what the client announced, 0 if it did not. */
void body_begin(struct http_body *body, uint64_t size);
/* False when there is no memory. */
bool body_append(struct http_body *body, const char *data, size_t size);
/* All of it is there. */
void body_complete(struct http_body *body);
struct slice body_slice(const struct http_body *body);
void body_clear(struct http_body *body);

#endif
