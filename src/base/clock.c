#include "base/clock.h"

#include <time.h>

static int64_t clock_read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t system_wall_us(struct clock *clock)
{
    (void)clock;
    return clock_read_us(CLOCK_REALTIME);
}

static int64_t system_monotonic_us(struct clock *clock)
{
    (void)clock;
    return clock_read_us(CLOCK_MONOTONIC);
}

/* While it is ahead. */
static int64_t slow_time(const struct forward_time *time, int64_t monotonic_us)
{
    int64_t at_us = time->begin_us + (monotonic_us - time->begin_monotonic_us) / 10 * 9;
    return at_us > time->now_us ? at_us : time->now_us;
}

int64_t forward_time_tell(struct forward_time *time, int64_t wall_us, int64_t monotonic_us)
{
    int64_t at_us = time->is_ahead ? slow_time(time, monotonic_us) : time->now_us;
    if (wall_us >= at_us) {
        time->is_ahead = false;
        time->now_us = wall_us;
        return wall_us;
    }
    time->now_us = at_us;
    if (!time->is_ahead)
        forward_time_raise(time, at_us, monotonic_us);
    return at_us;
}

void forward_time_raise(struct forward_time *time, int64_t at_least_us, int64_t monotonic_us)
{
    if (at_least_us < time->now_us)
        return;
    *time = (struct forward_time){at_least_us, true, at_least_us, monotonic_us};
}

struct clock *clock_system(void)
{
    static struct clock clock = {system_wall_us, system_monotonic_us};
    return &clock;
}
