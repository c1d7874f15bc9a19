/* LOLWUT: a picture that is another one each time.
 *
 * It shows what an elementary cellular automaton (Wolfram 1983) makes of a single cell: each row follows from
 * the one above, a cell from the three above it, by one of a few rules that are worth looking at. Two rows of
 * cells make a row of characters, and the world is a ring. */
#include "base/number.h"
#include "base/version.h"
#include "command/args.h"
#include "command/call.h"
#include "family/families.h"

#define COLUMNS_STANDARD 66
#define ROWS_STANDARD    20
#define COLUMNS_MAX      1000
#define ROWS_MAX         1000

/* How many numbers a version takes behind its own; others take what they get as far as it is numbers. */
static int version_numbers(int64_t version)
{
    return version == 5 ? 3 : version == 6 ? 2 : 0;
}

/* LOLWUT [VERSION version] [columns [rows ...]]. Replies the error and returns false for a number that is
 * none, where Redis minds. */
static bool size_read(struct call *call, int64_t size[2])
{
    int first = 1;
    int64_t version = 7;
    if (call->argc > 2 && slice_is(call->argv[1], "version")) {
        if (!call_int(call, 2, &version))
            return false;
        first = 3;
    }
    for (int i = 0; i < version_numbers(version) && first + i < call->argc; i++) {
        int64_t number;
        if (!call_int(call, first + i, &number))
            return false;
    }
    for (int i = 0; i < 2; i++) {
        int64_t max = i == 0 ? COLUMNS_MAX : ROWS_MAX;
        int64_t number;
        if (first + i < call->argc && int64_parse(call->argv[first + i], &number))
            size[i] = number < 1 ? 1 : number > max ? max : number;
    }
    return true;
}

/* The row of cells below another one. */
static void row_next(const bool *row, bool *next, size_t columns, unsigned rule)
{
    for (size_t i = 0; i < columns; i++) {
        unsigned left = row[(i + columns - 1) % columns];
        unsigned right = row[(i + 1) % columns];
        next[i] = rule >> (left << 2 | (unsigned)row[i] << 1 | right) & 1;
    }
}

static void picture_draw(struct buffer *text, size_t columns, size_t rows, unsigned rule)
{
    static const char *const cells[] = {" ", "▄", "▀", "█"};
    bool above[COLUMNS_MAX] = {false};
    bool below[COLUMNS_MAX];
    above[columns / 2] = true;
    for (size_t row = 0; row < rows; row++) {
        row_next(above, below, columns, rule);
        for (size_t i = 0; i < columns; i++)
            buffer_append_text(text, cells[above[i] << 1 | (int)below[i]]);
        buffer_append_char(text, '\n');
        row_next(below, above, columns, rule);
    }
}

static void lolwut_command(struct call *call)
{
    static const unsigned char rules[] = {18, 22, 30, 45, 60, 73, 75, 90, 105, 110, 126, 150, 182, 225};
    int64_t size[2] = {COLUMNS_STANDARD, ROWS_STANDARD};
    struct buffer text = {0};
    if (!size_read(call, size))
        return;
    unsigned rule = rules[random_below(&call->world->random, sizeof(rules))];
    picture_draw(&text, (size_t)size[0], (size_t)size[1], rule);
    buffer_append_format(&text, "\nRule %u, from a single cell. Redis ver. %s\n", rule, REDIS_VERSION);
    reply_verbatim(call->reply, buffer_slice(&text), "txt");
    buffer_free(&text);
}

const struct command lolwut_commands[] = {
    {.name = "lolwut",
     .arity = -1,
     .flags = CMD_READONLY | CMD_FAST,
     .function = lolwut_command,
     .arguments = "[VERSION=version#integer]",
     .group = "server",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Draws a picture and tells the version of Redis that this server speaks for."},
};
const size_t lolwut_command_count = sizeof(lolwut_commands) / sizeof(lolwut_commands[0]);
