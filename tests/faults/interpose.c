/* Fails, shortens, delays and interrupts the calls by which a server reaches its files.
 *
 *     LD_PRELOAD=interpose.so DKV_FAULTS=CONTROL dkv-server ...
 *
 * CONTROL is a file that faults.py lays out and this library maps, shared by the server, the children it
 * forks and the test: it holds the data folder, rules that say which calls fail and how, and a trace of the
 * calls that were made. Rules may be added and taken away while the server runs. Only what lies in the data
 * folder counts (and fork); the folder itself is named ".", the one that holds it "..".
 *
 * The second thing in here is a disk cache that forgets: with control->hold, what is written into a file
 * stays in this process's memory until it is synced, so that SIGKILL does to file contents what a power
 * failure does. Of what is held, random sectors reach the file early, as they do when the kernel writes back
 * on its own. The growth, renaming and removal of files are not held: those survive SIGKILL as ever. Nor is
 * what a child writes. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAGIC       0x46564b44 /* "DKVF" */
#define RULES_MAX   16
#define RECORDS_MAX 32768
#define NAME_SIZE   48
#define ROOT_SIZE   512
#define SECTOR_SIZE 512

/* As in faults.py. */
enum call {
    CALL_OPEN,
    CALL_READ,
    CALL_WRITE,
    CALL_FDATASYNC,
    CALL_FSYNC,
    CALL_FALLOCATE,
    CALL_FTRUNCATE,
    CALL_RENAME,
    CALL_UNLINK,
    CALL_MKDIR,
    CALL_FLOCK,
    CALL_FORK,
    CALL_PRCTL /* that asks for a signal when the parent ends; not traced */
};

enum action {
    ACTION_NONE,
    ACTION_FAIL,  /* return an error */
    ACTION_SHORT, /* read or write only some of it */
    ACTION_DELAY, /* wait, then go on */
    ACTION_KILL,  /* SIGKILL to the process that called */
    ACTION_CRASH, /* SIGKILL to the server, whoever called; of a write, some of it is done before */
    ACTION_STOP,  /* SIGSTOP to the process that called */
    ACTION_STALL  /* wait until the test releases it, then go on */
};

enum process { PROCESS_SERVER, PROCESS_CHILD };

struct rule {
    uint32_t calls; /* a bit for each enum call */
    uint32_t action;
    uint32_t processes; /* a bit for each enum process */
    int32_t error;
    uint64_t first; /* the first call that it is for, counted from 1 among those that it could be for */
    uint64_t count; /* how many from then on; 0: all */
    uint64_t seed;
    int64_t keep; /* bytes that are done before a SHORT or CRASH ends it; -1: half */
    uint32_t chance_ppm;
    uint32_t delay_us;
    char name[NAME_SIZE]; /* a pattern for the file's name */
    _Atomic uint64_t seen;
    _Atomic uint64_t hits;
};

struct record {
    uint32_t call;
    uint32_t process;
    uint32_t action;
    int32_t error; /* what it returned; 0: success */
    char name[NAME_SIZE];
};

struct control {
    uint32_t magic;
    _Atomic uint32_t rule_count;
    _Atomic uint32_t hold;
    uint32_t leak_ppm; /* sectors that reach the file before they are synced */
    uint32_t trace;
    _Atomic uint32_t released; /* counts: whatever stalls goes on */
    _Atomic uint64_t recorded; /* may exceed RECORDS_MAX: the rest was not kept */
    char root[ROOT_SIZE];
    struct rule rules[RULES_MAX];
    struct record records[RECORDS_MAX];
};

_Static_assert(sizeof(struct rule) == 120, "faults.py packs it so");
_Static_assert(sizeof(struct record) == 64, "faults.py unpacks it so");
_Static_assert(offsetof(struct control, rules) == 32 + ROOT_SIZE, "faults.py packs it so");

static struct control *control;
static pid_t server_pid;

