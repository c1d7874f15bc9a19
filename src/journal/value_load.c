/* Values and recovery: which files are needed, and reading them.
 *
 * While the stream is replayed nothing is read but what a partial change needs: most versions are replaced by
 * the next. At its end the blobs that are left tell what is in use.
 *
 * Only the loop gives a blob its bytes. Threads that read put what they read into the record, and the loop
 * takes it from there; meanwhile the list holds a reference to the blob. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/thread.h"
#include "journal/journal_private.h"

/* Threads that read at the start: reading and checking overlap, and several files are under way at a time. */
#define START_THREADS 4
/* The start looks up after so long at the latest, for whoever wants to know how far it is. */
#define START_WAIT_MS 20

/* --- references --------------------------------------------------------------------------------------- */

static struct blob *unloaded_blob(struct value_file *file)
{
    struct values *values = file->values;
    struct blob *blob = mem_alloc_zero(sizeof(*blob));
    atomic_init(&blob->references, 1);
    blob->size = file->size;
    blob->origin = &file->origin;
    file->blob = blob;
    file->is_unloaded = true;
    list_append(&values->unloaded, &file->node);
    values->unloaded_count++;
    values->unloaded_bytes += file->size;
    return blob;
}

struct blob *journal_value_blob(struct journal *journal, const struct value_reference *value,
                                const char **wrong)
{
    struct values *values = journal->values;
    struct blob *blob = NULL;
    *wrong = NULL;
    pthread_mutex_lock(&values->lock);
    ASSERT(values->is_recovering);
    struct value_file *file = values_find(values, value->lsn, value->number);
    if (!file) {
        file = value_file_new(values, VALUE_WRITTEN, value->size);
        file->lsn = value->lsn;
        file->number = value->number;
        file->checksum = value->checksum;
        atomic_store(&file->has_checksum, true);
        values_add(values, file);
    }
    if (file->size != value->size || file->checksum != value->checksum)
        *wrong = "it refers to a value file of another size or checksum than an earlier frame does";
    else if (file->blob)
        blob = blob_share(file->blob);
    else
        blob = unloaded_blob(file);
    if (!*wrong)
        file->is_released = false;
    pthread_mutex_unlock(&values->lock);
    return blob;
}

void values_found(struct journal *journal, lsn_t lsn, uint32_t number)
{
    struct values *values = journal->values;
    struct value_name name = {lsn, number};
    buffer_append(&values->found, &name, sizeof(name));
    /* Recovery may end before the highest LSN of them: what is named until the stream is past that must be
     * new for every LSN. */
    if (lsn > values->last_lsn)
        values->last_lsn = lsn;
    if (number >= values->next_number)
        values->next_number = number + 1;
}

/* --- reading ------------------------------------------------------------------------------------------ */

/* The file's bytes in an allocation of their own; NULL, with the reason. */
static char *read_value(const struct journal *journal, const struct value_file *file,
                        struct journal_error *error)
{
    struct value_reference value = value_refer(file, 0);
    char *data = mem_try_alloc(value.size);
    if (!data) {
        error_set(error, "there is not enough memory for a value of %" PRIu64 " bytes", value.size);
        return NULL;
    }
    if (value_file_read(journal->disk, journal->stream_id, &value, data, error))
        return data;
    mem_free(data);
    return NULL;
}

/* With the lock held. */
static void give_bytes(struct value_file *file, struct blob *blob, char *data)
{
    ASSERT(!blob->data);
    blob->data = data;
    blob->capacity = blob->size;
    file->is_unloaded = false;
    file->values->unloaded_count--;
    file->values->unloaded_bytes -= file->size;
}

const char *journal_value_load(struct journal *journal, struct blob *blob)
{
    struct values *values = journal->values;
    struct value_file *file = value_of(blob);
    struct journal_error error;
    if (blob_is_loaded(blob))
        return NULL;
    pthread_mutex_lock(&values->lock);
    if (file->wrong) {
        /* Told now; the next one who asks has it tried again. */
        snprintf(values->told, sizeof(values->told), "%s", file->wrong);
        mem_free(file->wrong);
        file->wrong = NULL;
        pthread_mutex_unlock(&values->lock);
        return values->told;
    }
    pthread_mutex_unlock(&values->lock);
    char *data = read_value(journal, file, &error);
    pthread_mutex_lock(&values->lock);
    if (data) {
        /* A thread may be reading it, too; then what that gives is dropped (journal_values_install). */
        if (!file->is_wanted)
            list_remove(&file->node);
        give_bytes(file, blob, data);
    } else {
        snprintf(values->told, sizeof(values->told), "%s", error.text);
    }
    pthread_mutex_unlock(&values->lock);
    return data ? NULL : values->told;
}

