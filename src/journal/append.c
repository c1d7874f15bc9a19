/* The loop's side: admitting, gathering units, handing them over, and asking how far things are.
 *
 * The loop gathers units in a batch that only it touches, so that appending takes no lock. When it has run
 * what it had, it puts the batch into the queue (journal_submit). From then on it belongs to whoever takes it
 * first: the committer, to write it, or the loop, which takes it back with its next unit to go on filling it.
 * So while the committer is busy one batch gathers all that arrives, and a batch that the committer finds
 * always holds whole units. */
#include "base/diag.h"
#include "base/memory.h"
#include "journal/journal_private.h"

/* --- batches ------------------------------------------------------------------------------------------ */

/* Of its units, without what values leave out. */
static size_t batch_text(const struct batch *batch)
{
    return batch->bytes.size - FRAME_HEADER_SIZE;
}

/* Bytes of the stream. */
static uint64_t batch_stream(const struct batch *batch)
{
    return batch_text(batch) + batch->value_bytes;
}

/* Bytes of its frame's payload. */
static uint64_t batch_payload(const struct batch *batch)
{
    uint64_t end = batch->value_count > 0 ? VALUES_END_SIZE : 0;
    return batch_text(batch) + batch->value_count * VALUE_REFERENCE_SIZE + end;
}

static uint64_t appended(const struct journal *journal)
{
    return atomic_load_explicit(&journal->appended, memory_order_acquire);
}

/* The caller holds the lock. */
static struct batch *batch_new(struct journal *journal)
{
    struct batch *batch = journal->free_batches;
    if (batch) {
        journal->free_batches = batch->next;
        journal->free_batch_count--;
    } else {
        batch = mem_alloc_zero(sizeof(*batch));
    }
    batch->next = NULL;
    batch->is_cut = false;
    memset(buffer_reserve(&batch->bytes, FRAME_HEADER_SIZE), 0, FRAME_HEADER_SIZE);
    batch->bytes.size = FRAME_HEADER_SIZE;
    return batch;
}

void batch_add_value(struct batch *batch, struct blob *blob)
{
    if (batch->value_count == batch->value_capacity) {
        batch->value_capacity = batch->value_capacity ? 2 * batch->value_capacity : 4;
        batch->values = mem_realloc(batch->values, batch->value_capacity * sizeof(*batch->values));
    }
    batch->values[batch->value_count++] = (struct batch_value){batch_text(batch), blob_share(blob)};
    batch->value_bytes += blob->size;
}

void batch_clear(struct batch *batch)
{
    for (size_t i = 0; i < batch->value_count; i++)
        blob_drop(batch->values[i].blob);
    batch->value_count = 0;
    batch->value_bytes = 0;
    batch->values_written = 0;
    batch->has_new_files = false;
    buffer_clear(&batch->bytes);
}

void batch_free(struct batch *batch)
{
    value_writer_close(&batch->value_writer);
    batch_clear(batch);
    buffer_free(&batch->bytes);
    mem_free(batch->values);
    mem_free(batch);
}

void batch_release(struct journal *journal, struct batch *batch)
{
    if (journal->free_batch_count >= BATCHES_KEPT) {
        batch_free(batch);
        return;
    }
    buffer_shrink(&batch->bytes, journal->batch_keep);
    batch->next = journal->free_batches;
    journal->free_batches = batch;
    journal->free_batch_count++;
}

static void queue_push(struct journal *journal, struct batch *batch)
{
    if (journal->queue_last)
        journal->queue_last->next = batch;
    else
        journal->queue_first = batch;
    journal->queue_last = batch;
}

void queue_push_cut(struct journal *journal, lsn_t lsn)
{
    struct batch *cut = batch_new(journal);
    cut->is_cut = true;
    cut->lsn = lsn;
    cut->position = appended(journal);
    queue_push(journal, cut);
}

uint64_t queue_first_cut(const struct journal *journal)
{
    const struct batch *current = journal->committer.current;
    if (current && current->is_cut)
        return current->position;
    for (const struct batch *batch = journal->queue_first; batch; batch = batch->next)
        if (batch->is_cut)
            return batch->position;
    return UINT64_MAX;
}

void queue_push_open(struct journal *journal)
{
    if (!journal->open || batch_text(journal->open) == 0)
        return;
    queue_push(journal, journal->open);
    journal->open = NULL;
}

