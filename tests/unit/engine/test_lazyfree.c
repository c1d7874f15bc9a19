/* The thread that frees beside the loop: everything, in the order in which it came, and what it tells of
 * that. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/private.h"
#include "store/entry.h"
#include "store/value_hash.h"

enum { BLOBS = 20, FIELDS = 30000 };

/* Tells when a blob was freed, and may hold the thread that does it. */
struct witness {
    struct blob_origin origin;
    atomic_int *clock;
    int freed_at;
    sem_t *wait; /* NULL: it does not hold it */
};

static void witness_released(struct blob_origin *origin)
{
    struct witness *witness = (struct witness *)origin;
    if (witness->wait != NULL)
        sem_wait(witness->wait);
    witness->freed_at = atomic_fetch_add(witness->clock, 1);
}

static void take(void *context, struct remains *remains)
{
    lazyfree_add(context, remains);
}

static struct slice numbered(char text[32], const char *word, int number)
{
    return slice_make(text, (size_t)snprintf(text, 32, "%s%d", word, number));
}

static void set_blob(struct store *store, struct slice key, struct witness *witness)
{
    struct blob *blob = blob_new(LARGE_PIECE);
    assert_non_null(blob);
    blob->size = LARGE_PIECE;
    blob->origin = &witness->origin;
    database_set_blob(store_database(store, 0), key, store_hash(store, key), blob, STRING_FORM_BEST,
                      EXPIRE_NEVER);
    blob_drop(blob);
}

static void set_hash(struct store *store, struct slice key, int fields)
{
    struct database *db = store_database(store, 0);
    struct entry *entry = NULL;
    for (int i = 0; i < fields; i++) {
        char name[32];
        entry = database_hash_set(db, key, store_hash(store, key), entry, numbered(name, "field", i),
                                  slice_of("value"), FIELD_NEVER, 0)
                    .entry;
    }
}

/* Values and whole databases, one after the other; what is pending and what was freed always are all there
 * was.
 */
static void free_all_kinds(void)
{
    struct store_options options = {.databases = 1, .hash_seed = 1, .random_seed = 2};
    struct store *store = store_new(&options);
    struct database *db = store_database(store, 0);
    struct lazyfree *lazyfree = lazyfree_new();
    store_set_free_later(store, take, lazyfree);
    static struct witness witnesses[BLOBS];
    atomic_int clock = 0;
    uint64_t objects = 0, pending, freed;
    for (int i = 0; i < BLOBS; i++) {
        char text[32];
        witnesses[i] = (struct witness){.origin.released = witness_released, .clock = &clock};
        set_blob(store, slice_of("blob"), &witnesses[i]);
        objects += i > 0; /* the one before it */
        struct slice key = numbered(text, "hash", i);
        set_hash(store, key, i % 4 == 0 ? FIELDS : 10);
        if (i % 2 == 0) {
            database_delete(db, key, store_hash(store, key));
            objects += i % 4 == 0;
        }
        lazyfree_stats(lazyfree, &pending, &freed);
        assert_int_equal(pending + freed, objects);
    }
    objects += database_size(db);
    database_clear(db, false);
    lazyfree_stats(lazyfree, &pending, &freed);
    assert_int_equal(pending + freed, objects);
    /* Nothing of the store is needed any more. */
    store_set_free_later(store, NULL, NULL);
    store_free(store);
    lazyfree_free(lazyfree);
    for (int i = 0; i < BLOBS; i++)
        assert_int_equal(witnesses[i].freed_at, i);
}

static void all_is_freed_in_the_order_in_which_it_came(void **state)
{
    (void)state;
    /* The first thread leaves memory behind that the later ones use again. */
    free_all_kinds();
    size_t before = memory_used();
    free_all_kinds();
    assert_int_equal(memory_used(), before);
}

/* With the thread held at the first value, all wait in line; then they go in that order. */
static void what_came_first_goes_first(void **state)
{
    (void)state;
    struct store_options options = {.databases = 1, .hash_seed = 1, .random_seed = 2};
    struct store *store = store_new(&options);
    struct lazyfree *lazyfree = lazyfree_new();
    store_set_free_later(store, take, lazyfree);
    static struct witness witnesses[BLOBS];
    atomic_int clock = 0;
    sem_t held;
    sem_init(&held, 0, 0);
    for (int i = 0; i < BLOBS; i++) {
        witnesses[i] = (struct witness){
            .origin.released = witness_released, .clock = &clock, .wait = i == 0 ? &held : NULL};
        set_blob(store, slice_of("blob"), &witnesses[i]);
    }
    database_delete(store_database(store, 0), slice_of("blob"), store_hash(store, slice_of("blob")));
    uint64_t pending, freed;
    lazyfree_stats(lazyfree, &pending, &freed);
    assert_int_equal(pending, BLOBS);
    assert_int_equal(freed, 0);
    assert_true(lazyfree_bytes(lazyfree) >= BLOBS * LARGE_PIECE);
    sem_post(&held);
    store_set_free_later(store, NULL, NULL);
    lazyfree_free(lazyfree);
    store_free(store);
    for (int i = 0; i < BLOBS; i++)
        assert_int_equal(witnesses[i].freed_at, i);
    sem_destroy(&held);
}

/* The bytes that are still to come grow fewer, and are none when all is gone. */
static void bytes_to_come_are_told(void **state)
{
    (void)state;
    struct store_options options = {.databases = 1, .hash_seed = 1, .random_seed = 2};
    struct store *store = store_new(&options);
    struct lazyfree *lazyfree = lazyfree_new();
    store_set_free_later(store, take, lazyfree);
    assert_int_equal(lazyfree_bytes(lazyfree), 0);
    for (int round = 0; round < 20; round++) {
        set_hash(store, slice_of("hash"), FIELDS);
        database_delete(store_database(store, 0), slice_of("hash"), store_hash(store, slice_of("hash")));
        uint64_t pending, freed;
        size_t most = SIZE_MAX;
        do {
            lazyfree_stats(lazyfree, &pending, &freed);
            size_t bytes = lazyfree_bytes(lazyfree);
            assert_true(bytes <= most);
            assert_true(pending > 0 || bytes == 0);
            most = bytes;
        } while (pending > 0);
        assert_int_equal(lazyfree_bytes(lazyfree), 0);
        assert_int_equal(freed, round + 1);
    }
    store_set_free_later(store, NULL, NULL);
    lazyfree_free(lazyfree);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_freed_in_the_order_in_which_it_came),
        cmocka_unit_test(what_came_first_goes_first),
        cmocka_unit_test(bytes_to_come_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
