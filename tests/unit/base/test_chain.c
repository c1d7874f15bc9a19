/* The hash table whose nodes lie inside what it holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/chain.h"
#include "base/memory.h"
#include "base/random.h"

#define THINGS 5000

struct thing {
    struct chain_node node;
    uint64_t key;
};

static struct thing *find(const struct chain_table *table, uint64_t hash, uint64_t key)
{
    for (struct chain_node *node = chain_find(table, hash); node; node = chain_find_next(node))
        if (((struct thing *)node)->key == key)
            return (struct thing *)node;
    return NULL;
}

/* Every hash is shared by ten things. */
static uint64_t hash_of(uint64_t key)
{
    return key / 10 * UINT64_C(0x9e3779b97f4a7c15);
}

/* What was added is found among others of the same hash, what was removed is not, and an empty table takes no
 * memory. */
static void test_grows_and_shrinks(void **state)
{
    (void)state;
    struct chain_table table = {0};
    struct thing *things = mem_alloc_zero(THINGS * sizeof(*things));
    for (uint64_t i = 0; i < THINGS; i++) {
        things[i].key = i;
        chain_add(&table, &things[i].node, hash_of(i));
    }
    assert_int_equal(table.count, THINGS);
    assert_true(chain_memory(&table) >= THINGS * sizeof(void *));
    for (uint64_t i = 0; i < THINGS; i++)
        assert_ptr_equal(find(&table, hash_of(i), i), &things[i]);
    for (uint64_t i = 0; i < THINGS; i += 2)
        chain_remove(&table, &things[i].node);
    for (uint64_t i = 0; i < THINGS; i++)
        assert_ptr_equal(find(&table, hash_of(i), i), i % 2 ? &things[i] : NULL);
    for (uint64_t i = 1; i < THINGS; i += 2)
        chain_remove(&table, &things[i].node);
    assert_int_equal(chain_memory(&table), 0);
    assert_null(chain_find(&table, 0));
    mem_free(things);
}

/* A pick finds something as long as there is anything, wherever chance points. */
static void test_picks(void **state)
{
    (void)state;
    struct chain_table table = {0};
    struct thing things[3] = {0};
    struct random random;
    random_seed(&random, 1);
    assert_null(chain_pick(&table, 7));
    for (uint64_t i = 0; i < 3; i++)
        chain_add(&table, &things[i].node, i * 1000);
    for (int i = 0; i < 100; i++)
        assert_non_null(chain_pick(&table, random_next(&random)));
    assert_non_null(chain_pick(&table, UINT64_MAX));
    for (int i = 0; i < 3; i++)
        chain_remove(&table, &things[i].node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_and_shrinks),
        cmocka_unit_test(test_picks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
