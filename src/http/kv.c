/* A key and its value: what each request runs, and what its reply is in HTTP. */
#include "http/handlers.h"
#include "http/internal.h"

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
    else if (value.kind == REPLY_KIND_NULL)
        http_answer_text(request, 404, "key not found\n");
    else
        http_answer_value(request, 200, &reader, &value, 0, value.size);
    reply_reader_end(&reader);
    return HTTP_DONE;
}

/* For a command whose reply says no more than that it was done. */
static enum http_result run_and_confirm(struct http_request *request, int argc, const struct slice *argv,
                                        int body)
{
    struct reply_reader reader;
    struct reply_value value;
    if (http_run(request, argc, argv, body, &reader) == HTTP_AGAIN)
        return HTTP_AGAIN;
    reply_reader_next(&reader, &value);
    if (value.kind == REPLY_KIND_ERROR)
        http_answer_error(request, value.text);
    else
        http_answer(request, 200, NULL, slice_make(NULL, 0));
    reply_reader_end(&reader);
    return HTTP_DONE;
}

enum http_result kv_put(struct http_request *request)
{
    if (request->body.size == 0) {
        http_answer_text(request, 400, "value cannot be empty\n");
        return HTTP_DONE;
    }
    const struct slice argv[] = {SLICE_LITERAL("SET"), buffer_slice(&request->key),
                                 body_slice(&request->body)};
    return run_and_confirm(request, 3, argv, 2);
}

enum http_result kv_delete(struct http_request *request)
{
    const struct slice argv[] = {SLICE_LITERAL("DEL"), buffer_slice(&request->key)};
    return run_and_confirm(request, 2, argv, 0);
}

enum http_result clear_delete(struct http_request *request)
{
    const struct slice argv[] = {SLICE_LITERAL("FLUSHALL")};
    return run_and_confirm(request, 1, argv, 0);
}
