/* Numbers to text and back, with the strictness the protocol needs. */
#ifndef DKV_BASE_NUMBER_H
#define DKV_BASE_NUMBER_H

#include "base/bytes.h"

/* Longest text of a 64-bit integer, without NUL: -9223372036854775808. */
#define INT64_TEXT_MAX 20
/* Room for any text that long_double_format and double_format write. */
#define FLOAT_TEXT_MAX 5120

/* Writes value in decimal to out (at least INT64_TEXT_MAX bytes, not NUL-terminated); returns the length. */
size_t int64_format(char *out, int64_t value);
size_t uint64_format(char *out, uint64_t value);
/* The canonical decimal form only: no spaces, no plus, no leading zeros, no "-0", in range. */
bool int64_parse(struct slice text, int64_t *value);
bool uint64_parse(struct slice text, uint64_t *value);

/* A floating-point number as INCRBYFLOAT takes it: no spaces, no NaN, whole text used, in range of the type,
 * shorter than FLOAT_TEXT_MAX. Infinity is a number. */
bool long_double_parse(struct slice text, long double *value);
/* As many decimals as needed up to 17, no exponent, no trailing zeros: how INCRBYFLOAT prints. Infinity: inf,
 * -inf. */
size_t long_double_format(char *out, long double value);
/* The same for a double. */
bool double_parse(struct slice text, double *value);
/* The shortest text that reads back as the same double, laid out as Redis 7.2 does: whole numbers up to 2^62
 * in full, exponents for the very large and small. Infinity and NaN: inf, -inf, nan. */
size_t double_format(char *out, double value);

/* A size as in redis.conf: digits and b, k, kb, m, mb, g, gb in any case (k = 1000, kb = 1024, and so on). */
bool byte_size_parse(struct slice text, uint64_t *bytes);
/* Bytes for people, "1.50M", as INFO's *_human fields. out holds at least 32 bytes; NUL-terminated. */
void byte_size_format(char *out, uint64_t bytes);

#endif
