/* What the journal's own files share.
 *
 * Two sides work on it: the loop, which calls journal.h, and the committer, which is the commit thread or,
 * without one, whoever calls journal_work. Each field below says by which side, or under which lock, it is
 * used. The committer does all work in tasks (committer.c). It holds the lock while it looks for the next one
 * and while it publishes what came of it, never while it reads or writes files. */
#ifndef DKV_JOURNAL_PRIVATE_H
#define DKV_JOURNAL_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/random.h"
#include "journal/journal.h"
#include "journal/manifest.h"
#include "journal/remover.h"
#include "journal/segment_writer.h"
#include "journal/stream_reader.h"
#include "journal/values.h"

/* Space kept out of what is admitted: for estimates of a change's size that were too low, for frame headers
 * and for closing frames. */
#define SLACK_MAX ((uint64_t)8 << 10)
/* How far ahead of the write position space is reserved: at first, and at most under load. */
#define AHEAD_MIN ((uint64_t)64 << 10)
#define AHEAD_MAX ((uint64_t)4 << 20)
/* So many buffers are kept to be used again, each of at most so many bytes: journal_set_keep, within these.
 */
#define BATCHES_KEPT   3
#define BATCH_KEEP_MIN ((size_t)64 << 10)
#define BATCH_KEEP_MAX ((size_t)1 << 20)
/* A batch that has grown to this waits for the committer as it is; what follows goes to another. */
#define BATCH_ENOUGH ((size_t)4 << 20)
/* No disk has room for more in one piece, so nothing larger is asked for. */
#define CHANGE_SIZE_MAX ((uint64_t)1 << 50)
/* When a full disk is tried again. */
#define RETRY_US 100000
/* How long writes are refused for want of room before a base that waits for room, too, is given up. */
#define FULL_PATIENCE_US 500000
/* Under SYNC_EVERYSEC: a sync is begun when the oldest unsynced write is this old; and when a write itself
 * took so long that it is this old already, what was written is synced before it is acknowledged. */
#define SYNC_AGE_US      500000
#define SYNC_AGE_LATE_US 900000
/* A disk is slow for so long after anything that the committer did took that long: a sync that may take as
 * long again comes too late for what was acknowledged before it, so acknowledgements wait for it meanwhile.
 */
#define SLOW_CALL_US   200000
#define SLOW_MEMORY_US 10000000
/* When this long nothing followed, the last promise is put on record by a closing frame. */
#define QUIET_US 100000
/* Spare files kept at most; they are also no more bytes than the last log was or, as long as that is not
 * known, than so many segments. */
#define SPARES_MAX     16
#define SPARES_AT_OPEN 4
/* MANIFEST names every segment and is written whole when one is begun. So segments are twice as large for
 * each so many that there are, up to a size. */
#define SEGMENTS_PER_DOUBLING 64
#define SEGMENT_GROWN_MAX     ((uint64_t)1 << 30)
/* So often a task is run though another, further down the table, is due. */
#define PASSED_OVER_MAX 4
/* Files of space reserved for values at most. */
#define RESERVES_MAX 64

/* The loop writes, and under SYNC_ALWAYS syncs, by itself (journal_submit) at most so many bytes, and only
 * while that takes less than this on average. */
#define LOOP_WORK_BYTES_MAX ((size_t)64 << 10)
#define LOOP_WRITE_US_MAX   200
#define LOOP_SYNC_US_MAX    1000

/* So much of a large value is written before other tasks have their turn. */
#define VALUE_STEP ((uint64_t)16 << 20)
/* Without a policy that syncs by itself, files that wait to be removed have one made so often. */
#define VALUE_SYNC_US 1000000

#define NEVER_US INT64_MAX

/* Bytes that a unit leaves out. */
struct batch_value {
    uint64_t offset;   /* in the text */
    struct blob *blob; /* a reference of the batch's; its origin is the record of its file */
};

/* What is handed from the loop to the committer, in order. */
struct batch {
    struct batch *next;
    bool is_cut;         /* begin a new segment at lsn; otherwise a frame to write */
    int database;        /* selected where it begins */
    lsn_t lsn;           /* of its first byte */
    uint64_t position;   /* where it begins, as struct journal's appended counts */
    struct buffer bytes; /* room for the frame's header, then units */
    struct batch_value *values;
    size_t value_count;
    size_t value_capacity;
    uint64_t value_bytes; /* that values leave out of the units */

