/* Time as an argument: everything that needs "now" is given a clock, so that the simulator can turn its
 * hands. */
#ifndef DKV_BASE_CLOCK_H
#define DKV_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    /* Microseconds since 1970-01-01 UTC. May jump. */
    int64_t (*wall_us)(struct clock *clock);
    /* Microseconds since some fixed point. Never goes back. */
    int64_t (*monotonic_us)(struct clock *clock);
};

/* The machine's own clock. Never freed. */
struct clock *clock_system(void);

static inline int64_t clock_wall_us(struct clock *clock)
{
    return clock->wall_us(clock);
}

static inline int64_t clock_wall_ms(struct clock *clock)
{
    return clock->wall_us(clock) / 1000;
}

static inline int64_t clock_monotonic_us(struct clock *clock)
{
    return clock->monotonic_us(clock);
}

#endif
