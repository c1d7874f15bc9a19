/* Hashes: a field's value, its time to live, and the fields there are, a page at a time.
 *
 * A field is named in the query, by any bytes; with that, its value is asked for and put as that of a key
 * (kv.c). */
#include <inttypes.h>

#include "base/number.h"
#include "http/handlers.h"
#include "http/internal.h"
#include "http/many.h"
#include "http/text.h"
#include "store/value_hash.h"

/* Reads "field" of the query. False, answered, when it is wrong, or not there though it must be. */
static bool field_read(struct http_request *request, bool must_be_there)
{
    bool wrong;
    buffer_clear(&request->field);
    request->has_field = query_find(request->query, "field", &request->field, &wrong);
    if (request->has_field && wrong)
        http_answer_text(request, 400, "the query is not encoded as it should be\n");
    else if (!request->has_field && must_be_there)
        http_answer_text(request, 400, "a field must be named: ?field=name\n");
    return request->response == NULL;
}

enum http_result fields_put(struct http_request *request)
{
    return field_read(request, true) ? kv_put(request) : HTTP_DONE;
}

enum http_result fields_delete(struct http_request *request)
{
    return field_read(request, true) ? kv_delete(request) : HTTP_DONE;
}

/* --- the fields there are ------------------------------------------------------------------------------ */

/* How many there are. 0, answered, when there is no such hash. */
static enum http_result size_run(struct http_request *request, int64_t *size)
{
    const struct slice argv[] = {SLICE_LITERAL("HLEN"), buffer_slice(&request->key)};
    struct reply_reader reader;
    struct reply_value value;
    if (http_run(request, 2, argv, 0, &reader) == HTTP_AGAIN)
        return HTTP_AGAIN;
    reply_reader_next(&reader, &value);
    *size = value.kind == REPLY_KIND_INT ? value.number : 0;
    if (value.kind == REPLY_KIND_ERROR)
        http_answer_error(request, value.text);
    else if (*size == 0)
        http_answer_text(request, 404, "key not found\n");
    reply_reader_end(&reader);
    return HTTP_DONE;
}

/* The next two of a list, name and value, as an object. */
static void append_field(struct http_request *request, struct reply_reader *reader, struct buffer *text)
{
    struct reply_value value;
    struct buffer copy = {0};
    struct hash_field field;
    const struct entry *entry = http_find(request, buffer_slice(&request->key));
    reply_reader_next(reader, &value);
    struct slice name = reply_slice(reader, &value, &copy);
    bool has_time = entry != NULL && entry_type(entry) == VALUE_HASH &&
                    entry_hash_find(entry, name, &field) && field.expire_ms != FIELD_NEVER;
    buffer_append_text(text, "{\"name\":");
    json_append_bulk(text, reader, &value);
    buffer_append_text(text, ",\"value\":");
    reply_reader_next(reader, &value);
    json_append_bulk(text, reader, &value);
    if (has_time)
        buffer_append_format(text, ",\"ttl\":%" PRId64, http_seconds_left(request, field.expire_ms));
    buffer_append_char(text, '}');
    buffer_free(&copy);
}

static void answer_fields(struct http_request *request, int64_t size, struct reply_reader *reader)
{
    struct reply_value value;
    struct buffer text = {0};
    if (!http_reply_begin(request, reader, &value))
        return;
    buffer_append_format(&text, "{\"size\":%" PRId64 ",\"cursor\":", size);
    reply_reader_next(reader, &value);
    json_append_bulk(&text, reader, &value);
    buffer_append_text(&text, ",\"fields\":[");
    reply_reader_next(reader, &value);
    int64_t count = value.number / 2;
    for (int64_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(&text, ',');
        append_field(request, reader, &text);
    }
    buffer_append_text(&text, "]}");
    http_answer_json(request, &text);
    http_answer_ttl(request);
    buffer_free(&text);
}

