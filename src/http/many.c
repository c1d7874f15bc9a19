/* Many keys at once, in JSON: /mget, /mset, and the keys there are.
 *
 * A key or value that is no valid text (UTF-8) appears as {"base64": "..."}, which /mset takes as well. All
 * of it is built and read in one go, so there is a limit to how much that may be. */
#include <jansson.h>

#include "base/memory.h"
#include "base/number.h"
#include "command/session.h"
#include "http/handlers.h"
#include "http/internal.h"
#include "http/many.h"
#include "http/text.h"

/* Bytes of JSON that are read, and of values that are told. */
#define JSON_MAX (16 << 20)
/* Memory for what was read: small things take many times what their text does. */
#define TREE_MAX (8 * JSON_MAX)
/* They take time, too, while nobody else is served: each piece of the tree counts for so many bytes more, so
 * that some 100,000 keys can be named at once. */
#define PIECE_COST 256

static size_t tree_left;
static bool tree_is_full; /* something had no room */

static void *tree_alloc(size_t size)
{
    if (tree_left < PIECE_COST || size > tree_left - PIECE_COST) {
        tree_is_full = true;
        return NULL;
    }
    tree_left -= size + PIECE_COST;
    return mem_try_alloc(size);
}

/* The bodies of strangers must not make a tree of any size. */
static void tree_begin(void)
{
    json_set_alloc_funcs(tree_alloc, mem_free);
    tree_left = TREE_MAX;
    tree_is_full = false;
}

/* --- writing ------------------------------------------------------------------------------------------- */

static void json_append_text(struct buffer *out, struct slice text)
{
    tree_begin();
    json_t *string = json_stringn(text.size > 0 ? text.data : "", text.size);
    if (string != NULL) {
        size_t size = json_dumpb(string, NULL, 0, JSON_ENCODE_ANY);
        json_dumpb(string, buffer_reserve(out, size), size, JSON_ENCODE_ANY);
        out->size += size;
        json_decref(string);
        return;
    }
    buffer_append_text(out, "{\"base64\":\"");
    base64_encode(text, out);
    buffer_append_text(out, "\"}");
}

void json_append_bulk(struct buffer *out, const struct reply_reader *reader, const struct reply_value *value)
{
    struct buffer copy = {0};
    json_append_text(out, reply_slice(reader, value, &copy));
    buffer_free(&copy);
}

/* Unlike values, which clients that read slowly share, each such answer takes memory of its own. */
void http_answer_json(struct http_request *request, struct buffer *text)
{
    const struct http *http = http_of(request);
    uint64_t max = http->options.limits.bodies_max;
    buffer_append_char(text, '\n');
    if (text->size > max || http->answers > max - text->size)
        http_answer_text(request, 503, "too much is being told at once\n");
    else
        http_answer(request, 200, "application/json", buffer_slice(text));
}

/* --- reading ------------------------------------------------------------------------------------------- */

/* NULL, answered, when the body is none. */
static json_t *body_parse(struct http_request *request)
{
    struct slice text = body_slice(&request->body);
    json_error_t error;
    if (text.size > JSON_MAX) {
        http_answer_text(request, 413, "the request is too large\n");
        return NULL;
    }
    tree_begin();
    json_t *root = json_loadb(text.size > 0 ? text.data : "", text.size, JSON_ALLOW_NUL, &error);
    if (root != NULL)
        return root;
    if (tree_is_full) {
        http_answer_text(request, 413, "the request names too much at once\n");
        return NULL;
    }
    struct buffer message = {0};
    buffer_append_format(&message, "the body is not valid JSON: line %d, column %d: %s\n", error.line,
                         error.column, error.text);
    http_answer(request, 400, "text/plain; charset=utf-8", buffer_slice(&message));
    buffer_free(&message);
    return NULL;
}

/* A key or a value: text, or base64 of any bytes, which goes to *decoded. False: it is neither. */
static bool bytes_of(json_t *json, struct buffer *decoded, struct slice *bytes)
{
    if (json_is_string(json)) {
        *bytes = slice_make(json_string_value(json), json_string_length(json));
        return true;
    }
    json_t *inner = json_object_get(json, "base64");
    if (inner == NULL || !json_is_string(inner) || json_object_size(json) != 1 ||
        !base64_decode(slice_make(json_string_value(inner), json_string_length(inner)), decoded))
        return false;
    *bytes = buffer_slice(decoded);
    return true;
}

