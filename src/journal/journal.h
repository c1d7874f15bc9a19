/* The journal: an append-only stream of units on disk, made durable by a commit thread, shortened by
 * rewrites.
 *
 * It moves bytes and LSNs and knows nothing of commands. One thread (the loop) calls everything here; the
 * commit thread inside does all writing and syncing, so that no call waits for the disk, except journal_open,
 * journal_recover_step, journal_start and journal_close. Without options.threaded there is no thread and the
 * caller runs journal_work.
 *
 * The life of a journal: open, recover_step until done, start, then append, submit and rewrite, and close.
 *
 * Errors of the disk are final: after a failed write or sync nothing more becomes written or durable,
 * journal_failed says why, and the owner stops. A full disk is no such error: see journal_admit. */
#ifndef DKV_JOURNAL_JOURNAL_H
#define DKV_JOURNAL_JOURNAL_H

#include "base/blob.h"
#include "base/clock.h"
#include "journal/disk.h"
#include "journal/frame.h"

struct journal;

/* When the values that lie in files of their own are read. */
enum value_load {
    VALUE_LOAD_START,      /* before the first client is served */
    VALUE_LOAD_BACKGROUND, /* afterwards, those first that somebody waits for */
    VALUE_LOAD_FIRST_USE,  /* when somebody waits for them */
    VALUE_LOAD_NEVER       /* nor is looked whether they are there: for tools */
};

enum sync_policy {
    SYNC_ALWAYS,   /* acknowledged means durable */
    SYNC_EVERYSEC, /* acknowledged means written; at most a second of it is not durable */
    SYNC_NO        /* acknowledged means written; the kernel decides when it becomes durable */
};

struct journal_options {
    struct disk *disk; /* stays the caller's, and outlives the journal */
    struct clock *clock;
    const char *folder; /* for messages only */
    bool threaded;
    enum sync_policy policy;
    uint64_t segment_size; /* bytes; a unit that is larger gets a segment of its own size */
    /* Bytes executed but not yet written (under SYNC_ALWAYS: not durable); admit waits above. */
    uint64_t unsynced_max;
    int history_bases; /* rewritten states to keep behind the current one, with the segments from them on */
    int64_t history_seconds; /* keep what is needed to go back this far; 0: do not keep for age */
    enum value_load value_load;
    uint64_t random_seed; /* salts and stream id: from the kernel's generator in production */
    /* Called from the commit thread when something that the loop may wait for has changed. */
    void (*wake)(void *context);
    void *wake_context;
    /* Both or neither. Called around what journal_submit does itself on the disk, which takes as long as the
     * disk pleases: in between, another thread may do what belongs to the loop, and call everything here.
     * leave: false where none may; then the commit thread does the work. */
    bool (*leave)(void *context);
    void (*back)(void *context);
    void *leave_context;
};

/* A failure told for people: what, where, and what to do. */
struct journal_error {
    char text[512];
    int code; /* the negative errno that it comes from; 0: of no call to the disk */
};

/* Takes the folder (LOCK), reads MANIFEST, finds leftovers that no manifest names, which go at the start;
 * changes nothing yet but the LOCK. NULL on failure, with the reason in error. */
struct journal *journal_open(const struct journal_options *options, struct journal_error *error);

/* --- recovery ----------------------------------------------------------------------------------------- */

enum journal_source { SOURCE_BASE, SOURCE_LOG };

/* Applies a frame's payload, whole units that begin with this database selected. Returns NULL, or what is
 * wrong with it: then recovery fails with that text and the place. */
typedef const char *journal_apply(void *context, enum journal_source source, const struct frame *frame);

enum recover_result { RECOVER_MORE, RECOVER_DONE, RECOVER_FAILED };

/* Reads and applies about bytes_max bytes. On RECOVER_FAILED the error names file, offset and LSN, and what
 * to do. */
enum recover_result journal_recover_step(struct journal *journal, uint64_t bytes_max, journal_apply *apply,
                                         void *context, struct journal_error *error);

