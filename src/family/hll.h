/* HyperLogLog sketches as Redis keeps them, byte for byte: a string of a header and 16384 registers of 6
 * bits. No store, no replies: bytes in, bytes out. hyperloglog.c has the commands. */
#ifndef DKV_FAMILY_HLL_H
#define DKV_FAMILY_HLL_H

#include "base/bytes.h"

#define HLL_REGISTERS    16384
#define HLL_REGISTER_MAX 63
#define HLL_HEADER_SIZE  16
#define HLL_DENSE_SIZE   (HLL_HEADER_SIZE + HLL_REGISTERS * 6 / 8)

enum hll_encoding { HLL_DENSE, HLL_SPARSE };

/* Whether it has the header of a sketch and, when it is dense, the size of one. Whether the registers of a
 * sparse one add up is for the functions below to tell. */
bool hll_is_valid(struct slice sketch);
enum hll_encoding hll_encoding(struct slice sketch);

/* The register that an element goes to, and the value that it gives it at least. */
struct hll_hit {
    int index;
    int value; /* 1 to 51 */
};
struct hll_hit hll_hash(struct slice element);

/* The sketch of nothing, sparse. */
void hll_create(struct buffer *sketch);

enum hll_change { HLL_UNCHANGED, HLL_CHANGED, HLL_CORRUPT };

/* Raises a register to value. sparse_max: a sparse sketch that would grow beyond so many bytes becomes dense;
 * with a value above 32 it becomes so in any case. *too_large is set when it was for its size. The count kept
 * in the header is no longer valid after a change. HLL_CORRUPT leaves the sketch as it was. */
enum hll_change hll_raise(struct buffer *sketch, struct hll_hit hit, size_t sparse_max, bool *too_large);
/* Makes a sparse sketch dense; false, and nothing done, when its registers do not add up. */
bool hll_make_dense(struct buffer *sketch);

/* In a dense sketch: the register's value, and what the two bytes from *offset on (one, where the sketch
 * ends) are to be for another one. */
int hll_dense_get(struct slice sketch, int index);
size_t hll_dense_put(struct slice sketch, struct hll_hit hit, size_t *offset, char bytes[2]);

/* Raises each of max to what the sketch has. False when it is corrupt. */
bool hll_merge(uint8_t max[HLL_REGISTERS], struct slice sketch);

/* How many different elements went in, as the registers let one guess. False when the sketch is corrupt. */
bool hll_count(struct slice sketch, uint64_t *count);
uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS]);

/* The count that the header keeps; false when it is out of date. */
bool hll_cached_count(struct slice sketch, uint64_t *count);
/* The header's count: where it is, and what is there for a count, and when it is out of date. */
#define HLL_COUNT_OFFSET 8
#define HLL_COUNT_SIZE   8
void hll_count_bytes(uint64_t count, char bytes[HLL_COUNT_SIZE]);
/* The last byte of it, which says that it is out of date. */
#define HLL_STALE_OFFSET (HLL_COUNT_OFFSET + HLL_COUNT_SIZE - 1)
char hll_stale_byte(struct slice sketch);

/* A sparse sketch as text: z:n and Z:n for n registers of zero, v:value,n for others. */
void hll_describe(struct slice sketch, struct buffer *text);

#endif
