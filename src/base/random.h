/* Random numbers: a fast seeded generator (xoshiro256**, Blackman and Vigna 2018) and the kernel's for
 * secrets. */
#ifndef DKV_BASE_RANDOM_H
#define DKV_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

/* The same seed gives the same sequence on every machine. */
void random_seed(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/* Uniform in [0, bound); bound must be above 0. */
uint64_t random_below(struct random *random, uint64_t bound);
/* Fills from the kernel's generator; aborts if it cannot. */
void random_secure(void *out, size_t size);
/* Writes digits lower-case hexadecimal digits and a NUL from the kernel's generator (run ids). */
void random_hex(char *out, size_t digits);

#endif