/* Words of a command that is put together. */
struct words {
    int count;
    struct slice *slices;
    struct buffer *decoded; /* what some of them refer to */
};

static struct words words_new(size_t capacity)
{
    return (struct words){.slices = mem_alloc(capacity * sizeof(struct slice)),
                          .decoded = mem_alloc_zero(capacity * sizeof(struct buffer))};
}

static void words_drop(struct words *words)
{
    for (int i = 0; i < words->count; i++)
        buffer_free(&words->decoded[i]);
    mem_free(words->slices);
    mem_free(words->decoded);
}

static void words_add(struct words *words, struct slice slice)
{
    words->slices[words->count++] = slice;
}

/* NULL, or what is wrong with it. */
static const char *words_add_key(struct words *words, struct slice key, bool any)
{
    words_add(words, key);
    return key_check(key, any);
}

static const char *words_add_json(struct words *words, json_t *json, bool may_be_empty)
{
    struct slice bytes;
    if (!bytes_of(json, &words->decoded[words->count], &bytes))
        return "a value must be a string or {\"base64\": \"...\"}\n";
    words_add(words, bytes);
    return bytes.size > 0 || may_be_empty ? NULL : "value cannot be empty\n";
}

/* --- /mget --------------------------------------------------------------------------------------------- */

static void answer_values(struct http_request *request, const struct words *words,
                          struct reply_reader *reader)
{
    struct reply_value value;
    struct buffer text = {0};
    if (!http_reply_begin(request, reader, &value))
        return;
    buffer_append_char(&text, '{');
    for (int i = 1; i < words->count; i++) {
        if (i > 1)
            buffer_append_char(&text, ',');
        json_append_text(&text, words->slices[i]);
        buffer_append_char(&text, ':');
        reply_reader_next(reader, &value);
        if (value.kind == REPLY_KIND_BULK)
            json_append_bulk(&text, reader, &value);
        else
            buffer_append_text(&text, "null");
    }
    buffer_append_char(&text, '}');
    http_answer_json(request, &text);
    buffer_free(&text);
}

/* Runs a command whose reply is told in JSON, or answers that it is too large. */
enum http_result http_run_limited(struct http_request *request, int argc, const struct slice *argv,
                                  struct reply_reader *reader, const char *too_large)
{
    struct output *output = &request->connection->output;
    output_set_limit(output, JSON_MAX);
    enum http_result result = http_run(request, argc, argv, 0, reader);
    output_set_limit(output, 0);
    if (result == HTTP_DONE && output_overflowed(output))
        http_answer_text(request, 413, too_large);
    return result;
}

static enum http_result mget_run(struct http_request *request, const struct words *words)
{
    struct reply_reader reader;
    if (http_run_limited(request, words->count, words->slices, &reader,
                         "the values are too large to be told together\n") == HTTP_AGAIN)
        return HTTP_AGAIN;
    if (request->response == NULL)
        answer_values(request, words, &reader);
    reply_reader_end(&reader);
    return HTTP_DONE;
}

enum http_result mget_post(struct http_request *request)
{
    json_t *root = body_parse(request);
    if (root == NULL)
        return HTTP_DONE;
    json_t *keys = json_is_object(root) ? json_object_get(root, "keys") : root;
    struct words words = words_new(json_array_size(keys) + 1);
    const char *wrong = json_array_size(keys) > 0 ? NULL : "a list of keys is expected: [\"a\", \"b\"]\n";
    words_add(&words, SLICE_LITERAL("MGET"));
    for (size_t i = 0; i < json_array_size(keys) && wrong == NULL; i++) {
        json_t *key = json_array_get(keys, i);
        if (!json_is_string(key))
            wrong = "a key must be a string\n";
        else
            wrong = words_add_key(&words, slice_make(json_string_value(key), json_string_length(key)),
                                  http_of(request)->options.limits.any_key);
    }
    enum http_result result = HTTP_DONE;
    if (wrong != NULL)
        http_answer_text(request, 400, wrong);
    else
        result = mget_run(request, &words);
    words_drop(&words);
    json_decref(root);
    return result;
}

