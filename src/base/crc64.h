/* The CRC with which Redis protects what DUMP gives: 64 bits, Jones' polynomial 0xad93d23594c935a9,
 * reflected, beginning at 0 and not inverted. */
#ifndef DKV_BASE_CRC64_H
#define DKV_BASE_CRC64_H

#include <stddef.h>
#include <stdint.h>

uint64_t crc64(uint64_t crc, const void *data, size_t size);

#endif
