#include "base/bytes.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"

/* Up to here a buffer doubles; beyond it grows by a quarter, so that a large one wastes little. */
#define DOUBLING_MAX ((size_t)1 << 20)
#define CAPACITY_MIN ((size_t)32)

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    return true;
}

bool slice_is(struct slice a, const char *word)
{
    return slice_equal_nocase(a, slice_of(word));
}

int slice_compare(struct slice a, struct slice b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

char *slice_to_cstring(struct slice a)
{
    char *text = mem_alloc(a.size + 1);
    if (a.size > 0)
        memcpy(text, a.data, a.size);
    text[a.size] = '\0';
    return text;
}

static void buffer_grow(struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity < CAPACITY_MIN ? CAPACITY_MIN : buffer->capacity;
    capacity += capacity < DOUBLING_MAX ? capacity : capacity / 4;
    if (capacity < needed)
        capacity = needed;
    capacity = mem_good_size(capacity);
    buffer->data = mem_realloc(buffer->data, capacity);
    buffer->capacity = capacity;
}

char *buffer_reserve(struct buffer *buffer, size_t extra)
{
    ASSERT(extra <= PTRDIFF_MAX - buffer->size);
    if (extra > buffer->capacity - buffer->size || buffer->data == NULL)
        buffer_grow(buffer, buffer->size + extra);
    return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    if (size == 0)
        return;
    memcpy(buffer_reserve(buffer, size), data, size);
    buffer->size += size;
}

void buffer_append_slice(struct buffer *buffer, struct slice slice)
{
    buffer_append(buffer, slice.data, slice.size);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_char(struct buffer *buffer, char c)
{
    *buffer_reserve(buffer, 1) = c;
    buffer->size++;
}

void buffer_append_int(struct buffer *buffer, int64_t value)
{
    buffer->size += int64_format(buffer_reserve(buffer, INT64_TEXT_MAX), value);
}

void buffer_append_vformat(struct buffer *buffer, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char *room = buffer_reserve(buffer, 64);
    size_t free_bytes = buffer->capacity - buffer->size;
    int length = vsnprintf(room, free_bytes, format, args);
    ASSERT(length >= 0);
    if ((size_t)length >= free_bytes) {
        room = buffer_reserve(buffer, (size_t)length + 1);
        vsnprintf(room, (size_t)length + 1, format, again);
    }
    va_end(again);
    buffer->size += (size_t)length;
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buffer_append_vformat(buffer, format, args);
    va_end(args);
}

/* The letters of the escapes that have one, and what they stand for. */
static const char escape_letters[] = "nrtba";
static const char escape_values[] = "\n\r\t\b\a";

void buffer_append_quoted(struct buffer *buffer, struct slice slice)
{
    buffer_append_char(buffer, '"');
    for (size_t i = 0; i < slice.size; i++) {
        char c = slice.data[i];
        const char *value = c == '\0' ? NULL : strchr(escape_values, c);
        if (c == '"' || c == '\\')
            buffer_append_format(buffer, "\\%c", c);
        else if (value != NULL)
            buffer_append_format(buffer, "\\%c", escape_letters[value - escape_values]);
        else if (c >= ' ' && c <= '~')
            buffer_append_char(buffer, c);
        else
            buffer_append_format(buffer, "\\x%02x", (unsigned char)c);
    }
    buffer_append_char(buffer, '"');
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    ASSERT(size <= buffer->size);
    if (size == 0)
        return;
    buffer->size -= size;
    memmove(buffer->data, buffer->data + size, buffer->size);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
}

void buffer_shrink(struct buffer *buffer, size_t keep)
{
    if (buffer->capacity <= keep || buffer->size > keep)
        return;
    if (keep == 0) {
        buffer_free(buffer);
        return;
    }
    buffer->data = mem_realloc(buffer->data, keep);
    buffer->capacity = keep;
}

void buffer_free(struct buffer *buffer)
{
    mem_free(buffer->data);
    *buffer = (struct buffer){0};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Appends what the escape at line.data[at] (a backslash, with something behind it) stands for inside double
 * quotes; returns how many bytes it took. */
static size_t word_append_escape(struct buffer *word, struct slice line, size_t at)
{
    const char *p = line.data + at;
    if (line.size - at >= 4 && p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
        buffer_append_char(word, (char)(hex_digit(p[2]) * 16 + hex_digit(p[3])));
        return 4;
    }
    const char *letter = strchr(escape_letters, p[1]);
    buffer_append_char(word, letter == NULL ? p[1] : escape_values[letter - escape_letters]);
    return 2;
}

/* Reads a quoted part from behind its opening quote at *position to behind its closing one, which white space
 * or the line's end must follow. */
static bool word_append_quoted(struct buffer *word, struct slice line, size_t *position, char quote)
{
    size_t at = *position;
    while (at < line.size && line.data[at] != quote) {
        bool escape = line.data[at] == '\\' && line.size - at >= 2;
        if (escape && quote == '"') {
            at += word_append_escape(word, line, at);
        } else {
            at += escape && line.data[at + 1] == '\'';
            buffer_append_char(word, line.data[at++]);
        }
    }
    if (at == line.size)
        return false;
    *position = ++at;
    return at == line.size || isspace((unsigned char)line.data[at]);
}

/* Reads one word from *position on, which is not white space. A closing quote ends the word; an opening one
 * does not begin another. */
static bool word_read(struct buffer *word, struct slice line, size_t *position)
{
    buffer_reserve(word, 1); /* an empty word, "", is a word too */
    while (*position < line.size) {
        char c = line.data[*position];
        if (c == '"' || c == '\'') {
            ++*position;
            return word_append_quoted(word, line, position, c);
        }
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            return true;
        buffer_append_char(word, c);
        ++*position;
    }
    return true;
}

int words_split(struct slice line, struct buffer **words)
{
    struct buffer list = {0};
    int count = 0;
    /* A NUL ends the line, as it does in Redis. */
    line.size = line.size == 0 ? 0 : strnlen(line.data, line.size);
    for (size_t at = 0;;) {
        while (at < line.size && isspace((unsigned char)line.data[at]))
            at++;
        struct buffer word = {0};
        bool more = at < line.size;
        bool balanced = !more || word_read(&word, line, &at);
        if (more) {
            buffer_append(&list, &word, sizeof(word));
            count++;
        }
        if (!balanced) {
            words_free((struct buffer *)(void *)list.data, count);
            *words = NULL;
            return -1;
        }
        if (!more)
            break;
    }
    *words = (struct buffer *)(void *)list.data;
    return count;
}

void words_free(struct buffer *words, int count)
{
    for (int i = 0; i < count; i++)
        buffer_free(&words[i]);
    mem_free(words);
}
