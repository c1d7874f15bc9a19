/* Events are fetched in bulk, so a callback can remove a descriptor, and another one can open a new one with
 * the same number, while an event for the old one is still waiting in the bulk. Each registration therefore
 * has a generation, which travels through the kernel beside the number, and an event of another generation is
 * dropped. */
#include "net/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/memory.h"

#define EVENTS_MAX 512

struct registration {
    loop_callback *callback; /* NULL: none */
    void *context;
    uint32_t events;
    uint32_t generation;
};

struct loop {
    struct clock *clock;
    int64_t time_us;
    int epoll_fd;
    int wake_fd;
    struct registration *registrations; /* by descriptor */
    size_t registrations_size;
    struct loop_timer **timers; /* a binary heap, the next one first */
    size_t timer_count;
    size_t timer_capacity;
    struct loop_hook hooks[LOOP_HOOKS_MAX];
    int hook_count;
    atomic_bool stopped;
    atomic_bool woken;
    atomic_bool asleep;
    bool in_round; /* one has begun, so that the time until the next sleep is its */
    struct loop_stats stats;
    struct epoll_event fetched[EVENTS_MAX];
};

/* That epoll_wait has returned is all that was wanted; what it is about is in loop->woken. The descriptor is
 * watched for writes to it (EPOLLET), not for being readable, so it need not be read: with few clients that
 * write, it would be one of fourteen system calls. */
static void wake_seen(void *context, uint32_t events)
{
    (void)context;
    (void)events;
}

struct loop *loop_new(struct clock *clock)
{
    struct loop *loop = mem_alloc_zero(sizeof(*loop));
    loop->clock = clock;
    loop->time_us = clock_monotonic_us(clock);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int error = loop->epoll_fd < 0 || loop->wake_fd < 0 ? -errno : 0;
    if (error == 0)
        error = loop_add(loop, loop->wake_fd, EPOLLIN | EPOLLET, wake_seen, loop);
    if (error == 0)
        return loop;
    loop_free(loop);
    errno = -error;
    return NULL;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    mem_free(loop->registrations);
    mem_free(loop->timers);
    mem_free(loop);
}

/* --- file descriptors -------------------------------------------------------------------------------- */

static struct registration *registration_of(const struct loop *loop, int fd)
{
    ASSERT(fd >= 0 && (size_t)fd < loop->registrations_size);
    return &loop->registrations[fd];
}

static void registrations_grow(struct loop *loop, int fd)
{
    size_t old = loop->registrations_size;
    if ((size_t)fd < old)
        return;
    size_t size = old == 0 ? 64 : old;
    while (size <= (size_t)fd)
        size *= 2;
    loop->registrations = mem_realloc(loop->registrations, size * sizeof(*loop->registrations));
    for (size_t i = old; i < size; i++)
        loop->registrations[i] = (struct registration){0};
    loop->registrations_size = size;
}

static int epoll_set(struct loop *loop, int operation, int fd, const struct registration *registration)
{
    struct epoll_event event = {.events = registration->events,
                                .data.u64 = (uint64_t)registration->generation << 32 | (uint32_t)fd};
    return epoll_ctl(loop->epoll_fd, operation, fd, &event) == 0 ? 0 : -errno;
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_callback *callback, void *context)
{
    ASSERT(fd >= 0 && callback != NULL);
    registrations_grow(loop, fd);
    struct registration *registration = registration_of(loop, fd);
    ASSERT(registration->callback == NULL);
    registration->generation++;
    registration->events = events;
    int error = epoll_set(loop, EPOLL_CTL_ADD, fd, registration);
    if (error == 0) {
        registration->callback = callback;
        registration->context = context;
    }
    return error;
}

void loop_modify(struct loop *loop, int fd, uint32_t events)
{
    struct registration *registration = registration_of(loop, fd);
    ASSERT(registration->callback != NULL);
    if (registration->events == events)
        return;
    registration->events = events;
    int error = epoll_set(loop, EPOLL_CTL_MOD, fd, registration);
    ASSERT(error == 0);
}

