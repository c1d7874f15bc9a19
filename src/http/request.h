/* A request as its handler sees it: what was asked, running commands, and answering. */
#ifndef DKV_HTTP_REQUEST_H
#define DKV_HTTP_REQUEST_H

#include "base/blob.h"
#include "http/reply_reader.h"
#include "http/route.h"

struct MHD_Connection;
struct MHD_Response;
struct http_connection;

/* The header fields that mean something here. */
enum http_field {
    FIELD_AUTHORIZATION,
    FIELD_IF_MATCH,
    FIELD_IF_NONE_MATCH,
    FIELD_IF_RANGE,
    FIELD_RANGE,
    FIELD_HOST,
    FIELD_ORIGIN,
    FIELD_ASKED_METHOD, /* Access-Control-Request-Method */
    FIELD_LENGTH,
    FIELD_ENCODING, /* Transfer-Encoding */
    FIELD_EXPECT,
    FIELD_COUNT
};

/* The bytes that a client sends: a large body is received into a blob, which becomes the value. */
struct http_body {
    struct buffer bytes;
    struct blob *blob; /* NULL: all is in bytes */
    uint64_t size;
    uint64_t announced; /* by the client; 0: it did not say */
    bool is_complete;
    size_t *total; /* where its bytes are counted with those of all bodies */
};

struct http_request {
    struct http_connection *connection;
    struct MHD_Connection *mhd;
    const struct route *route; /* NULL: none */
    enum http_method method;
    struct buffer target;             /* as it came: path and query */
    struct buffer key;                /* decoded */
    bool has_field;                   /* it is about a field of the hash at that key: */
    struct buffer field;              /* this one, decoded; an empty name is one, too */
    struct slice path;                /* in target */
    struct slice query;               /* in target, without "?" */
    struct slice fields[FIELD_COUNT]; /* data NULL: not given */
    const char *unclear;              /* what others may read otherwise in its fields; NULL: nothing */
    struct http_body body;
    bool is_early;                 /* its answer leaves before its body was read */
    bool is_shared;                /* a page from elsewhere asks, and may */
    struct MHD_Response *response; /* NULL: not answered yet */
    size_t answer_size;            /* bytes that were copied for it */
    unsigned status;
    uint64_t begin_ticks; /* when its first line was there */
};

struct http;
struct http *http_of(const struct http_request *request);

/* --- running commands ---------------------------------------------------------------------------------- */

/* Runs a command; its reply is read with *reader, whose slices live until the request is answered. body: the
 * argument that is the request's body, 0 for none. HTTP_AGAIN: it was not run, and the handler returns that.
 */
enum http_result http_run(struct http_request *request, int argc, const struct slice *argv, int body,
                          struct reply_reader *reader);

/* --- answering: once, and nothing is run after that ---------------------------------------------------- */

/* bytes are copied. content_type NULL: none. */
void http_answer(struct http_request *request, unsigned status, const char *content_type, struct slice bytes);
/* Text ends in a newline. */
void http_answer_text(struct http_request *request, unsigned status, const char *text);
/* An error that a command replied, with the status that says the same. */
void http_answer_error(struct http_request *request, struct slice error);
/* Reads the first value of a reply. An error is the answer, and then false is returned. */
bool http_reply_begin(struct http_request *request, struct reply_reader *reader, struct reply_value *value);
/* Adds a field to the answer. */
void http_answer_field(struct http_request *request, const char *name, const char *value);

#endif
