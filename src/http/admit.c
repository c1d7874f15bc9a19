/* Who may ask: which web pages, through which names, and as which user. All of it is looked at for each
 * request, since HTTP knows no session. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/acl/acl.h"
#include "command/world.h"
#include "http/internal.h"
#include "http/text.h"

/* --- web pages ----------------------------------------------------------------------------------------- */

static bool ends_with(struct slice text, struct slice end)
{
    return text.size >= end.size &&
           slice_equal_nocase(slice_make(text.data + text.size - end.size, end.size), end);
}

/* Without its port, and an IPv6 address without its brackets. */
static struct slice host_of(struct slice authority)
{
    const char *colon = authority.size == 0 ? NULL : memrchr(authority.data, ':', authority.size);
    const char *bracket = authority.size == 0 ? NULL : memrchr(authority.data, ']', authority.size);
    if (colon != NULL && (bracket == NULL || colon > bracket))
        authority.size = (size_t)(colon - authority.data);
    if (authority.size >= 2 && authority.data[0] == '[' && bracket != NULL)
        return slice_make(authority.data + 1, authority.size - 2);
    return authority;
}

bool host_is_own(struct slice authority)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    struct slice host = host_of(authority);
    if (slice_is(host, "localhost") || ends_with(host, SLICE_LITERAL(".localhost")))
        return true;
    if (host.size == 0 || host.size >= sizeof(text))
        return false;
    memcpy(text, host.data, host.size);
    text[host.size] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* Where nobody needs a password, everything that can connect can do everything. A web page can make its
 * visitor's browser connect here, under a name of its own that leads to this machine's address; a browser
 * tells that name. */
static bool check_host(struct http_request *request)
{
    struct slice host = request->fields[FIELD_HOST];
    if (!http_of(request)->options.limits.protect || host.data == NULL || host_is_own(host) ||
        request->connection->peer.any.sa_family == AF_UNIX)
        return true;
    http_answer_text(
        request, 403,
        "protected mode: no password is set, so this is only reached by an address or as localhost\n");
    return false;
}

/* Whether it can be told back: what browsers send has nothing but visible ASCII in it. */
static bool origin_is_plain(struct slice origin)
{
    for (size_t i = 0; i < origin.size; i++)
        if (origin.data[i] <= ' ' || origin.data[i] > '~')
            return false;
    return origin.size > 0;
}

static bool origin_is_among(struct slice origin, const char *const *allowed, int count)
{
    for (int i = 0; i < count && origin_is_plain(origin); i++)
        if (strcmp(allowed[i], "*") == 0 || slice_equal_nocase(origin, slice_of(allowed[i])))
            return true;
    return false;
}

/* Whether a page came from here itself. */
static bool origin_is_own(struct slice origin, struct slice host)
{
    const char *slashes = memmem(origin.data, origin.size, "://", 3);
    if (slashes == NULL || host.data == NULL)
        return false;
    size_t scheme = (size_t)(slashes + 3 - origin.data);
    return slice_equal_nocase(slice_make(origin.data + scheme, origin.size - scheme), host);
}

/* Browsers tell where a page came from that asks anything of another place but to show it. */
static bool check_origin(struct http_request *request)
{
    const struct http_limits *limits = &http_of(request)->options.limits;
    struct slice origin = request->fields[FIELD_ORIGIN];
    if (origin.data == NULL || origin_is_own(origin, request->fields[FIELD_HOST]))
        return true;
    request->is_shared = origin_is_among(origin, limits->cors_origins, limits->cors_origin_count);
    if (request->is_shared)
        return true;
    http_answer_text(request, 403, "pages from elsewhere are not let in (http-cors-origin)\n");
    return false;
}

/* A browser asks whether a page may ask. */
static bool answer_preflight(struct http_request *request)
{
    if (request->method != HTTP_OPTIONS || !request->is_shared ||
        request->fields[FIELD_ASKED_METHOD].data == NULL)
        return false;
    http_answer(request, 204, NULL, slice_make(NULL, 0));
    http_answer_field(request, "Access-Control-Allow-Methods", "GET, HEAD, PUT, POST, DELETE");
    http_answer_field(request, "Access-Control-Allow-Headers",
                      "Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range");
    http_answer_field(request, "Access-Control-Max-Age", "600");
    return true;
}

