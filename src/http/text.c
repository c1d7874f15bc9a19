#include "http/text.h"

#include <openssl/evp.h>

#include "base/diag.h"
#include "base/hash.h"
#include "base/number.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decode(struct slice text, struct buffer *out)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '%') {
            buffer_append_char(out, text.data[i]);
            continue;
        }
        int high = text.size - i > 2 ? hex_digit(text.data[i + 1]) : -1;
        int low = text.size - i > 2 ? hex_digit(text.data[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        buffer_append_char(out, (char)(high << 4 | low));
        i += 2;
    }
    return true;
}

/* Takes what stands before the first separator away from *rest, and the separator with it. */
static struct slice part_take(struct slice *rest, char separator)
{
    const char *end = rest->size == 0 ? NULL : memchr(rest->data, separator, rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    struct slice part = slice_make(rest->data, size);
    size_t taken = end == NULL ? size : size + 1;
    rest->data += taken;
    rest->size -= taken;
    return part;
}

bool query_find(struct slice query, const char *name, struct buffer *out, bool *wrong)
{
    *wrong = false;
    while (query.size > 0) {
        struct slice value = part_take(&query, '&');
        struct slice key = part_take(&value, '=');
        if (!slice_equal(key, slice_of(name)))
            continue;
        size_t begin = out->size;
        *wrong = false;
        struct buffer spaced = {0};
        buffer_append_slice(&spaced, value);
        for (size_t i = 0; i < spaced.size; i++)
            if (spaced.data[i] == '+')
                spaced.data[i] = ' ';
        if (!percent_decode(buffer_slice(&spaced), out)) {
            out->size = begin;
            *wrong = true;
        }
        buffer_free(&spaced);
        return true;
    }
    return false;
}

static bool word_is_among(struct slice word, struct slice words)
{
    while (words.size > 0)
        if (slice_equal(part_take(&words, ' '), word))
            return true;
    return false;
}

static bool query_names(struct slice query, struct slice name)
{
    while (query.size > 0) {
        struct slice value = part_take(&query, '&');
        if (slice_equal(part_take(&value, '='), name))
            return true;
    }
    return false;
}

enum query_fault query_check(struct slice query, const char *known, struct slice *name)
{
    while (query.size > 0) {
        struct slice value = part_take(&query, '&');
        if (value.size == 0)
            continue;
        *name = part_take(&value, '=');
        if (name->size == 0 || !word_is_among(*name, slice_of(known)))
            return QUERY_UNKNOWN;
        if (query_names(query, *name))
            return QUERY_TWICE;
    }
    return QUERY_FINE;
}

/* --- base64 -------------------------------------------------------------------------------------------- */

void base64_encode(struct slice text, struct buffer *out)
{
    char *to = buffer_reserve(out, (text.size + 2) / 3 * 4 + 1);
    out->size +=
        (size_t)EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)text.data, (int)text.size);
}

bool base64_decode(struct slice text, struct buffer *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t padding = 0;
    while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=')
        padding++;
    if (text.size % 4 != 0 || text.size > INT32_MAX)
        return false;
    /* OpenSSL skips spaces, and takes padding for zeros. */
    for (size_t i = 0; i < text.size - padding; i++)
        if (text.data[i] == '\0' || strchr(alphabet, text.data[i]) == NULL)
            return false;
    char *to = buffer_reserve(out, text.size / 4 * 3 + 1);
    int size = EVP_DecodeBlock((unsigned char *)to, (const unsigned char *)text.data, (int)text.size);
    if (size < 0)
        return false;
    out->size += (size_t)size - padding;
    return true;
}

/* --- entity tags --------------------------------------------------------------------------------------- */

static XXH128_hash_t pieces_hash(const struct iovec *pieces, int count)
{
    if (count <= 1)
        return XXH3_128bits(count == 0 ? NULL : pieces->iov_base, count == 0 ? 0 : pieces->iov_len);
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    for (int i = 0; i < count; i++)
        XXH3_128bits_update(&state, pieces[i].iov_base, pieces[i].iov_len);
    return XXH3_128bits_digest(&state);
}

void etag_make(struct etag *etag, const struct iovec *pieces, int count)
{
    static const char digits[] = "0123456789abcdef";
    XXH128_hash_t hash = pieces_hash(pieces, count);
    char *out = etag->text;
    *out++ = '"';
    for (int shift = 60; shift >= 0; shift -= 4)
        *out++ = digits[hash.high64 >> shift & 15];
    for (int shift = 60; shift >= 0; shift -= 4)
        *out++ = digits[hash.low64 >> shift & 15];
    *out++ = '"';
    *out = '\0';
}

static struct slice trimmed(struct slice text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

bool condition_is_any(struct slice field)
{
    return slice_equal(trimmed(field), SLICE_LITERAL("*"));
}

/* Whether a list names the tag. Tags of ours hold no commas, so a list can be cut at them: what that makes of
 * others is none of ours either. */
static bool list_names(struct slice list, const struct etag *etag, bool weak_counts)
{
    struct slice wanted = slice_make(etag->text, ETAG_SIZE);
    while (list.size > 0) {
        struct slice tag = trimmed(part_take(&list, ','));
        if (weak_counts && tag.size > 2 && memcmp(tag.data, "W/", 2) == 0)
            tag = slice_make(tag.data + 2, tag.size - 2);
        if (slice_equal(tag, wanted))
            return true;
    }
    return false;
}

bool condition_match(struct slice if_match, const struct etag *etag)
{
    if (if_match.data == NULL)
        return true;
    return etag != NULL && (condition_is_any(if_match) || list_names(if_match, etag, false));
}

bool condition_none_match(struct slice if_none_match, const struct etag *etag)
{
    if (if_none_match.data == NULL || etag == NULL)
        return true;
    return !condition_is_any(if_none_match) && !list_names(if_none_match, etag, true);
}

/* --- ranges -------------------------------------------------------------------------------------------- */

bool position_parse(struct slice text, uint64_t *position)
{
    *position = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        if (__builtin_mul_overflow(*position, UINT64_C(10), position) ||
            __builtin_add_overflow(*position, (uint64_t)(text.data[i] - '0'), position))
            *position = UINT64_MAX;
    }
    return text.size > 0;
}

/* "-n": the last n bytes. */
static struct range range_suffix(uint64_t count, uint64_t size)
{
    if (count == 0 || size == 0)
        return (struct range){.kind = RANGE_BEYOND};
    return (struct range){.kind = RANGE_PART, .begin = count < size ? size - count : 0, .end = size};
}

struct range range_parse(struct slice field, uint64_t size)
{
    const struct range all = {.kind = RANGE_ALL, .end = size};
    const struct slice unit = SLICE_LITERAL("bytes=");
    uint64_t first;
    uint64_t last = UINT64_MAX;
    if (field.size < unit.size || !slice_equal_nocase(slice_make(field.data, unit.size), unit))
        return all;
    struct slice rest = trimmed(slice_make(field.data + unit.size, field.size - unit.size));
    struct slice begin = part_take(&rest, '-');
    bool has_dash = begin.data + begin.size != rest.data;
    if (!has_dash)
        return all;
    if (begin.size == 0)
        return position_parse(rest, &last) ? range_suffix(last, size) : all;
    if (!position_parse(begin, &first) || (rest.size > 0 && !position_parse(rest, &last)) || last < first)
        return all;
    if (first >= size)
        return (struct range){.kind = RANGE_BEYOND};
    return (struct range){.kind = RANGE_PART, .begin = first, .end = last < size ? last + 1 : size};
}
