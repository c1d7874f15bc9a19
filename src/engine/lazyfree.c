#include <pthread.h>

#include "base/diag.h"
#include "base/memory.h"
#include "engine/private.h"

/* Allocations that are freed between two looks at the counts. */
#define STEPS_AT_ONCE 4096

struct lazyfree {
    pthread_t thread;
    /* What is left of the bytes that are to come free, about; not 0 as long as anything is pending. */
    _Atomic size_t pending_bytes;
    pthread_mutex_t mutex; /* for all below */
    pthread_cond_t changed;
    struct remains *first; /* what came first goes first */
    struct remains **last;
    uint64_t pending; /* keys */
    uint64_t freed;
    bool stop;
};

/* The bytes count as gone while they go, by how many of the steps were taken; `steps` is known about only, so
 * the last byte is kept until all is gone. */
static void free_in_steps(struct lazyfree *lazyfree, struct remains *remains)
{
    size_t bytes_left = remains->bytes;
    size_t bytes_a_step = remains->cost > 0 ? remains->bytes / remains->cost : 0;
    bool gone;
    do {
        size_t steps = STEPS_AT_ONCE;
        gone = remains_free_step(remains, &steps);
        size_t bytes = gone ? bytes_left : (STEPS_AT_ONCE - steps) * bytes_a_step;
        if (!gone && bytes >= bytes_left)
            bytes = bytes_left > 0 ? bytes_left - 1 : 0;
        bytes_left -= bytes;
        atomic_fetch_sub_explicit(&lazyfree->pending_bytes, bytes, memory_order_relaxed);
    } while (!gone);
}

static void *lazyfree_run(void *argument)
{
    struct lazyfree *lazyfree = argument;
    memory_thread_register();
    pthread_mutex_lock(&lazyfree->mutex);
    for (;;) {
        struct remains *remains = lazyfree->first;
        if (!remains) {
            if (lazyfree->stop)
                break;
            pthread_cond_wait(&lazyfree->changed, &lazyfree->mutex);
            continue;
        }
        lazyfree->first = remains->next;
        if (!lazyfree->first)
            lazyfree->last = &lazyfree->first;
        pthread_mutex_unlock(&lazyfree->mutex);
        size_t objects = remains->objects;
        free_in_steps(lazyfree, remains);
        pthread_mutex_lock(&lazyfree->mutex);
        lazyfree->pending -= objects;
        lazyfree->freed += objects;
    }
    ASSERT(lazyfree->pending == 0 && atomic_load(&lazyfree->pending_bytes) == 0);
    pthread_mutex_unlock(&lazyfree->mutex);
    return NULL;
}

struct lazyfree *lazyfree_new(void)
{
    struct lazyfree *lazyfree = mem_alloc_zero(sizeof(*lazyfree));
    lazyfree->last = &lazyfree->first;
    pthread_mutex_init(&lazyfree->mutex, NULL);
    pthread_cond_init(&lazyfree->changed, NULL);
    if (pthread_create(&lazyfree->thread, NULL, lazyfree_run, lazyfree) != 0)
        panic("cannot start the thread that frees large values");
    return lazyfree;
}

void lazyfree_add(struct lazyfree *lazyfree, struct remains *remains)
{
    remains->next = NULL;
    /* Before its thread can take them off again. */
    atomic_fetch_add_explicit(&lazyfree->pending_bytes, remains->bytes, memory_order_relaxed);
    pthread_mutex_lock(&lazyfree->mutex);
    *lazyfree->last = remains;
    lazyfree->last = &remains->next;
    lazyfree->pending += remains->objects;
    pthread_cond_signal(&lazyfree->changed);
    pthread_mutex_unlock(&lazyfree->mutex);
}

size_t lazyfree_bytes(const struct lazyfree *lazyfree)
{
    return atomic_load_explicit(&lazyfree->pending_bytes, memory_order_relaxed);
}

void lazyfree_stats(struct lazyfree *lazyfree, uint64_t *pending, uint64_t *freed)
{
    pthread_mutex_lock(&lazyfree->mutex);
    *pending = lazyfree->pending;
    *freed = lazyfree->freed;
    pthread_mutex_unlock(&lazyfree->mutex);
}

void lazyfree_free(struct lazyfree *lazyfree)
{
    pthread_mutex_lock(&lazyfree->mutex);
    lazyfree->stop = true;
    pthread_cond_signal(&lazyfree->changed);
    pthread_mutex_unlock(&lazyfree->mutex);
    pthread_join(lazyfree->thread, NULL);
    pthread_cond_destroy(&lazyfree->changed);
    pthread_mutex_destroy(&lazyfree->mutex);
    mem_free(lazyfree);
}
