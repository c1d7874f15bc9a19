/* Bodies: small ones are collected in a buffer, large ones in a blob that becomes the value. Memory is taken
 * for bytes that are there, and address space for those that were announced. */
#include "base/diag.h"
#include "base/memory.h"
#include "http/internal.h"

/* What a connection keeps for its next request. */
#define BODY_KEPT_MAX 4096

static void untouched_change(size_t before, size_t after)
{
    memory_untouched_change((int64_t)after - (int64_t)before);
}

void body_begin(struct http_body *body, uint64_t size, size_t *total)
{
    ASSERT(body->blob == NULL && body->size == 0);
    body->announced = size;
    body->total = total;
}

/* What is in the buffer goes into a blob with room for all that is to come. */
static bool blob_begin(struct http_body *body, size_t more)
{
    size_t size = body->size + more;
    struct blob *blob = blob_new(body->announced > size ? (size_t)body->announced : size);
    if (blob == NULL)
        return false;
    if (body->bytes.size > 0)
        memcpy(blob->data, body->bytes.data, body->bytes.size);
    blob->size = body->bytes.size;
    untouched_change(0, blob_untouched(blob));
    buffer_clear(&body->bytes);
    buffer_shrink(&body->bytes, BODY_KEPT_MAX);
    body->blob = blob;
    return true;
}

static bool blob_append(struct blob *blob, const char *data, size_t size)
{
    size_t before = blob_untouched(blob);
    if (size > blob->capacity - blob->size) {
        size_t wanted = blob->size + size;
        if (!blob_reserve(blob, wanted > 2 * blob->capacity ? wanted : 2 * blob->capacity))
            return false;
    }
    memcpy(blob->data + blob->size, data, size);
    blob->size += size;
    untouched_change(before, blob_untouched(blob));
    return true;
}

bool body_append(struct http_body *body, const char *data, size_t size)
{
    bool large = body->announced >= BLOB_MIN || body->size + size >= BLOB_MIN;
    if (body->blob == NULL && large && !blob_begin(body, size))
        return false;
    if (body->blob == NULL)
        buffer_append(&body->bytes, data, size);
    else if (!blob_append(body->blob, data, size))
        return false;
    body->size += size;
    *body->total += size;
    return true;
}

struct slice body_slice(const struct http_body *body)
{
    return body->blob != NULL ? blob_slice(body->blob) : buffer_slice(&body->bytes);
}

void body_complete(struct http_body *body)
{
    if (body->blob == NULL)
        return;
    untouched_change(blob_untouched(body->blob), 0);
    blob_fit(body->blob);
    body->is_complete = true;
}

void body_clear(struct http_body *body)
{
    if (body->blob != NULL && !body->is_complete)
        untouched_change(blob_untouched(body->blob), 0);
    blob_drop(body->blob);
    if (body->total != NULL)
        *body->total -= (size_t)body->size;
    buffer_clear(&body->bytes);
    buffer_shrink(&body->bytes, BODY_KEPT_MAX);
    *body = (struct http_body){.bytes = body->bytes};
}
