/* Where requests begin and end in what a client sends, read strictly (RFC 9112), and beside libmicrohttpd: a
 * proxy in front must not see another request in it than this server does. So nothing is taken that anybody
 * could read otherwise, and libmicrohttpd, which is milder, is not given a request before it has passed here
 * as far as it has come. */
#ifndef DKV_HTTP_FRAMING_H
#define DKV_HTTP_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a head may take of CONNECTION_MEMORY, with what libmicrohttpd keeps of each of its parts; the rest is
 * for the body and the answer. */
#define HEAD_MAX   12288
#define TARGET_MAX 8000

/* Why a request is refused: what its client is told. */
struct refusal {
    unsigned status;
    const char *phrase;
    const char *text;
};

/* All zero: before the first request. Its fields are framing.c's, but for refusal. */
struct framing {
    const struct refusal *refusal; /* of the last request that was looked at; NULL: none */
    uint8_t part;
    uint8_t field;     /* the one that is being read, of those that matter here */
    uint8_t name_size; /* of name or value that is being collected; more than fits: not one that matters */
    bool has_blank;    /* blanks stand behind what was collected */
    char name[24];
    bool is_options;
    bool is_old; /* HTTP/1.0 */
    bool has_host;
    bool has_length;
    bool is_chunked;
    bool in_trailer;
    bool after_blank; /* an empty line before the request was passed over */
    uint32_t target_size;
    uint32_t head_size; /* as HEAD_MAX counts */
    uint64_t left;      /* of the body, or of a chunk */
};

/* Looks at what comes next. Returns how much of it, from its beginning, libmicrohttpd may have: all of it, or
 * what stands before a request that is refused (refusal tells why), after which nothing is to be read any
 * more. */
size_t framing_feed(struct framing *framing, const char *data, size_t size);

#endif
