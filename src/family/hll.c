/* The format is Redis's, so that sketches travel between the two:
 *
 *     offset  size
 *          0     4  "HYLL"
 *          4     1  encoding: 0 dense, 1 sparse
 *          5     3  zero
 *          8     8  the count as of the last PFCOUNT, little endian; its highest bit: out of date
 *         16        the registers
 *
 * Dense, they are 16384 numbers of 6 bits, each beginning at the lowest free bit of a byte: 12288 bytes.
 * Sparse, they are runs:
 *
 *     00nnnnnn           ZERO   n + 1 registers of 0
 *     01nnnnnn nnnnnnnn  XZERO  n + 1 registers of 0, the higher bits first
 *     1vvvvvnn           VALUE  n + 1 registers of v + 1
 *
 * Which runs there are for the same registers depends on how they were split and joined. Here it is done the
 * way Redis does it, since that is part of being the same bytes.
 *
 * The idea is that of Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog: the analysis of a near-optimal
 * cardinality estimation algorithm" (2007). */
#include "family/hll.h"

#include <endian.h>
#include <math.h>

#include "base/diag.h"

#define INDEX_BITS       14
#define HASH_BITS        (64 - INDEX_BITS)
#define REGISTER_BITS    6
#define REGISTER_MASK    ((1U << REGISTER_BITS) - 1)
#define SPARSE_VALUE_MAX 32
#define SPARSE_ZEROS_MAX 64
#define SPARSE_RUN_MAX   4

#define ENCODING_OFFSET 4
#define STALE           0x80

_Static_assert(HLL_REGISTERS == 1 << INDEX_BITS, "an index has so many bits");

/* --- the header ---------------------------------------------------------------------------------------- */

bool hll_is_valid(struct slice sketch)
{
    if (sketch.size < HLL_HEADER_SIZE || memcmp(sketch.data, "HYLL", 4) != 0)
        return false;
    unsigned char encoding = (unsigned char)sketch.data[ENCODING_OFFSET];
    return encoding == HLL_SPARSE || (encoding == HLL_DENSE && sketch.size == HLL_DENSE_SIZE);
}

enum hll_encoding hll_encoding(struct slice sketch)
{
    return sketch.data[ENCODING_OFFSET] == HLL_DENSE ? HLL_DENSE : HLL_SPARSE;
}

bool hll_cached_count(struct slice sketch, uint64_t *count)
{
    if ((unsigned char)sketch.data[HLL_STALE_OFFSET] & STALE)
        return false;
    *count = 0;
    for (int i = HLL_COUNT_SIZE - 1; i >= 0; i--)
        *count = *count << 8 | (unsigned char)sketch.data[HLL_COUNT_OFFSET + i];
    return true;
}

void hll_count_bytes(uint64_t count, char bytes[HLL_COUNT_SIZE])
{
    for (int i = 0; i < HLL_COUNT_SIZE; i++)
        bytes[i] = (char)(count >> (8 * i));
}

char hll_stale_byte(struct slice sketch)
{
    return (char)((unsigned char)sketch.data[HLL_STALE_OFFSET] | STALE);
}

static struct slice registers_of(struct slice sketch)
{
    return slice_make(sketch.data + HLL_HEADER_SIZE, sketch.size - HLL_HEADER_SIZE);
}

/* --- hashing ------------------------------------------------------------------------------------------- */

/* MurmurHash64A, by Austin Appleby (public domain; SMHasher, MurmurHash2.cpp), with the seed that Redis gives
 * it. Words are read in little-endian order on any machine. */
#define HASH_SEED UINT64_C(0xadc83b19)

static uint64_t load_word(const unsigned char *at, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, at, size);
    return le64toh(word);
}

static uint64_t murmur_hash(struct slice text)
{
    static const uint64_t multiplier = UINT64_C(0xc6a4a7935bd1e995);
    const unsigned char *at = (const unsigned char *)text.data;
    size_t size = text.size;
    uint64_t hash = HASH_SEED ^ (size * multiplier);
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word = load_word(at, 8) * multiplier;
        hash = (hash ^ (word ^ word >> 47) * multiplier) * multiplier;
    }
    if (size > 0)
        hash = (hash ^ load_word(at, size)) * multiplier;
    hash = (hash ^ hash >> 47) * multiplier;
    return hash ^ hash >> 47;
}

/* The lowest bits of the hash choose the register; how many zeros follow is what is worth remembering. */
struct hll_hit hll_hash(struct slice element)
{
    uint64_t hash = murmur_hash(element);
    uint64_t rest = hash >> INDEX_BITS | UINT64_C(1) << HASH_BITS;
    return (struct hll_hit){(int)(hash & (HLL_REGISTERS - 1)), __builtin_ctzll(rest) + 1};
}

