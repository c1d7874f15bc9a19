#include "base/memory.h"

#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/thread.h"

static _Atomic(int64_t) untouched;

void memory_untouched_change(int64_t bytes)
{
    atomic_fetch_add_explicit(&untouched, bytes, memory_order_relaxed);
}

static size_t touched(int64_t used)
{
    used -= atomic_load_explicit(&untouched, memory_order_relaxed);
    return used > 0 ? (size_t)used : 0;
}

/* Nobody has this much in one piece. Refused here, as some allocators abort instead of answering NULL. */
#define REQUEST_MAX ((size_t)1 << 39)

size_t mem_size(const void *memory)
{
    /* The library only reads, but its prototype does not say so. */
    return malloc_usable_size((void *)(uintptr_t)memory);
}

#ifdef DKV_SYSTEM_MALLOC

/* The C library's allocator: every allocation is counted as it passes. */

static _Atomic(int64_t) counted;

static void count_change(size_t before, size_t after)
{
    atomic_fetch_add_explicit(&counted, (int64_t)after - (int64_t)before, memory_order_relaxed);
}

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    count_change(0, mem_size(memory));
    return memory;
}

static void *allocate_zero(size_t size)
{
    void *memory = calloc(1, size);
    count_change(0, mem_size(memory));
    return memory;
}

static void *reallocate(void *old, size_t size)
{
    size_t before = mem_size(old);
    void *memory = realloc(old, size);
    if (memory != NULL)
        count_change(before, mem_size(memory));
    return memory;
}

void mem_free(void *memory)
{
    count_change(mem_size(memory), 0);
    free(memory);
}

size_t mem_good_size(size_t size)
{
#if defined(__SANITIZE_ADDRESS__)
    return size == 0 ? 1 : size;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return size == 0 ? 1 : size;
#endif
#endif
    /* glibc: multiples of 16 less a word of its own, and 24 at least; whole pages where it maps them is
     * beyond it. */
    return size <= 24 ? 24 : ((size + 8 + 15) & ~(size_t)15) - 8;
}

void memory_thread_register(void)
{
}

size_t memory_used(void)
{
    return touched(atomic_load_explicit(&counted, memory_order_relaxed));
}

static void allocator_stats_read(struct memory_stats *stats)
{
    struct mallinfo2 info = mallinfo2();
    stats->allocated = info.uordblks + info.hblkhd;
    stats->active = info.arena + info.hblkhd;
    stats->resident = info.arena + info.hblkhd;
}

void memory_purge(void)
{
    malloc_trim(0);
}

void memory_background_thread(bool on)
{
    (void)on;
}

/* What is freed in large pieces goes back at once. */
static void idle_limit(size_t size)
{
    (void)size;
}

const char *memory_allocator_name(void)
{
    return "libc";
}

#else

#include <jemalloc/jemalloc.h>

/* jemalloc: it counts for each thread what that allocated and freed in all, and shows the counters. */

/* By itself it gives whatever is freed in a piece of 8 MiB or more back to the kernel at once. For values of
 * that size that costs more than all else: 16 MiB overwritten again and again took 25 ms each time for page
 * faults and 4 ms for giving back, 3 ms and none without. Such memory, like all other, now goes back when it
 * was not used again for some seconds. */
#define OVERSIZE   "oversize_threshold:0"

/* Values that grow, or of ever other sizes, fit into nothing that was freed: one that was overwritten by
 * somewhat larger ones within these seconds kept more than twice the memory of two of them. So when something
 * large did not fit either and more than IDLE_MAX lies idle, that is given back, before what comes in has
 * filled the new pages: by a thread of its own, as it takes 10 ms for each 100 MB or longer. */
#define LARGE_MIN  ((size_t)8 << 20)
#define IDLE_MAX   ((size_t)64 << 20)

/* By itself it leaves a piece of free memory alone that is more than 64 times as large as what is asked for,
 * and takes fresh pages from the kernel instead. Replies of some KB in pipelines are freed side by side and
 * become such a piece, so each was written into pages that had to be faulted in: with this, GET of 16 KB in
 * pipelines went from 75 to 140 thousand a second. */
#define ACTIVE_FIT "lg_extent_max_active_fit:20"

extern const char *malloc_conf;
const char *malloc_conf = OVERSIZE "," ACTIVE_FIT;

