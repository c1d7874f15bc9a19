/* Tests include this file: what they share is not a library of its own. */
#include "memory_disk.h"

#include <errno.h>
#include <pthread.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/random.h"

#define SECTOR 512
#define BLOCK  4096

/* A change to a file that is not durable yet: bytes written, or a new size. */
struct pending {
    struct pending *next;
    uint64_t offset; /* of the bytes, or the new size */
    size_t size;
    char *bytes; /* NULL: a change of size */
};

struct memory_inode {
    struct memory_inode *next;
    struct buffer live;
    struct buffer durable;
    struct pending *pending;
    struct pending **pending_end;
    int handles;
};

struct memory_name {
    char *name;
    struct memory_inode *inode;
};

struct memory_folder {
    struct memory_name *names;
    size_t count;
};

/* A change to the folder that is not durable yet: inode becomes to (NULL: nothing does), from goes (NULL:
 * none does). */
struct folder_change {
    struct folder_change *next;
    char *from;
    char *to;
    struct memory_inode *inode;
};

struct memory_disk {
    struct disk disk;
    pthread_mutex_t lock;
    struct memory_inode *inodes;
    struct memory_folder live;
    struct memory_folder durable;
    struct folder_change *changes;
    struct folder_change **changes_end;
    uint64_t calls;
    uint64_t crash_at;
    bool crashed;
    unsigned fail_kinds;
    uint64_t fail_skip;
    uint64_t fail_count;
    int fail_error;
    bool failed;
    uint64_t capacity;
    int holder;
    uint64_t looks_left;
    void (*meanwhile)(void *context);
    void *meanwhile_context;
};

struct memory_file {
    struct disk_file file;
    struct memory_disk *disk;
    struct memory_inode *inode;
};

static const struct disk_operations memory_operations;

/* --- folders ------------------------------------------------------------------------------------------ */

static struct memory_name *names_find(struct memory_folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->count; i++)
        if (strcmp(folder->names[i].name, name) == 0)
            return &folder->names[i];
    return NULL;
}

static void names_unset(struct memory_folder *folder, const char *name)
{
    struct memory_name *found = names_find(folder, name);
    if (!found)
        return;
    mem_free(found->name);
    *found = folder->names[--folder->count];
}

static void names_set(struct memory_folder *folder, const char *name, struct memory_inode *inode)
{
    names_unset(folder, name);
    folder->names = mem_realloc(folder->names, (folder->count + 1) * sizeof(*folder->names));
    folder->names[folder->count++] = (struct memory_name){mem_strdup(name), inode};
}

static void names_apply(struct memory_folder *folder, const struct folder_change *change)
{
    struct memory_name *from = change->from ? names_find(folder, change->from) : NULL;
    if (from && (!change->to || from->inode == change->inode))
        names_unset(folder, change->from);
    if (change->to)
        names_set(folder, change->to, change->inode);
}

static void names_copy(struct memory_folder *to, const struct memory_folder *from)
{
    while (to->count > 0)
        names_unset(to, to->names[0].name);
    for (size_t i = 0; i < from->count; i++)
        names_set(to, from->names[i].name, from->names[i].inode);
}

static void change_folder(struct memory_disk *memory, const char *from, const char *to,
                          struct memory_inode *inode)
{
    struct folder_change *change = mem_alloc(sizeof(*change));
    *change = (struct folder_change){NULL, from ? mem_strdup(from) : NULL, to ? mem_strdup(to) : NULL, inode};
    *memory->changes_end = change;
    memory->changes_end = &change->next;
    names_apply(&memory->live, change);
}

/* Applies the pending changes for which keep says so, and forgets all. */
static void settle_folder(struct memory_disk *memory, bool (*keep)(void *context), void *context)
{
    for (struct folder_change *next, *change = memory->changes; change; change = next) {
        next = change->next;
        if (keep(context))
            names_apply(&memory->durable, change);
        mem_free(change->from);
        mem_free(change->to);
        mem_free(change);
    }
    memory->changes = NULL;
    memory->changes_end = &memory->changes;
}

