/* Frames over time, in cells of equal width that grow as the time covered does. */
#ifndef DKV_TOOLS_CHART_H
#define DKV_TOOLS_CHART_H

#include "journal/frame.h"

#define CHART_CELLS 512

struct chart_cell {
    uint64_t frames;
    uint64_t bytes; /* of payload */
};

/* All zero is an empty chart. */
struct chart {
    int64_t first_ms;
    uint64_t width_ms; /* of a cell; 0: empty */
    size_t used;       /* cells up to the last that holds something */
    struct chart_cell cells[CHART_CELLS];
};

/* A time before the first one (a clock that was turned back) counts in the first cell. */
void chart_add(struct chart *chart, int64_t time_ms, uint64_t bytes);
/* Makes cells wider until at most so many are used. */
void chart_narrow(struct chart *chart, size_t cells_max);

#endif
