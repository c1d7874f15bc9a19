/* Numbers to text and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/random.h"

/* Every power of ten, its neighbours and the extremes print as printf prints them, and read back. */
static void integers_round_trip(void **state)
{
    (void)state;
    int64_t values[200] = {0, -1, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1};
    int count = 6;
    for (int64_t power = 1; count < 110; power *= 10) {
        for (int i = -2; i <= 2; i++)
            values[count++] = power + i;
        if (power > INT64_MAX / 10)
            break;
    }
    struct random random;
    random_seed(&random, 1);
    while (count < 200)
        values[count++] = (int64_t)random_next(&random) >> random_below(&random, 64);
    for (int i = 0; i < count; i++) {
        char expected[32];
        char out[INT64_TEXT_MAX];
        int size = snprintf(expected, sizeof(expected), "%lld", (long long)values[i]);
        assert_int_equal(int64_format(out, values[i]), size);
        assert_memory_equal(out, expected, size);
        int64_t back = 7;
        assert_true(int64_parse(slice_make(out, (size_t)size), &back));
        assert_true(back == values[i]);
    }
    char out[INT64_TEXT_MAX];
    uint64_t back;
    assert_int_equal(uint64_format(out, UINT64_MAX), 20);
    assert_memory_equal(out, "18446744073709551615", 20);
    assert_true(uint64_parse(slice_make(out, 20), &back) && back == UINT64_MAX);
}

/* Only the canonical form is a number. */
static void integers_are_strict(void **state)
{
    (void)state;
    const char *bad[] = {"",
                         "-",
                         "+1",
                         "-0",
                         "00",
                         "01",
                         "-01",
                         " 1",
                         "1 ",
                         "1a",
                         "0x1",
                         "1.0",
                         "9223372036854775808",
                         "-9223372036854775809",
                         "99999999999999999999",
                         "18446744073709551616",
                         "123456789012345678901"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t value;
        if (int64_parse(slice_of(bad[i]), &value))
            fail_msg("%s passed for a number", bad[i]);
    }
    uint64_t value;
    assert_false(uint64_parse(slice_of("18446744073709551616"), &value));
    assert_false(uint64_parse(slice_of("-1"), &value));
    assert_false(uint64_parse(slice_of("1844674407370955161x"), &value));
}

static const struct {
    const char *text;
    const char *printed; /* NULL: not a number */
} long_doubles[] = {
    {"0", "0"},       {"-0", "0"},       {"3.0", "3"},
    {"10.5", "10.5"}, {"5.0e3", "5000"}, {"1e-17", "0.00000000000000001"},
    {"-1e-18", "0"},  {"-1e-30", "0"},   {"0x10", "16"},
    {"+1", "1"},      {"inf", "inf"},    {"-Infinity", "-inf"},
    {"1e4000", ""}, /* in range of the type; long */
    {"1e5000", NULL}, {"-1e5000", NULL}, {"1e-5000", NULL},
    {"4e-4950", "0"}, /* subnormal, so in range */
    {"nan", NULL},    {"", NULL},        {" 1", NULL},
    {"1 ", NULL},     {"1x", NULL},      {".", NULL},
};

/* INCRBYFLOAT's numbers: what is one and how it prints. */
static void long_doubles_print_as_incrbyfloat(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(long_doubles) / sizeof(long_doubles[0]); i++) {
        long double value;
        char out[FLOAT_TEXT_MAX];
        bool parsed = long_double_parse(slice_of(long_doubles[i].text), &value);
        if (parsed != (long_doubles[i].printed != NULL))
            fail_msg("<%s> parsed: %d", long_doubles[i].text, parsed);
        if (!parsed || long_doubles[i].printed[0] == '\0')
            continue;
        size_t size = long_double_format(out, value);
        if (!slice_equal(slice_make(out, size), slice_of(long_doubles[i].printed)))
            fail_msg("<%s> prints as %.*s", long_doubles[i].text, (int)size, out);
    }
    char out[FLOAT_TEXT_MAX];
    assert_int_equal(long_double_format(out, LDBL_MAX), 4933);
    assert_int_equal(long_double_format(out, -LDBL_MAX), 4934);
    long double value;
    assert_false(long_double_parse(slice_make("1\0", 2), &value));
}

