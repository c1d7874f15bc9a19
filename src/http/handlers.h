/* The functions of the route table. */
#ifndef DKV_HTTP_HANDLERS_H
#define DKV_HTTP_HANDLERS_H

#include "http/request.h"

/* kv.c: a key and its value. */
http_handler kv_get, kv_put, kv_delete, clear_delete;

/* Reads "ttl" of the query: nothing is appended when there is none. False, answered, when it is wrong. */
bool http_ttl(struct http_request *request, struct buffer *ttl);
/* Adds to SET what a time to live that http_ttl read asks for; returns how many words, 2 at the most. */
int http_ttl_words(struct slice ttl, struct slice *words);
/* Reads "empty" of the query: whether an empty value is meant. False, answered, when it is wrong. */
bool http_may_be_empty(struct http_request *request, bool *may);

/* many.c: many keys at once. */
http_handler mget_post, mset_post, list_get;

/* watch.c: what operators look at. */
http_handler metrics_get, stats_get, healthz_get, readyz_get, page_get;

#endif