/* The arena that exists before options are read has the limit for itself. */
static void oversize_allow(void)
{
    size_t never = SIZE_MAX;
    mallctl("arena.0.oversize_threshold", NULL, NULL, &never, sizeof(never));
}

#define THREADS_MAX 64

struct thread_counters {
    const uint64_t *allocated; /* NULL: a free place */
    const uint64_t *freed;
};

/* The thread that gives idle memory back. */
static struct {
    sem_t wanted;
    bool runs;
    atomic_bool on; /* it is to be used: otherwise whoever allocates does it */
} purger;

static struct {
    pthread_mutex_t lock; /* for changes; readers only look */
    struct thread_counters threads[THREADS_MAX];
    atomic_int threads_used; /* places that were ever used */
    /* What threads that ended had allocated less what they had freed. */
    _Atomic(int64_t) ended;
    pthread_key_t key;
} accounts = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct thread_counters *own_counters;

static int64_t counters_net(const struct thread_counters *counters)
{
    const uint64_t *allocated = __atomic_load_n(&counters->allocated, __ATOMIC_ACQUIRE);
    const uint64_t *freed = __atomic_load_n(&counters->freed, __ATOMIC_RELAXED);
    if (allocated == NULL)
        return 0;
    return (int64_t)(__atomic_load_n(allocated, __ATOMIC_RELAXED) - __atomic_load_n(freed, __ATOMIC_RELAXED));
}

/* Moves the totals of a thread that ends to `ended`. The lock is held. */
static void counters_fold(struct thread_counters *counters)
{
    int64_t net = counters_net(counters);
    __atomic_store_n(&counters->allocated, NULL, __ATOMIC_RELEASE);
    atomic_fetch_add(&accounts.ended, net);
}

static void thread_ended(void *own)
{
    pthread_mutex_lock(&accounts.lock);
    counters_fold(own);
    pthread_mutex_unlock(&accounts.lock);
}

static void fork_prepare(void)
{
    pthread_mutex_lock(&accounts.lock);
}

static void fork_parent(void)
{
    pthread_mutex_unlock(&accounts.lock);
}

/* Only the thread that forked lives on in the child; the others' counters lie in stacks that may be used
 * again. */
static void fork_child(void)
{
    for (int i = 0; i < THREADS_MAX; i++)
        if (&accounts.threads[i] != own_counters)
            counters_fold(&accounts.threads[i]);
    pthread_mutex_unlock(&accounts.lock);
    atomic_store(&purger.on, false);
}

static const uint64_t *thread_counter(const char *name)
{
    uint64_t *counter = NULL;
    size_t size = sizeof(counter);
    if (mallctl(name, &counter, &size, NULL, 0) != 0 || counter == NULL)
        panic("the allocator has no %s: is the program linked with jemalloc?", name);
    return counter;
}

void memory_thread_register(void)
{
    if (own_counters != NULL)
        return;
    const uint64_t *allocated = thread_counter("thread.allocatedp");
    const uint64_t *freed = thread_counter("thread.deallocatedp");
    pthread_mutex_lock(&accounts.lock);
    int place = 0;
    while (place < THREADS_MAX && accounts.threads[place].allocated != NULL)
        place++;
    ASSERT(place < THREADS_MAX);
    struct thread_counters *counters = &accounts.threads[place];
    __atomic_store_n(&counters->freed, freed, __ATOMIC_RELAXED);
    __atomic_store_n(&counters->allocated, allocated, __ATOMIC_RELEASE);
    if (place >= atomic_load(&accounts.threads_used))
        atomic_store(&accounts.threads_used, place + 1);
    pthread_mutex_unlock(&accounts.lock);
    own_counters = counters;
    pthread_setspecific(accounts.key, counters);
}

__attribute__((constructor)) static void main_thread_register(void)
{
    if (pthread_key_create(&accounts.key, thread_ended) != 0 ||
        pthread_atfork(fork_prepare, fork_parent, fork_child) != 0)
        panic("cannot set up memory accounting");
    oversize_allow();
    memory_thread_register();
}

size_t memory_used(void)
{
    int64_t used = atomic_load_explicit(&accounts.ended, memory_order_relaxed);
    int threads = atomic_load_explicit(&accounts.threads_used, memory_order_relaxed);
    for (int i = 0; i < threads; i++)
        used += counters_net(&accounts.threads[i]);
    return touched(used);
}

static void *allocate(size_t size)
{
    return malloc(size);
}

static void *allocate_zero(size_t size)
{
    return calloc(1, size);
}