/* While a frame is applied: the blob of a value that it refers to. Its size is known, its bytes may not be
 * there (blob_is_loaded). The reference is the caller's. NULL, with what is wrong, when it contradicts
 * another reference. */
struct blob *journal_value_blob(struct journal *journal, const struct value_reference *value,
                                const char **wrong);

struct recover_progress {
    uint64_t bytes_total; /* of all files to be read */
    uint64_t bytes_done;
    uint64_t frames;
    uint64_t torn_bytes; /* dropped as a torn tail, as far as it could be told */
    uint64_t torn_frames;
    bool has_base;
    /* What the last frame says the time was; INT64_MIN: there was none. Not the highest of all: see frame.h.
     */
    int64_t time_ms;
};
void journal_recover_progress(const struct journal *journal, struct recover_progress *progress);

/* After recovery, before the first append: makes what was read durable, prepares the segment to append to,
 * starts the commit thread. False on failure. */
bool journal_start(struct journal *journal, struct journal_error *error);

/* --- appending ---------------------------------------------------------------------------------------- */

enum admit_result {
    ADMIT_YES,
    ADMIT_WAIT,     /* not now: too much is on its way, or room is being made; ask again after a wake */
    ADMIT_FULL,     /* no: the disk is full, as of the last try; it is tried again all the time */
    ADMIT_TOO_LARGE /* no: it needs a file that is larger than one may be (journal_file_max) */
};

/* Whether a change of about size bytes may be executed now. Only what was admitted is sure to find room, so
 * that nothing that was executed can fail for lack of space. Cheap. */
enum admit_result journal_admit(struct journal *journal, uint64_t size);
/* Bytes that a file may have at most, as of now; UINT64_MAX: no limit. Costs a call to the system. */
uint64_t journal_file_max(const struct journal *journal);
/* The same for a change some values of which go to files of their own: size counts VALUE_IN_UNIT for each of
 * them, and value_bytes their own bytes and VALUE_FILE_OVERHEAD for each; VALUE_TOO_LARGE or more if one of
 * them is larger than a file may be. */
enum admit_result journal_admit_values(struct journal *journal, uint64_t size, uint64_t value_bytes);
#define VALUE_FILE_OVERHEAD UINT64_C(8192)
#define VALUE_IN_UNIT       UINT64_C(64)
#define VALUE_TOO_LARGE     (UINT64_C(1) << 60)

/* Whether a unit of at most JOURNAL_NOTE_SIZE bytes, which no writer waits for, has room now: so many are
 * kept out of what is admitted otherwise, however much is on its way. */
enum admit_result journal_admit_note(struct journal *journal);
/* Whether it has, without asking for room. */
bool journal_note_fits(const struct journal *journal);
#define JOURNAL_NOTE_SIZE UINT64_C(64)

/* What frames say the time is, from now on: what commands take for now. Before the first call it is the wall
 * clock's. A frame's time is not before that at which any of its units was executed. */
void journal_set_time(struct journal *journal, int64_t now_ms);

/* Begins a unit that assumes database is selected, and returns the buffer to append its bytes to. Only bytes
 * from the buffer's size at this moment on may be touched, and only until journal_unit_end, which returns the
 * end LSN. */
struct buffer *journal_unit_begin(struct journal *journal, int database);
lsn_t journal_unit_end(struct journal *journal);
/* In an open unit: at the end of its buffer the bytes of blob belong, which are not put there but go to a
 * file of their own, unless they are in one already: the blob has an origin then. LSNs count them all the
 * same. The journal shares the blob until they are written. The key is noted in the file. */
void journal_unit_value(struct journal *journal, struct blob *blob, struct slice key);
/* The bytes of the open unit that were in its buffer from an offset on now lie so much further behind. */
void journal_unit_moved(struct journal *journal, size_t from, size_t by);

