/* Prometheus' text format. Every family of series is announced once, by its HELP and TYPE, and its series
 * follow each other; names of commands, routes and error codes need no quoting, as none holds a quote, a
 * backslash or a newline. */
#include "http/metrics.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/version.h"
#include "http/figures.h"

struct writer {
    const struct metrics_source *source;
    struct buffer *out;
};

static void family(struct buffer *out, const char *name, const char *type, const char *help)
{
    buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* --- plain figures ------------------------------------------------------------------------------------- */

static void write_value(struct buffer *out, const struct figure *figure, const void *value)
{
    switch (figure->kind) {
    case FIGURE_BOOL: buffer_append_char(out, *(const bool *)value ? '1' : '0'); return;
    case FIGURE_REAL: buffer_append_format(out, "%.9g", *(const double *)value * figure->scale); return;
    case FIGURE_INT:
        if (figure->scale == 1.0)
            buffer_append_int(out, *(const int64_t *)value);
        else
            buffer_append_format(out, "%.6f", (double)*(const int64_t *)value * figure->scale);
        return;
    case FIGURE_UINT:
        if (figure->scale == 1.0)
            buffer_append_format(out, "%" PRIu64, *(const uint64_t *)value);
        else
            buffer_append_format(out, "%.6f", (double)*(const uint64_t *)value * figure->scale);
        return;
    }
}

static void write_figures(const struct metrics_source *source, struct buffer *out)
{
    for (size_t i = 0; i < figure_count; i++) {
        const struct figure *figure = &figures[i];
        if (!figure->metric || (figure->of_journal && !source->has_journal))
            continue;
        family(out, figure->metric, figure->type == FIGURE_COUNTER ? "counter" : "gauge", figure->help);
        buffer_append_format(out, "%s ", figure->metric);
        write_value(out, figure, figure_at(figure, source));
        buffer_append_char(out, '\n');
    }
}

/* --- histograms ---------------------------------------------------------------------------------------- */

/* labels: those of the series, each followed by a comma; "" for none. */
static void write_counts(struct buffer *out, const char *name, const char *labels,
                         const uint64_t counts[BOUND_COUNT], uint64_t count, double sum)
{
    int size = (int)strlen(labels) - 1; /* without the last comma */
    for (size_t i = 0; i < BOUND_COUNT; i++)
        buffer_append_format(out, "%s_bucket{%sle=\"%g\"} %" PRIu64 "\n", name, labels, bounds_seconds[i],
                             counts[i]);
    buffer_append_format(out, "%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, count);
    const char *open = size > 0 ? "{" : "";
    const char *close = size > 0 ? "}" : "";
    if (size < 0)
        size = 0;
    buffer_append_format(out, "%s_sum%s%.*s%s %.9g\n", name, open, size, labels, close, sum);
    buffer_append_format(out, "%s_count%s%.*s%s %" PRIu64 "\n", name, open, size, labels, close, count);
}

/* A histogram in powers of two of microseconds, as the journal and the loop keep theirs. */
static void write_powers(struct buffer *out, const char *name, const uint64_t *buckets, size_t bucket_count,
                         uint64_t sum_us)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < bucket_count; i++) {
        seen += buckets[i];
        if (i + 1 < bucket_count)
            buffer_append_format(out, "%s_bucket{le=\"%.9g\"} %" PRIu64 "\n", name,
                                 (double)(UINT64_C(2) << i) / 1e6, seen);
    }
    buffer_append_format(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, seen);
    buffer_append_format(out, "%s_sum %.6f\n", name, (double)sum_us / 1e6);
    buffer_append_format(out, "%s_count %" PRIu64 "\n", name, seen);
}

/* --- commands ------------------------------------------------------------------------------------------ */

static void write_calls(void *context, const struct command_entry *entry)
{
    struct writer *writer = context;
    buffer_append_format(writer->out, "dkv_commands_total{command=\"%s\"} %" PRIu64 "\n", entry->full_name,
                         entry->stats.calls);
}

