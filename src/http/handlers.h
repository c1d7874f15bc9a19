/* The functions of the route table. */
#ifndef DKV_HTTP_HANDLERS_H
#define DKV_HTTP_HANDLERS_H

#include "http/request.h"

/* kv.c: a value, that of the key or, where the request has a field, of that field of the hash at it. */
http_handler kv_get, kv_put, kv_delete, clear_delete;

/* The entry at a key of database 0, NULL if there is none, right after a command that has looked at it; what
 * has expired may be there still. */
struct entry *http_find(const struct http_request *request, struct slice key);
/* Whether what is there is no string: SET would replace it whatever it is. */
bool http_holds_other_type(const struct http_request *request, struct slice key);
/* Until that moment, rounded up, so that what is there has some time left. */
int64_t http_seconds_left(const struct http_request *request, int64_t expire_ms);
/* Tells of the key's or the field's time to live, if it has one. */
void http_answer_ttl(struct http_request *request);

/* Reads "ttl" of the query: nothing is appended when there is none. False, answered, when it is wrong. */
bool http_ttl(struct http_request *request, struct buffer *ttl);
/* Adds to SET what a time to live that http_ttl read asks for; returns how many words, 2 at the most. */
int http_ttl_words(struct slice ttl, struct slice *words);
/* Reads a parameter of the query that is "yes" or not there; "empty": an empty value is meant. False,
 * answered, when it is anything else. */
bool http_yes(struct http_request *request, const char *name, bool *yes);

/* many.c: many keys at once. */
http_handler mget_post, mset_post, list_get;

/* fields.c: hashes. */
http_handler fields_get, fields_put, fields_post, fields_delete;

/* watch.c: what operators look at. */
http_handler metrics_get, stats_get, healthz_get, readyz_get, page_get;

#endif
