#include "journal/values.h"

#include <errno.h>

#include "base/diag.h"
#include "base/hash.h"
#include "base/memory.h"
#include "journal/journal_private.h"

#define TABLE_SIZE_MIN 64
/* So many files are handed to the remover in one go: the loop may be waiting for the lock. */
#define LET_GO_MAX 1000

struct values *values_new(void)
{
    struct values *values = mem_alloc_zero(sizeof(*values));
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&values->lock, NULL);
    pthread_cond_init(&values->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    values->references = 1;
    struct list *lists[] = {&values->planned,  &values->rewriting, &values->dropped,
                            &values->dead,     &values->kept,      &values->removable,
                            &values->unloaded, &values->wanted,    &values->loaded};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        list_init(lists[i]);
    values->is_recovering = true;
    return values;
}

/* With the lock held, which is gone afterwards. */
static void values_unlock_and_drop(struct values *values)
{
    bool is_last = --values->references == 0;
    pthread_mutex_unlock(&values->lock);
    if (!is_last)
        return;
    pthread_cond_destroy(&values->changed);
    pthread_mutex_destroy(&values->lock);
    mem_free(values->table);
    buffer_free(&values->found);
    mem_free(values);
}

/* --- records ------------------------------------------------------------------------------------------ */

/* The loop decides about it. With the lock held. */
static void drop(struct value_file *file)
{
    list_append(&file->values->dropped, &file->node);
    atomic_store(&file->values->has_dropped, true);
}

static void value_released(struct blob_origin *origin)
{
    struct value_file *file = (struct value_file *)(void *)origin;
    struct values *values = file->values;
    pthread_mutex_lock(&values->lock);
    if (file->is_unloaded) {
        values->unloaded_count--;
        values->unloaded_bytes -= file->size;
        file->is_unloaded = false;
        list_remove(&file->node);
    }
    file->blob = NULL;
    if (values->is_closed) {
        list_remove(&file->node);
        value_file_free(file);
        values_unlock_and_drop(values);
        return;
    }
    if (values->is_recovering && file->state == VALUE_WRITTEN) {
        file->is_released = true; /* it stays in the table: the end of recovery looks what is left */
        file->dead_lsn = values->replay_lsn;
    } else if (file->state == VALUE_REWRITE) {
        file->is_released = true; /* its fate hangs on the child's */
    } else {
        if (file->state == VALUE_PLANNED)
            list_remove(&file->node);
        drop(file);
    }
    pthread_mutex_unlock(&values->lock);
}

struct value_file *value_file_new(struct values *values, enum value_state state, uint64_t size)
{
    struct value_file *file = mem_alloc_zero(sizeof(*file));
    file->origin.released = value_released;
    file->values = values;
    file->state = state;
    file->size = size;
    values->references++;
    return file;
}

void value_file_free(struct value_file *file)
{
    ASSERT(!list_linked(&file->node));
    mem_free((void *)(uintptr_t)file->key.data);
    mem_free(file->loaded);
    mem_free(file->wrong);
    mem_free(file);
}

void value_give_name(struct value_file *file, lsn_t lsn)
{
    struct values *values = file->values;
    if (lsn > values->last_lsn) {
        values->last_lsn = lsn;
        values->next_number = 0;
    }
    file->lsn = lsn;
    file->number = values->next_number++;
}

void value_bury(struct value_file *file, struct list *list)
{
    struct values *values = file->values;
    list_append(list, &file->node);
    values->dead_count++;
    values->dead_bytes += file->size;
    values->recheck |= list == &values->kept;
    atomic_store(&values->has_dead, true);
}

void value_make_checksum(struct value_file *file, const struct blob *blob)
{
    if (atomic_load_explicit(&file->has_checksum, memory_order_acquire))
        return;
    file->checksum = hash_bytes(blob->data, blob->size, 0);
    atomic_store_explicit(&file->has_checksum, true, memory_order_release);
}

struct value_reference value_refer(const struct value_file *file, uint64_t offset)
{
    return (struct value_reference){.offset = offset,
                                    .size = file->size,
                                    .lsn = file->lsn,
                                    .number = file->number,
                                    .checksum = file->checksum};
}

static void free_list(struct list *list)
{
    struct list_node *node;
    while ((node = list_take_first(list)) != NULL) {
        struct value_file *file = LIST_OWNER(node, struct value_file, node);
        file->values->references--;
        value_file_free(file);
    }
}

