#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "journal/disk.h"

#define ZERO_BLOCK_SIZE 65536

/* How long what a server left behind is waited for, and how often it is looked whether it has ended: it may
 * be within a call to a slow disk, or giving much memory back. */
#define ORPHAN_WAIT_MS 5000
#define ORPHAN_LOOK_MS 2

/* Only the user who runs the server reads the data. */
#define FILE_MODE   0600
#define FOLDER_MODE 0700

struct disk_posix {
    struct disk disk;
    int folder_fd;
    int lock_fd; /* -1: not locked */
};

struct disk_posix_file {
    struct disk_file file;
    int fd;
};

static struct disk_posix *posix_disk(struct disk *disk)
{
    return (struct disk_posix *)disk;
}

static int posix_fd(struct disk_file *file)
{
    return ((struct disk_posix_file *)file)->fd;
}

static int result_of(int rc)
{
    return rc < 0 ? -errno : 0;
}

static const struct disk_operations disk_posix_operations;

static int posix_open(struct disk *disk, const char *name, enum disk_open_mode mode, struct disk_file **file)
{
    static const int flags[] = {
        [DISK_READ] = O_RDONLY, [DISK_WRITE] = O_RDWR, [DISK_CREATE] = O_RDWR | O_CREAT | O_EXCL};
    int fd;
    /* What is no file (a pipe would be waited at) fails when it is read. */
    do
        fd = openat(posix_disk(disk)->folder_fd, name, flags[mode] | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW,
                    FILE_MODE);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -errno;
    struct disk_posix_file *opened = mem_alloc(sizeof(*opened));
    *opened = (struct disk_posix_file){{&disk_posix_operations}, fd};
    *file = &opened->file;
    return 0;
}

static void posix_close(struct disk_file *file)
{
    close(posix_fd(file)); /* what had to be durable was synced before, so its result says nothing */
    mem_free(file);
}

