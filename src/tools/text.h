/* Times, sizes and progress as people read them. */
#ifndef DKV_TOOLS_TEXT_H
#define DKV_TOOLS_TEXT_H

#include "tools/log.h"

#define TIME_TEXT_SIZE   40
#define SIZE_TEXT_SIZE   32
#define HOLDER_TEXT_SIZE 32

/* "2026-11-20T10:47:12.345Z", in UTC; out-of-range times as a number with "ms". Returns out. */
const char *time_text(char out[TIME_TEXT_SIZE], int64_t time_ms);
/* Reads a date, or a date and a time ("2026-11-20 10:47", "2026-11-20T10:47:12.345+01:00"; UTC unless it says
 * otherwise), or "@" and seconds since 1970. False when it is none. */
bool time_parse(const char *text, int64_t *time_ms);
/* Seconds since 1970, with a fraction or without. */
bool seconds_parse(const char *text, int64_t *time_ms);
/* "1.50M", or "none". Returns out. */
const char *size_text(char out[SIZE_TEXT_SIZE], uint64_t bytes);
/* "s" unless count is one. */
const char *plural(uint64_t count);

/* "process 123", or "another process" when that is not known. Returns out. */
const char *holder_text(char out[HOLDER_TEXT_SIZE], int holder);
/* Copies text, cut where the room for it ends. */
void text_cut(char *out, size_t size, const char *text);

/* A progress bar on a terminal, nothing elsewhere. */
struct progress {
    struct tool *tool;
    uint64_t total;
    uint64_t done;
    int64_t drawn_us; /* 0: not yet */
};

void progress_begin(struct progress *progress, struct tool *tool, uint64_t total);
/* label: what is being read. Draws about ten times a second. */
void progress_add(struct progress *progress, uint64_t bytes, const char *label);
/* Leaves the terminal's line as it was. */
void progress_end(struct progress *progress);

#endif