/* Records that no blob has are freed; the others free themselves when their blobs go. */
void values_close(struct values *values)
{
    pthread_mutex_lock(&values->lock);
    values->is_closed = true;
    struct list *dead[] = {&values->dropped, &values->dead, &values->kept, &values->removable};
    for (size_t i = 0; i < sizeof(dead) / sizeof(dead[0]); i++)
        free_list(dead[i]);
    for (struct list_node *node = list_first(&values->rewriting), *next; node; node = next) {
        struct value_file *file = LIST_OWNER(node, struct value_file, node);
        next = list_next(&values->rewriting, node);
        if (file->is_released) {
            list_remove(node);
            values->references--;
            value_file_free(file);
        }
    }
    /* Recovery that did not come to its end. */
    for (size_t i = 0; i < values->table_size; i++)
        for (struct value_file *file = values->table[i], *next; file; file = next) {
            next = file->chain;
            file->chain = NULL;
            if (file->is_released) {
                values->references--;
                value_file_free(file);
            }
        }
    values->table_size = 0;
    /* Lists of what lives on must not be walked to any more: their heads go with this. */
    struct list *living[] = {&values->planned, &values->rewriting, &values->unloaded};
    for (size_t i = 0; i < sizeof(living) / sizeof(living[0]); i++)
        while (list_take_first(living[i]))
            ;
    values_unlock_and_drop(values);
}

/* --- the table of recovery ---------------------------------------------------------------------------- */

static size_t slot_of(const struct values *values, lsn_t lsn, uint32_t number)
{
    uint64_t mixed = (lsn ^ (uint64_t)number << 40 ^ number) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32) & (values->table_size - 1);
}

struct value_file *values_find(const struct values *values, lsn_t lsn, uint32_t number)
{
    if (values->table_size == 0)
        return NULL;
    struct value_file *file = values->table[slot_of(values, lsn, number)];
    while (file && (file->lsn != lsn || file->number != number))
        file = file->chain;
    return file;
}

static void table_link(struct values *values, struct value_file *file)
{
    struct value_file **slot = &values->table[slot_of(values, file->lsn, file->number)];
    file->chain = *slot;
    *slot = file;
}

void values_add(struct values *values, struct value_file *file)
{
    if (values->table_used >= values->table_size) {
        struct value_file **old = values->table;
        size_t old_size = values->table_size;
        values->table_size = old_size ? 2 * old_size : TABLE_SIZE_MIN;
        values->table = mem_alloc_zero(values->table_size * sizeof(struct value_file *));
        for (size_t i = 0; i < old_size; i++)
            for (struct value_file *each = old[i], *next; each; each = next) {
                next = each->chain;
                table_link(values, each);
            }
        mem_free(old);
    }
    table_link(values, file);
    values->table_used++;
}

/* --- the loop's side ---------------------------------------------------------------------------------- */

static struct slice copy_key(struct slice key)
{
    size_t size = key.size < VALUE_KEY_MAX ? key.size : VALUE_KEY_MAX;
    if (size == 0)
        return slice_make(NULL, 0);
    return slice_make(memcpy(mem_alloc(size), key.data, size), size);
}

/* Names the record for a unit that begins here. With the lock held. */
static void name_for_unit(struct journal *journal, struct value_file *file, struct slice key)
{
    list_remove(&file->node); /* of the planned ones */
    value_give_name(file, journal_executed(journal));
    file->state = VALUE_NAMED;
    file->key = copy_key(key);
    file->values->count++;
    file->values->bytes += file->size;
    uint64_t space = file->size + VALUE_FILE_OVERHEAD;
    atomic_store_explicit(&journal->values_appended,
                          atomic_load_explicit(&journal->values_appended, memory_order_relaxed) + space,
                          memory_order_release);
}

void journal_unit_value(struct journal *journal, struct blob *blob, struct slice key)
{
    ASSERT(journal->unit_is_open && blob->size > 0);
    struct values *values = journal->values;
    pthread_mutex_lock(&values->lock);
    struct value_file *file = value_of(blob);
    /* What the child writes may come to nothing. If it does not, the base may name it for another key of the
     * same blob, and needs it as long as it is in use. */
    if (file && file->state == VALUE_REWRITE) {
        file->is_released = true;
        file->pinned_lsn = journal_executed(journal) + 1;
        file = NULL;
    }
    if (!file)
        file = value_file_new(values, VALUE_PLANNED, blob->size);
    if (file->state == VALUE_PLANNED)
        name_for_unit(journal, file, key);
    blob->origin = &file->origin;
    pthread_mutex_unlock(&values->lock);
    batch_add_value(journal->open, blob);
}

void journal_value_plan(struct journal *journal, struct blob *blob)
{
    struct values *values = journal->values;
    ASSERT(!blob->origin);
    pthread_mutex_lock(&values->lock);
    struct value_file *file = value_file_new(values, VALUE_PLANNED, blob->size);
    list_append(&values->planned, &file->node);
    blob->origin = &file->origin;
    pthread_mutex_unlock(&values->lock);
}

