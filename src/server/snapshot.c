/* What the server tells about itself over HTTP and, at its end, in its log. */
#include <sys/resource.h>
#include <unistd.h>

#include "base/diag.h"
#include "command/world.h"
#include "http/metrics.h"
#include "server/server.h"

static uint64_t timeval_us(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

static void snapshot_journal(struct server *server, struct metrics_source *source)
{
    struct journal *journal = server->world->journal;
    source->has_journal = server->config->appendonly;
    engine_stats_read(server->engine, &source->engine);
    if (!journal)
        return;
    journal_stats_read(journal, &source->journal);
    source->lsn_executed = journal_executed(journal);
    source->lsn_written = journal_written(journal);
    source->lsn_durable = journal_durable(journal);
    source->disk_full = journal_full(journal) != NULL;
}

static void snapshot_process(struct server *server, struct metrics_source *source)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    source->cpu_us = timeval_us(&usage.ru_utime) + timeval_us(&usage.ru_stime);
    source->pid = getpid();
    source->now_ms = server->world->now_ms;
    source->started_ms = server->started_ms;
    source->uptime_us = server->world->monotonic_us - server->started_us;
    memory_stats_read(&source->memory);
    source->memory_peak = server->memory_peak;
    source->memory_max = server->config->maxmemory;
}

/* Good enough for durations once it was measured for so long: to a part in a hundred thousand. */
#define TICK_MEASURE_US 100000

static double measure_tick(struct server *server)
{
    double ns_per_tick = world_ns_per_tick(server->world);
    if (server->ns_per_tick == 0 && server->world->monotonic_us - server->started_us >= TICK_MEASURE_US)
        server->ns_per_tick = ns_per_tick;
    return server->ns_per_tick > 0 ? server->ns_per_tick : ns_per_tick;
}

void server_snapshot(void *context, struct metrics_source *source)
{
    struct server *server = context;
    keyspace_view_update(&server->keyspace_view);
    source->world = server->world;
    source->ns_per_tick = measure_tick(server);
    source->keyspace = &server->keyspace_view;
    source->routes = http_routes(server->http, &source->route_count);
    source->appendfsync = config_get(server->config, slice_of("appendfsync"));
    source->maxmemory_policy = config_get(server->config, slice_of("maxmemory-policy"));
    source->evicted_clients = server->evicted_clients;
    source->totals = server->world->stats;
    snapshot_process(server, source);
    snapshot_journal(server, source);
    net_stats_read(server->net, &source->net);
    loop_stats_read(server->loop, &source->loop);
    http_stats_read(server->http, &source->http);
    metrics_source_complete(source);
}

void server_log_summary(struct server *server)
{
    struct metrics_source source = {0};
    struct buffer text = {0};
    server_snapshot(server, &source);
    summary_write(&source, &text);
    const char *line = text.data;
    for (size_t left = text.size; left > 0;) {
        const char *end = memchr(line, '\n', left);
        diag(DIAG_NOTICE, "%.*s", (int)(end - line), line);
        left -= (size_t)(end - line) + 1;
        line = end + 1;
    }
    buffer_free(&text);
}
