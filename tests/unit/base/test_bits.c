/* Runs of bits: each function against one that goes bit by bit, at every alignment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/bits.h"
#include "base/random.h"

#define SIZE 200

static void fill(struct random *random, unsigned char *data, size_t size, unsigned density)
{
    for (size_t i = 0; i < size; i++)
        data[i] = random_below(random, density) ? 0 : (unsigned char)random_next(random);
}

static bool bit_of(const unsigned char *data, uint64_t bit)
{
    return data[bit / 8] >> (7 - bit % 8) & 1;
}

/* Every size and alignment is counted as one bit after the other. */
static void counts(void **state)
{
    (void)state;
    unsigned char data[SIZE + 1];
    struct random random;
    random_seed(&random, 1);
    for (size_t size = 0; size <= SIZE; size++) {
        size_t begin = size % 2;
        fill(&random, data, sizeof(data), 2);
        uint64_t expected = 0;
        for (uint64_t bit = begin * 8; bit < (begin + size) * 8; bit++)
            expected += bit_of(data, bit);
        assert_int_equal(bits_count(data + begin, size), expected);
    }
}

/* The first bit of either value in any part of rows that are nearly empty, nearly full, or mixed. */
static void finds(void **state)
{
    (void)state;
    unsigned char data[SIZE];
    struct random random;
    random_seed(&random, 2);
    for (int i = 0; i < 20000; i++) {
        fill(&random, data, sizeof(data), 1 + (unsigned)random_below(&random, 100));
        if (random_below(&random, 2))
            bits_invert(data, sizeof(data));
        uint64_t end = random_below(&random, SIZE * 8 + 1);
        uint64_t begin = random_below(&random, end + 1);
        for (int value = 0; value < 2; value++) {
            uint64_t expected = begin;
            while (expected < end && bit_of(data, expected) != (value == 1))
                expected++;
            assert_int_equal(bits_find(data, begin, end, value), expected);
        }
    }
}

/* Each operation, byte by byte. */
static void combines(void **state)
{
    (void)state;
    unsigned char a[SIZE];
    unsigned char b[SIZE];
    unsigned char out[SIZE];
    struct random random;
    random_seed(&random, 3);
    for (size_t size = 0; size <= SIZE; size++) {
        fill(&random, a, SIZE, 2);
        fill(&random, b, SIZE, 2);
        for (enum bits_operation operation = BITS_AND; operation <= BITS_XOR; operation++) {
            memcpy(out, a, SIZE);
            bits_combine(out, b, size, operation);
            for (size_t i = 0; i < SIZE; i++) {
                int made[] = {[BITS_AND] = a[i] & b[i], [BITS_OR] = a[i] | b[i], [BITS_XOR] = a[i] ^ b[i]};
                assert_int_equal(out[i], i < size ? made[operation] : a[i]);
            }
        }
        memcpy(out, a, SIZE);
        bits_invert(out, size);
        for (size_t i = 0; i < SIZE; i++)
            assert_int_equal(out[i], i < size ? a[i] ^ 0xff : a[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(finds),
        cmocka_unit_test(combines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
