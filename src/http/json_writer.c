#include "http/json_writer.h"

#include <math.h>

#include "base/number.h"

static void begin(struct buffer *out, const char *name)
{
    char last = out->size ? out->data[out->size - 1] : '[';
    if (last != '[' && last != '{')
        buffer_append_char(out, ',');
    if (name)
        buffer_append_format(out, "\"%s\":", name);
}

void json_write_object(struct buffer *out, const char *name)
{
    begin(out, name);
    buffer_append_char(out, '{');
}

void json_write_object_end(struct buffer *out)
{
    buffer_append_char(out, '}');
}

void json_write_array(struct buffer *out, const char *name)
{
    begin(out, name);
    buffer_append_char(out, '[');
}

void json_write_array_end(struct buffer *out)
{
    buffer_append_char(out, ']');
}

void json_write_uint(struct buffer *out, const char *name, uint64_t value)
{
    char text[INT64_TEXT_MAX];
    begin(out, name);
    buffer_append(out, text, uint64_format(text, value));
}

void json_write_int(struct buffer *out, const char *name, int64_t value)
{
    begin(out, name);
    buffer_append_int(out, value);
}

void json_write_real(struct buffer *out, const char *name, double value)
{
    begin(out, name);
    if (isfinite(value))
        buffer_append_format(out, "%.9g", value);
    else
        buffer_append_text(out, "null");
}

void json_write_bool(struct buffer *out, const char *name, bool value)
{
    begin(out, name);
    buffer_append_text(out, value ? "true" : "false");
}

void json_write_null(struct buffer *out, const char *name)
{
    begin(out, name);
    buffer_append_text(out, "null");
}

/* --- text ---------------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character that begins at text, 0 where none does. */
static size_t utf8_size(const unsigned char *text, size_t size)
{
    static const struct {
        unsigned char mask, lead, second_min, second_max;
        size_t size;
    } forms[] = {
        {0xff, 0xe0, 0xa0, 0xbf, 3}, {0xff, 0xed, 0x80, 0x9f, 3}, {0xf0, 0xe0, 0x80, 0xbf, 3},
        {0xff, 0xf0, 0x90, 0xbf, 4}, {0xff, 0xf4, 0x80, 0x8f, 4}, {0xfc, 0xf0, 0x80, 0xbf, 4},
    };
    if (text[0] < 0x80)
        return 1;
    if (text[0] >= 0xc2 && text[0] <= 0xdf)
        return size >= 2 && (text[1] & 0xc0) == 0x80 ? 2 : 0;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if ((text[0] & forms[i].mask) != forms[i].lead)
            continue;
        if (size < forms[i].size || text[1] < forms[i].second_min || text[1] > forms[i].second_max)
            return 0;
        for (size_t j = 2; j < forms[i].size; j++)
            if ((text[j] & 0xc0) != 0x80)
                return 0;
        return forms[i].size;
    }
    return 0;
}

static void append_byte(struct buffer *out, unsigned char byte)
{
    if (byte == '"' || byte == '\\')
        buffer_append_format(out, "\\%c", byte);
    else if (byte < 0x20 || byte == 0x7f || byte == '<' || byte == '>' || byte == '&')
        buffer_append_format(out, "\\u%04x", byte);
    else
        buffer_append_char(out, (char)byte);
}

void json_write_text(struct buffer *out, const char *name, struct slice value)
{
    const unsigned char *text = (const unsigned char *)value.data;
    begin(out, name);
    buffer_append_char(out, '"');
    for (size_t i = 0; i < value.size;) {
        size_t size = utf8_size(text + i, value.size - i);
        if (size == 1)
            append_byte(out, text[i]);
        else if (size > 1)
            buffer_append(out, text + i, size);
        else
            buffer_append_format(out, "\\\\x%02x", text[i]);
        i += size ? size : 1;
    }
    buffer_append_char(out, '"');
}
