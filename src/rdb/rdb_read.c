#include "rdb/rdb_read.h"

#include <liblzf/lzf.h>

#include "rdb/rdb_format.h"

#define COMPRESSION_FACTOR 88 /* LZF makes three bytes of 264 at the most */

bool rdb_take(struct slice *rest, uint64_t size, struct slice *taken)
{
    if (size > rest->size)
        return false;
    *taken = slice_make(rest->data, (size_t)size);
    *rest = slice_make(rest->data + size, rest->size - (size_t)size);
    return true;
}

static uint64_t big_endian(struct slice bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size; i++)
        value = value << 8 | (unsigned char)bytes.data[i];
    return value;
}

bool rdb_read_little_endian(struct slice *rest, size_t size, uint64_t *value)
{
    struct slice taken;
    if (!rdb_take(rest, size, &taken))
        return false;
    *value = 0;
    for (size_t i = taken.size; i-- > 0;)
        *value = *value << 8 | (unsigned char)taken.data[i];
    return true;
}

/* A length, or what is special about the string. */
static bool read_length_or_special(struct slice *rest, uint64_t *length, bool *is_special)
{
    struct slice taken;
    if (!rdb_take(rest, 1, &taken))
        return false;
    unsigned byte = (unsigned char)taken.data[0];
    enum rdb_length_form form = (enum rdb_length_form)(byte >> 6);
    *is_special = form == RDB_LENGTH_SPECIAL;
    *length = byte & 0x3f;
    if (form == RDB_LENGTH_6 || form == RDB_LENGTH_SPECIAL)
        return true;
    if (form == RDB_LENGTH_WIDE && byte != RDB_WIDE_32 && byte != RDB_WIDE_64)
        return false;
    size_t size = form == RDB_LENGTH_14 ? 1 : byte == RDB_WIDE_32 ? 4 : 8;
    if (!rdb_take(rest, size, &taken))
        return false;
    *length = form == RDB_LENGTH_14 ? *length << 8 | big_endian(taken) : big_endian(taken);
    return true;
}

bool rdb_read_length(struct slice *rest, uint64_t *length)
{
    bool is_special;
    return read_length_or_special(rest, length, &is_special) && !is_special;
}

static bool read_integer(struct slice *rest, enum rdb_special form, struct rdb_string *string)
{
    uint64_t bits;
    if (!rdb_read_little_endian(rest, (size_t)1 << form, &bits))
        return false;
    int64_t number = form == RDB_INT8 ? (int8_t)bits : form == RDB_INT16 ? (int16_t)bits : (int32_t)bits;
    string->value = slice_make(string->digits, int64_format(string->digits, number));
    return true;
}

/* A size that is marked as special counts as its lower six bits, as it does in Redis. */
static bool read_compressed(struct slice *rest, uint64_t size_max, struct rdb_string *string)
{
    struct slice taken;
    uint64_t compressed_size;
    uint64_t size;
    bool is_special;
    if (!read_length_or_special(rest, &compressed_size, &is_special) ||
        !read_length_or_special(rest, &size, &is_special) || !rdb_take(rest, compressed_size, &taken))
        return false;
    if (size == 0 || size > UINT32_MAX || size > size_max || compressed_size > UINT32_MAX ||
        size / COMPRESSION_FACTOR > compressed_size)
        return false;
    string->blob = blob_new((size_t)size);
    if (!string->blob)
        return false;
    string->blob->size = (size_t)size;
    string->value = blob_slice(string->blob);
    return lzf_decompress(taken.data, (unsigned)taken.size, string->blob->data, (unsigned)size) == size;
}

bool rdb_read_string(struct slice *rest, uint64_t size_max, struct rdb_string *string)
{
    uint64_t length;
    bool is_special;
    string->value = slice_make(NULL, 0);
    string->blob = NULL;
    if (!read_length_or_special(rest, &length, &is_special))
        return false;
    if (!is_special)
        return length <= size_max && rdb_take(rest, length, &string->value);
    if (length == RDB_LZF)
        return read_compressed(rest, size_max, string);
    return length < RDB_LZF && read_integer(rest, (enum rdb_special)length, string);
}

void rdb_string_drop(struct rdb_string *string)
{
    blob_drop(string->blob);
    string->blob = NULL;
}
