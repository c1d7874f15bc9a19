/* The heap against an array that is searched: adding, removing any, the least first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../seed.h"
#include "base/heap.h"

#define NODES 300

static void assert_least_first(const struct heap *heap, const struct heap_node nodes[NODES])
{
    const struct heap_node *first = heap_first(heap);
    size_t count = 0;
    for (int i = 0; i < NODES; i++) {
        if (!heap_linked(&nodes[i]))
            continue;
        count++;
        assert_non_null(first);
        assert_true(first->key <= nodes[i].key);
    }
    assert_int_equal(heap->count, count);
    assert_true((first != NULL) == (count > 0));
}

static void test_against_array(void **state)
{
    (void)state;
    static struct heap_node nodes[NODES];
    struct heap heap = {.nodes = NULL};
    struct random random;
    test_random(&random, "heap");
    for (int step = 0; step < 20000; step++) {
        struct heap_node *node = &nodes[random_below(&random, NODES)];
        bool grows = step / 2000 % 2 == 0;
        if (!heap_linked(node) && (grows || random_below(&random, 4) == 0))
            heap_add(&heap, node, random_below(&random, 50));
        else if (random_below(&random, 3) == 0)
            heap_remove(&heap, heap_first(&heap) ? heap_first(&heap) : node);
        else
            heap_remove(&heap, node);
        assert_least_first(&heap, nodes);
    }
    while (heap_first(&heap))
        heap_remove(&heap, heap_first(&heap));
    heap_free(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_array)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
