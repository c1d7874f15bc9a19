#include "journal/value_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/hash.h"
#include "base/memory.h"

#define VALUE_MAGIC "DKVVALU\n"
/* Written and read at a time: large enough to cost nothing, and each is begun to be written out at once. */
#define VALUE_IO_SIZE ((uint64_t)1 << 20)

enum { /* offsets, as drawn in value_file.h */
       VALUE_AT_MAGIC = 0,
       VALUE_AT_VERSION = 8,
       VALUE_AT_NUMBER = 12,
       VALUE_AT_STREAM_ID = 16,
       VALUE_AT_LSN = 32,
       VALUE_AT_SIZE = 40,
       VALUE_AT_KEY_SIZE = 48,
       VALUE_AT_TIME = 56,
       VALUE_AT_KEY = 64,
       VALUE_AT_CHECKSUM = VALUE_HEADER_SIZE - VALUE_CHECKSUM_SIZE,
};
static_assert(VALUE_AT_KEY + VALUE_KEY_MAX == VALUE_AT_CHECKSUM, "the key ends where the checksum begins");

static uint64_t get64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

void value_header_encode(const struct value_header *header, char out[VALUE_HEADER_SIZE])
{
    uint32_t version = VALUE_FORMAT_VERSION;
    uint64_t key_size = header->key.size;
    memset(out, 0, VALUE_HEADER_SIZE);
    memcpy(out + VALUE_AT_MAGIC, VALUE_MAGIC, 8);
    memcpy(out + VALUE_AT_VERSION, &version, 4);
    memcpy(out + VALUE_AT_NUMBER, &header->number, 4);
    memcpy(out + VALUE_AT_STREAM_ID, header->stream_id, STREAM_ID_SIZE);
    memcpy(out + VALUE_AT_LSN, &header->lsn, 8);
    memcpy(out + VALUE_AT_SIZE, &header->size, 8);
    memcpy(out + VALUE_AT_KEY_SIZE, &key_size, 8);
    memcpy(out + VALUE_AT_TIME, &header->time_ms, 8);
    if (key_size > 0)
        memcpy(out + VALUE_AT_KEY, header->key.data, key_size < VALUE_KEY_MAX ? key_size : VALUE_KEY_MAX);
    uint64_t checksum = hash_bytes(out, VALUE_AT_CHECKSUM, 0);
    memcpy(out + VALUE_AT_CHECKSUM, &checksum, 8);
}

const char *value_header_decode(struct value_header *header, struct slice bytes)
{
    if (bytes.size < VALUE_HEADER_SIZE)
        return "the file is shorter than its header";
    const char *in = bytes.data;
    uint32_t version;
    memcpy(&version, in + VALUE_AT_VERSION, 4);
    if (memcmp(in, VALUE_MAGIC, 8) != 0)
        return "the file does not begin as a value file";
    if (get64(in + VALUE_AT_CHECKSUM) != hash_bytes(in, VALUE_AT_CHECKSUM, 0))
        return "the header's checksum differs";
    if (version != VALUE_FORMAT_VERSION)
        return "the file is of another format version";
    memcpy(&header->number, in + VALUE_AT_NUMBER, 4);
    memcpy(header->stream_id, in + VALUE_AT_STREAM_ID, STREAM_ID_SIZE);
    header->lsn = get64(in + VALUE_AT_LSN);
    header->size = get64(in + VALUE_AT_SIZE);
    header->key_size = get64(in + VALUE_AT_KEY_SIZE);
    header->time_ms = (int64_t)get64(in + VALUE_AT_TIME);
    header->key = slice_make(in + VALUE_AT_KEY,
                             (size_t)(header->key_size < VALUE_KEY_MAX ? header->key_size : VALUE_KEY_MAX));
    return NULL;
}

/* --- writing ------------------------------------------------------------------------------------------ */

void value_writer_close(struct value_writer *writer)
{
    if (writer->file)
        disk_close(writer->file);
    writer->file = NULL;
}

/* Ends it after a failure; what found no room is removed, so that it can be begun again. */
static enum io_result give_up(struct value_writer *writer, enum io_result result, struct journal_error *error)
{
    value_writer_close(writer);
    int rc = result == IO_FULL ? disk_unlink(writer->disk, writer->name) : 0;
    return rc < 0 ? io_final_error(error, rc, "remove", writer->name) : result;
}

