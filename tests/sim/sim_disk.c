#include "sim_disk.h"

#include <errno.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/memory.h"
#include "sim_child.h"

struct sim_file {
    struct disk_file file;
    struct sim_disk *disk;
    size_t inode;
    char name[SIM_NAME_SIZE]; /* that it was opened under, for the trace */
    bool writable;
};

const char *sim_op_name(enum sim_op op)
{
    static const char *const names[OP_COUNT] = {"open",   "create",      "read",     "write",
                                                "sync",   "allocate",    "truncate", "rename",
                                                "unlink", "sync_folder", "list"};
    return names[op];
}

static struct sim_disk *sim_of(struct disk *disk)
{
    return (struct sim_disk *)disk;
}

static struct sim_file *file_of(struct disk_file *file)
{
    return (struct sim_file *)file;
}

static struct sim_inode *inode_of(const struct sim_file *file)
{
    return file->disk->inodes[file->inode];
}

/* --- files ------------------------------------------------------------------------------------------------
 */

struct sim_inode *sim_inode_new(void)
{
    return mem_alloc_zero(sizeof(struct sim_inode));
}

void sim_pending_clear(struct sim_inode *inode)
{
    for (size_t i = 0; i < inode->pending_count; i++)
        mem_free(inode->pending[i].data);
    inode->pending_count = 0;
}

void sim_inode_free(struct sim_inode *inode)
{
    sim_pending_clear(inode);
    mem_free(inode->pending);
    buffer_free(&inode->cache);
    buffer_free(&inode->durable);
    mem_free(inode);
}

static void buffer_resize(struct buffer *buffer, size_t size)
{
    if (size > buffer->size)
        memset(buffer_reserve(buffer, size - buffer->size), 0, size - buffer->size);
    buffer->size = size;
}

void sim_pending_apply(const struct sim_pending *pending, struct buffer *durable, sim_keep_sector *keep,
                       void *context)
{
    if (pending->size_after != pending->size_before)
        buffer_resize(durable, pending->size_after);
    for (size_t at = 0; at < pending->size; at += SECTOR_SIZE) {
        uint64_t offset = pending->offset + at;
        if (keep && !keep(context, pending, offset / SECTOR_SIZE))
            continue;
        size_t size = pending->size - at < SECTOR_SIZE ? pending->size - at : SECTOR_SIZE;
        if (durable->size < offset + size)
            buffer_resize(durable, offset + size);
        memcpy(durable->data + offset, pending->data + at, size);
    }
}

static struct sim_pending *pending_add(struct sim_disk *disk, struct sim_inode *inode)
{
    if (inode->pending_count == inode->pending_capacity) {
        inode->pending_capacity = inode->pending_capacity ? 2 * inode->pending_capacity : 8;
        inode->pending = mem_realloc(inode->pending, inode->pending_capacity * sizeof(*inode->pending));
    }
    struct sim_pending *pending = &inode->pending[inode->pending_count++];
    *pending = (struct sim_pending){
        .sequence = ++disk->sequence, .size_before = inode->cache.size, .size_after = inode->cache.size};
    return pending;
}

/* Writes into the cache, and notes the sectors as they are afterwards. */
static void inode_write(struct sim_disk *disk, struct sim_inode *inode, const char *data, size_t size,
                        uint64_t offset)
{
    if (size == 0)
        return;
    struct sim_pending *pending = pending_add(disk, inode);
    if (inode->cache.size < offset + size)
        buffer_resize(&inode->cache, offset + size);
    memcpy(inode->cache.data + offset, data, size);
    pending->size_after = inode->cache.size;
    pending->offset = offset / SECTOR_SIZE * SECTOR_SIZE;
    uint64_t end = (offset + size + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
    if (end > inode->cache.size)
        end = inode->cache.size;
    pending->size = end - pending->offset;
    pending->data = mem_alloc(pending->size);
    memcpy(pending->data, inode->cache.data + pending->offset, pending->size);
}

static void inode_set_size(struct sim_disk *disk, struct sim_inode *inode, size_t size)
{
    struct sim_pending *pending = pending_add(disk, inode);
    buffer_resize(&inode->cache, size);
    pending->size_after = size;
}

/* --- names ------------------------------------------------------------------------------------------------
 */

struct sim_name *sim_names_find(struct sim_name *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i].name, name) == 0)
            return &names[i];
    return NULL;
}

