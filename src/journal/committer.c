/* The committer: writes what the loop hands over, syncs it as the policy says, and tells the loop.
 *
 * Everything it does is a task with two functions: one says when the task is due, one does it. The thread
 * runs whatever is due and sleeps until the next is; journal_work does the same without sleeping. Nothing
 * here knows the time but from the clock it was given.
 *
 * As one thread both writes and syncs, nothing is written, and under SYNC_EVERYSEC nothing acknowledged,
 * while a sync is under way. That is what keeps D3: the acknowledged writes that a power failure takes are
 * those since the last sync was begun, and a sync is begun when the first of them is half a second old.
 *
 * A disk may be slow in any call. So under SYNC_EVERYSEC whatever is acknowledged is synced before any call
 * is made that is neither a frame's write nor a sync; what may take very long, the remover does beside. And a
 * write or a sync of the log itself that was slow is expected to be slow again: for a while nothing is
 * acknowledged before it is synced. So only the first slow one, which nobody can foresee, makes what was
 * acknowledged before it wait longer than a second to be durable. */
#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/thread.h"
#include "journal/journal_private.h"

/* --- syncing ------------------------------------------------------------------------------------------ */

static void count_sync(struct journal *journal, int64_t took_us)
{
    struct journal_stats *stats = &journal->stats;
    uint64_t us = took_us > 0 ? (uint64_t)took_us : 0;
    int bucket = us > 0 ? 63 - __builtin_clzll(us) : 0;
    stats->syncs++;
    stats->sync_us_last = us;
    stats->sync_us_total += us;
    if (us > stats->sync_us_max)
        stats->sync_us_max = us;
    stats->sync_latency[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
    stats->last_sync_ms = clock_wall_ms(journal->clock);
}

/* Notes how long something took that waited for the disk. Returns when it ended. */
static int64_t note_call(struct journal *journal, int64_t begin_us)
{
    int64_t end_us = clock_monotonic_us(journal->clock);
    if (end_us - begin_us >= SLOW_CALL_US)
        journal->committer.slow_until_us = end_us + SLOW_MEMORY_US;
    return end_us;
}

enum io_result committer_sync(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    int64_t begin_us = clock_monotonic_us(journal->clock);
    enum io_result result = segment_writer_sync(&committer->writer, error);
    if (result != IO_DONE)
        return result;
    committer->durable = committer->written;
    if (committer->named > committer->on_record)
        committer->on_record = committer->named;
    committer->oldest_unsynced_us = NEVER_US;
    committer->last_sync_us = note_call(journal, begin_us);
    int64_t took_us = committer->last_sync_us - begin_us;
    pthread_mutex_lock(&journal->lock);
    committer->sync_us_average += (took_us - committer->sync_us_average) / 8;
    count_sync(journal, took_us);
    pthread_mutex_unlock(&journal->lock);
    return IO_DONE;
}

enum io_result committer_sync_before(struct journal *journal, struct journal_error *error)
{
    const struct committer *committer = &journal->committer;
    bool owes = journal_policy(journal) == SYNC_EVERYSEC && committer->written != committer->durable;
    return owes ? committer_sync(journal, error) : IO_DONE;
}

static int64_t sync_due(const struct journal *journal, int64_t now_us)
{
    const struct committer *committer = &journal->committer;
    if (committer->written == committer->durable)
        return NEVER_US;
    /* Asked for, and all of it is written. */
    if (journal->sync_target > committer->durable && journal->sync_target <= committer->written)
        return now_us;
    switch (journal_policy(journal)) {
    case SYNC_ALWAYS:
        /* What was waiting already when the last frame was taken is covered by the same sync, unless the loop
         * took it back to go on filling it. */
        return committer->backlog && !committer->current && journal->queue_first ? NEVER_US : now_us;
    case SYNC_EVERYSEC: return committer->oldest_unsynced_us + SYNC_AGE_US;
    default: return values_wait_for_record(journal) ? committer->last_sync_us + VALUE_SYNC_US : NEVER_US;
    }
}

/* --- writing ------------------------------------------------------------------------------------------ */

static enum io_result write_frame(struct journal *journal, enum frame_kind kind, int database,
                                  struct buffer *bytes, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    struct frame frame = {.kind = kind,
                          .database = database,
                          .lsn = committer->written,
                          .durable_lsn = committer->durable,
                          .time_ms = journal_time_ms(journal),
                          .payload = {bytes->data + FRAME_HEADER_SIZE, bytes->size - FRAME_HEADER_SIZE}};
    frame_seal(&frame, committer->writer.salt, bytes->data);
    int64_t begin_us = clock_monotonic_us(journal->clock);
    enum io_result result = segment_writer_append(&committer->writer, bytes->data, bytes->size, error);
    if (result != IO_DONE)
        return result;
    committer->written += frame_stream_size(&frame);
    committer->placed += frame.payload.size;
    committer->recorded = committer->named = frame.durable_lsn;
    committer->last_write_us = begin_us;
    committer->last_frame_size = bytes->size;
    if (committer->oldest_unsynced_us == NEVER_US)
        committer->oldest_unsynced_us = begin_us;
    int64_t took_us = note_call(journal, begin_us) - begin_us;
    pthread_mutex_lock(&journal->lock);
    committer->write_us_average += (took_us - committer->write_us_average) / 8;
    journal->stats.frames++;
    journal->stats.bytes += bytes->size;
    pthread_mutex_unlock(&journal->lock);
    return IO_DONE;
}

/* Goes on writing the files of a batch's values; they and their names have to be durable before the frame
 * that refers to them is written, whatever the policy: a frame that survives a crash may be relied on. */
static enum io_result write_values(struct journal *journal, struct batch *batch, bool *done,
                                   struct journal_error *error)
{
    *done = false;
    enum io_result result = committer_sync_before(journal, error);
    while (result == IO_DONE && batch->values_written < batch->value_count) {
        const struct blob *blob = batch->values[batch->values_written].blob;
        struct value_file *file = value_of(blob);
        if (file->state == VALUE_NAMED) {
            bool file_done;
            result = value_write(journal, file, blob, &batch->value_writer, &file_done, error);
            if (result != IO_DONE || !file_done)
                return result; /* others have their turn */
            batch->has_new_files = true;
            pthread_mutex_lock(&journal->lock);
            journal->stats.bytes += value_file_size(file->size);
            pthread_mutex_unlock(&journal->lock);
        }
        batch->values_written++;
    }
    if (result == IO_DONE && batch->has_new_files) {
        int rc = disk_sync_folder(journal->disk);
        if (rc < 0)
            return io_final_error(error, rc, "sync the folder of", batch->value_writer.name);
        batch->has_new_files = false;
    }
    *done = result == IO_DONE;
    return result;
}

static void append_references(struct batch *batch)
{
    struct value_reference *values = mem_alloc(batch->value_count * sizeof(*values));
    for (size_t i = 0; i < batch->value_count; i++) {
        struct value_file *file = value_of(batch->values[i].blob);
        value_make_checksum(file, batch->values[i].blob);
        values[i] = value_refer(file, batch->values[i].offset);
    }
    frame_values_append(&batch->bytes, FRAME_HEADER_SIZE, values, (uint32_t)batch->value_count);
    mem_free(values);
}

static enum io_result write_batch_frame(struct journal *journal, struct batch *batch,
                                        struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    size_t text_end = batch->bytes.size;
    enum frame_kind kind = batch->value_count > 0 ? FRAME_VALUES : FRAME_DATA;
    enum io_result result = IO_DONE;
    if (batch->value_count > 0)
        append_references(batch);
    if (segment_writer_room(&committer->writer) < batch->bytes.size) {
        result = committer_sync_before(journal, error);
        if (result == IO_DONE)
            result = space_make(journal, batch->bytes.size, error);
    }
    if (result == IO_DONE)
        result = write_frame(journal, kind, batch->database, &batch->bytes, error);
    if (result == IO_FULL && error->code == -EFBIG && committer->written != committer->writer.lsn) {
        /* A file may have less than when this one's space was reserved: a new one begins at its beginning. */
        result = space_rotate(journal, batch->bytes.size, error);
        if (result == IO_DONE)
            result = write_frame(journal, kind, batch->database, &batch->bytes, error);
    }
    if (result != IO_DONE)
        batch->bytes.size = text_end; /* to be tried again */
    return result;
}

/* *done: all of it is written. Otherwise, after IO_DONE, it goes on at the next call. */
static enum io_result write_batch(struct journal *journal, struct batch *batch, bool *done,
                                  struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    ASSERT(batch->lsn == committer->written);
    enum io_result result = IO_DONE;
    *done = true;
    if (batch->value_count > 0)
        result = write_values(journal, batch, done, error);
    if (result == IO_DONE && *done)
        result = write_batch_frame(journal, batch, error);
    if (result != IO_DONE || !*done)
        return result;
    /* Making room or files of values may have been what was slow. */
    int64_t now_us = note_call(journal, committer->task_began_us);
    bool is_slow = now_us < committer->slow_until_us;
    bool is_late = now_us - committer->oldest_unsynced_us >= SYNC_AGE_LATE_US;
    if (journal_policy(journal) == SYNC_EVERYSEC && (is_slow || is_late))
        return committer_sync(journal, error);
    return IO_DONE;
}

static bool take_batch(struct journal *journal)
{
    struct committer *committer = &journal->committer;
    pthread_mutex_lock(&journal->lock);
    struct batch *batch = journal->queue_first;
    if (batch) {
        journal->queue_first = batch->next;
        if (!batch->next)
            journal->queue_last = NULL;
        committer->backlog = batch->next && !batch->next->is_cut;
        committer->current = batch;
    }
    pthread_mutex_unlock(&journal->lock);
    return batch != NULL;
}

static int64_t queue_due(const struct journal *journal, int64_t now_us)
{
    return journal->committer.current || journal->queue_first ? now_us : NEVER_US;
}

static enum io_result queue_run(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    if (!committer->current && !take_batch(journal))
        return IO_DONE; /* the loop took it back */
    struct batch *batch = committer->current;
    enum io_result result;
    bool done = true;
    if (!batch->is_cut)
        result = write_batch(journal, batch, &done, error);
    else if (committer->writer.lsn == batch->lsn)
        result = IO_DONE; /* nothing was written since the segment began */
    else
        result = space_rotate(journal, space_slack(&committer->limits), error);
    if (result != IO_DONE || !done)
        return result;
    batch_clear(batch);
    pthread_mutex_lock(&journal->lock);
    committer->current = NULL;
    batch_release(journal, batch);
    pthread_mutex_unlock(&journal->lock);
    return IO_DONE;
}

/* --- closing ------------------------------------------------------------------------------------------ */

static int64_t close_due(const struct journal *journal, int64_t now_us)
{
    const struct committer *committer = &journal->committer;
    /* What finds no room may find it when value files go that wait for the record. */
    bool is_stuck = committer->retry_us[TASK_QUEUE] > now_us;
    bool is_quiet =
        committer->written == committer->durable && (is_stuck || queue_due(journal, now_us) == NEVER_US);
    if (!is_quiet || committer->recorded == committer->durable)
        return NEVER_US;
    if (journal_policy(journal) == SYNC_NO && !values_wait_for_record(journal))
        return NEVER_US;
    return committer->last_write_us + QUIET_US;
}

static enum io_result write_closing_frame(struct journal *journal, struct journal_error *error)
{
    struct buffer bytes = {0};
    memset(buffer_reserve(&bytes, FRAME_HEADER_SIZE), 0, FRAME_HEADER_SIZE);
    bytes.size = FRAME_HEADER_SIZE;
    enum io_result result = write_frame(journal, FRAME_CLOSE, 0, &bytes, error);
    buffer_free(&bytes);
    return result == IO_DONE ? committer_sync(journal, error) : result;
}

/* Where the segment has no room left for a frame, MANIFEST says it. */
static enum io_result close_run(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    bool fits = segment_writer_room(&committer->writer) >= FRAME_HEADER_SIZE;
    enum io_result result = fits ? write_closing_frame(journal, error) : space_record_durable(journal, error);
    /* It is a courtesy to the next recovery, not worth any effort on a full disk. */
    if (result == IO_FULL || (result == IO_DONE && !fits))
        committer->recorded = committer->durable;
    return result == IO_FULL ? IO_DONE : result;
}

/* --- tasks -------------------------------------------------------------------------------------------- */

static const struct {
    /* With the lock held: the monotonic time at which it is due; now_us or less for at once, NEVER_US for
     * never. */
    int64_t (*due)(const struct journal *journal, int64_t now_us);
    /* Without the lock. After IO_DONE it is not due again for the same reason; after IO_FULL it is tried
     * again. */
    enum io_result (*run)(struct journal *journal, struct journal_error *error);
} tasks[TASK_COUNT] = {
    [TASK_SYNC] = {sync_due, committer_sync},
    [TASK_ROOM] = {room_due, room_run},
    [TASK_AHEAD] = {ahead_due, ahead_run},
    [TASK_QUEUE] = {queue_due, queue_run},
    [TASK_REWRITE] = {rewrite_due, rewrite_run},
    [TASK_CLOSE] = {close_due, close_run},
    [TASK_HISTORY] = {history_due, history_run},
    [TASK_RETIRE] = {retire_due, retire_run},
    [TASK_RESERVE] = {reserve_due, reserve_run},
    [TASK_VALUES] = {values_due, values_run},
    [TASK_VALUE_ROOM] = {value_room_due, value_room_run},
};

static bool is_due(const struct journal *journal, enum task task, int64_t now_us)
{
    return journal->committer.retry_us[task] <= now_us && tasks[task].due(journal, now_us) <= now_us;
}

/* The first task that is due now; TASK_COUNT when none is, and *due_us is when one will be. */
static enum task find_due(const struct journal *journal, int64_t now_us, int64_t *due_us)
{
    *due_us = NEVER_US;
    if (atomic_load(&journal->has_failed))
        return TASK_COUNT;
    for (enum task task = 0; task < TASK_COUNT; task++) {
        int64_t due = tasks[task].due(journal, now_us);
        if (due < journal->committer.retry_us[task])
            due = journal->committer.retry_us[task];
        if (due <= now_us)
            return task;
        if (due < *due_us)
            *due_us = due;
    }
    return TASK_COUNT;
}

/* The task to be run now, of which first is the most urgent: it, or one that was passed over often. */
static enum task choose_due(struct journal *journal, enum task first, int64_t now_us)
{
    struct committer *committer = &journal->committer;
    enum task chosen = TASK_COUNT;
    if (first < TASK_AHEAD || first == TASK_COUNT)
        return first;
    for (enum task task = first + 1; task < TASK_COUNT; task++) {
        if (!is_due(journal, task, now_us))
            continue;
        /* In turn: the next behind the last, else the first. */
        if (chosen == TASK_COUNT || (chosen <= committer->last_below && task > committer->last_below))
            chosen = task;
    }
    committer->passed_over = chosen == TASK_COUNT ? 0 : committer->passed_over + 1;
    if (committer->passed_over <= PASSED_OVER_MAX)
        return first;
    committer->passed_over = 0;
    committer->last_below = chosen;
    return chosen;
}

/* Whether a task that found the disk full keeps writes from being admitted. The others can wait for room. */
static bool holds_writes_up(enum task task)
{
    return task == TASK_QUEUE || task == TASK_ROOM || task == TASK_VALUE_ROOM;
}

/* With the lock held. */
static void note_full(struct journal *journal, enum task task, const struct journal_error *error)
{
    journal->committer.retry_us[task] = clock_monotonic_us(journal->clock) + RETRY_US;
    /* What is being removed makes room. */
    if (remover_waits(&journal->remover)) {
        journal->removal_tasks |= 1u << task;
        return;
    }
    if (!holds_writes_up(task))
        return;
    journal->full_tasks |= 1u << task;
    atomic_store(&journal->full_reason, error->code == -EDQUOT  ? FULL_QUOTA
                                        : error->code == -EFBIG ? FULL_FILE
                                                                : FULL_DISK);
    if (task == TASK_ROOM)
        want_note_full(&journal->want, journal->committer.room_tried);
    if (task == TASK_VALUE_ROOM)
        want_note_full(&journal->value_want, journal->committer.value_room_tried);
    if (atomic_exchange(&journal->is_full, true))
        return;
    journal->full_since_us = clock_monotonic_us(journal->clock);
    diag(DIAG_WARNING, "%s. Writes are refused until there is room; it is tried again ten times a second",
         error->text);
}

static void note_done(struct journal *journal, enum task task)
{
    journal->committer.retry_us[task] = 0;
    journal->removal_tasks &= ~(1u << task);
    if (!holds_writes_up(task) || !journal->full_tasks)
        return;
    journal->full_tasks &= ~(1u << task);
    if (!journal->full_tasks) {
        atomic_store(&journal->is_full, false);
        diag(DIAG_NOTICE, "there is room for the log again: writes are taken");
    }
}

void queue_note_unblocked(struct journal *journal)
{
    note_done(journal, TASK_QUEUE);
}

static void note_failed(struct journal *journal, const struct journal_error *error)
{
    error_set(&journal->failure,
              "%s. What was made durable, to LSN %" PRIu64
              ", is safe; nothing more is acknowledged. See what the "
              "system's log says about the disk, then start again",
              error->text, journal->committer.durable);
    /* Said before the loop knows: it ends the process, which must not be over before the reason is told. */
    diag(DIAG_WARNING, "the log has failed: %s", journal->failure.text);
    atomic_store_explicit(&journal->has_failed, true, memory_order_release);
}

/* How far values are sure to find room. With the lock held. While the remover is behind, no more are taken
 * than it lets go. */
static void publish_values_room(struct journal *journal)
{
    const struct remover *remover = &journal->remover;
    uint64_t waiting = atomic_load(&remover->value_bytes);
    uint64_t limit = journal->values_limit;
    bool is_behind = waiting > journal->limits.segment_size &&
                     waiting > journal->limits.segment_size + journal_bytes_in_use(journal);
    if (is_behind && !journal->is_paced) {
        journal->paced_appended = atomic_load_explicit(&journal->values_appended, memory_order_acquire);
        journal->paced_gone = atomic_load(&remover->value_bytes_gone);
    }
    journal->is_paced = is_behind;
    if (is_behind) {
        uint64_t gone = atomic_load(&remover->value_bytes_gone) - journal->paced_gone;
        if (limit > journal->paced_appended + gone)
            limit = journal->paced_appended + gone;
    }
    atomic_store_explicit(&journal->values_room, limit, memory_order_release);
}

void committer_note_removed(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    struct committer *committer = &journal->committer;
    for (enum task task = 0; task < TASK_COUNT; task++)
        if (journal->removal_tasks & 1u << task)
            committer->retry_us[task] = 0;
    bool was_paced = journal->is_paced;
    if (journal->started)
        publish_values_room(journal);
    bool wakes = was_paced && journal->loop_waits;
    if (wakes)
        journal->loop_waits = false;
    committer_signal(journal);
    pthread_mutex_unlock(&journal->lock);
    if (wakes)
        journal->wake(journal->wake_context);
}

unsigned committer_publish(struct journal *journal)
{
    struct committer *committer = &journal->committer;
    lsn_t acknowledged = journal_acknowledged(journal);
    lsn_t durable = journal_durable(journal);
    bool by_sync = journal_policy(journal) == SYNC_ALWAYS;
    if ((by_sync ? committer->durable : committer->written) > acknowledged)
        atomic_store_explicit(&journal->acknowledged_us,
                              by_sync ? committer->last_sync_us : committer->last_write_us,
                              memory_order_relaxed);
    /* durable never passes written for whoever looks in between. */
    atomic_store_explicit(&journal->written, committer->written, memory_order_release);
    atomic_store_explicit(&journal->durable, committer->durable, memory_order_release);

    uint64_t room = segment_writer_room(&committer->writer);
    uint64_t slack = space_slack(&committer->limits);
    uint64_t limit = committer->placed + (room > slack ? room - slack : 0);
    uint64_t cut = queue_first_cut(journal);
    if (limit > cut)
        limit = cut; /* what follows does not go to this segment */
    uint64_t value_limit = reserve_room(committer);
    /* Where a file system copies on write, what was reserved may be missing: wait for no room that is not
     * there. */
    if (journal->full_tasks & 1u << TASK_QUEUE) {
        limit = committer->placed;
        value_limit = committer->values_placed;
    }
    atomic_store_explicit(&journal->room, limit, memory_order_release);
    journal->values_limit = value_limit;
    publish_values_room(journal);
    journal->stats.segment_reserved = room;
    journal->stats.spare_files = committer->spare_count;
    journal->stats.spare_bytes = space_spare_bytes(committer);

    bool sync_was_asked = journal->sync_target > durable && journal->sync_target <= committer->durable;
    unsigned wake = journal->loop_waits || sync_was_asked ? WAKE_WAITING : 0;
    journal->loop_waits = false;
    return journal_acknowledged(journal) > acknowledged ? wake | WAKE_ACKNOWLEDGED : wake;
}

/* Whether a task makes other calls to the disk than those that write and sync frames: at once, or never.
 * TASK_QUEUE and TASK_HISTORY do that now and then, and sync before by themselves. */
static bool is_lengthy(enum task task)
{
    return task != TASK_SYNC && task != TASK_QUEUE && task != TASK_VALUES && task != TASK_HISTORY;
}

/* Runs a task that is due, and returns what the loop is to be woken for. Called with the lock held, which is
 * given up meanwhile. */
static unsigned run_task(struct journal *journal, enum task task)
{
    struct journal_error error = {""};
    journal->committer.task_began_us = clock_monotonic_us(journal->clock);
    bool was_rewriting = atomic_load(&journal->rewriting);
    ASSERT(!journal->task_runs);
    journal->committer.limits = journal->limits;
    journal->task_runs = true;
    pthread_mutex_unlock(&journal->lock);
    enum io_result result = is_lengthy(task) ? committer_sync_before(journal, &error) : IO_DONE;
    if (result == IO_DONE)
        result = tasks[task].run(journal, &error);
    note_call(journal, journal->committer.task_began_us);
    pthread_mutex_lock(&journal->lock);
    journal->task_runs = false;
    lsn_t durable = journal_durable(journal);
    bool loop_waits = journal->loop_waits;
    switch (result) {
    case IO_DONE: note_done(journal, task); break;
    case IO_FULL: note_full(journal, task, &error); break;
    case IO_FAILED: note_failed(journal, &error); break;
    }
    /* A task that failed may have written without having synced: nothing of that is told. */
    unsigned wake = result == IO_FAILED ? WAKE_WAITING : committer_publish(journal);
    /* Nothing has changed for whoever waits for room: the remover tells when it has. */
    if (result == IO_FULL && journal->removal_tasks & 1u << task && journal_durable(journal) == durable) {
        wake &= ~WAKE_WAITING;
        journal->loop_waits = loop_waits;
    }
    return was_rewriting && !atomic_load(&journal->rewriting) ? wake | WAKE_WAITING : wake;
}

static void wake_loop(struct journal *journal)
{
    pthread_mutex_unlock(&journal->lock);
    journal->wake(journal->wake_context);
    pthread_mutex_lock(&journal->lock);
}

bool committer_step(struct journal *journal, int64_t *due_us)
{
    *due_us = NEVER_US;
    if (journal->task_runs)
        return false; /* the loop does it, and tells when it has */
    journal->committer.limits = journal->limits;
    int64_t now_us = clock_monotonic_us(journal->clock);
    enum task task = choose_due(journal, find_due(journal, now_us, due_us), now_us);
    if (task == TASK_COUNT)
        return false;
    if (run_task(journal, task))
        wake_loop(journal);
    return true;
}

void committer_work_for_loop(struct journal *journal)
{
    int64_t due_us;
    enum task task;
    unsigned wake = 0;
    journal->committer.limits = journal->limits;
    /* A frame, and its sync. What another thread hands over as the loop meanwhile is not for this one. */
    for (int left = 2;; left--) {
        task = find_due(journal, clock_monotonic_us(journal->clock), &due_us);
        bool is_ours = task == TASK_QUEUE || (task == TASK_SYNC && journal_policy(journal) == SYNC_ALWAYS);
        if (!is_ours || left == 0)
            break;
        wake |= run_task(journal, task);
    }
    /* That more is acknowledged it sees by itself. */
    if (wake & WAKE_WAITING)
        wake_loop(journal);
    if (task != TASK_COUNT || due_us < journal->committer_due_us)
        committer_signal(journal);
}

bool journal_work_committer(struct journal *journal)
{
    ASSERT(journal->started && !journal->threaded);
    int64_t due_us;
    pthread_mutex_lock(&journal->lock);
    bool worked = committer_step(journal, &due_us);
    pthread_mutex_unlock(&journal->lock);
    return worked;
}

bool journal_work_loader(struct journal *journal)
{
    ASSERT(journal->started && !journal->threaded);
    return values_load_one(journal);
}

bool journal_work_remover(struct journal *journal)
{
    ASSERT(journal->started && !journal->threaded);
    return remover_step(journal);
}

bool journal_work(struct journal *journal)
{
    return journal_work_committer(journal) || journal_work_loader(journal) || journal_work_remover(journal);
}

int64_t journal_work_due_us(const struct journal *journal)
{
    ASSERT(journal->started && !journal->threaded);
    int64_t due_us;
    int64_t now_us = clock_monotonic_us(journal->clock);
    bool is_due_now = find_due(journal, now_us, &due_us) != TASK_COUNT || values_load_due(journal) ||
                      (remover_waits(&journal->remover) && journal->remover.working == 0);
    return is_due_now ? now_us : due_us;
}

/* --- the thread --------------------------------------------------------------------------------------- */

/* With the lock held, which is given up meanwhile. */
static void wait_until(struct journal *journal, int64_t due_us)
{
    journal->committer_waits = true;
    journal->committer_due_us = due_us;
    if (due_us == NEVER_US) {
        pthread_cond_wait(&journal->changed, &journal->lock);
    } else {
        int64_t wait_us = due_us - clock_monotonic_us(journal->clock);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + (wait_us > 0 ? wait_us % 1000000 : 0) * 1000;
        until.tv_sec += (wait_us > 0 ? wait_us / 1000000 : 0) + ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
        pthread_cond_timedwait(&journal->changed, &journal->lock, &until);
    }
    journal->committer_waits = false;
}

static void *commit_thread(void *argument)
{
    struct journal *journal = argument;
    int64_t due_us;
    memory_thread_register();
    pthread_mutex_lock(&journal->lock);
    while (!journal->stopping)
        if (!committer_step(journal, &due_us) && !journal->stopping)
            wait_until(journal, due_us);
    pthread_mutex_unlock(&journal->lock);
    return NULL;
}

bool committer_start_thread(struct journal *journal)
{
    journal->has_thread = thread_start(&journal->thread, commit_thread, journal, "dkv-commit");
    return journal->has_thread;
}

void committer_stop_thread(struct journal *journal)
{
    if (!journal->has_thread)
        return;
    pthread_mutex_lock(&journal->lock);
    journal->stopping = true;
    committer_signal(journal);
    pthread_mutex_unlock(&journal->lock);
    pthread_join(journal->thread, NULL);
    journal->has_thread = false;
}

/* --- the end ------------------------------------------------------------------------------------------ */

/* A full disk may be full of what is to be removed. */
static enum io_result finish_queue(struct journal *journal, struct journal_error *error)
{
    enum io_result result = queue_run(journal, error);
    return result == IO_FULL && remover_drain(journal) ? queue_run(journal, error) : result;
}

static enum io_result finish_tasks(struct journal *journal, struct journal_error *error)
{
    struct committer *committer = &journal->committer;
    enum io_result result = IO_DONE;
    while (result == IO_DONE && queue_due(journal, 0) != NEVER_US)
        result = finish_queue(journal, error);
    /* What was written is worth a sync even if the rest found no room. */
    if (result != IO_FAILED && committer->written != committer->durable) {
        struct journal_error sync_error;
        if (committer_sync(journal, &sync_error) == IO_FAILED) {
            *error = sync_error;
            result = IO_FAILED;
        }
    }
    if (result == IO_DONE && committer->recorded != committer->durable)
        result = close_run(journal, error);
    if (result == IO_DONE && rewrite_due(journal, 0) != NEVER_US)
        result = rewrite_run(journal, error);
    if (result == IO_DONE && space_record_end(journal, error) == IO_FAILED)
        result = IO_FAILED; /* on a full disk, the closing frame has to do */
    while (result == IO_DONE && values_due(journal, 0) != NEVER_US)
        result = values_run(journal, error);
    if (result != IO_FAILED)
        reserve_drop(journal, true);
    return result;
}

bool committer_finish(struct journal *journal)
{
    ASSERT(!journal->has_thread);
    if (atomic_load(&journal->has_failed))
        return false;
    struct journal_error error = {""};
    enum io_result result = finish_tasks(journal, &error);
    pthread_mutex_lock(&journal->lock);
    if (result == IO_FAILED)
        note_failed(journal, &error);
    else
        committer_publish(journal);
    pthread_mutex_unlock(&journal->lock);
    if (result == IO_FULL)
        diag(DIAG_WARNING,
             "%s: %" PRIu64 " bytes from LSN %" PRIu64
             " on could not be written and are lost. None of it was acknowledged",
             error.text, journal_executed(journal) - journal->committer.durable, journal->committer.durable);
    return result == IO_DONE;
}

void committer_free(struct journal *journal)
{
    struct committer *committer = &journal->committer;
    segment_writer_close(&committer->writer);
    manifest_free(&committer->manifest);
    buffer_free(&committer->retired);
    if (committer->current)
        batch_free(committer->current);
    committer->current = NULL;
}
