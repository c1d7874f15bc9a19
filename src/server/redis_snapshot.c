#include "server/redis_snapshot.h"

#include <stdint.h>
#include <string.h>

/* A snapshot is "REDIS" with a version in four digits; pieces, each of which begins with one of these bytes;
 * an end; and a checksum of eight bytes. Every other byte is the type of a key, or says something of one. */
enum { SNAPSHOT_NOTE = 0xfa, SNAPSHOT_SIZES = 0xfb, SNAPSHOT_DATABASE = 0xfe, SNAPSHOT_END = 0xff };

#define NOTE_MAX 65536 /* a note is a version, a time or the like */

static bool skip(FILE *file, uint64_t size)
{
    for (; size > 0; size--)
        if (getc(file) == EOF)
            return false;
    return true;
}

static bool read_big_endian(FILE *file, int bytes, uint64_t *number)
{
    for (*number = 0; bytes > 0; bytes--) {
        int byte = getc(file);
        if (byte == EOF)
            return false;
        *number = *number << 8 | (unsigned)byte;
    }
    return true;
}

/* A length: 6 bits, 14, 32 or 64. A string that is written as a number has *number instead: its bytes. */
static bool read_length(FILE *file, uint64_t *length, int *number)
{
    int first = getc(file);
    *number = 0;
    *length = (unsigned)first & 63;
    if (first == EOF)
        return false;
    switch (first >> 6) {
    case 0: return true;
    case 1: {
        uint64_t low;
        bool ok = read_big_endian(file, 1, &low);
        *length = *length << 8 | low;
        return ok;
    }
    case 2: return (first == 0x80 || first == 0x81) && read_big_endian(file, first == 0x80 ? 4 : 8, length);
    default: *number = *length < 3 ? 1 << *length : 0; return *number > 0;
    }
}

static bool skip_string(FILE *file)
{
    uint64_t length;
    int number;
    if (!read_length(file, &length, &number))
        return false;
    return skip(file, number ? (uint64_t)number : length) && length <= NOTE_MAX;
}

/* What a database says of its size; false where it is not zero. */
static bool sizes_are_zero(FILE *file)
{
    uint64_t keys;
    uint64_t expires;
    int number;
    return read_length(file, &keys, &number) && !number && read_length(file, &expires, &number) && !number &&
           keys == 0 && expires == 0;
}

bool redis_snapshot_is_empty(FILE *file)
{
    char begin[9];
    uint64_t database;
    int number;
    if (fread(begin, 1, sizeof(begin), file) != sizeof(begin) || memcmp(begin, "REDIS", 5) != 0)
        return false;
    for (;;) {
        bool ok = false;
        switch (getc(file)) {
        case SNAPSHOT_NOTE: ok = skip_string(file) && skip_string(file); break;
        case SNAPSHOT_DATABASE: ok = read_length(file, &database, &number) && !number; break;
        case SNAPSHOT_SIZES: ok = sizes_are_zero(file); break;
        case SNAPSHOT_END: return memcmp(begin + 5, "0005", 4) < 0 || (skip(file, 8) && getc(file) == EOF);
        default: return false;
        }
        if (!ok)
            return false;
    }
}