    /* The committer's. */
    size_t values_written;
    bool has_new_files; /* whose names are not durable yet */
    struct value_writer value_writer;
};

/* Why there is no room. */
enum full_reason { FULL_DISK, FULL_QUOTA, FULL_FILE, FULL_REASONS };

enum rewrite_state {
    REWRITE_NONE,
    REWRITE_RUNNING,   /* from the cut until the child has ended */
    REWRITE_SUCCEEDED, /* the new base is to be taken into use */
    REWRITE_GIVEN_UP   /* what the child left is to be removed */
};

/* In the order of their urgency; from TASK_AHEAD on, none waits for ever for those before it. */
enum task {
    TASK_SYNC,
    TASK_ROOM,
    TASK_VALUE_ROOM,
    TASK_VALUES,
    TASK_AHEAD,
    TASK_QUEUE,
    TASK_REWRITE,
    TASK_CLOSE,
    TASK_HISTORY,
    TASK_RETIRE,
    TASK_RESERVE,
    TASK_COUNT
};

struct limits {
    uint64_t segment_size;
    int history_bases;
    int64_t history_seconds;
};

/* Space that a change waits for. */
struct want {
    uint64_t size;      /* bytes; 0: none does */
    bool is_asked;      /* somebody asked for it since the last try */
    int unasked_tries;  /* in a row */
    uint64_t full_size; /* changes from this size on found no room at the last try */
};

struct spare {
    uint64_t number;
    uint64_t bytes;
};

/* The committer's own. */
struct committer {
    struct manifest manifest;
    struct segment_writer writer;
    struct random random;
    struct limits limits;  /* as of the task's beginning */
    struct batch *current; /* taken from the queue and not done yet: there was no room */
    bool backlog;          /* another frame was in the queue already when current was taken */
    lsn_t written;
    lsn_t durable;
    uint64_t placed;            /* what of appended, */
    uint64_t values_placed;     /* and of values_appended, is written */
    lsn_t recorded;             /* the highest durable LSN that a frame or MANIFEST names */
    lsn_t named;                /* what the last frame written says is durable, */
    lsn_t on_record;            /* and what is durably said: recovery never ends below */
    int64_t oldest_unsynced_us; /* when the first write was begun that is not synced yet */
    int64_t last_write_us;
    int64_t last_sync_us;
    int64_t sync_us_average; /* of the last eight or so */
    int64_t write_us_average;
    int64_t slow_until_us; /* the disk was slow lately: SLOW_CALL_US */
    int64_t task_began_us; /* the one that runs */
    size_t last_frame_size;
    uint64_t ahead;            /* bytes to reserve ahead of the write position */
    uint64_t room_tried;       /* the size that room was last made for, */
    uint64_t value_room_tried; /* and room for values */
    struct spare spares[SPARES_MAX];
    size_t spare_count;
    uint64_t spare_bytes_max;
    uint64_t next_spare;
    uint64_t file_max;                   /* bytes, as of the last look */
    struct spare reserves[RESERVES_MAX]; /* for values (reserve.c) */
    size_t reserve_count;
    uint64_t reserve_bytes;
    uint64_t next_reserve;
    int64_t reserve_used_us;
    bool reserve_is_hidden;       /* nothing is admitted that counts on it */
    struct buffer retired;        /* names, each ended by a NUL, of segments that may become spares */
    int64_t history_check_us;     /* when history may have become too old */
    int64_t retry_us[TASK_COUNT]; /* not before: the last try found the disk full */
    int passed_over;              /* times in a row that a task was run while one below it was due */
    enum task last_below;         /* of those that were passed over, which was run last */
};

