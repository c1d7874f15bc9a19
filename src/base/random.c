#include "base/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/diag.h"

/* splitmix64 (Steele, Lea, Flood 2014): spreads a seed, however poor, over the whole state, which must not be
 * zero. */
static uint64_t splitmix_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void random_seed(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix_next(&seed);
}

static uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* The high half of a 128-bit product is uniform but for the few low halves below 2^64 mod bound (Lemire
 * 2019). */
uint64_t random_below(struct random *random, uint64_t bound)
{
    ASSERT(bound > 0);
    unsigned __int128 product = (unsigned __int128)random_next(random) * bound;
    if ((uint64_t)product < bound) {
        uint64_t reject_below = -bound % bound;
        while ((uint64_t)product < reject_below)
            product = (unsigned __int128)random_next(random) * bound;
    }
    return (uint64_t)(product >> 64);
}

void random_secure(void *out, size_t size)
{
    char *at = out;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            panic("the kernel gives no random bytes: %s", strerror(errno));
        at += got;
        size -= (size_t)got;
    }
}

void random_hex(char *out, size_t digits)
{
    random_secure(out, digits);
    for (size_t i = 0; i < digits; i++)
        out[i] = "0123456789abcdef"[out[i] & 15];
    out[digits] = '\0';
}
