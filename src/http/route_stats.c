#include "http/route_stats.h"

#include "base/diag.h"
#include "base/memory.h"

static void count_status(struct route_stats *stats, int status)
{
    size_t i = 0;
    while (i < stats->status_count && stats->statuses[i].status != status)
        i++;
    ASSERT(i < ROUTE_STATUSES_MAX);
    if (i == stats->status_count) {
        stats->status_count++;
        stats->statuses[i].status = status;
    }
    stats->statuses[i].count++;
}

void route_stats_add(struct route_stats *stats, int status, uint64_t ticks)
{
    stats->requests++;
    stats->failed += status >= 400 && status != 404 && status != 412;
    stats->ticks += ticks;
    count_status(stats, status);
    if (!stats->histogram)
        stats->histogram = mem_alloc_zero(sizeof(*stats->histogram));
    histogram_add(stats->histogram, ticks);
}

void route_stats_reset(struct route_stats *stats)
{
    mem_free(stats->histogram);
    struct route_stats blank = {.method = stats->method};
    memcpy(blank.route, stats->route, sizeof(blank.route));
    *stats = blank;
}