enum io_result value_writer_begin(struct value_writer *writer, struct disk *disk,
                                  const struct value_header *header, const char *data,
                                  struct journal_error *error)
{
    char block[VALUE_HEADER_SIZE];
    *writer = (struct value_writer){.disk = disk, .data = data, .size = header->size};
    value_name(writer->name, header->lsn, header->number);
    int rc = disk_open(disk, writer->name, DISK_CREATE, &writer->file);
    if (rc < 0)
        return io_error(error, rc, "create", writer->name);
    /* All of it at once: a full disk is known before anything is written. */
    rc = disk_allocate(writer->file, 0, value_file_size(header->size));
    if (rc < 0)
        return give_up(writer, io_error(error, rc, "reserve space for", writer->name), error);
    value_header_encode(header, block);
    rc = disk_write(writer->file, block, sizeof(block), 0);
    return rc < 0 ? give_up(writer, io_error(error, rc, "write", writer->name), error) : IO_DONE;
}

/* The checksum is made while the kernel writes out what it was given. */
static enum io_result finish(struct value_writer *writer, struct journal_error *error)
{
    writer->checksum = hash_bytes(writer->data, writer->size, 0);
    int rc =
        disk_write(writer->file, &writer->checksum, VALUE_CHECKSUM_SIZE, VALUE_HEADER_SIZE + writer->size);
    if (rc < 0)
        return give_up(writer, io_error(error, rc, "write", writer->name), error);
    rc = disk_sync(writer->file);
    if (rc < 0)
        return give_up(writer, io_final_error(error, rc, "sync", writer->name), error);
    value_writer_close(writer);
    return IO_DONE;
}

enum io_result value_writer_step(struct value_writer *writer, uint64_t bytes_max, bool *done,
                                 struct journal_error *error)
{
    uint64_t until = writer->size - writer->written < bytes_max ? writer->size : writer->written + bytes_max;
    *done = false;
    while (writer->written < until) {
        uint64_t left = until - writer->written;
        size_t step = (size_t)(left < VALUE_IO_SIZE ? left : VALUE_IO_SIZE);
        int rc = disk_write(writer->file, writer->data + writer->written, step,
                            VALUE_HEADER_SIZE + writer->written);
        if (rc < 0)
            return give_up(writer, io_error(error, rc, "write", writer->name), error);
        writer->written += step;
    }
    if (writer->written < writer->size)
        return IO_DONE;
    *done = true;
    return finish(writer, error);
}

/* --- reading ------------------------------------------------------------------------------------------ */

static bool wrong_with(const char *name, const char *what, struct journal_error *error)
{
    return error_set(error, "%s is damaged: %s", name, what);
}

static bool cannot_read(const char *name, int rc, struct journal_error *error)
{
    if (rc == -ENOENT)
        return error_set(error, "%s is missing", name);
    return error_set(error, "%s cannot be read: %s", name, strerror(-rc));
}

/* Opens the file and decodes its header into block. */
static bool open_header(struct disk *disk, const char *name, struct disk_file **file,
                        struct value_header *header, char block[VALUE_HEADER_SIZE], uint64_t *size,
                        struct journal_error *error)
{
    int rc = disk_open(disk, name, DISK_READ, file);
    if (rc < 0)
        return cannot_read(name, rc, error);
    rc = disk_size(*file, size);
    ssize_t got = rc < 0 ? rc : disk_read(*file, block, VALUE_HEADER_SIZE, 0);
    const char *wrong = got < 0 ? NULL : value_header_decode(header, slice_make(block, (size_t)got));
    if (got >= 0 && !wrong)
        return true;
    disk_close(*file);
    return wrong ? wrong_with(name, wrong, error) : cannot_read(name, (int)got, error);
}

static const char *compare_header(const struct value_header *header, const struct value_reference *value,
                                  const uint8_t stream_id[STREAM_ID_SIZE], uint64_t file_size)
{
    if (memcmp(header->stream_id, stream_id, STREAM_ID_SIZE) != 0)
        return "it belongs to another stream than MANIFEST";
    if (header->lsn != value->lsn || header->number != value->number)
        return "its header is that of another value file";
    if (header->size != value->size)
        return "its size is not the one that the log names";
    if (file_size != value_file_size(value->size))
        return file_size < value_file_size(value->size) ? "it was cut short" : "something follows its end";
    return NULL;
}

