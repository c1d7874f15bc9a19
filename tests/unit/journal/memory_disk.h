/* A disk in memory that can crash, fail and fill up. It knows for every file and for the folder what is
 * durable and what is only pending, so that a crash can keep any part of what was not synced: any sectors of
 * any write, any renames.
 *
 * Calls that change something are counted, so that a test can fail or crash at each of them in turn. After a
 * crash every call fails until memory_disk_restart has decided what survived. */
#ifndef DKV_TESTS_MEMORY_DISK_H
#define DKV_TESTS_MEMORY_DISK_H

#include "base/bytes.h"
#include "journal/disk.h"

struct memory_disk;

/* Kinds of calls, as bits. */
enum memory_call {
    CALL_CREATE = 1,
    CALL_WRITE = 2,
    CALL_SYNC = 4,
    CALL_ALLOCATE = 8,
    CALL_TRUNCATE = 16,
    CALL_RENAME = 32,
    CALL_UNLINK = 64,
    CALL_SYNC_FOLDER = 128,
    CALL_READ = 256, /* fails as told, but is not counted: it changes nothing */
};

enum memory_crash {
    CRASH_OF_PROCESS, /* all is kept, and what was not synced still is not */
    CRASH_LOSING_ALL, /* only what was synced is kept */
    CRASH_LOSING_SOME /* of the rest, what chance keeps */
};

/* What a power failure takes of what was not synced, each time wholly. */
enum memory_loss {
    LOSE_NOTHING,
    LOSE_DATA,
    LOSE_NAMES,
    LOSE_OLDER_NAMES, /* the last change of names is kept, those before it are lost */
    LOSE_ALL,
    MEMORY_LOSSES
};

struct memory_disk *memory_disk_new(void);
/* Owned by the memory disk; disk_free frees both. */
struct disk *memory_disk_interface(struct memory_disk *memory);

/* Calls counted so far. */
uint64_t memory_disk_calls(const struct memory_disk *memory);
/* The power goes at the call of this number (of memory_disk_calls' counting, from 1 on): that call may have
 * done its work or a part of it, and says that it failed. 0: never. */
void memory_disk_crash_at(struct memory_disk *memory, uint64_t call);
/* The power goes now. */
void memory_disk_crash_now(struct memory_disk *memory);
bool memory_disk_has_crashed(const struct memory_disk *memory);
/* After a crash, or after the process's end, when all files are closed: what is kept becomes the disk's
 * contents. seed decides what chance keeps. */
void memory_disk_restart(struct memory_disk *memory, enum memory_crash crash, uint64_t seed);

/* What is there after such a loss, or all of it, as another disk on which it is durable. Neither crash nor
 * restart is needed for that, and nothing changes here. */
struct memory_disk *memory_disk_after(const struct memory_disk *memory, enum memory_loss loss);
struct memory_disk *memory_disk_clone(const struct memory_disk *memory);
/* At the look-th opening or reading from here on, meanwhile is called first: what somebody else does. */
void memory_disk_look(struct memory_disk *memory, uint64_t look, void (*meanwhile)(void *context),
                      void *context);
/* Whether it has been called, or nothing was to be. */
bool memory_disk_has_looked(const struct memory_disk *memory);

/* Of the calls of these kinds (bits), lets skip pass and then fails count with a negative errno. */
void memory_disk_fail(struct memory_disk *memory, unsigned kinds, uint64_t skip, uint64_t count, int error);
/* Whether a call was failed on demand since. */
bool memory_disk_has_failed(const struct memory_disk *memory);
/* Bytes that all files together may take; UINT64_MAX: no limit. */
void memory_disk_set_capacity(struct memory_disk *memory, uint64_t bytes);
uint64_t memory_disk_used(const struct memory_disk *memory);
/* Another process holds the folder; 0: none does. */
void memory_disk_set_holder(struct memory_disk *memory, int process);

/* A file's contents, to look at and to damage: size may be lowered, bytes changed. NULL when there is no such
 * file. */
struct buffer *memory_disk_file(struct memory_disk *memory, const char *name);
/* Adds a file, durably; replaces one that is there. */
void memory_disk_put(struct memory_disk *memory, const char *name, struct slice bytes);
void memory_disk_remove(struct memory_disk *memory, const char *name);
/* The names of all files, each ended by a NUL, in no order. */
void memory_disk_names(struct memory_disk *memory, struct buffer *names);

#endif
