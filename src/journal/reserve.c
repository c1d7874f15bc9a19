/* Space on the disk kept for the files of values that were admitted and are not written yet.
 *
 * That so much is free says little: a quota, or somebody else who is quicker, may stand between it and the
 * file. A value that was executed and finds no room holds up all that is behind it. So the space is really
 * taken before a value is executed, in files that hold nothing, and given up for the value's file when that
 * finds none (reserve_give). Mostly it finds some, and the reserve serves for the next value. A while after
 * the last value it goes. Reserves that a crash leaves are removed at the next start, like anything that
 * no manifest names. */
#include <errno.h>

#include "base/diag.h"
#include "journal/journal_private.h"

/* Reserved for more values of the size that is asked for, so that not each has to wait for its own. */
#define AHEAD_VALUES    3
#define AHEAD_BYTES_MAX ((uint64_t)64 << 20)
/* As little as this share of what is free. */
#define AHEAD_SHARE 8
/* A piece is one file. */
#define PIECE_MIN ((uint64_t)4 << 10)
#define PIECE_MAX ((uint64_t)1 << 30)
/* How long nothing was written to value files when it goes, and how long before nothing more is admitted that
 * counts on it: what was admitted earlier is executed by then. */
#define IDLE_US   1000000
#define HIDDEN_US 200000

/* Executed and not written. */
static uint64_t pending_bytes(const struct journal *journal)
{
    return atomic_load_explicit(&journal->values_appended, memory_order_acquire) -
           journal->committer.values_placed;
}

uint64_t reserve_room(const struct committer *committer)
{
    return committer->values_placed + (committer->reserve_is_hidden ? 0 : committer->reserve_bytes);
}

/* --- growing ------------------------------------------------------------------------------------------ */

static void unlink_now(struct journal *journal, const char *name)
{
    int rc = disk_unlink(journal->disk, name);
    /* The next start removes it. */
    if (rc < 0 && rc != -ENOENT)
        diag(DIAG_WARNING, "cannot remove %s: %s", name, strerror(-rc));
}

static enum io_result add_piece(struct journal *journal, uint64_t bytes, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    struct disk_file *file;
    char name[FILE_NAME_SIZE];
    reserve_name(name, committer->next_reserve);
    int rc = disk_open(journal->disk, name, DISK_CREATE, &file);
    /* A leftover that could not be removed when it was found. */
    if (rc == -EEXIST && (rc = disk_unlink(journal->disk, name)) == 0)
        rc = disk_open(journal->disk, name, DISK_CREATE, &file);
    if (rc < 0)
        return io_error(error, rc, "create", name);
    rc = disk_allocate(file, 0, bytes);
    disk_close(file);
    if (rc < 0) {
        enum io_result result = io_error(error, rc, "reserve space for a large value in", journal->folder);
        unlink_now(journal, name);
        return result;
    }
    committer->reserves[committer->reserve_count++] = (struct spare){committer->next_reserve++, bytes};
    committer->reserve_bytes += bytes;
    return IO_DONE;
}

static enum io_result grow(struct journal *journal, uint64_t bytes, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    enum io_result result = IO_DONE;
    uint64_t most = committer->file_max < PIECE_MAX ? committer->file_max : PIECE_MAX;
    /* Few and large rather than many and small: one that grows is given up and begun anew. */
    if (committer->reserve_count == RESERVES_MAX) {
        bytes += committer->reserve_bytes;
        reserve_drop(journal, true);
    }
    while (bytes > 0 && result == IO_DONE) {
        if (most < PIECE_MIN)
            return io_error(error, -EFBIG, "reserve space for a large value in", journal->folder);
        if (committer->reserve_count == RESERVES_MAX)
            return io_error(error, -ENOSPC, "reserve as much at a time in", journal->folder);
        uint64_t piece = bytes < most ? bytes : most;
        result = add_piece(journal, piece, error);
        bytes -= piece;
    }
    return result;
}

enum io_result reserve_make(struct journal *journal, uint64_t want, uint64_t free_bytes,
                            struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    uint64_t need = pending_bytes(journal) + want;
    committer->reserve_is_hidden = false;
    committer->reserve_used_us = clock_monotonic_us(journal->clock);
    if (committer->reserve_bytes >= need)
        return IO_DONE;
    uint64_t missing = need - committer->reserve_bytes;
    uint64_t ahead = want < AHEAD_BYTES_MAX / AHEAD_VALUES ? AHEAD_VALUES * want : AHEAD_BYTES_MAX;
    if (ahead <= free_bytes / AHEAD_SHARE && grow(journal, missing + ahead, error) == IO_DONE)
        return IO_DONE;
    if (committer->reserve_bytes >= need)
        return IO_DONE;
    return grow(journal, need - committer->reserve_bytes, error);
}

/* --- giving up ---------------------------------------------------------------------------------------- */

/* now: somebody waits for the room. Otherwise the remover does it. */
static void drop_last(struct journal *journal, bool now)
{
    struct committer *committer = &journal->committer;
    const struct spare *last = &committer->reserves[--committer->reserve_count];
    char name[FILE_NAME_SIZE];
    reserve_name(name, last->number);
    if (now)
        unlink_now(journal, name);
    else
        remover_add(journal, name, last->bytes);
    committer->reserve_bytes -= last->bytes;
}

/* What is left of the last piece after it gave up so much. False when it stays as it is. */
static bool shorten_last(struct journal *journal, uint64_t bytes)
{
    struct committer *committer = &journal->committer;
    struct spare *last = &committer->reserves[committer->reserve_count - 1];
    struct disk_file *file;
    char name[FILE_NAME_SIZE];
    reserve_name(name, last->number);
    if (disk_open(journal->disk, name, DISK_WRITE, &file) < 0)
        return false;
    int rc = disk_truncate(file, last->bytes - bytes);
    disk_close(file);
    if (rc < 0)
        return false;
    last->bytes -= bytes;
    committer->reserve_bytes -= bytes;
    return true;
}

bool reserve_give(struct journal *journal, uint64_t bytes)
{
    struct committer *committer = &journal->committer;
    uint64_t before = committer->reserve_bytes;
    while (bytes > 0 && committer->reserve_count > 0) {
        uint64_t last = committer->reserves[committer->reserve_count - 1].bytes;
        if (last > bytes && shorten_last(journal, bytes))
            break;
        drop_last(journal, true);
        bytes -= last < bytes ? last : bytes;
    }
    return committer->reserve_bytes < before;
}

void reserve_drop(struct journal *journal, bool now)
{
    while (journal->committer.reserve_count > 0)
        drop_last(journal, now);
}

int64_t reserve_due(const struct journal *journal, int64_t now_us)
{
    const struct committer *committer = &journal->committer;
    (void)now_us;
    if (committer->reserve_count == 0)
        return NEVER_US;
    return committer->reserve_used_us + (committer->reserve_is_hidden ? IDLE_US + HIDDEN_US : IDLE_US);
}

enum io_result reserve_run(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    (void)error;
    if (pending_bytes(journal) > 0) {
        committer->reserve_is_hidden = false;
        committer->reserve_used_us = clock_monotonic_us(journal->clock);
    } else if (committer->reserve_is_hidden) {
        reserve_drop(journal, false);
    } else {
        committer->reserve_is_hidden = true;
    }
    return IO_DONE;
}