/* --- dense --------------------------------------------------------------------------------------------- */

/* The two bytes that a register lies in, as a number; the byte behind the last register counts as zero. */
static unsigned dense_pair(struct slice registers, int index, size_t *byte, unsigned *shift)
{
    unsigned bit = (unsigned)index * REGISTER_BITS;
    *byte = bit / 8;
    *shift = bit % 8;
    unsigned low = (unsigned char)registers.data[*byte];
    unsigned high = *byte + 1 < registers.size ? (unsigned char)registers.data[*byte + 1] : 0;
    return high << 8 | low;
}

int hll_dense_get(struct slice sketch, int index)
{
    size_t byte;
    unsigned shift;
    unsigned pair = dense_pair(registers_of(sketch), index, &byte, &shift);
    return (int)(pair >> shift & REGISTER_MASK);
}

size_t hll_dense_put(struct slice sketch, struct hll_hit hit, size_t *offset, char bytes[2])
{
    size_t byte;
    unsigned shift;
    struct slice registers = registers_of(sketch);
    unsigned pair = dense_pair(registers, hit.index, &byte, &shift);
    pair = (pair & ~(REGISTER_MASK << shift)) | (unsigned)hit.value << shift;
    bytes[0] = (char)pair;
    bytes[1] = (char)(pair >> 8);
    *offset = HLL_HEADER_SIZE + byte;
    return byte + 1 < registers.size ? 2 : 1;
}

static void dense_set(struct buffer *sketch, struct hll_hit hit)
{
    char bytes[2];
    size_t offset;
    size_t size = hll_dense_put(buffer_slice(sketch), hit, &offset, bytes);
    memcpy(sketch->data + offset, bytes, size);
}

/* Four registers are three bytes. */
static void dense_unpack(struct slice sketch, uint8_t registers[HLL_REGISTERS])
{
    const unsigned char *at = (const unsigned char *)registers_of(sketch).data;
    for (int i = 0; i < HLL_REGISTERS; i += 4, at += 3) {
        unsigned bits = at[0] | (unsigned)at[1] << 8 | (unsigned)at[2] << 16;
        registers[i] = bits & REGISTER_MASK;
        registers[i + 1] = bits >> 6 & REGISTER_MASK;
        registers[i + 2] = bits >> 12 & REGISTER_MASK;
        registers[i + 3] = (uint8_t)(bits >> 18);
    }
}

/* --- sparse: reading ----------------------------------------------------------------------------------- */

struct run {
    int count; /* registers */
    int value;
    size_t size; /* bytes that it is written in */
};

/* The run that begins at a byte. Half an XZERO at the very end counts as if a zero came behind it. */
static struct run run_read(struct slice runs, size_t at)
{
    unsigned byte = (unsigned char)runs.data[at];
    if (byte & 0x80)
        return (struct run){(int)(byte & 3) + 1, (int)(byte >> 2 & 0x1f) + 1, 1};
    if (!(byte & 0x40))
        return (struct run){(int)byte + 1, 0, 1};
    unsigned next = at + 1 < runs.size ? (unsigned char)runs.data[at + 1] : 0;
    return (struct run){(int)((byte & 0x3f) << 8 | next) + 1, 0, 2};
}

/* Goes from run to run. */
struct walk {
    struct slice runs;
    size_t at;
    int first; /* register of the run that comes next */
};

static struct walk walk_begin(struct slice sketch)
{
    return (struct walk){.runs = registers_of(sketch)};
}

/* The next run and its first register. False at the end, and when there were too many registers already: what
 * is no sketch may have more than an int counts. */
static bool walk_next(struct walk *walk, struct run *run, int *first)
{
    if (walk->at >= walk->runs.size || walk->first > HLL_REGISTERS)
        return false;
    *run = run_read(walk->runs, walk->at);
    *first = walk->first;
    walk->at += run->size;
    walk->first += run->count;
    return true;
}

/* The same for runs that have a value, up to one that would go beyond the last register. */
static bool walk_next_value(struct walk *walk, struct run *run, int *first)
{
    do {
        if (!walk_next(walk, run, first))
            return false;
    } while (run->value == 0);
    return walk->first <= HLL_REGISTERS;
}

/* At the end: whether there were as many registers as there have to be. */
static bool walk_was_whole(const struct walk *walk)
{
    return walk->first == HLL_REGISTERS;
}

void hll_describe(struct slice sketch, struct buffer *text)
{
    struct slice runs = registers_of(sketch);
    for (size_t at = 0; at < runs.size;) {
        struct run run = run_read(runs, at);
        if (at > 0)
            buffer_append_char(text, ' ');
        if (run.value > 0)
            buffer_append_format(text, "v:%d,%d", run.value, run.count);
        else
            buffer_append_format(text, "%c:%d", run.size == 2 ? 'Z' : 'z', run.count);
        at += run.size;
    }
}

