/* The life of a request: its target, its fields, its body, what it runs, and when its answer may go. */
#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "command/acl/acl.h"
#include "command/world.h"
#include "http/internal.h"
#include "http/text.h"

/* What a connection keeps of a target and of output for the next request. */
#define TARGET_KEPT_MAX 1024
#define OUTPUT_KEPT_MAX 2048
/* Bodies of this size are read although the answer is known already. */
#define DROPPED_BODY_MAX 65536

struct http *http_of(const struct http_request *request)
{
    return request->connection->http;
}

static struct http_connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info->socket_context;
}

/* --- what is asked ------------------------------------------------------------------------------------- */

void *request_begin(void *http, const char *target, struct MHD_Connection *mhd)
{
    (void)http;
    struct http_connection *connection = connection_of(mhd);
    struct http_request *request = &connection->request;
    request->connection = connection;
    request->mhd = mhd;
    request->begin_ticks = world_ticks();
    buffer_clear(&request->target);
    buffer_append_text(&request->target, target != NULL ? target : "");
    http_set_state(connection, REQUEST_HEAD);
    http_touch(connection);
    return request;
}

/* A target as proxies are given it, "http://host/path", says more than the field Host (RFC 9112, 3.2.2). */
static struct slice target_without_host(struct slice target, struct slice *host)
{
    const struct slice scheme = SLICE_LITERAL("http://");
    if (target.size < scheme.size || !slice_equal_nocase(slice_make(target.data, scheme.size), scheme))
        return target;
    const char *end = target.data + target.size;
    const char *begin = target.data + scheme.size;
    const char *path = begin;
    while (path < end && *path != '/' && *path != '?')
        path++;
    *host = slice_make(begin, (size_t)(path - begin));
    return path < end && *path == '/' ? slice_make(path, (size_t)(end - path)) : SLICE_LITERAL("/");
}

static void target_split(struct http_request *request)
{
    struct slice target = request->target.size > 0 ? buffer_slice(&request->target) : SLICE_LITERAL("");
    struct slice *host = &request->fields[FIELD_HOST];
    struct slice named = {0};
    target = target_without_host(target, &named);
    if (named.data != NULL)
        *host = named;
    const char *mark = memchr(target.data, '?', target.size);
    size_t size = mark != NULL ? (size_t)(mark - target.data) : target.size;
    request->path = slice_make(target.data, size);
    request->query = size < target.size ? slice_make(target.data + size + 1, target.size - size - 1)
                                        : slice_make(target.data, 0);
}

static enum MHD_Result field_take(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                  const char *value, size_t value_size)
{
    static const struct slice names[FIELD_COUNT] = {[FIELD_AUTHORIZATION] = SLICE_LITERAL("Authorization"),
                                                    [FIELD_IF_MATCH] = SLICE_LITERAL("If-Match"),
                                                    [FIELD_IF_NONE_MATCH] = SLICE_LITERAL("If-None-Match"),
                                                    [FIELD_IF_RANGE] = SLICE_LITERAL("If-Range"),
                                                    [FIELD_RANGE] = SLICE_LITERAL("Range"),
                                                    [FIELD_ORIGIN] = SLICE_LITERAL("Origin"),
                                                    [FIELD_HOST] = SLICE_LITERAL("Host"),
                                                    [FIELD_ASKED_METHOD] =
                                                        SLICE_LITERAL("Access-Control-Request-Method"),
                                                    [FIELD_LENGTH] = SLICE_LITERAL("Content-Length"),
                                                    [FIELD_ENCODING] = SLICE_LITERAL("Transfer-Encoding"),
                                                    [FIELD_EXPECT] = SLICE_LITERAL("Expect")};
    struct http_request *request = context;
    (void)kind;
    while (value_size > 0 && (value[value_size - 1] == ' ' || value[value_size - 1] == '\t'))
        value_size--;
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!slice_equal_nocase(slice_make(name, name_size), names[i]))
            continue;
        struct slice field = slice_make(value, value_size);
        if (request->fields[i].data != NULL && !slice_equal(request->fields[i], field))
            request->unclear = "a field that counts is there more than once\n";
        request->fields[i] = field;
    }
    return MHD_YES;
}

