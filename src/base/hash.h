/* Hashing and checksums: XXH3-64 of libxxhash (xxHash specification, XXH3). */
#ifndef DKV_BASE_HASH_H
#define DKV_BASE_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/bytes.h"

static inline uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

static inline uint64_t hash_slice(struct slice slice, uint64_t seed)
{
    return XXH3_64bits_withSeed(slice.data, slice.size, seed);
}

#endif
