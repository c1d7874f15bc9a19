/* Time as an argument: everything that needs "now" is given a clock, so that the simulator can turn its
 * hands. */
#ifndef DKV_BASE_CLOCK_H
#define DKV_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
    /* Microseconds since 1970-01-01 UTC. May jump. */
    int64_t (*wall_us)(struct clock *clock);
    /* Microseconds since some fixed point. Never goes back. */
    int64_t (*monotonic_us)(struct clock *clock);
};

/* The machine's own clock. Never freed. */
struct clock *clock_system(void);

/* Time that never runs back, made of a clock whose wall time may be set. It is the wall time where that is
 * ahead. When the wall clock is set back, this time goes on from where it was, at nine tenths of the pace,
 * until the wall clock has caught up. All zero before its first use. */
struct forward_time {
    int64_t now_us;             /* what it told last */
    bool is_ahead;              /* of the wall clock */
    int64_t begin_us;           /* while it is: what it was when that began, */
    int64_t begin_monotonic_us; /* and when that was */
};

/* Takes a look at the clock, and returns the time. */
int64_t forward_time_tell(struct forward_time *time, int64_t wall_us, int64_t monotonic_us);
/* From now on it is at least this. */
void forward_time_raise(struct forward_time *time, int64_t at_least_us, int64_t monotonic_us);

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