static const struct {
    double value;
    const char *printed;
} doubles[] = {
    {0.0, "0"},
    {-0.0, "-0"},
    {1.0, "1"},
    {-1.5, "-1.5"},
    {0.1, "0.1"},
    {0.1 + 0.2, "0.30000000000000004"},
    {100.0, "100"},
    {1e18, "1000000000000000000"},
    {4611686018427387904.0, "4611686018427387904"},
    {1e19, "1e+19"},
    {-1e100, "-1e+100"},
    {1e23, "1e+23"},
    {0.001, "0.001"},
    {0.000001, "0.000001"},
    {1e-7, "1e-7"},
    {1.5e-9, "1.5e-9"},
    {3.141592653589793, "3.141592653589793"},
    {123456789.125, "123456789.125"},
    {5e-324, "5e-324"},
    {1.7976931348623157e308, "1.7976931348623157e+308"},
    {(double)INFINITY, "inf"},
    {-(double)INFINITY, "-inf"},
    {(double)NAN, "nan"},
};

/* Doubles print as Redis 7.2 prints them. */
static void doubles_print_as_in_redis(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
        char out[FLOAT_TEXT_MAX];
        size_t size = double_format(out, doubles[i].value);
        if (!slice_equal(slice_make(out, size), slice_of(doubles[i].printed)))
            fail_msg("%.17g prints as %.*s", doubles[i].value, (int)size, out);
    }
}

/* Random bit patterns read back as the same double, and no text with fewer digits would have. */
static void doubles_are_shortest(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 2);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_next(&random);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        char out[FLOAT_TEXT_MAX];
        double back;
        size_t size = double_format(out, value);
        assert_true(double_parse(slice_make(out, size), &back));
        assert_true(back == value);
        int digits = 0;
        size_t at = 0;
        for (; at < size && out[at] != 'e'; at++)
            digits += out[at] >= '0' && out[at] <= '9';
        if (at == size)
            continue; /* plain notation pads with zeros */
        char shorter[64];
        snprintf(shorter, sizeof(shorter), "%.*e", digits - 2, value);
        assert_true(digits < 2 || strtod(shorter, NULL) != value);
    }
}

/* Sizes take the units of redis.conf, decimal without and binary with the b. */
static void byte_sizes_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"12", 12},
                {"7b", 7},
                {"1k", 1000},
                {"1KB", 1024},
                {"3m", 3000000},
                {"3Mb", 3145728},
                {"2g", 2000000000},
                {"2gB", 2147483648},
                {"18446744073709551615", UINT64_MAX}};
    const char *bad[] = {
        "", "k", "-1", "1kk", "1.5mb", "1 kb", " 1", "18446744073709551616", "1tb", "18446744073709551615k"};
    uint64_t bytes;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(byte_size_parse(slice_of(good[i].text), &bytes));
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (byte_size_parse(slice_of(bad[i]), &bytes))
            fail_msg("%s passed for a size", bad[i]);
}

/* Sizes print with two decimals of the largest unit below them, bytes without. */
static void byte_sizes_print(void **state)
{
    (void)state;
    char out[32];
    byte_size_format(out, 0);
    assert_string_equal(out, "0B");
    byte_size_format(out, 1023);
    assert_string_equal(out, "1023B");
    byte_size_format(out, 1024);
    assert_string_equal(out, "1.00K");
    byte_size_format(out, 1536 * 1024);
    assert_string_equal(out, "1.50M");
    byte_size_format(out, UINT64_C(5) << 50);
    assert_string_equal(out, "5.00P");
    byte_size_format(out, UINT64_MAX);
    assert_string_equal(out, "18446744073709551615B");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_round_trip),
        cmocka_unit_test(integers_are_strict),
        cmocka_unit_test(long_doubles_print_as_incrbyfloat),
        cmocka_unit_test(doubles_print_as_in_redis),
        cmocka_unit_test(doubles_are_shortest),
        cmocka_unit_test(byte_sizes_parse),
        cmocka_unit_test(byte_sizes_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
