/* Writes a base: the state at one LSN, as frames of units, usually in a forked child.
 *
 * The child is a copy of a process whose other threads it does not have, and any lock may have been held at
 * the fork: so nothing here takes a lock or touches what the committer owns. Until the file is whole and
 * durable it has another name, which nobody ever reads. */
#include <errno.h>

#include "base/diag.h"
#include "base/hash.h"
#include "base/memory.h"
#include "journal/journal_private.h"

/* Frames of about this size: large enough to cost nothing, small enough to be replayed in steps. */
#define BASE_FRAME_SIZE ((size_t)1 << 20)
/* So much is synced at a time: the log's syncs would have to wait while the kernel writes out gigabytes in
 * one go. */
#define BASE_SYNC_SIZE ((uint64_t)16 << 20)

struct base_writer {
    const struct journal *journal;
    struct disk_file *file;
    lsn_t lsn;
    uint64_t salt;
    uint64_t offset;
    uint64_t synced;                /* up to this offset */
    lsn_t payload;                  /* bytes written: what positions count within a base */
    bool has_new_files;             /* of values */
    struct value_reference *values; /* left out of what is in the buffer */
    size_t value_count;
    size_t value_capacity;
    int database;        /* selected where the buffer begins */
    struct buffer bytes; /* room for the frame's header, then units */
    int error;
};

static bool is_empty(const struct base_writer *writer)
{
    return writer->bytes.size == FRAME_HEADER_SIZE;
}

static int write_bytes(struct base_writer *writer, const char *bytes, size_t size)
{
    int rc = disk_write(writer->file, bytes, size, writer->offset);
    writer->offset += size;
    return rc;
}

static int write_frame(struct base_writer *writer, enum frame_kind kind)
{
    if (writer->value_count > 0) {
        ASSERT(kind == FRAME_DATA);
        kind = FRAME_VALUES;
        frame_values_append(&writer->bytes, FRAME_HEADER_SIZE, writer->values, (uint32_t)writer->value_count);
        writer->value_count = 0;
    }
    struct frame frame = {
        .kind = kind,
        .database = writer->database,
        .lsn = writer->payload,
        .time_ms = journal_time_ms(writer->journal),
        .payload = {writer->bytes.data + FRAME_HEADER_SIZE, writer->bytes.size - FRAME_HEADER_SIZE}};
    frame_seal(&frame, writer->salt, writer->bytes.data);
    writer->payload += frame_stream_size(&frame);
    int rc = write_bytes(writer, writer->bytes.data, writer->bytes.size);
    writer->bytes.size = FRAME_HEADER_SIZE;
    return rc;
}

static int write_header(struct base_writer *writer)
{
    char bytes[FILE_HEADER_SIZE];
    struct file_header header = {.kind = FILE_BASE,
                                 .salt = writer->salt,
                                 .lsn = writer->lsn,
                                 .time_ms = journal_time_ms(writer->journal)};
    memcpy(header.stream_id, writer->journal->stream_id, STREAM_ID_SIZE);
    file_header_encode(&header, bytes);
    return write_bytes(writer, bytes, sizeof(bytes));
}

struct base_writer *base_writer_new(const struct journal *journal, lsn_t lsn, int *error)
{
    char name[FILE_NAME_SIZE];
    base_temporary_name(name, lsn);
    *error = disk_unlink(journal->disk, name); /* of an earlier try at the same LSN */
    if (*error < 0 && *error != -ENOENT)
        return NULL;
    struct disk_file *file;
    *error = disk_open(journal->disk, name, DISK_CREATE, &file);
    if (*error < 0)
        return NULL;
    struct base_writer *writer = mem_alloc_zero(sizeof(*writer));
    uint64_t words[] = {journal->random_seed, lsn, (uint64_t)clock_wall_us(journal->clock)};
    *writer = (struct base_writer){
        .journal = journal, .file = file, .lsn = lsn, .salt = hash_bytes(words, sizeof(words), 0)};
    memset(buffer_reserve(&writer->bytes, FRAME_HEADER_SIZE), 0, FRAME_HEADER_SIZE);
    writer->bytes.size = FRAME_HEADER_SIZE;
    writer->error = write_header(writer);
    return writer;
}

struct buffer *base_writer_buffer(struct base_writer *writer)
{
    return &writer->bytes;
}