/* --- files -------------------------------------------------------------------------------------------- */

static struct memory_inode *inode_new(struct memory_disk *memory)
{
    struct memory_inode *inode = mem_alloc_zero(sizeof(*inode));
    inode->pending_end = &inode->pending;
    inode->next = memory->inodes;
    memory->inodes = inode;
    return inode;
}

static void resize(struct buffer *bytes, uint64_t size)
{
    if (size > bytes->size)
        memset(buffer_reserve(bytes, size - bytes->size), 0, size - bytes->size);
    bytes->size = size;
}

static void change_file(struct memory_inode *inode, uint64_t offset, const char *bytes, size_t size)
{
    struct pending *pending = mem_alloc(sizeof(*pending));
    *pending = (struct pending){.offset = offset, .size = size};
    *inode->pending_end = pending;
    inode->pending_end = &pending->next;
    if (!bytes) {
        resize(&inode->live, offset);
        return;
    }
    pending->bytes = mem_alloc(size);
    memcpy(pending->bytes, bytes, size);
    if (inode->live.size < offset + size)
        resize(&inode->live, offset + size);
    memcpy(inode->live.data + offset, bytes, size);
}

/* Applies the pending changes sector by sector where keep says so, and forgets all. */
static void settle_file(struct memory_inode *inode, bool (*keep)(void *context), void *context)
{
    for (struct pending *next, *pending = inode->pending; pending; pending = next) {
        next = pending->next;
        uint64_t end = pending->offset + pending->size;
        bool grows = end > inode->durable.size;
        if (pending->bytes ? grows && keep(context) : keep(context))
            resize(&inode->durable, end);
        for (uint64_t at = pending->offset; pending->bytes && at < end;) {
            uint64_t stop = (at / SECTOR + 1) * SECTOR;
            if (stop > end)
                stop = end;
            uint64_t kept_stop = stop < inode->durable.size ? stop : inode->durable.size;
            if (keep(context) && at < kept_stop)
                memcpy(inode->durable.data + at, pending->bytes + (at - pending->offset), kept_stop - at);
            at = stop;
        }
        mem_free(pending->bytes);
        mem_free(pending);
    }
    inode->pending = NULL;
    inode->pending_end = &inode->pending;
}

static bool keep_all(void *context)
{
    (void)context;
    return true;
}

static bool keep_none(void *context)
{
    (void)context;
    return false;
}

static void inode_free(struct memory_inode *inode)
{
    settle_file(inode, keep_none, NULL);
    buffer_free(&inode->live);
    buffer_free(&inode->durable);
    mem_free(inode);
}

static bool is_referred_to(const struct memory_disk *memory, const struct memory_inode *inode)
{
    for (size_t i = 0; i < memory->live.count; i++)
        if (memory->live.names[i].inode == inode)
            return true;
    for (size_t i = 0; i < memory->durable.count; i++)
        if (memory->durable.names[i].inode == inode)
            return true;
    for (const struct folder_change *change = memory->changes; change; change = change->next)
        if (change->inode == inode)
            return true;
    return inode->handles > 0;
}

static void sweep(struct memory_disk *memory)
{
    for (struct memory_inode **at = &memory->inodes; *at;) {
        struct memory_inode *inode = *at;
        if (is_referred_to(memory, inode)) {
            at = &inode->next;
            continue;
        }
        *at = inode->next;
        inode_free(inode);
    }
}

/* --- faults ------------------------------------------------------------------------------------------- */

static bool fails_on_demand(struct memory_disk *memory, enum memory_call kind)
{
    if (!(memory->fail_kinds & kind) || memory->fail_count == 0)
        return false;
    if (memory->fail_skip > 0) {
        memory->fail_skip--;
        return false;
    }
    memory->fail_count--;
    memory->failed = true;
    return true;
}

