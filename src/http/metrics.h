/* The figures as text: for Prometheus, and as JSON for the live page. */
#ifndef DKV_HTTP_METRICS_H
#define DKV_HTTP_METRICS_H

#include "http/http.h"

/* Plain snapshots, which server/ fills in. */
struct metrics_source {
    struct http_stats http;
};

void metrics_write(const struct metrics_source *source, struct buffer *out);
void stats_json_write(const struct metrics_source *source, struct buffer *out);

#endif
