/* A key and its value: what each request runs, and what its reply is in HTTP.
 *
 * A condition on the value (If-Match and its like) is looked at by a command of its own, and the write that
 * depends on it follows at once: nothing else runs in between, so that the two are one. */
#include "base/memory.h"
#include "base/number.h"
#include "http/handlers.h"
#include "http/internal.h"
#include "http/text.h"

/* --- telling of a value -------------------------------------------------------------------------------- */

static struct etag etag_of(const struct reply_reader *reader, const struct reply_value *value)
{
    struct etag etag;
    struct iovec few[READER_PARTS];
    int count = reply_pieces(reader, value, 0, value->size, NULL);
    struct iovec *pieces = count > READER_PARTS ? mem_alloc((size_t)count * sizeof(*pieces)) : few;
    reply_pieces(reader, value, 0, value->size, pieces);
    etag_make(&etag, pieces, count);
    if (pieces != few)
        mem_free(pieces);
    return etag;
}

/* Rounded up, so that what is there has some time left. */
static void answer_ttl(struct http_request *request)
{
    struct world *world = http_of(request)->options.world;
    struct slice key = buffer_slice(&request->key);
    struct entry *entry = database_find(store_database(world->store, 0), key, store_hash(world->store, key));
    if (entry == NULL || entry_expire_ms(entry) == EXPIRE_NEVER)
        return;
    char text[INT64_TEXT_MAX + 1];
    int64_t left_ms = entry_expire_ms(entry) - world->now_ms;
    text[int64_format(text, (left_ms + 999) / 1000)] = '\0';
    http_answer_field(request, "X-TTL", text);
}

/* --- reading ------------------------------------------------------------------------------------------- */

static void answer_failed_condition(struct http_request *request)
{
    http_answer_text(request, 412, "precondition failed\n");
}

/* A range of a value that has changed since would not fit to what the client has; and an empty value has
 * none, so that who asks for its first bytes gets all of it. */
static struct range range_asked(const struct http_request *request, const struct etag *etag, uint64_t size)
{
    struct slice unless_changed = request->fields[FIELD_IF_RANGE];
    if (request->method != HTTP_GET || request->fields[FIELD_RANGE].data == NULL || size == 0 ||
        (unless_changed.data != NULL && !slice_equal(unless_changed, slice_make(etag->text, ETAG_SIZE))))
        return (struct range){.kind = RANGE_ALL, .end = size};
    return range_parse(request->fields[FIELD_RANGE], size);
}

static void answer_part(struct http_request *request, const struct reply_reader *reader,
                        const struct reply_value *value, const struct range *range)
{
    struct buffer where = {0};
    if (range->kind == RANGE_BEYOND) {
        http_answer_text(request, 416, "the value has no such bytes\n");
        buffer_append_format(&where, "bytes */%zu", value->size);
    } else {
        size_t size = (size_t)(range->end - range->begin);
        http_answer_value(request, 206, reader, value, (size_t)range->begin, size);
        buffer_append_format(&where, "bytes %zu-%zu/%zu", (size_t)range->begin, (size_t)range->end - 1,
                             value->size);
    }
    buffer_append_char(&where, '\0');
    http_answer_field(request, "Content-Range", where.data);
    buffer_free(&where);
}

static void answer_found(struct http_request *request, const struct reply_reader *reader,
                         const struct reply_value *value)
{
    struct etag etag = etag_of(reader, value);
    if (!condition_match(request->fields[FIELD_IF_MATCH], &etag)) {
        answer_failed_condition(request);
        return;
    }
    if (!condition_none_match(request->fields[FIELD_IF_NONE_MATCH], &etag)) {
        /* Only the head of it is sent, with the length that the value has. */
        http_answer_value(request, 304, reader, value, 0, value->size);
    } else {
        struct range range = range_asked(request, &etag, value->size);
        if (range.kind == RANGE_ALL)
            http_answer_value(request, 200, reader, value, 0, value->size);
        else
            answer_part(request, reader, value, &range);
    }
    http_answer_field(request, "ETag", etag.text);
    answer_ttl(request);
}

enum http_result kv_get(struct http_request *request)
{
    const struct slice argv[] = {SLICE_LITERAL("GET"), buffer_slice(&request->key)};
    struct reply_reader reader;
    struct reply_value value;
    if (http_run(request, 2, argv, 0, &reader) == HTTP_AGAIN)
        return HTTP_AGAIN;
    reply_reader_next(&reader, &value);
    if (value.kind == REPLY_KIND_ERROR)
        http_answer_error(request, value.text);
    else if (value.kind == REPLY_KIND_BULK)
        answer_found(request, &reader, &value);
    else if (request->fields[FIELD_IF_MATCH].data != NULL)
        answer_failed_condition(request);
    else
        http_answer_text(request, 404, "key not found\n");
    reply_reader_end(&reader);
    return HTTP_DONE;
}

/* --- writing ------------------------------------------------------------------------------------------- */

static bool has_condition(const struct http_request *request)
{
    return request->fields[FIELD_IF_MATCH].data != NULL || request->fields[FIELD_IF_NONE_MATCH].data != NULL;
}

/* Looks at the value that there is: answers if the conditions do not hold. */
static enum http_result conditions_check(struct http_request *request)
{
    const struct slice argv[] = {SLICE_LITERAL("GET"), buffer_slice(&request->key)};
    struct reply_reader reader;
    struct reply_value value;
    if (http_run(request, 2, argv, 0, &reader) == HTTP_AGAIN)
        return HTTP_AGAIN;
    reply_reader_next(&reader, &value);
    struct etag etag;
    bool found = value.kind == REPLY_KIND_BULK;
    if (found)
        etag = etag_of(&reader, &value);
    if (value.kind == REPLY_KIND_ERROR)
        http_answer_error(request, value.text);
    else if (!condition_match(request->fields[FIELD_IF_MATCH], found ? &etag : NULL) ||
             !condition_none_match(request->fields[FIELD_IF_NONE_MATCH], found ? &etag : NULL))
        answer_failed_condition(request);
    reply_reader_end(&reader);
    return HTTP_DONE;
}

