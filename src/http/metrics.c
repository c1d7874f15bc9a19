#include "http/metrics.h"

#include <inttypes.h>

void metrics_write(const struct metrics_source *source, struct buffer *out)
{
    buffer_append_format(out,
                         "# HELP dkv_http_connections Connections that are open.\n"
                         "# TYPE dkv_http_connections gauge\n"
                         "dkv_http_connections %" PRIu64 "\n",
                         source->http.connected);
}

void stats_json_write(const struct metrics_source *source, struct buffer *out)
{
    buffer_append_format(out, "{\"http_connections\":%" PRIu64 "}\n", source->http.connected);
}
