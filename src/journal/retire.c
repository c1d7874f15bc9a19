/* Taking a new base into use, and letting go of what it replaces.
 *
 * The child has written base-<lsn> and made it durable, name and all. MANIFEST is replaced first; only then
 * are files that it names no more given to the remover, or renamed to be spares, when there is nothing more
 * urgent to do. A crash in between leaves files that no manifest names, which the next start removes. */
#include <stdio.h>

#include "base/diag.h"
#include "base/memory.h"
#include "journal/journal_private.h"

/* --- history ------------------------------------------------------------------------------------------ */

/* How many of the oldest states are neither among those to keep nor needed to go back as far as asked. A
 * state is needed for the times from its own until the next one's. What counts is the age that the manifest
 * tells: a clock that jumps ahead, or was wrong at a start, must not let go of a state for good. */
static size_t history_surplus(const struct manifest *manifest, const struct limits *limits)
{
    size_t surplus = 0;
    while (surplus + 1 < manifest->base_count) {
        size_t newer_kept = manifest->base_count - 2 - surplus; /* history entries behind this one */
        if (newer_kept < (size_t)limits->history_bases)
            break;
        if (limits->history_seconds > 0 &&
            manifest->bases[surplus + 1].age_ms < limits->history_seconds * 1000)
            break;
        surplus++;
    }
    return surplus;
}

/* Lets go of the files that the old manifest names and the new one does not. */
static void note_retired(struct journal *journal, const struct manifest *old, const struct manifest *new)
{
    struct committer *committer = &journal->committer;
    char name[FILE_NAME_SIZE];
    for (size_t i = 0; i < old->base_count && old->bases[i].lsn < new->bases[0].lsn; i++) {
        base_name(name, old->bases[i].lsn);
        if (old->bases[i].bytes > 0)
            remover_add(journal, name, old->bases[i].bytes);
    }
    for (size_t i = 0; i < old->segment_count && old->segments[i].lsn < new->segments[0].lsn; i++) {
        log_name(name, old->segments[i].lsn);
        buffer_append(&committer->retired, name, strlen(name) + 1);
    }
}

/* Puts a manifest into force, and lets go of what it names no more. Consumes it. */
static enum io_result replace_manifest(struct journal *journal, struct manifest *manifest,
                                       struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    struct manifest old;
    manifest_copy(&old, &committer->manifest);
    enum io_result result = space_replace_manifest(journal, manifest, error);
    if (result != IO_DONE) {
        manifest_free(&old);
        return result;
    }
    lsn_t old_lsn = manifest_base_in_use(&old)->lsn;
    lsn_t new_lsn = manifest_base_in_use(&committer->manifest)->lsn;
    if (new_lsn > old_lsn) {
        /* The next log will hardly be longer than the last one was. */
        committer->spare_bytes_max = new_lsn - old_lsn;
        space_drop_spares(journal, committer->spare_bytes_max);
    }
    note_retired(journal, &old, &committer->manifest);
    manifest_free(&old);
    return IO_DONE;
}

bool history_age_counts(const struct committer *committer)
{
    const struct manifest *manifest = &committer->manifest;
    return manifest->base_count >= 2 && manifest->base_count - 2 >= (size_t)committer->limits.history_bases &&
           committer->limits.history_seconds > 0;
}

static int64_t next_history_check(const struct committer *committer)
{
    if (!history_age_counts(committer))
        return NEVER_US;
    int64_t until_ms = committer->limits.history_seconds * 1000 - committer->manifest.bases[1].age_ms;
    return committer->manifest.aged_us + (until_ms > 0 ? until_ms * 1000 : 0);
}

int64_t history_due(const struct journal *journal, int64_t now_us)
{
    return journal->recheck_history ? now_us : journal->committer.history_check_us;
}

enum io_result history_run(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    pthread_mutex_lock(&journal->lock);
    journal->recheck_history = false;
    pthread_mutex_unlock(&journal->lock);
    manifest_age(&committer->manifest, clock_monotonic_us(journal->clock));
    size_t surplus = history_surplus(&committer->manifest, &committer->limits);
    enum io_result result = IO_DONE;
    if (surplus > 0) {
        struct manifest manifest;
        manifest_copy(&manifest, &committer->manifest);
        manifest_drop_history(&manifest, surplus);
        result = replace_manifest(journal, &manifest, error);
    }
    committer->history_check_us = result == IO_FULL ? 0 : next_history_check(committer);
    return result;
}

