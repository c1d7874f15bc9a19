/* The bytes of a connection that were received and not yet run. */
#include "harness.h"
#include "net/input.h"

/* Shows: what is kept is what was given, from elsewhere or from the input itself, and keeping nothing frees
 * it. */
static void test_keep(void **state)
{
    (void)state;
    struct input input = {0};
    assert_true(input_keep(&input, SLICE_LITERAL("hello world")));
    assert_true(slice_equal(input_slice(&input), SLICE_LITERAL("hello world")));
    struct slice rest = input_slice(&input);
    rest.data += 6;
    rest.size -= 6;
    assert_true(input_keep(&input, rest));
    assert_true(slice_equal(input_slice(&input), SLICE_LITERAL("world")));
    assert_true(input_keep(&input, SLICE_LITERAL("something that is longer")));
    assert_true(slice_equal(input_slice(&input), SLICE_LITERAL("something that is longer")));
    assert_true(input_keep(&input, (struct slice){0}));
    assert_null(input.data);
    assert_int_equal(input.capacity, 0);
}

/* Shows: making room keeps the bytes, moves them to the front before it takes more memory, and takes no more
 * than was asked for. */
static void test_reserve(void **state)
{
    (void)state;
    struct input input = {0};
    assert_true(input_keep(&input, SLICE_LITERAL("0123456789")));
    struct slice rest = input_slice(&input);
    rest.data += 8;
    rest.size = 2;
    assert_true(input_keep(&input, rest));
    assert_true(input_reserve(&input, 8));
    assert_int_equal(input.capacity, 10);
    assert_true(slice_equal(input_slice(&input), SLICE_LITERAL("89")));
    assert_true(input_reserve(&input, 9));
    assert_int_equal(input.capacity, 11);
    assert_true(slice_equal(input_slice(&input), SLICE_LITERAL("89")));
    input_free(&input);
}

/* Shows: a little that is left in a large buffer does not keep the large buffer. */
static void test_shrink(void **state)
{
    (void)state;
    struct input input = {0};
    assert_true(input_reserve(&input, 1000000));
    memset(input.data, 'x', 1000000);
    input.end = 1000000;
    struct slice rest = input_slice(&input);
    rest.data += 999000;
    rest.size = 1000;
    assert_true(input_keep(&input, rest));
    assert_int_equal(input.capacity, 1000);
    assert_int_equal(input_size(&input), 1000);
    input_free(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_shrink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
