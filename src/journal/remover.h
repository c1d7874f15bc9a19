/* The remover: lets go of files that nobody needs any more, beside the commit thread.
 *
 * Giving the blocks of a large file back takes a file system long (a base of 4 GB, seconds), and what it
 * holds meanwhile makes others wait. So nobody who has something better to do removes a file: its name is put
 * on the remover's list, and the remover takes the name away, then cuts the file short by a piece a step
 * until nothing is left. It runs in threads of its own, or in steps that the caller makes (journal_work,
 * journal_work_remover), and holds no lock while it is in a call to the disk. Large files go one after the
 * other. Of small ones several are removed at a time: removing one mostly waits, and where 1,500 files of 70
 * KB took one thread 2.8 to 5.6 s on a busy machine, they took two 0.3 to 0.7 s and four 0.4 s.
 *
 * By name only files are given whose name is never used again: segments and bases that are older than the
 * base in use, value files, spares. What may have to make way for a new file of its name loses its name at
 * once (remover_detach).
 *
 * What waits here takes room. So nobody is told that the disk is full as long as something waits, and no more
 * large values are taken than value files go once those that wait are more than all that is in use
 * (committer_publish). */
#ifndef DKV_JOURNAL_REMOVER_H
#define DKV_JOURNAL_REMOVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "journal/names.h"

struct disk_file;
struct journal;

/* So much of a file goes in one step. Larger pieces hold up the syncs of the log: while files went in pieces
 * of 4 MiB on ext4, the longest fdatasync beside took 2.7 ms, with 16 MiB 9 ms, with 64 MiB 23 ms, and in one
 * piece of 1.5 GB 58 ms, where it took 0.5 ms otherwise. Smaller ones save nothing. */
#define REMOVAL_STEP ((uint64_t)4 << 20)

struct removal {
    struct list_node node;
    char name[FILE_NAME_SIZE];
    struct disk_file *file; /* open, its name gone, or NULL */
    uint64_t bytes;         /* that the file has; 0: not known */
    uint64_t keep;          /* of a segment that only loses its end: what stays */
    bool is_trim;
    bool is_value;
    bool is_taken; /* somebody is working on it */
};

#define REMOVER_THREADS 4
/* With so many small files that wait, another thread is begun. */
#define REMOVALS_ENOUGH 16

struct remover {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t threads[REMOVER_THREADS];
    int thread_count;
    bool stopping;
    int working;       /* steps that are under way */
    struct list large; /* those of more bytes than one step takes, or of which that is not known */
    struct list small; /* in both, those that are taken come first */
    size_t small_count;
    _Atomic uint64_t files; /* that wait, */
    _Atomic uint64_t bytes; /* and what is known of their size */
    _Atomic uint64_t value_files;
    _Atomic uint64_t value_bytes;
    _Atomic uint64_t value_bytes_gone; /* ever */
};

void remover_init(struct remover *remover);
/* With the first of its threads. */
bool remover_start_threads(struct journal *journal);
void remover_stop_threads(struct journal *journal);
/* Forgets what still waits: the next start removes it. */
void remover_free(struct remover *remover);

/* Removes a file some time. bytes is its size, 0 when that is not known. */
void remover_add(struct journal *journal, const char *name, uint64_t bytes);
void remover_add_value(struct journal *journal, const char *name, uint64_t bytes);
/* Takes the name away now, and gives the blocks back some time. */
void remover_detach(struct journal *journal, const char *name);
/* Cuts a segment that is written no more to so many bytes. Takes the file over. */
void remover_trim(struct journal *journal, const char *name, struct disk_file *file, uint64_t bytes,
                  uint64_t keep);
bool remover_has(struct journal *journal, const char *name);
static inline bool remover_waits(const struct remover *remover)
{
    return atomic_load_explicit(&remover->files, memory_order_acquire) > 0;
}

/* Does a step of what waits, if there is anything that nobody else is at. */
bool remover_step(struct journal *journal);
/* All that waits. Only without threads. Returns whether there was anything. */
bool remover_drain(struct journal *journal);

#endif
