/* Chunks are a list: the oldest bytes are sent from the first, new ones go to the last. The first chunk of an
 * empty output is small, since most replies are and connections are many; those behind it are larger. When
 * everything is sent, the last chunk is kept, empty, for the next reply.
 *
 * A chunk may refer to a part of a blob instead of having bytes of its own; nothing is appended to it. */
#include "resp/output.h"

#include "base/diag.h"
#include "base/memory.h"

/* What chunks take, with their header. Both are sizes that the allocator serves without waste. */
#define CHUNK_FIRST ((size_t)1024)
#define CHUNK_NEXT  ((size_t)16384)
/* Behind a large value there is room for some small ones. */
#define CHUNK_SLACK ((size_t)256)

#define GAP_MAX ((size_t)32)

#define MARKS_FIRST 8
#define MARKS_MAX   1024

struct output_chunk {
    struct output_chunk *next;
    size_t capacity; /* of data */
    size_t size;     /* bytes in data, those sent included */
    size_t sent;
    /* Kept free at the end, so that open gaps in this chunk can be filled in place. A gap that a rewind
     * forgot leaves its share behind. */
    size_t reserved;
    struct blob *blob; /* NULL: the bytes are in data */
    size_t offset;     /* in the blob */
    char data[];
};

/* A ring of marks, oldest first. Positions and LSNs both rise from one to the next. */
struct output_mark {
    uint64_t position;
    uint64_t lsn;
};

struct output_marks {
    uint64_t released; /* position of the last mark that was satisfied: up to here nothing waits */
    unsigned first;
    unsigned count;
    unsigned capacity; /* a power of two */
    struct output_mark ring[];
};

static char *chunk_bytes(struct output_chunk *chunk)
{
    return chunk->blob == NULL ? chunk->data : chunk->blob->data + chunk->offset;
}

static size_t chunk_room(const struct output_chunk *chunk)
{
    return chunk->capacity - chunk->size - chunk->reserved;
}

static void chunk_free(struct output *output, struct output_chunk *chunk)
{
    output->memory -= sizeof(*chunk) + chunk->capacity;
    if (chunk->blob != NULL)
        output->shared -= chunk->capacity;
    blob_drop(chunk->blob);
    mem_free(chunk);
}

/* What a chunk with room for size bytes at least takes. */
static size_t chunk_whole(const struct output *output, size_t size)
{
    /* Small, too, behind a blob, as little more than a line break follows, and where little is allowed. */
    bool small = output->first == NULL || output->last->blob != NULL ||
                 (output->limit > 0 && output->limit < CHUNK_NEXT);
    size_t whole = small ? CHUNK_FIRST : CHUNK_NEXT;
    if (size <= whole - sizeof(struct output_chunk))
        return whole;
    size += sizeof(struct output_chunk);
    return size <= CHUNK_NEXT ? CHUNK_NEXT : mem_good_size(size);
}

/* Whether a chunk that takes whole bytes is within the limit. If not, all is dropped from now on. */
static bool limit_allows(struct output *output, size_t whole)
{
    if (output->limit == 0 || (output->memory <= output->limit && whole <= output->limit - output->memory))
        return true;
    output->overflowed = true;
    output->drops = true;
    return false;
}

/* Puts a chunk at the end. */
static void chunk_link(struct output *output, struct output_chunk *chunk)
{
    output->memory += sizeof(*chunk) + chunk->capacity;
    if (output->last == NULL) {
        output->first = chunk;
    } else if (output->first == output->last && output->first->size == 0 && output->first->reserved == 0) {
        /* Only the kept one, which is too small. */
        chunk_free(output, output->first);
        output->first = chunk;
    } else {
        output->last->next = chunk;
    }
    output->last = chunk;
}

/* Appends a chunk with room for size bytes at least. Above the limit, too: whoever reserves writes into what
 * he gets. That is little, since what can be large is appended, and is dropped before it takes any. */
static __attribute__((noinline)) struct output_chunk *chunk_add(struct output *output, size_t size)
{
    size_t whole = chunk_whole(output, size);
    if (!output->drops)
        limit_allows(output, whole);
    struct output_chunk *chunk = mem_alloc(whole);
    *chunk = (struct output_chunk){.capacity = whole - sizeof(*chunk)};
    chunk_link(output, chunk);
    return chunk;
}

char *output_reserve(struct output *output, size_t size)
{
    struct output_chunk *chunk = output->last;
    if (__builtin_expect(chunk == NULL || chunk_room(chunk) < size, 0))
        chunk = chunk_add(output, size);
    return chunk->data + chunk->size;
}

void output_commit(struct output *output, size_t size)
{
    struct output_chunk *chunk = output->last;
    if (output->drops || size == 0)
        return;
    ASSERT(chunk != NULL && size <= chunk_room(chunk));
    chunk->size += size;
    output->queued += size;
}