/* Begins a call. *act: whether it does its work; returns what it is to say. */
static int begin_call(struct memory_disk *memory, enum memory_call kind, bool *act)
{
    *act = false;
    if (memory->crashed)
        return -EIO;
    if (kind != CALL_READ && ++memory->calls == memory->crash_at) {
        memory->crashed = true;
        *act = kind != CALL_SYNC && kind != CALL_SYNC_FOLDER;
        return -EIO;
    }
    if (fails_on_demand(memory, kind))
        return memory->fail_error;
    *act = true;
    return 0;
}

/* Before each opening and reading, without the lock: what somebody else does meanwhile uses the disk. */
static void look(struct memory_disk *memory)
{
    if (memory->looks_left > 0 && --memory->looks_left == 0)
        memory->meanwhile(memory->meanwhile_context);
}

static uint64_t blocks_of(uint64_t size)
{
    return (size + BLOCK - 1) / BLOCK * BLOCK;
}

static uint64_t used_bytes(const struct memory_disk *memory)
{
    uint64_t used = 0;
    for (size_t i = 0; i < memory->live.count; i++)
        used += blocks_of(memory->live.names[i].inode->live.size);
    return used;
}

/* How large a file may become. */
static uint64_t size_limit(const struct memory_disk *memory, const struct memory_inode *inode)
{
    uint64_t others = used_bytes(memory) - blocks_of(inode->live.size);
    uint64_t left = memory->capacity > others ? memory->capacity - others : 0;
    return left > inode->live.size ? left : inode->live.size;
}

/* --- the interface ------------------------------------------------------------------------------------ */

static struct memory_disk *memory_of(struct disk *disk)
{
    return (struct memory_disk *)disk;
}

static struct memory_file *memory_file_of(struct disk_file *file)
{
    return (struct memory_file *)file;
}

/* Every operation is one step under the lock. */
#define LOCKED(memory, type, call)             \
    do {                                       \
        pthread_mutex_lock(&(memory)->lock);   \
        type locked_result = (call);           \
        pthread_mutex_unlock(&(memory)->lock); \
        return locked_result;                  \
    } while (0)

static int do_open(struct memory_disk *memory, const char *name, enum disk_open_mode mode,
                   struct disk_file **file)
{
    struct memory_name *found = names_find(&memory->live, name);
    struct memory_inode *inode = found ? found->inode : NULL;
    if (memory->crashed)
        return -EIO;
    if (mode == DISK_CREATE) {
        bool act;
        int rc = begin_call(memory, CALL_CREATE, &act);
        if (act && found)
            return -EEXIST;
        if (act)
            change_folder(memory, NULL, name, inode = inode_new(memory));
        if (rc < 0)
            return rc;
    } else if (!found) {
        return -ENOENT;
    }
    struct memory_file *opened = mem_alloc(sizeof(*opened));
    *opened = (struct memory_file){{&memory_operations}, memory, inode};
    inode->handles++;
    *file = &opened->file;
    return 0;
}

static int memory_open(struct disk *disk, const char *name, enum disk_open_mode mode, struct disk_file **file)
{
    look(memory_of(disk));
    LOCKED(memory_of(disk), int, do_open(memory_of(disk), name, mode, file));
}

static void memory_close(struct disk_file *file)
{
    struct memory_file *opened = memory_file_of(file);
    pthread_mutex_lock(&opened->disk->lock);
    opened->inode->handles--;
    pthread_mutex_unlock(&opened->disk->lock);
    mem_free(opened);
}

static ssize_t do_read(struct memory_file *file, void *data, size_t size, uint64_t offset)
{
    bool act;
    int rc = begin_call(file->disk, CALL_READ, &act);
    const struct buffer *live = &file->inode->live;
    if (rc < 0)
        return rc;
    if (offset >= live->size)
        return 0;
    if (size > live->size - offset)
        size = live->size - offset;
    memcpy(data, live->data + offset, size);
    return (ssize_t)size;
}

