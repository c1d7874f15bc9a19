#include "resp/reply.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/number.h"

/* Type, number and line break. */
#define HEADER_MAX (1 + INT64_TEXT_MAX + 2)

/* Up to here a bulk string is laid out in one reservation; beyond, header and value are appended by
 * themselves, so that a large value fills the chunk there is. */
#define BULK_CONTIGUOUS_MAX 4096

static size_t header_put(char *out, char type, int64_t number)
{
    *out = type;
    size_t size = 1 + int64_format(out + 1, number);
    memcpy(out + size, "\r\n", 2);
    return size + 2;
}

static void header_write(struct reply *reply, char type, int64_t number)
{
    char *out = output_reserve(reply->output, HEADER_MAX);
    output_commit(reply->output, header_put(out, type, number));
}

#define WRITE_LITERAL(reply, text) output_append((reply)->output, text, sizeof(text) - 1)

void reply_ok(struct reply *reply)
{
    WRITE_LITERAL(reply, "+OK\r\n");
}

/* A line of its own: type, text without line breaks, line break. */
static void line_write(struct reply *reply, char type, struct slice text)
{
    char *out = output_reserve(reply->output, text.size + 3);
    *out++ = type;
    for (size_t i = 0; i < text.size; i++)
        *out++ = text.data[i] == '\r' || text.data[i] == '\n' ? ' ' : text.data[i];
    memcpy(out, "\r\n", 2);
    output_commit(reply->output, text.size + 3);
}

void reply_simple(struct reply *reply, const char *text)
{
    line_write(reply, '+', slice_of(text));
}

void reply_error_slice(struct reply *reply, struct slice text)
{
    size_t code = 0;
    while (code < text.size && code < REPLY_ERROR_CODE_MAX - 1 && text.data[code] != ' ') {
        reply->error_code[code] = text.data[code];
        code++;
    }
    reply->error_code[code] = '\0';
    reply->errors++;
    line_write(reply, '-', text);
}

void reply_error(struct reply *reply, const char *text)
{
    reply_error_slice(reply, slice_of(text));
}

void reply_error_format(struct reply *reply, const char *format, ...)
{
    struct buffer text = {0};
    va_list args;
    va_start(args, format);
    buffer_append_vformat(&text, format, args);
    va_end(args);
    while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    reply_error_slice(reply, buffer_slice(&text));
    buffer_free(&text);
}

void reply_int(struct reply *reply, int64_t value)
{
    header_write(reply, ':', value);
}

void reply_bulk(struct reply *reply, struct slice value)
{
    struct output *output = reply->output;
    if (value.size > BULK_CONTIGUOUS_MAX) {
        header_write(reply, '$', (int64_t)value.size);
        output_append(output, value.data, value.size);
        WRITE_LITERAL(reply, "\r\n");
        return;
    }
    char *out = output_reserve(output, HEADER_MAX + value.size + 2);
    size_t size = header_put(out, '$', (int64_t)value.size);
    if (value.size > 0)
        memcpy(out + size, value.data, value.size);
    size += value.size;
    memcpy(out + size, "\r\n", 2);
    output_commit(output, size + 2);
}

void reply_blob(struct reply *reply, struct blob *blob, size_t offset, size_t size)
{
    header_write(reply, '$', (int64_t)size);
    output_append_blob(reply->output, blob, offset, size);
    WRITE_LITERAL(reply, "\r\n");
}

void reply_bulk_text(struct reply *reply, const char *text)
{
    reply_bulk(reply, slice_of(text));
}

void reply_bulk_int(struct reply *reply, int64_t value)
{
    char text[INT64_TEXT_MAX];
    reply_bulk(reply, slice_make(text, int64_format(text, value)));
}

void reply_null(struct reply *reply)
{
    if (reply->protocol >= 3)
        WRITE_LITERAL(reply, "_\r\n");
    else
        WRITE_LITERAL(reply, "$-1\r\n");
}

void reply_null_array(struct reply *reply)
{
    if (reply->protocol >= 3)
        WRITE_LITERAL(reply, "_\r\n");
    else
        WRITE_LITERAL(reply, "*-1\r\n");
}

void reply_double(struct reply *reply, double value)
{
    char text[FLOAT_TEXT_MAX];
    struct slice printed = slice_make(text, double_format(text, value));
    if (reply->protocol >= 3)
        line_write(reply, ',', printed);
    else
        reply_bulk(reply, printed);
}

void reply_bool(struct reply *reply, bool value)
{
    if (reply->protocol < 3)
        reply_int(reply, value);
    else if (value)
        WRITE_LITERAL(reply, "#t\r\n");
    else
        WRITE_LITERAL(reply, "#f\r\n");
}

void reply_verbatim(struct reply *reply, struct slice text, const char *format)
{
    if (reply->protocol < 3) {
        reply_bulk(reply, text);
        return;
    }
    ASSERT(strlen(format) == 3);
    header_write(reply, '=', (int64_t)text.size + 4);
    output_append(reply->output, format, 3);
    WRITE_LITERAL(reply, ":");
    output_append(reply->output, text.data, text.size);
    WRITE_LITERAL(reply, "\r\n");
}

void reply_big_number(struct reply *reply, struct slice digits)
{
    if (reply->protocol >= 3)
        line_write(reply, '(', digits);
    else
        reply_bulk(reply, digits);
}

void reply_array(struct reply *reply, int64_t count)
{
    header_write(reply, '*', count);
}

/* An aggregate that RESP2 does not know is an array there, with items elements for each of its own. */
static size_t aggregate_put(const struct reply *reply, char *out, char type, int64_t count, int items)
{
    return reply->protocol >= 3 ? header_put(out, type, count) : header_put(out, '*', count * items);
}

static void aggregate_write(struct reply *reply, char type, int64_t count, int items)
{
    char *out = output_reserve(reply->output, HEADER_MAX);
    output_commit(reply->output, aggregate_put(reply, out, type, count, items));
}

static void aggregate_fill(struct reply *reply, struct output_gap gap, char type, int64_t count, int items)
{
    char header[HEADER_MAX];
    output_gap_fill(reply->output, gap, header, aggregate_put(reply, header, type, count, items));
}

void reply_map(struct reply *reply, int64_t pairs)
{
    aggregate_write(reply, '%', pairs, 2);
}

void reply_set(struct reply *reply, int64_t count)
{
    aggregate_write(reply, '~', count, 1);
}

void reply_push(struct reply *reply, int64_t count)
{
    aggregate_write(reply, '>', count, 1);
}

void reply_attribute(struct reply *reply, int64_t pairs)
{
    ASSERT(reply->protocol >= 3);
    header_write(reply, '|', pairs);
}

struct output_gap reply_later(struct reply *reply)
{
    return output_gap_open(reply->output);
}

void reply_array_at(struct reply *reply, struct output_gap gap, int64_t count)
{
    aggregate_fill(reply, gap, '*', count, 1);
}

void reply_map_at(struct reply *reply, struct output_gap gap, int64_t pairs)
{
    aggregate_fill(reply, gap, '%', pairs, 2);
}

void reply_set_at(struct reply *reply, struct output_gap gap, int64_t count)
{
    aggregate_fill(reply, gap, '~', count, 1);
}