static bool open_value(struct disk *disk, const uint8_t stream_id[STREAM_ID_SIZE],
                       const struct value_reference *value, char name[FILE_NAME_SIZE],
                       struct disk_file **file, struct journal_error *error)
{
    char block[VALUE_HEADER_SIZE];
    struct value_header header;
    uint64_t size;
    value_name(name, value->lsn, value->number);
    if (!open_header(disk, name, file, &header, block, &size, error))
        return false;
    const char *wrong = compare_header(&header, value, stream_id, size);
    if (!wrong)
        return true;
    disk_close(*file);
    return wrong_with(name, wrong, error);
}

bool value_file_check(struct disk *disk, const uint8_t stream_id[STREAM_ID_SIZE],
                      const struct value_reference *value, struct journal_error *error)
{
    char name[FILE_NAME_SIZE];
    struct disk_file *file;
    if (!open_value(disk, stream_id, value, name, &file, error))
        return false;
    disk_close(file);
    return true;
}

static bool read_bytes(struct disk_file *file, const char *name, char *data, uint64_t size,
                       struct journal_error *error)
{
    for (uint64_t at = 0; at < size;) {
        uint64_t left = size - at;
        size_t step = (size_t)(left < VALUE_IO_SIZE ? left : VALUE_IO_SIZE);
        ssize_t got = disk_read(file, data + at, step, VALUE_HEADER_SIZE + at);
        if (got < 0)
            return cannot_read(name, (int)got, error);
        if ((size_t)got < step)
            return wrong_with(name, "it was cut short", error);
        at += step;
    }
    return true;
}

static bool read_checksum(struct disk_file *file, const char *name, uint64_t size, uint64_t *checksum,
                          struct journal_error *error)
{
    ssize_t got = disk_read(file, checksum, VALUE_CHECKSUM_SIZE, VALUE_HEADER_SIZE + size);
    if (got < 0)
        return cannot_read(name, (int)got, error);
    return got == VALUE_CHECKSUM_SIZE || wrong_with(name, "it was cut short", error);
}

bool value_file_read(struct disk *disk, const uint8_t stream_id[STREAM_ID_SIZE],
                     const struct value_reference *value, char *data, struct journal_error *error)
{
    char name[FILE_NAME_SIZE];
    struct disk_file *file;
    if (!open_value(disk, stream_id, value, name, &file, error))
        return false;
    uint64_t stored = 0;
    bool ok = read_bytes(file, name, data, value->size, error) &&
              read_checksum(file, name, value->size, &stored, error);
    disk_close(file);
    if (ok && hash_bytes(data, value->size, 0) != value->checksum)
        ok = wrong_with(name, "its bytes do not have the checksum that the log names", error);
    if (ok && stored != value->checksum)
        ok = wrong_with(name, "the checksum at its end is not the one that the log names", error);
    return ok;
}

/* Compares the bytes with the file's own checksum, which is then the value's. */
static bool inspect_bytes(struct disk_file *file, const char *name, struct value_reference *value,
                          struct journal_error *error)
{
    char *data = mem_try_alloc(value->size ? value->size : 1);
    if (!data)
        return error_set(error, "%s is too large to be looked at: there is not enough memory", name);
    bool ok = read_bytes(file, name, data, value->size, error) &&
              read_checksum(file, name, value->size, &value->checksum, error);
    if (ok && hash_bytes(data, value->size, 0) != value->checksum)
        ok = wrong_with(name, "its bytes do not have its own checksum", error);
    mem_free(data);
    return ok;
}

bool value_file_inspect(struct disk *disk, const char *name, struct value_reference *value,
                        struct value_header *header, struct buffer *key, struct journal_error *error)
{
    char block[VALUE_HEADER_SIZE];
    struct disk_file *file;
    uint64_t size;
    if (!open_header(disk, name, &file, header, block, &size, error))
        return false;
    *value = (struct value_reference){.size = header->size, .lsn = header->lsn, .number = header->number};
    char expected[FILE_NAME_SIZE];
    value_name(expected, header->lsn, header->number);
    bool ok = true;
    if (strcmp(expected, name) != 0)
        ok = wrong_with(name, "its header is that of another value file", error);
    else if (size != value_file_size(header->size))
        ok = wrong_with(
            name, size < value_file_size(header->size) ? "it was cut short" : "something follows its end",
            error);
    ok = ok && inspect_bytes(file, name, value, error);
    disk_close(file);
    if (key)
        buffer_append_slice(key, header->key);
    header->key = slice_make(NULL, 0);
    return ok;
}