static void names_set(struct sim_name **names, size_t *count, const char *name, size_t inode)
{
    struct sim_name *found = sim_names_find(*names, *count, name);
    if (!found) {
        *names = mem_realloc(*names, (*count + 1) * sizeof(**names));
        found = &(*names)[(*count)++];
        snprintf(found->name, sizeof(found->name), "%s", name);
    }
    found->inode = inode;
}

/* Removes a name if it still leads to that file. */
static void names_remove(struct sim_name *names, size_t *count, const char *name, size_t inode)
{
    struct sim_name *found = sim_names_find(names, *count, name);
    if (found && found->inode == inode)
        *found = names[--*count];
}

void sim_names_apply(struct sim_name **names, size_t *count, const struct sim_folder_op *op)
{
    if (op->kind == FOLDER_CREATE) {
        names_set(names, count, op->name, op->inode);
        return;
    }
    names_remove(*names, count, op->name, op->inode);
    if (op->kind == FOLDER_RENAME)
        names_set(names, count, op->to, op->inode);
}

static void folder_change(struct sim_disk *disk, enum sim_folder_op_kind kind, const char *name,
                          const char *to, size_t inode)
{
    disk->folder_ops = mem_realloc(disk->folder_ops, (disk->folder_op_count + 1) * sizeof(*disk->folder_ops));
    struct sim_folder_op *op = &disk->folder_ops[disk->folder_op_count++];
    *op = (struct sim_folder_op){.kind = kind, .sequence = ++disk->sequence, .inode = inode};
    snprintf(op->name, sizeof(op->name), "%s", name);
    snprintf(op->to, sizeof(op->to), "%s", to);
    sim_names_apply(&disk->names, &disk->name_count, op);
}

static bool names_lead_to(const struct sim_name *names, size_t count, size_t inode)
{
    for (size_t i = 0; i < count; i++)
        if (names[i].inode == inode)
            return true;
    return false;
}

static bool is_reachable(const struct sim_disk *disk, size_t inode)
{
    if (disk->inodes[inode]->handles > 0 || names_lead_to(disk->names, disk->name_count, inode) ||
        names_lead_to(disk->durable_names, disk->durable_name_count, inode))
        return true;
    for (size_t i = 0; i < disk->folder_op_count; i++)
        if (disk->folder_ops[i].inode == inode)
            return true;
    return false;
}

void sim_disk_collect(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->inode_count; i++) {
        if (disk->inodes[i] && !is_reachable(disk, i)) {
            sim_inode_free(disk->inodes[i]);
            disk->inodes[i] = NULL;
        }
    }
}

static size_t inode_add(struct sim_disk *disk)
{
    size_t number = 0;
    while (number < disk->inode_count && disk->inodes[number])
        number++;
    if (number == disk->inode_count) {
        disk->inodes = mem_realloc(disk->inodes, (disk->inode_count + 1) * sizeof(struct sim_inode *));
        disk->inode_count++;
    }
    disk->inodes[number] = sim_inode_new();
    return number;
}

/* --- space ------------------------------------------------------------------------------------------------
 */