/* The next that is to be read; NULL when there is none. With the lock held. */
static struct value_file *take_wanted(struct values *values)
{
    struct list_node *node = list_take_first(&values->wanted);
    return node ? LIST_OWNER(node, struct value_file, node) : NULL;
}

/* Reads one for the loop. With the lock held, which is given up meanwhile. */
static void load(struct journal *journal, struct value_file *file)
{
    struct values *values = journal->values;
    struct journal_error error;
    bool is_needed = blob_is_shared(file->blob); /* somebody has it besides the list */
    char *data = NULL;
    pthread_mutex_unlock(&values->lock);
    if (is_needed)
        data = read_value(journal, file, &error);
    pthread_mutex_lock(&values->lock);
    file->loaded = data;
    if (is_needed && !data && !file->wrong)
        file->wrong = mem_strdup(error.text);
    list_append(&values->loaded, &file->node);
    atomic_store(&values->has_loaded, true);
}

static void *load_thread(void *argument)
{
    struct journal *journal = argument;
    struct values *values = journal->values;
    memory_thread_register();
    pthread_mutex_lock(&values->lock);
    while (!values->stopping) {
        struct value_file *file = take_wanted(values);
        if (!file) {
            pthread_cond_wait(&values->changed, &values->lock);
            continue;
        }
        load(journal, file);
        pthread_cond_broadcast(&values->changed);
        pthread_mutex_unlock(&values->lock);
        journal->wake(journal->wake_context);
        pthread_mutex_lock(&values->lock);
    }
    pthread_mutex_unlock(&values->lock);
    return NULL;
}

static void start_threads(struct journal *journal, int count)
{
    struct values *values = journal->values;
    while (values->thread_count < count &&
           thread_start(&values->threads[values->thread_count], load_thread, journal, "dkv-load"))
        values->thread_count++;
    if (values->thread_count == 0)
        panic("cannot start a thread that reads large values");
}

static void end_threads(struct values *values)
{
    pthread_mutex_lock(&values->lock);
    values->stopping = true;
    pthread_cond_broadcast(&values->changed);
    pthread_mutex_unlock(&values->lock);
    for (int i = 0; i < values->thread_count; i++)
        pthread_join(values->threads[i], NULL);
    values->thread_count = 0;
    values->stopping = false;
}

/* With the lock held. */
static void want(struct value_file *file)
{
    list_remove(&file->node);
    file->is_wanted = true;
    blob_share(file->blob);
    list_append(&file->values->wanted, &file->node);
}

static void move_to_front(struct list *list, struct list_node *node)
{
    struct list front;
    list_remove(node);
    list_init(&front);
    list_append(&front, node);
    list_splice(&front, list);
    list_splice(list, &front);
}

const char *journal_value_request(struct journal *journal, struct blob *blob)
{
    struct values *values = journal->values;
    struct value_file *file = value_of(blob);
    if (blob_is_loaded(blob))
        return NULL;
    pthread_mutex_lock(&values->lock);
    const char *wrong = file->wrong;
    bool is_taken = file->is_wanted && (!list_linked(&file->node) || file->loaded);
    if (!wrong && !is_taken) {
        if (!file->is_wanted)
            want(file);
        move_to_front(&values->wanted, &file->node);
        pthread_cond_broadcast(&values->changed);
    }
    pthread_mutex_unlock(&values->lock);
    if (!wrong && journal->threaded && values->thread_count == 0)
        start_threads(journal, 1);
    return wrong;
}

void journal_values_install(struct journal *journal)
{
    struct values *values = journal->values;
    if (!atomic_load_explicit(&values->has_loaded, memory_order_acquire))
        return;
    struct list_node *node;
    pthread_mutex_lock(&values->lock);
    while ((node = list_take_first(&values->loaded)) != NULL) {
        struct value_file *file = LIST_OWNER(node, struct value_file, node);
        struct blob *blob = file->blob;
        file->is_wanted = false;
        if (file->loaded && !blob->data)
            give_bytes(file, blob, file->loaded);
        else
            mem_free(file->loaded);
        file->loaded = NULL;
        if (file->is_unloaded)
            list_append(&values->unloaded, &file->node);
        if (file->wrong)
            diag(DIAG_WARNING, "a value cannot be loaded: %s. To look: dkv-log verify %s", file->wrong,
                 journal->folder);
        pthread_mutex_unlock(&values->lock);
        blob_drop(blob); /* which may free the record */
        pthread_mutex_lock(&values->lock);
    }
    atomic_store(&values->has_loaded, false);
    pthread_mutex_unlock(&values->lock);
}