void loop_remove(struct loop *loop, int fd)
{
    struct registration *registration = registration_of(loop, fd);
    ASSERT(registration->callback != NULL);
    int error = epoll_set(loop, EPOLL_CTL_DEL, fd, registration);
    ASSERT(error == 0);
    registration->callback = NULL;
    registration->context = NULL;
}

static void event_deliver(struct loop *loop, const struct epoll_event *event)
{
    int fd = (int)(event->data.u64 & UINT32_MAX);
    struct registration *registration = registration_of(loop, fd);
    if (registration->callback == NULL || registration->generation != event->data.u64 >> 32)
        return;
    registration->callback(registration->context, event->events);
}

/* --- timers ------------------------------------------------------------------------------------------ */

/* The heap counts from 1: the parent of place is place / 2. */
static void timer_put(struct loop *loop, struct loop_timer *timer, size_t place)
{
    loop->timers[place - 1] = timer;
    timer->place = place;
}

static struct loop_timer *timer_at(const struct loop *loop, size_t place)
{
    return loop->timers[place - 1];
}

static void timer_rise(struct loop *loop, struct loop_timer *timer)
{
    size_t place = timer->place;
    for (; place > 1 && timer_at(loop, place / 2)->due_us > timer->due_us; place /= 2)
        timer_put(loop, timer_at(loop, place / 2), place);
    timer_put(loop, timer, place);
}

static void timer_sink(struct loop *loop, struct loop_timer *timer)
{
    size_t place = timer->place;
    for (;;) {
        size_t child = place * 2;
        if (child > loop->timer_count)
            break;
        if (child < loop->timer_count && timer_at(loop, child + 1)->due_us < timer_at(loop, child)->due_us)
            child++;
        if (timer_at(loop, child)->due_us >= timer->due_us)
            break;
        timer_put(loop, timer_at(loop, child), place);
        place = child;
    }
    timer_put(loop, timer, place);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_us)
{
    ASSERT(timer->callback != NULL);
    timer->due_us = due_us;
    if (timer->place == 0) {
        if (loop->timer_count == loop->timer_capacity) {
            loop->timer_capacity = loop->timer_capacity == 0 ? 16 : loop->timer_capacity * 2;
            loop->timers = mem_realloc(loop->timers, loop->timer_capacity * sizeof(struct loop_timer *));
        }
        timer_put(loop, timer, ++loop->timer_count);
    }
    timer_rise(loop, timer);
    timer_sink(loop, timer);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    size_t place = timer->place;
    if (place == 0)
        return;
    ASSERT(place <= loop->timer_count && timer_at(loop, place) == timer);
    timer->place = 0;
    struct loop_timer *last = timer_at(loop, loop->timer_count--);
    if (last == timer)
        return;
    timer_put(loop, last, place);
    timer_rise(loop, last);
    timer_sink(loop, last);
}

static void timers_run(struct loop *loop)
{
    if (loop->timer_count == 0)
        return;
    int64_t now_us = clock_monotonic_us(loop->clock);
    /* A timer that sets itself again for a time past gets its turn in the next round. */
    for (size_t left = loop->timer_count; left > 0 && loop->timer_count > 0; left--) {
        struct loop_timer *timer = timer_at(loop, 1);
        if (timer->due_us > now_us)
            return;
        loop_timer_cancel(loop, timer);
        timer->callback(timer->context);
    }
}

/* --- hooks ------------------------------------------------------------------------------------------- */

void loop_hook_add(struct loop *loop, const struct loop_hook *hook)
{
    ASSERT(loop->hook_count < LOOP_HOOKS_MAX);
    loop->hooks[loop->hook_count++] = *hook;
}

void loop_hook_remove(struct loop *loop, const void *context)
{
    int kept = 0;
    for (int i = 0; i < loop->hook_count; i++) {
        if (loop->hooks[i].context != context)
            loop->hooks[kept++] = loop->hooks[i];
    }
    loop->hook_count = kept;
}

static void hooks_woken(struct loop *loop)
{
    for (int i = 0; i < loop->hook_count; i++) {
        if (loop->hooks[i].woken != NULL)
            loop->hooks[i].woken(loop->hooks[i].context);
    }
}

