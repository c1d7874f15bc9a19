/* Space: kept reserved ahead of the write position, in the current segment or in a new one.
 *
 * What journal_admit lets through has to find room, so it looks only at space that exists in the current
 * segment. When that does not do, it says ADMIT_WAIT and leaves the size wanted; the committer makes that
 * much room in one piece, growing the segment or beginning the next, and publishes how far it reaches. So a
 * segment ends where a change would not fit into it any more, and a change larger than a segment gets a
 * segment of its own size. */
#include <errno.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/hash.h"
#include "base/memory.h"
#include "journal/journal_private.h"

/* Zeros are written ahead in steps between these. Frames from the smallest step on need no zeros: writing
 * them is more work than what the file system then does once. */
#define FILL_MIN ((uint64_t)64 << 10)
#define FILL_MAX ((uint64_t)512 << 10)
/* After so many tries without anybody asking, a large size that found no room is no longer tried, but a small
 * one. */
#define UNASKED_TRIES_MAX 10
#define SMALL_CHANGE      4096
/* Tails of segments below this are not worth being cut off. */
#define TRIM_MIN ((uint64_t)256 << 10)

static bool segment_is_empty(const struct committer *committer)
{
    return committer->written == committer->writer.lsn;
}

uint64_t space_slack(const struct limits *limits)
{
    uint64_t share = limits->segment_size / 4;
    return share < SLACK_MAX ? share : SLACK_MAX;
}

/* Bytes that a segment's file may have at most, unless one change is larger. */
static uint64_t segment_bytes_max(const struct committer *committer)
{
    uint64_t size = committer->limits.segment_size;
    for (size_t count = committer->manifest.segment_count;
         count > SEGMENTS_PER_DOUBLING && size <= SEGMENT_GROWN_MAX / 2; count -= SEGMENTS_PER_DOUBLING)
        size *= 2;
    uint64_t most = size + space_slack(&committer->limits);
    return most < committer->file_max ? most : committer->file_max;
}

/* --- spares ------------------------------------------------------------------------------------------- */

uint64_t space_spare_bytes(const struct committer *committer)
{
    uint64_t held = 0;
    for (size_t i = 0; i < committer->spare_count; i++)
        held += committer->spares[i].bytes;
    return held;
}

bool space_wants_spare(const struct journal *journal, uint64_t bytes)
{
    const struct committer *committer = &journal->committer;
    /* Less than half a segment is not worth a file. */
    return committer->spare_count < SPARES_MAX && bytes >= committer->limits.segment_size / 2 &&
           bytes <= segment_bytes_max(committer) &&
           space_spare_bytes(committer) + bytes <= committer->spare_bytes_max;
}

bool space_wants_spares(const struct journal *journal)
{
    return space_wants_spare(journal, journal->committer.limits.segment_size / 2);
}

bool space_keep_spare(struct journal *journal, const char *name, uint64_t bytes)
{
    struct committer *committer = &journal->committer;
    ASSERT(committer->spare_count < SPARES_MAX);
    struct spare spare = {committer->next_spare++, bytes};
    char as[FILE_NAME_SIZE];
    spare_name(as, spare.number);
    int rc = disk_rename(journal->disk, name, as);
    if (rc < 0)
        diag(DIAG_WARNING, "cannot rename %s to %s: %s", name, as, strerror(-rc));
    else
        committer->spares[committer->spare_count++] = spare;
    return rc == 0;
}

void space_drop_spares(struct journal *journal, uint64_t bytes_max)
{
    struct committer *committer = &journal->committer;
    uint64_t held = 0;
    size_t keep = 0;
    while (keep < committer->spare_count && held + committer->spares[keep].bytes <= bytes_max)
        held += committer->spares[keep++].bytes;
    while (committer->spare_count > keep) {
        char name[FILE_NAME_SIZE];
        const struct spare *spare = &committer->spares[--committer->spare_count];
        spare_name(name, spare->number);
        remover_add(journal, name, spare->bytes);
    }
}

/* --- segments ----------------------------------------------------------------------------------------- */

/* Random, and another one for every use of a file even if two lives of the journal were given the same seed:
 * frames of an earlier use of a recycled file must not pass for new ones. */
