/* A large run of bytes that several owners share: counted references, which any thread may take and drop.
 *
 * Large values live in blobs, so that what the socket filled is what the key holds, what the log writes and
 * what replies send, without a copy. Whoever holds a reference may read; whoever holds the only one may
 * change the bytes. */
#ifndef DKV_BASE_BLOB_H
#define DKV_BASE_BLOB_H

#include <stdatomic.h>

#include "base/bytes.h"

struct blob_origin;

/* Bytes from which on a string is kept as a blob. Smaller ones are cheaper to copy than to count references
 * of: at this size, a GET takes 4.2 us of processor time as against 5.1 us with a copy, nearly all of it the
 * kernel's; a SET 4.6 us as against 4.4 us. */
#define BLOB_MIN blob_min
/* 16 KiB. Only the simulator, whose values are small, sets it to something else, before anything else. */
extern size_t blob_min;

struct blob {
    _Atomic uint32_t references;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes there is room for */
    /* Where the same bytes lie outside memory; NULL: nowhere, or they have changed since. Its owner's
     * business; told when the blob is freed. */
    struct blob_origin *origin;
    char *data;
};

/* What an origin begins with. */
struct blob_origin {
    /* No blob names it any more: the last reference is gone, on whatever thread dropped it, and the data are
     * freed already; or the blob's bytes are about to change. */
    void (*released)(struct blob_origin *origin);
};

/* With one reference and no bytes in use; NULL when there is not so much memory. */
struct blob *blob_new(size_t capacity);
/* Room for capacity bytes at least; the caller holds the only reference. Bytes may move. False: there is not
 * so much memory, and nothing has changed. */
bool blob_reserve(struct blob *blob, size_t capacity);
/* Gives back what capacity is beyond size, as far as that is worth it. */
void blob_fit(struct blob *blob);

static inline struct blob *blob_share(struct blob *blob)
{
    atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    return blob;
}

/* The bytes are about to change, so that they no longer lie elsewhere: releases the origin, if there is one.
 * The caller holds the only reference. */
void blob_forget_origin(struct blob *blob);

/* Drops a reference; the last one frees. NULL is fine. */
void blob_drop(struct blob *blob);

static inline bool blob_is_shared(struct blob *blob)
{
    return atomic_load_explicit(&blob->references, memory_order_acquire) > 1;
}

/* False for a blob whose bytes are only where its origin says: data is NULL then. */
static inline bool blob_is_loaded(const struct blob *blob)
{
    return blob->data != NULL || blob->size == 0;
}

static inline struct slice blob_slice(const struct blob *blob)
{
    return slice_make(blob->data, blob->size);
}

/* Bytes that its room takes beyond those in use. While it is being filled nobody has written to them. */
size_t blob_untouched(const struct blob *blob);
/* Bytes that it takes. */
size_t blob_memory(const struct blob *blob);

#endif
