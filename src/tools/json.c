#include "tools/json.h"

#include <inttypes.h>

static void begin_value(struct json *json, const char *name)
{
    if (json->need_comma)
        fputc(',', json->out);
    json->need_comma = true;
    if (name)
        fprintf(json->out, "\"%s\":", name);
}

static void open_nested(struct json *json, const char *name, char bracket)
{
    begin_value(json, name);
    fputc(bracket, json->out);
    json->need_comma = false;
}

static void close_nested(struct json *json, char bracket)
{
    fputc(bracket, json->out);
    json->need_comma = true;
}

void json_object(struct json *json, const char *name)
{
    open_nested(json, name, '{');
}

void json_object_end(struct json *json)
{
    close_nested(json, '}');
}

void json_array(struct json *json, const char *name)
{
    open_nested(json, name, '[');
}

void json_array_end(struct json *json)
{
    close_nested(json, ']');
}

void json_uint(struct json *json, const char *name, uint64_t value)
{
    begin_value(json, name);
    fprintf(json->out, "%" PRIu64, value);
}

void json_int(struct json *json, const char *name, int64_t value)
{
    begin_value(json, name);
    fprintf(json->out, "%" PRId64, value);
}

void json_real(struct json *json, const char *name, double value)
{
    begin_value(json, name);
    fprintf(json->out, "%.3f", value);
}

void json_bool(struct json *json, const char *name, bool value)
{
    begin_value(json, name);
    fputs(value ? "true" : "false", json->out);
}

/* The length of the UTF-8 sequence at the start of text; 0 when there is none (RFC 3629: no overlong forms,
 * no surrogates, nothing beyond U+10FFFF). */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t length = 1; length <= 4; length++) {
        if ((at[0] & forms[length - 1].mask) != forms[length - 1].lead)
            continue;
        uint32_t code = at[0] & (unsigned char)~forms[length - 1].mask;
        if (length > left)
            return 0;
        for (size_t i = 1; i < length; i++) {
            if ((at[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (at[i] & 0x3f);
        }
        bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
        return code < forms[length - 1].least || code > 0x10ffff || is_surrogate ? 0 : length;
    }
    return 0;
}

static bool is_utf8(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    for (size_t at = 0, length; at < text.size; at += length)
        if ((length = utf8_length(bytes + at, text.size - at)) == 0)
            return false;
    return true;
}

static void write_string(FILE *out, struct slice text)
{
    fputc('"', out);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

void json_bytes(struct json *json, const char *name, struct slice value)
{
    begin_value(json, name);
    if (is_utf8(value)) {
        write_string(json->out, value);
        return;
    }
    fputs("{\"hex\":\"", json->out);
    for (size_t i = 0; i < value.size; i++)
        fprintf(json->out, "%02x", (unsigned char)value.data[i]);
    fputs("\"}", json->out);
}

void json_text(struct json *json, const char *name, const char *value)
{
    json_bytes(json, name, slice_of(value));
}

void json_end(struct json *json)
{
    fputc('\n', json->out);
    json->need_comma = false;
}

int json_fail(struct tool *tool, const char *error)
{
    struct json json = {.out = tool->out};
    if (tool->options->json) {
        json_object(&json, NULL);
        json_text(&json, "folder", tool->options->folder);
        json_bool(&json, "ok", false);
        json_text(&json, "error", error);
        json_object_end(&json);
        json_end(&json);
    }
    return tool_fail(tool, "%s", error);
}
