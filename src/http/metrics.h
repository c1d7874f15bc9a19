/* What the server tells about itself: in Prometheus' text format, as JSON for the live page, and as a short
 * table in the log. All three are written from one snapshot, and their plain figures from one table
 * (figures.h). */
#ifndef DKV_HTTP_METRICS_H
#define DKV_HTTP_METRICS_H

#include "base/memory.h"
#include "engine/engine.h"
#include "http/http.h"
#include "http/keyspace_view.h"
#include "http/route_stats.h"
#include "net/loop.h"
#include "net/net.h"

struct metrics_source {
    const struct world *world; /* for the command table, errors and the slow log */
    const struct keyspace_view *keyspace;
    const struct route_stats *routes; /* NULL: no HTTP */
    size_t route_count;

    const char *appendfsync;      /* as the configuration names it */
    const char *maxmemory_policy; /* the same */
    int64_t now_ms;               /* wall clock */
    int64_t started_ms;
    int64_t uptime_us;
    int64_t pid;
    uint64_t cpu_us; /* of all threads */
    /* The length of a tick, the same from one snapshot to the next: were it measured anew each time, sums of
     * durations could seem to fall, and a counter that falls counts as one that began anew. */
    double ns_per_tick;
    bool loading;
    bool has_journal;
    bool disk_full;
    uint64_t lsn_executed;
    uint64_t lsn_written;
    uint64_t lsn_durable;
    uint64_t live_bytes;  /* about what the log would take after a rewrite */
    uint64_t stale_bytes; /* of the log that says nothing about the state any more */
    double stale_ratio;
    bool last_rewrite_failed;
    uint64_t evicted_clients;
    uint64_t memory_peak;
    uint64_t memory_max; /* 0: no limit */
    struct http_stats http;
    struct world_stats totals;
    struct memory_stats memory;
    struct net_stats net;
    struct loop_stats loop;
    struct engine_stats engine;
    struct journal_stats journal;
};

/* Fills in what follows from others of its fields. */
void metrics_source_complete(struct metrics_source *source);

/* Prometheus' text format 0.0.4. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
void metrics_write(const struct metrics_source *source, struct buffer *out);
/* One object; the live page reads it. with_slow: with the slow log, which shows arguments of commands. */
void stats_json_write(const struct metrics_source *source, bool with_slow, struct buffer *out);
/* Lines of what was asked for and how long it took, for people; nothing if nothing was. */
void summary_write(const struct metrics_source *source, struct buffer *out);

#endif
