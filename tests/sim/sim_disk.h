/* The simulated disk: a folder of files in memory that remembers what was synced and what was not, and loses,
 * tears, reorders, fails, lies, fills up and rots as told.
 *
 * What it assumes of a real one is in README.md ("The disk's rules"). In short: a file has what the process
 * sees (the page cache) and what is on the platter; a sector (512 bytes) is atomic, and of all that was
 * written to it since the file was last synced a power failure leaves any one version; names likewise, since
 * the folder was last synced. */
#ifndef DKV_SIM_DISK_H
#define DKV_SIM_DISK_H

#include "base/bytes.h"
#include "base/random.h"
#include "journal/disk.h"
#include "trace.h"

#define SECTOR_SIZE 512u
#define BLOCK_SIZE  4096u

enum sim_op {
    OP_OPEN,
    OP_CREATE,
    OP_READ,
    OP_WRITE,
    OP_SYNC,
    OP_ALLOCATE,
    OP_TRUNCATE,
    OP_RENAME,
    OP_UNLINK,
    OP_SYNC_FOLDER,
    OP_LIST,
    OP_COUNT
};

/* Chances of a call to fail, in 65536ths. */
struct sim_faults {
    unsigned eio[OP_COUNT];
    unsigned nospace; /* of any call that may need space */
};

/* A rewrite's child whose calls are being recorded (sim_child.c). */
struct sim_child;

struct sim_disk {
    struct disk disk; /* first: this is what the engine is given */
    struct trace *trace;
    struct random random;

    struct sim_inode **inodes; /* by number; NULL: gone */
    size_t inode_count;
    struct sim_name *names; /* as the process sees them */
    size_t name_count;
    struct sim_name *durable_names; /* as of the last sync of the folder */
    size_t durable_name_count;
    struct sim_folder_op *folder_ops; /* since then */
    size_t folder_op_count;
    uint64_t sequence; /* of pending changes, over all files and the folder */

    bool locked;
    int open_files;
    bool read_only; /* a sync of the folder failed: the file system gave up */

    uint64_t calls;    /* that change something: each is a possible crash point */
    uint64_t crash_at; /* the call that does not return; 0: none */
    bool dead;         /* it was reached: every call fails and changes nothing */

    struct sim_faults faults;
    uint64_t faults_injected;
    uint64_t syncs_failed;

    uint64_t capacity; /* bytes; UINT64_MAX: endless */
    uint64_t ballast;  /* of them, what others use */
    uint64_t quota;    /* bytes that we may use, which nobody can ask for; UINT64_MAX: as many as there are */
    uint64_t file_max; /* bytes that a file may have; UINT64_MAX: no limit */
    uint64_t full_hits;

    /* Before each call, unless the disk is dead: may look at the disk, and may run whatever runs beside the
     * caller. */
    void (*before_call)(void *context, enum sim_op op, const char *name);
    void *before_call_context;
    struct sim_child *recorder; /* not NULL: calls are the child's, and recorded */
};

/* From now on there is room for everything. */
void sim_disk_unlimit(struct sim_disk *disk);
struct sim_disk *sim_disk_new(uint64_t seed, struct trace *trace);
void sim_disk_free(struct sim_disk *disk);
/* The process that used it has ended: its lock is gone. Its files must be closed. */
void sim_disk_process_ended(struct sim_disk *disk);
/* The call after the next calls_ahead ones does not return. */
void sim_disk_crash_after(struct sim_disk *disk, uint64_t calls_ahead);
const char *sim_op_name(enum sim_op op);

/* --- crash images (disk_crash.c) --------------------------------------------------------------------------
 */

enum crash_kind {
    CRASH_PROCESS, /* the kernel goes on: everything written survives, and what was not synced still is not */
    CRASH_POWER
};

/* The disk as the next process finds it. The original is unchanged. What survives is random's choice. */
struct sim_disk *sim_disk_crash(const struct sim_disk *disk, enum crash_kind kind, struct random *random);
/* An exact copy, for trying one thing in two ways. */
struct sim_disk *sim_disk_copy(const struct sim_disk *disk, uint64_t seed);

/* What a file holds, as the process sees it; data NULL when there is no such file. */
struct slice sim_disk_content(const struct sim_disk *disk, const char *name);
/* Inverts bits of one byte, on the platter and in the cache. */
void sim_disk_rot(struct sim_disk *disk, const char *name, uint64_t offset, uint8_t mask);
uint64_t sim_disk_used(const struct sim_disk *disk);

/* --- for the files of the disk only -----------------------------------------------------------------------
 */

#define SIM_NAME_SIZE 48

/* A change of a file that was not synced: whole sectors as they were right after it, and the file's size. */
struct sim_pending {
    uint64_t sequence;
    uint64_t offset; /* at a sector's begin; size bytes of data from there */
    size_t size;
    char *data;
    uint64_t size_before;
    uint64_t size_after;
};

struct sim_inode {
    struct buffer cache;   /* what reads see */
    struct buffer durable; /* what survives a power failure for certain */
    struct sim_pending *pending;
    size_t pending_count;
    size_t pending_capacity;
    int handles;
};

struct sim_name {
    char name[SIM_NAME_SIZE];
    size_t inode;
};

enum sim_folder_op_kind { FOLDER_CREATE, FOLDER_RENAME, FOLDER_UNLINK };

struct sim_folder_op {
    enum sim_folder_op_kind kind;
    uint64_t sequence;
    char name[SIM_NAME_SIZE];
    char to[SIM_NAME_SIZE]; /* FOLDER_RENAME */
    size_t inode;
};

struct sim_inode *sim_inode_new(void);
void sim_inode_free(struct sim_inode *inode);
/* Applies a change to what is durable: its size, and those of its sectors for which keep says so (NULL: all).
 */
typedef bool sim_keep_sector(void *context, const struct sim_pending *pending, uint64_t sector);
void sim_pending_apply(const struct sim_pending *pending, struct buffer *durable, sim_keep_sector *keep,
                       void *context);
void sim_pending_clear(struct sim_inode *inode);
struct sim_name *sim_names_find(struct sim_name *names, size_t count, const char *name);
void sim_names_apply(struct sim_name **names, size_t *count, const struct sim_folder_op *op);
/* Frees the files that nothing leads to any more. */
void sim_disk_collect(struct sim_disk *disk);

#endif
