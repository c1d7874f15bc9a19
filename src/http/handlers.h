/* The functions of the route table. */
#ifndef DKV_HTTP_HANDLERS_H
#define DKV_HTTP_HANDLERS_H

#include "http/request.h"

/* kv.c: a key and its value. */
http_handler kv_get, kv_put, kv_delete, clear_delete;

/* watch.c: what operators look at. */
http_handler metrics_get, stats_get, healthz_get, readyz_get, page_get;

#endif