void journal_value_used(struct journal *journal, struct blob_origin *origin)
{
    struct values *values = journal->values;
    struct value_file *file = (struct value_file *)(void *)origin;
    pthread_mutex_lock(&values->lock);
    /* The unit that reads it is being built, or replayed: it ends behind this. */
    file->pinned_lsn = values->is_recovering ? values->replay_lsn : journal_executed(journal) + 1;
    pthread_mutex_unlock(&values->lock);
}

/* What was dropped since the last call was replaced by units that have ended by now; or by none, where a
 * command took a value apart from its file and left every byte as it was. Then it was said to be used, and
 * the unit to come is the first whose end no longer needs the file: a base of this very LSN may name it.
 *
 * What has no file yet needs none any more. It is not freed before, for the command that let go of it may
 * still say that it is used. */
bool values_collect(struct journal *journal)
{
    struct values *values = journal->values;
    ASSERT(!journal->unit_is_open);
    if (!atomic_load_explicit(&values->has_dropped, memory_order_relaxed))
        return false;
    bool has_died = false;
    pthread_mutex_lock(&values->lock);
    struct list_node *node;
    while ((node = list_take_first(&values->dropped)) != NULL) {
        struct value_file *file = LIST_OWNER(node, struct value_file, node);
        if (file->state == VALUE_PLANNED) {
            value_file_free(file);
            values->references--;
            continue;
        }
        has_died = true;
        lsn_t executed = journal_executed(journal);
        file->dead_lsn = file->pinned_lsn > executed ? file->pinned_lsn : executed;
        value_bury(file, &values->dead);
    }
    atomic_store(&values->has_dropped, false);
    pthread_mutex_unlock(&values->lock);
    return has_died;
}

/* --- the rewrite -------------------------------------------------------------------------------------- */

void values_rewrite_begin(struct journal *journal, lsn_t lsn)
{
    struct values *values = journal->values;
    pthread_mutex_lock(&values->lock);
    ASSERT(list_empty(&values->rewriting));
    for (struct list_node *node = list_first(&values->planned); node;
         node = list_next(&values->planned, node)) {
        struct value_file *file = LIST_OWNER(node, struct value_file, node);
        value_give_name(file, lsn);
        file->state = VALUE_REWRITE;
        file->child_has_written = false;
        values->count++;
        values->bytes += file->size;
    }
    list_splice(&values->rewriting, &values->planned);
    pthread_mutex_unlock(&values->lock);
}

/* The child wrote it, and the base that refers to it is in force. */
static void rewrite_keep(struct value_file *file)
{
    file->state = VALUE_WRITTEN;
    if (!file->is_released)
        return;
    file->is_released = false;
    drop(file);
}

/* What the child wrote of it goes; the value waits for the next rewrite, if a blob still has it. The record
 * itself never goes here: the loop may be running the command that let go of it. */
static void rewrite_undo(struct value_file *file)
{
    struct values *values = file->values;
    struct value_file *gone = value_file_new(values, VALUE_WRITTEN, file->size);
    gone->lsn = file->lsn;
    gone->number = file->number;
    value_bury(gone, &values->removable);
    file->state = VALUE_PLANNED;
    if (file->is_released)
        drop(file);
    else
        list_append(&values->planned, &file->node);
    file->is_released = false;
}

void values_rewrite_end(struct journal *journal, bool ok)
{
    struct values *values = journal->values;
    struct list_node *node;
    pthread_mutex_lock(&values->lock);
    while ((node = list_take_first(&values->rewriting)) != NULL) {
        struct value_file *file = LIST_OWNER(node, struct value_file, node);
        if (ok)
            rewrite_keep(file);
        else
            rewrite_undo(file);
    }
    values->recheck = true;
    pthread_mutex_unlock(&values->lock);
}

/* --- the committer's side ----------------------------------------------------------------------------- */

/* Whether older states are kept: then a file that is dead may be needed however young the base in use is. */
static bool keeps_history(const struct journal *journal)
{
    const struct committer *committer = &journal->committer;
    return committer->limits.history_bases > 0 || committer->limits.history_seconds > 0 ||
           committer->manifest.base_count > 1;
}

/* Whether nothing that MANIFEST still has can need the file; its replacement is durable. */
static bool is_removable(const struct journal *journal, const struct value_file *file)
{
    lsn_t oldest = journal->committer.manifest.bases[0].lsn;
    return oldest >= file->dead_lsn || (!keeps_history(journal) && oldest >= file->pinned_lsn);
}

/* Whether no recovery can end before what replaced the value. With the lock held. */
static bool is_past_recall(const struct journal *journal, struct list_node *node)
{
    return node && LIST_OWNER(node, struct value_file, node)->dead_lsn <= journal->committer.on_record;
}