struct journal {
    /* Set at open, then read by both sides. */
    struct disk *disk;
    struct clock *clock;
    struct values *values; /* with a lock of its own */
    char *folder;
    char *full_texts[FULL_REASONS]; /* what journal_full says */
    struct buffer leftovers; /* names of files that go when recovery has succeeded, each ended by a NUL */
    bool threaded;
    void (*wake)(void *context);
    void *wake_context;
    bool (*leave)(void *context);
    void (*back)(void *context);
    void *leave_context;
    uint64_t random_seed;
    uint8_t stream_id[STREAM_ID_SIZE];

    /* The loop's. */
    bool is_fresh; /* the folder is empty */
    bool recovered;
    struct stream_reader *reader; /* of recovery; the start asks it where the end is */
    struct recover_progress progress;
    enum value_load value_load;
    bool has_read;      /* recovery: the stream's end was reached */
    struct batch *open; /* being filled; NULL: none is */
    bool unit_is_open;
    bool base_is_current; /* when the rewrite began, MANIFEST named a base of the same LSN */
    uint64_t unsynced_max;
    bool started;
    bool has_thread;
    pthread_t thread;

    /* Written by one side, read by the other without the lock. Whoever sees an LSN here may rely on what was
     * done before it was stored (release), so it is read with acquire. */
    _Atomic lsn_t executed;  /* written by the loop */
    _Atomic int64_t time_ms; /* journal_set_time; 0: never called */
    _Atomic lsn_t written;   /* this and the next by the committer */
    _Atomic lsn_t durable;
    _Atomic int64_t acknowledged_us; /* when that of them grew which acknowledges */
    /* Units without the values they leave out, but with the references to them, since the start: what takes
     * room in segments. LSNs count the stream, which is another measure. */
    _Atomic uint64_t appended; /* written by the loop */
    _Atomic uint64_t room; /* up to here, what is appended is sure to find space; by both, under the lock */
    /* The same for the files of the values left out. */
    _Atomic uint64_t values_appended;
    _Atomic uint64_t values_room;
    atomic_int policy;      /* written by the loop */
    atomic_bool has_failed; /* failure is set and will not change */
    atomic_bool is_full;
    atomic_int full_reason;
    atomic_bool rewriting;

    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the committer waits on it */
    bool committer_waits;
    int64_t committer_due_us; /* while it waits: until when at the latest */
    bool task_runs;           /* somebody is running a task of the committer's, without the lock */
    bool stopping;
    struct batch *queue_first;
    struct batch *queue_last;
    struct batch *free_batches;
    int free_batch_count;
    size_t batch_keep; /* bytes */
    struct limits limits;
    lsn_t sync_target; /* somebody asked for a sync up to here */
    struct want want;
    struct want value_want;
    bool loop_waits;        /* journal_admit said ADMIT_WAIT since the last wake */
    unsigned full_tasks;    /* bits of those tasks that hold writes up because the disk is full */
    unsigned removal_tasks; /* of those that found it full while the remover had something to do */
    uint64_t values_limit;  /* what values_room would be if value files went as fast as they came */
    bool is_paced;          /* they do not: from where on more are taken only as others go */
    uint64_t paced_appended;
    uint64_t paced_gone;
    int64_t full_since_us; /* when is_full was set */
    struct journal_error failure;
    enum rewrite_state rewrite;
    lsn_t rewrite_lsn;
    uint64_t rewrite_position; /* the same place, as appended counts */
    uint64_t log_begin;        /* the base in use, as appended counts; below 0, wrapped, after a start */
    bool recheck_history;
    struct journal_stats stats;

    struct committer committer;
    struct remover remover; /* with a lock of its own */
};

/* --- journal.c ---------------------------------------------------------------------------------------- */

/* Of the base in use, the log since then, and the values' files. With the lock held. */
uint64_t journal_bytes_in_use(struct journal *journal);

/* --- append.c ----------------------------------------------------------------------------------------- */

/* Puts what the loop has gathered into the queue. Called with the lock held, by the loop. */
void queue_push_open(struct journal *journal);
/* Puts a cut into the queue: what follows begins a new segment. Called with the lock held. */
void queue_push_cut(struct journal *journal, lsn_t lsn);
/* Where the first cut lies that is not done yet, as struct journal's appended counts; UINT64_MAX without any.
 * Called with the lock held. */