uint64_t space_new_salt(struct journal *journal, lsn_t lsn)
{
    struct committer *committer = &journal->committer;
    uint64_t words[] = {random_next(&committer->random), committer->manifest.sequence, lsn};
    return hash_bytes(words, sizeof(words), hash_bytes(journal->stream_id, STREAM_ID_SIZE, 0));
}

void space_adopt(struct journal *journal, struct manifest *manifest)
{
    struct committer *committer = &journal->committer;
    bool keeps_less = committer->manifest.base_count == 0 ||
                      committer->manifest.base_count != manifest->base_count ||
                      committer->manifest.bases[0].lsn != manifest->bases[0].lsn;
    manifest_free(&committer->manifest);
    committer->manifest = *manifest;
    *manifest = (struct manifest){0};
    const struct manifest_base *base = manifest_base_in_use(&committer->manifest);
    size_t first = manifest_find_segment(&committer->manifest, base->lsn);
    size_t history = first;
    for (size_t i = 0; i + 1 < committer->manifest.base_count; i++)
        history += committer->manifest.bases[i].bytes > 0;
    if (keeps_less)
        values_recheck(journal);
    pthread_mutex_lock(&journal->lock);
    journal->stats.base_lsn = base->lsn;
    journal->stats.base_bytes = base->bytes;
    journal->stats.segments = committer->manifest.segment_count - first;
    journal->stats.history_files = history;
    pthread_mutex_unlock(&journal->lock);
}

enum io_result space_replace_manifest(struct journal *journal, struct manifest *manifest,
                                      struct journal_error *error)
{
    enum io_result result = committer_sync_before(journal, error);
    manifest->durable_lsn = journal->committer.durable;
    manifest_age(manifest, clock_monotonic_us(journal->clock));
    if (result == IO_DONE)
        result = manifest_store(journal->disk, manifest, error);
    if (result == IO_DONE) {
        space_adopt(journal, manifest);
        journal->committer.on_record = journal->committer.durable;
    } else {
        manifest_free(manifest);
    }
    return result;
}

enum io_result space_record_durable(struct journal *journal, struct journal_error *error)
{
    const struct committer *committer = &journal->committer;
    struct manifest manifest;
    if (committer->durable <= manifest_durable(&committer->manifest))
        return IO_DONE;
    manifest_copy(&manifest, &committer->manifest);
    return space_replace_manifest(journal, &manifest, error);
}

enum io_result space_record_end(struct journal *journal, struct journal_error *error)
{
    const struct committer *committer = &journal->committer;
    struct manifest manifest;
    if (!history_age_counts(committer))
        return space_record_durable(journal, error);
    manifest_copy(&manifest, &committer->manifest);
    return space_replace_manifest(journal, &manifest, error);
}

/* The new segment's file, of a spare if there is one. */
static enum io_result create_segment(struct journal *journal, struct segment_writer *next, uint64_t reserve,
                                     struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    struct file_header header = {.kind = FILE_LOG,
                                 .salt = space_new_salt(journal, committer->written),
                                 .lsn = committer->written,
                                 .time_ms = journal_time_ms(journal)};
    memcpy(header.stream_id, journal->stream_id, STREAM_ID_SIZE);
    char spare[FILE_NAME_SIZE];
    bool recycle = committer->spare_count > 0;
    if (recycle)
        spare_name(spare, committer->spares[--committer->spare_count].number);
    return segment_writer_create(next, journal->disk, &header, recycle ? spare : NULL, reserve, error);
}

/* Gives the space behind the last frame back if it is most of the file. Nothing is written there any more,
 * and recovery does not look at it, so that need not be now. */
static void leave_segment(struct journal *journal)
{
    struct segment_writer *writer = &journal->committer.writer;
    uint64_t tail = segment_writer_room(writer);
    if (tail >= TRIM_MIN && tail >= writer->offset) {
        remover_trim(journal, writer->name, writer->file, writer->reserved_end, writer->offset);
        writer->file = NULL;
    }
    segment_writer_close(writer);
}

