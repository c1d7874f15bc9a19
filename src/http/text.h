/* The small languages inside a request: percent-encoding, queries, entity tags, ranges, base64. */
#ifndef DKV_HTTP_TEXT_H
#define DKV_HTTP_TEXT_H

#include <sys/uio.h>

#include "base/bytes.h"

/* Appends what text stands for. False when a "%" is not followed by two hexadecimal digits. */
bool percent_decode(struct slice text, struct buffer *out);
/* Appends the value of a name in a query, "a=1&b=2"; a "+" in it is a space. False when the name is not
 * there; *wrong: it is, but not as it should be encoded. */
bool query_find(struct slice query, const char *name, struct buffer *out, bool *wrong);

/* What is wrong with the names in a query. */
enum query_fault { QUERY_FINE, QUERY_UNKNOWN, QUERY_TWICE };
/* known: the names that it may hold, with a space between. *name: the one that is wrong. */
enum query_fault query_check(struct slice query, const char *known, struct slice *name);

/* Digits only, "Content-Length" and the like. What is larger than any size is told as a very large one. */
bool position_parse(struct slice text, uint64_t *position);

/* Appends text in base64, or what base64 stands for; false when it is none. */
void base64_encode(struct slice text, struct buffer *out);
bool base64_decode(struct slice text, struct buffer *out);

/* --- entity tags --------------------------------------------------------------------------------------- */

/* A value's tag is a checksum (XXH3-128) of its bytes, so it is the same after a restart and on a replica. */
#define ETAG_SIZE 34

struct etag {
    char text[ETAG_SIZE + 1]; /* with its quotes, and a NUL */
};

/* Of a value in pieces. */
void etag_make(struct etag *etag, const struct iovec *pieces, int count);
/* The conditions of a request (RFC 9110, 13.1), fields as they came, data NULL for those that did not.
 * etag NULL: there is nothing at that key. If-Match compares strongly: a weak tag matches nothing. */
bool condition_match(struct slice if_match, const struct etag *etag);
bool condition_none_match(struct slice if_none_match, const struct etag *etag);
/* Whether a field asks only if there is something: "*". */
bool condition_is_any(struct slice field);

/* --- ranges -------------------------------------------------------------------------------------------- */

enum range_kind {
    RANGE_ALL,   /* none is asked for, or one that is not understood, or several: the whole value is right */
    RANGE_PART,  /* bytes [begin, end) */
    RANGE_BEYOND /* there is no such byte */
};

struct range {
    enum range_kind kind;
    uint64_t begin;
    uint64_t end;
};

/* A Range field (RFC 9110, 14.2) over so many bytes. */
struct range range_parse(struct slice field, uint64_t size);

#endif
