/* The event loop: who is called, in which order, when, and who is not. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include "harness.h"

static struct server clock_owner; /* only its clock is used: time passes as clock_ahead_us says */

static int64_t stopped_clock(struct clock *clock)
{
    (void)clock;
    return clock_owner.clock_ahead_us;
}

static struct clock test_clock = {.wall_us = stopped_clock, .monotonic_us = stopped_clock};

static struct loop *test_loop_new(struct clock *clock)
{
    alarm(60);
    clock_owner.clock_ahead_us = 1000000;
    struct loop *loop = loop_new(clock);
    assert_non_null(loop);
    return loop;
}

/* --- timers ------------------------------------------------------------------------------------------ */

#define TIMERS 500

struct timed {
    struct loop_timer timer;
    struct timed_order *order;
};

struct timed_order {
    struct timed timers[TIMERS];
    int64_t last_us;
    int fired;
};

static void timed_fire(void *context)
{
    struct timed *timed = context;
    assert_false(loop_timer_is_set(&timed->timer));
    assert_true(timed->timer.due_us >= timed->order->last_us);
    assert_true(timed->timer.due_us <= clock_owner.clock_ahead_us);
    timed->order->last_us = timed->timer.due_us;
    timed->order->fired++;
}

/* Shows: timers that are set, moved and cancelled at random fire once each, in order, and never early. */
static void test_timers(void **state)
{
    (void)state;
    struct loop *loop = test_loop_new(&test_clock);
    static struct timed_order order;
    struct random random;
    random_seed(&random, 7);
    memset(&order, 0, sizeof(order));
    for (int i = 0; i < TIMERS; i++) {
        order.timers[i].order = &order;
        order.timers[i].timer = (struct loop_timer){.callback = timed_fire, .context = &order.timers[i]};
    }
    for (int step = 0; step < 20000; step++) {
        struct loop_timer *timer = &order.timers[random_below(&random, TIMERS)].timer;
        if (random_below(&random, 3) == 0)
            loop_timer_cancel(loop, timer);
        else
            loop_timer_set(loop, timer, 2000000 + (int64_t)random_below(&random, 100000));
    }
    int set = 0;
    for (int i = 0; i < TIMERS; i++)
        set += loop_timer_is_set(&order.timers[i].timer);
    assert_in_range(set, 100, TIMERS);
    loop_round(loop, 0);
    assert_int_equal(order.fired, 0);
    for (clock_owner.clock_ahead_us = 2000000; clock_owner.clock_ahead_us <= 2100000;
         clock_owner.clock_ahead_us += 5000)
        loop_round(loop, 0);
    assert_int_equal(order.fired, set);
    loop_round(loop, 0);
    assert_int_equal(order.fired, set);
    loop_free(loop);
}

struct repeating {
    struct loop *loop;
    struct loop_timer timer;
    int fired;
};

static void repeating_fire(void *context)
{
    struct repeating *repeating = context;
    repeating->fired++;
    loop_timer_set(repeating->loop, &repeating->timer, 0);
}

/* Shows: a timer that is always due fires once a round and does not keep the round from ending. */
static void test_timer_sets_itself(void **state)
{
    (void)state;
    struct loop *loop = test_loop_new(&test_clock);
    struct repeating repeating = {.loop = loop, .timer = {.callback = repeating_fire, .context = &repeating}};
    loop_timer_set(loop, &repeating.timer, 0);
    loop_round(loop, -1);
    loop_round(loop, -1);
    assert_int_equal(repeating.fired, 2);
    loop_free(loop);
}

static void count_up(void *context)
{
    ++*(int *)context;
}

/* Shows: the loop sleeps until its timer is due, in one round, not less and not in steps. */
static void test_sleep_until_timer(void **state)
{
    (void)state;
    struct loop *loop = test_loop_new(clock_system());
    int fired = 0;
    int64_t begin_us = clock_monotonic_us(clock_system());
    struct loop_timer timer = {.callback = count_up, .context = &fired};
    loop_timer_set(loop, &timer, begin_us + 30500);
    loop_round(loop, -1);
    assert_int_equal(fired, 1);
    assert_true(clock_monotonic_us(clock_system()) >= begin_us + 30500);
    loop_free(loop);
}

static void take_3_ms(void *context)
{
    (void)context;
    clock_owner.clock_ahead_us += 3000;
}

/* Shows: a round's duration, from waking to the next sleep, is counted once it is over, in the bucket of its
 * power of two; and the time before the first round is nobody's. */