__attribute__((constructor)) static void interpose_start(void)
{
    const char *path = getenv("DKV_FAULTS");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    struct control *mapped = mmap(NULL, sizeof(*mapped), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED || mapped->magic != MAGIC)
        abort();
    server_pid = getpid();
    control = mapped;
}

static enum process current_process(void)
{
    return getpid() == server_pid ? PROCESS_SERVER : PROCESS_CHILD;
}

/* --- names -------------------------------------------------------------------------------------------- */

/* What a path is called in rules and records; false when it is none of our business. */
static bool name_of_path(const char *path, char name[NAME_SIZE])
{
    size_t root_size = strlen(control->root);
    const char *slash = strrchr(control->root, '/');
    size_t parent_size = (size_t)(slash - control->root);
    if (strncmp(path, control->root, root_size) == 0 && (path[root_size] == '/' || path[root_size] == '\0')) {
        path += root_size;
        while (*path == '/')
            path++;
        snprintf(name, NAME_SIZE, "%s", *path ? path : ".");
        return true;
    }
    if (strlen(path) == parent_size && strncmp(path, control->root, parent_size) == 0) {
        snprintf(name, NAME_SIZE, "..");
        return true;
    }
    return false;
}

static bool name_of_descriptor(int fd, char name[NAME_SIZE])
{
    char link[64];
    char path[PATH_MAX];
    if (!control)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof(path) - 1);
    if (size <= 0 || path[0] != '/')
        return false;
    path[size] = '\0';
    return name_of_path(path, name);
}

/* A path as it is given to an *at call. */
static bool name_of_relative(int folder, const char *path, char name[NAME_SIZE])
{
    char whole[2 * PATH_MAX];
    if (!control || path == NULL)
        return false;
    if (path[0] == '/')
        return name_of_path(path, name);
    ssize_t size;
    char link[64] = "/proc/self/cwd";
    if (folder != AT_FDCWD)
        snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
    size = readlink(link, whole, PATH_MAX - 1);
    if (size <= 0)
        return false;
    bool is_itself = strcmp(path, ".") == 0;
    snprintf(whole + size, sizeof(whole) - (size_t)size, "%s%s", is_itself ? "" : "/", is_itself ? "" : path);
    return name_of_path(whole, name);
}

/* --- rules -------------------------------------------------------------------------------------------- */

/* What a call is to meet. */
struct fault {
    enum call call;
    enum action action;
    int error;
    int64_t keep;
    char name[NAME_SIZE];
};

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static bool rule_is_for(struct rule *rule, enum call call, const char *name)
{
    return (rule->calls >> call & 1) && (rule->processes >> current_process() & 1) &&
           (rule->name[0] == '\0' || fnmatch(rule->name, name, 0) == 0);
}

static bool rule_hits(struct rule *rule)
{
    uint64_t number = atomic_fetch_add(&rule->seen, 1) + 1;
    if (number < rule->first || (rule->count && number >= rule->first + rule->count) ||
        mix(rule->seed ^ mix(number)) % 1000000 >= rule->chance_ppm)
        return false;
    atomic_fetch_add(&rule->hits, 1);
    return true;
}

static void wait_us(uint32_t us)
{
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L};
    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        ;
}

static void wait_for_release(uint32_t released)
{
    while (atomic_load(&control->released) == released)
        wait_us(1000);
}

/* What is to become of a call. Delays, stops and stalls are over when it returns. */
static struct fault meet(enum call call, const char *name)
{
    struct fault fault = {.call = call, .keep = -1};
    int saved = errno;
    uint32_t released = atomic_load(&control->released); /* before anybody can see that a rule has struck */
    snprintf(fault.name, sizeof(fault.name), "%s", name);
    uint32_t count = atomic_load(&control->rule_count);
    for (uint32_t i = 0; i < count && i < RULES_MAX && fault.action == ACTION_NONE; i++) {
        struct rule *rule = &control->rules[i];
        if (!rule_is_for(rule, call, name) || !rule_hits(rule))
            continue;
        if (rule->action == ACTION_DELAY) {
            wait_us(rule->delay_us);
        } else if (rule->action == ACTION_STOP) {
            raise(SIGSTOP);
        } else if (rule->action == ACTION_STALL) {
            wait_for_release(released);
        } else {
            fault.action = (enum action)rule->action;
            fault.error = rule->error;
            fault.keep = rule->keep;
        }
    }
    errno = saved;
    return fault;
}

