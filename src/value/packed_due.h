/* Which buckets of a packed table have an element that is due: a heap of buckets by their earliest time, each
 * of which knows its place there. Private to this floor.
 *
 * A heap and not a timing wheel because it is exact to the millisecond, so that what is counted as due is
 * what is hidden as due; because a block that moves concerns nobody, as buckets are known by their number;
 * and because 20 bytes a bucket are less than 24. It has four children to a node, which fill one cache line,
 * so that a heap of a million buckets is ten deep. */
#ifndef DKV_VALUE_PACKED_DUE_H
#define DKV_VALUE_PACKED_DUE_H

#include <stdint.h>

#include "value/segmented.h"

struct due_bucket {
    int64_t time_ms;
    size_t bucket;
};

struct packed_due;

#define PACKED_DUE_NEVER INT64_MAX

struct packed_due *packed_due_new(void);
/* NULL is fine. */
void packed_due_free(struct packed_due *due);
/* NULL: there is not enough memory. */
struct packed_due *packed_due_duplicate(const struct packed_due *due);
size_t packed_due_memory(const struct packed_due *due);

/* A bucket's time; PACKED_DUE_NEVER: it has none. */
int64_t packed_due_time(const struct packed_due *due, size_t bucket);
/* Sets it, PACKED_DUE_NEVER: takes it away. */
void packed_due_set(struct packed_due *due, size_t bucket, int64_t time_ms);
/* The bucket with the earliest time; its time is PACKED_DUE_NEVER when there is none. */
struct due_bucket packed_due_first(const struct packed_due *due);
/* Visits the buckets with time_ms <= now_ms, in no order, and few others. */
typedef void packed_due_visit(void *context, size_t bucket);
void packed_due_each(const struct packed_due *due, int64_t now_ms, packed_due_visit *visit, void *context);
/* There are only so many buckets now; the one that went has no time. */
void packed_due_trim(struct packed_due *due, size_t buckets);

#endif
