/* A table of many small elements: what large hashes and large sets are made of.
 *
 * An element is a member, which is unique, a value (empty in a set), and, if it was given one, a time at
 * which it is due. The table knows no clock: an element whose time has passed is there like any other until
 * it is deleted.
 *
 * Elements lie many to an allocation, in packed blocks, one for each bucket of a table that grows and shrinks
 * by linear hashing: a bucket at a time, so that no change takes longer than a bounded time, however large
 * the table is. packed_table.c tells how, and what an element costs.
 *
 * Slices that these functions give are valid until the table is changed next. Slices that they are given must
 * not point into the table. One thread at a time; any thread may free a table. */
#ifndef DKV_VALUE_PACKED_TABLE_H
#define DKV_VALUE_PACKED_TABLE_H

#include "base/bytes.h"
#include "base/random.h"

struct packed_table;
struct packed_block;

/* Times are milliseconds since 1970, 0 to PACKED_TIME_MAX. */
#define PACKED_TIME_MAX ((INT64_C(1) << 48) - 1)
/* No time. */
#define PACKED_NO_TIME INT64_C(-1)
/* packed_table_set: the time that the element has already, none if it is new. */
#define PACKED_KEEP_TIME INT64_C(-2)

/* An element as a function found it. The slices lie in the table. */
struct packed_element {
    struct slice member;
    struct slice value;
    int64_t time_ms; /* PACKED_NO_TIME: it has none */
};

/* An empty table; seed: of the hash of members, secret. While *frozen is true, which is looked at at each
 * change and must outlive the table, buckets do not merge, and split only once they hold four times of what
 * they hold otherwise: a forked child shares the pages. */
struct packed_table *packed_table_new(uint64_t seed, const bool *frozen);
/* NULL is fine. */
void packed_table_free(struct packed_table *table);
/* Frees in pieces: true when all is gone, the table too. Until then only this may be called with it. *steps,
 * about as many allocations as may be freed, is decreased by those that were. */
bool packed_table_free_step(struct packed_table *table, size_t *steps);
/* How many allocations there are to free, about. */
size_t packed_table_free_cost(const struct packed_table *table);
/* An equal one. NULL: there is not enough memory. */
struct packed_table *packed_table_duplicate(const struct packed_table *table);

/* Elements. */
size_t packed_table_size(const struct packed_table *table);
/* Elements with a time. */
size_t packed_table_timed_size(const struct packed_table *table);
/* Bytes that all its allocations take; exact, O(1). */
size_t packed_table_memory(const struct packed_table *table);
/* Bytes of all members and values; O(1). */
size_t packed_table_payload(const struct packed_table *table);

/* Whether there is an element with this member, and (unless found is NULL) the element. */
bool packed_table_find(const struct packed_table *table, struct slice member, struct packed_element *found);

/* Looking one up, or setting it, ahead of time: three steps, of which each asks for what the next one reads,
 * and the last for what packed_table_find and packed_table_set read. Where the steps are taken for many
 * elements in turn, their cache misses overlap. The table must not change between the first and the last. */
struct packed_ahead {
    struct packed_block *const *bucket;
    uint8_t tag;
};
void packed_table_ahead(const struct packed_table *table, struct slice member, struct packed_ahead *ahead);
void packed_ahead_block(const struct packed_ahead *ahead);
void packed_ahead_record(const struct packed_ahead *ahead);

enum packed_status {
    PACKED_ADDED,    /* it was not there */
    PACKED_REPLACED, /* it was there */
    PACKED_NO_MEMORY /* nothing has changed; for small ones the process ends instead */
};
/* Sets an element's value, and its time: a moment, PACKED_NO_TIME or PACKED_KEEP_TIME. A value of the same
 * size as the old one is written over it where it lies. */
enum packed_status packed_table_set(struct packed_table *table, struct slice member, struct slice value,
                                    int64_t time_ms);
/* Deletes an element; whether it was there. */
bool packed_table_delete(struct packed_table *table, struct slice member);
/* Sets or clears (PACKED_NO_TIME) an element's time; whether the element is there. */
bool packed_table_set_time(struct packed_table *table, struct slice member, int64_t time_ms);

/* The earliest of all times, exactly; INT64_MAX if no element has one. O(1). */
int64_t packed_table_earliest(const struct packed_table *table);
/* A time that some element has: the latest of all, unless the element that had it was deleted or given
 * another; PACKED_NO_TIME: none is known. O(1). Whoever finds a later one may leave it here. */
int64_t packed_table_late(const struct packed_table *table);
void packed_table_note_late(struct packed_table *table, int64_t time_ms);
/* An element with time_ms <= now_ms; false when there is none. The caller deletes it or changes its time
 * before it asks again. Takes a bounded time. */
bool packed_table_next_due(const struct packed_table *table, int64_t now_ms, struct packed_element *due);
/* Elements with time_ms <= now_ms; takes time in proportion to those alone. */
size_t packed_table_due_size(const struct packed_table *table, int64_t now_ms);

/* Visits every element once, in as many pieces as the caller likes; the table must not change in between.
 *
 *     struct packed_iterator iterator = {.table = table};
 *     while (packed_table_iterate(&iterator, &element)) */
struct packed_iterator {
    const struct packed_table *table;
    size_t bucket;
    size_t position;
};
bool packed_table_iterate(struct packed_iterator *iterator, struct packed_element *element);

typedef void packed_visit(void *context, const struct packed_element *element);
/* One step of a scan: visits the elements of a bucket (20 or so, perhaps none) and returns the next cursor, 0
 * at the end. An element that is there from the first step to the last is visited at least once, however the
 * table changes in between. visit must not change the table. Any number is good as a cursor. */
uint64_t packed_table_scan(const struct packed_table *table, uint64_t cursor, packed_visit *visit,
                           void *context);

/* An element by chance, each of those without a time or with time_ms > now_ms as likely; false: there is no
 * such. INT64_MIN: any element. Where hardly any element is left that may be chosen, this takes as long as
 * looking at all buckets. */
bool packed_table_random(const struct packed_table *table, struct random *random, int64_t now_ms,
                         struct packed_element *element);

/* The same again and again, each time all as likely, in a time that does not depend on how many of them there
 * are: where few are left that may be chosen, all are looked at once, at the begin. The table must not change
 * until the end. */
struct packed_draw {
    const struct packed_table *table;
    struct random *random;
    int64_t now_ms;
    size_t live;               /* elements that may be chosen */
    struct packed_spot *spots; /* where they are; NULL: they are found by trying */
};
void packed_draw_begin(struct packed_draw *draw, const struct packed_table *table, struct random *random,
                       int64_t now_ms);
bool packed_draw_next(struct packed_draw *draw, struct packed_element *element);
void packed_draw_end(struct packed_draw *draw);

/* Splits or merges, as the load wants it and at most this many times: what was put off while the table was
 * frozen. Returns whether more is wanted. Changes do so by themselves, a few steps each. */
bool packed_table_settle(struct packed_table *table, int steps);
/* Makes buckets for so many elements at once, so that loading them splits nothing, and keeps them until less
 * is expected (0: nothing is). */
void packed_table_expect(struct packed_table *table, size_t elements);

/* For tests: blocks are no larger than this (512 bytes at least), so that buckets of several come about. */
void packed_table_block_max(struct packed_table *table, size_t bytes);

#endif
