/* Writes replies in RESP2 or RESP3, as the client asked for with HELLO. */
#ifndef DKV_RESP_REPLY_H
#define DKV_RESP_REPLY_H

#include "resp/output.h"

#define REPLY_ERROR_CODE_MAX 32

struct reply {
    struct output *output;
    int protocol; /* 2 or 3 */
    /* Errors written through this reply, and the first word of the last one ("ERR", "WRONGTYPE"): for
     * statistics and for telling whether a command failed. */
    unsigned errors;
    char error_code[REPLY_ERROR_CODE_MAX];
};

void reply_ok(struct reply *reply);
/* "+text". */
void reply_simple(struct reply *reply, const char *text);
/* "-text": text begins with the code, "ERR syntax error". Line breaks in it become spaces; the formatted one
 * drops them at its end. */
void reply_error(struct reply *reply, const char *text);
void reply_error_format(struct reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_error_slice(struct reply *reply, struct slice text);
void reply_int(struct reply *reply, int64_t value);
void reply_bulk(struct reply *reply, struct slice value);
/* The same with bytes of a blob, from offset on: the output refers to them instead of copying them. */
void reply_blob(struct reply *reply, struct blob *blob, size_t offset, size_t size);
void reply_bulk_text(struct reply *reply, const char *text);
void reply_bulk_int(struct reply *reply, int64_t value);
/* Null: "$-1" or "_". */
void reply_null(struct reply *reply);
/* Null where RESP2 has a null array: "*-1" or "_". */
void reply_null_array(struct reply *reply);
void reply_array(struct reply *reply, int64_t count);
/* pairs: a flat array of twice as many in RESP2. */
void reply_map(struct reply *reply, int64_t pairs);
void reply_set(struct reply *reply, int64_t count);
/* An out-of-band message: an array in RESP2. */
void reply_push(struct reply *reply, int64_t count);
/* RESP3 only. */
void reply_attribute(struct reply *reply, int64_t pairs);
/* A bulk string in RESP2. */
void reply_double(struct reply *reply, double value);
/* 0 or 1 in RESP2. */
void reply_bool(struct reply *reply, bool value);
/* Text with a three-letter format, "txt"; a bulk string in RESP2. */
void reply_verbatim(struct reply *reply, struct slice text, const char *format);
void reply_big_number(struct reply *reply, struct slice digits);

/* An aggregate whose size becomes known when it has been written. */
struct output_gap reply_later(struct reply *reply);
void reply_array_at(struct reply *reply, struct output_gap gap, int64_t count);
void reply_map_at(struct reply *reply, struct output_gap gap, int64_t pairs);
void reply_set_at(struct reply *reply, struct output_gap gap, int64_t count);

#endif
