/* Runs of bits in memory, a word at a time. The bit of the lowest number is the most significant one of the
 * first byte, as the bitmap commands count. */
#ifndef DKV_BASE_BITS_H
#define DKV_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many of the bits are set. */
uint64_t bits_count(const void *data, size_t size);

/* The first bit in [begin, end) with this value; end when there is none. */
uint64_t bits_find(const void *data, uint64_t begin, uint64_t end, bool value);

enum bits_operation { BITS_AND, BITS_OR, BITS_XOR };

/* out = out operation in, for size bytes. They are the same or do not overlap. */
void bits_combine(void *out, const void *in, size_t size, enum bits_operation operation);
void bits_invert(void *out, size_t size);

#endif
