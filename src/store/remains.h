/* What was taken out of a store and takes long to free: large values, and the contents of flushed databases.
 *
 * The store hands it to whoever store_set_free_later names, who owns it from then on and frees it on any
 * thread that has called memory_thread_register, also after the store is gone. Nothing in the store knows of
 * it any more. What costs less than REMAINS_COST is freed where it is deleted: that is cheaper than to hand
 * it over. */
#ifndef DKV_STORE_REMAINS_H
#define DKV_STORE_REMAINS_H

#include "store/store.h"

/* Small allocations, or as many as cost as much. A few hundred take some 10 microseconds, about what waking a
 * thread does. */
#define REMAINS_COST 256

struct remains {
    struct remains *next; /* the owner's, for a list */
    /* Keys: 1 for a value. */
    size_t objects;
    /* Bytes that come free, about: of contents, at least. */
    size_t bytes;
    /* About how many steps it takes; of contents, at least. */
    size_t cost;
    /* The rest is the store's. One of these is set. */
    struct database_contents *contents;
    struct entry *entry;
    struct blob *blob;
};

/* Frees in pieces: true when all is gone, the remains too. *steps, about as many allocations as may be freed,
 * is decreased by those that were. */
bool remains_free_step(struct remains *remains, size_t *steps);
void remains_free(struct remains *remains);

#endif
