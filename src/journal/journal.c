/* The life of a journal: opening, recovery, the start, the end. */
#include "journal/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/memory.h"
#include "journal/journal_private.h"

/* --- opening ------------------------------------------------------------------------------------------ */

static void full_texts_make(struct journal *journal)
{
    static const char *const reasons[FULL_REASONS] = {
        [FULL_DISK] = "",
        [FULL_QUOTA] = ", as a disk quota is used up",
        [FULL_FILE] = (", as a file has reached the limit on its size (ulimit -f, LimitFSIZE=, or the file "
                       "system's)")};
    for (int i = 0; i < FULL_REASONS; i++) {
        struct buffer text = {0};
        buffer_append_format(&text, "no space is left for the log in %s%s", journal->folder, reasons[i]);
        journal->full_texts[i] = slice_to_cstring(buffer_slice(&text));
        buffer_free(&text);
    }
}

static void init_lock(struct journal *journal)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&journal->lock, NULL);
    pthread_cond_init(&journal->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static struct journal *journal_new(const struct journal_options *options)
{
    ASSERT(options->segment_size > 0 && options->history_bases >= 0 && options->history_seconds >= 0);
    struct journal *journal = mem_alloc_zero(sizeof(*journal));
    journal->disk = options->disk;
    journal->clock = options->clock;
    journal->folder = mem_strdup(options->folder);
    full_texts_make(journal);
    journal->threaded = options->threaded;
    journal->wake = options->wake;
    journal->wake_context = options->wake_context;
    journal->leave = options->leave;
    journal->back = options->back;
    journal->leave_context = options->leave_context;
    journal->random_seed = options->random_seed;
    journal->unsynced_max = options->unsynced_max;
    journal->batch_keep = BATCH_KEEP_MAX;
    journal->value_load = options->value_load;
    journal->progress.time_ms = INT64_MIN;
    journal->values = values_new();
    journal->limits =
        (struct limits){options->segment_size, options->history_bases, options->history_seconds};
    atomic_init(&journal->policy, (int)options->policy);
    init_lock(journal);
    remover_init(&journal->remover);
    struct committer *committer = &journal->committer;
    committer->limits = journal->limits;
    committer->ahead = AHEAD_MIN;
    committer->file_max = disk_file_max(options->disk);
    committer->spare_bytes_max = SPARES_AT_OPEN * (options->segment_size + SLACK_MAX);
    committer->oldest_unsynced_us = NEVER_US;
    committer->history_check_us = NEVER_US;
    journal->recheck_history = true; /* the options may keep less than before */
    random_seed(&committer->random, options->random_seed);
    return journal;
}

static void journal_free(struct journal *journal)
{
    ASSERT(!journal->has_thread && journal->remover.thread_count == 0);
    values_stop(journal);
    if (journal->reader)
        stream_reader_close(journal->reader);
    mem_free(journal->reader);
    committer_free(journal);
    remover_free(&journal->remover);
    if (journal->open)
        batch_free(journal->open);
    struct batch *lists[] = {journal->queue_first, journal->free_batches};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        for (struct batch *next, *batch = lists[i]; batch; batch = next) {
            next = batch->next;
            batch_free(batch);
        }
    values_close(journal->values);
    pthread_cond_destroy(&journal->changed);
    pthread_mutex_destroy(&journal->lock);
    mem_free(journal->folder);
    for (int i = 0; i < FULL_REASONS; i++)
        mem_free(journal->full_texts[i]);
    buffer_free(&journal->leftovers);
    mem_free(journal);
}

static bool take_folder(struct journal *journal, struct journal_error *error)
{
    int holder;
    char who[32] = "another process";
    int rc = disk_lock(journal->disk, LOCK_NAME, &holder);
    if (holder > 0)
        snprintf(who, sizeof(who), "process %d", holder);
    if (rc == -EWOULDBLOCK)
        error_set(error, "%s is in use by %s: stop that server, or give this one another folder",
                  journal->folder, who);
    else if (rc == -EBUSY)
        error_set(
            error,
            "%s was in use by %s, which has ended; but what it left behind, the child of a rewrite, has "
            "not: try again when it has",
            journal->folder, who);
    else if (rc < 0)
        error_set(error, "cannot lock %s/%s: %s", journal->folder, LOCK_NAME, strerror(-rc));
    return rc == 0;
}

static bool read_manifest(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    struct journal_error why;
    struct manifest manifest;
    int rc = manifest_load(journal->disk, &manifest, &why);
    journal->is_fresh = rc == -ENOENT;
    if (journal->is_fresh)
        return true;
    if (rc < 0) {
        error_set(error,
                  "%s: %s. At stake: which files hold the state. To look: dkv-log verify %s; to make it anew "
                  "from the "
                  "files: dkv-log repair %s",
                  journal->folder, why.text, journal->folder, journal->folder);
        return false;
    }
    memcpy(journal->stream_id, manifest.stream_id, STREAM_ID_SIZE);
    manifest.aged_us = clock_monotonic_us(journal->clock);
    space_adopt(journal, &manifest);
    committer->written = committer->durable = manifest_last_segment(&committer->manifest)->lsn;
    return true;
}

static void begin_reading(struct journal *journal)
{
    const struct manifest *manifest = &journal->committer.manifest;
    journal->reader = mem_alloc_zero(sizeof(*journal->reader));
    stream_reader_open(journal->reader, journal->disk, journal->folder, manifest, manifest->base_count - 1);
}

/* What recovery has to read. A file that cannot be looked at is left for the reader to stumble over. */
static uint64_t bytes_to_read(struct journal *journal)
{
    const struct manifest *manifest = &journal->committer.manifest;
    uint64_t total = manifest_base_in_use(manifest)->bytes;
    for (size_t i = journal->reader->segment; i < manifest->segment_count; i++) {
        char name[FILE_NAME_SIZE];
        uint64_t size;
        log_name(name, manifest->segments[i].lsn);
        if (disk_size_of(journal->disk, name, &size) == 0)
            total += size;
    }
    return total;
}

struct journal *journal_open(const struct journal_options *options, struct journal_error *error)
{
    struct journal *journal = journal_new(options);
    if (!take_folder(journal, error) || !read_manifest(journal, error) || !leftovers_find(journal, error)) {
        journal_free(journal);
        return NULL;
    }
    if (journal->is_fresh) {
        journal->recovered = true;
    } else {
        begin_reading(journal);
        journal->progress.bytes_total = bytes_to_read(journal);
        journal->progress.has_base = manifest_base_in_use(&journal->committer.manifest)->bytes > 0;
    }
    return journal;
}

/* --- recovery ----------------------------------------------------------------------------------------- */

static enum recover_result refused(struct journal *journal, const struct frame *frame, const char *why,
                                   struct journal_error *error)
{
    struct stream_reader *reader = journal->reader;
    struct journal_error text;
    if (reader->in_log)
        reader->lsn = frame->lsn;
    error_set(&text, "%s holds at offset %" PRIu64 " (LSN %" PRIu64 ") what cannot be replayed: %s",
              reader->place_name, reader->place_offset, frame->lsn, why);
    stream_reader_describe(reader, text.text, error);
    return RECOVER_FAILED;
}

static void note_end(struct journal *journal)
{
    struct recover_progress *progress = &journal->progress;
    const struct stream_reader *reader = journal->reader;
    progress->bytes_done = progress->bytes_total;
    progress->torn_frames = reader->torn.frames;
    progress->torn_bytes = reader->torn.end_offset - reader->place_offset;
    journal->has_read = true;
    if (progress->torn_frames > 0)
        diag(DIAG_NOTICE,
             "dropped a torn tail behind LSN %" PRIu64 " (%s, offset %" PRIu64 "): %" PRIu64
             " bytes in %" PRIu64 " frames that had been written but never made durable",
             reader->lsn, reader->place_name, reader->place_offset, progress->torn_bytes,
             progress->torn_frames);
}

enum recover_result journal_recover_step(struct journal *journal, uint64_t bytes_max, journal_apply *apply,
                                         void *context, struct journal_error *error)
{
    struct stream_reader *reader = journal->reader;
    if (journal->recovered)
        return RECOVER_DONE;
    uint64_t until = journal->has_read ? 0 : reader->bytes_done + bytes_max;
    while (!journal->has_read && reader->bytes_done < until) {
        enum journal_source source;
        struct frame frame;
        enum stream_read read = stream_reader_next(reader, &source, &frame, error);
        journal->progress.bytes_done = reader->bytes_done;
        journal->progress.frames = reader->frames;
        if (read == STREAM_FAILED)
            return RECOVER_FAILED;
        if (read == STREAM_END) {
            note_end(journal);
            break;
        }
        journal->progress.time_ms = frame.time_ms;
        journal->values->replay_lsn = reader->lsn;
        if (source == SOURCE_LOG)
            journal->log_begin -= frame.payload.size;
        const char *why = frame_has_units(&frame) ? apply(context, source, &frame) : NULL;
        if (why)
            return refused(journal, &frame, why, error);
        values_collect(journal);
    }
    if (!journal->has_read)
        return RECOVER_MORE;
    enum recover_result result = values_recover_step(journal, bytes_max, error);
    journal->recovered = result == RECOVER_DONE;
    return result;
}

void journal_recover_progress(const struct journal *journal, struct recover_progress *progress)
{
    *progress = journal->progress;
}

/* --- the start ---------------------------------------------------------------------------------------- */

static enum io_result start_fresh(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    int64_t now_ms = journal_time_ms(journal);
    uint64_t id[] = {random_next(&committer->random), random_next(&committer->random)};
    _Static_assert(sizeof(id) == STREAM_ID_SIZE, "two numbers make a stream id");
    memcpy(journal->stream_id, id, sizeof(id));
    struct file_header header = {
        .kind = FILE_LOG, .salt = space_new_salt(journal, 0), .lsn = 0, .time_ms = now_ms};
    memcpy(header.stream_id, journal->stream_id, STREAM_ID_SIZE);
    /* Nothing but the header: that is how a later start knows that nothing is lost if there is no manifest.
     */
    enum io_result result = segment_writer_create(&committer->writer, journal->disk, &header, NULL, 0, error);
    if (result != IO_DONE)
        return result;
    struct manifest manifest = {.aged_us = clock_monotonic_us(journal->clock)};
    memcpy(manifest.stream_id, journal->stream_id, STREAM_ID_SIZE);
    manifest_add_base(&manifest, &(struct manifest_base){.time_ms = now_ms});
    manifest_add_segment(&manifest, 0, header.salt);
    result = manifest_store(journal->disk, &manifest, error);
    if (result == IO_DONE)
        space_adopt(journal, &manifest);
    manifest_free(&manifest);
    return result;
}

/* Where in the last segment the first frame lies that nobody is known to have synced. */
static bool find_unpromised(struct journal *journal, uint64_t *offset, struct journal_error *error)
{
    struct segment_reader reader;
    if (!segment_reader_open(&reader, journal->disk, journal->committer.writer.name, error))
        return false;
    enum segment_read read = SEGMENT_FRAME;
    *offset = reader.offset;
    while (read == SEGMENT_FRAME && reader.lsn < journal->reader->promised_lsn) {
        struct frame frame;
        const char *why;
        *offset = reader.offset;
        read = segment_reader_next(&reader, &frame, &why, error);
        if (read == SEGMENT_NO_FRAME)
            error_set(error, "%s changed while it was read", reader.name);
    }
    if (reader.lsn == journal->reader->promised_lsn)
        *offset = reader.offset;
    segment_reader_close(&reader);
    return read == SEGMENT_FRAME;
}

/* A process that was killed leaves written bytes that a power failure could still take, so they are synced
 * before anybody sees them. And they are written once more before: if it was a failed sync that ended the
 * process, the kernel may hold pages that it takes for clean though the disk never got them, and would sync
 * nothing (Rebello et al., USENIX ATC 2020).
 */
static enum io_result make_durable(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    /* Closing frames at the end have no LSNs that anybody could have promised, but what is appended stands
     * behind them. */
    uint64_t offset = journal->reader->data_end;
    if (journal->reader->promised_lsn < journal->reader->lsn && !find_unpromised(journal, &offset, error))
        return IO_FAILED;
    enum io_result result = segment_writer_rewrite(&committer->writer, offset, error);
    return result == IO_DONE ? segment_writer_sync(&committer->writer, error) : result;
}

/* Behind the end there are frames of this file that were dropped. What is appended must never make one of
 * them the next frame again, so it goes to a new segment, with another salt. */
static enum io_result leave_torn_tail(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    /* A new segment would have this one's name: nothing but the dropped frames is in it, so those go. */
    if (committer->writer.lsn == committer->written)
        return segment_writer_truncate(&committer->writer, error);
    enum io_result result = space_rotate(journal, space_slack(&committer->limits), error);
    if (result == IO_FULL) { /* reads can be served meanwhile */
        queue_push_cut(journal, committer->written);
        result = IO_DONE;
    }
    return result;
}

static enum io_result start_existing(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    const struct stream_reader *reader = journal->reader;
    const struct manifest_segment *last = manifest_last_segment(&committer->manifest);
    enum io_result result =
        segment_writer_resume(&committer->writer, journal->disk, last, reader->place_offset, error);
    if (result == IO_DONE)
        result = make_durable(journal, error);
    committer->written = committer->durable = reader->lsn;
    committer->recorded = committer->named = committer->on_record = reader->promised_lsn;
    if (result == IO_DONE && reader->torn.frames > 0)
        result = leave_torn_tail(journal, error);
    return result;
}

bool journal_start(struct journal *journal, struct journal_error *error)
{
    ASSERT(journal->recovered && !journal->started);
    struct committer *committer = &journal->committer;
    struct journal_error why;
    leftovers_remove(journal);
    enum io_result result = journal->is_fresh ? start_fresh(journal, &why) : start_existing(journal, &why);
    /* A full disk is no reason not to start: reads can be served, and it is tried again as soon as somebody
     * writes. */
    if (result == IO_DONE && ahead_run(journal, &why) == IO_FAILED)
        result = IO_FAILED;
    if (result != IO_DONE) {
        return error_set(error, "%s: %s", journal->folder, why.text);
    }
    if (committer->file_max < committer->limits.segment_size)
        diag(DIAG_WARNING,
             "a file may have %" PRIu64
             " bytes at most (ulimit -f, LimitFSIZE=), so segments are kept below that "
             "instead of segment-size (%" PRIu64 "), values and rewritten states that are larger are refused",
             committer->file_max, committer->limits.segment_size);
    committer->last_write_us = committer->last_sync_us = clock_monotonic_us(journal->clock);
    atomic_store(&journal->executed, committer->written);
    values_start(journal);
    pthread_mutex_lock(&journal->lock);
    committer_publish(journal);
    pthread_mutex_unlock(&journal->lock);
    journal->started = true;
    if (journal->threaded && (!remover_start_threads(journal) || !committer_start_thread(journal))) {
        remover_stop_threads(journal);
        error_set(error, "cannot start the commit thread and the one that removes files");
        journal->started = false;
        return false;
    }
    return true;
}

/* --- knowing ------------------------------------------------------------------------------------------ */

static uint64_t log_bytes(const struct journal *journal)
{
    return atomic_load_explicit(&journal->appended, memory_order_acquire) - journal->log_begin;
}

uint64_t journal_bytes_in_use(struct journal *journal)
{
    struct values *values = journal->values;
    pthread_mutex_lock(&values->lock);
    uint64_t value_bytes = values->bytes - values->dead_bytes;
    pthread_mutex_unlock(&values->lock);
    return journal->stats.base_bytes + log_bytes(journal) + value_bytes;
}

void journal_stats_read(struct journal *journal, struct journal_stats *stats)
{
    pthread_mutex_lock(&journal->lock);
    *stats = journal->stats;
    stats->log_bytes = log_bytes(journal);
    pthread_mutex_unlock(&journal->lock);
    values_stats(journal, stats);
    stats->removal_files = atomic_load(&journal->remover.files);
    stats->removal_bytes = atomic_load(&journal->remover.bytes);
    for (int i = 0; i < STREAM_ID_SIZE; i++)
        snprintf(stats->stream_id + 2 * i, 3, "%02x", journal->stream_id[i]);
}

/* --- the end ------------------------------------------------------------------------------------------ */

bool journal_close(struct journal *journal)
{
    ASSERT(!journal->unit_is_open);
    bool ok = true;
    if (journal->started) {
        values_collect(journal);
        pthread_mutex_lock(&journal->lock);
        queue_push_open(journal);
        pthread_mutex_unlock(&journal->lock);
        committer_stop_thread(journal);
        remover_stop_threads(journal);
        ok = committer_finish(journal);
        remover_drain(journal);
    }
    journal_free(journal);
    return ok;
}

void journal_abandon(struct journal *journal)
{
    committer_stop_thread(journal);
    remover_stop_threads(journal);
    journal_free(journal);
}