void answer_share(struct http_request *request)
{
    /* A page can name what is here as a script or an image of its own, and browsers do not tell who asks
     * then: they are told that it is not for others. */
    if (request->method == HTTP_GET || request->method == HTTP_HEAD)
        http_answer_field(request, "Cross-Origin-Resource-Policy", "same-origin");
    if (!request->is_shared)
        return;
    char *origin = slice_to_cstring(request->fields[FIELD_ORIGIN]);
    http_answer_field(request, "Access-Control-Allow-Origin", origin);
    http_answer_field(request, "Access-Control-Expose-Headers", "ETag, X-TTL, Content-Range");
    http_answer_field(request, "Vary", "Origin");
    mem_free(origin);
}

bool check_page(struct http_request *request)
{
    return check_host(request) && check_origin(request) && !answer_preflight(request);
}

/* --- users --------------------------------------------------------------------------------------------- */

static bool scheme_take(struct slice *field, const char *scheme)
{
    size_t size = strlen(scheme);
    if (field->size <= size || field->data[size] != ' ' || !slice_is(slice_make(field->data, size), scheme))
        return false;
    while (size < field->size && field->data[size] == ' ')
        size++;
    *field = slice_make(field->data + size, field->size - size);
    return true;
}

/* "user:password"; a password alone, or an empty name, is default's. */
static bool authenticate(struct session *session, struct slice pair)
{
    const char *colon = pair.size == 0 ? NULL : memchr(pair.data, ':', pair.size);
    struct slice user = SLICE_LITERAL("default");
    struct slice password = pair;
    if (colon != NULL) {
        size_t size = (size_t)(colon - pair.data);
        password = slice_make(colon + 1, pair.size - size - 1);
        if (size > 0)
            user = slice_make(pair.data, size);
    }
    return acl_authenticate(session, SLICE_LITERAL("AUTH"), user, password);
}

static bool authenticate_basic(struct session *session, struct slice credentials)
{
    struct buffer pair = {0};
    bool ok = base64_decode(credentials, &pair) && authenticate(session, buffer_slice(&pair));
    buffer_free(&pair);
    return ok;
}

static void answer_unknown(struct http_request *request, const char *text)
{
    http_answer_text(request, 401, text);
    http_answer_field(request, "WWW-Authenticate", "Basic realm=\"dkv\", charset=\"UTF-8\"");
    http_answer_field(request, "WWW-Authenticate", "Bearer realm=\"dkv\"");
}

bool check_user(struct http_request *request)
{
    struct session *session = request->connection->session;
    struct slice field = request->fields[FIELD_AUTHORIZATION];
    acl_session_begin(session);
    if (field.data == NULL && session_is_authenticated(session))
        return true;
    if (field.data == NULL) {
        answer_unknown(request, "authentication required\n");
        return false;
    }
    bool ok = (scheme_take(&field, "basic") && authenticate_basic(session, field)) ||
              (scheme_take(&field, "bearer") && authenticate(session, field));
    if (!ok)
        answer_unknown(request, "invalid user or password\n");
    return ok;
}

bool check_permission(struct http_request *request)
{
    const struct world *world = http_of(request)->options.world;
    const char *command = request->route->command;
    if (command == NULL)
        return true;
    const struct slice argv[] = {slice_of(command)};
    const struct command_entry *entry = command_table_find(world->commands, argv[0]);
    int denied;
    ASSERT(entry != NULL);
    if (acl_check(request->connection->session->user, entry, 1, argv, &denied) == ACL_PERMITTED)
        return true;
    acl_log_add(request->connection->session, ACL_NO_COMMAND, ACL_TOPLEVEL, argv[0],
                acl_user_name(request->connection->session->user));
    http_answer_text(request, 403, "this user may not ask that\n");
    return false;
}