/* Takes the last batch of the queue back, if it is one that can still be added to. */
static struct batch *queue_take_back(struct journal *journal)
{
    struct batch *last = journal->queue_last;
    if (!last || last->is_cut || batch_stream(last) >= BATCH_ENOUGH)
        return NULL;
    struct batch *before = NULL;
    for (struct batch *batch = journal->queue_first; batch != last; batch = batch->next)
        before = batch;
    if (before)
        before->next = NULL;
    else
        journal->queue_first = NULL;
    journal->queue_last = before;
    return last;
}

void committer_signal(struct journal *journal)
{
    if (journal->committer_waits)
        pthread_cond_signal(&journal->changed);
}

/* --- admitting ---------------------------------------------------------------------------------------- */

static bool fits(const struct journal *journal, uint64_t size)
{
    uint64_t begin = appended(journal);
    uint64_t room = atomic_load_explicit(&journal->room, memory_order_acquire);
    return begin <= room && size <= room - begin;
}

/* One that leaves room for a note behind it. */
static bool change_fits(const struct journal *journal, uint64_t size)
{
    return fits(journal, size < CHANGE_SIZE_MAX ? size + JOURNAL_NOTE_SIZE : size);
}

static bool values_fit(const struct journal *journal, uint64_t size)
{
    uint64_t begin = atomic_load_explicit(&journal->values_appended, memory_order_acquire);
    uint64_t room = atomic_load_explicit(&journal->values_room, memory_order_acquire);
    return size == 0 || (begin <= room && size <= room - begin);
}

static bool too_much_on_its_way(const struct journal *journal)
{
    return journal_executed(journal) - journal_acknowledged(journal) > journal->unsynced_max;
}

/* Asks the committer for room. Returns whether the last try found none, so that there is no point in waiting
 * for the next. */
static bool want_room(struct journal *journal, struct want *want, enum task task, uint64_t size)
{
    bool was_tried = journal->full_tasks & 1u << TASK_QUEUE ||
                     (journal->full_tasks & 1u << task && size >= want->full_size);
    /* What found no room is tried again at its own pace, or when the remover has made some; something smaller
     * at once. */
    if (!was_tried && !(journal->removal_tasks & 1u << task))
        journal->committer.retry_us[task] = 0;
    want->size = size == 0 ? 1 : size < CHANGE_SIZE_MAX ? size : CHANGE_SIZE_MAX;
    want->is_asked = true;
    committer_signal(journal);
    return was_tried;
}

/* In no segment there would be room for it. */
static bool is_too_large(struct journal *journal, uint64_t size)
{
    uint64_t most = disk_file_max(journal->disk);
    uint64_t beside = FILE_HEADER_SIZE + space_slack(&journal->limits);
    return most < beside || size > most - beside;
}

/* The committer publishes under the lock, so what is seen here cannot change between the look and the note
 * that the loop waits. */
static enum admit_result admit_or_note(struct journal *journal, uint64_t size, uint64_t value_bytes)
{
    bool room_is_missing = !change_fits(journal, size);
    bool value_room_is_missing = !values_fit(journal, value_bytes);
    if (!room_is_missing && !value_room_is_missing && !too_much_on_its_way(journal))
        return ADMIT_YES;
    if (value_bytes >= VALUE_TOO_LARGE ||
        (room_is_missing && is_too_large(journal, size + JOURNAL_NOTE_SIZE)))
        return ADMIT_TOO_LARGE;
    bool is_full = room_is_missing && want_room(journal, &journal->want, TASK_ROOM, size + JOURNAL_NOTE_SIZE);
    if (value_room_is_missing && want_room(journal, &journal->value_want, TASK_VALUE_ROOM, value_bytes))
        is_full = true;
    if (is_full)
        return ADMIT_FULL;
    journal->loop_waits = true;
    return ADMIT_WAIT;
}

enum admit_result journal_admit_values(struct journal *journal, uint64_t size, uint64_t value_bytes)
{
    ASSERT(journal->started);
    if (change_fits(journal, size) && values_fit(journal, value_bytes) && !too_much_on_its_way(journal))
        return ADMIT_YES;
    pthread_mutex_lock(&journal->lock);
    enum admit_result result = admit_or_note(journal, size, value_bytes);
    pthread_mutex_unlock(&journal->lock);
    return result;
}

uint64_t journal_file_max(const struct journal *journal)
{
    return disk_file_max(journal->disk);
}

enum admit_result journal_admit(struct journal *journal, uint64_t size)
{
    return journal_admit_values(journal, size, 0);
}

bool journal_note_fits(const struct journal *journal)
{
    return fits(journal, JOURNAL_NOTE_SIZE);
}