/* A unit that is being built, or replayed, needs the bytes of a value to be repeated: the file that origin
 * stands for stays until a rewrite has made that unit unnecessary. It may have been released since the last
 * journal_submit, but not before. */
void journal_value_used(struct journal *journal, struct blob_origin *origin);
/* The blob, which has no origin, is a large value all the same: the next rewrite puts it into a file. */
void journal_value_plan(struct journal *journal, struct blob *blob);

/* Hands what has been appended to the commit thread if that is idle; otherwise it goes on gathering and will
 * be taken as soon as the thread is free. */
void journal_hand_over(struct journal *journal);
/* The same when the loop has run what it had, at a place where another thread may run rounds of it
 * (journal_options.leave).
 *
 * Where handing over costs more than it saves, the caller does the work before this returns. It writes what
 * is little and waits for no sync: one client under SYNC_EVERYSEC has p50 0.023 ms instead of 0.079 ms. And
 * it writes and syncs what is little if alone says that it has nobody else to serve until this is
 * acknowledged: one client under SYNC_ALWAYS has 0.135 ms instead of 0.175 ms. Not if the committer is busy,
 * and not on a slow disk, where sparing a hand-over gains nothing. That others do not wait for a disk that
 * has become slow just now is what journal_options.leave is for. */
void journal_submit(struct journal *journal, bool alone);

/* Executed to here, written to here (survives a process crash), durable to here (survives a power failure).
 * durable <= written <= executed. */
lsn_t journal_executed(const struct journal *journal);
lsn_t journal_written(const struct journal *journal);
lsn_t journal_durable(const struct journal *journal);
/* What a reply has to wait for under the policy in force: durable, or written. */
lsn_t journal_acknowledged(const struct journal *journal);
/* The clock's monotonic time by when that had been reached, as far as it is known without a look at the
 * clock: under SYNC_ALWAYS exactly, otherwise when the write began. */
int64_t journal_acknowledged_us(const struct journal *journal);

enum sync_policy journal_policy(const struct journal *journal);
/* Acts on everything not yet acknowledged. */
void journal_set_policy(struct journal *journal, enum sync_policy policy);
void journal_set_limits(struct journal *journal, uint64_t segment_size, uint64_t unsynced_max,
                        int history_bases, int64_t history_seconds);
/* Buffers of more bytes than this are not kept to be used again, as far as the journal can do with less. */
void journal_set_keep(struct journal *journal, uint64_t bytes);
/* Asks for a sync soon whatever the policy, for somebody who waits for journal_durable. */
void journal_request_sync(struct journal *journal);

/* NULL while all is well; otherwise why nothing more will be acknowledged, for people. */
const char *journal_failed(const struct journal *journal);
/* NULL, or why space could not be had (ADMIT_FULL). */
const char *journal_full(const struct journal *journal);

/* Without options.threaded: does what the threads would do next, without waiting; the remover only when the
 * commit thread has nothing to do. Returns whether there was anything. */
bool journal_work(struct journal *journal);
/* The same for each of the threads alone: one may do something within a call to the disk that the other
 * makes.
 */
bool journal_work_committer(struct journal *journal);
bool journal_work_loader(struct journal *journal);
bool journal_work_remover(struct journal *journal);
/* Without options.threaded: monotonic time in us at which journal_work has something to do by itself;
 * INT64_MAX: never. */
int64_t journal_work_due_us(const struct journal *journal);

/* --- values that are not in memory yet ---------------------------------------------------------------- */

/* Reads a blob's bytes now, by the caller. NULL, or what is wrong, for people: told once, then it is tried
 * again. */
const char *journal_value_load(struct journal *journal, struct blob *blob);
/* Asks for a blob's bytes before others that are only to be loaded some time; journal's wake tells of it.
 * NULL, or why they cannot be had. */
