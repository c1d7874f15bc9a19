/* A hierarchical timing wheel: which entries are due, without asking all of them.
 *
 * After G. Varghese and T. Lauck, "Hashed and hierarchical timing wheels", SOSP 1987. Ten levels of 64 slots;
 * a slot of the lowest level is one tick (WHEEL_TICK_MS), a slot of each level above is as long as the whole
 * level below. A node lies inside the thing that has the time, so that adding and removing one costs O(1) and
 * no memory.
 *
 * A node's slot is never later than its time. When the wheel's own time passes a slot, its list is spliced
 * onto the pending list in O(1); the nodes there are handed out or put into a later slot one at a time, as
 * far as the caller's budget goes. What a jump of the clock costs at once is bounded by the number of slots,
 * whatever its length. */
#ifndef DKV_BASE_WHEEL_H
#define DKV_BASE_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#define WHEEL_TICK_MS   16
#define WHEEL_SLOT_BITS 6
#define WHEEL_SLOTS     (1 << WHEEL_SLOT_BITS)
/* 10 digits of 6 bits hold INT64_MAX / WHEEL_TICK_MS. */
#define WHEEL_LEVELS 10

/* A circular list with a head; an empty one points at itself. */
struct wheel_list {
    struct wheel_list *next;
    struct wheel_list *previous;
};

/* What something with a time to live carries. */
struct wheel_node {
    struct wheel_list links;
    int64_t expire_ms;
};

struct wheel;

struct wheel *wheel_new(void);
/* The nodes are left as they are. */
void wheel_free(struct wheel *wheel);

/* The node must not be in a wheel. */
void wheel_insert(struct wheel *wheel, struct wheel_node *node, int64_t expire_ms);
void wheel_remove(struct wheel *wheel, struct wheel_node *node);
/* Changes the time of a node that is in the wheel. */
void wheel_change(struct wheel *wheel, struct wheel_node *node, int64_t expire_ms);
/* to takes the place and the time of from, which is in no wheel afterwards. */
void wheel_relocate(struct wheel_node *from, struct wheel_node *to);

/* The next node with expire_ms <= now_ms, which stays where it is; NULL when none is due (up to a tick late,
 * or up to WHEEL_REWIND_TICKS after the clock went back) or when *budget, decreased by the nodes looked at,
 * is used up. */
struct wheel_node *wheel_next(struct wheel *wheel, int64_t now_ms, int *budget);

/* When wheel_next may find something due, or have something to move, at the earliest: INT64_MIN at once,
 * INT64_MAX never. */
int64_t wheel_due_ms(const struct wheel *wheel);

/* A clock that goes back by no more than this is waited out; beyond it, all nodes are sorted anew. */
#define WHEEL_REWIND_TICKS 64

/* The node whose time comes first, or one of nearly the same time where more than `looks` come close; NULL
 * when there is none. */
struct wheel_node *wheel_soonest(struct wheel *wheel, int looks);

size_t wheel_count(const struct wheel *wheel);
/* The mean of the nodes' times, 0 when there are none. */
int64_t wheel_mean_ms(const struct wheel *wheel);
/* Bytes it takes, without the nodes. */
size_t wheel_memory(const struct wheel *wheel);

#endif