/* --- letting go --------------------------------------------------------------------------------------- */

int64_t retire_due(const struct journal *journal, int64_t now_us)
{
    return journal->committer.retired.size > 0 ? now_us : NEVER_US;
}

static void take_retired(struct committer *committer, char name[FILE_NAME_SIZE])
{
    size_t size = strlen(committer->retired.data) + 1;
    memcpy(name, committer->retired.data, size);
    buffer_consume(&committer->retired, size);
}

/* Whether a segment may be written to anew. Not one that the remover still cuts short, nor one that somebody
 * has another name for: a backup may be made of such. */
static bool may_be_reused(struct journal *journal, const char *name, uint64_t *bytes)
{
    struct disk_file *file;
    if (remover_has(journal, name) || disk_open(journal->disk, name, DISK_READ, &file) < 0)
        return false;
    bool may = disk_size(file, bytes) == 0 && !disk_has_more_names(file);
    disk_close(file);
    return may;
}

/* Makes a spare of a segment, or has it removed. */
static void reuse(struct journal *journal, const char *name)
{
    uint64_t bytes = 0;
    bool is_kept = may_be_reused(journal, name, &bytes) && space_wants_spare(journal, bytes) &&
                   space_keep_spare(journal, name, bytes);
    if (!is_kept)
        remover_add(journal, name, bytes);
}

/* One that may become a spare a step: commits must not wait for many. */
enum io_result retire_run(struct journal *journal, struct journal_error *error)
{
    (void)error;
    struct committer *committer = &journal->committer;
    char name[FILE_NAME_SIZE];
    while (committer->retired.size > 0 && !space_wants_spares(journal)) {
        take_retired(committer, name);
        remover_add(journal, name, 0);
    }
    if (committer->retired.size > 0) {
        take_retired(committer, name);
        reuse(journal, name);
    }
    return IO_DONE;
}

/* --- the end of a rewrite ----------------------------------------------------------------------------- */

/* Whether the file ends as a base does, with a base end frame. Whether all before it is whole, recovery finds
 * out. */
static bool base_has_end(const struct segment_reader *base)
{
    char bytes[FRAME_HEADER_SIZE];
    struct frame frame;
    size_t need;
    if (base->size < FILE_HEADER_SIZE + FRAME_HEADER_SIZE ||
        disk_read(base->file, bytes, sizeof(bytes), base->size - sizeof(bytes)) != (ssize_t)sizeof(bytes))
        return false;
    return frame_decode(&frame, slice_make(bytes, sizeof(bytes)), sizeof(bytes), base->header.salt, &need) ==
               FRAME_VALID &&
           frame.kind == FRAME_BASE_END;
}

/* Looks at what the child left: fills in the base, or says what is wrong with it. */
static bool inspect_base(struct journal *journal, lsn_t lsn, struct manifest_base *base,
                         struct journal_error *error)
{
    struct segment_reader reader;
    char name[FILE_NAME_SIZE];
    base_name(name, lsn);
    if (!segment_reader_open(&reader, journal->disk, name, error))
        return false;
    const char *wrong = NULL;
    if (reader.header.kind != FILE_BASE || reader.header.lsn != lsn ||
        memcmp(reader.header.stream_id, journal->stream_id, STREAM_ID_SIZE) != 0)
        wrong = "its header is not that of the base that was to be written";
    else if (!base_has_end(&reader))
        wrong = "it has no end";
    *base = (struct manifest_base){lsn, reader.size, reader.header.salt, reader.header.time_ms};
    segment_reader_close(&reader);
    if (wrong)
        error_set(error, "%s cannot be used: %s", name, wrong);
    return wrong == NULL;
}

/* Removes what the child may have left, at once as far as names go: the next one may write under the same.
 * MANIFEST may name a base of that LSN already: nothing was written
 * between two rewrites. */
static void remove_unused_base(struct journal *journal, lsn_t lsn)
{
    char name[FILE_NAME_SIZE];
    base_temporary_name(name, lsn);
    remover_detach(journal, name);
    const struct manifest_base *base = manifest_base_in_use(&journal->committer.manifest);
    if (base->lsn == lsn && base->bytes > 0)
        return;
    base_name(name, lsn);
    remover_detach(journal, name);
}

/* A cut that no rewrite needs any more may be left out, which matters when the disk is too full for a new
 * segment. */