void journal_values_each(struct journal *journal, void (*visit)(void *context, const char *name),
                         void *context)
{
    struct values *values = journal->values;
    for (struct list_node *node = list_first(&values->unloaded); node;
         node = list_next(&values->unloaded, node)) {
        const struct value_file *file = LIST_OWNER(node, struct value_file, node);
        char name[FILE_NAME_SIZE];
        value_name(name, file->lsn, file->number);
        visit(context, name);
    }
}

bool journal_has_unloaded(const struct journal *journal)
{
    return atomic_load_explicit(&journal->values->unloaded_count, memory_order_relaxed) > 0;
}

bool journal_has_values(const struct journal *journal)
{
    return atomic_load_explicit(&journal->values->references, memory_order_relaxed) > 1;
}

bool values_load_due(const struct journal *journal)
{
    struct values *values = journal->values;
    pthread_mutex_lock(&values->lock);
    bool due = !list_empty(&values->wanted) && !values->is_loading;
    pthread_mutex_unlock(&values->lock);
    return due;
}

bool values_load_one(struct journal *journal)
{
    struct values *values = journal->values;
    pthread_mutex_lock(&values->lock);
    struct value_file *file = take_wanted(values);
    values->is_loading = file != NULL;
    if (file)
        load(journal, file);
    values->is_loading = false;
    pthread_mutex_unlock(&values->lock);
    if (file)
        journal->wake(journal->wake_context);
    return file != NULL;
}

/* --- recovery ----------------------------------------------------------------------------------------- */

static enum recover_result refuse(const struct journal *journal, const char *wrong,
                                  struct journal_error *error)
{
    error_set(
        error,
        "%s: %s. At stake: that value; but if it is missing and nobody removed it, the log has lost its end, "
        "which replaced the value. To look: dkv-log verify %s; to get out what is whole: dkv-log export "
        "--skip-damaged %s; to get an earlier state: dkv-log restore %s --to LSN --into NEWFOLDER",
        journal->folder, wrong, journal->folder, journal->folder, journal->folder);
    return RECOVER_FAILED;
}

/* Whatever is to be read later is at least there, and as long as it must be. */
static bool check_files(struct journal *journal, struct journal_error *why)
{
    struct values *values = journal->values;
    for (struct list_node *node = list_first(&values->unloaded); node;
         node = list_next(&values->unloaded, node)) {
        struct value_reference value = value_refer(LIST_OWNER(node, struct value_file, node), 0);
        if (!value_file_check(journal->disk, journal->stream_id, &value, why))
            return false;
    }
    return true;
}

static void want_all(struct journal *journal)
{
    struct values *values = journal->values;
    pthread_mutex_lock(&values->lock);
    struct list_node *node;
    while ((node = list_first(&values->unloaded)) != NULL)
        want(LIST_OWNER(node, struct value_file, node));
    pthread_cond_broadcast(&values->changed);
    pthread_mutex_unlock(&values->lock);
}

/* The first that turned out wrong; NULL while there is none. */
static const char *find_wrong(struct values *values)
{
    const char *wrong = NULL;
    pthread_mutex_lock(&values->lock);
    for (struct list_node *node = list_first(&values->unloaded); node && !wrong;
         node = list_next(&values->unloaded, node))
        wrong = LIST_OWNER(node, struct value_file, node)->wrong;
    pthread_mutex_unlock(&values->lock);
    return wrong;
}

static void wait_for_threads(struct values *values)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += START_WAIT_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&values->lock);
    if (list_empty(&values->loaded))
        pthread_cond_timedwait(&values->changed, &values->lock, &until);
    pthread_mutex_unlock(&values->lock);
}

static enum recover_result load_step(struct journal *journal, uint64_t bytes_max, struct journal_error *error)
{
    struct values *values = journal->values;
    uint64_t before = values->unloaded_bytes;
    if (journal->threaded) {
        wait_for_threads(values);
        journal_values_install(journal);
    }
    while (!journal->threaded && before - values->unloaded_bytes < bytes_max && values_load_one(journal))
        journal_values_install(journal);
    journal->progress.bytes_done += before - values->unloaded_bytes;
    const char *wrong = find_wrong(values);
    if (wrong)
        return refuse(journal, wrong, error);
    return values->unloaded_count > 0 ? RECOVER_MORE : RECOVER_DONE;
}