/* What does not fit into the last chunk: fills it, and takes one chunk for the rest. */
static __attribute__((noinline)) void append_over_chunks(struct output *output, const char *data, size_t size)
{
    size_t room = output->last == NULL ? 0 : chunk_room(output->last);
    if (room > 0) {
        memcpy(output_reserve(output, room), data, room);
        output_commit(output, room);
    }
    size_t rest = size - room;
    size_t wanted = rest < CHUNK_FIRST ? rest : rest + CHUNK_SLACK;
    if (!limit_allows(output, chunk_whole(output, wanted)))
        return;
    memcpy(output_reserve(output, wanted), data + room, rest);
    output_commit(output, rest);
}

void output_append(struct output *output, const void *data, size_t size)
{
    struct output_chunk *chunk = output->last;
    if (size == 0 || output->drops)
        return;
    if (__builtin_expect(chunk == NULL || chunk_room(chunk) < size, 0)) {
        append_over_chunks(output, data, size);
        return;
    }
    memcpy(chunk->data + chunk->size, data, size);
    chunk->size += size;
    output->queued += size;
}

void output_append_blob(struct output *output, struct blob *blob, size_t offset, size_t size)
{
    ASSERT(blob_is_loaded(blob) && offset <= blob->size && size <= blob->size - offset);
    if (size == 0 || output->drops || !limit_allows(output, sizeof(struct output_chunk) + size))
        return;
    struct output_chunk *chunk = mem_alloc(sizeof(*chunk));
    *chunk =
        (struct output_chunk){.capacity = size, .size = size, .blob = blob_share(blob), .offset = offset};
    chunk_link(output, chunk);
    output->shared += size;
    output->queued += size;
}

void output_set_discard(struct output *output, bool discard)
{
    output->discard = discard;
    output->drops = discard || output->overflowed;
}

void output_set_limit(struct output *output, size_t limit)
{
    output->limit = limit;
}

/* An open gap takes no bytes where it is. Filling it moves what stands behind it in its chunk, which is
 * little for a small reply and at most a chunk for a large one; room for that is kept at the chunk's end. */
struct output_gap output_gap_open(struct output *output)
{
    if (!output->drops)
        output_reserve(output, GAP_MAX);
    if (output->drops)
        return (struct output_gap){.position = output->queued};
    output->last->reserved += GAP_MAX;
    return (struct output_gap){output->last, output->last->size, output->queued};
}

static void marks_shift(struct output *output, uint64_t position, size_t size)
{
    struct output_marks *marks = output->marks;
    for (unsigned i = 0; marks != NULL && i < marks->count; i++) {
        struct output_mark *mark = &marks->ring[(marks->first + i) & (marks->capacity - 1)];
        if (mark->position > position)
            mark->position += size;
    }
}

void output_gap_fill(struct output *output, struct output_gap gap, const void *data, size_t size)
{
    struct output_chunk *chunk = gap.chunk;
    if (chunk == NULL)
        return;
    ASSERT(size <= GAP_MAX && chunk->reserved >= GAP_MAX && gap.offset <= chunk->size);
    chunk->reserved -= GAP_MAX;
    char *hole = chunk->data + gap.offset;
    memmove(hole + size, hole, chunk->size - gap.offset);
    memcpy(hole, data, size);
    chunk->size += size;
    output->queued += size;
    marks_shift(output, gap.position, size);
}

static struct output_mark *mark_last(const struct output *output)
{
    struct output_marks *marks = output->marks;
    if (marks == NULL || marks->count == 0)
        return NULL;
    return &marks->ring[(marks->first + marks->count - 1) & (marks->capacity - 1)];
}

static size_t marks_memory(unsigned capacity)
{
    return sizeof(struct output_marks) + capacity * sizeof(struct output_mark);
}

static void marks_grow(struct output *output)
{
    struct output_marks *old = output->marks;
    unsigned capacity = old == NULL ? MARKS_FIRST : old->capacity * 2;
    struct output_marks *marks = mem_alloc(marks_memory(capacity));
    *marks = (struct output_marks){.capacity = capacity};
    output->memory += marks_memory(capacity);
    if (old != NULL) {
        marks->released = old->released;
        marks->count = old->count;
        for (unsigned i = 0; i < old->count; i++)
            marks->ring[i] = old->ring[(old->first + i) & (old->capacity - 1)];
        output->memory -= marks_memory(old->capacity);
        mem_free(old);
    }
    output->marks = marks;
}

void output_mark(struct output *output, uint64_t lsn)
{
    if (output->discard || output_pending(output) == 0)
        return;
    struct output_mark *last = mark_last(output);
    unsigned count = output->marks == NULL ? 0 : output->marks->count;
    if (last != NULL && (lsn <= last->lsn || last->position == output->queued || count == MARKS_MAX)) {
        last->position = output->queued;
        last->lsn = lsn > last->lsn ? lsn : last->lsn;
        return;
    }
    if (output->marks == NULL || count == output->marks->capacity)
        marks_grow(output);
    struct output_marks *marks = output->marks;
    marks->ring[(marks->first + marks->count++) & (marks->capacity - 1)] =
        (struct output_mark){output->queued, lsn};
}