static void write_refusals(void *context, const struct command_entry *entry)
{
    struct writer *writer = context;
    buffer_append_format(writer->out, "dkv_commands_rejected_total{command=\"%s\"} %" PRIu64 "\n",
                         entry->full_name, entry->stats.rejected);
}

static void write_failures(void *context, const struct command_entry *entry)
{
    struct writer *writer = context;
    buffer_append_format(writer->out, "dkv_commands_failed_total{command=\"%s\"} %" PRIu64 "\n",
                         entry->full_name, entry->stats.failed);
}

static void write_durations(void *context, const struct command_entry *entry)
{
    struct writer *writer = context;
    const struct command_stats *stats = &entry->stats;
    uint64_t counts[BOUND_COUNT];
    char label[80];
    if (!stats->histogram)
        return;
    histogram_cumulate(stats->histogram, writer->source->ns_per_tick, counts);
    snprintf(label, sizeof(label), "command=\"%s\",", entry->full_name);
    write_counts(writer->out, "dkv_command_duration_seconds", label, counts, stats->histogram->count,
                 (double)stats->ticks * writer->source->ns_per_tick / 1e9);
}

static void write_commands(struct writer *writer)
{
    static const struct {
        const char *name;
        const char *type;
        const char *help;
        command_visit *write;
    } families[] = {
        {"dkv_commands_total", "counter", "Calls of commands that ran.", write_calls},
        {"dkv_commands_rejected_total", "counter", "Calls of commands that were refused before they ran.",
         write_refusals},
        {"dkv_commands_failed_total", "counter", "Calls of commands that ran and replied an error.",
         write_failures},
        {"dkv_command_duration_seconds", "histogram",
         "How long commands ran, without the wait for the disk (with latency-tracking yes).",
         write_durations},
    };
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        family(writer->out, families[i].name, families[i].type, families[i].help);
        commands_each(writer->source->world, families[i].write, writer);
    }
}

static void write_error(void *context, const char *code, uint64_t count)
{
    buffer_append_format(context, "dkv_errors_total{code=\"%s\"} %" PRIu64 "\n", code, count);
}

/* --- HTTP ---------------------------------------------------------------------------------------------- */

static void write_routes(struct writer *writer)
{
    const struct metrics_source *source = writer->source;
    struct buffer *out = writer->out;
    family(out, "dkv_http_requests_total", "counter", "HTTP requests answered.");
    for (size_t i = 0; i < source->route_count; i++) {
        const struct route_stats *route = &source->routes[i];
        for (size_t j = 0; j < route->status_count; j++)
            buffer_append_format(
                out, "dkv_http_requests_total{method=\"%s\",route=\"%s\",status=\"%d\"} %" PRIu64 "\n",
                route->method, route->route, route->statuses[j].status, route->statuses[j].count);
    }
    family(out, "dkv_http_request_duration_seconds", "histogram",
           "How long HTTP requests took to be answered, with the wait for the disk.");
    for (size_t i = 0; i < source->route_count; i++) {
        const struct route_stats *route = &source->routes[i];
        uint64_t counts[BOUND_COUNT];
        char labels[128];
        if (!route->histogram)
            continue;
        histogram_cumulate(route->histogram, writer->source->ns_per_tick, counts);
        snprintf(labels, sizeof(labels), "method=\"%s\",route=\"%s\",", route->method, route->route);
        write_counts(out, "dkv_http_request_duration_seconds", labels, counts, route->requests,
                     (double)route->ticks * writer->source->ns_per_tick / 1e9);
    }
}

/* --- the rest ------------------------------------------------------------------------------------------ */

