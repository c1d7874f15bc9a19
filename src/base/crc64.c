/* Eight bytes at a time, from as many tables ("slicing by 8": Kounavis and Berry, "A systematic approach to
 * building high performance, software-based, CRC generators", 2005). */
#include "base/crc64.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

/* Jones' polynomial, its bits in reverse. */
#define POLYNOMIAL UINT64_C(0x95ac9329ac4bc9b5)

static uint64_t tables[8][256];

/* tables[n][b]: the CRC of a byte b with n bytes of zero behind it. */
static void tables_fill(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        tables[0][byte] = crc;
    }
    for (int behind = 1; behind < 8; behind++)
        for (unsigned byte = 0; byte < 256; byte++) {
            uint64_t crc = tables[behind - 1][byte];
            tables[behind][byte] = crc >> 8 ^ tables[0][crc & 0xff];
        }
}

uint64_t crc64(uint64_t crc, const void *data, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const unsigned char *at = data;
    pthread_once(&once, tables_fill);
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        crc ^= le64toh(word);
        uint64_t next = 0;
        for (int i = 0; i < 8; i++)
            next ^= tables[7 - i][crc >> (8 * i) & 0xff];
        crc = next;
    }
    for (; size > 0; size--, at++)
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xff];
    return crc;
}
