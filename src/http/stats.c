/* /stats: everything that the live page shows, as one JSON object. Durations since the start come as counts
 * by bucket, so that whoever asks twice can tell how long things took in between. */
#include <stdio.h>

#include "base/version.h"
#include "command/observe/observe.h"
#include "command/world.h"
#include "http/figures.h"
#include "http/json_writer.h"

/* Buckets of a command's histogram that are told as one: 8 are left of each power of two. */
#define BUCKETS_MERGED 8
#define MERGED_COUNT   (HISTOGRAM_BUCKETS / BUCKETS_MERGED)
#define SLOW_MAX       20

struct writer {
    const struct metrics_source *source;
    struct buffer *out;
    uint64_t reads;
    uint64_t writes;
    uint64_t merged[MERGED_COUNT]; /* over all commands */
};

static void json_literal(struct buffer *out, const char *name, const char *text)
{
    json_write_text(out, name, slice_of(text));
}

/* --- plain figures ------------------------------------------------------------------------------------- */

static void write_figure(struct buffer *out, const struct figure *figure, const void *value)
{
    switch (figure->kind) {
    case FIGURE_BOOL: json_write_bool(out, figure->name, *(const bool *)value); return;
    case FIGURE_REAL: json_write_real(out, figure->name, *(const double *)value); return;
    case FIGURE_INT: json_write_int(out, figure->name, *(const int64_t *)value); return;
    case FIGURE_UINT: json_write_uint(out, figure->name, *(const uint64_t *)value); return;
    }
}

static void write_extra(struct writer *writer, const char *section);

static void write_figures(struct writer *writer)
{
    const char *section = NULL;
    for (size_t i = 0; i < figure_count; i++) {
        const struct figure *figure = &figures[i];
        if (figure->of_journal && !writer->source->has_journal)
            continue;
        if (!section || strcmp(section, figure->section) != 0) {
            section = figure->section;
            json_write_object(writer->out, section);
        }
        write_figure(writer->out, figure, figure_at(figure, writer->source));
        bool is_last = i + 1 == figure_count || strcmp(section, figures[i + 1].section) != 0;
        if (is_last) {
            write_extra(writer, section);
            json_write_object_end(writer->out);
        }
    }
}

/* --- histograms ---------------------------------------------------------------------------------------- */

/* [bucket, its end in nanoseconds, count]; those that are empty are left out. */
static void write_bucket(struct buffer *out, size_t bucket, double end_ns, uint64_t count)
{
    if (count == 0)
        return;
    json_write_array(out, NULL);
    json_write_uint(out, NULL, bucket);
    json_write_uint(out, NULL, (uint64_t)end_ns);
    json_write_uint(out, NULL, count);
    json_write_array_end(out);
}

static void write_merged(struct buffer *out, const char *name, const uint64_t *merged, double ns_per_tick)
{
    json_write_array(out, name);
    for (size_t i = 0; i < MERGED_COUNT; i++) {
        uint64_t end = histogram_bucket_end((unsigned)((i + 1) * BUCKETS_MERGED - 1));
        write_bucket(out, i, (double)(end + 1) * ns_per_tick, merged[i]);
    }
    json_write_array_end(out);
}

static void write_powers(struct buffer *out, const char *name, const uint64_t *buckets, size_t count)
{
    json_write_array(out, name);
    for (size_t i = 0; i < count; i++)
        write_bucket(out, i, (double)(UINT64_C(2) << i) * 1e3, buckets[i]);
    json_write_array_end(out);
}

static void merge(uint64_t *merged, const struct latency_histogram *histogram)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        merged[i / BUCKETS_MERGED] += histogram->buckets[i];
}

static void write_percentiles(struct buffer *out, const struct latency_histogram *histogram,
                              double ns_per_tick)
{
    static const struct {
        const char *name;
        double share;
    } percentiles[] = {{"p50_us", 0.5}, {"p99_us", 0.99}, {"p999_us", 0.999}, {"max_us", 1}};
    for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]) && histogram; i++) {
        uint64_t ticks = histogram_percentile(histogram, percentiles[i].share);
        json_write_real(out, percentiles[i].name, (double)ticks * ns_per_tick / 1e3);
    }
}

/* --- commands ------------------------------------------------------------------------------------------ */

static void write_command(void *context, const struct command_entry *entry)
{
    struct writer *writer = context;
    const struct command_stats *stats = &entry->stats;
    struct buffer *out = writer->out;
    if (entry->row->flags & CMD_WRITE)
        writer->writes += stats->calls;
    else if (entry->row->flags & CMD_READONLY)
        writer->reads += stats->calls;
    json_write_object(out, NULL);
    json_literal(out, "name", entry->full_name);
    json_write_uint(out, "calls", stats->calls);
    json_write_uint(out, "failed", stats->failed);
    json_write_uint(out, "rejected", stats->rejected);
    json_write_real(out, "us", (double)stats->ticks * writer->source->ns_per_tick / 1e3);
    write_percentiles(out, stats->histogram, writer->source->ns_per_tick);
    json_write_object_end(out);
    if (stats->histogram)
        merge(writer->merged, stats->histogram);
}

static void write_error(void *context, const char *code, uint64_t count)
{
    json_write_uint(context, code, count);
}

static void write_commands(struct writer *writer)
{
    json_write_array(writer->out, "by_name");
    commands_each(writer->source->world, write_command, writer);
    json_write_array_end(writer->out);
    json_write_uint(writer->out, "reads", writer->reads);
    json_write_uint(writer->out, "writes", writer->writes);
    write_merged(writer->out, "durations", writer->merged, writer->source->ns_per_tick);
    json_write_object(writer->out, "errors_by_code");
    error_stats_each(writer->source->world, write_error, writer->out);
    json_write_object_end(writer->out);
}

