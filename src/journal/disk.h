/* The disk as the journal sees it: a small interface with two implementations, POSIX (journal/disk_posix.c)
 * and the simulator's, which loses, tears, fails and fills up.
 *
 * Functions return 0 or a count on success and a negative errno on failure; they never retry a failed sync.
 * Names are relative to the folder the disk was opened on and hold no slash. A disk may be used by several
 * threads, one file by one thread at a time. */
#ifndef DKV_JOURNAL_DISK_H
#define DKV_JOURNAL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct disk;
struct disk_file;

enum disk_open_mode {
    DISK_READ,   /* must exist */
    DISK_WRITE,  /* must exist; read and write */
    DISK_CREATE, /* must not exist; read and write */
};

/* Called once a name by list. */
typedef void disk_list_visit(void *context, const char *name);

struct disk_operations {
    int (*open)(struct disk *disk, const char *name, enum disk_open_mode mode, struct disk_file **file);
    void (*close)(struct disk_file *file);
    /* Reads up to size bytes; fewer only at the end of the file. */
    ssize_t (*read)(struct disk_file *file, void *data, size_t size, uint64_t offset);
    /* Writes all of it, or fails with nothing promised about what part of it is there. */
    int (*write)(struct disk_file *file, const void *data, size_t size, uint64_t offset);
    /* Makes the file's data, and the size needed to read it, durable. */
    int (*sync)(struct disk_file *file);
    /* Reserves blocks for [offset, offset+size), growing the file to hold them; their contents read as zero.
     */
    int (*allocate)(struct disk_file *file, uint64_t offset, uint64_t size);
    int (*truncate)(struct disk_file *file, uint64_t size);
    int (*size)(struct disk_file *file, uint64_t *size);
    int (*rename)(struct disk *disk, const char *from, const char *to);
    int (*unlink)(struct disk *disk, const char *name);
    /* Whether no name leads to the file any more and nobody else has it open, so that nobody misses what is
     * cut off. NULL: it cannot be told. */
    bool (*is_alone)(struct disk_file *file);
    /* Whether it has more names than one. NULL: it never has. */
    bool (*has_more_names)(struct disk_file *file);
    /* Makes creations, renames and removals in the folder durable. */
    int (*sync_folder)(struct disk *disk);
    int (*list)(struct disk *disk, disk_list_visit *visit, void *context);
    /* Takes the folder for this process by locking it and the file name, whose contents become this process's
     * id. -EWOULDBLOCK when another holds it: *holder is its process id then, or 0 when that cannot be read.
     * Held until the disk closes, and longer by children that were forked meanwhile, as long as they live and
     * keep the descriptor. When the holder has ended and only they are left, it waits for them, but not for
     * ever: -EBUSY. It waits as long where nothing tells who the holder is. */
    int (*lock)(struct disk *disk, const char *name, int *holder);
    /* Bytes that can still be allocated. */
    int (*free_space)(struct disk *disk, uint64_t *bytes);
    /* Bytes that a file may have at most, as of now and as far as it is known; UINT64_MAX: no limit. What
     * goes beyond it fails with -EFBIG. */
    uint64_t (*file_max)(struct disk *disk);
    void (*free)(struct disk *disk);
};

/* Every disk and every file begins with this. */
struct disk {
    const struct disk_operations *operations;
};

struct disk_file {
    const struct disk_operations *operations;
};

/* Opens a folder, creating it (and nothing above it but parents that are missing) when it is not there. On
 * failure returns a negative errno. path need not outlive the call. */
int disk_posix_open(const char *path, struct disk **disk);
/* The descriptors of the folder and of its lock: a forked child needs the one to open files, and has to keep
 * the other as long as it may write. -1 without a lock, or when disk is of another kind. */
void disk_posix_descriptors(const struct disk *disk, int *folder, int *lock);
/* The process id that a lock's holder wrote into the lock's file, which fd has open; 0 when there is none to
 * be read. */
int disk_posix_holder(int fd);

static inline int disk_open(struct disk *disk, const char *name, enum disk_open_mode mode,
                            struct disk_file **file)
{
    return disk->operations->open(disk, name, mode, file);
}

static inline void disk_close(struct disk_file *file)
{
    file->operations->close(file);
}

static inline ssize_t disk_read(struct disk_file *file, void *data, size_t size, uint64_t offset)
{
    return file->operations->read(file, data, size, offset);
}

static inline int disk_write(struct disk_file *file, const void *data, size_t size, uint64_t offset)
{
    return file->operations->write(file, data, size, offset);
}

static inline int disk_sync(struct disk_file *file)
{
    return file->operations->sync(file);
}

static inline int disk_allocate(struct disk_file *file, uint64_t offset, uint64_t size)
{
    return file->operations->allocate(file, offset, size);
}

static inline int disk_truncate(struct disk_file *file, uint64_t size)
{
    return file->operations->truncate(file, size);
}

static inline int disk_size(struct disk_file *file, uint64_t *size)
{
    return file->operations->size(file, size);
}

/* The size of a file that is not open. */
static inline int disk_size_of(struct disk *disk, const char *name, uint64_t *size)
{
    struct disk_file *file;
    int rc = disk_open(disk, name, DISK_READ, &file);
    if (rc < 0)
        return rc;
    rc = disk_size(file, size);
    disk_close(file);
    return rc;
}

static inline int disk_rename(struct disk *disk, const char *from, const char *to)
{
    return disk->operations->rename(disk, from, to);
}

static inline int disk_unlink(struct disk *disk, const char *name)
{
    return disk->operations->unlink(disk, name);
}

static inline bool disk_is_alone(struct disk_file *file)
{
    return file->operations->is_alone && file->operations->is_alone(file);
}

static inline bool disk_has_more_names(struct disk_file *file)
{
    return file->operations->has_more_names && file->operations->has_more_names(file);
}

static inline int disk_sync_folder(struct disk *disk)
{
    return disk->operations->sync_folder(disk);
}

static inline int disk_list(struct disk *disk, disk_list_visit *visit, void *context)
{
    return disk->operations->list(disk, visit, context);
}

static inline int disk_lock(struct disk *disk, const char *name, int *holder)
{
    return disk->operations->lock(disk, name, holder);
}

static inline int disk_free_space(struct disk *disk, uint64_t *bytes)
{
    return disk->operations->free_space(disk, bytes);
}

static inline uint64_t disk_file_max(struct disk *disk)
{
    return disk->operations->file_max(disk);
}

static inline void disk_free(struct disk *disk)
{
    disk->operations->free(disk);
}

#endif
