#include "http/route.h"

#include "http/handlers.h"

static const char *const method_names[HTTP_METHODS] = {
    [HTTP_GET] = "GET",   [HTTP_HEAD] = "HEAD",     [HTTP_PUT] = "PUT",
    [HTTP_POST] = "POST", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS"};

static const struct route routes[] = {
    {"/kv/", HTTP_GET, kv_get},
    {"/kv/", HTTP_PUT, kv_put, .parameters = "ttl empty"},
    {"/kv/", HTTP_DELETE, kv_delete},
    {"/kv", HTTP_GET, list_get, .parameters = "prefix cursor count types"},
    {"/hash/", HTTP_GET, fields_get, .parameters = "field cursor count"},
    {"/hash/", HTTP_PUT, fields_put, .parameters = "field ttl empty"},
    {"/hash/", HTTP_POST, fields_post, .parameters = "field ttl"},
    {"/hash/", HTTP_DELETE, fields_delete, .parameters = "field"},
    {"/mget", HTTP_POST, mget_post},
    {"/mset", HTTP_POST, mset_post, .parameters = "ttl empty"},
    {"/clear", HTTP_DELETE, clear_delete},
    {"/metrics", HTTP_GET, metrics_get, .is_vital = true, .command = "info"},
    {"/stats", HTTP_GET, stats_get, .is_vital = true, .command = "info"},
    {"/healthz", HTTP_GET, healthz_get, .is_open = true, .is_vital = true},
    {"/readyz", HTTP_GET, readyz_get, .is_open = true, .is_vital = true},
    {"/", HTTP_GET, page_get, .is_open = true},
};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

enum http_method http_method_find(const char *name)
{
    for (int i = 0; i < HTTP_METHODS; i++)
        if (strcmp(method_names[i], name) == 0)
            return (enum http_method)i;
    return HTTP_OTHER;
}

const char *http_method_name(enum http_method method)
{
    return method < HTTP_METHODS ? method_names[method] : "OTHER";
}

bool route_has_key(const struct route *route)
{
    size_t size = strlen(route->path);
    return size > 1 && route->path[size - 1] == '/';
}

static bool route_is_at(const struct route *route, struct slice path)
{
    size_t size = strlen(route->path);
    bool size_fits = route_has_key(route) ? path.size >= size : path.size == size;
    return size_fits && memcmp(path.data, route->path, size) == 0;
}

size_t route_count(void)
{
    return ROUTE_COUNT;
}

const struct route *route_at(size_t index)
{
    return &routes[index];
}

const struct route *route_find(enum http_method method, struct slice path, bool *known)
{
    *known = false;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!route_is_at(&routes[i], path))
            continue;
        *known = true;
        if (routes[i].method == (method == HTTP_HEAD ? HTTP_GET : method))
            return &routes[i];
    }
    return NULL;
}

void route_methods(struct slice path, struct buffer *out)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!route_is_at(&routes[i], path))
            continue;
        buffer_append_format(out, "%s%s%s", out->size > 0 ? ", " : "", method_names[routes[i].method],
                             routes[i].method == HTTP_GET ? ", HEAD" : "");
    }
}
