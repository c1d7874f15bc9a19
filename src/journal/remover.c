#include "journal/remover.h"

#include <errno.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/thread.h"
#include "journal/journal_private.h"

void remover_init(struct remover *remover)
{
    pthread_mutex_init(&remover->lock, NULL);
    pthread_cond_init(&remover->changed, NULL);
    list_init(&remover->large);
    list_init(&remover->small);
}

/* --- the list ----------------------------------------------------------------------------------------- */

static void add_counts(struct remover *remover, const struct removal *removal)
{
    remover->files++;
    remover->bytes += removal->bytes - removal->keep;
    remover->value_files += removal->is_value;
    remover->value_bytes += removal->is_value ? removal->bytes : 0;
}

static bool is_small(const struct removal *removal)
{
    return !removal->file && removal->bytes > 0 && removal->bytes <= REMOVAL_STEP;
}

/* Counts bytes that are gone. */
static void note_gone(struct remover *remover, const struct removal *removal, uint64_t bytes)
{
    remover->bytes -= bytes;
    if (!removal->is_value)
        return;
    remover->value_bytes -= bytes;
    remover->value_bytes_gone += bytes;
}

/* What was counted as known turned out to be another size. */
static void note_size(struct remover *remover, const struct removal *removal, uint64_t known)
{
    remover->bytes += removal->bytes - known;
    remover->value_bytes += removal->is_value ? removal->bytes - known : 0;
}

static bool start_thread(struct journal *journal);

static void put(struct journal *journal, struct removal removal, const char *name)
{
    struct remover *remover = &journal->remover;
    struct removal *added = mem_alloc(sizeof(*added));
    *added = removal;
    snprintf(added->name, sizeof(added->name), "%s", name);
    pthread_mutex_lock(&remover->lock);
    list_append(is_small(added) ? &remover->small : &remover->large, &added->node);
    remover->small_count += is_small(added);
    add_counts(remover, added);
    if (remover->thread_count > 0 && remover->thread_count < REMOVER_THREADS &&
        remover->small_count > REMOVALS_ENOUGH)
        start_thread(journal);
    pthread_cond_signal(&remover->changed);
    pthread_mutex_unlock(&remover->lock);
}

void remover_add(struct journal *journal, const char *name, uint64_t bytes)
{
    put(journal, (struct removal){.bytes = bytes}, name);
}

void remover_add_value(struct journal *journal, const char *name, uint64_t bytes)
{
    put(journal, (struct removal){.bytes = bytes, .is_value = true}, name);
}

void remover_trim(struct journal *journal, const char *name, struct disk_file *file, uint64_t bytes,
                  uint64_t keep)
{
    ASSERT(keep < bytes);
    put(journal, (struct removal){.file = file, .bytes = bytes, .keep = keep, .is_trim = true}, name);
}

bool remover_has(struct journal *journal, const char *name)
{
    struct remover *remover = &journal->remover;
    const struct list *lists[] = {&remover->large, &remover->small};
    bool found = false;
    pthread_mutex_lock(&remover->lock);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        for (struct list_node *node = list_first(lists[i]); node && !found; node = list_next(lists[i], node))
            found = strcmp(LIST_OWNER(node, struct removal, node)->name, name) == 0;
    pthread_mutex_unlock(&remover->lock);
    return found;
}

/* --- removing ----------------------------------------------------------------------------------------- */

static void warn(const char *verb, const char *name, int rc)
{
    /* Only space is lost: the next start removes what no manifest names. */
    if (rc < 0 && rc != -ENOENT)
        diag(DIAG_WARNING, "cannot %s %s: %s", verb, name, strerror(-rc));
}

/* Takes the name away. Returns the file, with its size, if that is to be cut short in steps: if it is large,
 * and nobody else has it open or has another name for it. NULL otherwise. */
static struct disk_file *take_name(struct disk *disk, const char *name, uint64_t *bytes)
{
    struct disk_file *file = NULL;
    if ((*bytes == 0 || *bytes > REMOVAL_STEP) && disk_open(disk, name, DISK_WRITE, &file) < 0)
        file = NULL;
    uint64_t size;
    if (file && disk_size(file, &size) == 0)
        *bytes = size;
    int rc = disk_unlink(disk, name);
    warn("remove", name, rc);
    if (file && rc == 0 && *bytes > REMOVAL_STEP && disk_is_alone(file))
        return file;
    if (file)
        disk_close(file);
    return NULL;
}

void remover_detach(struct journal *journal, const char *name)
{
    uint64_t bytes = 0;
    struct disk_file *file = take_name(journal->disk, name, &bytes);
    if (file)
        put(journal, (struct removal){.file = file, .bytes = bytes}, name);
}

