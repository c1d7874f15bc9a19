/* Memory: jemalloc behind malloc, with exact accounting from its own per-thread counters.
 *
 * Link with -ljemalloc. When built with DKV_SYSTEM_MALLOC (sanitizers, valgrind), the C library's allocator
 * serves and memory_used counts through malloc_usable_size instead. */
#ifndef DKV_BASE_MEMORY_H
#define DKV_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* These abort when out of memory: the sizes are small or bounded by configuration. */
void *mem_alloc(size_t size);
void *mem_alloc_zero(size_t size);
void *mem_realloc(void *old, size_t size);
char *mem_strdup(const char *text);
/* For sizes that a client chose: NULL when there is not that much. old stays valid then. */
void *mem_try_alloc(size_t size);
void *mem_try_realloc(void *old, size_t size);
/* NULL is fine. */
void mem_free(void *memory);
/* What an allocation really takes. */
size_t mem_size(const void *memory);
/* What an allocation of size bytes will really take. */
size_t mem_good_size(size_t size);

/* Every thread that allocates calls this once before, so that its share counts in memory_used. The main
 * thread need not. What a thread allocated still counts after it ended. */
void memory_thread_register(void);
/* Bytes allocated and not freed, by the registered threads, and not untouched. Cheap enough to ask before
 * every command. */
size_t memory_used(void);

/* There are so many more (or, below 0, fewer) bytes in large allocations that nobody has written to yet, and
 * that so take no pages. They do not count in memory_used. */
void memory_untouched_change(int64_t bytes);

struct memory_stats {
    size_t used;      /* as memory_used */
    size_t allocated; /* by the allocator's own count, whole process */
    size_t active;    /* pages with allocations on them */
    size_t resident;  /* pages mapped by the allocator */
    size_t rss;       /* of the process, from the kernel */
};
/* Refreshes the allocator's statistics: some microseconds. */
void memory_stats_read(struct memory_stats *stats);
/* Asks the allocator to give unused pages back to the kernel. */
void memory_purge(void);
/* Lets pages be given back from threads of their own, and not by whoever allocates and frees. Call after any
 * fork into the background. */
void memory_background_thread(bool on);
/* "jemalloc-5.3.0" or "libc". */
const char *memory_allocator_name(void);

#endif
