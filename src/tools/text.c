#include "tools/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "base/number.h"

#define DRAW_US   100000
#define BAR_CELLS 32

static void say(struct tool *tool, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void say(struct tool *tool, const char *format, va_list args)
{
    fputs("dkv-log: ", tool->error);
    vfprintf(tool->error, format, args);
    fputc('\n', tool->error);
}

int tool_fail(struct tool *tool, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(tool, format, args);
    va_end(args);
    return STATUS_PROBLEM;
}

void tool_note(struct tool *tool, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(tool, format, args);
    va_end(args);
}

/* --- times -------------------------------------------------------------------------------------------- */

const char *time_text(char out[TIME_TEXT_SIZE], int64_t time_ms)
{
    struct tm parts;
    char day[TIME_TEXT_SIZE];
    int64_t ms = time_ms % 1000;
    time_t seconds = (time_t)(time_ms / 1000);
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    /* A year of five digits or more is not a time that anything was written at. */
    if (!gmtime_r(&seconds, &parts) || parts.tm_year > 9999 - 1900 || parts.tm_year < -1900 ||
        strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
        snprintf(out, TIME_TEXT_SIZE, "%" PRId64 "ms", time_ms);
        return out;
    }
    snprintf(out, TIME_TEXT_SIZE, "%.19s.%03dZ", day, (int)ms);
    return out;
}

/* Digits behind the point, as milliseconds. Returns what follows them. */
static const char *parse_fraction(const char *text, int64_t *ms)
{
    int64_t unit = 100;
    *ms = 0;
    if (*text != '.' || text[1] < '0' || text[1] > '9')
        return text;
    for (text++; *text >= '0' && *text <= '9'; text++) {
        *ms += (*text - '0') * unit;
        unit /= 10;
    }
    return text;
}

/* "Z", "+01:00", "+0100" or nothing. False when it is something else. */
static bool parse_zone(const char *text, int64_t *offset_ms)
{
    int hours;
    int minutes;
    int used = 0;
    *offset_ms = 0;
    if (*text == '\0' || ((*text == 'Z' || *text == 'z') && text[1] == '\0'))
        return true;
    if ((*text != '+' && *text != '-') ||
        ((sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || text[1 + used] != '\0') &&
         (sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &used) != 2 || text[1 + used] != '\0')))
        return false;
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *offset_ms = ((int64_t)hours * 60 + minutes) * 60000 * (*text == '-' ? -1 : 1);
    return true;
}

bool seconds_parse(const char *text, int64_t *time_ms)
{
    size_t digits = strspn(text, "0123456789");
    int64_t seconds;
    int64_t ms;
    if (!int64_parse(slice_make(text, digits), &seconds) || seconds > INT64_MAX / 1000 - 1)
        return false;
    if (*parse_fraction(text + digits, &ms) != '\0')
        return false;
    *time_ms = seconds * 1000 + ms;
    return true;
}

bool time_parse(const char *text, int64_t *time_ms)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                          "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    if (*text == '@')
        return seconds_parse(text + 1, time_ms);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm parts = {0};
        const char *rest = strptime(text, formats[i], &parts);
        int64_t ms;
        int64_t zone_ms;
        if (!rest || !parse_zone(parse_fraction(rest, &ms), &zone_ms))
            continue;
        *time_ms = (int64_t)timegm(&parts) * 1000 + ms - zone_ms;
        return true;
    }
    return false;
}

/* --- sizes -------------------------------------------------------------------------------------------- */

const char *size_text(char out[SIZE_TEXT_SIZE], uint64_t bytes)
{
    byte_size_format(out, bytes);
    return out;
}

const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

const char *holder_text(char out[HOLDER_TEXT_SIZE], int holder)
{
    if (holder > 0)
        snprintf(out, HOLDER_TEXT_SIZE, "process %d", holder);
    else
        snprintf(out, HOLDER_TEXT_SIZE, "another process");
    return out;
}

void text_cut(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    memcpy(out, text, length);
    out[length] = '\0';
}

/* --- progress ----------------------------------------------------------------------------------------- */

void progress_begin(struct progress *progress, struct tool *tool, uint64_t total)
{
    *progress = (struct progress){.tool = tool, .total = total};
}

static void draw(struct progress *progress, const char *label)
{
    char done[SIZE_TEXT_SIZE];
    char total[SIZE_TEXT_SIZE];
    uint64_t most = progress->total > 0 ? progress->total : 1;
    uint64_t part = progress->done < most ? progress->done : most;
    double share = (double)part / (double)most;
    char bar[BAR_CELLS + 1];
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = (double)i < share * BAR_CELLS ? '#' : ' ';
    bar[BAR_CELLS] = '\0';
    fprintf(progress->tool->error, "\r[%s] %3d%%  %s of %s  %s\033[K", bar, (int)(share * 100),
            size_text(done, progress->done), size_text(total, progress->total), label);
    fflush(progress->tool->error);
}

void progress_add(struct progress *progress, uint64_t bytes, const char *label)
{
    progress->done += bytes;
    if (!progress->tool->on_terminal)
        return;
    int64_t now_us = clock_monotonic_us(progress->tool->clock);
    if (progress->drawn_us != 0 && now_us - progress->drawn_us < DRAW_US)
        return;
    progress->drawn_us = now_us;
    draw(progress, label);
}

void progress_end(struct progress *progress)
{
    if (progress->drawn_us != 0)
        fputs("\r\033[K", progress->tool->error);
    progress->drawn_us = 0;
}
