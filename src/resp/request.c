#include "resp/request.h"

#include "base/memory.h"
#include "base/number.h"

/* Type, digits and CRLF. */
#define HEADER_MAX (INT64_TEXT_MAX + 3)

static char *put_header(char *out, char type, size_t count)
{
    *out++ = type;
    out += uint64_format(out, count);
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

void request_append(struct buffer *buffer, int argc, const struct slice *argv)
{
    size_t size = HEADER_MAX;
    for (int i = 0; i < argc; i++)
        size += HEADER_MAX + argv[i].size + 2;
    char *out = put_header(buffer_reserve(buffer, size), '*', (size_t)argc);
    for (int i = 0; i < argc; i++) {
        out = put_header(out, '$', argv[i].size);
        if (argv[i].size)
            memcpy(out, argv[i].data, argv[i].size);
        out += argv[i].size;
        *out++ = '\r';
        *out++ = '\n';
    }
    buffer->size = (size_t)(out - buffer->data);
}

void request_append_count(struct buffer *buffer, int argc)
{
    char *out = buffer_reserve(buffer, HEADER_MAX);
    buffer->size += (size_t)(put_header(out, '*', (size_t)argc) - out);
}

void request_append_size(struct buffer *buffer, size_t size)
{
    char *out = buffer_reserve(buffer, HEADER_MAX);
    buffer->size += (size_t)(put_header(out, '$', size) - out);
}

void request_append_end(struct buffer *buffer)
{
    buffer_append(buffer, "\r\n", 2);
}

void request_append_argument(struct buffer *buffer, struct slice argument)
{
    request_append_size(buffer, argument.size);
    buffer_append_slice(buffer, argument);
    request_append_end(buffer);
}

/* --- reading what was written with bytes left out ------------------------------------------------------ */

/* A type, digits and CRLF. */
static bool read_header(struct request_reader *reader, char type, uint64_t *count)
{
    const char *begin = reader->text.data + reader->at;
    size_t left = reader->text.size - reader->at;
    size_t line = left < HEADER_MAX ? left : HEADER_MAX;
    const char *end = line > 1 && begin[0] == type ? memchr(begin, '\r', line) : NULL;
    if (!end || end + 1 == begin + left || end[1] != '\n' ||
        !uint64_parse(slice_make(begin + 1, (size_t)(end - begin - 1)), count))
        return false;
    reader->at += (size_t)(end + 2 - begin);
    return true;
}

static bool read_argument(struct request_reader *reader, int index)
{
    uint64_t size;
    if (!read_header(reader, '$', &size))
        return false;
    bool is_gap = reader->next_gap < reader->gap_count && reader->gaps[reader->next_gap].offset == reader->at;
    if (is_gap) {
        if (reader->gaps[reader->next_gap].size != size)
            return false;
        reader->argv[index] = slice_make(NULL, (size_t)size);
        reader->gap_arguments[reader->next_gap++ - reader->first_gap] = index;
    } else {
        if (size > reader->text.size - reader->at)
            return false;
        reader->argv[index] = slice_make(reader->text.data + reader->at, (size_t)size);
        reader->at += size;
    }
    if (reader->text.size - reader->at < 2 || memcmp(reader->text.data + reader->at, "\r\n", 2) != 0)
        return false;
    reader->at += 2;
    return true;
}

enum request_read request_reader_next(struct request_reader *reader)
{
    uint64_t argc;
    reader->first_gap = reader->next_gap;
    if (reader->at == reader->text.size)
        return reader->next_gap == reader->gap_count ? REQUEST_END : REQUEST_WRONG;
    /* Each argument takes some bytes: so many there cannot be that memory runs out. */
    if (!read_header(reader, '*', &argc) || argc == 0 || argc > (reader->text.size - reader->at) / 5)
        return REQUEST_WRONG;
    if (argc > (uint64_t)reader->capacity) {
        reader->capacity = (int)argc;
        reader->argv = mem_realloc(reader->argv, argc * sizeof(*reader->argv));
        reader->gap_arguments = mem_realloc(reader->gap_arguments, argc * sizeof(*reader->gap_arguments));
    }
    reader->argc = (int)argc;
    for (int i = 0; i < reader->argc; i++)
        if (!read_argument(reader, i))
            return REQUEST_WRONG;
    return REQUEST_READ;
}

void request_reader_free(struct request_reader *reader)
{
    mem_free(reader->argv);
    mem_free(reader->gap_arguments);
}