static uint64_t blocks(uint64_t bytes)
{
    return (bytes + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
}

uint64_t sim_disk_used(const struct sim_disk *disk)
{
    uint64_t used = 0;
    for (size_t i = 0; i < disk->inode_count; i++)
        if (disk->inodes[i] &&
            (disk->inodes[i]->handles > 0 || names_lead_to(disk->names, disk->name_count, i)))
            used += blocks(disk->inodes[i]->cache.size);
    return used;
}

static uint64_t space_left(const struct sim_disk *disk)
{
    uint64_t used = sim_disk_used(disk) + disk->ballast;
    return used < disk->capacity ? disk->capacity - used : 0;
}

/* What others use counts for the disk, but not for the quota, of which free_space knows nothing. */
static uint64_t room_left(const struct sim_disk *disk, int *why)
{
    uint64_t used = sim_disk_used(disk);
    uint64_t of_quota = used < disk->quota ? disk->quota - used : 0;
    uint64_t left = disk->capacity == UINT64_MAX ? UINT64_MAX : space_left(disk);
    *why = of_quota < left ? -EDQUOT : -ENOSPC;
    return of_quota < left ? of_quota : left;
}

/* How far a file that should reach to end can grow now; *why not further. A limit on a file's size is one on
 * where is written, whether the file is that long already or not. */
static uint64_t growable_to(struct sim_disk *disk, const struct sim_inode *inode, uint64_t end, int *why)
{
    uint64_t have = blocks(inode->cache.size);
    *why = -EFBIG;
    if (end > disk->file_max) {
        disk->full_hits++;
        end = disk->file_max;
    }
    if (end <= have || (disk->capacity == UINT64_MAX && disk->quota == UINT64_MAX))
        return end;
    int lacking;
    uint64_t room = room_left(disk, &lacking) / BLOCK_SIZE * BLOCK_SIZE;
    if (blocks(end) - have <= room)
        return end;
    *why = lacking;
    disk->full_hits++;
    return have + room;
}

/* --- a call -----------------------------------------------------------------------------------------------
 */

static bool changes_something(enum sim_op op)
{
    return op != OP_OPEN && op != OP_READ && op != OP_LIST;
}

static bool needs_space(enum sim_op op)
{
    return op == OP_CREATE || op == OP_WRITE || op == OP_ALLOCATE;
}

static int inject(struct sim_disk *disk, enum sim_op op, const char *name)
{
    if (random_below(&disk->random, 65536) < disk->faults.eio[op]) {
        disk->faults_injected++;
        trace_line(disk->trace, "disk: %s %s fails with EIO", sim_op_name(op), name);
        return -EIO;
    }
    if (needs_space(op) && random_below(&disk->random, 65536) < disk->faults.nospace) {
        disk->full_hits++;
        disk->faults_injected++;
        trace_line(disk->trace, "disk: %s %s fails with ENOSPC", sim_op_name(op), name);
        return -ENOSPC;
    }
    return 0;
}

/* Every call begins here. 0, or the error it ends with; *crashes: this is the call that does not return. */
static int call_begin(struct sim_disk *disk, enum sim_op op, const char *name, bool *crashes)
{
    *crashes = false;
    if (!disk->dead && disk->before_call)
        disk->before_call(disk->before_call_context, op, name);
    if (disk->dead)
        return -EIO;
    if (changes_something(op)) {
        disk->calls++;
        if (disk->crash_at && disk->calls >= disk->crash_at) {
            disk->dead = true;
            *crashes = true;
            trace_line(disk->trace, "disk: crash in %s %s (call %llu)", sim_op_name(op), name,
                       (unsigned long long)disk->calls);
            return -EIO;
        }
        if (disk->read_only)
            return -EROFS;
    }
    return inject(disk, op, name);
}

/* Whether a call that ended so has changed something: one that failed may have all the same. */
static bool takes_effect(struct sim_disk *disk, int rc)
{
    return rc == 0 || (rc == -EIO && !disk->dead && random_below(&disk->random, 2));
}

static int call_enter(struct sim_disk *disk, enum sim_op op, const char *name)
{
    bool crashes;
    return call_begin(disk, op, name, &crashes);
}

static const char *full_name(int rc)
{
    return rc == -ENOSPC ? " ENOSPC" : rc == -EDQUOT ? " EDQUOT" : rc == -EFBIG ? " EFBIG" : " failed";
}

/* --- the interface: files ---------------------------------------------------------------------------------
 */

static void op_close(struct disk_file *file)
{
    struct sim_file *sim = file_of(file);
    inode_of(sim)->handles--;
    sim->disk->open_files--;
    sim_disk_collect(sim->disk);
    mem_free(sim);
}

static ssize_t op_read(struct disk_file *file, void *data, size_t size, uint64_t offset)
{
    struct sim_file *sim = file_of(file);
    int rc = call_enter(sim->disk, OP_READ, sim->name);
    if (rc < 0)
        return rc;
    const struct buffer *cache = &inode_of(sim)->cache;
    if (offset >= cache->size)
        return 0;
    if (size > cache->size - offset)
        size = cache->size - offset;
    if (size)
        memcpy(data, cache->data + offset, size);
    return (ssize_t)size;
}

static int op_write(struct disk_file *file, const void *data, size_t size, uint64_t offset)
{
    struct sim_file *sim = file_of(file);
    struct sim_disk *disk = sim->disk;
    bool crashes;
    ASSERT(sim->writable);
    int rc = call_begin(disk, OP_WRITE, sim->name, &crashes);
    if (rc == -EROFS || (disk->dead && !crashes))
        return rc;
    struct sim_inode *inode = inode_of(sim);
    /* Nothing is promised about what part of a write that failed, or never returned, is there. */
    size_t part = rc < 0 ? random_below(&disk->random, size + 1) : size;
    int why;
    uint64_t end = growable_to(disk, inode, offset + part, &why);
    if (end < offset + part) {
        part = end > offset ? end - offset : 0;
        rc = rc ? rc : why;
    }
    inode_write(disk, inode, data, part, offset);
    trace_line(disk->trace, "disk: write %s %llu+%zu%s", sim->name, (unsigned long long)offset, size,
               rc == 0 ? "" : full_name(rc));
    return rc;
}

/* Linux drops what it could not write and reports the error once: it will not be written any more, though
 * reads go on seeing it as long as it is cached. */
static bool keep_half(void *context, const struct sim_pending *pending, uint64_t sector)
{
    (void)pending;
    (void)sector;
    return random_below(context, 2);
}

static int op_sync(struct disk_file *file)
{
    struct sim_file *sim = file_of(file);
    struct sim_disk *disk = sim->disk;
    int rc = call_enter(disk, OP_SYNC, sim->name);
    if (disk->dead || rc == -EROFS)
        return rc;
    struct sim_inode *inode = inode_of(sim);
    if (rc < 0)
        disk->syncs_failed++;
    for (size_t i = 0; i < inode->pending_count; i++)
        sim_pending_apply(&inode->pending[i], &inode->durable, rc < 0 ? keep_half : NULL, &disk->random);
    sim_pending_clear(inode);
    trace_line(disk->trace, "disk: sync %s%s", sim->name, rc < 0 ? " failed" : "");
    return rc;
}

static int op_allocate(struct disk_file *file, uint64_t offset, uint64_t size)
{
    struct sim_file *sim = file_of(file);
    struct sim_disk *disk = sim->disk;
    ASSERT(sim->writable);
    int rc = call_enter(disk, OP_ALLOCATE, sim->name);
    if (rc < 0)
        return rc;
    struct sim_inode *inode = inode_of(sim);
    int why;
    uint64_t end = growable_to(disk, inode, offset + size, &why);
    if (end < offset + size) {
        rc = why;
        /* What fitted may have been allocated. */
        if (random_below(&disk->random, 2))
            end = 0;
    }
    if (end > inode->cache.size)
        inode_set_size(disk, inode, end);
    trace_line(disk->trace, "disk: allocate %s %llu+%llu%s", sim->name, (unsigned long long)offset,
               (unsigned long long)size, rc < 0 ? full_name(rc) : "");
    return rc;
}

static int op_truncate(struct disk_file *file, uint64_t size)
{
    struct sim_file *sim = file_of(file);
    ASSERT(sim->writable);
    int rc = call_enter(sim->disk, OP_TRUNCATE, sim->name);
    if (!takes_effect(sim->disk, rc))
        return rc;
    inode_set_size(sim->disk, inode_of(sim), size);
    trace_line(sim->disk->trace, "disk: truncate %s %llu", sim->name, (unsigned long long)size);
    return rc;
}

static int op_size(struct disk_file *file, uint64_t *size)
{
    struct sim_file *sim = file_of(file);
    if (sim->disk->dead)
        return -EIO;
    *size = inode_of(sim)->cache.size;
    return 0;
}

/* --- the interface: the folder ----------------------------------------------------------------------------
 */

static const struct disk_operations operations;

static int op_create(struct sim_disk *disk, const char *name, size_t *inode)
{
    if (sim_names_find(disk->names, disk->name_count, name))
        return -EEXIST;
    int rc = call_enter(disk, OP_CREATE, name);
    if (!takes_effect(disk, rc))
        return rc;
    if (space_left(disk) < BLOCK_SIZE && random_below(&disk->random, 2)) {
        disk->full_hits++;
        return -ENOSPC;
    }
    *inode = inode_add(disk);
    folder_change(disk, FOLDER_CREATE, name, "", *inode);
    trace_line(disk->trace, "disk: create %s", name);
    return rc;
}

static int op_open(struct disk *base, const char *name, enum disk_open_mode mode, struct disk_file **file)
{
    struct sim_disk *disk = sim_of(base);
    if (disk->recorder)
        return sim_child_open(disk->recorder, name, mode, file);
    size_t inode = 0;
    int rc;
    if (mode == DISK_CREATE) {
        rc = op_create(disk, name, &inode);
    } else {
        rc = call_enter(disk, OP_OPEN, name);
        struct sim_name *found = sim_names_find(disk->names, disk->name_count, name);
        if (rc == 0 && !found)
            rc = -ENOENT;
        if (rc == 0)
            inode = found->inode;
    }
    if (rc < 0)
        return rc;
    struct sim_file *sim = mem_alloc_zero(sizeof(*sim));
    sim->file.operations = &operations;
    sim->disk = disk;
    sim->inode = inode;
    sim->writable = mode != DISK_READ;
    snprintf(sim->name, sizeof(sim->name), "%s", name);
    disk->inodes[inode]->handles++;
    disk->open_files++;
    *file = &sim->file;
    return 0;
}

static int op_rename(struct disk *base, const char *from, const char *to)
{
    struct sim_disk *disk = sim_of(base);
    if (disk->recorder)
        return sim_child_rename(disk->recorder, from, to);
    int rc = call_enter(disk, OP_RENAME, from);
    struct sim_name *found = sim_names_find(disk->names, disk->name_count, from);
    if (!found && rc == 0)
        return -ENOENT;
    if (!found || !takes_effect(disk, rc))
        return rc;
    folder_change(disk, FOLDER_RENAME, from, to, found->inode);
    trace_line(disk->trace, "disk: rename %s %s", from, to);
    return rc;
}

static int op_unlink(struct disk *base, const char *name)
{
    struct sim_disk *disk = sim_of(base);
    if (disk->recorder)
        return sim_child_unlink(disk->recorder, name);
    int rc = call_enter(disk, OP_UNLINK, name);
    struct sim_name *found = sim_names_find(disk->names, disk->name_count, name);
    if (!found && rc == 0)
        return -ENOENT;
    if (!found || !takes_effect(disk, rc))
        return rc;
    folder_change(disk, FOLDER_UNLINK, name, "", found->inode);
    trace_line(disk->trace, "disk: unlink %s", name);
    return rc;
}

static bool op_is_alone(struct disk_file *file)
{
    struct sim_file *sim = file_of(file);
    return inode_of(sim)->handles == 1 && !names_lead_to(sim->disk->names, sim->disk->name_count, sim->inode);
}

static int op_sync_folder(struct disk *base)
{
    struct sim_disk *disk = sim_of(base);
    if (disk->recorder)
        return sim_child_sync_folder(disk->recorder);
    int rc = call_enter(disk, OP_SYNC_FOLDER, "");
    if (rc < 0) {
        disk->read_only |= !disk->dead;
        return rc;
    }
    for (size_t i = 0; i < disk->folder_op_count; i++)
        sim_names_apply(&disk->durable_names, &disk->durable_name_count, &disk->folder_ops[i]);
    disk->folder_op_count = 0;
    sim_disk_collect(disk);
    trace_line(disk->trace, "disk: sync folder");
    return 0;
}

static int op_list(struct disk *base, disk_list_visit *visit, void *context)
{
    struct sim_disk *disk = sim_of(base);
    int rc = call_enter(disk, OP_LIST, "");
    if (rc < 0)
        return rc;
    /* A copy: visit may remove what it is shown. In whatever order. */
    size_t count = disk->name_count;
    struct sim_name *names = mem_alloc(count * sizeof(*names) + 1);
    if (count)
        memcpy(names, disk->names, count * sizeof(*names));
    for (; count > 0; count--) {
        size_t pick = random_below(&disk->random, count);
        visit(context, names[pick].name);
        names[pick] = names[count - 1];
    }
    mem_free(names);
    return 0;
}

static int op_lock(struct disk *base, const char *name, int *holder)
{
    struct sim_disk *disk = sim_of(base);
    *holder = 0;
    if (disk->dead)
        return -EIO;
    if (disk->locked) {
        *holder = 1;
        return -EWOULDBLOCK;
    }
    if (!sim_names_find(disk->names, disk->name_count, name))
        folder_change(disk, FOLDER_CREATE, name, "", inode_add(disk));
    disk->locked = true;
    return 0;
}

static int op_free_space(struct disk *base, uint64_t *bytes)
{
    struct sim_disk *disk = sim_of(base);
    if (disk->dead)
        return -EIO;
    *bytes = disk->capacity == UINT64_MAX ? (uint64_t)1 << 40 : space_left(disk);
    return 0;
}

static uint64_t op_file_max(struct disk *base)
{
    return sim_of(base)->file_max;
}

static void op_free(struct disk *base)
{
    sim_disk_free(sim_of(base));
}

static const struct disk_operations operations = {
    .open = op_open,
    .close = op_close,
    .read = op_read,
    .write = op_write,
    .sync = op_sync,
    .allocate = op_allocate,
    .truncate = op_truncate,
    .size = op_size,
    .rename = op_rename,
    .unlink = op_unlink,
    .is_alone = op_is_alone,
    .sync_folder = op_sync_folder,
    .list = op_list,
    .lock = op_lock,
    .free_space = op_free_space,
    .file_max = op_file_max,
    .free = op_free,
};

/* --- making and ending ------------------------------------------------------------------------------------
 */

void sim_disk_unlimit(struct sim_disk *disk)
{
    disk->ballast = 0;
    disk->capacity = disk->quota = disk->file_max = UINT64_MAX;
}

struct sim_disk *sim_disk_new(uint64_t seed, struct trace *trace)
{
    struct sim_disk *disk = mem_alloc_zero(sizeof(*disk));
    disk->disk.operations = &operations;
    disk->trace = trace;
    random_seed(&disk->random, seed);
    sim_disk_unlimit(disk);
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    ASSERT(disk->open_files == 0);
    for (size_t i = 0; i < disk->inode_count; i++)
        if (disk->inodes[i])
            sim_inode_free(disk->inodes[i]);
    mem_free(disk->inodes);
    mem_free(disk->names);
    mem_free(disk->durable_names);
    mem_free(disk->folder_ops);
    mem_free(disk);
}

void sim_disk_process_ended(struct sim_disk *disk)
{
    ASSERT(disk->open_files == 0);
    disk->locked = false;
}

void sim_disk_crash_after(struct sim_disk *disk, uint64_t calls_ahead)
{
    disk->crash_at = disk->calls + calls_ahead + 1;
}

struct slice sim_disk_content(const struct sim_disk *disk, const char *name)
{
    struct sim_name *found = sim_names_find(disk->names, disk->name_count, name);
    return found ? buffer_slice(&disk->inodes[found->inode]->cache) : slice_make(NULL, 0);
}

void sim_disk_rot(struct sim_disk *disk, const char *name, uint64_t offset, uint8_t mask)
{
    struct sim_name *found = sim_names_find(disk->names, disk->name_count, name);
    ASSERT(found);
    struct sim_inode *inode = disk->inodes[found->inode];
    struct buffer *copies[] = {&inode->cache, &inode->durable};
    for (int i = 0; i < 2; i++)
        if (offset < copies[i]->size)
            copies[i]->data[offset] = (char)(copies[i]->data[offset] ^ (char)mask);
}