static void drop_cut(struct journal *journal, lsn_t lsn)
{
    struct committer *committer = &journal->committer;
    pthread_mutex_lock(&journal->lock);
    struct batch *dropped = NULL;
    if (committer->current && committer->current->is_cut && committer->current->lsn == lsn) {
        dropped = committer->current;
        committer->current = NULL;
    }
    struct batch *before = NULL;
    for (struct batch *batch = journal->queue_first; batch && !dropped; before = batch, batch = batch->next) {
        if (!batch->is_cut || batch->lsn != lsn)
            continue;
        dropped = batch;
        *(before ? &before->next : &journal->queue_first) = batch->next;
        if (journal->queue_last == batch)
            journal->queue_last = before;
        break;
    }
    if (dropped) {
        queue_note_unblocked(journal);
        batch_release(journal, dropped);
    }
    pthread_mutex_unlock(&journal->lock);
}

static void rewrite_is_over(struct journal *journal, bool succeeded)
{
    values_rewrite_end(journal, succeeded);
    pthread_mutex_lock(&journal->lock);
    journal->rewrite = REWRITE_NONE;
    journal->recheck_history = true;
    atomic_store(&journal->rewriting, false);
    pthread_mutex_unlock(&journal->lock);
}

static enum io_result take_base(struct journal *journal, const struct manifest_base *base,
                                struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    struct manifest manifest;
    manifest_copy(&manifest, &committer->manifest);
    if (manifest_base_in_use(&manifest)->lsn == base->lsn)
        manifest.base_count--; /* the same state, at the stream's beginning, which had no file */
    manifest_age(&manifest, clock_monotonic_us(journal->clock));
    manifest_add_base(&manifest, base);
    manifest_drop_history(&manifest, history_surplus(&manifest, &committer->limits));
    enum io_result result = replace_manifest(journal, &manifest, error);
    if (result != IO_DONE)
        return result;
    pthread_mutex_lock(&journal->lock);
    journal->log_begin = journal->rewrite_position;
    pthread_mutex_unlock(&journal->lock);
    return IO_DONE;
}

/* Whether the segment that carries the stream on from the base is there. Then what lies before is durable. */
static bool cut_is_done(const struct journal *journal)
{
    const struct manifest *manifest = &journal->committer.manifest;
    return manifest_find_segment(manifest, journal->rewrite_lsn) < manifest->segment_count;
}

/* As long as writes are taken, a base can wait for room. */
static bool out_of_patience(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    int64_t since_us = clock_monotonic_us(journal->clock) - journal->full_since_us;
    pthread_mutex_unlock(&journal->lock);
    return atomic_load(&journal->is_full) && since_us >= FULL_PATIENCE_US;
}

int64_t rewrite_due(const struct journal *journal, int64_t now_us)
{
    switch (journal->rewrite) {
    case REWRITE_GIVEN_UP: return now_us;
    case REWRITE_SUCCEEDED:
        if (cut_is_done(journal))
            return now_us;
        return journal->full_tasks & 1u << TASK_QUEUE ? journal->full_since_us + FULL_PATIENCE_US : NEVER_US;
    default: return NEVER_US;
    }
}

enum io_result rewrite_run(struct journal *journal, struct journal_error *error)
{
    /* Neither changes while a rewrite has ended. */
    lsn_t lsn = journal->rewrite_lsn;
    bool succeeded = journal->rewrite == REWRITE_SUCCEEDED;
    const struct manifest_base *in_use = manifest_base_in_use(&journal->committer.manifest);
    struct manifest_base base;
    if (succeeded && !cut_is_done(journal)) {
        /* It may be the base that took the room. */
        diag(DIAG_WARNING,
             "the rewrite is given up: the disk is full, and has no room for what follows the base");
        succeeded = false;
    }
    if (succeeded && (in_use->lsn != lsn || in_use->bytes == 0)) {
        if (inspect_base(journal, lsn, &base, error)) {
            enum io_result result = take_base(journal, &base, error);
            if (result == IO_FAILED || (result == IO_FULL && !out_of_patience(journal)))
                return result;
            succeeded = result == IO_DONE;
        } else {
            diag(DIAG_WARNING, "the rewrite failed: %s", error->text);
            succeeded = false;
        }
    }
    if (!succeeded) {
        drop_cut(journal, lsn);
        remove_unused_base(journal, lsn);
    }
    rewrite_is_over(journal, succeeded);
    return IO_DONE;
}
