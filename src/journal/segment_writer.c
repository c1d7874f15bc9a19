#include "journal/segment_writer.h"

#include <errno.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/memory.h"

#define ZERO_BLOCK_SIZE ((size_t)64 << 10)

/* The file, opened under its name, and how much of it exists already. */
static enum io_result open_new(struct segment_writer *writer, struct disk *disk, const char *spare,
                               uint64_t *size, struct journal_error *error)
{
    *size = 0;
    int rc;
    if (spare && (rc = disk_rename(disk, spare, writer->name)) < 0)
        return io_error(error, rc, "take into use", spare);
    rc = disk_open(disk, writer->name, spare ? DISK_WRITE : DISK_CREATE, &writer->file);
    /* A leftover that could not be removed when it was found; a spare would have replaced it. */
    if (rc == -EEXIST && (rc = disk_unlink(disk, writer->name)) == 0)
        rc = disk_open(disk, writer->name, DISK_CREATE, &writer->file);
    if (rc < 0)
        return io_error(error, rc, "create", writer->name);
    if (spare && (rc = disk_size(writer->file, size)) < 0)
        return io_final_error(error, rc, "size", writer->name);
    return IO_DONE;
}

/* Reserves, writes the header and makes file and name durable. */
static enum io_result prepare(struct segment_writer *writer, struct disk *disk,
                              const struct file_header *header, uint64_t reserve, struct journal_error *error)
{
    char bytes[FILE_HEADER_SIZE];
    file_header_encode(header, bytes);
    enum io_result result = segment_writer_reserve(writer, FILE_HEADER_SIZE + reserve, error);
    if (result == IO_DONE)
        result = segment_writer_append(writer, bytes, sizeof(bytes), error);
    if (result == IO_DONE)
        result = segment_writer_sync(writer, error);
    int rc;
    if (result == IO_DONE && (rc = disk_sync_folder(disk)) < 0)
        result = io_final_error(error, rc, "sync the folder of", writer->name);
    return result;
}

enum io_result segment_writer_create(struct segment_writer *writer, struct disk *disk,
                                     const struct file_header *header, const char *spare, uint64_t reserve,
                                     struct journal_error *error)
{
    *writer = (struct segment_writer){.lsn = header->lsn, .salt = header->salt};
    log_name(writer->name, header->lsn);
    uint64_t size;
    enum io_result result = open_new(writer, disk, spare, &size, error);
    if (result == IO_DONE) {
        /* A spare's blocks exist and have been written to. */
        writer->reserved_end = writer->filled_end = size;
        result = prepare(writer, disk, header, reserve, error);
    }
    if (result == IO_DONE)
        return result;
    bool created = writer->file != NULL;
    segment_writer_close(writer);
    int rc = created && result == IO_FULL ? disk_unlink(disk, writer->name) : 0;
    return rc < 0 ? io_final_error(error, rc, "remove", writer->name) : result;
}

enum io_result segment_writer_resume(struct segment_writer *writer, struct disk *disk,
                                     const struct manifest_segment *segment, uint64_t offset,
                                     struct journal_error *error)
{
    *writer = (struct segment_writer){.lsn = segment->lsn, .salt = segment->salt, .offset = offset};
    log_name(writer->name, segment->lsn);
    int rc = disk_open(disk, writer->name, DISK_WRITE, &writer->file);
    if (rc < 0)
        return io_final_error(error, rc, "open", writer->name);
    rc = disk_size(writer->file, &writer->reserved_end);
    if (rc < 0)
        return io_final_error(error, rc, "size", writer->name);
    ASSERT(offset <= writer->reserved_end);
    /* How much of the rest was ever written to is not known; writing it once more costs little. */
    writer->filled_end = offset;
    return IO_DONE;
}

void segment_writer_close(struct segment_writer *writer)
{
    if (writer->file)
        disk_close(writer->file);
    writer->file = NULL;
}

enum io_result segment_writer_reserve(struct segment_writer *writer, uint64_t bytes,
                                      struct journal_error *error)
{
    if (segment_writer_room(writer) >= bytes)
        return IO_DONE;
    uint64_t end = writer->offset + bytes;
    int rc = disk_allocate(writer->file, writer->reserved_end, end - writer->reserved_end);
    if (rc < 0)
        return io_error(error, rc, "reserve space for", writer->name);
    writer->reserved_end = end;
    return IO_DONE;
}

enum io_result segment_writer_fill(struct segment_writer *writer, uint64_t bytes, struct journal_error *error)
{
    static const char zeros[ZERO_BLOCK_SIZE];
    uint64_t end = writer->offset + bytes;
    if (end > writer->reserved_end)
        end = writer->reserved_end;
    if (writer->filled_end < writer->offset)
        writer->filled_end = writer->offset;
    while (writer->filled_end < end) {
        uint64_t left = end - writer->filled_end;
        size_t step = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);
        int rc = disk_write(writer->file, zeros, step, writer->filled_end);
        if (rc < 0)
            return io_error(error, rc, "prepare space in", writer->name);
        writer->filled_end += step;
    }
    return IO_DONE;
}

enum io_result segment_writer_append(struct segment_writer *writer, const void *block, size_t size,
                                     struct journal_error *error)
{
    int rc = disk_write(writer->file, block, size, writer->offset);
    if (rc < 0)
        return io_error(error, rc, "write", writer->name);
    writer->offset += size;
    if (writer->filled_end < writer->offset)
        writer->filled_end = writer->offset;
    if (writer->reserved_end < writer->offset)
        writer->reserved_end = writer->offset;
    return IO_DONE;
}

enum io_result segment_writer_sync(struct segment_writer *writer, struct journal_error *error)
{
    int rc = disk_sync(writer->file);
    return rc < 0 ? io_final_error(error, rc, "sync", writer->name) : IO_DONE;
}

enum io_result segment_writer_truncate(struct segment_writer *writer, struct journal_error *error)
{
    int rc = disk_truncate(writer->file, writer->offset);
    if (rc < 0)
        return io_final_error(error, rc, "truncate", writer->name);
    writer->reserved_end = writer->filled_end = writer->offset;
    return segment_writer_sync(writer, error);
}

enum io_result segment_writer_rewrite(struct segment_writer *writer, uint64_t from,
                                      struct journal_error *error)
{
    size_t block_size = ZERO_BLOCK_SIZE;
    char *block = mem_alloc(block_size);
    enum io_result result = IO_DONE;
    while (from < writer->offset && result == IO_DONE) {
        uint64_t left = writer->offset - from;
        size_t step = left < block_size ? (size_t)left : block_size;
        ssize_t got = disk_read(writer->file, block, step, from);
        int rc = got < 0 ? (int)got : (size_t)got < step ? -EIO : disk_write(writer->file, block, step, from);
        /* A file may have less now than when this was written. The sync has to do. */
        if (rc == -EFBIG)
            break;
        if (rc < 0)
            result = io_final_error(error, rc, "write once more", writer->name);
        from += step;
    }
    mem_free(block);
    return result;
}
