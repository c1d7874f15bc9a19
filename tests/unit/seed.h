/* A random seed that can be given again. */
#ifndef DKV_TESTS_SEED_H
#define DKV_TESTS_SEED_H

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"

/* A new seed each time; TEST_SEED=<number> repeats a run. */
static inline void test_random(struct random *random, const char *test)
{
    uint64_t seed;
    const char *given = getenv("TEST_SEED");
    if (given != NULL)
        seed = strtoull(given, NULL, 10);
    else
        random_secure(&seed, sizeof(seed));
    printf("%s: TEST_SEED=%llu\n", test, (unsigned long long)seed);
    random_seed(random, seed);
}

#endif
