/* Fuzzes the reader of one file: headers, frames, and the search for frames beyond a bad place.
 *
 *   clang -g -O1 -std=gnu17 -D_GNU_SOURCE -DDKV_SYSTEM_MALLOC -Isrc -fsanitize=fuzzer,address,undefined \
 *         tests/fuzz/fuzz_frame.c src/journal/{frame,segment_reader,failure}.c \
 *         src/base/{bytes,diag,memory,number}.c -lm -o build/fuzz_frame && build/fuzz_frame
 * -max_total_time=30
 *
 * The input is a recipe for a file: raw bytes, and frames with right checksums but any fields, so that the
 * fuzzer gets behind the checksums. Whatever it makes, the reader must stay within the file, and a frame that
 * it passes must be one that was made. */
#include "journal/segment_reader.h"

#include "base/diag.h"
#include "base/hash.h"
#include "base/memory.h"

#define SALT 0x0123456789abcdefu

/* --- a disk that is one file in memory
 * -------------------------------------------------------------------------- */

struct fuzz_file {
    struct disk_file file;
    struct slice bytes;
};

struct fuzz_disk {
    struct disk disk;
    struct fuzz_file file;
};

static int fuzz_open(struct disk *disk, const char *name, enum disk_open_mode mode, struct disk_file **file)
{
    (void)name;
    (void)mode;
    *file = &((struct fuzz_disk *)disk)->file.file;
    return 0;
}

static void fuzz_close(struct disk_file *file)
{
    (void)file;
}

static ssize_t fuzz_read(struct disk_file *file, void *data, size_t size, uint64_t offset)
{
    struct slice bytes = ((struct fuzz_file *)file)->bytes;
    ASSERT(offset <= bytes.size);
    if (size > bytes.size - offset)
        size = bytes.size - offset;
    if (size > 0)
        memcpy(data, bytes.data + offset, size);
    return (ssize_t)size;
}

static int fuzz_size(struct disk_file *file, uint64_t *size)
{
    *size = ((struct fuzz_file *)file)->bytes.size;
    return 0;
}

static const struct disk_operations fuzz_operations = {
    .open = fuzz_open, .close = fuzz_close, .read = fuzz_read, .size = fuzz_size};

/* --- the recipe
 * ------------------------------------------------------------------------------------------------- */

static bool take(struct slice *input, void *out, size_t size)
{
    if (input->size < size)
        return false;
    memcpy(out, input->data, size);
    *input = slice_make(input->data + size, input->size - size);
    return true;
}

static struct slice take_bytes(struct slice *input, size_t size)
{
    if (size > input->size)
        size = input->size;
    struct slice taken = {input->data, size};
    *input = slice_make(input->data + size, input->size - size);
    return taken;
}

/* The payload with references to values behind it, which may be any. */
static struct slice make_values(struct slice *input, struct slice text, struct buffer *out)
{
    struct value_reference values[4] = {0};
    uint32_t count = 0;
    uint8_t fields[2];
    while (count < 4 && take(input, fields, sizeof(fields)) && fields[0] != 0)
        values[count++] = (struct value_reference){.offset = fields[0], .size = fields[1]};
    if (count == 0 || text.size == 0)
        return text;
    buffer_append_slice(out, text);
    frame_values_append(out, 0, values, count);
    return buffer_slice(out);
}

/* A frame with a right magic and a right checksum over whatever its fields are. */
static void append_frame(struct buffer *file, struct slice *input, uint8_t choice)
{
    char header[FRAME_HEADER_SIZE] = {0};
    uint32_t magic = frame_magic(SALT);
    uint8_t size;
    struct buffer values = {0};
    if (!take(input, header + 12, FRAME_HEADER_SIZE - 12) || !take(input, &size, 1))
        return;
    struct slice payload = take_bytes(input, size);
    if (choice & 4)
        payload = make_values(input, payload, &values);
    uint64_t length = payload.size;
    memcpy(header + 8, &magic, sizeof(magic));
    if (choice & 1) /* the length may as well be right */
        memcpy(header + 16, &length, sizeof(length));
    size_t begin = file->size;
    buffer_append(file, header, sizeof(header));
    buffer_append_slice(file, payload);
    uint64_t checksum = hash_bytes(file->data + begin + 8, file->size - begin - 8, SALT);
    memcpy(file->data + begin, &checksum, sizeof(checksum));
    buffer_free(&values);
}

static void make_file(struct buffer *file, struct slice input)
{
    char header[FILE_HEADER_SIZE];
    uint8_t choice;
    uint8_t size;
    if (!take(&input, &choice, 1))
        return;
    struct file_header fields = {.kind = choice & 1 ? FILE_BASE : FILE_LOG, .salt = SALT};
    take(&input, &fields.lsn, (choice >> 1) % 9);
    file_header_encode(&fields, header);
    buffer_append(file, header, sizeof(header));
    while (take(&input, &choice, 1)) {
        if (choice & 2)
            append_frame(file, &input, choice);
        else if (take(&input, &size, 1))
            buffer_append_slice(file, take_bytes(&input, size));
    }
}

/* What is left out lies within the text, in order, and with it makes up the stream. */
static void check_values(const struct frame *frame, uint64_t advance)
{
    struct slice text = frame_text(frame);
    uint64_t stream_size = text.size;
    uint64_t before = 0;
    ASSERT(text.data == frame->payload.data && text.size <= frame->payload.size);
    for (uint32_t i = 0; i < frame_value_count(frame); i++) {
        struct value_reference value = frame_value(frame, i);
        ASSERT(value.offset > before && value.offset < text.size && value.size > 0);
        before = value.offset;
        stream_size += value.size;
    }
    ASSERT(stream_size == frame_stream_size(frame) && stream_size == advance);
}

static void read_file(struct slice bytes)
{
    struct fuzz_disk disk = {{&fuzz_operations}, {{&fuzz_operations}, bytes}};
    struct segment_reader reader;
    struct segment_rest rest;
    struct journal_error error;
    struct frame frame;
    const char *why;
    if (!segment_reader_open(&reader, &disk.disk, "file", &error))
        return;
    uint64_t offset = reader.offset;
    lsn_t lsn = reader.lsn;
    while (segment_reader_next(&reader, &frame, &why, &error) == SEGMENT_FRAME) {
        ASSERT(frame.lsn == lsn && frame.durable_lsn <= lsn);
        ASSERT(reader.offset == offset + FRAME_HEADER_SIZE + frame.payload.size &&
               reader.offset <= bytes.size);
        ASSERT(memcmp(frame.payload.data, bytes.data + offset + FRAME_HEADER_SIZE, frame.payload.size) == 0);
        check_values(&frame, reader.lsn - lsn);
        offset = reader.offset;
        lsn = reader.lsn;
    }
    ASSERT(why && segment_reader_look_beyond(&reader, &rest, &error));
    ASSERT(rest.end_offset >= offset && rest.end_offset <= bytes.size && reader.offset == offset);
    segment_reader_close(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer file = {0};
    struct file_header header;
    struct frame frame;
    size_t need;
    struct slice input = slice_make(data, size);
    file_header_decode(&header, input);
    frame_decode(&frame, input, size, SALT, &need);
    frame_search(input, 0, SALT);
    read_file(input);
    make_file(&file, input);
    read_file(buffer_slice(&file));
    buffer_free(&file);
    return 0;
}