static ssize_t memory_read(struct disk_file *file, void *data, size_t size, uint64_t offset)
{
    struct memory_file *opened = memory_file_of(file);
    look(opened->disk);
    LOCKED(opened->disk, ssize_t, do_read(opened, data, size, offset));
}

static int do_write(struct memory_file *file, const void *data, size_t size, uint64_t offset)
{
    bool act;
    int rc = begin_call(file->disk, CALL_WRITE, &act);
    uint64_t limit = size_limit(file->disk, file->inode);
    /* A failed write may have done a part of its work. */
    if (!act && size > 1 && !file->disk->crashed) {
        act = true;
        size /= 2;
    }
    if (offset + size > limit) {
        size = limit > offset ? (size_t)(limit - offset) : 0;
        rc = rc < 0 ? rc : -ENOSPC;
    }
    if (act && size > 0)
        change_file(file->inode, offset, data, size);
    return rc;
}

static int memory_write(struct disk_file *file, const void *data, size_t size, uint64_t offset)
{
    struct memory_file *opened = memory_file_of(file);
    LOCKED(opened->disk, int, do_write(opened, data, size, offset));
}

static int do_sync(struct memory_file *file)
{
    bool act;
    int rc = begin_call(file->disk, CALL_SYNC, &act);
    /* A failed sync is as bad as the kernel's: what was not written stays to be seen, but no later sync will
     * write it.
     */
    if (act || !file->disk->crashed)
        settle_file(file->inode, act ? keep_all : keep_none, NULL);
    return rc;
}

static int memory_sync(struct disk_file *file)
{
    struct memory_file *opened = memory_file_of(file);
    LOCKED(opened->disk, int, do_sync(opened));
}

static int do_allocate(struct memory_file *file, uint64_t end)
{
    bool act;
    int rc = begin_call(file->disk, CALL_ALLOCATE, &act);
    if (rc == 0 && end > size_limit(file->disk, file->inode))
        return -ENOSPC;
    if (act && end > file->inode->live.size)
        change_file(file->inode, end, NULL, 0);
    return rc;
}

static int memory_allocate(struct disk_file *file, uint64_t offset, uint64_t size)
{
    struct memory_file *opened = memory_file_of(file);
    LOCKED(opened->disk, int, do_allocate(opened, offset + size));
}

static int do_truncate(struct memory_file *file, uint64_t size)
{
    bool act;
    int rc = begin_call(file->disk, CALL_TRUNCATE, &act);
    if (act)
        change_file(file->inode, size, NULL, 0);
    return rc;
}

static int memory_truncate(struct disk_file *file, uint64_t size)
{
    struct memory_file *opened = memory_file_of(file);
    LOCKED(opened->disk, int, do_truncate(opened, size));
}

static int memory_size(struct disk_file *file, uint64_t *size)
{
    struct memory_file *opened = memory_file_of(file);
    pthread_mutex_lock(&opened->disk->lock);
    *size = opened->inode->live.size;
    int rc = opened->disk->crashed ? -EIO : 0;
    pthread_mutex_unlock(&opened->disk->lock);
    return rc;
}

static int do_rename(struct memory_disk *memory, const char *from, const char *to)
{
    bool act;
    int rc = begin_call(memory, CALL_RENAME, &act);
    struct memory_name *found = names_find(&memory->live, from);
    if (act && !found)
        return -ENOENT;
    if (act)
        change_folder(memory, from, to, found->inode);
    return rc;
}

static int memory_rename(struct disk *disk, const char *from, const char *to)
{
    LOCKED(memory_of(disk), int, do_rename(memory_of(disk), from, to));
}

static int do_unlink(struct memory_disk *memory, const char *name)
{
    bool act;
    if (!memory->crashed && !names_find(&memory->live, name))
        return -ENOENT;
    int rc = begin_call(memory, CALL_UNLINK, &act);
    if (act)
        change_folder(memory, name, NULL, NULL);
    return rc;
}

