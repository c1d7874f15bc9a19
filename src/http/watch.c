/* What operators scrape and look at. */
#include "http/handlers.h"
#include "http/internal.h"
#include "http/metrics.h"

static enum http_result answer_built(struct http_request *request, const char *content_type,
                                     void (*build)(const struct metrics_source *source, struct buffer *out))
{
    struct http *http = http_of(request);
    struct metrics_source source = {0};
    struct buffer text = {0};
    http->options.snapshot(http->options.context, &source);
    build(&source, &text);
    http_answer(request, 200, content_type, buffer_slice(&text));
    buffer_free(&text);
    return HTTP_DONE;
}

enum http_result metrics_get(struct http_request *request)
{
    return answer_built(request, "text/plain; version=0.0.4; charset=utf-8", metrics_write);
}

enum http_result stats_get(struct http_request *request)
{
    return answer_built(request, "application/json", stats_json_write);
}

/* Alive: the loop has come to answer this. */
enum http_result healthz_get(struct http_request *request)
{
    http_answer_text(request, 200, "ok\n");
    return HTTP_DONE;
}

enum http_result readyz_get(struct http_request *request)
{
    struct http *http = http_of(request);
    bool ready = !http->options.world->loading && !http->draining;
    http_answer_text(request, ready ? 200 : 503, ready ? "ready\n" : "not ready\n");
    return HTTP_DONE;
}

enum http_result page_get(struct http_request *request)
{
    http_answer_text(request, 404, "not found\n");
    return HTTP_DONE;
}
