/* The parts of values in Redis's RDB format (rdb_write.h), read from bytes that anybody may have written.
 * What sizes promise is believed only as far as the bytes that are there can hold it, so that a few bytes
 * cannot ask for much memory. Each function takes what it read off the front of *rest, and returns false for
 * what is not whole or not right; *rest is worth nothing then. */
#ifndef DKV_RDB_RDB_READ_H
#define DKV_RDB_RDB_READ_H

#include "base/blob.h"
#include "base/number.h"

/* A string that was read: in the bytes it was read from, in digits, or in a blob of its own. Cannot be
 * copied. */
struct rdb_string {
    struct slice value;
    char digits[INT64_TEXT_MAX];
    struct blob *blob; /* NULL: none. rdb_string_drop */
};

bool rdb_take(struct slice *rest, uint64_t size, struct slice *taken);
/* size: up to 8 bytes. */
bool rdb_read_little_endian(struct slice *rest, size_t size, uint64_t *value);
/* A length that is one. */
bool rdb_read_length(struct slice *rest, uint64_t *length);
/* A string of at most size_max bytes. To be dropped, also on failure. */
bool rdb_read_string(struct slice *rest, uint64_t size_max, struct rdb_string *string);
void rdb_string_drop(struct rdb_string *string);

#endif