static void note(const struct fault *fault, bool failed)
{
    if (!control->trace)
        return;
    int saved = errno;
    uint64_t at = atomic_fetch_add(&control->recorded, 1);
    if (at < RECORDS_MAX) {
        struct record *record = &control->records[at];
        record->call = fault->call;
        record->process = current_process();
        record->action = fault->action;
        record->error = failed ? saved : 0;
        memcpy(record->name, fault->name, NAME_SIZE);
    }
    errno = saved;
}

/* The end of a process, in the middle of a call. A child of the server that is killed dies with it. */
static void end_process(const struct fault *fault)
{
    note(fault, false);
    kill(fault->action == ACTION_CRASH ? server_pid : getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Whether the call is to fail; errno is set then. Does not return from a crash. */
static bool refuse(const struct fault *fault)
{
    if (fault->action == ACTION_KILL || fault->action == ACTION_CRASH)
        end_process(fault);
    if (fault->action != ACTION_FAIL)
        return false;
    errno = fault->error;
    note(fault, true);
    return true;
}

static int ended(const struct fault *fault, long rc)
{
    note(fault, rc < 0);
    return (int)rc;
}

static size_t size_kept(const struct fault *fault, size_t size)
{
    size_t keep = fault->keep < 0 ? size / 2 : (size_t)fault->keep;
    /* A call that did nothing at all would be an end of file. */
    if (fault->action == ACTION_SHORT && keep == 0)
        keep = 1;
    return keep < size ? keep : size;
}

/* --- the cache that forgets --------------------------------------------------------------------------- */

struct held {
    struct held *next;
    dev_t device;
    ino_t inode;
    off_t offset;
    size_t size;
    char data[];
};

static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;
static struct held *held_first;
static struct held **held_end = &held_first;
static uint64_t held_random = 1;

/* A child has only a copy of what is held, so it writes straight to its files, which are others. */
static bool holding(void)
{
    return control && atomic_load(&control->hold) && current_process() == PROCESS_SERVER;
}

static bool same_file(const struct held *held, const struct stat *status)
{
    return held->device == status->st_dev && held->inode == status->st_ino;
}

static void write_all(int fd, const char *data, size_t size, off_t offset)
{
    while (size > 0) {
        ssize_t put = syscall(SYS_pwrite64, fd, data, size, offset);
        if (put <= 0)
            abort();
        data += put;
        size -= (size_t)put;
        offset += put;
    }
}

/* Takes what is held of one file off the list; with fd, it is written there. */
static void held_release(int fd, const struct stat *status)
{
    pthread_mutex_lock(&held_lock);
    struct held **link = &held_first;
    while (*link) {
        struct held *held = *link;
        if (!same_file(held, status)) {
            link = &held->next;
            continue;
        }
        if (fd >= 0)
            write_all(fd, held->data, held->size, held->offset);
        *link = held->next;
        free(held);
    }
    held_end = link;
    pthread_mutex_unlock(&held_lock);
}

static void held_flush(int fd)
{
    struct stat status;
    if (holding() && fstat(fd, &status) == 0)
        held_release(fd, &status);
}

/* The file is going to be no more: its number may be another's soon. */
static void held_forget(int folder, const char *path)
{
    struct stat status;
    if (holding() && fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0)
        held_release(-1, &status);
}

/* Some sectors are on the disk before anybody asks for it. */
static void leak_sectors(int fd, const struct held *held)
{
    off_t end = held->offset + (off_t)held->size;
    for (off_t at = held->offset; at < end;) {
        off_t next = at - at % SECTOR_SIZE + SECTOR_SIZE;
        if (next > end)
            next = end;
        held_random = mix(held_random);
        if (held_random % 1000000 < control->leak_ppm)
            write_all(fd, held->data + (at - held->offset), (size_t)(next - at), at);
        at = next;
    }
}

/* Whether the write is held. The file grows at once, as its size may be on the disk before its contents. */
static bool held_add(int fd, const void *data, size_t size, off_t offset)
{
    struct stat status;
    off_t end = offset + (off_t)size;
    if (!holding() || fstat(fd, &status) != 0 ||
        (end > status.st_size && syscall(SYS_ftruncate, fd, end) != 0))
        return false;
    struct held *held = malloc(sizeof(*held) + size);
    if (!held)
        abort();
    *held = (struct held){.device = status.st_dev, .inode = status.st_ino, .offset = offset, .size = size};
    memcpy(held->data, data, size);
    pthread_mutex_lock(&held_lock);
    leak_sectors(fd, held);
    *held_end = held;
    held_end = &held->next;
    pthread_mutex_unlock(&held_lock);
    return true;
}

/* Whoever reads sees what is held. */
static void held_overlay(int fd, char *data, size_t size, off_t offset)
{
    struct stat status;
    if (!holding() || fstat(fd, &status) != 0)
        return;
    off_t end = offset + (off_t)size;
    pthread_mutex_lock(&held_lock);
    for (struct held *held = held_first; held; held = held->next) {
        off_t from = held->offset > offset ? held->offset : offset;
        off_t to = held->offset + (off_t)held->size < end ? held->offset + (off_t)held->size : end;
        if (same_file(held, &status) && from < to)
            memcpy(data + (from - offset), held->data + (from - held->offset), (size_t)(to - from));
    }
    pthread_mutex_unlock(&held_lock);
}

/* --- the calls ---------------------------------------------------------------------------------------- */

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
    char name[NAME_SIZE];
    if (!name_of_relative(folder, path, name))
        return (int)syscall(SYS_openat, folder, path, flags, mode);
    struct fault fault = meet(CALL_OPEN, name);
    if (refuse(&fault))
        return -1;
    return ended(&fault, syscall(SYS_openat, folder, path, flags, mode));
}

static mode_t mode_of(int flags, va_list values)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(values, mode_t) : 0;
}

