#include "server/replace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

#define SUFFIX    ".rewrite"
#define LINKS_MAX 40 /* as many as the kernel follows */
#define TRIES_MAX 100

/* --- paths --------------------------------------------------------------------------------------------- */

/* How much of a path is the folder, its last slash included; 0: the working folder. */
static size_t folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* What a symbolic link says, as a path from here; NULL when the path is none. Freed with mem_free. */
static char *link_read(const char *path)
{
    char target[PATH_MAX];
    ssize_t size = readlink(path, target, sizeof(target));
    if (size <= 0 || (size_t)size == sizeof(target))
        return NULL;
    struct buffer joined = {0};
    if (target[0] != '/')
        buffer_append(&joined, path, folder_size(path));
    buffer_append(&joined, target, (size_t)size);
    char *copy = slice_to_cstring(buffer_slice(&joined));
    buffer_free(&joined);
    return copy;
}

/* The file itself, where links lead to it, be it there or not. Freed with mem_free. */
static char *path_resolve(const char *path)
{
    char *resolved = mem_strdup(path);
    for (int i = 0; i < LINKS_MAX; i++) {
        char *next = link_read(resolved);
        if (next == NULL)
            break;
        mem_free(resolved);
        resolved = next;
    }
    return resolved;
}

/* Where the new file is written: one name, so that what a crash leaves is found again. A name that is too
 * long for the suffix loses its end. NULL when the path names no file. Freed with mem_free. */
static char *new_path(const char *path)
{
    size_t folder = folder_size(path);
    size_t name = strlen(path) - folder;
    const char *last = path + folder;
    if (name == 0 || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
        return NULL;
    if (name > NAME_MAX - strlen(SUFFIX))
        name = NAME_MAX - strlen(SUFFIX);
    struct buffer text = {0};
    buffer_append(&text, path, folder + name);
    buffer_append_text(&text, SUFFIX);
    char *copy = slice_to_cstring(buffer_slice(&text));
    buffer_free(&text);
    if (strcmp(copy, path) != 0)
        return copy;
    mem_free(copy);
    return NULL;
}

/* --- writing ------------------------------------------------------------------------------------------- */

static int write_all(int descriptor, struct slice text)
{
    while (text.size > 0) {
        ssize_t written = write(descriptor, text.data, text.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        text = slice_make(text.data + written, text.size - (size_t)written);
    }
    return 0;
}

/* Makes the renaming durable. */
static int sync_folder_of(const char *path)
{
    size_t size = folder_size(path);
    char *folder = size == 0 ? mem_strdup(".") : slice_to_cstring(slice_make(path, size));
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = descriptor < 0 || fsync(descriptor) != 0 ? -errno : 0;
    if (descriptor >= 0)
        close(descriptor);
    mem_free(folder);
    return result;
}

/* Whether the descriptor is the file that has this name now: it may have been renamed or removed. */
static bool is_still(int descriptor, const char *path)
{
    struct stat open_;
    struct stat named;
    return fstat(descriptor, &open_) == 0 && lstat(path, &named) == 0 && open_.st_dev == named.st_dev &&
           open_.st_ino == named.st_ino;
}

/* Takes an open file for the new one: 0 when it is ours alone, locked and empty; -EAGAIN when it is to be
 * opened again, or another negative errno. */
static int new_take(int descriptor, const char *path)
{
    struct stat status;
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    if (fstat(descriptor, &status) != 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EEXIST;
    if (!is_still(descriptor, path)) /* its owner was done with it meanwhile */
        return -EAGAIN;
    /* What somebody else has made may be open elsewhere, and is no place for secrets. */
    if (status.st_uid != geteuid() || status.st_nlink != 1)
        return unlink(path) == 0 ? -EAGAIN : -errno;
    return ftruncate(descriptor, 0) == 0 && fchmod(descriptor, 0600) == 0 ? 0 : -errno;
}

/* A descriptor, or a negative errno. */
static int new_open(const char *path)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        int descriptor = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (descriptor < 0)
            return -errno;
        int result = new_take(descriptor, path);
        if (result == 0)
            return descriptor;
        close(descriptor);
        if (result != -EAGAIN)
            return result;
    }
    return -EBUSY;
}

/* Gives the new file the old one's owner, group and mode, as far as that may be done. */
static int take_after(int descriptor, const char *old_path)
{
    struct stat old;
    if (stat(old_path, &old) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (fchown(descriptor, old.st_uid, old.st_gid) != 0) {
        if (errno != EPERM)
            return -errno;
        if (fchown(descriptor, (uid_t)-1, old.st_gid) != 0 && errno != EPERM)
            return -errno;
    }
    return fchmod(descriptor, old.st_mode & 07777) == 0 ? 0 : -errno;
}

static int fill_new(int descriptor, const char *old_path, struct slice text)
{
    int result = take_after(descriptor, old_path);
    if (result == 0)
        result = write_all(descriptor, text);
    if (result == 0 && fsync(descriptor) != 0)
        result = -errno;
    return result;
}

static int replace(const char *path, const char *new, struct slice text)
{
    int descriptor = new_open(new);
    if (descriptor < 0)
        return descriptor;
    int result = fill_new(descriptor, path, text);
    if (result == 0 && rename(new, path) != 0)
        result = -errno;
    if (result != 0)
        unlink(new);
    close(descriptor); /* and with it the lock: not before the name is given */
    return result == 0 ? sync_folder_of(path) : result;
}

int file_replace(const char *path, struct slice text)
{
    char *file = path_resolve(path);
    char *new = new_path(file);
    struct stat status;
    int result = new == NULL ? -EISDIR : 0;
    if (result == 0 && stat(file, &status) == 0 && !S_ISREG(status.st_mode))
        result = S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL; /* a device is not replaced */
    if (result == 0)
        result = replace(file, new, text);
    mem_free(new);
    mem_free(file);
    return result;
}

void file_replace_clean(const char *path)
{
    char *file = path_resolve(path);
    char *new = new_path(file);
    int descriptor = new == NULL ? -1 : open(new, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor >= 0) {
        if (flock(descriptor, LOCK_EX | LOCK_NB) == 0 && is_still(descriptor, new))
            unlink(new);
        close(descriptor);
    }
    mem_free(new);
    mem_free(file);
}