/* --- checks before the body is read -------------------------------------------------------------------- */

static bool key_byte_is_plain(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == ':' || byte == '_' || byte == '.' || byte == '-';
}

const char *key_check(struct slice key, bool any)
{
    if (key.size == 0)
        return "key cannot be empty\n";
    for (size_t i = 0; !any && i < key.size; i++)
        if (!key_byte_is_plain(key.data[i]))
            return "key contains invalid characters\n";
    return NULL;
}

/* Takes a "." off, as it is or encoded. */
static bool dot_take(struct slice *text)
{
    size_t size = text->size >= 3 && slice_equal_nocase(slice_make(text->data, 3), SLICE_LITERAL("%2e")) ? 3
                  : text->size >= 1 && text->data[0] == '.'                                              ? 1
                                                                                                         : 0;
    *text = slice_make(text->data + size, text->size - size);
    return size > 0;
}

/* Whether others make another path of it: "/kv/../clear". */
static bool path_has_dots(struct slice path)
{
    while (path.size > 0) {
        path = slice_make(path.data + 1, path.size - 1);
        const char *end = memchr(path.data, '/', path.size);
        size_t size = end != NULL ? (size_t)(end - path.data) : path.size;
        struct slice segment = slice_make(path.data, size);
        if (dot_take(&segment) && (segment.size == 0 || (dot_take(&segment) && segment.size == 0)))
            return true;
        path = slice_make(path.data + size, path.size - size);
    }
    return false;
}

/* The key in the path. NULL, or what is wrong with it. */
static const char *key_read(struct http_request *request)
{
    size_t prefix = strlen(request->route->path);
    buffer_clear(&request->key);
    if (path_has_dots(request->path) ||
        !percent_decode(slice_make(request->path.data + prefix, request->path.size - prefix), &request->key))
        return "key contains invalid characters\n";
    return key_check(buffer_slice(&request->key), http_of(request)->options.limits.any_key);
}

static void refuse_method(struct http_request *request)
{
    struct buffer methods = {0};
    route_methods(request->path, &methods);
    buffer_append_char(&methods, '\0');
    http_answer_text(request, 405, "method not allowed\n");
    http_answer_field(request, "Allow", methods.data);
    buffer_free(&methods);
}

static bool check_route(struct http_request *request)
{
    bool known;
    request->route = route_find(request->method, request->path, &known);
    if (request->route == NULL && known)
        refuse_method(request);
    else if (request->route == NULL)
        http_answer_text(request, 404, "not found\n");
    return request->route != NULL;
}

/* Whoever looks after the server is served when there is room for no other client. */
static bool check_room(struct http_request *request)
{
    struct http *http = http_of(request);
    if (!request->connection->is_spare || request->route->is_vital)
        return true;
    http->stats.rejected++;
    turned_away_add(&http->turned_away, http->options.loop, http->options.limits.clients_max);
    http_answer_text(request, 503, "max number of clients reached\n");
    return false;
}

/* A name that is not known is a mistake: "tll=60" would be a value that stays for ever. */
static bool check_query(struct http_request *request)
{
    const char *known = request->route->parameters != NULL ? request->route->parameters : "";
    struct buffer text = {0};
    struct slice name;
    enum query_fault fault = query_check(request->query, known, &name);
    if (fault == QUERY_FINE)
        return true;
    buffer_append_text(&text, fault == QUERY_TWICE ? "more than one parameter '" : "unknown parameter '");
    for (size_t i = 0; i < name.size && i < 64; i++)
        buffer_append_char(&text, name.data[i] > ' ' && name.data[i] <= '~' ? name.data[i] : '?');
    buffer_append_text(&text, "' in the query");
    if (fault == QUERY_UNKNOWN && known[0] != '\0')
        buffer_append_format(&text, ": there are %s", known);
    buffer_append_char(&text, '\n');
    http_answer(request, 400, "text/plain; charset=utf-8", buffer_slice(&text));
    buffer_free(&text);
    return false;
}

/* No body may be larger than all together: it could only be told to try again for ever. */
static uint64_t body_max(const struct http_request *request)
{
    const struct http_limits *limits = &http_of(request)->options.limits;
    return limits->value_max < limits->bodies_max ? limits->value_max : limits->bodies_max;
}