/* The order is what crash safety rests on: the old segment is synced, so that everything below the new one's
 * start is durable; the new file and its name are durable before MANIFEST names it; and MANIFEST is durable
 * before the first frame is written to it. */
enum io_result space_rotate(struct journal *journal, uint64_t bytes, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    ASSERT(!segment_is_empty(committer));
    enum io_result result = IO_DONE;
    if (committer->durable != committer->written)
        result = committer_sync(journal, error);
    struct segment_writer next;
    if (result == IO_DONE)
        result = create_segment(journal, &next, bytes, error);
    if (result != IO_DONE)
        return result;
    struct manifest manifest;
    manifest_copy(&manifest, &committer->manifest);
    manifest_add_segment(&manifest, next.lsn, next.salt);
    result = space_replace_manifest(journal, &manifest, error);
    if (result != IO_DONE) {
        segment_writer_close(&next);
        /* After a final failure nobody knows which MANIFEST is on the disk: it may name the new segment. */
        if (result == IO_FULL)
            remover_detach(journal, next.name);
        return result;
    }
    leave_segment(journal);
    committer->writer = next;
    committer->recorded = committer->durable; /* MANIFEST says so */
    return result;
}

static enum io_result make_once(struct journal *journal, uint64_t bytes, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    struct segment_writer *writer = &committer->writer;
    committer->file_max = disk_file_max(journal->disk);
    uint64_t most = segment_bytes_max(committer);
    if (!segment_is_empty(committer) && writer->offset + bytes > most)
        return space_rotate(journal, bytes, error);
    uint64_t wish = bytes + committer->ahead;
    if (writer->offset + wish > most)
        wish = most > writer->offset + bytes ? most - writer->offset : bytes;
    enum io_result result = segment_writer_reserve(writer, wish, error);
    return result == IO_FULL ? segment_writer_reserve(writer, bytes, error) : result;
}

/* Spares make way first. They are removed beside: then it is tried again (run_task). */
enum io_result space_make(struct journal *journal, uint64_t bytes, struct journal_error *error)
{
    enum io_result result = make_once(journal, bytes, error);
    if (result == IO_FULL)
        space_drop_spares(journal, 0);
    return result;
}

/* Steps grow with what was used: a small server stays small, a busy one has room for long. */
static void ahead_grow(struct committer *committer)
{
    if (committer->ahead < AHEAD_MAX && committer->ahead < committer->writer.offset)
        committer->ahead *= 2;
}

/* --- room that somebody waits for --------------------------------------------------------------------- */

static void want_is_met(struct journal *journal, struct want *want, uint64_t size)
{
    pthread_mutex_lock(&journal->lock);
    if (want->size == size)
        want->size = 0;
    pthread_mutex_unlock(&journal->lock);
}

/* Bytes to have room for: what was executed since takes its place first. */
static uint64_t room_wanted(const struct journal *journal, uint64_t pending, uint64_t want)
{
    return pending + want + space_slack(&journal->committer.limits);
}

static uint64_t pending_bytes(const struct journal *journal)
{
    return atomic_load_explicit(&journal->appended, memory_order_acquire) - journal->committer.placed;
}

int64_t room_due(const struct journal *journal, int64_t now_us)
{
    /* Behind a cut, room in this segment helps nobody. And where no file has room for both, what is on its
     * way is written first. */
    uint64_t pending = pending_bytes(journal);
    bool is_in_vain = queue_first_cut(journal) < UINT64_MAX ||
                      (pending > 0 && FILE_HEADER_SIZE + room_wanted(journal, pending, journal->want.size) >
                                          journal->committer.file_max);
    return journal->want.size > 0 && !is_in_vain ? now_us : NEVER_US;
}

enum io_result room_run(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    pthread_mutex_lock(&journal->lock);
    uint64_t want = journal->want.size;
    pthread_mutex_unlock(&journal->lock);
    committer->room_tried = want;
    uint64_t bytes = room_wanted(journal, pending_bytes(journal), want);
    enum io_result result = space_make(journal, bytes, error);
    if (result != IO_DONE)
        return result;
    /* What is reserved ahead was used up before more could be reserved. Were it to stay as it is, each commit
     * would be as small: SET of 16 KB in pipelines of 16 waited for room 32 times for what one fdatasync can
     * take, and did 3,000 a second instead of 20,000. */
    ahead_grow(committer);
    want_is_met(journal, &journal->want, want);
    return IO_DONE;
}

