/* Byte strings: slices that borrow and buffers that own. Both are binary safe; neither is NUL-terminated. */
#ifndef DKV_BASE_BYTES_H
#define DKV_BASE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view of bytes that somebody else owns. data may be NULL when size is 0. */
struct slice {
    const char *data;
    size_t size;
};

/* A growable byte string. All zero is a valid empty buffer; free with buffer_free. */
struct buffer {
    char *data;
    size_t size;
    size_t capacity;
};

/* A slice of a string literal, usable in static tables. */
#define SLICE_LITERAL(text) ((struct slice){(text), sizeof(text) - 1})

static inline struct slice slice_make(const void *data, size_t size)
{
    return (struct slice){data, size};
}

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Compares with a NUL-terminated ASCII word, ignoring ASCII case. */
bool slice_is(struct slice a, const char *word);
bool slice_equal_nocase(struct slice a, struct slice b);
/* As memcmp over the common part, then the shorter first. */
int slice_compare(struct slice a, struct slice b);
/* A NUL-terminated copy, to be freed with mem_free. Bytes after an embedded NUL are kept but out of C's
 * sight. */
char *slice_to_cstring(struct slice a);

/* Makes room for extra more bytes and returns where they go; buffer->size is unchanged. Aborts when out of
 * memory. */
char *buffer_reserve(struct buffer *buffer, size_t extra);
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_append_slice(struct buffer *buffer, struct slice slice);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_append_int(struct buffer *buffer, int64_t value);
void buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_append_vformat(struct buffer *buffer, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Appends text as Redis prints strings in logs and CONFIG REWRITE: in double quotes, the rest as \xHH. */
void buffer_append_quoted(struct buffer *buffer, struct slice slice);
/* Drops the first size bytes; the rest moves to the front. */
void buffer_consume(struct buffer *buffer, size_t size);
void buffer_clear(struct buffer *buffer);
/* Gives memory back when capacity exceeds keep and the contents fit in keep. */
void buffer_shrink(struct buffer *buffer, size_t keep);
void buffer_free(struct buffer *buffer);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->data, buffer->size};
}

/* Splits a configuration or inline-command line into words, with "..." (escapes \n \r \t \b \a \xHH \\ \")
 * and '...' (escape \') quoting. Each word is a new buffer in *words (an array to be freed with words_free).
 * Returns the number of words, or -1 when quotes are unbalanced or a closing quote is followed by something
 * other than white space. A NUL ends the line. */
int words_split(struct slice line, struct buffer **words);
void words_free(struct buffer *words, int count);

#endif
