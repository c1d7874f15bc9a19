#include "tools/new_folder.h"

#include "base/diag.h"
#include "base/hash.h"

/* Frames are gathered up to this before they are written. */
#define PENDING_MAX ((size_t)1 << 20)

static bool check(struct new_folder *folder, int rc, const char *what)
{
    if (rc < 0 && !folder->failed) {
        io_error(&folder->error, rc, what, folder->name);
        folder->failed = true;
    }
    return !folder->failed;
}

void new_folder_begin(struct new_folder *folder, struct disk *disk, int64_t now_ms)
{
    *folder = (struct new_folder){.disk = disk, .now_ms = now_ms};
    random_secure(folder->manifest.stream_id, STREAM_ID_SIZE);
}

void new_folder_empty_base(struct new_folder *folder, int64_t time_ms)
{
    manifest_add_base(&folder->manifest, &(struct manifest_base){.time_ms = time_ms});
}

static void flush(struct new_folder *folder)
{
    if (folder->pending.size == 0 || folder->failed)
        return;
    check(folder, disk_write(folder->file, folder->pending.data, folder->pending.size, folder->offset),
          "write");
    folder->offset += folder->pending.size;
    buffer_clear(&folder->pending);
}

static void begin_file(struct new_folder *folder, enum file_kind kind, lsn_t lsn, int64_t time_ms)
{
    struct file_header header = {.kind = kind, .lsn = lsn, .time_ms = time_ms};
    char bytes[FILE_HEADER_SIZE];
    if (folder->failed)
        return;
    random_secure(&header.salt, sizeof(header.salt));
    memcpy(header.stream_id, folder->manifest.stream_id, STREAM_ID_SIZE);
    if (kind == FILE_BASE)
        base_name(folder->name, lsn);
    else
        log_name(folder->name, lsn);
    if (!check(folder, disk_open(folder->disk, folder->name, DISK_CREATE, &folder->file), "create"))
        return;
    file_header_encode(&header, bytes);
    folder->is_base = kind == FILE_BASE;
    folder->salt = header.salt;
    folder->offset = 0;
    folder->lsn = kind == FILE_BASE ? 0 : lsn;
    buffer_append(&folder->pending, bytes, sizeof(bytes));
}

/* What commands saw as time goes on from the last frame's, also where the clock here is behind (D9). */
static void end_frame(struct new_folder *folder, enum frame_kind kind)
{
    int64_t time_ms = folder->last_ms > folder->now_ms ? folder->last_ms : folder->now_ms;
    new_folder_frame(folder, &(struct frame){.kind = kind, .lsn = folder->lsn, .time_ms = time_ms});
}

static void end_file(struct new_folder *folder)
{
    if (!folder->file)
        return;
    if (folder->is_base)
        end_frame(folder, FRAME_BASE_END);
    flush(folder);
    if (!folder->failed)
        check(folder, disk_sync(folder->file), "sync");
    disk_close(folder->file);
    folder->file = NULL;
    if (folder->is_base && !folder->failed) {
        struct manifest *manifest = &folder->manifest;
        struct manifest_base *base = &manifest->bases[manifest->base_count - 1];
        base->bytes = folder->offset;
        base->salt = folder->salt;
    }
}

void new_folder_base(struct new_folder *folder, lsn_t lsn, int64_t time_ms)
{
    manifest_add_base(&folder->manifest, &(struct manifest_base){.lsn = lsn, .time_ms = time_ms});
    begin_file(folder, FILE_BASE, lsn, time_ms);
}

void new_folder_segment(struct new_folder *folder, lsn_t lsn)
{
    end_file(folder);
    begin_file(folder, FILE_LOG, lsn, folder->now_ms);
    manifest_add_segment(&folder->manifest, lsn, folder->salt);
}

void new_folder_frame(struct new_folder *folder, const struct frame *frame)
{
    struct frame sealed = *frame;
    size_t size = FRAME_HEADER_SIZE + frame->payload.size;
    if (folder->failed)
        return;
    ASSERT(frame->lsn == folder->lsn);
    /* Nobody reads any of it before all of it is durable. */
    sealed.durable_lsn = folder->is_base ? 0 : frame->lsn;
    char *block = buffer_reserve(&folder->pending, size);
    if (frame->payload.size > 0)
        memcpy(block + FRAME_HEADER_SIZE, frame->payload.data, frame->payload.size);
    frame_seal(&sealed, folder->salt, block);
    folder->pending.size += size;
    sealed.payload = slice_make(block + FRAME_HEADER_SIZE, frame->payload.size);
    folder->lsn += frame_stream_size(&sealed);
    folder->last_ms = frame->time_ms;
    if (folder->pending.size >= PENDING_MAX)
        flush(folder);
}

bool new_folder_finish(struct new_folder *folder)
{
    end_frame(folder, FRAME_CLOSE);
    end_file(folder);
    if (!folder->failed)
        check(folder, disk_sync_folder(folder->disk), "sync the folder of");
    folder->manifest.durable_lsn = folder->lsn;
    if (!folder->failed && manifest_store(folder->disk, &folder->manifest, &folder->error) != IO_DONE)
        folder->failed = true;
    return !folder->failed;
}

void new_folder_end(struct new_folder *folder)
{
    if (folder->file)
        disk_close(folder->file);
    folder->file = NULL;
    manifest_free(&folder->manifest);
    buffer_free(&folder->pending);
}

void new_folder_remove(struct disk *disk)
{
    struct buffer names = {0};
    /* MANIFEST goes first, so that what it names is never missing. Nothing can be done about what fails here.
     */
    disk_unlink(disk, MANIFEST_NAME);
    disk_list(disk, name_collect, &names);
    for (size_t at = 0; at < names.size; at += strlen(names.data + at) + 1)
        disk_unlink(disk, names.data + at);
    buffer_free(&names);
}
