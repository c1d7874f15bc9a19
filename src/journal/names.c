#include "journal/names.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/number.h"

#define DIGITS       20
#define VALUE_DIGITS 10

void log_name(char out[FILE_NAME_SIZE], lsn_t lsn)
{
    snprintf(out, FILE_NAME_SIZE, "log-%020" PRIu64 ".dkv", lsn);
}

void base_name(char out[FILE_NAME_SIZE], lsn_t lsn)
{
    snprintf(out, FILE_NAME_SIZE, "base-%020" PRIu64 ".dkv", lsn);
}

void base_temporary_name(char out[FILE_NAME_SIZE], lsn_t lsn)
{
    snprintf(out, FILE_NAME_SIZE, "base-%020" PRIu64 ".dkv.tmp", lsn);
}

void spare_name(char out[FILE_NAME_SIZE], uint64_t number)
{
    snprintf(out, FILE_NAME_SIZE, "spare-%020" PRIu64 ".dkv", number);
}

void reserve_name(char out[FILE_NAME_SIZE], uint64_t number)
{
    snprintf(out, FILE_NAME_SIZE, "reserve-%020" PRIu64 ".dkv", number);
}

void value_name(char out[FILE_NAME_SIZE], lsn_t lsn, uint32_t number)
{
    snprintf(out, FILE_NAME_SIZE, "value-%020" PRIu64 "-%010" PRIu32 ".dkv", lsn, number);
}

/* A number in so many digits. */
static bool digits_parse(const char *digits, size_t count, uint64_t *number)
{
    size_t zeros = 0;
    while (zeros + 1 < count && digits[zeros] == '0')
        zeros++;
    return uint64_parse(slice_make(digits + zeros, count - zeros), number);
}

bool value_name_parse(const char *name, lsn_t *lsn, uint32_t *number)
{
    static const char before[] = "value-";
    static const char behind[] = ".dkv";
    const char *digits = name + sizeof(before) - 1;
    uint64_t parsed;
    if (strlen(name) != sizeof(before) + sizeof(behind) - 1 + DIGITS + VALUE_DIGITS ||
        memcmp(name, before, sizeof(before) - 1) != 0 || digits[DIGITS] != '-' ||
        strcmp(digits + DIGITS + 1 + VALUE_DIGITS, behind) != 0 || !digits_parse(digits, DIGITS, lsn) ||
        !digits_parse(digits + DIGITS + 1, VALUE_DIGITS, &parsed) || parsed > UINT32_MAX)
        return false;
    *number = (uint32_t)parsed;
    return true;
}

/* Exactly twenty digits, then exactly what follows. */
static bool numbered(const char *name, const char *before, const char *behind, uint64_t *number)
{
    size_t skip = strlen(before);
    if (strlen(name) != skip + DIGITS + strlen(behind) || memcmp(name, before, skip) != 0 ||
        strcmp(name + skip + DIGITS, behind) != 0)
        return false;
    return digits_parse(name + skip, DIGITS, number);
}

enum name_kind name_parse(const char *name, uint64_t *number)
{
    static const struct {
        const char *before;
        const char *behind;
        enum name_kind kind;
    } patterns[] = {{"log-", ".dkv", NAME_LOG},
                    {"base-", ".dkv", NAME_BASE},
                    {"spare-", ".dkv", NAME_SPARE},
                    {"reserve-", ".dkv", NAME_TEMPORARY},
                    {"base-", ".dkv.tmp", NAME_TEMPORARY}};
    *number = 0;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        if (numbered(name, patterns[i].before, patterns[i].behind, number))
            return patterns[i].kind;
    uint32_t value_number;
    if (value_name_parse(name, number, &value_number))
        return NAME_VALUE;
    *number = 0;
    return strcmp(name, MANIFEST_TEMPORARY) == 0 ? NAME_TEMPORARY : NAME_FOREIGN;
}

void name_collect(void *names, const char *name)
{
    uint64_t number;
    if (name_parse(name, &number) != NAME_FOREIGN)
        buffer_append(names, name, strlen(name) + 1);
}