enum recover_result values_recover_step(struct journal *journal, uint64_t bytes_max,
                                        struct journal_error *error)
{
    struct values *values = journal->values;
    struct journal_error why;
    if (!values->is_checked) {
        if (journal->value_load != VALUE_LOAD_NEVER && !check_files(journal, &why))
            return refuse(journal, why.text, error);
        values->is_checked = true;
        if (journal->value_load != VALUE_LOAD_START || values->unloaded_count == 0)
            return RECOVER_DONE;
        journal->progress.bytes_total += values->unloaded_bytes;
        want_all(journal);
        if (journal->threaded)
            start_threads(journal, START_THREADS);
        return RECOVER_MORE;
    }
    enum recover_result result = load_step(journal, bytes_max, error);
    if (result == RECOVER_DONE && journal->threaded)
        end_threads(values);
    return result;
}

/* --- the start ---------------------------------------------------------------------------------------- */

/* What replay saw stays in use, or is dead by now. */
static void sort_table(struct values *values)
{
    for (size_t i = 0; i < values->table_size; i++)
        for (struct value_file *file = values->table[i], *next; file; file = next) {
            next = file->chain;
            file->chain = NULL;
            values->count++;
            values->bytes += file->size;
            if (!file->is_released)
                continue;
            file->is_released = false;
            value_bury(file, &values->dead);
        }
}

/* A file that replay did not see: of an older state, which it may be needed for as long as that is kept, or
 * left by something that was interrupted. */
static void bury_unknown(struct journal *journal, const struct value_name *name)
{
    const struct manifest *manifest = &journal->committer.manifest;
    lsn_t base = manifest_base_in_use(manifest)->lsn;
    struct value_file *file = value_file_new(journal->values, VALUE_WRITTEN, 0);
    file->lsn = name->lsn;
    file->number = name->number;
    file->dead_lsn = manifest->base_count > 1 && name->lsn < base ? base : 0;
    value_bury(file, &journal->values->kept);
    journal->values->count++;
    if (file->dead_lsn == 0) {
        char text[FILE_NAME_SIZE];
        value_name(text, file->lsn, file->number);
        diag(DIAG_VERBOSE, "%s is not needed: it is to be removed", text);
    }
}

void values_start(struct journal *journal)
{
    struct values *values = journal->values;
    pthread_mutex_lock(&values->lock);
    for (size_t at = 0; at < values->found.size; at += sizeof(struct value_name)) {
        struct value_name name;
        memcpy(&name, values->found.data + at, sizeof(name));
        if (!values_find(values, name.lsn, name.number))
            bury_unknown(journal, &name);
    }
    sort_table(values);
    mem_free(values->table);
    values->table = NULL;
    values->table_size = values->table_used = 0;
    buffer_free(&values->found);
    values->is_recovering = false;
    bool load = journal->value_load == VALUE_LOAD_BACKGROUND && values->unloaded_count > 0;
    pthread_mutex_unlock(&values->lock);
    if (load) {
        want_all(journal);
        if (journal->threaded)
            start_threads(journal, 1);
    }
}

void values_stop(struct journal *journal)
{
    struct values *values = journal->values;
    end_threads(values);
    /* What was on its way to a blob is dropped, and so are the references that the lists hold. */
    pthread_mutex_lock(&values->lock);
    list_splice(&values->loaded, &values->wanted);
    atomic_store(&values->has_loaded, true);
    pthread_mutex_unlock(&values->lock);
    journal_values_install(journal);
}

void values_stats(const struct journal *journal, struct journal_stats *stats)
{
    struct values *values = journal->values;
    pthread_mutex_lock(&values->lock);
    const struct remover *remover = &journal->remover;
    /* What is being removed is there as long as it is not gone. */
    uint64_t going_files = atomic_load(&remover->value_files);
    uint64_t going_bytes = atomic_load(&remover->value_bytes);
    stats->value_files = values->count + going_files;
    stats->value_bytes = values->bytes + going_bytes;
    stats->value_files_dead = values->dead_count + going_files;
    stats->value_bytes_dead = values->dead_bytes + going_bytes;
    stats->value_bytes_pinned = values->pinned_bytes;
    stats->values_unloaded = values->unloaded_count;
    stats->values_unloaded_bytes = values->unloaded_bytes;
    pthread_mutex_unlock(&values->lock);
}