/* Writes the file of a value that has none, synced. */
static int write_value(struct base_writer *writer, struct value_file *file, const struct blob *blob,
                       struct slice key)
{
    const struct journal *journal = writer->journal;
    struct journal_error error = {""};
    struct value_writer value = {0};
    struct value_header header = {.lsn = file->lsn,
                                  .number = file->number,
                                  .size = file->size,
                                  .time_ms = journal_time_ms(journal),
                                  .key = key};
    memcpy(header.stream_id, journal->stream_id, STREAM_ID_SIZE);
    bool done = false;
    enum io_result result = value_writer_begin(&value, journal->disk, &header, blob->data, &error);
    while (result == IO_DONE && !done)
        result = value_writer_step(&value, BASE_SYNC_SIZE, &done, &error);
    if (result != IO_DONE) {
        diag(DIAG_WARNING, "rewrite: %s", error.text);
        return result == IO_FULL ? -ENOSPC : -EIO;
    }
    file->checksum = value.checksum;
    atomic_store(&file->has_checksum, true);
    file->child_has_written = true;
    writer->has_new_files = true;
    return 0;
}

/* No lock is taken: what another thread was doing at the moment of the fork concerns nothing that is looked
 * at here. */
int base_writer_value(struct base_writer *writer, struct blob *blob, struct slice key)
{
    struct value_file *file = value_of(blob);
    ASSERT(file && file->state != VALUE_PLANNED);
    if (writer->error == 0 && file->state == VALUE_REWRITE && !file->child_has_written)
        writer->error = write_value(writer, file, blob, key);
    if (writer->error < 0)
        return writer->error;
    /* The committer may not have come to it yet; it will have before the base counts. */
    value_make_checksum(file, blob);
    if (writer->value_count == writer->value_capacity) {
        writer->value_capacity = writer->value_capacity ? 2 * writer->value_capacity : 16;
        writer->values = mem_realloc(writer->values, writer->value_capacity * sizeof(*writer->values));
    }
    writer->values[writer->value_count++] = value_refer(file, writer->bytes.size - FRAME_HEADER_SIZE);
    return 0;
}

int base_writer_flush(struct base_writer *writer, int next_database, bool last)
{
    ASSERT(writer->bytes.size >= FRAME_HEADER_SIZE);
    if (writer->error == 0 && !is_empty(writer) && (last || writer->bytes.size >= BASE_FRAME_SIZE))
        writer->error = write_frame(writer, FRAME_DATA);
    if (writer->error == 0 && writer->offset - writer->synced >= BASE_SYNC_SIZE) {
        writer->error = disk_sync(writer->file);
        writer->synced = writer->offset;
    }
    if (is_empty(writer))
        writer->database = next_database;
    return writer->error;
}

/* Under its final name, durably, whatever a child of a server that was killed may have left there. Only the
 * base that MANIFEST names stays: when nothing was written since that one it holds the same state. */
static int put_in_place(struct base_writer *writer, const char *temporary)
{
    struct disk *disk = writer->journal->disk;
    char name[FILE_NAME_SIZE];
    base_name(name, writer->lsn);
    if (writer->journal->base_is_current)
        return disk_unlink(disk, temporary);
    int rc = disk_rename(disk, temporary, name);
    return rc < 0 ? rc : disk_sync_folder(disk);
}

int base_writer_finish(struct base_writer *writer, uint64_t *bytes)
{
    char temporary[FILE_NAME_SIZE];
    base_temporary_name(temporary, writer->lsn);
    base_writer_flush(writer, 0, true);
    int rc = writer->error;
    if (rc == 0)
        rc = write_frame(writer, FRAME_BASE_END);
    if (rc == 0)
        rc = disk_sync(writer->file);
    disk_close(writer->file);
    /* Whoever finds the base finds the files that it refers to. */
    if (rc == 0 && writer->has_new_files)
        rc = disk_sync_folder(writer->journal->disk);
    if (rc == 0)
        rc = put_in_place(writer, temporary);
    if (rc < 0)
        disk_unlink(writer->journal->disk, temporary);
    *bytes = writer->offset;
    buffer_free(&writer->bytes);
    mem_free(writer->values);
    mem_free(writer);
    return rc;
}