static int memory_unlink(struct disk *disk, const char *name)
{
    LOCKED(memory_of(disk), int, do_unlink(memory_of(disk), name));
}

static int do_sync_folder(struct memory_disk *memory)
{
    bool act;
    int rc = begin_call(memory, CALL_SYNC_FOLDER, &act);
    if (act) {
        settle_folder(memory, keep_all, NULL);
        sweep(memory);
    }
    return rc;
}

static int memory_sync_folder(struct disk *disk)
{
    LOCKED(memory_of(disk), int, do_sync_folder(memory_of(disk)));
}

static int memory_list(struct disk *disk, disk_list_visit *visit, void *context)
{
    struct buffer names = {0};
    struct memory_disk *memory = memory_of(disk);
    if (memory->crashed)
        return -EIO;
    memory_disk_names(memory, &names);
    for (size_t at = 0; at < names.size; at += strlen(names.data + at) + 1)
        visit(context, names.data + at);
    buffer_free(&names);
    return 0;
}

static int memory_lock(struct disk *disk, const char *name, int *holder)
{
    (void)name;
    *holder = memory_of(disk)->holder;
    return *holder ? -EWOULDBLOCK : 0;
}

static int memory_free_space(struct disk *disk, uint64_t *bytes)
{
    struct memory_disk *memory = memory_of(disk);
    uint64_t used = memory_disk_used(memory);
    *bytes = memory->capacity > used ? memory->capacity - used : 0;
    return 0;
}

static uint64_t memory_file_max(struct disk *disk)
{
    (void)disk;
    return UINT64_MAX;
}

static void memory_free(struct disk *disk)
{
    struct memory_disk *memory = memory_of(disk);
    settle_folder(memory, keep_none, NULL);
    while (memory->live.count > 0)
        names_unset(&memory->live, memory->live.names[0].name);
    names_copy(&memory->durable, &memory->live);
    mem_free(memory->live.names);
    mem_free(memory->durable.names);
    memory->live.names = memory->durable.names = NULL;
    sweep(memory);
    ASSERT(!memory->inodes); /* a file was left open */
    pthread_mutex_destroy(&memory->lock);
    mem_free(memory);
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
    .file_max = memory_file_max,
    .free = memory_free,
};

/* --- for tests ---------------------------------------------------------------------------------------- */

struct memory_disk *memory_disk_new(void)
{
    struct memory_disk *memory = mem_alloc_zero(sizeof(*memory));
    memory->disk.operations = &memory_operations;
    memory->changes_end = &memory->changes;
    memory->capacity = UINT64_MAX;
    pthread_mutex_init(&memory->lock, NULL);
    return memory;
}

struct disk *memory_disk_interface(struct memory_disk *memory)
{
    return &memory->disk;
}

uint64_t memory_disk_calls(const struct memory_disk *memory)
{
    return memory->calls;
}

void memory_disk_crash_at(struct memory_disk *memory, uint64_t call)
{
    memory->crash_at = call;
}

void memory_disk_crash_now(struct memory_disk *memory)
{
    memory->crashed = true;
}

bool memory_disk_has_crashed(const struct memory_disk *memory)
{
    return memory->crashed;
}

struct chance {
    struct random random;
    uint64_t keep_of_8;
};

static bool keep_by_chance(void *context)
{
    struct chance *chance = context;
    return random_below(&chance->random, 8) < chance->keep_of_8;
}

