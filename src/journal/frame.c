#include "journal/frame.h"

#include "base/diag.h"
#include "base/hash.h"

/* The format is little-endian and so is every machine this is built for: fields are copied as they are. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "the on-disk format is written without swapping bytes");

#define LOG_MAGIC  "DKVLOG\r\n"
#define BASE_MAGIC "DKVBASE\n"

enum { /* offsets, as drawn in frame.h */
       HEADER_MAGIC = 0,
       HEADER_VERSION = 8,
       HEADER_ZERO = 12,
       HEADER_STREAM_ID = 16,
       HEADER_SALT = 32,
       HEADER_LSN = 40,
       HEADER_TIME = 48,
       HEADER_CHECKSUM = 56,

       FRAME_CHECKSUM = 0,
       FRAME_MAGIC = 8,
       FRAME_KIND = 12,
       FRAME_ZERO = 13,
       FRAME_DATABASE = 14,
       FRAME_LENGTH = 16,
       FRAME_LSN = 24,
       FRAME_DURABLE = 32,
       FRAME_TIME = 40,

       VALUE_OFFSET = 0,
       VALUE_SIZE = 8,
       VALUE_LSN = 16,
       VALUE_NUMBER = 24,
       VALUE_ZERO = 28,
       VALUE_CHECKSUM = 32,

       VALUES_STREAM_SIZE = 0,
       VALUES_COUNT = 8,
       VALUES_ZERO = 12,
};
static_assert(HEADER_CHECKSUM + 8 == FILE_HEADER_SIZE, "the header ends in its checksum");
static_assert(FRAME_TIME + 8 == FRAME_HEADER_SIZE, "the payload follows the time");
static_assert(VALUE_CHECKSUM + 8 == VALUE_REFERENCE_SIZE, "a reference ends in its checksum");
static_assert(VALUES_ZERO + 4 == VALUES_END_SIZE, "the end ends in zero");

static void put(char *at, const void *value, size_t size)
{
    memcpy(at, value, size);
}

