/* A disk in memory for the tests of the tools: it can be cloned, its bytes can be changed, and it can stop at
 * the n-th change, as if the process had been killed or the power had gone there. */
#ifndef DKV_TESTS_MEMORY_DISK_H
#define DKV_TESTS_MEMORY_DISK_H

#include <errno.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/memory.h"
#include "journal/disk.h"

#define MEMORY_NAMES_MAX 64

struct memory_node {
    struct buffer data;
    struct buffer durable; /* as of the last sync */
    int users;             /* names, durable names and open files */
};

struct memory_name {
    char name[96];
    struct memory_node *node;
};

struct memory_folder {
    struct memory_name names[MEMORY_NAMES_MAX];
    size_t count;
};

struct memory_disk {
    struct disk disk;
    struct memory_folder now;
    struct memory_folder durable; /* as of the last sync of the folder */
    int64_t changes_left;         /* until every call fails; below 0: never */
    bool has_stopped;
    /* The last change of names since the folder was synced: a name that went, a name that came. */
    char name_gone[96];
    struct memory_name name_come;
    bool is_locked; /* by somebody else */
    /* Called at the n-th opening or reading from here on: what somebody else does meanwhile. */
    int64_t looks_left;
    void (*meanwhile)(void *context);
    void *context;
};

struct memory_file {
    struct disk_file file;
    struct memory_disk *disk;
    struct memory_node *node;
};

/* What a power failure takes of what was not synced. */
enum memory_loss {
    LOSE_NOTHING,
    LOSE_DATA,
    LOSE_NAMES,
    LOSE_OLDER_NAMES, /* the last change of names is kept, those before it are lost */
    LOSE_ALL,
    MEMORY_LOSSES
};

static inline struct memory_disk *memory_disk(struct disk *disk)
{
    return (struct memory_disk *)disk;
}

static inline void memory_release(struct memory_node *node)
{
    if (--node->users > 0)
        return;
    buffer_free(&node->data);
    buffer_free(&node->durable);
    mem_free(node);
}

static inline struct memory_name *memory_find(struct memory_folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->count; i++)
        if (strcmp(folder->names[i].name, name) == 0)
            return &folder->names[i];
    return NULL;
}

static inline void memory_remove(struct memory_folder *folder, struct memory_name *name)
{
    memory_release(name->node);
    *name = folder->names[--folder->count];
}

static inline void memory_add(struct memory_folder *folder, const char *name, struct memory_node *node)
{
    ASSERT(folder->count < MEMORY_NAMES_MAX);
    struct memory_name *added = &folder->names[folder->count++];
    snprintf(added->name, sizeof(added->name), "%s", name);
    added->node = node;
    node->users++;
}

static inline void memory_folder_clear(struct memory_folder *folder)
{
    while (folder->count > 0)
        memory_remove(folder, &folder->names[0]);
}

static inline void memory_folder_copy(struct memory_folder *to, const struct memory_folder *from)
{
    memory_folder_clear(to);
    for (size_t i = 0; i < from->count; i++)
        memory_add(to, from->names[i].name, from->names[i].node);
}

/* Counts a change. False when the disk has stopped. */
static inline bool memory_step(struct memory_disk *disk)
{
    if (disk->changes_left == 0)
        disk->has_stopped = true;
    else if (disk->changes_left > 0)
        disk->changes_left--;
    return !disk->has_stopped;
}

/* Before each opening and reading. */
static inline void memory_look(struct memory_disk *disk)
{
    if (disk->looks_left > 0 && --disk->looks_left == 0)
        disk->meanwhile(disk->context);
}

/* gone or come may be NULL. */
static inline void memory_note_names(struct memory_disk *disk, const char *gone, const char *come,
                                     struct memory_node *node)
{
    if (disk->name_come.node)
        memory_release(disk->name_come.node);
    disk->name_come.node = come ? node : NULL;
    if (come)
        node->users++;
    snprintf(disk->name_come.name, sizeof(disk->name_come.name), "%s", come ? come : "");
    snprintf(disk->name_gone, sizeof(disk->name_gone), "%s", gone ? gone : "");
}

static inline void memory_grow(struct buffer *data, uint64_t size)
{
    if (data->size >= size)
        return;
    size_t extra = (size_t)size - data->size;
    memset(buffer_reserve(data, extra), 0, extra);
    data->size = (size_t)size;
}

