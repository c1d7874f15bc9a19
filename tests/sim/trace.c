#include "trace.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"

void trace_reset(struct trace *trace, bool print)
{
    trace->hash = 0;
    trace->lines = 0;
    trace->print = print;
    trace->muted = 0;
}

void trace_line(struct trace *trace, const char *format, ...)
{
    if (trace->muted && !trace->print)
        return;
    char scratch[TRACE_LINE_SIZE];
    char *line = trace->muted ? scratch : trace->kept[trace->lines % TRACE_LINES_KEPT];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, TRACE_LINE_SIZE, format, args);
    va_end(args);
    if (trace->print)
        printf("%s%s\n", trace->muted ? "    | " : "", line);
    if (trace->muted)
        return;
    if (size >= TRACE_LINE_SIZE)
        size = TRACE_LINE_SIZE - 1;
    trace->hash = hash_bytes(line, (size_t)size, trace->hash);
    trace->lines++;
}

void trace_print_kept(const struct trace *trace)
{
    uint64_t first = trace->lines > TRACE_LINES_KEPT ? trace->lines - TRACE_LINES_KEPT : 0;
    for (uint64_t i = first; i < trace->lines; i++)
        printf("  %s\n", trace->kept[i % TRACE_LINES_KEPT]);
}
