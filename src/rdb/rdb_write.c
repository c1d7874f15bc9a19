#include "rdb/rdb_write.h"

#include <liblzf/lzf.h>

#include "base/number.h"
#include "rdb/rdb_format.h"

#define INTEGER_TEXT_MAX 11
#define COMPRESSED_FROM  21
#define COMPRESSION_GAIN 4 /* bytes that it has to save */

void rdb_append_little_endian(struct buffer *out, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buffer_append_char(out, (char)(value >> (8 * i)));
}

static void append_big_endian(struct buffer *out, uint64_t value, size_t size)
{
    for (size_t i = size; i-- > 0;)
        buffer_append_char(out, (char)(value >> (8 * i)));
}

void rdb_append_length(struct buffer *out, uint64_t length)
{
    if (length < 1 << 6) {
        buffer_append_char(out, (char)length);
    } else if (length < 1 << 14) {
        append_big_endian(out, RDB_LENGTH_14 << 14 | length, 2);
    } else if (length <= UINT32_MAX) {
        buffer_append_char(out, (char)RDB_WIDE_32);
        append_big_endian(out, length, 4);
    } else {
        buffer_append_char(out, (char)RDB_WIDE_64);
        append_big_endian(out, length, 8);
    }
}

static bool append_integer(struct buffer *out, struct slice value)
{
    int64_t number;
    if (value.size > INTEGER_TEXT_MAX || !int64_parse(value, &number) || number != (int32_t)number)
        return false;
    enum rdb_special form = number == (int8_t)number    ? RDB_INT8
                            : number == (int16_t)number ? RDB_INT16
                                                        : RDB_INT32;
    buffer_append_char(out, (char)(RDB_LENGTH_SPECIAL << 6 | form));
    rdb_append_little_endian(out, (uint64_t)number, (size_t)1 << form);
    return true;
}

/* The compressed bytes are made behind the longest header there may be, and moved up to the one that they
 * get. */
static bool append_compressed(struct buffer *out, struct slice value)
{
    size_t header_max = 1 + 2 * RDB_LENGTH_SIZE_MAX;
    if (value.size < COMPRESSED_FROM || value.size > UINT32_MAX)
        return false;
    size_t room = value.size - COMPRESSION_GAIN;
    size_t begin = out->size;
    buffer_reserve(out, header_max + room);
    unsigned size =
        lzf_compress(value.data, (unsigned)value.size, out->data + begin + header_max, (unsigned)room);
    if (size == 0)
        return false;
    buffer_append_char(out, (char)(RDB_LENGTH_SPECIAL << 6 | RDB_LZF));
    rdb_append_length(out, size);
    rdb_append_length(out, value.size);
    memmove(out->data + out->size, out->data + begin + header_max, size);
    out->size += size;
    return true;
}

void rdb_append_string(struct buffer *out, struct slice value, bool compress)
{
    if (!append_integer(out, value) && !(compress && append_compressed(out, value)))
        rdb_append_bytes(out, value);
}

void rdb_append_bytes(struct buffer *out, struct slice bytes)
{
    rdb_append_length(out, bytes.size);
    buffer_append_slice(out, bytes);
}
