#include "resp/request.h"

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
