/* A second reading of HTTP requests, for fuzz_http.c: whole, from RFC 9112's grammar and nothing else, slow
 * and simple. What is in doubt is no request, and nothing behind it is one. */
#ifndef DKV_FUZZ_STRICT_H
#define DKV_FUZZ_STRICT_H

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"

struct strict_request {
    char method[64];
    struct slice path;
};

/* The next line without its CR LF; false when there is none, or a CR or LF stands alone in it. */
static bool strict_line(struct slice *rest, struct slice *line)
{
    const char *end = rest->size == 0 ? NULL : memmem(rest->data, rest->size, "\r\n", 2);
    if (end == NULL)
        return false;
    *line = slice_make(rest->data, (size_t)(end - rest->data));
    *rest = slice_make(end + 2, rest->size - line->size - 2);
    for (size_t i = 0; i < line->size; i++)
        if (((uint8_t)line->data[i] < 32 && line->data[i] != '\t') || line->data[i] == 127)
            return false;
    return true;
}

static bool strict_token(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((uint8_t)text.data[i] >= 128 ||
            (!isalnum(text.data[i]) && !strchr("!#$%&'*+-.^_`|~", text.data[i])))
            return false;
    return text.size > 0;
}

/* "GET /path?query HTTP/1.1", or the whole of an http: URI. */
static bool strict_request_line(struct slice line, struct strict_request *request, bool *is_old)
{
    const char *first = line.size == 0 ? NULL : memchr(line.data, ' ', line.size);
    const char *last = line.size == 0 ? NULL : memrchr(line.data, ' ', line.size);
    if (first == last)
        return false;
    struct slice method = slice_make(line.data, (size_t)(first - line.data));
    struct slice target = slice_make(first + 1, (size_t)(last - first - 1));
    struct slice version = slice_make(last + 1, (size_t)(line.data + line.size - last - 1));
    if (!strict_token(method) || target.size == 0 || memchr(target.data, ' ', target.size) ||
        memchr(target.data, '\t', target.size) || memchr(target.data, '#', target.size) ||
        memchr(target.data, '\\', target.size) || version.size != 8 ||
        memcmp(version.data, "HTTP/1.", 7) != 0 || !isdigit(version.data[7]))
        return false;
    *is_old = version.data[7] == '0';
    /* None that this server knows is so long. */
    if (method.size >= sizeof(request->method))
        method = SLICE_LITERAL("-");
    memcpy(request->method, method.data, method.size);
    request->method[method.size] = '\0';
    if (target.size > 7 && strncasecmp(target.data, "http://", 7) == 0) {
        target = slice_make(target.data + 7, target.size - 7);
        while (target.size > 0 && target.data[0] != '/' && target.data[0] != '?')
            target = slice_make(target.data + 1, target.size - 1);
        if (target.size == 0 || target.data[0] == '?')
            target = SLICE_LITERAL("/");
    } else if (target.data[0] != '/' && !slice_equal(target, SLICE_LITERAL("*"))) {
        return false;
    }
    const char *mark = memchr(target.data, '?', target.size);
    request->path = slice_make(target.data, mark != NULL ? (size_t)(mark - target.data) : target.size);
    return true;
}

/* Fields up to the empty line. */
static bool strict_fields(struct slice *rest, int *hosts, int *lengths, int *codings, uint64_t *length)
{
    struct slice line;
    while (strict_line(rest, &line)) {
        if (line.size == 0)
            return true;
        const char *colon = memchr(line.data, ':', line.size);
        struct slice name = slice_make(line.data, colon != NULL ? (size_t)(colon - line.data) : 0);
        if (!strict_token(name))
            return false;
        char *value = strndup(colon + 1, (size_t)(line.data + line.size - colon - 1));
        char *begin = value + strspn(value, " \t");
        size_t size = strlen(begin);
        while (size > 0 && strchr(" \t", begin[size - 1]))
            begin[--size] = '\0';
        bool fits = true;
        if (slice_equal_nocase(name, SLICE_LITERAL("Host"))) {
            ++*hosts;
            fits = strpbrk(begin, " \t@/,") == NULL;
        } else if (slice_equal_nocase(name, SLICE_LITERAL("Content-Length"))) {
            ++*lengths;
            *length = strtoull(begin, NULL, 10);
            fits = size > 0 && size < 19 && strspn(begin, "0123456789") == size;
        } else if (slice_equal_nocase(name, SLICE_LITERAL("Transfer-Encoding"))) {
            ++*codings;
            fits = strcasecmp(begin, "chunked") == 0;
        }
        free(value);
        if (!fits)
            return false;
    }
    return false;
}

static bool strict_trailer(struct slice *rest)
{
    struct slice line = {.size = 1};
    while (strict_line(rest, &line) && line.size > 0) {
        const char *colon = memchr(line.data, ':', line.size);
        if (colon == NULL || !strict_token(slice_make(line.data, (size_t)(colon - line.data))))
            return false;
    }
    return line.size == 0;
}

static bool strict_chunks(struct slice *rest)
{
    struct slice line;
    while (strict_line(rest, &line)) {
        size_t digits = 0;
        while (digits < line.size && isxdigit(line.data[digits]))
            digits++;
        if (digits == 0 || digits > 15 || (digits < line.size && line.data[digits] != ';'))
            return false;
        char text[16] = {0};
        memcpy(text, line.data, digits);
        uint64_t size = strtoull(text, NULL, 16);
        if (size == 0)
            return strict_trailer(rest);
        if (rest->size < size + 2 || memcmp(rest->data + size, "\r\n", 2) != 0)
            return false;
        *rest = slice_make(rest->data + size + 2, rest->size - size - 2);
    }
    return false;
}

/* Takes the next request off, if one stands there whole and right. */
static bool strict_read(struct slice *rest, struct strict_request *request)
{
    struct slice line;
    bool is_old;
    int hosts = 0;
    int lengths = 0;
    int codings = 0;
    uint64_t length = 0;
    if (rest->size >= 2 && memcmp(rest->data, "\r\n", 2) == 0)
        *rest = slice_make(rest->data + 2, rest->size - 2);
    if (!strict_line(rest, &line) || !strict_request_line(line, request, &is_old) ||
        !strict_fields(rest, &hosts, &lengths, &codings, &length) || lengths + codings > 1 || hosts > 1 ||
        (hosts == 0 && !is_old) || (codings > 0 && is_old))
        return false;
    if (codings > 0)
        return strict_chunks(rest);
    if (rest->size < length)
        return false;
    *rest = slice_make(rest->data + length, rest->size - length);
    return true;
}

#endif