static void test_durations(void **state)
{
    (void)state;
    struct loop *loop = test_loop_new(&test_clock);
    struct loop_stats stats;
    clock_owner.clock_ahead_us += 700000;
    struct loop_timer timer = {.callback = take_3_ms};
    loop_timer_set(loop, &timer, clock_owner.clock_ahead_us);
    loop_round(loop, 0);
    loop_stats_read(loop, &stats);
    assert_int_equal(stats.rounds, 0);
    loop_round(loop, 0);
    loop_round(loop, 0);
    loop_stats_read(loop, &stats);
    assert_int_equal(stats.rounds, 2);
    assert_int_equal(stats.busy_us, 3000);
    assert_int_equal(stats.round_us_max, 3000);
    assert_int_equal(stats.durations[0], 1);
    assert_int_equal(stats.durations[11], 1); /* 2048 to 4095 */
    loop_free(loop);
}

/* --- descriptors ------------------------------------------------------------------------------------- */

struct pair {
    struct loop *loop;
    int fd;
    struct pair *other;
    int events;
    int reused_peer;
    int *reused; /* counts the events of a descriptor opened in the other's place */
};

static void reused_event(void *context, uint32_t events)
{
    (void)events;
    ++*(int *)context;
}

static void pair_event(void *context, uint32_t events)
{
    struct pair *pair = context;
    assert_true(events & EPOLLIN);
    pair->events++;
    struct pair *other = pair->other;
    int fd = other->fd;
    assert_true(fd >= 0);
    loop_remove(pair->loop, fd);
    close(fd);
    /* The lowest free number: the one just closed. Nothing can be read from it. */
    int again = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(again, fd);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(dup2(ends[0], again), again);
    close(ends[0]);
    other->fd = again;
    pair->reused_peer = ends[1];
    assert_int_equal(loop_add(pair->loop, again, EPOLLIN, reused_event, pair->reused), 0);
}

/* Shows: when two descriptors are ready in the same round and the first's callback removes and closes the
 * second, whose number is then reused, the event that was already fetched reaches neither the removed one nor
 * the new one. */
static void test_remove_in_round(void **state)
{
    (void)state;
    struct loop *loop = test_loop_new(&test_clock);
    int ends[2][2];
    int reused = 0;
    struct pair pairs[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends[i]), 0);
        pairs[i] = (struct pair){.loop = loop, .fd = ends[i][0], .other = &pairs[1 - i], .reused = &reused};
        assert_int_equal(loop_add(loop, ends[i][0], EPOLLIN, pair_event, &pairs[i]), 0);
        assert_int_equal(write(ends[i][1], "x", 1), 1);
    }
    loop_round(loop, 0);
    assert_int_equal(pairs[0].events + pairs[1].events, 1);
    assert_int_equal(reused, 0);
    loop_free(loop);
    for (int i = 0; i < 2; i++) {
        close(pairs[i].fd);
        close(ends[i][1]);
        if (pairs[i].events > 0)
            close(pairs[i].reused_peer);
    }
}

/* --- hooks and waking -------------------------------------------------------------------------------- */

struct hooked {
    struct buffer order;
    int sleep_ms;
};

static void hooked_woken(void *context)
{
    struct hooked *hooked = context;
    buffer_append_char(&hooked->order, 'w');
}

static void hooked_begin(void *context)
{
    struct hooked *hooked = context;
    buffer_append_char(&hooked->order, 'b');
}

static int hooked_end(void *context)
{
    struct hooked *hooked = context;
    buffer_append_char(&hooked->order, 'e');
    return hooked->sleep_ms;
}

/* Shows: a round's hooks come in their order, woken only after loop_wake and once for several, and the
 * shortest sleep that a hook asks for holds. */
static void test_hooks(void **state)
{
    (void)state;
    struct loop *loop = test_loop_new(&test_clock);
    struct hooked first = {.sleep_ms = -1};
    struct hooked second = {.sleep_ms = 5};
    loop_hook_add(loop, &(struct loop_hook){&first, hooked_woken, hooked_begin, hooked_end});
    loop_hook_add(loop, &(struct loop_hook){&second, NULL, NULL, hooked_end});
    loop_round(loop, -1);
    loop_wake(loop);
    loop_wake(loop);
    loop_round(loop, -1);
    loop_round(loop, -1);
    assert_true(slice_is(buffer_slice(&first.order), "ebewbeb"));
    assert_true(slice_is(buffer_slice(&second.order), "eee"));
    loop_hook_remove(loop, &first);
    loop_round(loop, -1);
    assert_int_equal(first.order.size, 7);
    buffer_free(&first.order);
    buffer_free(&second.order);
    loop_free(loop);
}

struct late {
    struct loop *loop;
    struct loop_timer timer;
    int fired;
};