uint64_t queue_first_cut(const struct journal *journal);
/* Wakes the committer. Called with the lock held. */
void committer_signal(struct journal *journal);
/* Gives a batch back, emptied. Called with the lock held. */
void batch_release(struct journal *journal, struct batch *batch);
/* Notes that the bytes of blob belong at the batch's end. */
void batch_add_value(struct batch *batch, struct blob *blob);
/* Empties it, letting go of values, after it was written. */
void batch_clear(struct batch *batch);
void batch_free(struct batch *batch);

/* For frames and files. */
int64_t journal_time_ms(const struct journal *journal);

/* --- committer.c -------------------------------------------------------------------------------------- */

/* Runs one task that is due, if any; *due_us is when the next is otherwise. Called with the lock held, which
 * is given up meanwhile. */
bool committer_step(struct journal *journal, int64_t *due_us);
/* Makes what the committer did visible to the loop. Called with the lock held; returns what the loop is to be
 * woken for, of these: */
#define WAKE_ACKNOWLEDGED 1u /* more is acknowledged */
#define WAKE_WAITING      2u /* it said that it waits for something else, or should look */
unsigned committer_publish(struct journal *journal);
/* Writes what the queue holds, and under SYNC_ALWAYS syncs it, unless something else has to be done first.
 * Called by the loop, with the lock held, which is given up meanwhile. */
void committer_work_for_loop(struct journal *journal);
/* The remover has come further: whatever waits for that goes on. Takes the lock. */
void committer_note_removed(struct journal *journal);
/* What the queue found no room for was dropped from it. Called with the lock held. */
void queue_note_unblocked(struct journal *journal);
/* Syncs the segment being appended to, if anything in it is not durable. */
enum io_result committer_sync(struct journal *journal, struct journal_error *error);
/* To be called before any other call to the disk than a frame's write or a sync: under SYNC_EVERYSEC, what is
 * acknowledged before its sync must not wait for it. */
enum io_result committer_sync_before(struct journal *journal, struct journal_error *error);
/* Writes and syncs all that was handed over, ends it with a closing frame and has MANIFEST say how far it
 * reaches. Only after the thread has ended. */
bool committer_finish(struct journal *journal);
bool committer_start_thread(struct journal *journal);
void committer_stop_thread(struct journal *journal);
void committer_free(struct journal *journal);

/* --- space.c ------------------------------------------------------------------------------------------ */

/* Space to keep out of what is admitted: SLACK_MAX, less when segments are tiny. */
uint64_t space_slack(const struct limits *limits);
/* Makes room for so many bytes in one piece, and some ahead if possible: in the current segment, or in a new
 * one. */
enum io_result space_make(struct journal *journal, uint64_t bytes, struct journal_error *error);
/* Begins a new segment at the end of what is written, with so much room. */
enum io_result space_rotate(struct journal *journal, uint64_t bytes, struct journal_error *error);
uint64_t space_new_salt(struct journal *journal, lsn_t lsn);
/* Makes manifest the one in use, for the statistics too. */
void space_adopt(struct journal *journal, struct manifest *manifest);
/* Replaces MANIFEST by manifest, which then is the one in use; it also says how far the stream is durable.
 * Consumes it in any case. */
enum io_result space_replace_manifest(struct journal *journal, struct manifest *manifest,
                                      struct journal_error *error);
/* Puts down in MANIFEST how far the stream is durable, unless that is there already. */
enum io_result space_record_durable(struct journal *journal, struct journal_error *error);
/* The same at a clean stop, and how old states of history are by now, if that counts. */
enum io_result space_record_end(struct journal *journal, struct journal_error *error);
uint64_t space_spare_bytes(const struct committer *committer);
/* Whether there is room for another spare, and whether a file of so many bytes is worth being one. */
bool space_wants_spares(const struct journal *journal);
bool space_wants_spare(const struct journal *journal, uint64_t bytes);
/* Renames a file of so many bytes to be a spare for new segments. False when that failed. */
bool space_keep_spare(struct journal *journal, const char *name, uint64_t bytes);
/* Has spares removed until they are at most so many bytes. */
void space_drop_spares(struct journal *journal, uint64_t bytes_max);