int64_t values_due(const struct journal *journal, int64_t now_us)
{
    struct values *values = journal->values;
    if (!atomic_load_explicit(&values->has_dead, memory_order_acquire))
        return NEVER_US;
    pthread_mutex_lock(&values->lock);
    bool due = (values->recheck && !list_empty(&values->kept)) || !list_empty(&values->removable) ||
               is_past_recall(journal, list_first(&values->dead));
    pthread_mutex_unlock(&values->lock);
    return due ? now_us : NEVER_US;
}

bool values_wait_for_record(const struct journal *journal)
{
    struct values *values = journal->values;
    if (!atomic_load_explicit(&values->has_dead, memory_order_acquire))
        return false;
    pthread_mutex_lock(&values->lock);
    bool waits = !list_empty(&values->dead);
    pthread_mutex_unlock(&values->lock);
    return waits;
}

/* Puts a dead file among those that go, or among those that something still keeps. With the lock held. */
static void sort_dead(struct journal *journal, struct value_file *file)
{
    struct values *values = journal->values;
    bool is_removed = is_removable(journal, file);
    list_append(is_removed ? &values->removable : &values->kept, &file->node);
    if (!is_removed && !keeps_history(journal))
        values->pinned_bytes += file->size;
}

/* With the lock held. Those that were kept are looked at again only when what keeps them has changed: with
 * each of 60,000 that died, going through all others took minutes. */
static void sort_out(struct journal *journal)
{
    struct values *values = journal->values;
    struct list_node *node;
    if (values->recheck) {
        struct list kept;
        list_init(&kept);
        list_splice(&kept, &values->kept);
        values->pinned_bytes = 0;
        while ((node = list_take_first(&kept)) != NULL)
            sort_dead(journal, LIST_OWNER(node, struct value_file, node));
        values->recheck = false;
    }
    while (is_past_recall(journal, node = list_first(&values->dead))) {
        list_remove(node);
        sort_dead(journal, LIST_OWNER(node, struct value_file, node));
    }
}

/* Hands the file to the remover. With the lock held. */
static void let_go(struct journal *journal, struct value_file *file)
{
    struct values *values = journal->values;
    char name[FILE_NAME_SIZE];
    value_name(name, file->lsn, file->number);
    remover_add_value(journal, name, file->size);
    values->count--;
    values->bytes -= file->size;
    values->dead_count--;
    values->dead_bytes -= file->size;
    atomic_store(&values->has_dead, values->dead_count > 0);
    value_file_free(file);
    values->references--;
}

/* Touches no file, and stands before the queue: what is dead reaches the remover whatever there is to write.
 */
enum io_result values_run(struct journal *journal, struct journal_error *error)
{
    (void)error;
    struct values *values = journal->values;
    struct list_node *node;
    pthread_mutex_lock(&values->lock);
    sort_out(journal);
    for (int left = LET_GO_MAX; left > 0 && (node = list_take_first(&values->removable)) != NULL; left--)
        let_go(journal, LIST_OWNER(node, struct value_file, node));
    pthread_mutex_unlock(&values->lock);
    return IO_DONE;
}

void values_recheck(struct journal *journal)
{
    struct values *values = journal->values;
    pthread_mutex_lock(&values->lock);
    values->recheck = true;
    pthread_mutex_unlock(&values->lock);
}

enum io_result value_write(struct journal *journal, struct value_file *file, const struct blob *blob,
                           struct value_writer *writer, bool *done, struct journal_error *error)
{
    enum io_result result = IO_DONE;
    if (!writer->file) {
        struct value_header header = {.lsn = file->lsn,
                                      .number = file->number,
                                      .size = file->size,
                                      .time_ms = journal_time_ms(journal),
                                      .key = file->key};
        memcpy(header.stream_id, journal->stream_id, STREAM_ID_SIZE);
        result = value_writer_begin(writer, journal->disk, &header, blob->data, error);
        /* What was reserved for it when it was admitted. */
        if (result == IO_FULL && error->code != -EFBIG &&
            reserve_give(journal, value_file_size(file->size) + VALUE_FILE_OVERHEAD))
            result = value_writer_begin(writer, journal->disk, &header, blob->data, error);
    }
    if (result == IO_DONE)
        result = value_writer_step(writer, VALUE_STEP, done, error);
    if (result != IO_DONE || !*done)
        return result;
    pthread_mutex_lock(&file->values->lock);
    file->checksum = writer->checksum;
    atomic_store_explicit(&file->has_checksum, true, memory_order_release);
    file->state = VALUE_WRITTEN;
    mem_free((void *)(uintptr_t)file->key.data);
    file->key = slice_make(NULL, 0);
    pthread_mutex_unlock(&file->values->lock);
    journal->committer.values_placed += file->size + VALUE_FILE_OVERHEAD;
    journal->committer.reserve_used_us = clock_monotonic_us(journal->clock);
    return IO_DONE;
}