/* --- /mset --------------------------------------------------------------------------------------------- */

/* Runs one command of several whose replies but the last one do not matter. */
static enum http_result run_confirmed(struct http_request *request, int argc, const struct slice *argv)
{
    struct reply_reader reader;
    struct reply_value value;
    if (http_run(request, argc, argv, 0, &reader) == HTTP_AGAIN)
        return HTTP_AGAIN;
    reply_reader_next(&reader, &value);
    /* EXEC replies what each of its commands did. */
    for (int64_t left = value.kind == REPLY_KIND_ARRAY ? value.number : 0; left > 0; left--) {
        reply_reader_next(&reader, &value);
        if (value.kind == REPLY_KIND_ERROR)
            break;
    }
    if (value.kind == REPLY_KIND_ERROR && request->response == NULL)
        http_answer_error(request, value.text);
    reply_reader_end(&reader);
    return HTTP_DONE;
}

/* One transaction: MSET knows no time to live. */
static enum http_result mset_expiring(struct http_request *request, const struct words *words,
                                      struct slice ttl)
{
    const struct slice begin = SLICE_LITERAL("MULTI");
    const struct slice end = SLICE_LITERAL("EXEC");
    enum http_result result = run_confirmed(request, 1, &begin);
    for (int i = 1; i + 1 < words->count && result == HTTP_DONE && request->response == NULL; i += 2) {
        struct slice argv[5] = {SLICE_LITERAL("SET"), words->slices[i], words->slices[i + 1]};
        result = run_confirmed(request, 3 + http_ttl_words(ttl, argv + 3), argv);
    }
    if (result == HTTP_DONE && request->response == NULL)
        result = run_confirmed(request, 1, &end);
    session_discard_transaction(request->connection->session);
    return result;
}

/* Answers for the first key, if any, that holds no string: as a put of it alone, which replaces none. */
static enum http_result mset_check(struct http_request *request, const struct words *words)
{
    enum http_result result = HTTP_DONE;
    for (int i = 1; i + 1 < words->count && result == HTTP_DONE && request->response == NULL; i += 2)
        if (http_holds_other_type(request, words->slices[i]))
            result = run_confirmed(request, 2, (struct slice[]){SLICE_LITERAL("GET"), words->slices[i]});
    return result;
}

static enum http_result mset_run(struct http_request *request, const struct words *words, struct slice ttl)
{
    if (mset_check(request, words) == HTTP_AGAIN)
        return HTTP_AGAIN;
    if (request->response != NULL)
        return HTTP_DONE;
    enum http_result result = ttl.size > 0 ? mset_expiring(request, words, ttl)
                                           : run_confirmed(request, words->count, words->slices);
    if (result == HTTP_DONE && request->response == NULL)
        http_answer(request, 200, NULL, slice_make(NULL, 0));
    return result;
}

enum http_result mset_post(struct http_request *request)
{
    bool may_be_empty;
    json_t *root = http_yes(request, "empty", &may_be_empty) ? body_parse(request) : NULL;
    if (root == NULL)
        return HTTP_DONE;
    struct words words = words_new(2 * json_object_size(root) + 1);
    const char *wrong = json_object_size(root) > 0 ? NULL : "keys and values are expected: {\"a\": \"1\"}\n";
    const char *key;
    size_t key_size;
    json_t *value;
    words_add(&words, SLICE_LITERAL("MSET"));
    for (void *at = json_object_iter(root); at != NULL && wrong == NULL;
         at = json_object_iter_next(root, at)) {
        key = json_object_iter_key(at);
        key_size = strlen(key);
        value = json_object_iter_value(at);
        wrong = words_add_key(&words, slice_make(key, key_size), http_of(request)->options.limits.any_key);
        if (wrong == NULL)
            wrong = words_add_json(&words, value, may_be_empty);
    }
    struct buffer ttl = {0};
    enum http_result result = HTTP_DONE;
    if (wrong != NULL)
        http_answer_text(request, 400, wrong);
    else if (http_ttl(request, &ttl))
        result = mset_run(request, &words, buffer_slice(&ttl));
    buffer_free(&ttl);
    words_drop(&words);
    json_decref(root);
    return result;
}

/* --- the keys there are -------------------------------------------------------------------------------- */

