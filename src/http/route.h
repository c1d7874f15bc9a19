/* Which function answers which method and path. */
#ifndef DKV_HTTP_ROUTE_H
#define DKV_HTTP_ROUTE_H

#include "base/bytes.h"

struct http_request;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_PUT,
    HTTP_POST,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER,
    HTTP_METHODS = HTTP_OTHER
};
enum http_method http_method_find(const char *name);
const char *http_method_name(enum http_method method);

/* Answers (request.h), now or later. HTTP_AGAIN: what it ran could not be run now; it is called once more. */
enum http_result { HTTP_DONE, HTTP_AGAIN };
typedef enum http_result http_handler(struct http_request *request);

struct route {
    const char *path; /* one that ends in "/", but for the root itself, is followed by a key */
    enum http_method method;
    http_handler *handler;
    bool is_open;           /* needs no password */
    bool is_vital;          /* answered beyond the limit of clients, too */
    const char *parameters; /* names that its query may hold, with a space between; NULL: none */
    const char *command;    /* that the user must be permitted to run; NULL: the handler runs some itself */
};

/* All of them, by index: a route's place in the array that they are. */
size_t route_count(void);
const struct route *route_at(size_t index);
/* GET's answer to HEAD too. *known: there is something at that path, if for another method. */
const struct route *route_find(enum http_method method, struct slice path, bool *known);
/* Whether something follows the path: a key. */
bool route_has_key(const struct route *route);
/* "GET, HEAD, PUT": what a path can be asked. */
void route_methods(struct slice path, struct buffer *out);

#endif