static enum http_result fields_run(struct http_request *request, struct slice cursor, struct slice count)
{
    const struct slice argv[] = {SLICE_LITERAL("HSCAN"), buffer_slice(&request->key), cursor,
                                 SLICE_LITERAL("COUNT"), count};
    struct reply_reader reader;
    int64_t size = 0;
    if (!http_count_check(request, count))
        return HTTP_DONE;
    if (size_run(request, &size) == HTTP_AGAIN)
        return HTTP_AGAIN;
    if (request->response != NULL)
        return HTTP_DONE;
    enum http_result result = http_run_limited(
        request, 5, argv, &reader, "the fields are too large to be told together: ask for fewer\n");
    if (result == HTTP_AGAIN)
        return HTTP_AGAIN;
    if (request->response == NULL)
        answer_fields(request, size, &reader);
    reply_reader_end(&reader);
    return HTTP_DONE;
}

static enum http_result list_fields(struct http_request *request)
{
    struct buffer cursor = {0};
    struct buffer count = {0};
    enum http_result result = HTTP_DONE;
    if (http_parameter(request, "cursor", "0", &cursor) &&
        http_parameter(request, "count", HTTP_COUNT_STANDARD, &count))
        result = fields_run(request, buffer_slice(&cursor), buffer_slice(&count));
    buffer_free(&cursor);
    buffer_free(&count);
    return result;
}

enum http_result fields_get(struct http_request *request)
{
    if (!field_read(request, false))
        return HTTP_DONE;
    return request->has_field ? kv_get(request) : list_fields(request);
}

/* --- times --------------------------------------------------------------------------------------------- */

/* What HEXPIRE and HPERSIST reply of a field that is not there. */
#define NO_FIELD (-2)

static enum http_result time_run(struct http_request *request, struct slice ttl)
{
    bool ends = slice_equal(ttl, SLICE_LITERAL("none"));
    struct slice argv[6];
    struct reply_reader reader;
    struct reply_value value;
    int argc = 0;
    argv[argc++] = ends ? SLICE_LITERAL("HPERSIST") : SLICE_LITERAL("HEXPIRE");
    argv[argc++] = buffer_slice(&request->key);
    if (!ends)
        argv[argc++] = ttl;
    argv[argc++] = SLICE_LITERAL("FIELDS");
    argv[argc++] = SLICE_LITERAL("1");
    argv[argc++] = buffer_slice(&request->field);
    if (http_run(request, argc, argv, 0, &reader) == HTTP_AGAIN)
        return HTTP_AGAIN;
    reply_reader_next(&reader, &value);
    if (value.kind == REPLY_KIND_ARRAY && value.number > 0)
        reply_reader_next(&reader, &value);
    if (value.kind == REPLY_KIND_ERROR)
        http_answer_error(request, value.text);
    else if (value.kind == REPLY_KIND_INT && value.number != NO_FIELD)
        http_answer(request, 200, NULL, slice_make(NULL, 0));
    else
        http_answer_text(request, 404, "field not found\n");
    if (request->status == 200)
        http_answer_ttl(request);
    reply_reader_end(&reader);
    return HTTP_DONE;
}

/* A time to live for a field whose value stays as it is. */
enum http_result fields_post(struct http_request *request)
{
    struct buffer ttl = {0};
    uint64_t seconds;
    enum http_result result = HTTP_DONE;
    if (!field_read(request, true) || !http_parameter(request, "ttl", "", &ttl))
        result = HTTP_DONE;
    else if (request->body.size > 0)
        http_answer_text(request, 400, "only a time to live is set so: PUT sets a value\n");
    else if (slice_equal(buffer_slice(&ttl), SLICE_LITERAL("none")) ||
             (uint64_parse(buffer_slice(&ttl), &seconds) && seconds > 0))
        result = time_run(request, buffer_slice(&ttl));
    else
        http_answer_text(request, 400, "ttl must be a whole number of seconds, 1 or more, or none\n");
    buffer_free(&ttl);
    return result;
}