/* Runs a write and answers; a reply of nil is that of a condition that did not hold. Returns HTTP_DONE with
 * no more than that said: *ok tells whether it was done. */
static enum http_result run_and_confirm(struct http_request *request, int argc, const struct slice *argv,
                                        int body, bool *ok)
{
    struct reply_reader reader;
    struct reply_value value;
    if (http_run(request, argc, argv, body, &reader) == HTTP_AGAIN)
        return HTTP_AGAIN;
    reply_reader_next(&reader, &value);
    *ok = value.kind != REPLY_KIND_ERROR && value.kind != REPLY_KIND_NULL;
    if (*ok)
        http_answer(request, 200, NULL, slice_make(NULL, 0));
    else if (value.kind == REPLY_KIND_ERROR)
        http_answer_error(request, value.text);
    else
        answer_failed_condition(request);
    reply_reader_end(&reader);
    return HTTP_DONE;
}

/* The condition of SET that says the same as the fields, or an empty word; *looks: none does, and the value
 * has to be looked at. */
static struct slice set_condition(const struct http_request *request, bool *looks)
{
    struct slice match = request->fields[FIELD_IF_MATCH];
    struct slice none = request->fields[FIELD_IF_NONE_MATCH];
    *looks = false;
    if (match.data == NULL && none.data != NULL && condition_is_any(none))
        return SLICE_LITERAL("NX");
    if (none.data == NULL && match.data != NULL && condition_is_any(match))
        return SLICE_LITERAL("XX");
    *looks = match.data != NULL || none.data != NULL;
    return slice_make(NULL, 0);
}

/* Of the parameter ttl: the time to live stays what it is. */
#define KEEP SLICE_LITERAL("keep")

bool http_ttl(struct http_request *request, struct buffer *ttl)
{
    bool wrong;
    uint64_t seconds;
    if (!query_find(request->query, "ttl", ttl, &wrong))
        return true;
    if (!wrong &&
        (slice_equal(buffer_slice(ttl), KEEP) || (uint64_parse(buffer_slice(ttl), &seconds) && seconds > 0)))
        return true;
    http_answer_text(request, 400, "ttl must be a whole number of seconds, 1 or more\n");
    return false;
}

int http_ttl_words(struct slice ttl, struct slice *words)
{
    if (ttl.size == 0)
        return 0;
    bool keeps = slice_equal(ttl, KEEP);
    words[0] = keeps ? SLICE_LITERAL("KEEPTTL") : SLICE_LITERAL("EX");
    if (!keeps)
        words[1] = ttl;
    return keeps ? 1 : 2;
}

bool http_may_be_empty(struct http_request *request, bool *may)
{
    bool wrong;
    struct buffer text = {0};
    *may = query_find(request->query, "empty", &text, &wrong);
    bool ok = !*may || (!wrong && slice_equal(buffer_slice(&text), SLICE_LITERAL("yes")));
    buffer_free(&text);
    if (!ok)
        http_answer_text(request, 400, "empty must be yes, or not there\n");
    return ok;
}

static enum http_result put_run(struct http_request *request, struct slice ttl)
{
    bool looks;
    bool ok;
    struct slice condition = set_condition(request, &looks);
    if (looks && conditions_check(request) == HTTP_AGAIN)
        return HTTP_AGAIN;
    if (request->response != NULL)
        return HTTP_DONE;
    struct slice value = request->body.size > 0 ? body_slice(&request->body) : SLICE_LITERAL("");
    struct slice argv[6] = {SLICE_LITERAL("SET"), buffer_slice(&request->key), value};
    int argc = 3;
    if (condition.size > 0)
        argv[argc++] = condition;
    argc += http_ttl_words(ttl, argv + argc);
    if (run_and_confirm(request, argc, argv, 2, &ok) == HTTP_AGAIN)
        return HTTP_AGAIN;
    if (ok) {
        struct etag etag;
        etag_make(&etag, &(struct iovec){(void *)(uintptr_t)argv[2].data, argv[2].size}, 1);
        http_answer_field(request, "ETag", etag.text);
        if (ttl.size > 0)
            answer_ttl(request);
    }
    return HTTP_DONE;
}

enum http_result kv_put(struct http_request *request)
{
    struct buffer ttl = {0};
    enum http_result result = HTTP_DONE;
    bool may_be_empty;
    if (!http_may_be_empty(request, &may_be_empty))
        return HTTP_DONE;
    if (request->body.size == 0 && !may_be_empty)
        http_answer_text(request, 400, "value cannot be empty\n");
    else if (http_ttl(request, &ttl))
        result = put_run(request, buffer_slice(&ttl));
    buffer_free(&ttl);
    return result;
}

enum http_result kv_delete(struct http_request *request)
{
    const struct slice argv[] = {SLICE_LITERAL("DEL"), buffer_slice(&request->key)};
    bool ok;
    if (has_condition(request) && conditions_check(request) == HTTP_AGAIN)
        return HTTP_AGAIN;
    return request->response != NULL ? HTTP_DONE : run_and_confirm(request, 2, argv, 0, &ok);
}

enum http_result clear_delete(struct http_request *request)
{
    const struct slice argv[] = {SLICE_LITERAL("FLUSHALL")};
    bool ok;
    return run_and_confirm(request, 1, argv, 0, &ok);
}