int openat(int folder, const char *path, int flags, ...)
{
    va_list values;
    va_start(values, flags);
    mode_t mode = mode_of(flags, values);
    va_end(values);
    return open_at(folder, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list values;
    va_start(values, flags);
    mode_t mode = mode_of(flags, values);
    va_end(values);
    return open_at(AT_FDCWD, path, flags, mode);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
    char name[NAME_SIZE];
    if (!name_of_descriptor(fd, name))
        return syscall(SYS_pread64, fd, data, size, offset);
    struct fault fault = meet(CALL_READ, name);
    if (refuse(&fault))
        return -1;
    if (fault.action == ACTION_SHORT)
        size = size_kept(&fault, size);
    ssize_t got = syscall(SYS_pread64, fd, data, size, offset);
    if (got > 0)
        held_overlay(fd, data, (size_t)got, offset);
    note(&fault, got < 0);
    return got;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    char name[NAME_SIZE];
    if (!name_of_descriptor(fd, name))
        return syscall(SYS_pwrite64, fd, data, size, offset);
    struct fault fault = meet(CALL_WRITE, name);
    if (fault.action == ACTION_SHORT)
        size = size_kept(&fault, size);
    if (fault.action == ACTION_CRASH)
        write_all(fd, data, size_kept(&fault, size), offset);
    if (refuse(&fault))
        return -1;
    ssize_t put =
        held_add(fd, data, size, offset) ? (ssize_t)size : syscall(SYS_pwrite64, fd, data, size, offset);
    note(&fault, put < 0);
    return put;
}

ssize_t write(int fd, const void *data, size_t size)
{
    char name[NAME_SIZE];
    if (!name_of_descriptor(fd, name))
        return syscall(SYS_write, fd, data, size);
    struct fault fault = meet(CALL_WRITE, name);
    if (refuse(&fault))
        return -1;
    if (fault.action == ACTION_SHORT)
        size = size_kept(&fault, size);
    ssize_t put = syscall(SYS_write, fd, data, size);
    note(&fault, put < 0);
    return put;
}

static int sync_file(enum call call, long number, int fd)
{
    char name[NAME_SIZE];
    if (!name_of_descriptor(fd, name))
        return (int)syscall(number, fd);
    struct fault fault = meet(call, name);
    if (refuse(&fault))
        return -1;
    held_flush(fd);
    return ended(&fault, syscall(number, fd));
}

int fdatasync(int fd)
{
    return sync_file(CALL_FDATASYNC, SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return sync_file(CALL_FSYNC, SYS_fsync, fd);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    char name[NAME_SIZE];
    if (!name_of_descriptor(fd, name))
        return (int)syscall(SYS_fallocate, fd, mode, offset, size);
    struct fault fault = meet(CALL_FALLOCATE, name);
    if (refuse(&fault))
        return -1;
    return ended(&fault, syscall(SYS_fallocate, fd, mode, offset, size));
}

int ftruncate(int fd, off_t size)
{
    char name[NAME_SIZE];
    if (!name_of_descriptor(fd, name))
        return (int)syscall(SYS_ftruncate, fd, size);
    struct fault fault = meet(CALL_FTRUNCATE, name);
    if (refuse(&fault))
        return -1;
    held_flush(fd);
    return ended(&fault, syscall(SYS_ftruncate, fd, size));
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    char name[NAME_SIZE];
    if (!name_of_relative(to_folder, to, name))
        return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
    struct fault fault = meet(CALL_RENAME, name);
    if (refuse(&fault))
        return -1;
    held_forget(to_folder, to);
    return ended(&fault, syscall(SYS_renameat2, from_folder, from, to_folder, to, 0));
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int folder, const char *path, int flags)
{
    char name[NAME_SIZE];
    if (!name_of_relative(folder, path, name))
        return (int)syscall(SYS_unlinkat, folder, path, flags);
    struct fault fault = meet(CALL_UNLINK, name);
    if (refuse(&fault))
        return -1;
    held_forget(folder, path);
    return ended(&fault, syscall(SYS_unlinkat, folder, path, flags));
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int mkdir(const char *path, mode_t mode)
{
    char name[NAME_SIZE];
    if (!name_of_relative(AT_FDCWD, path, name))
        return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    struct fault fault = meet(CALL_MKDIR, name);
    if (refuse(&fault))
        return -1;
    return ended(&fault, syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int flock(int fd, int operation)
{
    char name[NAME_SIZE];
    if (!name_of_descriptor(fd, name))
        return (int)syscall(SYS_flock, fd, operation);
    struct fault fault = meet(CALL_FLOCK, name);
    if (refuse(&fault))
        return -1;
    return ended(&fault, syscall(SYS_flock, fd, operation));
}

pid_t fork(void)
{
    static pid_t (*next)(void);
    if (!next)
        next = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
    if (!control)
        return next();
    struct fault fault = meet(CALL_FORK, "");
    if (refuse(&fault))
        return -1;
    pid_t pid = next();
    if (pid != 0)
        note(&fault, pid < 0);
    return pid;
}

int prctl(int option, ...)
{
    va_list list;
    unsigned long arguments[4];
    va_start(list, option);
    for (int i = 0; i < 4; i++)
        arguments[i] = va_arg(list, unsigned long);
    va_end(list);
    struct fault fault = {.action = ACTION_NONE};
    if (control && option == PR_SET_PDEATHSIG)
        fault = meet(CALL_PRCTL, "");
    if (refuse(&fault))
        return -1;
    return (int)syscall(SYS_prctl, option, arguments[0], arguments[1], arguments[2], arguments[3]);
}