static const struct disk_operations memory_operations;

static int memory_open(struct disk *base, const char *name, enum disk_open_mode mode, struct disk_file **file)
{
    struct memory_disk *disk = memory_disk(base);
    memory_look(disk);
    struct memory_name *found = memory_find(&disk->now, name);
    if (mode == DISK_CREATE && found)
        return -EEXIST;
    if (mode != DISK_CREATE && !found)
        return -ENOENT;
    if (mode == DISK_CREATE && !memory_step(disk))
        return -EIO;
    if (mode == DISK_CREATE) {
        memory_add(&disk->now, name, mem_alloc_zero(sizeof(struct memory_node)));
        memory_note_names(disk, NULL, name, memory_find(&disk->now, name)->node);
    }
    struct memory_file *opened = mem_alloc(sizeof(*opened));
    *opened = (struct memory_file){{&memory_operations}, disk, memory_find(&disk->now, name)->node};
    opened->node->users++;
    *file = &opened->file;
    return 0;
}

static void memory_close(struct disk_file *file)
{
    memory_release(((struct memory_file *)file)->node);
    mem_free(file);
}

static ssize_t memory_read(struct disk_file *file, void *data, size_t size, uint64_t offset)
{
    const struct buffer *bytes = &((struct memory_file *)file)->node->data;
    memory_look(((struct memory_file *)file)->disk);
    if (offset >= bytes->size)
        return 0;
    size_t there = bytes->size - (size_t)offset;
    size_t got = size < there ? size : there;
    if (got > 0)
        memcpy(data, bytes->data + offset, got);
    return (ssize_t)got;
}

/* The write at which the disk stops leaves its first half. */
static int memory_write(struct disk_file *file, const void *data, size_t size, uint64_t offset)
{
    struct memory_file *opened = (struct memory_file *)file;
    bool had_stopped = opened->disk->has_stopped;
    bool ok = memory_step(opened->disk);
    size_t part = ok ? size : had_stopped ? 0 : size / 2;
    if (part > 0) {
        memory_grow(&opened->node->data, offset + part);
        memcpy(opened->node->data.data + offset, data, part);
    }
    return ok ? 0 : -EIO;
}

static int memory_sync(struct disk_file *file)
{
    struct memory_file *opened = (struct memory_file *)file;
    if (!memory_step(opened->disk))
        return -EIO;
    buffer_clear(&opened->node->durable);
    buffer_append_slice(&opened->node->durable, buffer_slice(&opened->node->data));
    return 0;
}

static int memory_allocate(struct disk_file *file, uint64_t offset, uint64_t size)
{
    struct memory_file *opened = (struct memory_file *)file;
    if (!memory_step(opened->disk))
        return -EIO;
    memory_grow(&opened->node->data, offset + size);
    return 0;
}

static int memory_truncate(struct disk_file *file, uint64_t size)
{
    struct memory_file *opened = (struct memory_file *)file;
    if (!memory_step(opened->disk))
        return -EIO;
    memory_grow(&opened->node->data, size);
    opened->node->data.size = (size_t)size;
    return 0;
}

static int memory_size(struct disk_file *file, uint64_t *size)
{
    *size = ((struct memory_file *)file)->node->data.size;
    return 0;
}

static int memory_rename(struct disk *base, const char *from, const char *to)
{
    struct memory_disk *disk = memory_disk(base);
    struct memory_name *source = memory_find(&disk->now, from);
    if (!source)
        return -ENOENT;
    if (!memory_step(disk))
        return -EIO;
    struct memory_node *node = source->node;
    node->users++;
    memory_remove(&disk->now, source);
    struct memory_name *target = memory_find(&disk->now, to);
    if (target)
        memory_remove(&disk->now, target);
    memory_add(&disk->now, to, node);
    memory_note_names(disk, from, to, node);
    memory_release(node);
    return 0;
}

static int memory_unlink(struct disk *base, const char *name)
{
    struct memory_disk *disk = memory_disk(base);
    struct memory_name *found = memory_find(&disk->now, name);
    if (!found)
        return -ENOENT;
    if (!memory_step(disk))
        return -EIO;
    memory_remove(&disk->now, found);
    memory_note_names(disk, name, NULL, NULL);
    return 0;
}

