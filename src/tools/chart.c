#include "tools/chart.h"

#include "base/diag.h"

#define FIRST_WIDTH_MS 1000

/* Every two cells become one. */
static void halve(struct chart *chart)
{
    for (size_t i = 0; i < CHART_CELLS; i++) {
        struct chart_cell cell = chart->cells[i];
        chart->cells[i] = (struct chart_cell){0};
        chart->cells[i / 2].frames += cell.frames;
        chart->cells[i / 2].bytes += cell.bytes;
    }
    chart->used = (chart->used + 1) / 2;
    chart->width_ms *= 2;
}

void chart_add(struct chart *chart, int64_t time_ms, uint64_t bytes)
{
    if (chart->width_ms == 0) {
        chart->first_ms = time_ms;
        chart->width_ms = FIRST_WIDTH_MS;
    }
    uint64_t since = time_ms > chart->first_ms ? (uint64_t)time_ms - (uint64_t)chart->first_ms : 0;
    while (since / chart->width_ms >= CHART_CELLS)
        halve(chart);
    size_t at = (size_t)(since / chart->width_ms);
    chart->cells[at].frames++;
    chart->cells[at].bytes += bytes;
    if (at >= chart->used)
        chart->used = at + 1;
}

void chart_narrow(struct chart *chart, size_t cells_max)
{
    ASSERT(cells_max > 0);
    while (chart->used > cells_max)
        halve(chart);
}