/* As a pattern: what it begins with is meant as it is. */
static void pattern_append(struct buffer *pattern, struct slice prefix)
{
    for (size_t i = 0; i < prefix.size; i++) {
        if (strchr("*?[]\\^-", prefix.data[i]) != NULL && prefix.data[i] != '\0')
            buffer_append_char(pattern, '\\');
        buffer_append_char(pattern, prefix.data[i]);
    }
    buffer_append_char(pattern, '*');
}

/* One more of a list of types: that of this key. */
static void type_append(struct http_request *request, struct buffer *types, struct slice key)
{
    const struct entry *entry = http_find(request, key);
    const char *name = entry == NULL ? "none" : value_type_name(entry_type(entry));
    buffer_append_format(types, "%s\"%s\"", types->size > 0 ? "," : "", name);
}

/* types: the types of their values are told, too. */
static void answer_keys(struct http_request *request, struct reply_reader *reader, bool types)
{
    struct reply_value value;
    struct buffer text = {0};
    struct buffer type_names = {0};
    struct buffer copy = {0};
    if (!http_reply_begin(request, reader, &value))
        return;
    buffer_append_text(&text, "{\"cursor\":");
    reply_reader_next(reader, &value);
    json_append_bulk(&text, reader, &value);
    buffer_append_text(&text, ",\"keys\":[");
    reply_reader_next(reader, &value);
    int64_t count = value.number;
    for (int64_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(&text, ',');
        reply_reader_next(reader, &value);
        json_append_bulk(&text, reader, &value);
        buffer_clear(&copy);
        if (types)
            type_append(request, &type_names, reply_slice(reader, &value, &copy));
    }
    if (types) {
        buffer_append_text(&text, "],\"types\":[");
        buffer_append_slice(&text, buffer_slice(&type_names));
    }
    buffer_append_text(&text, "]}");
    http_answer_json(request, &text);
    buffer_free(&text);
    buffer_free(&type_names);
    buffer_free(&copy);
}

/* Reads a field of the query, or what stands for it. */
bool http_parameter(struct http_request *request, const char *name, const char *standard, struct buffer *out)
{
    bool wrong;
    if (!query_find(request->query, name, out, &wrong))
        buffer_append_text(out, standard);
    if (wrong)
        http_answer_text(request, 400, "the query is not encoded as it should be\n");
    return !wrong;
}

bool http_count_check(struct http_request *request, struct slice count)
{
    uint64_t number;
    if (uint64_parse(count, &number) && number > 0 && number <= HTTP_COUNT_MAX)
        return true;
    http_answer_text(request, 400, "count must be a number from 1 to 1000\n");
    return false;
}

static enum http_result list_run(struct http_request *request, struct slice cursor, struct slice count,
                                 struct slice prefix, bool types)
{
    if (!http_count_check(request, count))
        return HTTP_DONE;
    struct buffer pattern = {0};
    pattern_append(&pattern, prefix);
    struct slice argv[6] = {SLICE_LITERAL("SCAN"), cursor, SLICE_LITERAL("COUNT"), count};
    int argc = 4;
    if (prefix.size > 0) {
        argv[argc++] = SLICE_LITERAL("MATCH");
        argv[argc++] = buffer_slice(&pattern);
    }
    struct reply_reader reader;
    enum http_result result = http_run_limited(request, argc, argv, &reader,
                                               "the keys are too large to be told together: ask for fewer\n");
    if (result == HTTP_DONE) {
        if (request->response == NULL)
            answer_keys(request, &reader, types);
        reply_reader_end(&reader);
    }
    buffer_free(&pattern);
    return result;
}

enum http_result list_get(struct http_request *request)
{
    struct buffer prefix = {0};
    struct buffer cursor = {0};
    struct buffer count = {0};
    bool types;
    enum http_result result = HTTP_DONE;
    if (http_yes(request, "types", &types) && http_parameter(request, "prefix", "", &prefix) &&
        http_parameter(request, "cursor", "0", &cursor) &&
        http_parameter(request, "count", HTTP_COUNT_STANDARD, &count))
        result = list_run(request, buffer_slice(&cursor), buffer_slice(&count), buffer_slice(&prefix), types);
    buffer_free(&prefix);
    buffer_free(&cursor);
    buffer_free(&count);
    return result;
}
