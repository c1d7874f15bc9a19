#include "base/bits.h"

#include <string.h>

static uint64_t load(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* --- counting ------------------------------------------------------------------------------------------ */

/* Four sums, so that no addition waits for the one before it. Inlined into both of the callers below, of
 * which one may use the processor's own instruction. */
static inline __attribute__((always_inline)) uint64_t count_words(const unsigned char *at, size_t size)
{
    uint64_t sums[4] = {0};
    uint64_t last = 0;
    for (; size >= 32; size -= 32, at += 32)
        for (size_t i = 0; i < 4; i++)
            sums[i] += (uint64_t)__builtin_popcountll(load(at + 8 * i));
    for (; size >= 8; size -= 8, at += 8)
        sums[0] += (uint64_t)__builtin_popcountll(load(at));
    if (size > 0)
        memcpy(&last, at, size);
    return sums[0] + sums[1] + sums[2] + sums[3] + (uint64_t)__builtin_popcountll(last);
}

static uint64_t count_anywhere(const unsigned char *at, size_t size)
{
    return count_words(at, size);
}

#ifdef __x86_64__
/* Not every processor of this kind has the instruction, so the compiler may not use it unasked. */
__attribute__((target("popcnt"))) static uint64_t count_with_popcnt(const unsigned char *at, size_t size)
{
    return count_words(at, size);
}
#endif

uint64_t bits_count(const void *data, size_t size)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("popcnt"))
        return count_with_popcnt(data, size);
#endif
    return count_anywhere(data, size);
}

/* --- finding ------------------------------------------------------------------------------------------- */

/* The first set bit of a byte at or behind a bit of it; 8 when there is none. */
static unsigned find_in_byte(unsigned byte, unsigned from)
{
    unsigned rest = byte & (0xffU >> from);
    return rest ? (unsigned)__builtin_clz(rest) - 24 : 8;
}

uint64_t bits_find(const void *data, uint64_t begin, uint64_t end, bool value)
{
    const unsigned char *bytes = data;
    uint64_t flip = value ? 0 : UINT64_MAX; /* what is looked for is always a set bit then */
    uint64_t byte = begin / 8;
    uint64_t byte_end = (end + 7) / 8;
    unsigned from = begin % 8;
    while (byte < byte_end) {
        while (from == 0 && byte + 8 <= byte_end && (load(bytes + byte) ^ flip) == 0)
            byte += 8;
        if (byte == byte_end)
            break;
        unsigned bit = find_in_byte((bytes[byte] ^ (unsigned)flip) & 0xff, from);
        if (bit < 8)
            return byte * 8 + bit < end ? byte * 8 + bit : end;
        from = 0;
        byte++;
    }
    return end;
}

/* --- combining ----------------------------------------------------------------------------------------- */

/* What a processor takes in one go, or in two. */
typedef uint64_t block __attribute__((vector_size(32)));

/* Inlined with a constant operation, so that none is chosen in the loop. */
static inline __attribute__((always_inline)) void combine(unsigned char *out, const unsigned char *in,
                                                          size_t size, enum bits_operation operation)
{
    block a;
    block b;
    for (; size >= sizeof(a); size -= sizeof(a), out += sizeof(a), in += sizeof(a)) {
        memcpy(&a, out, sizeof(a));
        memcpy(&b, in, sizeof(b));
        a = operation == BITS_AND ? a & b : operation == BITS_OR ? a | b : a ^ b;
        memcpy(out, &a, sizeof(a));
    }
    for (; size > 0; size--, out++, in++)
        *out = (unsigned char)(operation == BITS_AND  ? *out & *in
                               : operation == BITS_OR ? *out | *in
                                                      : *out ^ *in);
}

void bits_combine(void *out, const void *in, size_t size, enum bits_operation operation)
{
    switch (operation) {
    case BITS_AND: combine(out, in, size, BITS_AND); break;
    case BITS_OR: combine(out, in, size, BITS_OR); break;
    case BITS_XOR: combine(out, in, size, BITS_XOR); break;
    }
}

void bits_invert(void *out, size_t size)
{
    unsigned char *at = out;
    block a;
    for (; size >= sizeof(a); size -= sizeof(a), at += sizeof(a)) {
        memcpy(&a, at, sizeof(a));
        a = ~a;
        memcpy(at, &a, sizeof(a));
    }
    for (; size > 0; size--, at++)
        *at = (unsigned char)~*at;
}