static bool check_key_and_size(struct http_request *request)
{
    const char *wrong = route_has_key(request->route) ? key_read(request) : NULL;
    if (wrong != NULL)
        http_answer_text(request, 400, wrong);
    else if (request->body.announced > body_max(request))
        http_answer_text(request, 413, "value is too large\n");
    return request->response == NULL;
}

/* Answers what can be answered from the head alone: errors. */
static void head_check(struct http_request *request)
{
    (void)(check_page(request) && check_route(request) && check_room(request) &&
           (request->route->is_open || (check_user(request) && check_permission(request))) &&
           check_query(request) && check_key_and_size(request));
}

/* --- answering ----------------------------------------------------------------------------------------- */

bool request_is_free(struct http_request *request)
{
    struct output *output = &request->connection->output;
    return output_sendable(output, http_of(request)->acknowledged) == output_pending(output);
}

/* Hands the answer over if it may go, or suspends until it may. */
static enum MHD_Result request_send(struct http_request *request)
{
    struct http_connection *connection = request->connection;
    if (!request_is_free(request)) {
        http_set_state(connection, REQUEST_HELD);
        MHD_suspend_connection(request->mhd);
        return MHD_YES;
    }
    http_set_state(connection, REQUEST_ANSWERED);
    http_touch(connection);
    answer_share(request);
    if (request->connection->is_spare)
        http_answer_field(request, "Connection", "close");
    enum MHD_Result result = MHD_queue_response(request->mhd, request->status, request->response);
    MHD_destroy_response(request->response);
    request->response = NULL;
    return result;
}

/* Has its route's handler run what it runs. */
static enum MHD_Result request_run(struct http_request *request)
{
    struct http *http = http_of(request);
    /* Those that need no password run no commands: whether the server is well, or stopping. */
    bool runs = !http->draining || request->route->is_open;
    enum http_result result = runs ? request->route->handler(request) : HTTP_AGAIN;
    if (result == HTTP_DONE)
        return request_send(request);
    /* What it has run already is run once more, too. */
    struct output *output = &request->connection->output;
    output_rewind(output, output->queued - output_pending(output));
    http_set_state(request->connection, REQUEST_PUT_OFF);
    MHD_suspend_connection(request->mhd);
    return MHD_YES;
}

static void request_count(struct http *http, const struct http_request *request)
{
    size_t index = request->route ? (size_t)(request->route - route_at(0)) : route_count();
    route_stats_add(&http->routes[index], (int)request->status, world_ticks() - request->begin_ticks);
}

/* Whether an answer that is known before the body is held back until that has come and is dropped, so that
 * the connection can go on. */
static bool body_is_worth_reading(const struct http_request *request)
{
    return request->fields[FIELD_ENCODING].data == NULL && request->fields[FIELD_EXPECT].data == NULL &&
           request->unclear == NULL && request->body.announced <= DROPPED_BODY_MAX;
}

/* The head is there. */
static enum MHD_Result request_head(struct http_request *request, const char *method)
{
    struct http_connection *connection = request->connection;
    uint64_t size = 0;
    request->method = http_method_find(method);
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, field_take, request);
    target_split(request);
    if (request->fields[FIELD_LENGTH].data != NULL)
        position_parse(request->fields[FIELD_LENGTH], &size);
    body_begin(&request->body, size, &connection->http->bodies);
    connection->body_began_us = loop_time_us(connection->http->options.loop);
    connection->received = 0;
    http_touch(connection);
    http_set_state(connection, REQUEST_BODY);
    if (request->unclear != NULL)
        http_answer_text(request, 400, request->unclear);
    else
        head_check(request);
    if (request->response == NULL || body_is_worth_reading(request))
        return MHD_YES;
    request->is_early = size > 0 || request->fields[FIELD_ENCODING].data != NULL;
    return request_send(request);
}

void request_refuse(struct http_request *request, const struct refusal *refusal)
{
    struct http_connection *connection = request->connection;
    if (connection->is_closed)
        return;
    if (connection->state == REQUEST_NONE)
        request->begin_ticks = world_ticks();
    request->status = refusal->status;
    request_count(connection->http, request);
    http_answer_bare(connection, refusal->status, refusal->phrase, refusal->text);
    connection->is_clean = false;
}

