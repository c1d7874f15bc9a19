/* Blobs: shared bytes that are freed with their last reference. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs what stands above. */
#include <cmocka.h>

#include "base/blob.h"
#include "base/memory.h"

struct origin {
    struct blob_origin origin; /* first */
    int released;
};

static void released(struct blob_origin *origin)
{
    ((struct origin *)origin)->released++;
}

/* Shows: bytes survive growing and fitting, and the origin hears once of the end, from the last owner. */
static void test_life(void **state)
{
    (void)state;
    size_t before = memory_used();
    struct origin origin = {{released}, 0};
    struct blob *blob = blob_new(1000);
    memcpy(blob->data, "hello", 5);
    blob->size = 5;
    blob->origin = &origin.origin;
    assert_true(blob_reserve(blob, 10 << 20));
    assert_true(blob->capacity >= 10 << 20 && memory_used() - before >= 10 << 20);
    blob_fit(blob);
    assert_true(memory_used() - before < 10000);
    assert_memory_equal(blob_slice(blob).data, "hello", 5);
    assert_false(blob_is_shared(blob));
    struct blob *other = blob_share(blob);
    assert_true(blob_is_shared(blob));
    blob_drop(blob);
    assert_int_equal(origin.released, 0);
    assert_false(blob_is_shared(other));
    blob_drop(other);
    assert_int_equal(origin.released, 1);
    blob_drop(NULL);
    assert_int_equal(memory_used(), before);
}

/* Shows: what cannot be had is refused and changes nothing. */
static void test_too_much(void **state)
{
    (void)state;
    assert_null(blob_new(SIZE_MAX / 4));
    struct blob *blob = blob_new(100);
    assert_false(blob_reserve(blob, SIZE_MAX / 4));
    assert_int_equal(blob->capacity, 100);
    blob_drop(blob);
}

#define THREADS 4
#define ROUNDS  20000

static void *share_and_drop(void *argument)
{
    struct blob *blob = argument;
    memory_thread_register();
    for (int i = 0; i < ROUNDS; i++)
        blob_drop(blob_share(blob));
    blob_drop(blob);
    return NULL;
}

/* Shows: references of several threads are counted right. */
static void test_threads(void **state)
{
    (void)state;
    struct origin origin = {{released}, 0};
    struct blob *blob = blob_new(64);
    blob->origin = &origin.origin;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        blob_share(blob);
        assert_int_equal(pthread_create(&threads[i], NULL, share_and_drop, blob), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(origin.released, 0);
    assert_false(blob_is_shared(blob));
    blob_drop(blob);
    assert_int_equal(origin.released, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