int64_t room_due(const struct journal *journal, int64_t now_us);
enum io_result room_run(struct journal *journal, struct journal_error *error);
int64_t value_room_due(const struct journal *journal, int64_t now_us);
enum io_result value_room_run(struct journal *journal, struct journal_error *error);
/* With the lock held, after a try found no room of the size. */
void want_note_full(struct want *want, uint64_t tried);
int64_t ahead_due(const struct journal *journal, int64_t now_us);
enum io_result ahead_run(struct journal *journal, struct journal_error *error);

/* --- reserve.c ---------------------------------------------------------------------------------------- */

/* Takes space on the disk for what was admitted to value files and is not written, and for so many bytes
 * more. free_bytes: on the disk. */
enum io_result reserve_make(struct journal *journal, uint64_t want, uint64_t free_bytes,
                            struct journal_error *error);
/* Up to here, counted as values_placed, there is space. */
uint64_t reserve_room(const struct committer *committer);
/* Gives up so much of it, for a value that finds no room. Returns whether there was any. */
bool reserve_give(struct journal *journal, uint64_t bytes);
/* All of it; now, or when the remover comes to it. */
void reserve_drop(struct journal *journal, bool now);
int64_t reserve_due(const struct journal *journal, int64_t now_us);
enum io_result reserve_run(struct journal *journal, struct journal_error *error);

/* --- retire.c ----------------------------------------------------------------------------------------- */

int64_t rewrite_due(const struct journal *journal, int64_t now_us);
enum io_result rewrite_run(struct journal *journal, struct journal_error *error);
/* Whether a state is kept for its age alone. */
bool history_age_counts(const struct committer *committer);
int64_t history_due(const struct journal *journal, int64_t now_us);
enum io_result history_run(struct journal *journal, struct journal_error *error);
int64_t retire_due(const struct journal *journal, int64_t now_us);
enum io_result retire_run(struct journal *journal, struct journal_error *error);

/* --- values.c and value_load.c ------------------------------------------------------------------------ */

/* Says since when files are dead that were dropped, and frees dropped records that never had one. By the
 * loop, outside of units and commands; returns whether any file has died. */
bool values_collect(struct journal *journal);
/* Names the values that the child of the rewrite, which begins at lsn, has to write. By the loop. */
void values_rewrite_begin(struct journal *journal, lsn_t lsn);
/* The base that refers to them is in force (ok), or never will be. By the committer. */
void values_rewrite_end(struct journal *journal, bool ok);
int64_t values_due(const struct journal *journal, int64_t now_us);
enum io_result values_run(struct journal *journal, struct journal_error *error);
/* Whether files could go if only it were on record that more is durable. */
bool values_wait_for_record(const struct journal *journal);
/* What MANIFEST names, or what is kept as history, has changed. */
void values_recheck(struct journal *journal);
/* Goes on writing a named value's file, which it begins if writer has none open. */
enum io_result value_write(struct journal *journal, struct value_file *file, const struct blob *blob,
                           struct value_writer *writer, bool *done, struct journal_error *error);
/* Notes a value file that is in the folder at the start. */
void values_found(struct journal *journal, lsn_t lsn, uint32_t number);
/* After the stream was read: looks whether the files are there that are needed, and reads about bytes_max of
 * them if that is to be done now. */
enum recover_result values_recover_step(struct journal *journal, uint64_t bytes_max,
                                        struct journal_error *error);
/* At the start: sorts out which files are in use, which may be needed by history, and which are leftovers. */
void values_start(struct journal *journal);
void values_stats(const struct journal *journal, struct journal_stats *stats);
/* Ends the threads that read. */
void values_stop(struct journal *journal);
/* Without threads: reads one value that is to be loaded. Returns whether there was any. */
bool values_load_one(struct journal *journal);
bool values_load_due(const struct journal *journal);

/* --- leftovers.c -------------------------------------------------------------------------------------- */

/* Finds the files of ours that no manifest names, and the spares. Refuses where one of them holds data that
 * the manifest ought to know. */
bool leftovers_find(struct journal *journal, struct journal_error *error);
/* Removes them: when recovery has succeeded. */
void leftovers_remove(struct journal *journal);

#endif
