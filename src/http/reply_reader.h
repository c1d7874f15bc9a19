/* Reads RESP2 replies out of the output that a command wrote them to, without copying values. */
#ifndef DKV_HTTP_REPLY_READER_H
#define DKV_HTTP_REPLY_READER_H

#include "resp/output.h"

/* Fits replies that are one value in a few pieces; those of arrays take an array of their own. */
#define READER_PARTS 8

struct reply_reader {
    struct iovec *parts; /* of the output, from the begin on */
    int count;
    int part;  /* where it is: in that part, */
    size_t at; /* behind so many bytes */
    struct iovec few[READER_PARTS];
};

enum reply_kind {
    REPLY_KIND_SIMPLE,
    REPLY_KIND_ERROR,
    REPLY_KIND_INT,
    REPLY_KIND_BULK,
    REPLY_KIND_NULL,
    REPLY_KIND_ARRAY
};

struct reply_value {
    enum reply_kind kind;
    int64_t number;    /* of an int, or how many follow in an array */
    struct slice text; /* of a simple string or an error: valid until the next value is read */
    /* A bulk string: size bytes from here on. */
    int part;
    size_t at;
    size_t size;
    char line[512];
};

/* Begins behind the first skip unsent bytes of output, which must not change meanwhile. */
void reply_reader_begin(struct reply_reader *reader, const struct output *output, uint64_t skip);
void reply_reader_end(struct reply_reader *reader);
void reply_reader_next(struct reply_reader *reader, struct reply_value *value);
/* The pieces of a bulk string, from offset on, size bytes; returns how many there are. pieces NULL: counts.
 */
int reply_pieces(const struct reply_reader *reader, const struct reply_value *value, size_t offset,
                 size_t size, struct iovec *pieces);
/* A bulk string in one piece; copied to *copy only if it lies in several. */
struct slice reply_slice(const struct reply_reader *reader, const struct reply_value *value,
                         struct buffer *copy);

#endif
