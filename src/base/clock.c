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

struct clock *clock_system(void)
{
    static struct clock clock = {system_wall_us, system_monotonic_us};
    return &clock;
}