/* --- sparse: writing ----------------------------------------------------------------------------------- */

static size_t zeros_write(char *out, int count)
{
    unsigned bits = (unsigned)count - 1;
    if (count <= SPARSE_ZEROS_MAX) {
        out[0] = (char)bits;
        return 1;
    }
    out[0] = (char)(0x40 | bits >> 8);
    out[1] = (char)bits;
    return 2;
}

static size_t run_write(char *out, int value, int count)
{
    if (value == 0)
        return zeros_write(out, count);
    out[0] = (char)(0x80 | (value - 1) << 2 | (count - 1));
    return 1;
}

void hll_create(struct buffer *sketch)
{
    static const char header[HLL_HEADER_SIZE] = {'H', 'Y', 'L', 'L', HLL_SPARSE};
    buffer_clear(sketch);
    buffer_append(sketch, header, sizeof(header));
    buffer_reserve(sketch, 2);
    sketch->size += zeros_write(sketch->data + sketch->size, HLL_REGISTERS);
}

bool hll_make_dense(struct buffer *sketch)
{
    if (hll_encoding(buffer_slice(sketch)) == HLL_DENSE)
        return true;
    struct buffer dense = {0};
    struct walk walk = walk_begin(buffer_slice(sketch));
    struct run run;
    int first;
    memset(buffer_reserve(&dense, HLL_DENSE_SIZE), 0, HLL_DENSE_SIZE);
    dense.size = HLL_DENSE_SIZE;
    memcpy(dense.data, sketch->data, HLL_HEADER_SIZE);
    dense.data[ENCODING_OFFSET] = HLL_DENSE;
    while (walk_next_value(&walk, &run, &first))
        for (int i = 0; i < run.count; i++)
            dense_set(&dense, (struct hll_hit){first + i, run.value});
    if (!walk_was_whole(&walk)) {
        buffer_free(&dense);
        return false;
    }
    buffer_free(sketch);
    *sketch = dense;
    return true;
}

/* Joins runs of one value that lie beside each other, among the five from byte at on. */
static void runs_join(struct buffer *sketch, size_t at)
{
    char *runs = sketch->data + HLL_HEADER_SIZE;
    for (int looks = 0; looks < 5 && at < sketch->size - HLL_HEADER_SIZE; looks++) {
        struct slice all = registers_of(buffer_slice(sketch));
        struct run run = run_read(all, at);
        if (run.value > 0 && at + 1 < all.size) {
            struct run next = run_read(all, at + 1);
            if (next.value == run.value && next.count + run.count <= SPARSE_RUN_MAX) {
                run_write(runs + at + 1, run.value, run.count + next.count);
                memmove(runs + at, runs + at + 1, all.size - at - 1);
                sketch->size--;
                continue;
            }
        }
        at += run.size;
    }
}

/* The place of a register in a sparse sketch. */
struct place {
    struct run run;
    int first;
    size_t at;       /* of the run */
    size_t previous; /* the run before it, or the same */
};

static bool place_find(struct slice sketch, int index, struct place *place)
{
    struct slice runs = registers_of(sketch);
    *place = (struct place){.first = 0};
    int first = 0;
    for (size_t at = 0; at < runs.size; first += place->run.count, at += place->run.size) {
        place->previous = place->at;
        place->at = at;
        place->first = first;
        place->run = run_read(runs, at);
        if (index < first + place->run.count)
            return true;
    }
    return false;
}

/* What takes the place of a run when one of its registers is raised: a part before, the register, a part
 * behind. */
static size_t run_split(const struct place *place, struct hll_hit hit, char out[5])
{
    int before = hit.index - place->first;
    int behind = place->run.count - before - 1;
    size_t size = 0;
    if (before > 0)
        size += run_write(out, place->run.value, before);
    size += run_write(out + size, hit.value, 1);
    if (behind > 0)
        size += run_write(out + size, place->run.value, behind);
    return size;
}

static enum hll_change raise_as_dense(struct buffer *sketch, struct hll_hit hit)
{
    if (!hll_make_dense(sketch))
        return HLL_CORRUPT;
    dense_set(sketch, hit);
    sketch->data[HLL_STALE_OFFSET] = hll_stale_byte(buffer_slice(sketch));
    return HLL_CHANGED;
}

