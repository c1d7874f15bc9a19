/* A connection's replies on their way out: bytes in order, in chunks, with marks that say how far they may
 * go.
 *
 * A mark ties everything queued so far to an LSN: it must not be sent before that LSN is acknowledged
 * (durable or written, as the policy has it). Replies keep their order, so a later reply waits for an earlier
 * mark too. */
#ifndef DKV_RESP_OUTPUT_H
#define DKV_RESP_OUTPUT_H

#include <sys/uio.h>

#include "base/blob.h"

struct output_chunk;
struct output_marks;

/* All zero is a valid empty output; free with output_free. The fields are private. */
struct output {
    struct output_chunk *first;
    struct output_chunk *last;
    uint64_t queued; /* bytes ever queued */
    uint64_t sent;   /* bytes ever sent */
    struct output_marks *marks;
    size_t memory;   /* bytes the chunks and marks take, and those of blobs that are referred to */
    size_t shared;   /* the latter alone */
    size_t limit;    /* see output_set_limit */
    bool discard;    /* see output_set_discard */
    bool overflowed; /* see output_set_limit */
    bool drops;      /* either of the two */
};

/* Room for size contiguous bytes at the end; fill in some and output_commit those. */
char *output_reserve(struct output *output, size_t size);
void output_commit(struct output *output, size_t size);
void output_append(struct output *output, const void *data, size_t size);
/* The same with bytes of a blob, which are not copied: a reference keeps them until they are sent. */
void output_append_blob(struct output *output, struct blob *blob, size_t offset, size_t size);
/* While discarding, what is appended vanishes (CLIENT REPLY OFF). */
void output_set_discard(struct output *output, bool discard);
/* Bytes of memory that may be taken, those of blobs included, which others may hold as well; 0: any number.
 * What would take more is dropped, and so is all that comes after it, for good: a reply with a hole must not
 * be sent. What was queued before, its marks and its gaps stay as they are. */
void output_set_limit(struct output *output, size_t limit);
static inline bool output_overflowed(const struct output *output)
{
    return output->overflowed;
}

/* A hole to be filled later, for a length that is not known yet. At most one is open at a time for each
 * caller; they nest, the one opened last being filled first. Nothing may be sent while one is open. */
struct output_gap {
    struct output_chunk *chunk;
    size_t offset;     /* in the chunk */
    uint64_t position; /* in all that was queued */
};
struct output_gap output_gap_open(struct output *output);
/* size at most 32. */
void output_gap_fill(struct output *output, struct output_gap gap, const void *data, size_t size);

/* Everything queued so far waits for lsn. Merged into the last mark where that asks for as much, and also
 * when there are very many marks: then some bytes wait for a later LSN than they would need. */
void output_mark(struct output *output, uint64_t lsn);
/* Bytes that may be sent now, given how far is acknowledged; forgets the marks that are satisfied. */
uint64_t output_sendable(struct output *output, uint64_t acknowledged_lsn);
/* Up to bytes_max unsent bytes as vectors; returns how many vectors. */
int output_vectors(const struct output *output, uint64_t bytes_max, struct iovec *vectors, int vectors_max);
void output_sent(struct output *output, uint64_t size);

static inline uint64_t output_pending(const struct output *output)
{
    return output->queued - output->sent;
}

/* Forgets everything queued after position, a value that queued had (a command that turns out to have no
 * reply). Marks after it come back to it: what they guarded before it stays guarded. */
void output_rewind(struct output *output, uint64_t position);
/* What it takes, and how much of that is blobs, which somebody else may hold as well. */
size_t output_memory(const struct output *output);
size_t output_shared_memory(const struct output *output);
/* Frees what an output with everything sent keeps for the next reply. For a connection at rest. */
void output_trim(struct output *output);
void output_free(struct output *output);

#endif
