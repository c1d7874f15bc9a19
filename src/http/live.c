/* What operators scrape and look at. */
#include "command/acl/acl.h"
#include "http/handlers.h"
#include "http/internal.h"
#include "http/metrics.h"

/* What is told changes all the time. */
static void answer_figures(struct http_request *request, const char *content_type, struct buffer *text)
{
    http_answer(request, 200, content_type, buffer_slice(text));
    http_answer_field(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    buffer_free(text);
}

static void snapshot(const struct http_request *request, struct metrics_source *source)
{
    struct http *http = http_of(request);
    *source = (struct metrics_source){0};
    http->options.snapshot(http->options.context, source);
}

enum http_result metrics_get(struct http_request *request)
{
    struct metrics_source source;
    struct buffer text = {0};
    snapshot(request, &source);
    metrics_write(&source, &text);
    answer_figures(request, METRICS_CONTENT_TYPE, &text);
    return HTTP_DONE;
}

/* The slow log shows what others asked for. */
static bool may_see_slow_log(const struct http_request *request)
{
    const struct world *world = http_of(request)->options.world;
    const struct slice argv[] = {SLICE_LITERAL("slowlog"), SLICE_LITERAL("get")};
    int denied;
    const struct command_entry *entry = command_table_lookup(world->commands, SLICE_LITERAL("slowlog|get"));
    return acl_check(request->connection->session->user, entry, 2, argv, &denied) == ACL_PERMITTED;
}

enum http_result stats_get(struct http_request *request)
{
    struct metrics_source source;
    struct buffer text = {0};
    snapshot(request, &source);
    stats_json_write(&source, may_see_slow_log(request), &text);
    answer_figures(request, "application/json", &text);
    return HTTP_DONE;
}

/* Alive: the loop has come to answer this. */
enum http_result healthz_get(struct http_request *request)
{
    http_answer_text(request, 200, "ok\n");
    return HTTP_DONE;
}

/* Why no writes can be served; NULL when they can. */
static const char *not_ready(const struct http *http)
{
    const struct world *world = http->options.world;
    if (http->draining)
        return "stopping\n";
    if (world->loading)
        return "loading\n";
    if (world->journal && journal_full(world->journal))
        return "disk full: writes are refused\n";
    return NULL;
}

enum http_result readyz_get(struct http_request *request)
{
    const char *why_not = not_ready(http_of(request));
    http_answer_text(request, why_not ? 503 : 200, why_not ? why_not : "ready\n");
    return HTTP_DONE;
}

/* It holds nothing that is secret: what it shows it has to ask for. */
enum http_result page_get(struct http_request *request)
{
    static const struct {
        const char *name;
        const char *value;
    } fields[] = {{"X-Content-Type-Options", "nosniff"},
                  {"X-Frame-Options", "DENY"},
                  {"Referrer-Policy", "no-referrer"},
                  {"Cross-Origin-Opener-Policy", "same-origin"},
                  {"Cache-Control", "no-cache"}};
    const struct page *page = &http_of(request)->page;
    http_answer(request, 200, "text/html; charset=utf-8", buffer_slice(&page->document));
    http_answer_field(request, "Content-Security-Policy", page->policy);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        http_answer_field(request, fields[i].name, fields[i].value);
    return HTTP_DONE;
}
