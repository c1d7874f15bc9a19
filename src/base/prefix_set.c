/* In sorted order, all strings that a text begins with stand before it, and whatever stands between one of
 * them and the text begins with it, too. So the last string not behind the text either is one of them or has
 * all of them as outer ones; and one pass over the sorted strings finds everybody's outer one, as it would
 * find matching brackets. */
#include "base/prefix_set.h"

#include <stdlib.h>

#include "base/memory.h"

bool slice_begins_with(struct slice text, struct slice prefix)
{
    return text.size >= prefix.size && (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

static int compare(const void *a, const void *b)
{
    struct prefix_node *const *left = a;
    struct prefix_node *const *right = b;
    return slice_compare((*left)->text, (*right)->text);
}

void prefix_set_free(struct prefix_set *set)
{
    mem_free(set->sorted);
    *set = (struct prefix_set){0};
}

/* How many are not behind the text. */
static size_t rank_of(const struct prefix_set *set, struct slice text)
{
    size_t low = 0;
    size_t high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(set->sorted[middle]->text, text) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct prefix_node *prefix_set_find(const struct prefix_set *set, struct slice text)
{
    size_t rank = rank_of(set, text);
    struct prefix_node *last = rank > 0 ? set->sorted[rank - 1] : NULL;
    return last && slice_equal(last->text, text) ? last : NULL;
}

/* Merges from the end, into the room that was made behind. */
void prefix_set_add(struct prefix_set *set, struct prefix_node **nodes, size_t count)
{
    if (count == 0)
        return;
    qsort(nodes, count, sizeof(struct prefix_node *), compare);
    if (set->count + count > set->capacity) {
        set->capacity = set->count + count + set->count / 2;
        set->sorted = mem_realloc(set->sorted, set->capacity * sizeof(struct prefix_node *));
    }
    size_t old = set->count;
    set->count += count;
    for (size_t to = set->count; count > 0;) {
        bool takes_old = old > 0 && compare(&set->sorted[old - 1], &nodes[count - 1]) > 0;
        set->sorted[--to] = takes_old ? set->sorted[--old] : nodes[--count];
    }
    set->is_linked = false;
}

void prefix_set_remove_leaving(struct prefix_set *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++)
        if (!set->sorted[i]->leaves)
            set->sorted[kept++] = set->sorted[i];
    set->is_linked = set->is_linked && kept == set->count;
    set->count = kept;
}

static struct prefix_node *first_that_begins(struct prefix_node *node, struct slice text)
{
    while (node && !slice_begins_with(text, node->text))
        node = node->outer;
    return node;
}

void prefix_set_link(struct prefix_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        set->sorted[i]->outer = i == 0 ? NULL : first_that_begins(set->sorted[i - 1], set->sorted[i]->text);
    set->is_linked = true;
}

struct prefix_node *prefix_set_longest(struct prefix_set *set, struct slice text)
{
    if (!set->is_linked)
        prefix_set_link(set);
    size_t rank = rank_of(set, text);
    return rank > 0 ? first_that_begins(set->sorted[rank - 1], text) : NULL;
}
