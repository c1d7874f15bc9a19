/* How long commands take, each in a histogram of its own, and the moments at which anything took too long.
 *
 * A histogram counts ticks of the processor's counter, so that noting one costs a few instructions and no
 * system call; ticks become time when somebody asks. Below 64 ticks each value has its bucket; above, each
 * power of two has 64, so that a value is told to a part in 64. */
#ifndef DKV_COMMAND_LATENCY_H
#define DKV_COMMAND_LATENCY_H

#include "command/call.h"

#define HISTOGRAM_BITS    6
#define HISTOGRAM_OCTAVE  (1 << HISTOGRAM_BITS)
#define HISTOGRAM_OCTAVES 38 /* 2^43 ticks are most of an hour, at 3 GHz */
#define HISTOGRAM_BUCKETS (HISTOGRAM_OCTAVE * HISTOGRAM_OCTAVES)

struct latency_histogram {
    uint64_t count;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t ticks)
{
    if (ticks < HISTOGRAM_OCTAVE)
        return (unsigned)ticks;
    unsigned shift = 63U - (unsigned)__builtin_clzll(ticks) - HISTOGRAM_BITS;
    unsigned bucket = (shift << HISTOGRAM_BITS) + (unsigned)(ticks >> shift);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static inline void histogram_add(struct latency_histogram *histogram, uint64_t ticks)
{
    histogram->count++;
    histogram->buckets[histogram_bucket(ticks)]++;
}

/* The largest number of ticks that falls into a bucket. */
uint64_t histogram_bucket_end(unsigned bucket);
/* Ticks that share of the values did not exceed, 0 < share <= 1. */
uint64_t histogram_percentile(const struct latency_histogram *histogram, double share);

struct latency_events;
struct latency_events *latency_events_new(void);
void latency_events_free(struct latency_events *events);
/* What latency.c keeps of an event; use world_latency. */
void latency_note(struct world *world, const char *event, int64_t duration_us);

/* Something took so long (a literal names it), which LATENCY tells if that is too long. */
static inline void world_latency(struct world *world, const char *event, int64_t duration_us)
{
    if (world->settings.latency_us > 0 && duration_us >= world->settings.latency_us)
        latency_note(world, event, duration_us);
}

#endif
