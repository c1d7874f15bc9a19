/* The table of requests that the log gets when the server stops. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "http/figures.h"

/* Rows; what was asked for less often is only counted. */
#define ROWS_MAX  12
#define TOTAL_MAX 256

struct row {
    char name[64];
    uint64_t count;
    uint64_t failed;
    const struct latency_histogram *histogram; /* NULL: it is not known how long these took */
};

struct rows {
    struct row list[TOTAL_MAX];
    size_t count;
};

static void rows_add(struct rows *rows, const struct row *row)
{
    if (row->count > 0 && rows->count < TOTAL_MAX)
        rows->list[rows->count++] = *row;
}

static void add_command(void *context, const struct command_entry *entry)
{
    struct row row = {.count = entry->stats.calls + entry->stats.rejected,
                      .failed = entry->stats.failed + entry->stats.rejected,
                      .histogram = entry->stats.histogram};
    snprintf(row.name, sizeof(row.name), "%s", entry->full_name);
    rows_add(context, &row);
}

static void add_routes(struct rows *rows, const struct metrics_source *source)
{
    for (size_t i = 0; i < source->route_count; i++) {
        const struct route_stats *route = &source->routes[i];
        struct row row = {.count = route->requests, .failed = route->failed, .histogram = route->histogram};
        snprintf(row.name, sizeof(row.name), "%s %s", route->method, route->route);
        rows_add(rows, &row);
    }
}

/* Most often first. */
static int row_compare(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return strcmp(left->name, right->name);
}

/* "840 ns", "12.3 us", "1.20 ms", "2.50 s". */
static void duration_format(char out[24], double ns)
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
    size_t i = 0;
    while (i < 3 && ns < units[i].ns)
        i++;
    double value = ns / units[i].ns;
    snprintf(out, 24, "%.*f %s", i == 3 || value >= 100 ? 0 : value >= 10 ? 1 : 2, value, units[i].unit);
}

static void write_row(struct buffer *out, const struct row *row, double ns_per_tick)
{
    static const double shares[] = {0.5, 0.99, 1};
    buffer_append_format(out, "  %-24s %12llu %9llu", row->name, (unsigned long long)row->count,
                         (unsigned long long)row->failed);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        char text[24] = "-";
        if (row->histogram && row->histogram->count)
            duration_format(text, (double)histogram_percentile(row->histogram, shares[i]) * ns_per_tick);
        buffer_append_format(out, " %9s", text);
    }
    buffer_append_char(out, '\n');
}

void summary_write(const struct metrics_source *source, struct buffer *out)
{
    struct rows *rows = mem_alloc_zero(sizeof(*rows));
    double ns_per_tick = source->ns_per_tick;
    commands_each(source->world, add_command, rows);
    add_routes(rows, source);
    qsort(rows->list, rows->count, sizeof(rows->list[0]), row_compare);
    if (rows->count > 0)
        buffer_append_format(out, "%-26s %12s %9s %9s %9s %9s\n", "requests", "number", "failed", "p50",
                             "p99", "longest");
    uint64_t others = 0;
    for (size_t i = 0; i < rows->count; i++) {
        if (i < ROWS_MAX)
            write_row(out, &rows->list[i], ns_per_tick);
        else
            others += rows->list[i].count;
    }
    if (others > 0)
        buffer_append_format(out, "  %-24s %12llu\n", "others", (unsigned long long)others);
    mem_free(rows);
}
