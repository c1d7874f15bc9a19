/* What is counted of the HTTP requests to one route. */
#ifndef DKV_HTTP_ROUTE_STATS_H
#define DKV_HTTP_ROUTE_STATS_H

#include "command/observe/latency.h"

/* There are not so many that this server answers with. */
#define ROUTE_STATUSES_MAX 32

/* All zero but for the names is one that nobody has asked for yet. */
struct route_stats {
    const char *method; /* "GET"; static */
    char route[32];     /* "/kv/{key}" */
    uint64_t requests;
    uint64_t failed; /* answered with 400 or above, but for what is only absent (404) or as asked (412) */
    uint64_t ticks;  /* from the request's head to its answer, the wait for the disk included */
    struct {
        int status;
        uint64_t count;
    } statuses[ROUTE_STATUSES_MAX];
    size_t status_count;
    struct latency_histogram *histogram; /* NULL: nothing was counted */
};

/* A request was answered. ticks as world_ticks counts them. */
void route_stats_add(struct route_stats *stats, int status, uint64_t ticks);
/* Forgets what was counted, and frees the histogram. */
void route_stats_reset(struct route_stats *stats);

#endif
