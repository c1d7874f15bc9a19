/* What the store costs: nanoseconds for an operation and bytes for a key. Not a test; prints figures and
 * ends.
 *
 *     bench_store [keys [value size]]
 *
 * Keys are 16 bytes and used in random order; hashing them is part of every operation. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "store/store.h"

#define KEY_SIZE   16
#define BATCH_SIZE 16
#define NOW_MS     INT64_C(1700000000000)

struct bench {
    struct store *store;
    struct database *db;
    struct random random;
    size_t keys;
    uint32_t *order;
    struct slice value;
    uint64_t sum; /* of what was read, so that reading is not optimised away */
    int64_t began_us;
};

static struct slice bench_key(char key[KEY_SIZE + 1], size_t number)
{
    snprintf(key, KEY_SIZE + 1, "key:%012zu", number);
    return slice_make(key, KEY_SIZE);
}

static void bench_shuffle(struct bench *bench)
{
    for (size_t i = bench->keys; i > 1; i--) {
        size_t other = random_below(&bench->random, i);
        uint32_t swap = bench->order[i - 1];
        bench->order[i - 1] = bench->order[other];
        bench->order[other] = swap;
    }
}

/* All keys as text, in the present order, so that making them is not measured. */
static char *bench_texts(const struct bench *bench, size_t first)
{
    char *texts = mem_alloc(bench->keys * KEY_SIZE + 1);
    for (size_t i = 0; i < bench->keys; i++)
        bench_key(texts + i * KEY_SIZE, first + bench->order[i]);
    return texts;
}

static void bench_report(const struct bench *bench, const char *what)
{
    int64_t us = clock_monotonic_us(clock_system()) - bench->began_us;
    printf("%-28s %7.1f ns\n", what, (double)us * 1000 / (double)bench->keys);
}

typedef void bench_function(struct bench *bench, struct slice key, uint64_t hash);

static void do_set(struct bench *bench, struct slice key, uint64_t hash)
{
    database_set_string(bench->db, key, hash, bench->value, STRING_FORM_BEST, EXPIRE_NEVER);
}

static void do_set_expiring(struct bench *bench, struct slice key, uint64_t hash)
{
    int64_t ttl_ms = (int64_t)(1000 + random_below(&bench->random, 3600000));
    database_set_string(bench->db, key, hash, bench->value, STRING_FORM_BEST, NOW_MS + ttl_ms);
}

static void do_find(struct bench *bench, struct slice key, uint64_t hash)
{
    struct entry *entry = database_find(bench->db, key, hash);
    if (entry == NULL)
        return;
    char scratch[STRING_SCRATCH];
    struct slice value = string_value(entry, scratch);
    bench->sum += (unsigned char)value.data[value.size - 1];
}

static void do_delete(struct bench *bench, struct slice key, uint64_t hash)
{
    database_delete(bench->db, key, hash);
}

static void bench_run(struct bench *bench, const char *what, size_t first_key, bench_function *function)
{
    bench_shuffle(bench);
    char *texts = bench_texts(bench, first_key);
    bench->began_us = clock_monotonic_us(clock_system());
    for (size_t i = 0; i < bench->keys; i++) {
        struct slice key = slice_make(texts + i * KEY_SIZE, KEY_SIZE);
        function(bench, key, store_hash(bench->store, key));
    }
    bench_report(bench, what);
    mem_free(texts);
}

static void bench_run_batches(struct bench *bench, const char *what, size_t first_key,
                              bench_function *function)
{
    bench_shuffle(bench);
    char *texts = bench_texts(bench, first_key);
    bench->began_us = clock_monotonic_us(clock_system());
    for (size_t i = 0; i + BATCH_SIZE <= bench->keys; i += BATCH_SIZE) {
        struct slice keys[BATCH_SIZE];
        uint64_t hashes[BATCH_SIZE];
        for (size_t j = 0; j < BATCH_SIZE; j++) {
            keys[j] = slice_make(texts + (i + j) * KEY_SIZE, KEY_SIZE);
            hashes[j] = store_hash(bench->store, keys[j]);
            database_prefetch_bucket(bench->db, hashes[j]);
        }
        for (size_t j = 0; j < BATCH_SIZE; j++)
            database_prefetch_entry(bench->db, hashes[j]);
        for (size_t j = 0; j < BATCH_SIZE; j++)
            function(bench, keys[j], hashes[j]);
    }
    bench_report(bench, what);
    mem_free(texts);
}

