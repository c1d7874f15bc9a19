/* What happened, as lines of text: hashed, so that two runs of one seed can be compared; the last ones kept,
 * so that a failure can show what led to it; printed as they come when asked for. */
#ifndef DKV_SIM_TRACE_H
#define DKV_SIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#define TRACE_LINES_KEPT 120
#define TRACE_LINE_SIZE  200

struct trace {
    uint64_t hash;
    uint64_t lines;
    bool print;
    int muted; /* above 0: neither hashed nor kept */
    char kept[TRACE_LINES_KEPT][TRACE_LINE_SIZE];
};

void trace_reset(struct trace *trace, bool print);
void trace_line(struct trace *trace, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The last lines, oldest first, to standard output. */
void trace_print_kept(const struct trace *trace);

#endif
