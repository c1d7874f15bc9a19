/* The value files that the journal knows: which are to be written, which are in use, which may go.
 *
 * Each has a record, which is the origin of the blob that holds the same bytes (base/blob.h). As long as the
 * blob lives with its origin the file is in use. When the blob is freed or changed, the file is dead, and is
 * removed when nobody can need it any more:
 *
 *  - what replaced the value is durable, and that is on record: a frame or MANIFEST says so, durably. A log
 *    that has lost its end is taken for torn only behind what is on record, so no recovery ends before the
 *    replacement then; and
 *  - no state that MANIFEST still has can be rebuilt with it. If older states are kept, that is when the
 * oldest kept base is younger than the replacement. If none is kept, recovery only ever goes to the end of
 * the log, where the value is gone; on its way it needs the bytes only for partial changes that were made to
 *    them, so such a change pins the file until a base is in place that comes after it.
 *
 * Records are shared by threads: the last reference to a blob may be dropped by any. All that is said here to
 * be in a list is so under the lock, which is never held while a file is touched.
 *
 * A command may keep the origin that a value had before it, though it changes the value and so releases the
 * origin. So, whatever its state, no record that a blob had is freed before the loop, between two commands,
 * has taken it out of the list of what was dropped (values_collect). */
#ifndef DKV_JOURNAL_VALUES_H
#define DKV_JOURNAL_VALUES_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/blob.h"
#include "base/list.h"
#include "journal/value_file.h"

enum value_state {
    VALUE_PLANNED, /* it has no name: the next rewrite gives it one and writes it */
    VALUE_REWRITE, /* named; the child of the running rewrite writes it */
    VALUE_NAMED,   /* the committer writes it before the frame that refers to it */
    VALUE_WRITTEN  /* it is there, durably */
};

struct value_file {
    struct blob_origin origin; /* first: a blob's origin is its record */
    struct values *values;
    struct list_node node; /* in one of the lists of struct values */
    enum value_state state;
    lsn_t lsn;
    uint32_t number;
    uint64_t size;
    struct slice key; /* a copy of what the header has room for, until it is written */
    uint64_t checksum;
    atomic_bool has_checksum;
    bool child_has_written; /* for the child of a rewrite: one file is enough for several keys */
    bool is_released;       /* during recovery, or while a child may be writing it: no blob has it any more */
    lsn_t dead_lsn;         /* the unit that took the last blob from it ends here, or before */
    lsn_t pinned_lsn;       /* units up to here read its bytes */

    /* Recovery and loading. */
    struct value_file *chain; /* of the table */
    struct blob *blob;        /* made for it, and not freed since; not counted as a reference */
    bool is_unloaded;
    bool is_wanted; /* in the list of those to be loaded, or of those that were */
    char *loaded;   /* what was read, until the loop takes it */
    char *wrong;    /* why it cannot be loaded */
};

struct value_name {
    lsn_t lsn;
    uint32_t number;
};

struct values {
    pthread_mutex_t lock;
    _Atomic size_t references; /* the journal's, and one for each record */
    bool is_closed;            /* the journal is gone, or forgets its files */

    /* Names are never used twice within a folder: a number is new for its LSN. */
    lsn_t last_lsn;
    uint32_t next_number;

    struct list planned;
    struct list rewriting; /* named for the running rewrite */
    struct list dropped;   /* released; the loop has yet to say since when they are dead, or to free them */
    struct list dead;      /* until the replacement is past recall: in order of dead_lsn, but for one that a
                            * silent change left, which may hold up those behind it until the next unit */
    struct list kept;      /* until a younger base is the oldest */
    struct list removable;
    bool recheck; /* something in kept may be removable */
    atomic_bool has_dropped;
    atomic_bool has_dead; /* something is in dead, kept or removable */
    uint64_t count;       /* files, and their bytes, that are there or are about to be */
    uint64_t bytes;
    uint64_t dead_count; /* of those, the ones that wait to be removed */
    uint64_t dead_bytes;
    uint64_t pinned_bytes; /* of those, in kept, what only the log still needs: a rewrite lets it go */

    /* Recovery. */
    bool is_recovering;
    bool is_checked;  /* the files that are needed are there */
    bool is_loading;  /* without threads: a call to the disk is under way for one */
    lsn_t replay_lsn; /* the end of the frame being applied */
    struct value_file **table;
    size_t table_size; /* a power of two */
    size_t table_used;
    struct buffer found; /* struct value_name of each value file in the folder at the start */

    /* Loading (value_load.c). */
    struct list unloaded;
    struct list wanted;
    struct list loaded; /* read, or found wrong, and not taken by the loop yet */
    pthread_cond_t changed;
    bool stopping;
    pthread_t threads[4];
    int thread_count;
    atomic_bool has_loaded;
    _Atomic uint64_t unloaded_count;
    uint64_t unloaded_bytes;
    char told[512];
};

struct values *values_new(void);
/* The journal ends. Records that blobs still have live on without it. */
void values_close(struct values *values);

/* The record of a blob; NULL when it has none. */
static inline struct value_file *value_of(const struct blob *blob)
{
    return (struct value_file *)(void *)blob->origin;
}

struct value_file *value_file_new(struct values *values, enum value_state state, uint64_t size);
/* Gives a name, for a file that begins at this LSN. With the lock held. */
void value_give_name(struct value_file *file, lsn_t lsn);
/* Frees a record that is in no list and no table. With the lock held. */
void value_file_free(struct value_file *file);
/* Puts a record among those to be removed as soon as that is allowed. With the lock held. */
void value_bury(struct value_file *file, struct list *list);
/* Makes the checksum if nobody has yet: the child of a rewrite keeps what it made to itself. */
void value_make_checksum(struct value_file *file, const struct blob *blob);
struct value_reference value_refer(const struct value_file *file, uint64_t offset);

/* The record of that name, of recovery's table; NULL when there is none. */
struct value_file *values_find(const struct values *values, lsn_t lsn, uint32_t number);
void values_add(struct values *values, struct value_file *file);

#endif
