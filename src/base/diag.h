/* Diagnostics: log lines for people, and assertions that stay on in release. */
#ifndef DKV_BASE_DIAG_H
#define DKV_BASE_DIAG_H

#include <stdarg.h>

enum diag_level { DIAG_DEBUG, DIAG_VERBOSE, DIAG_NOTICE, DIAG_WARNING };

/* Where lines go. Called from any thread; text is one line without its newline. */
typedef void diag_sink(void *context, enum diag_level level, const char *text);

/* Lines below level are dropped before they are formatted. Default: DIAG_NOTICE to standard error. */
void diag_set_level(enum diag_level level);
enum diag_level diag_get_level(void);
/* sink NULL restores the default. */
void diag_set_sink(diag_sink *sink, void *context);
void diag(enum diag_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says what happened and aborts. For what cannot go on: out of memory, a broken invariant. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Checked in every build; the condition must be cheap. */
#define ASSERT(condition)                                                                        \
    do {                                                                                         \
        if (__builtin_expect(!(condition), 0))                                                   \
            panic("assertion failed: %s (%s:%d, %s)", #condition, __FILE__, __LINE__, __func__); \
    } while (0)

#endif
