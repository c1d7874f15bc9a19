#include "http/reply_reader.h"

#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"

static uint64_t parts_size(const struct iovec *parts, int count)
{
    uint64_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

/* Forward by size bytes, over as many parts as that takes. */
static void place_advance(const struct reply_reader *reader, int *part, size_t *at, size_t size)
{
    while (*part < reader->count && size >= reader->parts[*part].iov_len - *at) {
        size -= reader->parts[*part].iov_len - *at;
        *at = 0;
        (*part)++;
    }
    *at += size;
}

void reply_reader_begin(struct reply_reader *reader, const struct output *output, uint64_t skip)
{
    uint64_t pending = output_pending(output);
    int capacity = READER_PARTS;
    reader->parts = reader->few;
    reader->part = 0;
    reader->at = 0;
    for (;;) {
        reader->count = output_vectors(output, pending, reader->parts, capacity);
        if (reader->count < capacity || parts_size(reader->parts, reader->count) == pending)
            break;
        capacity *= 4;
        struct iovec *old = reader->parts == reader->few ? NULL : reader->parts;
        reader->parts = mem_realloc(old, (size_t)capacity * sizeof(*reader->parts));
    }
    place_advance(reader, &reader->part, &reader->at, skip);
}

void reply_reader_end(struct reply_reader *reader)
{
    if (reader->parts != reader->few)
        mem_free(reader->parts);
    reader->parts = reader->few;
    reader->count = 0;
}

static char byte_next(struct reply_reader *reader)
{
    ASSERT(reader->part < reader->count);
    char byte = ((const char *)reader->parts[reader->part].iov_base)[reader->at];
    place_advance(reader, &reader->part, &reader->at, 1);
    return byte;
}

/* Up to the line's end; what is too long is cut. */
static struct slice line_next(struct reply_reader *reader, struct reply_value *value)
{
    size_t size = 0;
    for (char byte; (byte = byte_next(reader)) != '\r';)
        if (size < sizeof(value->line))
            value->line[size++] = byte;
    byte_next(reader);
    return slice_make(value->line, size);
}

void reply_reader_next(struct reply_reader *reader, struct reply_value *value)
{
    char type = byte_next(reader);
    value->text = line_next(reader, value);
    value->number = 0;
    value->size = 0;
    if (type == '+' || type == '-') {
        value->kind = type == '+' ? REPLY_KIND_SIMPLE : REPLY_KIND_ERROR;
        return;
    }
    bool ok = int64_parse(value->text, &value->number);
    ASSERT(ok && (type == ':' || type == '$' || type == '*'));
    if (type == ':') {
        value->kind = REPLY_KIND_INT;
    } else if (value->number < 0) {
        value->kind = REPLY_KIND_NULL;
    } else if (type == '*') {
        value->kind = REPLY_KIND_ARRAY;
    } else {
        value->kind = REPLY_KIND_BULK;
        value->part = reader->part;
        value->at = reader->at;
        value->size = (size_t)value->number;
        place_advance(reader, &reader->part, &reader->at, value->size + 2);
    }
}

int reply_pieces(const struct reply_reader *reader, const struct reply_value *value, size_t offset,
                 size_t size, struct iovec *pieces)
{
    ASSERT(value->kind == REPLY_KIND_BULK && offset <= value->size && size <= value->size - offset);
    int part = value->part;
    size_t at = value->at;
    int count = 0;
    place_advance(reader, &part, &at, offset);
    while (size > 0) {
        size_t left = reader->parts[part].iov_len - at;
        size_t taken = left < size ? left : size;
        if (pieces != NULL)
            pieces[count] = (struct iovec){(char *)reader->parts[part].iov_base + at, taken};
        count++;
        size -= taken;
        part++;
        at = 0;
    }
    return count;
}

struct slice reply_slice(const struct reply_reader *reader, const struct reply_value *value,
                         struct buffer *copy)
{
    int count = reply_pieces(reader, value, 0, value->size, NULL);
    if (count == 0)
        return slice_make(NULL, 0);
    struct iovec one;
    if (count == 1) {
        reply_pieces(reader, value, 0, value->size, &one);
        return slice_make(one.iov_base, one.iov_len);
    }
    struct iovec *pieces = mem_alloc((size_t)count * sizeof(*pieces));
    reply_pieces(reader, value, 0, value->size, pieces);
    buffer_clear(copy);
    for (int i = 0; i < count; i++)
        buffer_append(copy, pieces[i].iov_base, pieces[i].iov_len);
    mem_free(pieces);
    return buffer_slice(copy);
}
