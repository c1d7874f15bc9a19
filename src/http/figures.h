/* The table of plain figures: one number each, with the names that it has in Prometheus' text and in JSON. */
#ifndef DKV_HTTP_FIGURES_H
#define DKV_HTTP_FIGURES_H

#include "http/metrics.h"

enum figure_type { FIGURE_COUNTER, FIGURE_GAUGE };
enum figure_kind { FIGURE_UINT, FIGURE_INT, FIGURE_BOOL, FIGURE_REAL };

struct figure {
    const char *section; /* the object in JSON; figures of one section follow each other */
    const char *name;    /* in JSON, with its unit */
    const char *metric;  /* Prometheus' name; NULL: only in JSON */
    const char *help;
    size_t offset; /* in struct metrics_source */
    double scale;  /* of Prometheus' unit to what is kept: seconds and bytes there */
    enum figure_type type;
    enum figure_kind kind;
    bool of_journal; /* told only if there is one */
};

extern const struct figure figures[];
extern const size_t figure_count;

static inline const void *figure_at(const struct figure *figure, const struct metrics_source *source)
{
    return (const char *)source + figure->offset;
}

/* --- histograms ---------------------------------------------------------------------------------------- */

/* Upper bounds that durations are told by: 1, 2, 5 times powers of ten, from 100 ns to 10 s. */
#define BOUND_COUNT 25
extern const double bounds_seconds[BOUND_COUNT];

/* How many values lie up to each bound. */
void histogram_cumulate(const struct latency_histogram *histogram, double ns_per_tick,
                        uint64_t counts[BOUND_COUNT]);

/* Calls visit for each command and subcommand that was called or refused. */
typedef void command_visit(void *context, const struct command_entry *entry);
void commands_each(const struct world *world, command_visit *visit, void *context);

#endif
