/* Writes commands as clients send them: canonical multi-bulk form. The journal's stream and bases are made of
 * these. */
#ifndef DKV_RESP_REQUEST_H
#define DKV_RESP_REQUEST_H

#include "base/bytes.h"

void request_append(struct buffer *buffer, int argc, const struct slice *argv);

/* The same in pieces: first how many arguments there are, then each of them. */
void request_append_count(struct buffer *buffer, int argc);
void request_append_argument(struct buffer *buffer, struct slice argument);
/* An argument whose bytes are left out: what comes before them, and what comes behind. */
void request_append_size(struct buffer *buffer, size_t size);
void request_append_end(struct buffer *buffer);

/* --- reading what was written with bytes left out ------------------------------------------------------ */

/* Bytes that were left out of a text. */
struct request_gap {
    uint64_t offset; /* in the text, where they belong */
    uint64_t size;
};

/* Reads commands in canonical form, one after another, from a text with gaps. All zero but for text, gaps and
 * gap_count is a reader at the beginning; request_reader_free frees what it has. */
struct request_reader {
    struct slice text;
    const struct request_gap *gaps; /* in the order of the text */
    size_t gap_count;
    size_t at;
    /* Of the command read last; valid until the next. */
    int argc;
    struct slice *argv; /* data NULL for an argument that is a gap */
    size_t first_gap;   /* its gaps are those from here on, */
    size_t next_gap;    /* up to here */
    int *gap_arguments; /* which arguments they are */
    int capacity;
};

enum request_read { REQUEST_READ, REQUEST_END, REQUEST_WRONG };
enum request_read request_reader_next(struct request_reader *reader);
void request_reader_free(struct request_reader *reader);

#endif