enum admit_result journal_admit_note(struct journal *journal)
{
    ASSERT(journal->started);
    if (journal_note_fits(journal))
        return ADMIT_YES;
    pthread_mutex_lock(&journal->lock);
    enum admit_result result = ADMIT_YES;
    if (!journal_note_fits(journal)) {
        result = want_room(journal, &journal->want, TASK_ROOM, JOURNAL_NOTE_SIZE) ? ADMIT_FULL : ADMIT_WAIT;
        journal->loop_waits |= result == ADMIT_WAIT;
    }
    pthread_mutex_unlock(&journal->lock);
    return result;
}

void journal_set_time(struct journal *journal, int64_t now_ms)
{
    atomic_store_explicit(&journal->time_ms, now_ms, memory_order_relaxed);
}

int64_t journal_time_ms(const struct journal *journal)
{
    int64_t time_ms = atomic_load_explicit(&journal->time_ms, memory_order_relaxed);
    return time_ms != 0 ? time_ms : clock_wall_ms(journal->clock);
}

/* --- appending ---------------------------------------------------------------------------------------- */

struct buffer *journal_unit_begin(struct journal *journal, int database)
{
    ASSERT(journal->started && !journal->unit_is_open);
    ASSERT(database >= 0 && database <= UINT16_MAX);
    if (!journal->open) {
        pthread_mutex_lock(&journal->lock);
        journal->open = queue_take_back(journal);
        if (!journal->open)
            journal->open = batch_new(journal);
        pthread_mutex_unlock(&journal->lock);
    }
    if (batch_text(journal->open) == 0) {
        journal->open->database = database;
        journal->open->lsn = journal_executed(journal);
        journal->open->position = appended(journal);
    }
    journal->unit_is_open = true;
    return &journal->open->bytes;
}

lsn_t journal_unit_end(struct journal *journal)
{
    ASSERT(journal->unit_is_open && journal->open->bytes.size >= FRAME_HEADER_SIZE);
    journal->unit_is_open = false;
    lsn_t executed = journal->open->lsn + batch_stream(journal->open);
    ASSERT(executed >= journal_executed(journal));
    atomic_store_explicit(&journal->appended, journal->open->position + batch_payload(journal->open),
                          memory_order_release);
    atomic_store_explicit(&journal->executed, executed, memory_order_release);
    return executed;
}

void journal_unit_moved(struct journal *journal, size_t from, size_t by)
{
    ASSERT(journal->unit_is_open && from >= FRAME_HEADER_SIZE);
    struct batch *batch = journal->open;
    for (size_t i = batch->value_count; i > 0 && batch->values[i - 1].offset >= from - FRAME_HEADER_SIZE; i--)
        batch->values[i - 1].offset += by;
}

/* Whether the loop had better do itself what the committer would do with what it is about to hand over. */
static bool loop_may_work(const struct journal *journal, bool alone)
{
    const struct committer *committer = &journal->committer;
    const struct batch *batch = journal->open;
    if (journal->task_runs || journal->queue_first || committer->current || !batch ||
        batch->value_count > 0 || batch->bytes.size > LOOP_WORK_BYTES_MAX ||
        batch->bytes.size > segment_writer_room(&committer->writer))
        return false;
    if (journal_policy(journal) != SYNC_ALWAYS)
        return committer->write_us_average < LOOP_WRITE_US_MAX;
    return alone && journal->stats.syncs > 0 && committer->sync_us_average < LOOP_SYNC_US_MAX;
}

/* Whether there is anything to hand over. */
static bool has_something(struct journal *journal)
{
    ASSERT(!journal->unit_is_open);
    bool has_collected = values_collect(journal);
    return has_collected || (journal->open && batch_text(journal->open) > 0);
}

void journal_hand_over(struct journal *journal)
{
    if (!has_something(journal))
        return;
    pthread_mutex_lock(&journal->lock);
    queue_push_open(journal);
    committer_signal(journal);
    pthread_mutex_unlock(&journal->lock);
}

static bool leave(struct journal *journal)
{
    return !journal->leave || journal->leave(journal->leave_context);
}

void journal_submit(struct journal *journal, bool alone)
{
    if (!has_something(journal))
        return;
    pthread_mutex_lock(&journal->lock);
    bool works = loop_may_work(journal, alone);
    queue_push_open(journal);
    works = works && leave(journal);
    if (works)
        committer_work_for_loop(journal);
    else
        committer_signal(journal);
    pthread_mutex_unlock(&journal->lock);
    /* Without the lock, which whoever has the loop meanwhile needs to come to an end. */
    if (works && journal->back)
        journal->back(journal->leave_context);
}

