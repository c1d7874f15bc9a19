#include "journal/names.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/number.h"

#define DIGITS 20

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

/* Exactly twenty digits, then exactly what follows. */
static bool numbered(const char *name, const char *before, const char *behind, uint64_t *number)
{
    size_t skip = strlen(before);
    if (strlen(name) != skip + DIGITS + strlen(behind) || memcmp(name, before, skip) != 0 ||
        strcmp(name + skip + DIGITS, behind) != 0)
        return false;
    const char *digits = name + skip;
    size_t zeros = strspn(digits, "0");
    if (zeros >= DIGITS)
        zeros = DIGITS - 1;
    return uint64_parse(slice_make(digits + zeros, DIGITS - zeros), number);
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
                    {"base-", ".dkv.tmp", NAME_TEMPORARY}};
    *number = 0;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        if (numbered(name, patterns[i].before, patterns[i].behind, number))
            return patterns[i].kind;
    return strcmp(name, MANIFEST_TEMPORARY) == 0 ? NAME_TEMPORARY : NAME_FOREIGN;
}

void name_collect(void *names, const char *name)
{
    uint64_t number;
    if (name_parse(name, &number) != NAME_FOREIGN)
        buffer_append(names, name, strlen(name) + 1);
}
