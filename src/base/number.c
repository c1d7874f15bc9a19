#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/diag.h"

static const char digit_pairs[] = "00010203040506070809"
                                  "10111213141516171819"
                                  "20212223242526272829"
                                  "30313233343536373839"
                                  "40414243444546474849"
                                  "50515253545556575859"
                                  "60616263646566676869"
                                  "70717273747576777879"
                                  "80818283848586878889"
                                  "90919293949596979899";

static size_t digits_count(uint64_t value)
{
    size_t count = 1;
    for (;;) {
        if (value < 10)
            return count;
        if (value < 100)
            return count + 1;
        if (value < 1000)
            return count + 2;
        if (value < 10000)
            return count + 3;
        value /= 10000;
        count += 4;
    }
}

size_t uint64_format(char *out, uint64_t value)
{
    size_t size = digits_count(value);
    char *at = out + size;
    while (value >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10)
        memcpy(at - 2, digit_pairs + value * 2, 2);
    else
        at[-1] = (char)('0' + value);
    return size;
}

size_t int64_format(char *out, int64_t value)
{
    if (value >= 0)
        return uint64_format(out, (uint64_t)value);
    *out = '-';
    return 1 + uint64_format(out + 1, -(uint64_t)value);
}

bool uint64_parse(struct slice text, uint64_t *value)
{
    if (text.size == 0 || text.size > INT64_TEXT_MAX || (text.data[0] == '0' && text.size > 1))
        return false;
    uint64_t result = 0;
    /* Nineteen digits always fit; a twentieth may not. */
    size_t safe = text.size < 20 ? text.size : 19;
    for (size_t i = 0; i < safe; i++) {
        unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        result = result * 10 + digit;
    }
    if (safe < text.size) {
        unsigned digit = (unsigned char)text.data[safe] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(result, 10, &result) ||
            __builtin_add_overflow(result, digit, &result))
            return false;
    }
    *value = result;
    return true;
}

bool int64_parse(struct slice text, int64_t *value)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    uint64_t magnitude;
    if (!uint64_parse(negative ? slice_make(text.data + 1, text.size - 1) : text, &magnitude))
        return false;
    if (negative && magnitude == 0)
        return false;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *value = (int64_t)(negative ? -magnitude : magnitude);
    return true;
}

/* Copies text to out, with a NUL, for strtod and strtold; false for what they would read otherwise than the
 * protocol has it. */
static bool float_text_copy(struct slice text, char out[FLOAT_TEXT_MAX])
{
    if (text.size == 0 || text.size >= FLOAT_TEXT_MAX || isspace((unsigned char)text.data[0]))
        return false;
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

/* Rounded to a double, or to a long double. */
static bool float_parse(struct slice text, bool is_long, long double *value)
{
    char copy[FLOAT_TEXT_MAX];
    char *end;
    if (!float_text_copy(text, copy))
        return false;
    errno = 0;
    long double result = is_long ? strtold(copy, &end) : (long double)strtod(copy, &end);
    if (end != copy + text.size || isnan(result))
        return false;
    /* A subnormal result is inexact but in range. */
    if (errno == ERANGE && (isinf(result) || fpclassify(result) == FP_ZERO))
        return false;
    *value = result;
    return true;
}

bool long_double_parse(struct slice text, long double *value)
{
    return float_parse(text, true, value);
}

bool double_parse(struct slice text, double *value)
{
    long double exact;
    if (!float_parse(text, false, &exact))
        return false;
    *value = (double)exact;
    return true;
}

static size_t text_put(char *out, const char *text)
{
    size_t size = strlen(text);
    memcpy(out, text, size);
    return size;
}

size_t long_double_format(char *out, long double value)
{
    if (isnan(value))
        return text_put(out, "nan");
    if (isinf(value))
        return text_put(out, value > 0 ? "inf" : "-inf");
    int printed = snprintf(out, FLOAT_TEXT_MAX, "%.17Lf", value);
    ASSERT(printed > 0 && printed < FLOAT_TEXT_MAX);
    size_t size = (size_t)printed;
    while (out[size - 1] == '0')
        size--;
    if (out[size - 1] == '.')
        size--;
    if (size == 2 && memcmp(out, "-0", 2) == 0)
        return text_put(out, "0");
    return size;
}

/* The digits of a decimal number: 0.d1d2d3... times 10 to the point. */
struct decimal {
    char digits[18];
    int count;
    int point;
};

/* The fewest digits that read back as value (finite, above 0). Any 15 digits survive the way to a double and
 * back, so fewer than that show as trailing zeros; only subnormal numbers have less precision and must be
 * tried from one. */
static struct decimal decimal_shortest(double value)
{
    struct decimal decimal;
    char text[32];
    for (int precision = fpclassify(value) == FP_SUBNORMAL ? 1 : 15;; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision - 1, value);
        if (precision < 17 && strtod(text, NULL) != value)
            continue;
        const char *exponent = strchr(text, 'e');
        decimal.digits[0] = text[0];
        decimal.count = precision;
        if (precision > 1)
            memcpy(decimal.digits + 1, text + 2, (size_t)precision - 1);
        decimal.point = atoi(exponent + 1) + 1;
        break;
    }
    while (decimal.count > 1 && decimal.digits[decimal.count - 1] == '0')
        decimal.count--;
    return decimal;
}