static enum MHD_Result body_take(struct http_request *request, const char *data, size_t size)
{
    static const struct refusal too_large = {413, "Content Too Large", "value is too large\n"};
    static const struct refusal too_much = {503, "Service Unavailable",
                                            "too much is being uploaded at once\n"};
    struct http *http = http_of(request);
    const struct refusal *refusal = NULL;
    request->connection->received += size;
    http_touch_body(request->connection);
    if (request->response != NULL)
        return MHD_YES;
    if (size > body_max(request) || request->body.size > body_max(request) - size)
        refusal = &too_large;
    else if (http->bodies > http->options.limits.bodies_max - size ||
             !body_append(&request->body, data, size))
        refusal = &too_much;
    if (refusal == NULL)
        return MHD_YES;
    request_refuse(request, refusal);
    return MHD_NO;
}

enum MHD_Result request_advance(void *http, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_size, void **context)
{
    struct http_request *request = *context;
    (void)http, (void)mhd, (void)url, (void)version;
    ASSERT(request->connection->has_passed);
    if (request->connection->is_closed)
        return MHD_NO;
    if (request->connection->state == REQUEST_HEAD)
        return request_head(request, method);
    if (*upload_size > 0) {
        size_t size = *upload_size;
        *upload_size = 0;
        return body_take(request, upload, size);
    }
    if (request->response != NULL)
        return request_send(request);
    if (request->connection->state == REQUEST_BODY)
        body_complete(&request->body);
    return request_run(request);
}

void request_clear(struct http_request *request)
{
    struct output *output = &request->connection->output;
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    request->response = NULL;
    http_of(request)->answers -= request->answer_size;
    request->answer_size = 0;
    if (output_overflowed(output)) {
        output_free(output);
        *output = (struct output){0};
    }
    output_sent(output, output_pending(output));
    if (output_memory(output) > OUTPUT_KEPT_MAX)
        output_trim(output);
    body_clear(&request->body);
    memset(request->fields, 0, sizeof(request->fields));
    buffer_clear(&request->target);
    buffer_shrink(&request->target, TARGET_KEPT_MAX);
    buffer_clear(&request->key);
    buffer_shrink(&request->key, TARGET_KEPT_MAX);
    request->has_field = false;
    buffer_clear(&request->field);
    buffer_shrink(&request->field, TARGET_KEPT_MAX);
    request->route = NULL;
    request->is_shared = false;
    request->unclear = NULL;
    request->is_early = false;
}

void request_completed(void *http, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code)
{
    struct http_request *request = *context;
    (void)mhd;
    if (request == NULL)
        return;
    struct http_connection *connection = request->connection;
    if (connection->state == REQUEST_ANSWERED) {
        request_count(http, request);
        connection->was_answered = true;
    }
    connection->is_clean = code == MHD_REQUEST_TERMINATED_COMPLETED_OK && !request->is_early;
    request_clear(request);
    http_set_state(connection, REQUEST_NONE);
    wire_read_on(connection);
    http_touch(connection);
}

/* --- running commands ---------------------------------------------------------------------------------- */

enum http_result http_run(struct http_request *request, int argc, const struct slice *argv, int body,
                          struct reply_reader *reader)
{
    struct http_connection *connection = request->connection;
    struct http *http = connection->http;
    struct world *world = http->options.world;
    struct request_blob blob = {.index = body, .blob = request->body.blob};
    const struct request command = {
        .argc = argc, .argv = argv, .blobs = &blob, .blob_count = body > 0 && blob.blob != NULL ? 1 : 0};
    const struct request *commands[] = {&command};
    struct prepared prepared;
    uint64_t before = output_pending(&connection->output);
    dispatch_prepare(world, connection->session, commands, &prepared, 1);
    enum dispatch_result result = dispatch(world, connection->session, &command, &prepared);
    if (result == DISPATCH_WAIT)
        return HTTP_AGAIN;
    http->stats.commands++;
    http->ran = true;
    if (http->ran_last != connection)
        http->rounds_of_one = 0;
    http->ran_last = connection;
    reply_reader_begin(reader, &connection->output, before);
    return HTTP_DONE;
}