static ssize_t posix_read(struct disk_file *file, void *data, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(posix_fd(file), (char *)data + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* Writes from here on are begun to be written out at once: pieces of a large value, of a base. */
#define WRITE_OUT_SIZE ((size_t)512 << 10)

static int posix_write(struct disk_file *file, const void *data, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t put = pwrite(posix_fd(file), (const char *)data + done, size - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        if (put == 0)
            return -EIO;
        done += (size_t)put;
    }
    /* The device begins while more is copied; whether it ends well, the sync tells. */
    if (size >= WRITE_OUT_SIZE)
        sync_file_range(posix_fd(file), (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
    return 0;
}

/* Not tried again, not even after EINTR: the kernel may have dropped what it could not write and would report
 * success for the rest. */
static int posix_sync(struct disk_file *file)
{
    return result_of(fdatasync(posix_fd(file)));
}

static int posix_size(struct disk_file *file, uint64_t *size)
{
    struct stat status;
    if (fstat(posix_fd(file), &status) < 0)
        return -errno;
    *size = (uint64_t)status.st_size;
    return 0;
}

/* For file systems that cannot reserve: blocks exist once something was written to them. What is there stays.
 */
static int allocate_by_writing(struct disk_file *file, uint64_t offset, uint64_t size)
{
    static const char zeros[ZERO_BLOCK_SIZE];
    uint64_t end = offset + size;
    uint64_t at;
    int rc = posix_size(file, &at);
    while (rc == 0 && at < end) {
        size_t step = end - at < sizeof(zeros) ? (size_t)(end - at) : sizeof(zeros);
        rc = posix_write(file, zeros, step, at);
        at += step;
    }
    return rc;
}

static int posix_allocate(struct disk_file *file, uint64_t offset, uint64_t size)
{
    int rc;
    do
        rc = fallocate(posix_fd(file), 0, (off_t)offset, (off_t)size);
    while (rc < 0 && errno == EINTR);
    if (rc < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
        return allocate_by_writing(file, offset, size);
    return result_of(rc);
}

static int posix_truncate(struct disk_file *file, uint64_t size)
{
    int rc;
    do
        rc = ftruncate(posix_fd(file), (off_t)size);
    while (rc < 0 && errno == EINTR);
    return result_of(rc);
}

static int posix_rename(struct disk *disk, const char *from, const char *to)
{
    int folder_fd = posix_disk(disk)->folder_fd;
    return result_of(renameat(folder_fd, from, folder_fd, to));
}

static int posix_unlink(struct disk *disk, const char *name)
{
    return result_of(unlinkat(posix_disk(disk)->folder_fd, name, 0));
}

/* A lease to write is given only to whoever is the only one to have the file open. */
static bool posix_is_alone(struct disk_file *file)
{
    struct stat status;
    int fd = posix_fd(file);
    if (fstat(fd, &status) < 0 || status.st_nlink > 0 || fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
        return false;
    return fcntl(fd, F_SETLEASE, F_UNLCK) == 0;
}

static bool posix_has_more_names(struct disk_file *file)
{
    struct stat status;
    return fstat(posix_fd(file), &status) < 0 || status.st_nlink > 1;
}

static int posix_sync_folder(struct disk *disk)
{
    return result_of(fsync(posix_disk(disk)->folder_fd));
}

static int posix_list(struct disk *disk, disk_list_visit *visit, void *context)
{
    /* A descriptor of its own: a duplicate would share its position with other threads' listings. */
    int fd = openat(posix_disk(disk)->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *folder = fdopendir(fd);
    if (!folder) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    struct dirent *entry;
    while (errno = 0, (entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            visit(context, entry->d_name);
    int rc = -errno;
    closedir(folder);
    return rc;
}

int disk_posix_holder(int fd)
{
    char text[INT64_TEXT_MAX + 1];
    ssize_t size = pread(fd, text, sizeof(text), 0);
    if (size > 0 && text[size - 1] == '\n')
        size--;
    int64_t holder = 0;
    if (size <= 0 || !int64_parse(slice_make(text, (size_t)size), &holder) || holder < 0 ||
        holder > INT32_MAX)
        return 0;
    return (int)holder;
}

static int holder_write(int fd)
{
    char text[INT64_TEXT_MAX + 1];
    size_t size = int64_format(text, getpid());
    text[size++] = '\n';
    if (ftruncate(fd, 0) < 0)
        return -errno;
    ssize_t put = pwrite(fd, text, size, 0);
    /* Only a courtesy to whoever finds the folder taken: the lock holds without it, on a full disk too. */
    if (put < 0 && errno != ENOSPC && errno != EDQUOT)
        return -errno;
    return 0;
}

/* Whether it has ended and its parent has not asked how: it holds nothing any more, but its children may.
 * From proc(5): "process (name) state ...", where the name may hold anything. */
static bool is_zombie(int process)
{
    char path[64];
    char text[256];
    snprintf(path, sizeof(path), "/proc/%d/stat", process);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end && (strncmp(name_end, ") Z", 3) == 0 || strncmp(name_end, ") X", 3) == 0);
}

static bool has_ended(int process)
{
    return (kill(process, 0) < 0 && errno == ESRCH) || is_zombie(process);
}

/* 0, -EWOULDBLOCK with the holder, as the file note says, or another negative errno. The child of a server
 * that was killed dies with it, but not in the same instant, and holds the lock until it has. Where the note
 * does not tell, it is a new one in the place of one that was removed, or the holder is about to write it. */
static int lock_wait(int fd, int note, int *holder)
{
    const struct timespec pause = {.tv_nsec = ORPHAN_LOOK_MS * 1000000L};
    for (int waited_ms = 0;; waited_ms += ORPHAN_LOOK_MS) {
        int rc = result_of(flock(fd, LOCK_EX | LOCK_NB));
        if (rc != -EWOULDBLOCK)
            return rc;
        *holder = disk_posix_holder(note);
        if (*holder > 0 && !has_ended(*holder))
            return rc;
        if (waited_ms >= ORPHAN_WAIT_MS)
            return *holder > 0 ? -EBUSY : rc;
        nanosleep(&pause, NULL);
    }
}

/* The folder itself is locked besides the file in it: a file that somebody took for a left-over and removed
 * would let a second server in with the next one of that name. Where folders cannot be locked, the file's
 * lock has to do. */
static int lock_both(int folder, int file, int *holder)
{
    int rc = lock_wait(folder, file, holder);
    if (rc == -EWOULDBLOCK || rc == -EBUSY)
        return rc;
    rc = lock_wait(file, file, holder);
    if (rc < 0)
        flock(folder, LOCK_UN);
    return rc;
}

static int posix_lock(struct disk *disk, const char *name, int *holder)
{
    struct disk_posix *posix = posix_disk(disk);
    *holder = 0;
    if (posix->lock_fd >= 0)
        return 0;
    int fd = openat(posix->folder_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return -errno;
    int rc = lock_both(posix->folder_fd, fd, holder);
    if (rc == 0)
        rc = holder_write(fd);
    if (rc < 0)
        close(fd);
    else
        posix->lock_fd = fd;
    return rc;
}

static int posix_free_space(struct disk *disk, uint64_t *bytes)
{
    struct statvfs status;
    if (fstatvfs(posix_disk(disk)->folder_fd, &status) < 0)
        return -errno;
    *bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return 0;
}

static uint64_t posix_file_max(struct disk *disk)
{
    (void)disk;
    struct rlimit limit;
    bool is_limited = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    return is_limited ? limit.rlim_cur : UINT64_MAX;
}

static void posix_free(struct disk *disk)
{
    struct disk_posix *posix = posix_disk(disk);
    if (posix->lock_fd >= 0)
        close(posix->lock_fd);
    close(posix->folder_fd);
    mem_free(posix);
}

static const struct disk_operations disk_posix_operations = {
    .open = posix_open,
    .close = posix_close,
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .allocate = posix_allocate,
    .truncate = posix_truncate,
    .size = posix_size,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .is_alone = posix_is_alone,
    .has_more_names = posix_has_more_names,
    .sync_folder = posix_sync_folder,
    .list = posix_list,
    .lock = posix_lock,
    .free_space = posix_free_space,
    .file_max = posix_file_max,
    .free = posix_free,
};

/* Makes a folder's entry in its parent durable: a log that was synced is lost if its folder is. */
static int sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent = mem_strdup(slash ? path : ".");
    if (slash)
        parent[slash == path ? 1 : slash - path] = '\0';
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mem_free(parent);
    if (fd < 0)
        return -errno;
    int rc = result_of(fsync(fd));
    close(fd);
    return rc;
}

/* A parent that may not be looked at or written to is none of our business. */
static bool is_forbidden(int rc)
{
    return rc == -EACCES || rc == -EROFS || rc == -EPERM;
}

/* A folder that is there already may be of a start that was cut short before it synced the parent, so that is
 * synced in any case. */
static int make_folder(const char *path)
{
    if (mkdir(path, FOLDER_MODE) < 0 && errno != EEXIST)
        return -errno;
    int rc = sync_parent(path);
    /* EINVAL: a file system that has nothing to sync. */
    return is_forbidden(rc) || rc == -EINVAL ? 0 : rc;
}

/* mkdir -p. path is changed on the way and restored. */
static int make_folders(char *path)
{
    for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        int rc = make_folder(path);
        *slash = '/';
        if (rc < 0 && !is_forbidden(rc))
            return rc;
    }
    return make_folder(path);
}

int disk_posix_open(const char *path, struct disk **disk)
{
    ASSERT(path[0] != '\0');
    char *copy = mem_strdup(path);
    for (size_t end = strlen(copy); end > 1 && copy[end - 1] == '/'; end--)
        copy[end - 1] = '\0';
    int rc = make_folders(copy);
    mem_free(copy);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return rc < 0 && errno == ENOENT ? rc : -errno;
    if (rc < 0 && !is_forbidden(rc)) { /* it is there, and may be gone after a power failure */
        close(fd);
        return rc;
    }
    struct disk_posix *posix = mem_alloc(sizeof(*posix));
    *posix = (struct disk_posix){{&disk_posix_operations}, fd, -1};
    *disk = &posix->disk;
    return 0;
}

void disk_posix_descriptors(const struct disk *disk, int *folder, int *lock)
{
    const struct disk_posix *posix = (const struct disk_posix *)disk;
    bool is_posix = disk->operations == &disk_posix_operations;
    *folder = is_posix ? posix->folder_fd : -1;
    *lock = is_posix ? posix->lock_fd : -1;
}
