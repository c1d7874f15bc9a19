#include <pthread.h>

#include "base/diag.h"
#include "base/memory.h"
#include "engine/private.h"

struct lazyfree_item {
    struct lazyfree_item *next;
    struct database_contents *contents;
    uint64_t keys;
};

struct lazyfree {
    pthread_t thread;
    pthread_mutex_t mutex; /* for all below */
    pthread_cond_t changed;
    struct lazyfree_item *first;
    uint64_t pending; /* keys */
    uint64_t freed;
    bool stop;
};

static void *lazyfree_run(void *argument)
{
    struct lazyfree *lazyfree = argument;
    memory_thread_register();
    pthread_mutex_lock(&lazyfree->mutex);
    for (;;) {
        struct lazyfree_item *item = lazyfree->first;
        if (!item) {
            if (lazyfree->stop)
                break;
            pthread_cond_wait(&lazyfree->changed, &lazyfree->mutex);
            continue;
        }
        lazyfree->first = item->next;
        pthread_mutex_unlock(&lazyfree->mutex);
        contents_free(item->contents);
        pthread_mutex_lock(&lazyfree->mutex);
        lazyfree->pending -= item->keys;
        lazyfree->freed += item->keys;
        mem_free(item);
    }
    pthread_mutex_unlock(&lazyfree->mutex);
    return NULL;
}

struct lazyfree *lazyfree_new(void)
{
    struct lazyfree *lazyfree = mem_alloc_zero(sizeof(*lazyfree));
    pthread_mutex_init(&lazyfree->mutex, NULL);
    pthread_cond_init(&lazyfree->changed, NULL);
    if (pthread_create(&lazyfree->thread, NULL, lazyfree_run, lazyfree) != 0)
        panic("cannot start the thread that frees flushed databases");
    return lazyfree;
}

void lazyfree_add(struct lazyfree *lazyfree, struct database_contents *contents)
{
    struct lazyfree_item *item = mem_alloc(sizeof(*item));
    *item = (struct lazyfree_item){.contents = contents, .keys = contents_size(contents)};
    pthread_mutex_lock(&lazyfree->mutex);
    item->next = lazyfree->first;
    lazyfree->first = item;
    lazyfree->pending += item->keys;
    pthread_cond_signal(&lazyfree->changed);
    pthread_mutex_unlock(&lazyfree->mutex);
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
