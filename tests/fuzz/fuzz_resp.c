/* Fuzzes the request parser: input is cut into pieces where the fuzzer says, and the outcome must be what it
 * is in one piece. Build and run:
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

/* Checks one request and adds it to the transcript. */
static void take_request(struct buffer *transcript, const struct request *request, struct slice input)
{
    ASSERT(request->argc >= 1);
    ASSERT(request->begin < request->end && request->end <= input.size);
    size_t begin = transcript->size;
    append_canonical(transcript, request);
    if (request->raw.size > 0) {
        struct slice canonical = slice_make(transcript->data + begin, transcript->size - begin);
        ASSERT(request->raw.data == input.data + request->begin);
        ASSERT(slice_equal(request->raw, canonical));
        buffer_append_text(transcript, "raw\n");
    }
}

/* Parses what there is of a client's bytes, from *at on, in a copy of exactly that size. False after an
 * error. */
static bool take_requests(struct parser *parser, struct slice there, size_t *at, struct buffer *transcript)
{
    for (;;) {
        char *copy = mem_alloc(there.size - *at);
        memcpy(copy, there.data + *at, there.size - *at);
        struct slice input = slice_make(copy, there.size - *at);
        int count;
        size_t consumed;
        enum parse_end end = parser_run(parser, input, &limits, &count, &consumed);
        ASSERT(consumed <= input.size && count <= REQUEST_BATCH_MAX);
        for (int i = 0; i < count; i++)
            take_request(transcript, parser_request(parser, i), input);
        *at += consumed;
        mem_free(copy);
        ASSERT(parser_memory(parser) < 20 * there.size + 100000);
        if (end == PARSE_ERROR)
            buffer_append_format(transcript, "%s %d\n", parser_error(parser), parser_saw_http(parser));
        if (end != PARSE_FULL)
            return end != PARSE_ERROR;
    }
}

/* The whole outcome as text, with the bytes arriving in pieces of the given sizes, over and over. */
static struct buffer transcribe(struct slice bytes, struct slice pieces)
{
    struct parser *parser = parser_new();
    struct buffer transcript = {0};
    size_t there = 0;
    size_t at = 0;
    bool going_on = true;
    for (size_t i = 0; going_on && there < bytes.size; i++) {
        there += pieces.size == 0 ? bytes.size : (uint8_t)pieces.data[i % pieces.size];
        there = there > bytes.size ? bytes.size : there;
        going_on = take_requests(parser, slice_make(bytes.data, there), &at, &transcript);
    }
    buffer_append_format(&transcript, "ended at %zu\n", at);
    parser_free(parser);
    return transcript;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size < 32 ? size : 32);
    if (zero == NULL)
        return 0;
    struct slice pieces = slice_make(data, (size_t)(zero - data));
    struct slice bytes = slice_make(zero + 1, size - pieces.size - 1);
    limits.unauthenticated = pieces.size % 2 == 1;
    struct buffer whole = transcribe(bytes, slice_make(NULL, 0));
    struct buffer cut = transcribe(bytes, pieces);
    ASSERT(slice_equal(buffer_slice(&whole), buffer_slice(&cut)));
    buffer_free(&whole);
    buffer_free(&cut);
    return 0;
}
