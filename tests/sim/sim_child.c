#include "sim_child.h"

#include <errno.h>
#include <stdio.h>

#include "base/memory.h"

/* A file as the child sees it while it is recorded, and as it really is when its calls are done. */
struct sim_child_file {
    struct disk_file file; /* first: this is what the child is given */
    struct sim_child *child;
    size_t number;
    struct buffer content;
    struct disk_file *real; /* NULL: not open (yet, or any more) */
};

struct sim_child_call {
    enum sim_op op;
    bool is_close;
    enum disk_open_mode mode;
    char name[SIM_NAME_SIZE];
    char to[SIM_NAME_SIZE];
    size_t file;
    uint64_t offset;
    uint64_t size;
    char *data; /* of a write */
};

/* --- recording --------------------------------------------------------------------------------------------
 */

static struct sim_child_call *record(struct sim_child *child, enum sim_op op, const char *name)
{
    child->calls = mem_realloc(child->calls, (child->call_count + 1) * sizeof(*child->calls));
    struct sim_child_call *call = &child->calls[child->call_count++];
    *call = (struct sim_child_call){.op = op};
    snprintf(call->name, sizeof(call->name), "%s", name);
    return call;
}

static struct sim_child_file *child_file(struct disk_file *file)
{
    return (struct sim_child_file *)file;
}

static struct sim_child_call *record_on(struct disk_file *file, enum sim_op op)
{
    struct sim_child_call *call = record(child_file(file)->child, op, "");
    call->file = child_file(file)->number;
    return call;
}

static void content_resize(struct buffer *content, size_t size)
{
    if (size > content->size)
        memset(buffer_reserve(content, size - content->size), 0, size - content->size);
    content->size = size;
}

static void record_close(struct disk_file *file)
{
    record_on(file, OP_OPEN)->is_close = true;
}

static ssize_t recorded_read(struct disk_file *file, void *data, size_t size, uint64_t offset)
{
    const struct buffer *content = &child_file(file)->content;
    if (offset >= content->size)
        return 0;
    if (size > content->size - offset)
        size = content->size - offset;
    memcpy(data, content->data + offset, size);
    return (ssize_t)size;
}

static int record_write(struct disk_file *file, const void *data, size_t size, uint64_t offset)
{
    struct sim_child_call *call = record_on(file, OP_WRITE);
    struct buffer *content = &child_file(file)->content;
    call->offset = offset;
    call->size = size;
    call->data = mem_alloc(size + 1);
    if (size == 0)
        return 0;
    memcpy(call->data, data, size);
    if (content->size < offset + size)
        content_resize(content, offset + size);
    memcpy(content->data + offset, data, size);
    return 0;
}

static int record_sync(struct disk_file *file)
{
    record_on(file, OP_SYNC);
    return 0;
}

static int record_allocate(struct disk_file *file, uint64_t offset, uint64_t size)
{
    struct sim_child_call *call = record_on(file, OP_ALLOCATE);
    call->offset = offset;
    call->size = size;
    if (child_file(file)->content.size < offset + size)
        content_resize(&child_file(file)->content, offset + size);
    return 0;
}

static int record_truncate(struct disk_file *file, uint64_t size)
{
    record_on(file, OP_TRUNCATE)->size = size;
    content_resize(&child_file(file)->content, size);
    return 0;
}

static int recorded_size(struct disk_file *file, uint64_t *size)
{
    *size = child_file(file)->content.size;
    return 0;
}

static const struct disk_operations recorder = {
    .close = record_close,
    .read = recorded_read,
    .write = record_write,
    .sync = record_sync,
    .allocate = record_allocate,
    .truncate = record_truncate,
    .size = recorded_size,
};

int sim_child_open(struct sim_child *child, const char *name, enum disk_open_mode mode,
                   struct disk_file **file)
{
    struct sim_child_call *call = record(child, mode == DISK_CREATE ? OP_CREATE : OP_OPEN, name);
    call->mode = mode;
    call->file = child->file_count;
    struct sim_child_file *opened = mem_alloc_zero(sizeof(*opened));
    opened->file.operations = &recorder;
    opened->child = child;
    opened->number = child->file_count;
    if (mode != DISK_CREATE)
        buffer_append_slice(&opened->content, sim_disk_content(child->disk, name));
    child->files = mem_realloc(child->files, (child->file_count + 1) * sizeof(struct sim_child_file *));
    child->files[child->file_count++] = opened;
    *file = &opened->file;
    return 0;
}