static int late_end(void *context)
{
    struct late *late = context;
    if (late->fired == 0 && !loop_timer_is_set(&late->timer))
        loop_timer_set(late->loop, &late->timer, clock_monotonic_us(clock_system()) + 10000);
    return -1;
}

static void late_fire(void *context)
{
    struct late *late = context;
    late->fired++;
}

/* Shows: a timer that a hook's end sets shortens the sleep that follows at once. */
static void test_timer_set_at_end(void **state)
{
    (void)state;
    struct late late = {.loop = test_loop_new(clock_system())};
    late.timer = (struct loop_timer){.callback = late_fire, .context = &late};
    loop_hook_add(late.loop, &(struct loop_hook){.context = &late, .end = late_end});
    int64_t begin_us = clock_monotonic_us(clock_system());
    loop_round(late.loop, 2000);
    int64_t took_us = clock_monotonic_us(clock_system()) - begin_us;
    assert_int_equal(late.fired, 1);
    assert_in_range(took_us, 10000, 1000000);
    loop_free(late.loop);
    loop_free(NULL); /* as after a start that failed before it had a loop */
}

static int wake_at_end(void *context)
{
    loop_wake(context);
    return -1;
}

/* Shows: a wake that comes when the round is over, but the loop does not sleep yet, is not slept over. */
static void test_wake_before_sleep(void **state)
{
    (void)state;
    struct loop *loop = test_loop_new(&test_clock);
    struct hooked hooked = {.sleep_ms = -1};
    loop_hook_add(loop, &(struct loop_hook){.context = &hooked, .woken = hooked_woken});
    loop_hook_add(loop, &(struct loop_hook){.context = loop, .end = wake_at_end});
    loop_round(loop, -1);
    loop_round(loop, -1);
    assert_true(slice_is(buffer_slice(&hooked.order), "ww"));
    buffer_free(&hooked.order);
    loop_free(loop);
}

#define WAKES 20000

struct waking {
    struct loop *loop;
    atomic_int published; /* by the thread */
    atomic_int seen;      /* by the loop */
};

static void *waking_thread(void *context)
{
    struct waking *waking = context;
    for (int i = 1; i <= WAKES; i++) {
        atomic_store_explicit(&waking->published, i, memory_order_relaxed);
        loop_wake(waking->loop);
        /* Every other time waits until it was seen: one wake that gets lost and this never ends. */
        while (i % 2 == 0 && atomic_load(&waking->seen) < i)
            ;
    }
    loop_stop(waking->loop);
    return NULL;
}

static void waking_woken(void *context)
{
    struct waking *waking = context;
    atomic_store(&waking->seen, atomic_load_explicit(&waking->published, memory_order_relaxed));
}

/* Shows: no wake from another thread is lost, whether the loop sleeps, is about to, or has just woken; and
 * what the thread wrote before is seen. */
static void test_wake_from_thread(void **state)
{
    (void)state;
    struct waking waking = {.loop = test_loop_new(clock_system())};
    loop_hook_add(waking.loop, &(struct loop_hook){.context = &waking, .woken = waking_woken});
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, waking_thread, &waking), 0);
    loop_run(waking.loop);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&waking.seen), WAKES);
    loop_free(waking.loop);
}

static struct loop *signalled_loop;

static void on_signal(int number)
{
    (void)number;
    loop_stop(signalled_loop);
}

static void raise_signal(void *context)
{
    (void)context;
    raise(SIGUSR1);
}

/* Shows: loop_stop from a signal handler ends a loop that would sleep for ever, after its last round's end
 * hooks, and a loop that was stopped still sleeps in rounds that are asked for. */
static void test_stop_from_signal(void **state)
{
    (void)state;
    struct loop *loop = test_loop_new(clock_system());
    struct hooked hooked = {.sleep_ms = -1};
    loop_hook_add(loop, &(struct loop_hook){.context = &hooked, .begin = hooked_begin, .end = hooked_end});
    signalled_loop = loop;
    signal(SIGUSR1, on_signal);
    struct loop_timer timer = {.callback = raise_signal};
    loop_timer_set(loop, &timer, clock_monotonic_us(clock_system()) + 2000);
    loop_run(loop);
    assert_true(slice_is(buffer_slice(&hooked.order), "ebe"));
    loop_round(loop, 0);
    int64_t begin_us = clock_monotonic_us(clock_system());
    loop_round(loop, 20);
    assert_true(clock_monotonic_us(clock_system()) - begin_us >= 15000);
    buffer_free(&hooked.order);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_timer_sets_itself),
        cmocka_unit_test(test_sleep_until_timer),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_remove_in_round),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_timer_set_at_end),
        cmocka_unit_test(test_wake_before_sleep),
        cmocka_unit_test(test_wake_from_thread),
        cmocka_unit_test(test_stop_from_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