static void *reallocate(void *old, size_t size)
{
    return realloc(old, size);
}

void mem_free(void *memory)
{
    free(memory);
}

size_t mem_good_size(size_t size)
{
    return nallocx(size == 0 ? 1 : size, 0);
}

static size_t allocator_stat(const char *name)
{
    size_t value = 0;
    size_t size = sizeof(value);
    mallctl(name, &value, &size, NULL, 0);
    return value;
}

static void allocator_stats_refresh(void)
{
    uint64_t epoch = 1;
    size_t size = sizeof(epoch);
    mallctl("epoch", &epoch, &size, &epoch, size);
}

static void allocator_stats_read(struct memory_stats *stats)
{
    allocator_stats_refresh();
    stats->allocated = allocator_stat("stats.allocated");
    stats->active = allocator_stat("stats.active");
    stats->resident = allocator_stat("stats.resident");
}

void memory_purge(void)
{
    char name[32];
    snprintf(name, sizeof(name), "arena.%u.purge", (unsigned)MALLCTL_ARENAS_ALL);
    mallctl(name, NULL, NULL, NULL, 0);
}

static void *purger_run(void *unused)
{
    (void)unused;
    for (;;)
        if (sem_wait(&purger.wanted) == 0)
            memory_purge();
    return NULL;
}

static void purger_start(void)
{
    pthread_t thread;
    sem_init(&purger.wanted, 0, 0);
    purger.runs = thread_start(&thread, purger_run, NULL, "dkv-purge");
    if (purger.runs)
        pthread_detach(thread);
}

void memory_background_thread(bool on)
{
    mallctl("background_thread", NULL, NULL, &on, sizeof(on));
    if (on && !purger.runs)
        purger_start();
    atomic_store(&purger.on, on && purger.runs);
}

/* Bytes of pages that are nobody's and were not given back. */
static size_t idle_bytes(void)
{
    char name[32];
    snprintf(name, sizeof(name), "stats.arenas.%u.pdirty", (unsigned)MALLCTL_ARENAS_ALL);
    allocator_stats_refresh();
    return allocator_stat(name) * (size_t)sysconf(_SC_PAGESIZE);
}

static void idle_limit(size_t size)
{
    if (__builtin_expect(size < LARGE_MIN, 1) || idle_bytes() <= IDLE_MAX)
        return;
    if (atomic_load(&purger.on))
        sem_post(&purger.wanted);
    else
        memory_purge();
}

#define TEXT_OF(number)      #number
#define TEXT_OF_MACRO(macro) TEXT_OF(macro)

const char *memory_allocator_name(void)
{
    return "jemalloc-" TEXT_OF_MACRO(JEMALLOC_VERSION_MAJOR) "." TEXT_OF_MACRO(
        JEMALLOC_VERSION_MINOR) "." TEXT_OF_MACRO(JEMALLOC_VERSION_BUGFIX);
}

#endif

static inline void *allocated(void *memory, size_t size)
{
    if (memory != NULL)
        idle_limit(size);
    return memory;
}

static void *allocated_or_panic(void *memory, size_t size)
{
    if (__builtin_expect(memory == NULL, 0))
        panic("out of memory: %zu bytes are not to be had", size);
    return memory;
}

void *mem_try_alloc(size_t size)
{
    return size > REQUEST_MAX ? NULL : allocated(allocate(size), size);
}

void *mem_try_realloc(void *old, size_t size)
{
    /* Some libraries take a size of 0 as a wish to free. */
    return size > REQUEST_MAX ? NULL : allocated(reallocate(old, size == 0 ? 1 : size), size);
}

void *mem_alloc(size_t size)
{
    return allocated_or_panic(mem_try_alloc(size), size);
}

void *mem_alloc_zero(size_t size)
{
    return allocated_or_panic(size > REQUEST_MAX ? NULL : allocated(allocate_zero(size), size), size);
}

void *mem_realloc(void *old, size_t size)
{
    return allocated_or_panic(mem_try_realloc(old, size), size);
}

char *mem_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(mem_alloc(size), text, size);
}

/* The second number of /proc/self/statm, in pages. */
static size_t process_rss(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;
    if (statm == NULL)
        return 0;
    if (fscanf(statm, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

void memory_stats_read(struct memory_stats *stats)
{
    allocator_stats_read(stats);
    stats->used = memory_used();
    stats->rss = process_rss();
}
