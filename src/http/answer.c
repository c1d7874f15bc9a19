/* Answers: a status, fields, and bytes, as libmicrohttpd wants them. */
#include "base/diag.h"
#include "base/memory.h"
#include "http/internal.h"

static void answer_set(struct http_request *request, unsigned status, struct MHD_Response *response)
{
    ASSERT(request->response == NULL && response != NULL);
    request->status = status;
    request->response = response;
}

void http_answer_field(struct http_request *request, const char *name, const char *value)
{
    enum MHD_Result ok = MHD_add_response_header(request->response, name, value);
    ASSERT(ok == MHD_YES);
}

void http_answer(struct http_request *request, unsigned status, const char *content_type, struct slice bytes)
{
    /* With MUST_COPY the bytes are not written to, though the type does not say so. */
    void *data = (void *)(uintptr_t)bytes.data;
    answer_set(request, status, MHD_create_response_from_buffer(bytes.size, data, MHD_RESPMEM_MUST_COPY));
    request->answer_size = bytes.size;
    http_of(request)->answers += bytes.size;
    if (content_type != NULL)
        http_answer_field(request, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
}

void http_answer_text(struct http_request *request, unsigned status, const char *text)
{
    http_answer(request, status, "text/plain; charset=utf-8", slice_of(text));
}

/* Errors that have a status of their own, by their first word. */
static unsigned status_of(struct slice error)
{
    static const struct {
        const char *code;
        unsigned status;
    } statuses[] = {
        {"LOADING", 503}, {"MISCONF", 503}, {"OOM", 507},
        {"NOAUTH", 401},  {"NOPERM", 403},  {"WRONGTYPE", 409},
    };
    const struct slice of_exec = SLICE_LITERAL("EXECABORT Transaction discarded because of: ");
    if (error.size > of_exec.size && memcmp(error.data, of_exec.data, of_exec.size) == 0)
        error = slice_make(error.data + of_exec.size, error.size - of_exec.size);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        size_t size = strlen(statuses[i].code);
        if (error.size > size && memcmp(error.data, statuses[i].code, size) == 0)
            return statuses[i].status;
    }
    return 400;
}

void http_answer_error(struct http_request *request, struct slice error)
{
    struct buffer text = {0};
    buffer_append_slice(&text, error);
    buffer_append_char(&text, '\n');
    http_answer(request, status_of(error), "text/plain; charset=utf-8", buffer_slice(&text));
    buffer_free(&text);
}

bool http_reply_begin(struct http_request *request, struct reply_reader *reader, struct reply_value *value)
{
    reply_reader_next(reader, value);
    if (value->kind == REPLY_KIND_ERROR)
        http_answer_error(request, value->text);
    return value->kind != REPLY_KIND_ERROR;
}

void http_answer_value(struct http_request *request, unsigned status, const struct reply_reader *reader,
                       const struct reply_value *value, size_t offset, size_t size)
{
    int count = reply_pieces(reader, value, offset, size, NULL);
    if (count <= 1) {
        struct iovec one = {0};
        reply_pieces(reader, value, offset, size, &one);
        answer_set(request, status,
                   MHD_create_response_from_buffer(one.iov_len, one.iov_base, MHD_RESPMEM_PERSISTENT));
    } else {
        struct iovec *pieces = mem_alloc((size_t)count * sizeof(*pieces));
        struct MHD_IoVec *vectors = mem_alloc((size_t)count * sizeof(*vectors));
        reply_pieces(reader, value, offset, size, pieces);
        for (int i = 0; i < count; i++)
            vectors[i] = (struct MHD_IoVec){.iov_base = pieces[i].iov_base, .iov_len = pieces[i].iov_len};
        answer_set(request, status, MHD_create_response_from_iovec(vectors, (unsigned)count, NULL, NULL));
        mem_free(pieces);
        mem_free(vectors);
    }
    http_answer_field(request, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
}