/* --- the other sections -------------------------------------------------------------------------------- */

static void write_server(struct writer *writer)
{
    const struct metrics_source *source = writer->source;
    json_literal(writer->out, "version", DKV_VERSION);
    json_literal(writer->out, "redis_version", REDIS_VERSION);
    json_literal(writer->out, "appendfsync", source->has_journal ? source->appendfsync : "none");
}

/* An object of numbers of keys, by the names of types. */
static void write_types(struct writer *writer, const uint64_t *types)
{
    json_write_object(writer->out, "types");
    for (int type = 0; type < VALUE_TYPE_COUNT; type++)
        json_write_uint(writer->out, value_type_name((enum value_type)type), types[type]);
    json_write_object_end(writer->out);
}

static void write_keyspace(struct writer *writer)
{
    const struct keyspace_sample *sample = &writer->source->keyspace->shown;
    json_write_uint(writer->out, "keys", sample->keys);
    json_write_uint(writer->out, "volatile_keys", sample->volatile_keys);
    json_write_uint(writer->out, "timed_hashes", sample->timed_hashes);
    write_types(writer, sample->types);
    json_write_array(writer->out, "databases");
    for (size_t i = 0; i < sample->count; i++) {
        const struct database_figures *database = &sample->databases[i];
        json_write_object(writer->out, NULL);
        json_write_int(writer->out, "db", database->database);
        json_write_uint(writer->out, "keys", database->keys);
        json_write_uint(writer->out, "volatile_keys", database->volatile_keys);
        json_write_uint(writer->out, "timed_hashes", database->timed_hashes);
        write_types(writer, database->types);
        json_write_int(writer->out, "mean_ttl_ms", database->mean_ttl_ms);
        json_write_object_end(writer->out);
    }
    json_write_array_end(writer->out);
}

static void write_memory(struct writer *writer)
{
    json_literal(writer->out, "policy", writer->source->maxmemory_policy);
}

static void write_log(struct writer *writer)
{
    const struct journal_stats *journal = &writer->source->journal;
    json_write_uint(writer->out, "syncs", journal->syncs);
    json_write_uint(writer->out, "sync_us_total", journal->sync_us_total);
    uint64_t waits[MERGED_COUNT] = {0};
    if (writer->source->engine.write_waits)
        merge(waits, writer->source->engine.write_waits);
    write_merged(writer->out, "write_waits", waits, 1000);
    write_powers(writer->out, "sync_durations", journal->sync_latency, LATENCY_BUCKETS);
}

static void write_loop(struct writer *writer)
{
    write_powers(writer->out, "durations", writer->source->loop.durations, LOOP_BUCKETS);
}

static void write_extra(struct writer *writer, const char *section)
{
    static const struct {
        const char *section;
        void (*write)(struct writer *writer);
    } extras[] = {{"server", write_server}, {"commands", write_commands}, {"keyspace", write_keyspace},
                  {"memory", write_memory}, {"log", write_log},           {"loop", write_loop}};
    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++)
        if (strcmp(extras[i].section, section) == 0)
            extras[i].write(writer);
}

static void write_routes(struct writer *writer)
{
    const struct metrics_source *source = writer->source;
    struct buffer *out = writer->out;
    json_write_array(out, "http");
    for (size_t i = 0; i < source->route_count; i++) {
        const struct route_stats *route = &source->routes[i];
        if (route->requests == 0)
            continue;
        json_write_object(out, NULL);
        json_literal(out, "method", route->method);
        json_literal(out, "route", route->route);
        json_write_uint(out, "requests", route->requests);
        json_write_uint(out, "failed", route->failed);
        json_write_object(out, "statuses");
        for (size_t j = 0; j < route->status_count; j++) {
            char status[16];
            snprintf(status, sizeof(status), "%d", route->statuses[j].status);
            json_write_uint(out, status, route->statuses[j].count);
        }
        json_write_object_end(out);
        write_percentiles(out, route->histogram, writer->source->ns_per_tick);
        json_write_object_end(out);
    }
    json_write_array_end(out);
}

/* --- the slow log -------------------------------------------------------------------------------------- */

struct slow_writer {
    struct buffer *out;
    int64_t id_end; /* of the first that may not be told yet */
    int left;
};

static bool write_slow_command(void *context, const struct slow_command *command)
{
    struct slow_writer *writer = context;
    struct buffer *out = writer->out;
    if (command->id >= writer->id_end)
        return true;
    json_write_object(out, NULL);
    json_write_int(out, "id", command->id);
    json_write_int(out, "time_s", command->time_s);
    json_write_int(out, "us", command->duration_us);
    json_literal(out, "peer", command->peer);
    json_literal(out, "client", command->client);
    json_write_array(out, "words");
    for (int i = 0; i < command->argc; i++)
        json_write_text(out, NULL, buffer_slice(&command->argv[i]));
    json_write_array_end(out);
    json_write_object_end(out);
    return --writer->left > 0;
}

static void write_slow(struct writer *writer)
{
    const struct world *world = writer->source->world;
    struct slow_writer slow = {writer->out, writer->source->keyspace->shown.slow_id, SLOW_MAX};
    json_write_int(writer->out, "slower_than_us", world->settings.slowlog_us);
    json_write_array(writer->out, "slow");
    slowlog_each(world->slowlog, write_slow_command, &slow);
    json_write_array_end(writer->out);
}

void stats_json_write(const struct metrics_source *source, bool with_slow, struct buffer *out)
{
    struct writer writer = {.source = source, .out = out};
    json_write_object(out, NULL);
    write_figures(&writer);
    write_routes(&writer);
    if (with_slow)
        write_slow(&writer);
    json_write_object_end(out);
    buffer_append_char(out, '\n');
}
