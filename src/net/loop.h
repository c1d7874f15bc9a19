/* The event loop: one thread, epoll, timers, and a way for other threads to wake it.
 *
 * A round is: sleep until something happens; the hooks' woken (if somebody called loop_wake) and begin; the
 * callbacks of file descriptors; the timers that are due; the hooks' end, after which the loop sleeps again.
 * A loop with nothing to do sleeps until it is disturbed. Everything but loop_wake and loop_stop belongs to
 * the loop's own thread. */
#ifndef DKV_NET_LOOP_H
#define DKV_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

struct loop;

/* NULL with errno when the kernel refuses. */
struct loop *loop_new(struct clock *clock);
/* Closes what the loop opened; the descriptors that were added stay their owners'. NULL is fine. */
void loop_free(struct loop *loop);

/* --- file descriptors -------------------------------------------------------------------------------- */

/* events as epoll has them: EPOLLIN, EPOLLOUT, EPOLLRDHUP; EPOLLERR and EPOLLHUP come unasked.
 * Level-triggered: what is not dealt with is told again in the next round. */
typedef void loop_callback(void *context, uint32_t events);

/* 0 or a negative errno. */
int loop_add(struct loop *loop, int fd, uint32_t events, loop_callback *callback, void *context);
void loop_modify(struct loop *loop, int fd, uint32_t events);
/* Call before closing fd. No event is delivered to it any more, not even one that this round has already
 * fetched, also when the number is in use again by then. */
void loop_remove(struct loop *loop, int fd);

/* --- timers ------------------------------------------------------------------------------------------ */

/* Lies inside its owner; all zero but for callback and context is a timer that is not set. */
struct loop_timer {
    void (*callback)(void *context);
    void *context;
    int64_t due_us; /* on the clock's monotonic time */
    size_t place;   /* private: where in the heap, from 1; 0: not set */
};

/* Runs the callback once, at due_us or soon after. A timer that is set already is moved. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_us);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

static inline bool loop_timer_is_set(const struct loop_timer *timer)
{
    return timer->place != 0;
}

/* --- hooks ------------------------------------------------------------------------------------------- */

#define LOOP_HOOKS_MAX 8

/* Any of these may be NULL. */
struct loop_hook {
    void *context;
    /* loop_wake was called since the last time, once or more often. */
    void (*woken)(void *context);
    void (*begin)(void *context);
    /* The round has done what it had. Returns how many milliseconds the loop may sleep at the most; -1: no
     * limit. */
    int (*end)(void *context);
};

/* Hooks are called in the order they were added. Up to LOOP_HOOKS_MAX. */
void loop_hook_add(struct loop *loop, const struct loop_hook *hook);
void loop_hook_remove(struct loop *loop, const void *context);

/* --- running ----------------------------------------------------------------------------------------- */

/* Runs rounds until loop_stop. */
void loop_run(struct loop *loop);
/* One round that sleeps wait_ms at the most (-1: no limit). */
void loop_round(struct loop *loop, int wait_ms);
/* From any thread or signal handler: makes loop_run return after the round it is in. Stays in force. */
void loop_stop(struct loop *loop);
bool loop_stopped(const struct loop *loop);
/* From any thread or signal handler: makes the loop begin a round and call the hooks' woken in it. What the
 * caller wrote before is seen there. Cheap while the loop is awake. */
void loop_wake(struct loop *loop);

/* --- knowing ----------------------------------------------------------------------------------------- */

/* Durations in powers of two of microseconds: bucket i counts those in [2^i, 2^(i+1)), the first one those of
 * 0, too, the last one all that are longer. */
#define LOOP_BUCKETS 32

/* How long rounds took, from waking up to the next sleep: what happens meanwhile has to wait so long at the
 * most, which is the loop's lag. Their sum is the time that the loop was busy. */
struct loop_stats {
    uint64_t rounds;
    uint64_t busy_us;
    uint64_t round_us_max;
    uint64_t durations[LOOP_BUCKETS];
};
void loop_stats_read(const struct loop *loop, struct loop_stats *stats);

/* Monotonic time as of the beginning of this round. */
int64_t loop_time_us(const struct loop *loop);
struct clock *loop_clock(const struct loop *loop);

#endif
