/* Runs of bits in memory, a word at a time, and the bits of a word. The bit of the lowest number is the most
 * significant one of the first byte, as the bitmap commands count. */
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

/* A word with its lowest bit as the highest, and so on. */
static inline uint64_t bits_reversed(uint64_t bits)
{
    static const uint64_t masks[] = {UINT64_C(0x5555555555555555), UINT64_C(0x3333333333333333),
                                     UINT64_C(0x0f0f0f0f0f0f0f0f)};
    for (unsigned i = 0; i < 3; i++)
        bits = (bits >> (1U << i) & masks[i]) | (bits & masks[i]) << (1U << i);
    return __builtin_bswap64(bits);
}

#endif