static void count_entry(void *context, struct entry *entry)
{
    *(uint64_t *)context += entry_key(entry).size;
}

static void bench_walks(struct bench *bench)
{
    bench->began_us = clock_monotonic_us(clock_system());
    database_each(bench->db, count_entry, &bench->sum);
    bench_report(bench, "each");
    bench->began_us = clock_monotonic_us(clock_system());
    uint64_t cursor = 0;
    do {
        cursor = database_scan(bench->db, cursor, count_entry, &bench->sum);
    } while (cursor != 0);
    bench_report(bench, "scan");
    bench->began_us = clock_monotonic_us(clock_system());
    for (size_t i = 0; i < bench->keys; i++)
        bench->sum += entry_key(database_random(bench->db)).size;
    bench_report(bench, "random");
}

/* A clock that runs through the hour in which all keys expire, in steps of 100 ms. */
static void bench_expire(struct bench *bench)
{
    bench->began_us = clock_monotonic_us(clock_system());
    int64_t longest_us = 0;
    for (int64_t now_ms = NOW_MS; database_size(bench->db) > 0; now_ms += 100) {
        int64_t began_us = clock_monotonic_us(clock_system());
        int budget = 1 << 30;
        for (struct entry *entry; (entry = database_next_expired(bench->db, now_ms, &budget)) != NULL;) {
            struct slice key = entry_key(entry);
            database_delete(bench->db, key, store_hash(bench->store, key));
        }
        int64_t took_us = clock_monotonic_us(clock_system()) - began_us;
        longest_us = took_us > longest_us ? took_us : longest_us;
    }
    bench_report(bench, "expire");
    printf("%-28s %7.1f ms (no budget)\n", "  longest 100 ms step", (double)longest_us / 1000);
}

static void bench_memory(struct bench *bench, size_t before)
{
    double keys = (double)bench->keys;
    printf("%-28s %7.1f bytes (tables %.1f)\n", "memory for a key", (double)(memory_used() - before) / keys,
           (double)store_overhead(bench->store) / keys);
}

int main(int argc, char **argv)
{
    struct bench bench = {.keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000};
    size_t value_size = argc > 2 ? strtoull(argv[2], NULL, 10) : 64;
    char *value = mem_alloc(value_size + 1);
    memset(value, 'v', value_size + 1);
    bench.value = slice_make(value, value_size);
    random_seed(&bench.random, 1);
    bench.order = mem_alloc(bench.keys * sizeof(*bench.order));
    for (size_t i = 0; i < bench.keys; i++)
        bench.order[i] = (uint32_t)i;
    struct store_options options = {.databases = 16, .hash_seed = 42, .random_seed = 1};
    bench.store = store_new(&options);
    bench.db = store_database(bench.store, 0);

    printf("%zu keys of %d bytes, values of %zu bytes\n", bench.keys, KEY_SIZE, value_size);
    size_t before = memory_used();
    bench_run(&bench, "insert", 0, do_set);
    bench_memory(&bench, before);
    bench_run(&bench, "overwrite", 0, do_set);
    bench_run(&bench, "find, hit", 0, do_find);
    bench_run_batches(&bench, "find, hit, prefetched", 0, do_find);
    bench_run(&bench, "find, miss", bench.keys, do_find);
    bench_run_batches(&bench, "find, miss, prefetched", bench.keys, do_find);
    bench_walks(&bench);
    bench_run(&bench, "delete", 0, do_delete);
    bench_run_batches(&bench, "insert, expiring, prefetched", 0, do_set_expiring);
    bench_memory(&bench, before);
    bench_run(&bench, "overwrite, expiring", 0, do_set_expiring);
    bench_expire(&bench);
    printf("%-28s %7zd bytes (sum %llu)\n", "left over", (ssize_t)(memory_used() - before),
           (unsigned long long)bench.sum);
    store_free(bench.store);
    mem_free(bench.order);
    mem_free(value);
    return 0;
}
