#include "base/diag.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A line longer than this is cut. */
#define LINE_MAX_BYTES 4096

/* A sink and its context, which must be seen together. Threads read the newest without a lock (a lock could
 * be held by another thread at a fork, and the child would wait for ever), so an old one is never freed:
 * there are few in a process's life, and each keeps hold of the one before it. */
struct sink {
    diag_sink *function;
    void *context;
    struct sink *previous;
};

static void standard_error_sink(void *context, enum diag_level level, const char *text)
{
    (void)context;
    (void)level;
    /* One call, so that lines of several threads do not mix. */
    dprintf(STDERR_FILENO, "%s\n", text);
}

static struct sink default_sink = {.function = standard_error_sink};
static _Atomic(struct sink *) current_sink = &default_sink;
static atomic_int current_level = DIAG_NOTICE;

void diag_set_level(enum diag_level level)
{
    atomic_store(&current_level, (int)level);
}

enum diag_level diag_get_level(void)
{
    return (enum diag_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

void diag_set_sink(diag_sink *sink, void *context)
{
    struct sink *next = malloc(sizeof(*next));
    if (next == NULL)
        panic("out of memory");
    *next = (struct sink){sink == NULL ? standard_error_sink : sink, context, NULL};
    next->previous = atomic_load(&current_sink);
    while (!atomic_compare_exchange_weak(&current_sink, &next->previous, next))
        continue;
}

static void __attribute__((format(printf, 2, 0)))
diag_line(enum diag_level level, const char *format, va_list args)
{
    char text[LINE_MAX_BYTES];
    vsnprintf(text, sizeof(text), format, args);
    struct sink *sink = atomic_load(&current_sink);
    sink->function(sink->context, level, text);
}

void diag(enum diag_level level, const char *format, ...)
{
    if (level < diag_get_level())
        return;
    va_list args;
    va_start(args, format);
    diag_line(level, format, args);
    va_end(args);
}

void panic(const char *format, ...)
{
    static _Thread_local bool panicking;
    va_list args;
    va_start(args, format);
    if (panicking) /* the sink itself failed: say so past it */
        vdprintf(STDERR_FILENO, format, args);
    else {
        panicking = true;
        diag_line(DIAG_WARNING, format, args);
    }
    va_end(args);
    abort();
}
