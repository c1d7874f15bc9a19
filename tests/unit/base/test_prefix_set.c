/* Sets of prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/prefix_set.h"
#include "base/random.h"

enum { ITEMS_MAX = 60, TEXT_MAX = 6 };

struct item {
    struct prefix_node node;
    char text[TEXT_MAX];
    bool is_in;
};

static struct slice draw(struct random *random, char text[TEXT_MAX])
{
    size_t size = random_below(random, TEXT_MAX + 1);
    for (size_t i = 0; i < size; i++)
        text[i] = "ab\xff"[random_below(random, 3)];
    return slice_make(text, size);
}

/* How many of those that are in begin the text, by looking at each. */
static size_t model_count(const struct item *items, struct slice text)
{
    size_t count = 0;
    for (int i = 0; i < ITEMS_MAX; i++)
        count += items[i].is_in && slice_begins_with(text, items[i].node.text);
    return count;
}

static void add_some(struct prefix_set *set, struct item *items, struct random *random)
{
    struct prefix_node *added[ITEMS_MAX];
    size_t count = 0;
    for (int i = 0; i < ITEMS_MAX; i++) {
        if (items[i].is_in || random_below(random, 4) != 0)
            continue;
        items[i].node = (struct prefix_node){.text = draw(random, items[i].text)};
        bool is_new = !prefix_set_find(set, items[i].node.text);
        for (size_t j = 0; j < count; j++)
            is_new &= !slice_equal(added[j]->text, items[i].node.text);
        if (!is_new)
            continue;
        items[i].is_in = true;
        added[count++] = &items[i].node;
    }
    prefix_set_add(set, added, count);
}

static void remove_some(struct prefix_set *set, struct item *items, struct random *random)
{
    for (int i = 0; i < ITEMS_MAX; i++) {
        items[i].node.leaves = items[i].is_in && random_below(random, 3) == 0;
        items[i].is_in &= !items[i].node.leaves;
    }
    prefix_set_remove_leaving(set);
}

/* Whatever was added and removed: each text meets all that it begins with, the longest first, and nothing
 * else. */
static void finds_what_a_text_begins_with(void **state)
{
    (void)state;
    struct item *items = mem_alloc_zero(ITEMS_MAX * sizeof(*items));
    struct prefix_set set = {0};
    struct random random;
    random_seed(&random, 7);
    for (int round = 0; round < 3000; round++) {
        if (round % 2)
            remove_some(&set, items, &random);
        else
            add_some(&set, items, &random);
        char bytes[TEXT_MAX];
        struct slice text = draw(&random, bytes);
        size_t left = model_count(items, text);
        size_t size = SIZE_MAX;
        bool has_itself = false;
        for (struct prefix_node *node = prefix_set_longest(&set, text); node; node = node->outer, left--) {
            assert_true(slice_begins_with(text, node->text) && node->text.size < size);
            size = node->text.size;
            has_itself |= size == text.size;
        }
        assert_int_equal(left, 0);
        struct prefix_node *found = prefix_set_find(&set, text);
        assert_true(!found || slice_equal(found->text, text));
        assert_int_equal(found != NULL, has_itself);
    }
    prefix_set_free(&set);
    mem_free(items);
}

/* The same text twice: one is the other's outer, which is how overlapping is told. */
static void tells_twins(void **state)
{
    (void)state;
    struct prefix_node a = {.text = slice_of("ab")};
    struct prefix_node b = {.text = slice_of("ab")};
    struct prefix_node *nodes[] = {&a, &b};
    struct prefix_set set = {0};
    prefix_set_add(&set, nodes, 2);
    prefix_set_link(&set);
    assert_true((a.outer == &b) != (b.outer == &a));
    prefix_set_free(&set);
}

/* Two hundred thousand of them are added, met and removed: this would not end if each took time in proportion
 * to all. */
static void many_are_no_burden(void **state)
{
    (void)state;
    enum { MANY = 200000, SIZE = 8 };
    struct prefix_node *nodes = mem_alloc_zero(MANY * sizeof(*nodes));
    struct prefix_node **order = mem_alloc(MANY * sizeof(*order));
    char *texts = mem_alloc((size_t)MANY * SIZE + 1);
    struct prefix_set set = {0};
    for (int i = 0; i < MANY; i++) {
        snprintf(texts + (size_t)i * SIZE, SIZE + 1, "%08d", (int)((int64_t)i * 7919 % MANY));
        nodes[i].text = slice_make(texts + (size_t)i * SIZE, SIZE);
        order[i] = &nodes[i];
    }
    prefix_set_add(&set, order, MANY);
    for (int i = 0; i < MANY; i++) {
        struct prefix_node *found = prefix_set_longest(&set, nodes[i].text);
        assert_true(found == &nodes[i] && !found->outer);
        found->leaves = true;
    }
    prefix_set_remove_leaving(&set);
    assert_int_equal(set.count, 0);
    prefix_set_free(&set);
    mem_free(texts);
    mem_free(order);
    mem_free(nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_a_text_begins_with),
        cmocka_unit_test(tells_twins),
        cmocka_unit_test(many_are_no_burden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
