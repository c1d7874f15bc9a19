/* Allocation and its accounting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

/* What is allocated shows in memory_used to the byte, and is gone from it when freed. */
static void use_is_counted(void **state)
{
    (void)state;
    size_t before = memory_used();
    void *memory = mem_alloc(100000);
    assert_int_equal(memory_used() - before, mem_size(memory));
    memory = mem_realloc(memory, 300000);
    assert_int_equal(memory_used() - before, mem_size(memory));
    mem_free(memory);
    assert_int_equal(memory_used(), before);
    mem_free(NULL);
    assert_int_equal(memory_used(), before);
}

#ifndef DKV_SYSTEM_MALLOC
/* What is freed in pieces side by side, larger in all than the allocator would split by itself, is used
 * again: writing the same amount again faults no fresh pages in. */
static void freed_pieces_are_used_again(void **state)
{
    (void)state;
    enum { PIECES = 1000, PIECE_SIZE = 20000 };
    static char *pieces[PIECES];
    long faults[2];
    for (int round = 0; round < 2; round++) {
        struct rusage usage;
        for (int i = 0; i < PIECES; i++)
            memset(pieces[i] = mem_alloc(PIECE_SIZE), 1, PIECE_SIZE);
        for (int i = 0; i < PIECES; i++)
            mem_free(pieces[i]);
        getrusage(RUSAGE_SELF, &usage);
        faults[round] = usage.ru_minflt;
    }
    assert_in_range(faults[1] - faults[0], 0, PIECES);
}

/* The same for one large piece, which the allocator would give back at once by itself. */
static void freed_large_pieces_are_used_again(void **state)
{
    (void)state;
    enum { SIZE = 32 << 20, PAGES = SIZE / 4096 };
    struct rusage before;
    struct rusage after;
    for (int round = 0; round < 2; round++) {
        getrusage(RUSAGE_SELF, &before);
        char *memory = mem_alloc(SIZE);
        memset(memory, 1, SIZE);
        mem_free(memory);
        getrusage(RUSAGE_SELF, &after);
    }
    assert_in_range(after.ru_minflt - before.ru_minflt, 0, PAGES / 10);
}

/* Something large that grows, and moves each time, does not leave behind what it grew out of. */
static void growth_leaves_little_behind(void **state)
{
    (void)state;
    const size_t step = (size_t)8 << 20;
    struct memory_stats stats;
    char *old = NULL;
    memory_purge();
    memory_stats_read(&stats);
    size_t before = stats.resident;
    for (size_t size = step; size <= 30 * step; size += step) {
        char *grown = mem_alloc(size);
        memory_stats_read(&stats);
        assert_in_range(stats.resident - before, size, size + (size - step) + ((size_t)80 << 20));
        memset(grown, 1, size);
        mem_free(old);
        old = grown;
    }
    mem_free(old);
}
#endif

/* Sizes no machine has are refused, and the old memory stays. */
static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    volatile size_t absurd[] = {SIZE_MAX, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, (size_t)1 << 50};
    char *memory = mem_alloc(4);
    memcpy(memory, "old", 4);
    for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
        assert_null(mem_try_alloc(absurd[i]));
        assert_null(mem_try_realloc(memory, absurd[i]));
    }
    assert_string_equal(memory, "old");
    mem_free(memory);
}

/* Nothing, too, can be allocated; zeroed memory is zero; a copied text is equal. */
static void allocations_hold_what_they_should(void **state)
{
    (void)state;
    void *nothing = mem_alloc(0);
    assert_non_null(nothing);
    nothing = mem_realloc(nothing, 0);
    assert_non_null(nothing);
    mem_free(nothing);
    char *zero = mem_alloc_zero(1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(zero[i], 0);
    mem_free(zero);
    char *text = mem_strdup("text");
    assert_string_equal(text, "text");
    mem_free(text);
}

/* The size an allocation will take is the size it takes. */
static void good_sizes_are_true(void **state)
{
    (void)state;
    for (size_t size = 1; size < 100000; size = size * 3 / 2 + 1) {
        void *memory = mem_alloc(size);
        assert_int_equal(mem_size(memory), mem_good_size(size));
        mem_free(memory);
    }
}

static void *thread_allocate(void *out)
{
    memory_thread_register();
    memory_thread_register();
    *(void **)out = mem_alloc(1 << 20);
    return NULL;
}

/* What a thread allocated still counts after it ended, and may be freed by another. More threads than there
 * are places may come, one after another. */
static void use_outlives_threads(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        size_t before = memory_used();
        void *memory;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, thread_allocate, &memory), 0);
        pthread_join(thread, NULL);
        assert_in_range(memory_used() - before, 1 << 20, (1 << 20) + 65536);
        mem_free(memory);
        assert_true(memory_used() < before + 65536);
    }
}

struct held_thread {
    pthread_barrier_t allocated;
    pthread_barrier_t released;
    void *memory;
};

static void *thread_hold(void *argument)
{
    struct held_thread *held = argument;
    memory_thread_register();
    held->memory = mem_alloc(1 << 20);
    pthread_barrier_wait(&held->allocated);
    pthread_barrier_wait(&held->released);
    return NULL;
}

/* Another thread's share counts while it runs, and also in a child forked meanwhile. */
static void use_survives_fork(void **state)
{
    (void)state;
    struct held_thread held;
    pthread_t thread;
    pthread_barrier_init(&held.allocated, NULL, 2);
    pthread_barrier_init(&held.released, NULL, 2);
    size_t before = memory_used();
    assert_int_equal(pthread_create(&thread, NULL, thread_hold, &held), 0);
    pthread_barrier_wait(&held.allocated);
    size_t during = memory_used();
    assert_true(during >= before + (1 << 20));
    pid_t child = fork();
    if (child == 0) {
        size_t used = memory_used();
        mem_free(held.memory);
        _exit(used >= during && used < during + 65536 && memory_used() <= used - (1 << 20) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pthread_barrier_wait(&held.released);
    pthread_join(thread, NULL);
    mem_free(held.memory);
}

/* The statistics are plausible: nothing is zero, and what is used is mapped. */
static void statistics_are_plausible(void **state)
{
    (void)state;
    /* Less than what the allocator would give back by itself at once. */
    char *memory = mem_alloc(6 << 20);
    memset(memory, 1, 6 << 20);
    struct memory_stats stats;
    memory_stats_read(&stats);
    assert_true(stats.used >= 6 << 20);
    assert_true(stats.rss >= 6 << 20);
    mem_free(memory);
    memory_purge();
    assert_non_null(memory_allocator_name());
#ifdef DKV_SYSTEM_MALLOC
    assert_string_equal(memory_allocator_name(), "libc");
#else
    assert_true(stats.allocated >= 6 << 20);
    assert_true(stats.active >= stats.allocated);
    assert_true(stats.resident >= stats.active);
    assert_memory_equal(memory_allocator_name(), "jemalloc-5.", 11);
    struct memory_stats after;
    memory_stats_read(&after);
    assert_true(after.resident + (4 << 20) < stats.resident);
    memory_background_thread(true);
    memory_background_thread(false);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(use_is_counted),
#ifndef DKV_SYSTEM_MALLOC
        cmocka_unit_test(freed_pieces_are_used_again),
        cmocka_unit_test(freed_large_pieces_are_used_again),
        cmocka_unit_test(growth_leaves_little_behind),
#endif
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(allocations_hold_what_they_should),
        cmocka_unit_test(good_sizes_are_true),
        cmocka_unit_test(use_outlives_threads),
        cmocka_unit_test(use_survives_fork),
        cmocka_unit_test(statistics_are_plausible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