int sim_child_rename(struct sim_child *child, const char *from, const char *to)
{
    struct sim_child_call *call = record(child, OP_RENAME, from);
    snprintf(call->to, sizeof(call->to), "%s", to);
    return 0;
}

int sim_child_unlink(struct sim_child *child, const char *name)
{
    record(child, OP_UNLINK, name);
    return sim_names_find(child->disk->names, child->disk->name_count, name) ? 0 : -ENOENT;
}

int sim_child_sync_folder(struct sim_child *child)
{
    record(child, OP_SYNC_FOLDER, "");
    return 0;
}

/* --- doing ------------------------------------------------------------------------------------------------
 */

static int do_call(struct sim_child *child, const struct sim_child_call *call)
{
    struct disk *disk = &child->disk->disk;
    struct sim_child_file *file = call->file < child->file_count ? child->files[call->file] : NULL;
    if (call->is_close) {
        disk_close(file->real);
        file->real = NULL;
        return 0;
    }
    switch (call->op) {
    case OP_OPEN:
    case OP_CREATE: return disk_open(disk, call->name, call->mode, &file->real);
    case OP_WRITE: return disk_write(file->real, call->data, call->size, call->offset);
    case OP_SYNC: return disk_sync(file->real);
    case OP_ALLOCATE: return disk_allocate(file->real, call->offset, call->size);
    case OP_TRUNCATE: return disk_truncate(file->real, call->size);
    case OP_RENAME: return disk_rename(disk, call->name, call->to);
    case OP_UNLINK: {
        int rc = disk_unlink(disk, call->name);
        return rc == -ENOENT ? 0 : rc;
    }
    default: return disk_sync_folder(disk);
    }
}

static void child_end(struct sim_child *child, bool ok)
{
    for (size_t i = 0; i < child->file_count; i++) {
        if (child->files[i]->real)
            disk_close(child->files[i]->real);
        buffer_free(&child->files[i]->content);
        mem_free(child->files[i]);
    }
    for (size_t i = 0; i < child->call_count; i++)
        mem_free(child->calls[i].data);
    child->file_count = child->call_count = child->next_call = 0;
    child->running = false;
    child->ok = ok;
    trace_line(child->disk->trace, "child: ends %s", ok ? "well" : "badly");
}

void sim_child_run(struct sim_child *child, int calls)
{
    while (child->running && calls-- > 0) {
        if (child->next_call == child->call_count) {
            child_end(child, child->work_ok);
            return;
        }
        trace_line(child->disk->trace, "child: call %zu of %zu", child->next_call, child->call_count);
        if (do_call(child, &child->calls[child->next_call++]) < 0)
            child_end(child, false);
    }
}

void sim_child_kill(struct sim_child *child)
{
    if (child->running)
        child_end(child, false);
}

void sim_child_free(struct sim_child *child)
{
    sim_child_kill(child);
    mem_free(child->calls);
    mem_free(child->files);
    child->calls = NULL;
    child->files = NULL;
}

/* --- the host ---------------------------------------------------------------------------------------------
 */

static int start_child(void *context, int (*work)(void *argument, struct rewrite_progress *progress),
                       void *argument)
{
    struct sim_child *child = context;
    if (random_below(&child->disk->random, 65536) < child->fork_fails) {
        trace_line(child->disk->trace, "child: fork fails");
        return -EAGAIN;
    }
    atomic_store(&child->progress.keys, 0);
    atomic_store(&child->progress.bytes, 0);
    child->disk->recorder = child;
    child->work_ok = work(argument, &child->progress) == 0;
    child->disk->recorder = NULL;
    child->running = true;
    trace_line(child->disk->trace, "child: forked, %zu calls", child->call_count);
    return 0;
}

static bool child_running(void *context, bool *ok)
{
    struct sim_child *child = context;
    *ok = child->ok;
    return child->running;
}

static const struct rewrite_progress *child_progress(void *context)
{
    return &((struct sim_child *)context)->progress;
}

static void kill_child(void *context)
{
    sim_child_kill(context);
}

struct engine_host sim_child_host(struct sim_child *child)
{
    return (struct engine_host){.context = child,
                                .start_child = start_child,
                                .child_running = child_running,
                                .child_progress = child_progress,
                                .kill_child = kill_child};
}