void want_note_full(struct want *want, uint64_t tried)
{
    want->full_size = tried;
    want->unasked_tries = want->is_asked ? 0 : want->unasked_tries + 1;
    want->is_asked = false;
    /* Whoever wanted it has gone: what remains to be seen is whether there is room for anything at all. */
    if (want->unasked_tries >= UNASKED_TRIES_MAX && want->size > SMALL_CHANGE)
        want->size = SMALL_CHANGE;
}

/* --- room for values in files of their own ------------------------------------------------------------ */

int64_t value_room_due(const struct journal *journal, int64_t now_us)
{
    /* While value files go too slowly, room on the disk is not what is waited for. */
    return journal->value_want.size > 0 && !journal->is_paced ? now_us : NEVER_US;
}

/* What the log needs next is left out. */
enum io_result value_room_run(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    pthread_mutex_lock(&journal->lock);
    uint64_t want = journal->value_want.size;
    pthread_mutex_unlock(&journal->lock);
    committer->value_room_tried = want;
    uint64_t executed = atomic_load_explicit(&journal->values_appended, memory_order_acquire);
    uint64_t need = executed - committer->values_placed + want;
    uint64_t missing = need > committer->reserve_bytes ? need - committer->reserve_bytes : 0;
    uint64_t apart = space_slack(&committer->limits) + 2 * committer->ahead;
    uint64_t free_bytes;
    int rc = disk_free_space(journal->disk, &free_bytes);
    if (rc < 0)
        return io_final_error(error, rc, "see how much space is free in", journal->folder);
    if (free_bytes < missing + apart)
        space_drop_spares(journal, 0);
    if (free_bytes < missing + apart)
        return io_error(error, -ENOSPC, "find room for a large value in", journal->folder);
    committer->file_max = disk_file_max(journal->disk);
    enum io_result result = reserve_make(journal, want, free_bytes, error);
    if (result != IO_DONE)
        return result;
    want_is_met(journal, &journal->value_want, want);
    return IO_DONE;
}

/* --- space ahead -------------------------------------------------------------------------------------- */

static uint64_t fill_step(const struct committer *committer)
{
    uint64_t step = committer->ahead / 4;
    return step < FILL_MIN ? FILL_MIN : step > FILL_MAX ? FILL_MAX : step;
}

static bool reserve_is_low(const struct committer *committer)
{
    const struct segment_writer *writer = &committer->writer;
    return writer->reserved_end < segment_bytes_max(committer) &&
           segment_writer_room(writer) < space_slack(&committer->limits) + committer->ahead / 2;
}

/* Zeros make the sync of a small write cheap: they are for nothing where not every write has its own. */
static bool fill_is_low(const struct journal *journal)
{
    const struct committer *committer = &journal->committer;
    const struct segment_writer *writer = &committer->writer;
    return journal_policy(journal) == SYNC_ALWAYS && committer->last_frame_size < FILL_MIN &&
           writer->filled_end < writer->reserved_end &&
           writer->filled_end < writer->offset + fill_step(committer) / 2;
}

int64_t ahead_due(const struct journal *journal, int64_t now_us)
{
    const struct committer *committer = &journal->committer;
    return reserve_is_low(committer) || fill_is_low(journal) ? now_us : NEVER_US;
}

/* Reserves less than asked for at the segment's end: how the next begins is decided when something does not
 * fit. */
enum io_result ahead_run(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    struct segment_writer *writer = &committer->writer;
    if (reserve_is_low(committer)) {
        uint64_t most = segment_bytes_max(committer) - writer->offset;
        uint64_t bytes = space_slack(&committer->limits) + committer->ahead;
        enum io_result result = segment_writer_reserve(writer, bytes < most ? bytes : most, error);
        if (result != IO_DONE)
            return result;
        ahead_grow(committer);
    }
    return fill_is_low(journal) ? segment_writer_fill(writer, fill_step(committer), error) : IO_DONE;
}
