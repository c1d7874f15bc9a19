/* A value, that of a key or of a field of a hash: what each request runs, and what its reply is in HTTP.
 *
 * A condition on the value (If-Match and its like) is looked at by a command of its own, and the write that
 * depends on it follows at once: nothing else runs in between, so that the two are one. */
#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "http/handlers.h"
#include "http/internal.h"
#include "http/text.h"
#include "store/value_hash.h"

/* The command that reads it; returns how many words. */
static int words_to_get(const struct http_request *request, struct slice words[3])
{
    words[0] = request->has_field ? SLICE_LITERAL("HGET") : SLICE_LITERAL("GET");
    words[1] = buffer_slice(&request->key);
    words[2] = buffer_slice(&request->field);
    return request->has_field ? 3 : 2;
}

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

struct entry *http_find(const struct http_request *request, struct slice key)
{
    struct store *store = http_of(request)->options.world->store;
    return database_find(store_database(store, 0), key, store_hash(store, key));
}

int64_t http_seconds_left(const struct http_request *request, int64_t expire_ms)
{
    return (expire_ms - http_of(request)->options.world->now_ms + 999) / 1000;
}

static int64_t field_expire_ms(const struct entry *entry, struct slice name)
{
    struct hash_field field;
    bool has_time = entry_type(entry) == VALUE_HASH && entry_hash_find(entry, name, &field) &&
                    field.expire_ms != FIELD_NEVER;
    return has_time ? field.expire_ms : EXPIRE_NEVER;
}

void http_answer_ttl(struct http_request *request)
{
    const struct entry *entry = http_find(request, buffer_slice(&request->key));
    if (entry == NULL)
        return;
    int64_t expire_ms =
        request->has_field ? field_expire_ms(entry, buffer_slice(&request->field)) : entry_expire_ms(entry);
    if (expire_ms == EXPIRE_NEVER)
        return;
    char text[INT64_TEXT_MAX + 1];
    text[int64_format(text, http_seconds_left(request, expire_ms))] = '\0';
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
    http_answer_ttl(request);
}

