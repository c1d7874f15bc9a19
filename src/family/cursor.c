#include "family/cursor.h"

#include <errno.h>
#include <stdlib.h>

#include "command/args.h"

/* Takes what strtoul takes, up to a zero byte: a sign, and nothing, count as numbers too. */
static bool cursor_parse(struct slice text, uint64_t *cursor)
{
    char digits[64];
    char *end;
    if (text.size >= sizeof(digits) || (text.size > 0 && memchr(" \t\n\v\f\r", text.data[0], 6)))
        return false;
    if (text.size > 0)
        memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    errno = 0;
    *cursor = strtoul(digits, &end, 10);
    return errno == 0 && *end == '\0';
}

bool call_cursor(struct call *call, int index, uint64_t *cursor)
{
    if (cursor_parse(call->argv[index], cursor))
        return true;
    reply_error(call->reply, "ERR invalid cursor");
    return false;
}

bool call_pattern(struct call *call, int index, struct glob **glob)
{
    *glob = NULL;
    if (slice_equal(call->argv[index], SLICE_LITERAL("*")))
        return true;
    *glob = glob_new(call->argv[index], false);
    if (!*glob)
        reply_error(call->reply, GLOB_TOO_COMPLEX);
    return *glob != NULL;
}
