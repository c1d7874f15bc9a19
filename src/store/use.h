/* What is remembered of an entry's use, in the 24 bits that its header has for it. Private to the store.
 *
 * Either the time of last use: seconds, wrapping. Or the frequency, after Redis's LFU: 16 bits of minutes,
 * when it was brought up to date, and an 8-bit counter that grows with a chance that is the smaller the
 * higher it is, so that 255 stands for a million uses (with log_factor 10), and that time takes away from. */
#ifndef DKV_STORE_USE_H
#define DKV_STORE_USE_H

#include "base/random.h"
#include "store/entry.h"

#define USE_BITS 24
#define USE_MASK ((UINT32_C(1) << USE_BITS) - 1)
/* What a new entry's counter begins with, so that it is not the first to go. */
#define FREQUENCY_NEW 5

struct use {
    struct use_settings settings;
    uint32_t seconds; /* now, as an entry keeps it */
    uint32_t minutes;
};

void use_set_time(struct use *use, int64_t now_ms);
/* What a new entry has. */
uint32_t use_new(const struct use *use);
/* The counter as it is now. */
int use_frequency(const struct use *use, const struct entry *entry);
void use_set_frequency(const struct use *use, struct entry *entry, int frequency);
void use_count(const struct use *use, struct random *random, struct entry *entry);

/* Written only when it changes: most uses of an entry fall into the same second as the one before, and a
 * write takes the cache line away from others and copies a page that a forked child shares. */
static inline void use_touch(const struct use *use, struct random *random, struct entry *entry)
{
    if (use->settings.frequency)
        use_count(use, random, entry);
    else if (entry->use != use->seconds)
        entry->use = use->seconds & USE_MASK;
}

#endif
