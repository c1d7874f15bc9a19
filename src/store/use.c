#include "store/use.h"

#define COUNTER_BITS 8
#define COUNTER_MASK ((UINT32_C(1) << COUNTER_BITS) - 1)
#define MINUTES_MASK (USE_MASK >> COUNTER_BITS)

static_assert(USE_FREQUENCY_MAX == COUNTER_MASK, "the counter's range");

/* --- Time --- */

static uint32_t seconds_of(int64_t now_ms)
{
    return (uint32_t)(now_ms / 1000) & USE_MASK;
}

void use_set_time(struct use *use, int64_t now_ms)
{
    use->seconds = seconds_of(now_ms);
    use->minutes = (uint32_t)(now_ms / 60000) & MINUTES_MASK;
}

int64_t entry_idle_ms(const struct entry *entry, int64_t now_ms)
{
    return (int64_t)((seconds_of(now_ms) - entry->use) & USE_MASK) * 1000;
}

void entry_set_idle_ms(struct entry *entry, int64_t now_ms, int64_t idle_ms)
{
    entry->use = seconds_of(now_ms - (idle_ms > now_ms ? now_ms : idle_ms)) & USE_MASK;
}

/* --- Frequency --- */

static uint32_t frequency_pack(const struct use *use, uint32_t counter)
{
    return use->minutes << COUNTER_BITS | counter;
}

uint32_t use_new(const struct use *use)
{
    return use->settings.frequency ? frequency_pack(use, FREQUENCY_NEW) : use->seconds;
}

int use_frequency(const struct use *use, const struct entry *entry)
{
    int64_t counter = entry->use & COUNTER_MASK;
    uint32_t passed = (use->minutes - (entry->use >> COUNTER_BITS)) & MINUTES_MASK;
    if (use->settings.decay_minutes > 0)
        counter -= passed / use->settings.decay_minutes;
    return counter > 0 ? (int)counter : 0;
}

void use_set_frequency(const struct use *use, struct entry *entry, int frequency)
{
    entry->use = frequency_pack(use, (uint32_t)frequency & COUNTER_MASK) & USE_MASK;
}

void use_count(const struct use *use, struct random *random, struct entry *entry)
{
    int counter = use_frequency(use, entry);
    int above = counter > FREQUENCY_NEW ? counter - FREQUENCY_NEW : 0;
    /* One in so many. */
    double rarity = (double)above * (double)use->settings.log_factor + 1;
    if (counter < USE_FREQUENCY_MAX && (double)(random_next(random) >> 32) * rarity < 0x1p32)
        counter++;
    uint32_t packed = frequency_pack(use, (uint32_t)counter);
    if (entry->use != packed)
        entry->use = packed & USE_MASK;
}
