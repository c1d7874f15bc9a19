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

static size_t batch_payload(const struct batch *batch)
{
    return batch->bytes.size - FRAME_HEADER_SIZE;
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

void batch_free(struct batch *batch)
{
    buffer_free(&batch->bytes);
    mem_free(batch);
}

void batch_release(struct journal *journal, struct batch *batch)
{
    if (journal->free_batch_count >= BATCHES_KEPT) {
        batch_free(batch);
        return;
    }
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
    queue_push(journal, cut);
}

lsn_t queue_first_cut(const struct journal *journal)
{
    const struct batch *current = journal->committer.current;
    if (current && current->is_cut)
        return current->lsn;
    for (const struct batch *batch = journal->queue_first; batch; batch = batch->next)
        if (batch->is_cut)
            return batch->lsn;
    return UINT64_MAX;
}

void queue_push_open(struct journal *journal)
{
    if (!journal->open || batch_payload(journal->open) == 0)
        return;
    queue_push(journal, journal->open);
    journal->open = NULL;
}

/* Takes the last batch of the queue back, if it is one that can still be added to. */
static struct batch *queue_take_back(struct journal *journal)
{
    struct batch *last = journal->queue_last;
    if (!last || last->is_cut || last->bytes.size >= BATCH_ENOUGH)
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
    lsn_t executed = journal_executed(journal);
    lsn_t room = atomic_load_explicit(&journal->room, memory_order_acquire);
    return executed <= room && size <= room - executed;
}

static bool too_much_on_its_way(const struct journal *journal)
{
    return journal_executed(journal) - journal_acknowledged(journal) > journal->unsynced_max;
}

/* The committer publishes under the lock, so what is seen here cannot change between the look and the note
 * that the loop waits. */
static enum admit_result admit_or_note(struct journal *journal, uint64_t size)
{
    bool room_is_missing = !fits(journal, size);
    if (!room_is_missing && !too_much_on_its_way(journal))
        return ADMIT_YES;
    if (room_is_missing) {
        bool was_tried =
            journal->full_tasks && (journal->full_tasks & 1u << TASK_QUEUE || size >= journal->full_size);
        /* What found no room is tried again at its own pace; something smaller at once. */
        if (!was_tried)
            journal->committer.retry_us[TASK_ROOM] = 0;
        journal->want = size == 0 ? 1 : size < CHANGE_SIZE_MAX ? size : CHANGE_SIZE_MAX;
        journal->want_asked = true;
        committer_signal(journal);
        if (was_tried)
            return ADMIT_FULL;
    }
    journal->loop_waits = true;
    return ADMIT_WAIT;
}

enum admit_result journal_admit(struct journal *journal, uint64_t size)
{
    ASSERT(journal->started);
    if (fits(journal, size) && !too_much_on_its_way(journal))
        return ADMIT_YES;
    pthread_mutex_lock(&journal->lock);
    enum admit_result result = admit_or_note(journal, size);
    pthread_mutex_unlock(&journal->lock);
    return result;
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
    if (batch_payload(journal->open) == 0) {
        journal->open->database = database;
        journal->open->lsn = journal_executed(journal);
    }
    journal->unit_is_open = true;
    return &journal->open->bytes;
}

lsn_t journal_unit_end(struct journal *journal)
{
    ASSERT(journal->unit_is_open && journal->open->bytes.size >= FRAME_HEADER_SIZE);
    journal->unit_is_open = false;
    lsn_t executed = journal->open->lsn + batch_payload(journal->open);
    ASSERT(executed >= journal_executed(journal));
    atomic_store_explicit(&journal->executed, executed, memory_order_release);
    return executed;
}

void journal_submit(struct journal *journal)
{
    ASSERT(!journal->unit_is_open);
    if (!journal->open || batch_payload(journal->open) == 0)
        return;
    pthread_mutex_lock(&journal->lock);
    queue_push_open(journal);
    committer_signal(journal);
    pthread_mutex_unlock(&journal->lock);
}

/* With a slow disk a sync takes so much longer than a hand-over that sparing one gains nothing, and whoever
 * comes meanwhile would wait for it. */
static bool disk_is_fast(const struct journal *journal)
{
    return journal->stats.syncs > 0 && journal->committer.sync_us_average < ALONE_SYNC_US_MAX;
}

void journal_submit_alone(struct journal *journal)
{
    ASSERT(!journal->unit_is_open);
    if (!journal->open || batch_payload(journal->open) == 0)
        return;
    bool is_small = journal->open->bytes.size <= ALONE_BYTES_MAX;
    pthread_mutex_lock(&journal->lock);
    queue_push_open(journal);
    if (is_small && !journal->task_runs && journal_policy(journal) == SYNC_ALWAYS && disk_is_fast(journal))
        committer_work_for_loop(journal);
    else
        committer_signal(journal);
    pthread_mutex_unlock(&journal->lock);
}

lsn_t journal_rewrite_begin(struct journal *journal)
{
    ASSERT(journal->started && !journal->unit_is_open);
    lsn_t lsn = journal_executed(journal);
    pthread_mutex_lock(&journal->lock);
    ASSERT(journal->rewrite == REWRITE_NONE);
    queue_push_open(journal);
    queue_push_cut(journal, lsn);
    journal->rewrite = REWRITE_RUNNING;
    atomic_store(&journal->rewriting, true);
    journal->rewrite_lsn = lsn;
    journal->base_is_current = journal->stats.base_lsn == lsn && journal->stats.base_bytes > 0;
    /* What follows goes to a segment that is not there yet, so nothing is certain to find room until it is.
     */
    if (atomic_load_explicit(&journal->room, memory_order_relaxed) > lsn)
        atomic_store_explicit(&journal->room, lsn, memory_order_release);
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
    return atomic_load(&journal->is_full) ? journal->full_text : NULL;
}
