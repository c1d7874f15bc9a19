/* The parts that Redis's RDB format writes values with. The format is Redis's (rdb.c, rdb.h):
 *
 * A length's first two bits tell its form:
 *
 *     00nnnnnn                    n
 *     01nnnnnn nnnnnnnn           n, the higher bits first
 *     10000000 and 4 bytes        n, big endian
 *     10000001 and 8 bytes        n, big endian
 *     11ssssss                    no length: a special string, below
 *
 * A string is a length and so many bytes, or one of the special ones:
 *
 *     11000000 and 1 byte         an integer, which stands for its decimal digits
 *     11000001 and 2 bytes        the same, little endian
 *     11000010 and 4 bytes        the same
 *     11000011, length, length    compressed by LZF: compressed size, size, the compressed bytes
 *
 * Strings of 11 bytes at the most are made integers where they are one; longer ones than 20 bytes are
 * compressed where that makes them shorter. */
#ifndef DKV_RDB_RDB_WRITE_H
#define DKV_RDB_RDB_WRITE_H

#include "base/bytes.h"

/* Bytes of a length at the most. */
#define RDB_LENGTH_SIZE_MAX 9

void rdb_append_little_endian(struct buffer *out, uint64_t value, size_t size);
void rdb_append_length(struct buffer *out, uint64_t length);
/* As an integer, compressed if that is wanted and pays, or as it is. */
void rdb_append_string(struct buffer *out, struct slice value, bool compress);
/* As it is: for bytes that are a structure of their own. */
void rdb_append_bytes(struct buffer *out, struct slice bytes);

#endif