static void hooks_begin(struct loop *loop)
{
    for (int i = 0; i < loop->hook_count; i++) {
        if (loop->hooks[i].begin != NULL)
            loop->hooks[i].begin(loop->hooks[i].context);
    }
}

/* The shorter of two sleeps, where -1 is no limit. */
static int sleep_shorter(int a, int b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

static int hooks_end(struct loop *loop, int wait_ms)
{
    for (int i = 0; i < loop->hook_count; i++) {
        if (loop->hooks[i].end != NULL)
            wait_ms = sleep_shorter(wait_ms, loop->hooks[i].end(loop->hooks[i].context));
    }
    return wait_ms;
}

/* --- running ----------------------------------------------------------------------------------------- */

/* Rounded up: waking before a timer is due would be a round for nothing. */
static int timers_sleep_ms(const struct loop *loop, int64_t now_us)
{
    if (loop->timer_count == 0)
        return -1;
    int64_t left_us = timer_at(loop, 1)->due_us - now_us;
    if (left_us <= 0)
        return 0;
    int64_t left_ms = left_us / 1000 + (left_us % 1000 != 0);
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

/* The order of the two flags here and in loop_wake (both sequentially consistent) makes sure that either the
 * waker sees that the loop is going to sleep, or the loop sees that it must not. */
static int loop_sleep(struct loop *loop, int wait_ms)
{
    atomic_store(&loop->asleep, true);
    if (atomic_load(&loop->woken))
        wait_ms = 0;
    int count = epoll_wait(loop->epoll_fd, loop->fetched, EVENTS_MAX, wait_ms);
    ASSERT(count >= 0 || errno == EINTR);
    atomic_store(&loop->asleep, false);
    return count > 0 ? count : 0;
}

static void count_round(struct loop *loop, int64_t took_us)
{
    struct loop_stats *stats = &loop->stats;
    uint64_t us = took_us > 0 ? (uint64_t)took_us : 0;
    int bucket = us > 0 ? 63 - __builtin_clzll(us) : 0;
    stats->rounds++;
    stats->busy_us += us;
    if (us > stats->round_us_max)
        stats->round_us_max = us;
    stats->durations[bucket < LOOP_BUCKETS ? bucket : LOOP_BUCKETS - 1]++;
}

void loop_round(struct loop *loop, int wait_ms)
{
    wait_ms = hooks_end(loop, wait_ms); /* first: an end may set timers */
    /* One look at the clock serves both the timers and the figures: a round is as little as one command. */
    int64_t now_us = clock_monotonic_us(loop->clock);
    if (loop->in_round)
        count_round(loop, now_us - loop->time_us);
    loop->in_round = true;
    wait_ms = sleep_shorter(wait_ms, timers_sleep_ms(loop, now_us));
    int count = loop_sleep(loop, wait_ms);
    loop->time_us = clock_monotonic_us(loop->clock);
    if (atomic_load_explicit(&loop->woken, memory_order_relaxed) && atomic_exchange(&loop->woken, false))
        hooks_woken(loop);
    hooks_begin(loop);
    for (int i = 0; i < count; i++)
        event_deliver(loop, &loop->fetched[i]);
    timers_run(loop);
}

void loop_run(struct loop *loop)
{
    while (!loop_stopped(loop))
        loop_round(loop, -1);
    /* What the last round left to be sent or handed on. */
    hooks_end(loop, 0);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopped, true);
    loop_wake(loop);
}

bool loop_stopped(const struct loop *loop)
{
    return atomic_load(&loop->stopped);
}

void loop_wake(struct loop *loop)
{
    if (atomic_exchange(&loop->woken, true) || !atomic_load(&loop->asleep))
        return;
    int saved_errno = errno; /* a signal handler must leave it alone */
    uint64_t one = 1;
    ssize_t size = write(loop->wake_fd, &one, sizeof(one));
    (void)size; /* nothing can be wrong with it; it would be full after 2^64 wakes */
    errno = saved_errno;
}

void loop_stats_read(const struct loop *loop, struct loop_stats *stats)
{
    *stats = loop->stats;
}

int64_t loop_time_us(const struct loop *loop)
{
    return loop->time_us;
}

struct clock *loop_clock(const struct loop *loop)
{
    return loop->clock;
}
