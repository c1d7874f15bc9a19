/* Fuzzes the request parser: input is cut into pieces where the fuzzer says, and the outcome must be what it
 * is in one piece; and what it is when large arguments are received into blobs, and when each request with
 * some is put back once. Build and run:
 *
 *     clang -g -O1 -std=gnu17 -D_GNU_SOURCE -DDKV_SYSTEM_MALLOC -Isrc -fsanitize=fuzzer,address,undefined \
 *         -o /tmp/fuzz_resp tests/fuzz/fuzz_resp.c src/resp/parser.c src/base/[a-z]*.c -lm
 *     /tmp/fuzz_resp -max_total_time=30 -dict=tests/fuzz/resp.dict
 *
 * The first bytes of what the fuzzer gives are the piece sizes, up to a zero; all behind is what a client
 * sends. */
#include <stdint.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/memory.h"
#include "resp/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small, so that a fuzzer reaches them. */
#define BLOB_SIZE_MIN 10
static struct parser_limits limits = {.bulk_max = 4096, .query_max = 20000};

/* A request in its canonical form. */
static void append_canonical(struct buffer *out, const struct request *request)
{
    buffer_append_format(out, "*%d\r\n", request->argc);
    for (int i = 0; i < request->argc; i++) {
        buffer_append_format(out, "$%zu\r\n", request->argv[i].size);
        buffer_append_slice(out, request->argv[i]);
        buffer_append_text(out, "\r\n");
    }
}

/* A client: what it sent and is still input, and what came of it. */
struct client {
    struct parser *parser;
    struct buffer input;
    size_t blob_min; /* SIZE_MAX: no blobs */
    bool put_back;   /* the first request was put back, and not again */
    size_t taken;    /* bytes of complete requests */
    struct buffer transcript;
};

/* Checks one request and adds it to the transcript. */
static void take_request(struct client *client, const struct request *request, struct slice input)
{
    struct buffer *transcript = &client->transcript;
    ASSERT(request->argc >= 1);
    ASSERT(request->begin < request->end && request->end <= input.size);
    ASSERT(request->blob_count == 0 || (request->begin == 0 && request->raw.size == 0));
    size_t begin = transcript->size;
    append_canonical(transcript, request);
    if (request->raw.size > 0) {
        struct slice canonical = slice_make(transcript->data + begin, transcript->size - begin);
        ASSERT(request->raw.data == input.data + request->begin);
        ASSERT(slice_equal(request->raw, canonical));
    }
    for (int i = 0; i < request->blob_count; i++) {
        const struct request_blob *blob = &request->blobs[i];
        struct slice argument = request->argv[blob->index];
        ASSERT(argument.size >= client->blob_min && argument.data == blob->blob->data);
        ASSERT(request_blob_find(request->blobs, request->blob_count, blob->index) == blob->blob);
        client->taken += argument.size;
    }
}

/* Puts the first request back, every other time that it has blobs. */
static bool put_back(struct client *client, int count)
{
    if (count == 0 || parser_request(client->parser, 0)->blob_count == 0)
        return false;
    client->put_back = !client->put_back;
    if (!client->put_back)
        return false;
    ASSERT(parser_put_back(client->parser, parser_request(client->parser, 0)));
    return true;
}

/* Parses what there is of a client's bytes, in a copy of exactly that size. False after an error. */
static bool take_requests(struct client *client, size_t sent)
{
    struct parser *parser = client->parser;
    for (;;) {
        char *copy = mem_alloc(client->input.size);
        if (client->input.size > 0)
            memcpy(copy, client->input.data, client->input.size);
        struct slice input = slice_make(copy, client->input.size);
        int count;
        size_t consumed;
        enum parse_end end = parser_run(parser, input, &limits, &count, &consumed);
        ASSERT(consumed <= input.size && count <= REQUEST_BATCH_MAX);
        bool again = put_back(client, count);
        for (int i = 0; i < count && !again; i++)
            take_request(client, parser_request(parser, i), input);
        mem_free(copy);
        if (again)
            continue;
        if (count > 0)
            parser_blobs_drop(parser, parser_request(parser, 0));
        buffer_consume(&client->input, consumed);
        client->taken += consumed;
        ASSERT(parser_memory(parser) < 20 * sent + 100000);
        if (end == PARSE_ERROR)
            buffer_append_format(&client->transcript, "%s %d\n", parser_error(parser),
                                 parser_saw_http(parser));
        /* All that somebody who has not authenticated leaves here to be kept. */
        ASSERT(!limits.unauthenticated || end != PARSE_MORE ||
               client->input.size <= UNAUTHENTICATED_QUERY_MAX);
        if (end != PARSE_FULL)
            return end != PARSE_ERROR;
    }
}

/* What one read of the socket does: fills a blob, or adds to the input. Returns how many bytes it took. */
static size_t receive(struct client *client, struct slice bytes)
{
    if (!parser_blob_wants(client->parser)) {
        buffer_append_slice(&client->input, bytes);
        return bytes.size;
    }
    size_t room;
    char *data = parser_blob_room(client->parser, &room);
    ASSERT(data != NULL && room > 0);
    size_t size = bytes.size < room ? bytes.size : room;
    memcpy(data, bytes.data, size);
    parser_blob_received(client->parser, size);
    return size;
}

static bool run(struct client *client, size_t sent)
{
    if (parser_blob_wants(client->parser))
        return true;
    if (!take_requests(client, sent))
        return false;
    parser_trim(client->parser);
    size_t kept;
    ASSERT(parser_blob_begin(client->parser, buffer_slice(&client->input), client->blob_min, &kept));
    client->input.size = kept;
    return true;
}

/* The whole outcome as text, with the bytes arriving in pieces of the given sizes, over and over. */
static struct buffer transcribe(struct slice bytes, struct slice pieces, size_t min_size)
{
    struct client client = {.parser = parser_new(), .blob_min = min_size};
    bool going_on = true;
    for (size_t i = 0, sent = 0; going_on && sent < bytes.size; i++) {
        size_t piece = pieces.size == 0 ? bytes.size : (uint8_t)pieces.data[i % pieces.size];
        piece = piece < bytes.size - sent ? piece : bytes.size - sent;
        sent += receive(&client, slice_make(bytes.data + sent, piece));
        going_on = run(&client, sent);
    }
    buffer_append_format(&client.transcript, "ended at %zu\n", client.taken);
    parser_free(client.parser);
    buffer_free(&client.input);
    return client.transcript;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size < 32 ? size : 32);
    if (zero == NULL)
        return 0;
    struct slice pieces = slice_make(data, (size_t)(zero - data));
    struct slice bytes = slice_make(zero + 1, size - pieces.size - 1);
    limits.unauthenticated = pieces.size % 2 == 1;
    struct buffer whole = transcribe(bytes, slice_make(NULL, 0), SIZE_MAX);
    struct buffer cut = transcribe(bytes, pieces, SIZE_MAX);
    struct buffer blobs = transcribe(bytes, pieces, BLOB_SIZE_MIN);
    ASSERT(slice_equal(buffer_slice(&whole), buffer_slice(&cut)));
    ASSERT(slice_equal(buffer_slice(&whole), buffer_slice(&blobs)));
    buffer_free(&whole);
    buffer_free(&cut);
    buffer_free(&blobs);
    return 0;
}