enum http_result kv_get(struct http_request *request)
{
    struct slice argv[3];
    int argc = words_to_get(request, argv);
    struct reply_reader reader;
    struct reply_value value;
    if (http_run(request, argc, argv, 0, &reader) == HTTP_AGAIN)
        return HTTP_AGAIN;
    reply_reader_next(&reader, &value);
    if (value.kind == REPLY_KIND_ERROR)
        http_answer_error(request, value.text);
    else if (value.kind == REPLY_KIND_BULK)
        answer_found(request, &reader, &value);
    else if (request->fields[FIELD_IF_MATCH].data != NULL)
        answer_failed_condition(request);
    else
        http_answer_text(request, 404, request->has_field ? "field not found\n" : "key not found\n");
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
    struct slice argv[3];
    int argc = words_to_get(request, argv);
    struct reply_reader reader;
    struct reply_value value;
    if (http_run(request, argc, argv, 0, &reader) == HTTP_AGAIN)
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

/* Whether a write's reply is that of a condition that did not hold: nil, and HSETEX's 0. */
static bool was_not_done(const struct reply_value *value, struct slice command)
{
    return value->kind == REPLY_KIND_NULL || (slice_equal(command, SLICE_LITERAL("HSETEX")) &&
                                              value->kind == REPLY_KIND_INT && value->number == 0);
}

/* Runs a write and answers. Returns HTTP_DONE with no more than that said: *ok tells whether it was done. */
static enum http_result run_and_confirm(struct http_request *request, int argc, const struct slice *argv,
                                        int body, bool *ok)
{
    struct reply_reader reader;
    struct reply_value value;
    if (http_run(request, argc, argv, body, &reader) == HTTP_AGAIN)
        return HTTP_AGAIN;
    reply_reader_next(&reader, &value);
    *ok = value.kind != REPLY_KIND_ERROR && !was_not_done(&value, argv[0]);
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

bool http_yes(struct http_request *request, const char *name, bool *yes)
{
    bool wrong;
    struct buffer text = {0};
    *yes = query_find(request->query, name, &text, &wrong);
    bool ok = !*yes || (!wrong && slice_equal(buffer_slice(&text), SLICE_LITERAL("yes")));
    buffer_clear(&text);
    if (!ok) {
        buffer_append_format(&text, "%s must be yes, or not there\n", name);
        http_answer(request, 400, "text/plain; charset=utf-8", buffer_slice(&text));
    }
    buffer_free(&text);
    return ok;
}

#define PUT_WORDS_MAX 9

/* SET of a key; returns how many words. *value: which of them is the value. */
static int words_to_set(const struct http_request *request, struct slice condition, struct slice ttl,
                        struct slice words[PUT_WORDS_MAX], int *value)
{
    int count = 0;
    words[count++] = SLICE_LITERAL("SET");
    words[count++] = buffer_slice(&request->key);
    *value = count++;
    if (condition.size > 0)
        words[count++] = condition;
    return count + http_ttl_words(ttl, words + count);
}

/* The same for a field. HSETEX only where it is needed: a user may be permitted no more than HSET. */
static int words_to_set_field(const struct http_request *request, struct slice condition, struct slice ttl,
                              struct slice words[PUT_WORDS_MAX], int *value)
{
    int count = 0;
    bool is_plain = condition.size == 0 && ttl.size == 0;
    words[count++] = is_plain ? SLICE_LITERAL("HSET") : SLICE_LITERAL("HSETEX");
    words[count++] = buffer_slice(&request->key);
    if (condition.size > 0)
        words[count++] = condition.data[0] == 'N' ? SLICE_LITERAL("FNX") : SLICE_LITERAL("FXX");
    count += http_ttl_words(ttl, words + count);
    if (!is_plain) {
        words[count++] = SLICE_LITERAL("FIELDS");
        words[count++] = SLICE_LITERAL("1");
    }
    words[count++] = buffer_slice(&request->field);
    *value = count++;
    ASSERT(count <= PUT_WORDS_MAX);
    return count;
}

bool http_holds_other_type(const struct http_request *request, struct slice key)
{
    const struct entry *entry = http_find(request, key);
    return entry != NULL && entry_type(entry) != VALUE_STRING;
}

static enum http_result put_run(struct http_request *request, struct slice ttl)
{
    bool looks;
    bool ok;
    struct slice condition = set_condition(request, &looks);
    /* SET would replace a hash of any size: that is deleted by who means it. */
    if (!request->has_field && http_holds_other_type(request, buffer_slice(&request->key)))
        looks = true;
    if (looks && conditions_check(request) == HTTP_AGAIN)
        return HTTP_AGAIN;
    if (request->response != NULL)
        return HTTP_DONE;
    struct slice argv[PUT_WORDS_MAX];
    int value;
    int argc = request->has_field ? words_to_set_field(request, condition, ttl, argv, &value)
                                  : words_to_set(request, condition, ttl, argv, &value);
    argv[value] = request->body.size > 0 ? body_slice(&request->body) : SLICE_LITERAL("");
    if (run_and_confirm(request, argc, argv, value, &ok) == HTTP_AGAIN)
        return HTTP_AGAIN;
    if (ok) {
        struct etag etag;
        etag_make(&etag, &(struct iovec){(void *)(uintptr_t)argv[value].data, argv[value].size}, 1);
        http_answer_field(request, "ETag", etag.text);
        if (ttl.size > 0)
            http_answer_ttl(request);
    }
    return HTTP_DONE;
}

enum http_result kv_put(struct http_request *request)
{
    struct buffer ttl = {0};
    enum http_result result = HTTP_DONE;
    bool may_be_empty;
    if (!http_yes(request, "empty", &may_be_empty))
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
    struct slice argv[3];
    int argc = words_to_get(request, argv);
    bool ok;
    argv[0] = request->has_field ? SLICE_LITERAL("HDEL") : SLICE_LITERAL("DEL");
    if (has_condition(request) && conditions_check(request) == HTTP_AGAIN)
        return HTTP_AGAIN;
    return request->response != NULL ? HTTP_DONE : run_and_confirm(request, argc, argv, 0, &ok);
}

enum http_result clear_delete(struct http_request *request)
{
    const struct slice argv[] = {SLICE_LITERAL("FLUSHALL")};
    bool ok;
    return run_and_confirm(request, 1, argv, 0, &ok);
}