const char *journal_value_request(struct journal *journal, struct blob *blob);
/* Gives blobs the bytes that were read meanwhile. Call at the beginning of every round. */
void journal_values_install(struct journal *journal);
/* Calls visit with the name of each file that has still to be read, and is needed. */
void journal_values_each(struct journal *journal, void (*visit)(void *context, const char *name),
                         void *context);
/* Whether there are any that have still to be read. */
bool journal_has_unloaded(const struct journal *journal);
/* Whether there are value files at all. */
bool journal_has_values(const struct journal *journal);

/* --- rewriting ---------------------------------------------------------------------------------------- */

/* Cuts the stream here: what follows goes to a new segment. Returns the LSN of the cut, at which the caller
 * freezes its state (forks). One rewrite at a time. */
lsn_t journal_rewrite_begin(struct journal *journal);

/* Writes base-<lsn>, usually in the forked child. Errors are negative errnos,
 * final. */
struct base_writer;
struct base_writer *base_writer_new(const struct journal *journal, lsn_t lsn, int *error);
/* The buffer to append units to. They assume database is selected at their start when it is empty. */
struct buffer *base_writer_buffer(struct base_writer *writer);
/* The bytes of a blob that has an origin belong at the end of the buffer; the base refers to its file, which
 * is written here if no other has to do that. 0 or a negative errno. */
int base_writer_value(struct base_writer *writer, struct blob *blob, struct slice key);
/* Writes the buffer out as a frame if it is large enough, or if last is set; next_database is selected at the
 * start of what will be appended next. 0 or a negative errno. */
int base_writer_flush(struct base_writer *writer, int next_database, bool last);
/* Ends, syncs and renames it into place. 0 or a negative errno. Frees writer, also on failure. */
int base_writer_finish(struct base_writer *writer, uint64_t *bytes);

/* The child has ended: makes the new base the one in use and what it replaces history or spare (ok), or
 * removes what the child left. Done by the commit thread; journal_rewriting is true until then. */
void journal_rewrite_end(struct journal *journal, bool ok);
bool journal_rewriting(const struct journal *journal);

/* --- knowing ------------------------------------------------------------------------------------------ */

/* Latencies in powers of two of microseconds: bucket i counts those in [2^i, 2^(i+1)). */
#define LATENCY_BUCKETS 32

struct journal_stats {
    char stream_id[2 * STREAM_ID_SIZE + 1];
    lsn_t base_lsn;            /* 0 without a base */
    uint64_t base_bytes;       /* its file's size */
    uint64_t log_bytes;        /* from base_lsn to executed, without values that lie in files */
    uint64_t segments;         /* in use */
    uint64_t segment_reserved; /* bytes of space prepared ahead of the write position */
    uint64_t history_files;
    uint64_t spare_files;
    uint64_t spare_bytes;
    uint64_t value_files; /* of large values, those included that wait to be removed */
    uint64_t value_bytes;
    uint64_t value_files_dead; /* that wait to be removed */
    uint64_t value_bytes_dead;
    uint64_t value_bytes_pinned; /* of those, what goes with the next rewrite, as only the log needs it */
    uint64_t
        removal_files; /* that are being removed, or wait to be: of values, old bases and segments, spares */
    uint64_t removal_bytes;
    uint64_t values_unloaded; /* have still to be read */
    uint64_t values_unloaded_bytes;
    uint64_t frames; /* written since start */
    uint64_t bytes;  /* written since start, headers included */
    uint64_t syncs;
    uint64_t sync_us_last;
    uint64_t sync_us_max;
    uint64_t sync_us_total;
    uint64_t sync_latency[LATENCY_BUCKETS];
    int64_t last_sync_ms; /* wall clock */
};
void journal_stats_read(struct journal *journal, struct journal_stats *stats);

/* Commits everything, writes a closing frame and MANIFEST, ends the thread, frees. False when something could
 * not be made durable (the reason was logged). */
bool journal_close(struct journal *journal);
/* Frees without writing anything more: for the simulator's crashes and for a failed start. */
void journal_abandon(struct journal *journal);

#endif