static void write_keyspace(const struct keyspace_sample *sample, struct buffer *out)
{
    family(out, "dkv_keys", "gauge", "Keys, by database.");
    for (size_t i = 0; i < sample->count; i++)
        buffer_append_format(out, "dkv_keys{db=\"%d\"} %" PRIu64 "\n", sample->databases[i].database,
                             sample->databases[i].keys);
    family(out, "dkv_keys_volatile", "gauge", "Keys that have a time to live, by database.");
    for (size_t i = 0; i < sample->count; i++)
        buffer_append_format(out, "dkv_keys_volatile{db=\"%d\"} %" PRIu64 "\n", sample->databases[i].database,
                             sample->databases[i].volatile_keys);
    family(out, "dkv_keys_by_type", "gauge", "Keys, by database and by the type of their values.");
    for (size_t i = 0; i < sample->count; i++)
        for (int type = 0; type < VALUE_TYPE_COUNT; type++)
            buffer_append_format(out, "dkv_keys_by_type{db=\"%d\",type=\"%s\"} %" PRIu64 "\n",
                                 sample->databases[i].database, value_type_name((enum value_type)type),
                                 sample->databases[i].types[type]);
    family(out, "dkv_hashes_timed", "gauge", "Hashes of which some field has a time to live, by database.");
    for (size_t i = 0; i < sample->count; i++)
        buffer_append_format(out, "dkv_hashes_timed{db=\"%d\"} %" PRIu64 "\n", sample->databases[i].database,
                             sample->databases[i].timed_hashes);
}

static void write_waits(const struct engine_stats *engine, struct buffer *out)
{
    uint64_t counts[BOUND_COUNT] = {0};
    uint64_t count = 0;
    if (engine->write_waits) {
        histogram_cumulate(engine->write_waits, 1000, counts);
        count = engine->write_waits->count;
    }
    write_counts(out, "dkv_write_wait_seconds", "", counts, count,
                 (double)engine->write_waits_us_total / 1e6);
}

static void write_journal(const struct metrics_source *source, struct buffer *out)
{
    const struct engine_stats *engine = &source->engine;
    family(out, "dkv_fsync_duration_seconds", "histogram", "How long fsyncs of the log took.");
    write_powers(out, "dkv_fsync_duration_seconds", source->journal.sync_latency, LATENCY_BUCKETS,
                 source->journal.sync_us_total);
    family(out, "dkv_write_wait_seconds", "histogram",
           "How long writes took from the beginning of the round they ran in until they were acknowledged.");
    write_waits(engine, out);
    family(out, "dkv_rewrites_total", "counter", "Rewrites of the log that have ended.");
    buffer_append_format(out, "dkv_rewrites_total{result=\"ok\"} %" PRIu64 "\n", engine->rewrites);
    buffer_append_format(out, "dkv_rewrites_total{result=\"failed\"} %" PRIu64 "\n", engine->rewrites_failed);
    family(out, "dkv_rewrite_duration_seconds_total", "counter", "Time that rewrites took, all together.");
    buffer_append_format(out, "dkv_rewrite_duration_seconds_total %.6f\n",
                         (double)engine->rewrite_us_total / 1e6);
    if (engine->last_rewrite_us < 0)
        return;
    family(out, "dkv_rewrite_last_duration_seconds", "gauge", "How long the last rewrite took.");
    buffer_append_format(out, "dkv_rewrite_last_duration_seconds %.6f\n",
                         (double)engine->last_rewrite_us / 1e6);
}

void metrics_write(const struct metrics_source *source, struct buffer *out)
{
    struct writer writer = {source, out};
    family(out, "dkv_build_info", "gauge", "1, labelled with what runs.");
    buffer_append_format(out, "dkv_build_info{version=\"%s\",redis_version=\"%s\",appendfsync=\"%s\"} 1\n",
                         DKV_VERSION, REDIS_VERSION, source->has_journal ? source->appendfsync : "none");
    write_figures(source, out);
    write_commands(&writer);
    family(out, "dkv_errors_total", "counter", "Errors replied, by code.");
    error_stats_each(source->world, write_error, out);
    write_keyspace(&source->keyspace->shown, out);
    if (source->has_journal)
        write_journal(source, out);
    family(out, "dkv_event_loop_lag_seconds", "histogram",
           "How long rounds of the event loop took: so long has an event to wait at the most.");
    write_powers(out, "dkv_event_loop_lag_seconds", source->loop.durations, LOOP_BUCKETS,
                 source->loop.busy_us);
    if (source->routes)
        write_routes(&writer);
}