/* Cuts the next piece off. Returns whether that was the last. */
static bool cut_piece(struct removal *removal, uint64_t *gone)
{
    uint64_t left =
        removal->bytes - removal->keep > REMOVAL_STEP ? removal->bytes - REMOVAL_STEP : removal->keep;
    int rc = disk_truncate(removal->file, left);
    warn("truncate", removal->name, rc);
    if (rc == 0 && left == removal->keep && removal->is_trim)
        warn("sync", removal->name, disk_sync(removal->file));
    if (rc == 0 && left > removal->keep) {
        *gone = removal->bytes - left;
        removal->bytes = left;
        return false;
    }
    disk_close(removal->file);
    removal->file = NULL;
    return true;
}

/* The first that nobody works on: of the large ones none as long as somebody is at one. With the lock held.
 */
static struct removal *first_free(const struct remover *remover)
{
    struct list_node *node = list_first(&remover->large);
    if (node && !LIST_OWNER(node, struct removal, node)->is_taken)
        return LIST_OWNER(node, struct removal, node);
    for (node = list_first(&remover->small); node; node = list_next(&remover->small, node))
        if (!LIST_OWNER(node, struct removal, node)->is_taken)
            return LIST_OWNER(node, struct removal, node);
    return NULL;
}

/* It is the caller's until the step is over. */
static struct removal *take_first(struct remover *remover)
{
    pthread_mutex_lock(&remover->lock);
    struct removal *removal = first_free(remover);
    if (removal) {
        removal->is_taken = true;
        remover->working++;
    }
    pthread_mutex_unlock(&remover->lock);
    return removal;
}

bool remover_step(struct journal *journal)
{
    struct remover *remover = &journal->remover;
    struct removal *removal = take_first(remover);
    if (!removal)
        return false;
    uint64_t known = removal->bytes; /* only whose it is changes it */
    bool was_small = is_small(removal);
    uint64_t gone = 0;
    bool is_done;
    if (removal->file) {
        is_done = cut_piece(removal, &gone);
    } else {
        uint64_t bytes = removal->bytes;
        removal->file = take_name(journal->disk, removal->name, &bytes);
        is_done = removal->file == NULL;
        removal->bytes = is_done ? known : bytes;
    }
    pthread_mutex_lock(&remover->lock);
    if (is_done) {
        list_remove(&removal->node);
        note_gone(remover, removal, known - removal->keep);
        remover->files--;
        remover->small_count -= was_small;
        remover->value_files -= removal->is_value;
    } else if (gone > 0) {
        note_gone(remover, removal, gone);
    } else {
        note_size(remover, removal, known);
    }
    removal->is_taken = false;
    remover->working--;
    pthread_mutex_unlock(&remover->lock);
    if (is_done)
        mem_free(removal);
    committer_note_removed(journal);
    return true;
}

bool remover_drain(struct journal *journal)
{
    ASSERT(journal->remover.thread_count == 0);
    bool any = false;
    while (remover_step(journal))
        any = true;
    return any;
}

/* --- the thread --------------------------------------------------------------------------------------- */

static void *remove_thread(void *argument)
{
    struct journal *journal = argument;
    struct remover *remover = &journal->remover;
    memory_thread_register();
    pthread_mutex_lock(&remover->lock);
    while (!remover->stopping) {
        if (!first_free(remover)) {
            pthread_cond_wait(&remover->changed, &remover->lock);
            continue;
        }
        pthread_mutex_unlock(&remover->lock);
        remover_step(journal);
        pthread_mutex_lock(&remover->lock);
    }
    pthread_mutex_unlock(&remover->lock);
    return NULL;
}

/* With the lock held. */
static bool start_thread(struct journal *journal)
{
    struct remover *remover = &journal->remover;
    bool has_begun =
        thread_start(&remover->threads[remover->thread_count], remove_thread, journal, "dkv-remove");
    remover->thread_count += has_begun;
    return has_begun;
}

bool remover_start_threads(struct journal *journal)
{
    struct remover *remover = &journal->remover;
    pthread_mutex_lock(&remover->lock);
    bool has_begun = start_thread(journal);
    pthread_mutex_unlock(&remover->lock);
    return has_begun;
}

void remover_stop_threads(struct journal *journal)
{
    struct remover *remover = &journal->remover;
    pthread_mutex_lock(&remover->lock);
    remover->stopping = true;
    pthread_cond_broadcast(&remover->changed);
    pthread_mutex_unlock(&remover->lock);
    for (int i = 0; i < remover->thread_count; i++)
        pthread_join(remover->threads[i], NULL);
    remover->thread_count = 0;
}

void remover_free(struct remover *remover)
{
    struct list_node *node;
    ASSERT(remover->thread_count == 0);
    list_splice(&remover->large, &remover->small);
    while ((node = list_take_first(&remover->large)) != NULL) {
        struct removal *removal = LIST_OWNER(node, struct removal, node);
        if (removal->file)
            disk_close(removal->file);
        mem_free(removal);
    }
    pthread_cond_destroy(&remover->changed);
    pthread_mutex_destroy(&remover->lock);
}
