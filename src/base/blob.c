#include "base/blob.h"

#include "base/memory.h"

size_t blob_min = (size_t)16 << 10;

struct blob *blob_new(size_t capacity)
{
    char *data = mem_try_alloc(capacity);
    if (!data)
        return NULL;
    struct blob *blob = mem_alloc_zero(sizeof(*blob));
    atomic_init(&blob->references, 1);
    blob->data = data;
    blob->capacity = capacity;
    return blob;
}

bool blob_reserve(struct blob *blob, size_t capacity)
{
    if (capacity <= blob->capacity)
        return true;
    char *data = mem_try_realloc(blob->data, capacity);
    if (!data)
        return false;
    blob->data = data;
    blob->capacity = capacity;
    return true;
}

void blob_fit(struct blob *blob)
{
    if (mem_good_size(blob->size) >= mem_size(blob->data))
        return;
    char *data = mem_try_realloc(blob->data, blob->size);
    if (data) {
        blob->data = data;
        blob->capacity = blob->size;
    }
}

void blob_forget_origin(struct blob *blob)
{
    struct blob_origin *origin = blob->origin;
    blob->origin = NULL;
    if (origin)
        origin->released(origin);
}

void blob_drop(struct blob *blob)
{
    if (!blob || atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel) > 1)
        return;
    mem_free(blob->data);
    blob_forget_origin(blob);
    mem_free(blob);
}

/* The allocator gives more than was asked for: of large sizes up to a quarter more. */
size_t blob_untouched(const struct blob *blob)
{
    return mem_size(blob->data) - blob->size;
}

size_t blob_memory(const struct blob *blob)
{
    return mem_size(blob) + mem_size(blob->data);
}