void memory_disk_restart(struct memory_disk *memory, enum memory_crash crash, uint64_t seed)
{
    struct chance chance;
    random_seed(&chance.random, seed);
    chance.keep_of_8 = 1 + random_below(&chance.random, 7);
    bool (*keep)(void *context) = crash == CRASH_LOSING_SOME ? keep_by_chance : keep_none;
    memory->crashed = false;
    memory->crash_at = 0;
    memory->calls = 0;
    if (crash == CRASH_OF_PROCESS)
        return;
    settle_folder(memory, keep, &chance);
    names_copy(&memory->live, &memory->durable);
    for (struct memory_inode *inode = memory->inodes; inode; inode = inode->next) {
        ASSERT(inode->handles == 0);
        settle_file(inode, keep, &chance);
        buffer_clear(&inode->live);
        buffer_append_slice(&inode->live, buffer_slice(&inode->durable));
    }
    sweep(memory);
}

struct memory_disk *memory_disk_after(const struct memory_disk *memory, enum memory_loss loss)
{
    struct memory_disk *after = memory_disk_new();
    const struct folder_change *last = memory->changes;
    struct memory_folder names = {0};
    bool keeps_names = loss == LOSE_NOTHING || loss == LOSE_DATA;
    names_copy(&names, keeps_names ? &memory->live : &memory->durable);
    while (last && last->next)
        last = last->next;
    if (last && loss == LOSE_OLDER_NAMES)
        names_apply(&names, last);
    for (size_t i = 0; i < names.count; i++) {
        const struct memory_inode *inode = names.names[i].inode;
        bool keeps_data = loss != LOSE_DATA && loss != LOSE_ALL;
        memory_disk_put(after, names.names[i].name,
                        buffer_slice(keeps_data ? &inode->live : &inode->durable));
    }
    while (names.count > 0)
        names_unset(&names, names.names[0].name);
    mem_free(names.names);
    return after;
}

struct memory_disk *memory_disk_clone(const struct memory_disk *memory)
{
    return memory_disk_after(memory, LOSE_NOTHING);
}

void memory_disk_look(struct memory_disk *memory, uint64_t look, void (*meanwhile)(void *context),
                      void *context)
{
    memory->looks_left = look;
    memory->meanwhile = meanwhile;
    memory->meanwhile_context = context;
}

bool memory_disk_has_looked(const struct memory_disk *memory)
{
    return memory->looks_left == 0;
}

void memory_disk_fail(struct memory_disk *memory, unsigned kinds, uint64_t skip, uint64_t count, int error)
{
    memory->fail_kinds = kinds;
    memory->fail_skip = skip;
    memory->fail_count = count;
    memory->fail_error = error;
    memory->failed = false;
}

bool memory_disk_has_failed(const struct memory_disk *memory)
{
    return memory->failed;
}

void memory_disk_set_capacity(struct memory_disk *memory, uint64_t bytes)
{
    pthread_mutex_lock(&memory->lock);
    memory->capacity = bytes;
    pthread_mutex_unlock(&memory->lock);
}

uint64_t memory_disk_used(const struct memory_disk *memory)
{
    return used_bytes(memory);
}

void memory_disk_set_holder(struct memory_disk *memory, int process)
{
    memory->holder = process;
}

struct buffer *memory_disk_file(struct memory_disk *memory, const char *name)
{
    struct memory_name *found = names_find(&memory->live, name);
    return found ? &found->inode->live : NULL;
}

void memory_disk_put(struct memory_disk *memory, const char *name, struct slice bytes)
{
    struct memory_inode *inode = inode_new(memory);
    buffer_append_slice(&inode->live, bytes);
    buffer_append_slice(&inode->durable, bytes);
    names_set(&memory->live, name, inode);
    names_set(&memory->durable, name, inode);
    sweep(memory);
}

void memory_disk_remove(struct memory_disk *memory, const char *name)
{
    names_unset(&memory->live, name);
    names_unset(&memory->durable, name);
    sweep(memory);
}

void memory_disk_names(struct memory_disk *memory, struct buffer *names)
{
    pthread_mutex_lock(&memory->lock);
    for (size_t i = 0; i < memory->live.count; i++)
        buffer_append(names, memory->live.names[i].name, strlen(memory->live.names[i].name) + 1);
    pthread_mutex_unlock(&memory->lock);
}