uint64_t output_sendable(struct output *output, uint64_t acknowledged_lsn)
{
    struct output_marks *marks = output->marks;
    if (marks == NULL)
        return output_pending(output);
    while (marks->count > 0 && marks->ring[marks->first].lsn <= acknowledged_lsn) {
        marks->released = marks->ring[marks->first].position;
        marks->first = (marks->first + 1) & (marks->capacity - 1);
        marks->count--;
    }
    if (marks->count == 0)
        return output_pending(output);
    return marks->released > output->sent ? marks->released - output->sent : 0;
}

/* Marks never point beyond what is queued. */
static void marks_rewind(struct output *output)
{
    struct output_marks *marks = output->marks;
    if (marks == NULL)
        return;
    if (marks->released > output->queued)
        marks->released = output->queued;
    for (struct output_mark *last; (last = mark_last(output)) != NULL && last->position > output->queued;) {
        struct output_mark *before = &marks->ring[(marks->first + marks->count - 2) & (marks->capacity - 1)];
        uint64_t guarded = marks->count > 1 ? before->position : output->sent;
        last->position = output->queued;
        if (guarded < output->queued)
            return;
        marks->count--; /* nothing is left of what it alone guarded */
    }
}

int output_vectors(const struct output *output, uint64_t bytes_max, struct iovec *vectors, int vectors_max)
{
    int count = 0;
    for (struct output_chunk *chunk = output->first; chunk != NULL && count < vectors_max && bytes_max > 0;
         chunk = chunk->next) {
        size_t size = chunk->size - chunk->sent;
        if (size > bytes_max)
            size = (size_t)bytes_max;
        if (size == 0)
            continue;
        vectors[count++] = (struct iovec){chunk_bytes(chunk) + chunk->sent, size};
        bytes_max -= size;
    }
    return count;
}

/* The last chunk is kept for the next reply, unless it is large. */
static void last_chunk_sent(struct output *output)
{
    struct output_chunk *chunk = output->last;
    if (chunk->blob != NULL || sizeof(*chunk) + chunk->capacity > CHUNK_NEXT) {
        output_trim(output);
        return;
    }
    chunk->size = 0;
    chunk->sent = 0;
    chunk->reserved = 0;
}

void output_sent(struct output *output, uint64_t size)
{
    ASSERT(size <= output_pending(output));
    output->sent += size;
    while (output->first != NULL) {
        struct output_chunk *chunk = output->first;
        size_t unsent = chunk->size - chunk->sent;
        if (unsent > size) {
            chunk->sent += (size_t)size;
            return;
        }
        size -= unsent;
        if (chunk == output->last) {
            last_chunk_sent(output);
            return;
        }
        output->first = chunk->next;
        chunk_free(output, chunk);
    }
}

/* The chunk in which what is left ends, when keep unsent bytes are. A gap may be open right there, at the
 * begin of the next chunk: then that is the one. */
static struct output_chunk *chunk_at(const struct output *output, uint64_t *keep)
{
    struct output_chunk *chunk = output->first;
    for (;;) {
        uint64_t unsent = chunk->size - chunk->sent;
        bool gap_follows = chunk->next != NULL && chunk->next->reserved > 0;
        if (*keep < unsent || (*keep == unsent && !gap_follows))
            return chunk;
        *keep -= unsent;
        chunk = chunk->next;
    }
}

/* What is left of a blob's chunk has no room for more. */
static void chunk_close(struct output *output, struct output_chunk *chunk)
{
    if (chunk->blob == NULL)
        return;
    size_t lost = chunk->capacity - chunk->size;
    chunk->capacity = chunk->size;
    output->memory -= lost;
    output->shared -= lost;
}

void output_rewind(struct output *output, uint64_t position)
{
    ASSERT(position >= output->sent && position <= output->queued);
    if (position == output->queued)
        return;
    uint64_t keep = position - output->sent;
    struct output_chunk *chunk = chunk_at(output, &keep);
    chunk->size = chunk->sent + (size_t)keep;
    chunk_close(output, chunk);
    output->last = chunk;
    for (struct output_chunk *next = chunk->next; next != NULL; next = chunk->next) {
        chunk->next = next->next;
        chunk_free(output, next);
    }
    output->queued = position;
    marks_rewind(output);
}

size_t output_memory(const struct output *output)
{
    return output->memory;
}

size_t output_shared_memory(const struct output *output)
{
    return output->shared;
}

void output_trim(struct output *output)
{
    if (output_pending(output) > 0)
        return;
    while (output->first != NULL) {
        struct output_chunk *chunk = output->first;
        output->first = chunk->next;
        chunk_free(output, chunk);
    }
    output->last = NULL;
    if (output->marks != NULL)
        output->memory -= marks_memory(output->marks->capacity);
    mem_free(output->marks);
    output->marks = NULL;
}

void output_free(struct output *output)
{
    output->sent = output->queued;
    output_trim(output);
    *output = (struct output){0};
}