lsn_t journal_rewrite_begin(struct journal *journal)
{
    ASSERT(journal->started && !journal->unit_is_open);
    lsn_t lsn = journal_executed(journal);
    uint64_t position = appended(journal);
    values_rewrite_begin(journal, lsn);
    pthread_mutex_lock(&journal->lock);
    ASSERT(journal->rewrite == REWRITE_NONE);
    queue_push_open(journal);
    queue_push_cut(journal, lsn);
    journal->rewrite = REWRITE_RUNNING;
    atomic_store(&journal->rewriting, true);
    journal->rewrite_lsn = lsn;
    journal->rewrite_position = position;
    journal->base_is_current = journal->stats.base_lsn == lsn && journal->stats.base_bytes > 0;
    /* What follows goes to a segment that is not there yet, so nothing is certain to find room until it is.
     */
    if (atomic_load_explicit(&journal->room, memory_order_relaxed) > position)
        atomic_store_explicit(&journal->room, position, memory_order_release);
    committer_signal(journal);
    pthread_mutex_unlock(&journal->lock);
    return lsn;
}

void journal_rewrite_end(struct journal *journal, bool ok)
{
    pthread_mutex_lock(&journal->lock);
    ASSERT(journal->rewrite == REWRITE_RUNNING);
    journal->rewrite = ok ? REWRITE_SUCCEEDED : REWRITE_GIVEN_UP;
    committer_signal(journal);
    pthread_mutex_unlock(&journal->lock);
}

/* --- how far ------------------------------------------------------------------------------------------ */

lsn_t journal_executed(const struct journal *journal)
{
    return atomic_load_explicit(&journal->executed, memory_order_acquire);
}

lsn_t journal_written(const struct journal *journal)
{
    return atomic_load_explicit(&journal->written, memory_order_acquire);
}

lsn_t journal_durable(const struct journal *journal)
{
    return atomic_load_explicit(&journal->durable, memory_order_acquire);
}

enum sync_policy journal_policy(const struct journal *journal)
{
    return (enum sync_policy)atomic_load_explicit(&journal->policy, memory_order_relaxed);
}

lsn_t journal_acknowledged(const struct journal *journal)
{
    return journal_policy(journal) == SYNC_ALWAYS ? journal_durable(journal) : journal_written(journal);
}

int64_t journal_acknowledged_us(const struct journal *journal)
{
    return atomic_load_explicit(&journal->acknowledged_us, memory_order_relaxed);
}

/* --- asking ------------------------------------------------------------------------------------------- */

void journal_set_policy(struct journal *journal, enum sync_policy policy)
{
    pthread_mutex_lock(&journal->lock);
    atomic_store_explicit(&journal->policy, (int)policy, memory_order_relaxed);
    committer_signal(journal);
    pthread_mutex_unlock(&journal->lock);
}

void journal_set_limits(struct journal *journal, uint64_t segment_size, uint64_t unsynced_max,
                        int history_bases, int64_t history_seconds)
{
    ASSERT(segment_size > 0 && history_bases >= 0 && history_seconds >= 0);
    journal->unsynced_max = unsynced_max;
    pthread_mutex_lock(&journal->lock);
    journal->limits = (struct limits){segment_size, history_bases, history_seconds};
    journal->recheck_history = true;
    committer_signal(journal);
    pthread_mutex_unlock(&journal->lock);
    values_recheck(journal);
}

void journal_set_keep(struct journal *journal, uint64_t bytes)
{
    pthread_mutex_lock(&journal->lock);
    journal->batch_keep = bytes < BATCH_KEEP_MIN   ? BATCH_KEEP_MIN
                          : bytes > BATCH_KEEP_MAX ? BATCH_KEEP_MAX
                                                   : (size_t)bytes;
    for (struct batch *batch = journal->free_batches; batch; batch = batch->next)
        buffer_shrink(&batch->bytes, journal->batch_keep);
    pthread_mutex_unlock(&journal->lock);
}

void journal_request_sync(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    journal->sync_target = journal_executed(journal);
    committer_signal(journal);
    pthread_mutex_unlock(&journal->lock);
}

bool journal_rewriting(const struct journal *journal)
{
    return atomic_load(&journal->rewriting);
}

const char *journal_failed(const struct journal *journal)
{
    /* The text was written before the flag was set and is never written again. */
    return atomic_load_explicit(&journal->has_failed, memory_order_acquire) ? journal->failure.text : NULL;
}

const char *journal_full(const struct journal *journal)
{
    return atomic_load(&journal->is_full) ? journal->full_texts[atomic_load(&journal->full_reason)] : NULL;
}