static size_t decimal_put_scientific(char *out, const struct decimal *decimal)
{
    char *at = out;
    *at++ = decimal->digits[0];
    if (decimal->count > 1) {
        *at++ = '.';
        memcpy(at, decimal->digits + 1, (size_t)decimal->count - 1);
        at += decimal->count - 1;
    }
    int exponent = decimal->point - 1;
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    at += uint64_format(at, (uint64_t)abs(exponent));
    return (size_t)(at - out);
}

static size_t decimal_put_plain(char *out, const struct decimal *decimal)
{
    char *at = out;
    int whole = decimal->point;
    if (whole <= 0) {
        at += text_put(at, "0.");
        memset(at, '0', (size_t)-whole);
        at += -whole;
        memcpy(at, decimal->digits, (size_t)decimal->count);
        at += decimal->count;
    } else if (whole >= decimal->count) {
        memcpy(at, decimal->digits, (size_t)decimal->count);
        memset(at + decimal->count, '0', (size_t)(whole - decimal->count));
        at += whole;
    } else {
        memcpy(at, decimal->digits, (size_t)whole);
        at[whole] = '.';
        memcpy(at + whole + 1, decimal->digits + whole, (size_t)(decimal->count - whole));
        at += decimal->count + 1;
    }
    return (size_t)(at - out);
}

/* Whether Redis 7.2 writes this number without an exponent. */
static bool decimal_is_plain(const struct decimal *decimal)
{
    int trailing = decimal->point - decimal->count; /* zeros behind the digits, or digits behind the point */
    int exponent = abs(decimal->point - 1);
    if (trailing >= 0)
        return exponent < decimal->count + 7;
    return trailing > -7 || exponent < 4;
}

size_t double_format(char *out, double value)
{
    if (isnan(value))
        return text_put(out, "nan");
    if (isinf(value))
        return text_put(out, value > 0 ? "inf" : "-inf");
    if (value == 0)
        return text_put(out, signbit(value) ? "-0" : "0");
    /* Whole numbers print all their digits as far as a 62-bit integer goes. */
    if (fabs(value) <= 0x1p62 && (double)(int64_t)value == value)
        return int64_format(out, (int64_t)value);
    size_t sign = value < 0;
    if (sign)
        *out++ = '-';
    struct decimal decimal = decimal_shortest(fabs(value));
    return sign + (decimal_is_plain(&decimal) ? decimal_put_plain(out, &decimal)
                                              : decimal_put_scientific(out, &decimal));
}

bool byte_size_parse(struct slice text, uint64_t *bytes)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"", 1},           {"b", 1},
        {"k", 1000},       {"kb", 1024},
        {"m", 1000000},    {"mb", 1024 * 1024},
        {"g", 1000000000}, {"gb", 1024 * 1024 * 1024},
    };
    size_t digits = 0;
    uint64_t value = 0;
    for (; digits < text.size && isdigit((unsigned char)text.data[digits]); digits++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[digits] - '0'), &value))
            return false;
    if (digits == 0)
        return false;
    struct slice unit = slice_make(text.data + digits, text.size - digits);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (slice_is(unit, units[i].name))
            return !__builtin_mul_overflow(value, units[i].bytes, bytes);
    return false;
}

void byte_size_format(char *out, uint64_t bytes)
{
    static const char units[] = "KMGTP";
    if (bytes < 1024 || bytes >> 60 > 0) {
        snprintf(out, 32, "%lluB", (unsigned long long)bytes);
        return;
    }
    int unit = 0;
    while (bytes >> (10 * (unit + 2)) > 0)
        unit++;
    snprintf(out, 32, "%.2f%c", (double)bytes / (double)(UINT64_C(1) << (10 * (unit + 1))), units[unit]);
}