static uint64_t get64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint32_t get32(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint16_t get16(const char *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

void file_header_encode(const struct file_header *header, char out[FILE_HEADER_SIZE])
{
    uint32_t version = FRAME_FORMAT_VERSION;
    memset(out, 0, FILE_HEADER_SIZE);
    put(out + HEADER_MAGIC, header->kind == FILE_BASE ? BASE_MAGIC : LOG_MAGIC, 8);
    put(out + HEADER_VERSION, &version, 4);
    put(out + HEADER_STREAM_ID, header->stream_id, STREAM_ID_SIZE);
    put(out + HEADER_SALT, &header->salt, 8);
    put(out + HEADER_LSN, &header->lsn, 8);
    put(out + HEADER_TIME, &header->time_ms, 8);
    uint64_t checksum = hash_bytes(out, HEADER_CHECKSUM, 0);
    put(out + HEADER_CHECKSUM, &checksum, 8);
}

const char *file_header_decode(struct file_header *header, struct slice bytes)
{
    if (bytes.size < FILE_HEADER_SIZE)
        return "the file is shorter than its header";
    const char *in = bytes.data;
    bool is_log = memcmp(in, LOG_MAGIC, 8) == 0;
    if (!is_log && memcmp(in, BASE_MAGIC, 8) != 0)
        return "the file does not begin as a log or a base";
    if (get64(in + HEADER_CHECKSUM) != hash_bytes(in, HEADER_CHECKSUM, 0))
        return "the header's checksum differs";
    if (get32(in + HEADER_VERSION) != FRAME_FORMAT_VERSION)
        return "the file is of another format version";
    if (get32(in + HEADER_ZERO) != 0)
        return "the header uses bytes that this version does not know";
    header->kind = is_log ? FILE_LOG : FILE_BASE;
    memcpy(header->stream_id, in + HEADER_STREAM_ID, STREAM_ID_SIZE);
    header->salt = get64(in + HEADER_SALT);
    header->lsn = get64(in + HEADER_LSN);
    header->time_ms = (int64_t)get64(in + HEADER_TIME);
    return NULL;
}

const char *file_header_compare(const struct file_header *header, const struct file_header *expected)
{
    if (header->kind != expected->kind)
        return "it is of the other kind, log or base";
    if (memcmp(header->stream_id, expected->stream_id, STREAM_ID_SIZE) != 0)
        return "it belongs to another stream than MANIFEST";
    if (header->lsn != expected->lsn)
        return "its LSN is not the one in its name";
    if (header->salt != expected->salt)
        return "its salt is not the one that MANIFEST names: it is another use of the file";
    return NULL;
}

/* Never zero, neither as a whole nor in its first byte, so that looking for it passes quickly over
 * preallocated zeros. */
uint32_t frame_magic(uint64_t salt)
{
    return (uint32_t)hash_bytes(&salt, sizeof(salt), salt) | 1;
}

/* What both the writer and the reader hold every header to, before the disk and after it. */
static bool fields_plausible(unsigned kind, uint64_t length, lsn_t lsn, lsn_t durable_lsn)
{
    if (durable_lsn > lsn || length > UINT64_MAX - lsn)
        return false;
    switch (kind) {
    case FRAME_DATA: return length > 0;
    case FRAME_CLOSE:
    case FRAME_BASE_END: return length == 0;
    case FRAME_VALUES: return length > VALUE_REFERENCE_SIZE + VALUES_END_SIZE;
    default: return false;
    }
}

/* --- values left out ---------------------------------------------------------------------------------- */

static const char *values_end(const struct frame *frame)
{
    return frame->payload.data + frame->payload.size - VALUES_END_SIZE;
}

static const char *value_at(const struct frame *frame, uint32_t index)
{
    return values_end(frame) - (uint64_t)(frame_value_count(frame) - index) * VALUE_REFERENCE_SIZE;
}

uint32_t frame_value_count(const struct frame *frame)
{
    return frame->kind == FRAME_VALUES ? get32(values_end(frame) + VALUES_COUNT) : 0;
}

struct slice frame_text(const struct frame *frame)
{
    if (frame->kind != FRAME_VALUES)
        return frame->payload;
    return slice_make(frame->payload.data, (size_t)(value_at(frame, 0) - frame->payload.data));
}

bool frame_follows(const struct frame *frame, int database)
{
    static const char select[] = "*2\r\n$6\r\nSELECT\r\n";
    struct slice text = frame_text(frame);
    return frame->database == database ||
           (text.size >= sizeof(select) - 1 && memcmp(text.data, select, sizeof(select) - 1) == 0);
}

uint64_t frame_stream_size(const struct frame *frame)
{
    return frame->kind == FRAME_VALUES ? get64(values_end(frame) + VALUES_STREAM_SIZE) : frame->payload.size;
}

struct value_reference frame_value(const struct frame *frame, uint32_t index)
{
    ASSERT(index < frame_value_count(frame));
    const char *in = value_at(frame, index);
    return (struct value_reference){.offset = get64(in + VALUE_OFFSET),
                                    .size = get64(in + VALUE_SIZE),
                                    .lsn = get64(in + VALUE_LSN),
                                    .number = get32(in + VALUE_NUMBER),
                                    .checksum = get64(in + VALUE_CHECKSUM)};
}

void frame_values_append(struct buffer *payload, size_t text_begin, const struct value_reference *values,
                         uint32_t count)
{
    ASSERT(count > 0 && text_begin < payload->size);
    uint64_t stream_size = payload->size - text_begin;
    char *out = buffer_reserve(payload, count * (size_t)VALUE_REFERENCE_SIZE + VALUES_END_SIZE);
    for (uint32_t i = 0; i < count; i++, out += VALUE_REFERENCE_SIZE) {
        memset(out, 0, VALUE_REFERENCE_SIZE);
        put(out + VALUE_OFFSET, &values[i].offset, 8);
        put(out + VALUE_SIZE, &values[i].size, 8);
        put(out + VALUE_LSN, &values[i].lsn, 8);
        put(out + VALUE_NUMBER, &values[i].number, 4);
        put(out + VALUE_CHECKSUM, &values[i].checksum, 8);
        stream_size += values[i].size;
    }
    memset(out, 0, VALUES_END_SIZE);
    put(out + VALUES_STREAM_SIZE, &stream_size, 8);
    put(out + VALUES_COUNT, &count, 4);
    payload->size += count * (size_t)VALUE_REFERENCE_SIZE + VALUES_END_SIZE;
}

/* Whether the references of a values frame can be what was written: all within the text, one behind the
 * other, and together with it as long as they say. */
static bool values_plausible(const struct frame *frame)
{
    uint64_t left = frame->payload.size - VALUES_END_SIZE;
    uint32_t count = frame_value_count(frame);
    if (count == 0 || get32(values_end(frame) + VALUES_ZERO) != 0 ||
        count > (left - 1) / VALUE_REFERENCE_SIZE)
        return false;
    uint64_t text = left - (uint64_t)count * VALUE_REFERENCE_SIZE;
    uint64_t stream_size = text;
    uint64_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct value_reference value = frame_value(frame, i);
        if (get32(value_at(frame, i) + VALUE_ZERO) != 0 || value.size == 0 || value.offset <= before ||
            value.offset >= text || __builtin_add_overflow(stream_size, value.size, &stream_size))
            return false;
        before = value.offset;
    }
    return stream_size == frame_stream_size(frame) && stream_size <= UINT64_MAX - frame->lsn;
}

/* --- frames ------------------------------------------------------------------------------------------- */

void frame_seal(const struct frame *frame, uint64_t salt, char *block)
{
    ASSERT(frame->database >= 0 && frame->database <= UINT16_MAX);
    uint64_t length = frame->payload.size;
    ASSERT(fields_plausible(frame->kind, length, frame->lsn, frame->durable_lsn));
    uint32_t magic = frame_magic(salt);
    uint16_t database = (uint16_t)frame->database;
    put(block + FRAME_MAGIC, &magic, 4);
    block[FRAME_KIND] = (char)frame->kind;
    block[FRAME_ZERO] = 0;
    put(block + FRAME_DATABASE, &database, 2);
    put(block + FRAME_LENGTH, &length, 8);
    put(block + FRAME_LSN, &frame->lsn, 8);
    put(block + FRAME_DURABLE, &frame->durable_lsn, 8);
    put(block + FRAME_TIME, &frame->time_ms, 8);
    uint64_t checksum = hash_bytes(block + FRAME_MAGIC, FRAME_HEADER_SIZE - FRAME_MAGIC + length, salt);
    put(block + FRAME_CHECKSUM, &checksum, 8);
}

/* Whether a whole header at in could be one of this file. */
static bool header_plausible(const char *in, uint32_t magic)
{
    return get32(in + FRAME_MAGIC) == magic && in[FRAME_ZERO] == 0 &&
           fields_plausible((unsigned char)in[FRAME_KIND], get64(in + FRAME_LENGTH), get64(in + FRAME_LSN),
                            get64(in + FRAME_DURABLE));
}

enum frame_verdict frame_decode(struct frame *frame, struct slice bytes, uint64_t left, uint64_t salt,
                                size_t *need)
{
    ASSERT(bytes.size <= left);
    *need = FRAME_HEADER_SIZE;
    if (left < FRAME_HEADER_SIZE)
        return FRAME_INVALID;
    if (bytes.size < FRAME_HEADER_SIZE)
        return FRAME_SHORT;
    const char *in = bytes.data;
    uint64_t length = get64(in + FRAME_LENGTH);
    if (!header_plausible(in, frame_magic(salt)) || length > left - FRAME_HEADER_SIZE)
        return FRAME_INVALID;
    *need = FRAME_HEADER_SIZE + length;
    if (bytes.size < *need)
        return FRAME_SHORT;
    if (get64(in + FRAME_CHECKSUM) != hash_bytes(in + FRAME_MAGIC, *need - FRAME_MAGIC, salt))
        return FRAME_INVALID;
    frame->kind = (enum frame_kind)in[FRAME_KIND];
    frame->database = get16(in + FRAME_DATABASE);
    frame->lsn = get64(in + FRAME_LSN);
    frame->durable_lsn = get64(in + FRAME_DURABLE);
    frame->time_ms = (int64_t)get64(in + FRAME_TIME);
    frame->payload = slice_make(in + FRAME_HEADER_SIZE, length);
    return frame->kind == FRAME_VALUES && !values_plausible(frame) ? FRAME_INVALID : FRAME_VALID;
}

size_t frame_search(struct slice bytes, size_t from, uint64_t salt)
{
    uint32_t magic = frame_magic(salt);
    while (from < bytes.size && bytes.size - from >= FRAME_HEADER_SIZE) {
        const char *begin = bytes.data + from + FRAME_MAGIC;
        /* The magic of the last whole header ends so many bytes before the end. */
        const char *end = bytes.data + bytes.size - (FRAME_HEADER_SIZE - FRAME_MAGIC) + sizeof(magic);
        const char *found = memmem(begin, (size_t)(end - begin), &magic, sizeof(magic));
        if (!found)
            break;
        size_t at = (size_t)(found - bytes.data) - FRAME_MAGIC;
        if (header_plausible(bytes.data + at, magic))
            return at;
        from = at + 1;
    }
    return bytes.size;
}

lsn_t frame_claimed_lsn(const char *header)
{
    return get64(header + FRAME_LSN);
}