static int memory_sync_folder(struct disk *base)
{
    struct memory_disk *disk = memory_disk(base);
    if (!memory_step(disk))
        return -EIO;
    memory_folder_copy(&disk->durable, &disk->now);
    memory_note_names(disk, NULL, NULL, NULL);
    return 0;
}

static int memory_list(struct disk *base, disk_list_visit *visit, void *context)
{
    struct memory_disk *disk = memory_disk(base);
    for (size_t i = 0; i < disk->now.count; i++)
        visit(context, disk->now.names[i].name);
    return 0;
}

static int memory_lock(struct disk *base, const char *name, int *holder)
{
    (void)name;
    *holder = 4711;
    return memory_disk(base)->is_locked ? -EWOULDBLOCK : 0;
}

static int memory_free_space(struct disk *base, uint64_t *bytes)
{
    (void)base;
    *bytes = UINT64_C(1) << 40;
    return 0;
}

static void memory_free(struct disk *base)
{
    struct memory_disk *disk = memory_disk(base);
    memory_note_names(disk, NULL, NULL, NULL);
    memory_folder_clear(&disk->now);
    memory_folder_clear(&disk->durable);
    mem_free(disk);
}

static const struct disk_operations memory_operations = {
    .open = memory_open,
    .close = memory_close,
    .read = memory_read,
    .write = memory_write,
    .sync = memory_sync,
    .allocate = memory_allocate,
    .truncate = memory_truncate,
    .size = memory_size,
    .rename = memory_rename,
    .unlink = memory_unlink,
    .sync_folder = memory_sync_folder,
    .list = memory_list,
    .lock = memory_lock,
    .free_space = memory_free_space,
    .free = memory_free,
};

static inline struct memory_disk *memory_disk_new(void)
{
    struct memory_disk *disk = mem_alloc_zero(sizeof(*disk));
    disk->disk.operations = &memory_operations;
    disk->changes_left = -1;
    return disk;
}

/* Puts a file there, durably. */
static inline void memory_put(struct memory_disk *disk, const char *name, struct slice data)
{
    struct memory_node *node = mem_alloc_zero(sizeof(*node));
    struct memory_name *found = memory_find(&disk->now, name);
    if (found)
        memory_remove(&disk->now, found);
    buffer_append_slice(&node->data, data);
    buffer_append_slice(&node->durable, data);
    memory_add(&disk->now, name, node);
    memory_folder_copy(&disk->durable, &disk->now);
}

/* The file's bytes; NULL when there is none. They may be changed. */
static inline struct buffer *memory_get(struct memory_disk *disk, const char *name)
{
    struct memory_name *found = memory_find(&disk->now, name);
    return found ? &found->node->data : NULL;
}

/* What is there now, as a disk of its own on which all of it is durable. */
static inline struct memory_disk *memory_clone(const struct memory_disk *disk)
{
    struct memory_disk *clone = memory_disk_new();
    for (size_t i = 0; i < disk->now.count; i++)
        memory_put(clone, disk->now.names[i].name, buffer_slice(&disk->now.names[i].node->data));
    return clone;
}

/* The power has gone: what is there afterwards, as a disk of its own. */
static inline struct memory_disk *memory_crash(const struct memory_disk *disk, enum memory_loss loss)
{
    struct memory_disk *after = memory_disk_new();
    bool lose_data = loss == LOSE_DATA || loss == LOSE_ALL;
    const struct memory_folder *folder =
        loss == LOSE_NOTHING || loss == LOSE_DATA ? &disk->now : &disk->durable;
    const struct memory_name *come = loss == LOSE_OLDER_NAMES ? &disk->name_come : &(struct memory_name){0};
    for (size_t i = 0; i < folder->count; i++) {
        const struct memory_node *node = folder->names[i].node;
        if (loss != LOSE_OLDER_NAMES || strcmp(folder->names[i].name, disk->name_gone) != 0)
            memory_put(after, folder->names[i].name, buffer_slice(lose_data ? &node->durable : &node->data));
    }
    if (come->node)
        memory_put(after, come->name, buffer_slice(&come->node->data));
    return after;
}

#endif