static enum hll_change sparse_raise(struct buffer *sketch, struct hll_hit hit, size_t sparse_max,
                                    bool *too_large)
{
    struct place place;
    char runs[5];
    if (hit.value > SPARSE_VALUE_MAX)
        return raise_as_dense(sketch, hit);
    if (!place_find(buffer_slice(sketch), hit.index, &place))
        return HLL_CORRUPT;
    if (place.run.value >= hit.value)
        return HLL_UNCHANGED;
    size_t size = run_split(&place, hit, runs);
    if (size > place.run.size && sketch->size + size - place.run.size > sparse_max) {
        *too_large = true;
        return raise_as_dense(sketch, hit);
    }
    buffer_reserve(sketch, sizeof(runs));
    size_t begin = HLL_HEADER_SIZE + place.at;
    size_t end = begin + place.run.size < sketch->size ? begin + place.run.size : sketch->size;
    memmove(sketch->data + begin + size, sketch->data + end, sketch->size - end);
    memcpy(sketch->data + begin, runs, size);
    sketch->size = sketch->size + size - place.run.size;
    runs_join(sketch, place.previous);
    sketch->data[HLL_STALE_OFFSET] = hll_stale_byte(buffer_slice(sketch));
    return HLL_CHANGED;
}

enum hll_change hll_raise(struct buffer *sketch, struct hll_hit hit, size_t sparse_max, bool *too_large)
{
    if (hll_encoding(buffer_slice(sketch)) == HLL_SPARSE)
        return sparse_raise(sketch, hit, sparse_max, too_large);
    if (hll_dense_get(buffer_slice(sketch), hit.index) >= hit.value)
        return HLL_UNCHANGED;
    return raise_as_dense(sketch, hit);
}

/* --- merging and counting ------------------------------------------------------------------------------ */

bool hll_merge(uint8_t max[HLL_REGISTERS], struct slice sketch)
{
    if (hll_encoding(sketch) == HLL_DENSE) {
        uint8_t registers[HLL_REGISTERS];
        dense_unpack(sketch, registers);
        for (int i = 0; i < HLL_REGISTERS; i++)
            max[i] = registers[i] > max[i] ? registers[i] : max[i];
        return true;
    }
    struct walk walk = walk_begin(sketch);
    struct run run;
    int first;
    while (walk_next_value(&walk, &run, &first))
        for (int i = 0; i < run.count; i++)
            max[first + i] = run.value > max[first + i] ? (uint8_t)run.value : max[first + i];
    return walk_was_whole(&walk);
}

/* The estimator is the improved one of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
 * sketches" (arXiv:1702.01284, 2017), algorithm 6, which needs neither tables nor cases: only how many
 * registers have each value. sigma and tau are its equations 12 and 22. */
static double sigma(double x)
{
    if (x == 1)
        return INFINITY;
    double y = 1;
    double z = x;
    double before;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

static double tau(double x)
{
    if (x == 0 || x == 1)
        return 0;
    double y = 1;
    double z = 1 - x;
    double before;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (before != z);
    return z / 3;
}

static uint64_t estimate(const int histogram[HLL_REGISTER_MAX + 1])
{
    static const double alpha = 0.721347520444481703680; /* 0.5 / ln 2 */
    double m = HLL_REGISTERS;
    double z = m * tau((m - histogram[HASH_BITS + 1]) / m);
    for (int value = HASH_BITS; value >= 1; value--)
        z = (z + histogram[value]) * 0.5;
    z += m * sigma(histogram[0] / m);
    double count = round(alpha * m * m / z);
    /* No element gives registers like these. The answer is Redis's. */
    if (!(count < 0x1p63))
        return UINT64_C(1) << 63;
    return (uint64_t)count;
}

uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS])
{
    /* Several, so that equal registers in a row need not wait for each other. */
    int parts[4][HLL_REGISTER_MAX + 1] = {{0}};
    int histogram[HLL_REGISTER_MAX + 1];
    for (int i = 0; i < HLL_REGISTERS; i += 4)
        for (int part = 0; part < 4; part++)
            parts[part][registers[i + part]]++;
    for (int value = 0; value <= HLL_REGISTER_MAX; value++)
        histogram[value] = parts[0][value] + parts[1][value] + parts[2][value] + parts[3][value];
    return estimate(histogram);
}

bool hll_count(struct slice sketch, uint64_t *count)
{
    if (hll_encoding(sketch) == HLL_DENSE) {
        uint8_t registers[HLL_REGISTERS];
        dense_unpack(sketch, registers);
        *count = hll_count_registers(registers);
        return true;
    }
    int histogram[HLL_REGISTER_MAX + 1] = {0};
    struct walk walk = walk_begin(sketch);
    struct run run;
    int first;
    while (walk_next(&walk, &run, &first))
        histogram[run.value] += run.count;
    if (!walk_was_whole(&walk))
        return false;
    *count = estimate(histogram);
    return true;
}
