/* A set of byte strings that tells which of them a text begins with, whatever their number. The strings are
 * kept sorted, and each knows the longest other one that it begins with: those of a text are a chain.
 *
 * Adding or removing any number at once takes time in proportion to the set. A look-up takes the logarithm of
 * it, and the length of the chains that it meets. */
#ifndef DKV_BASE_PREFIX_SET_H
#define DKV_BASE_PREFIX_SET_H

#include "base/bytes.h"

/* Lies inside what the caller keeps for each string. */
struct prefix_node {
    struct slice text;         /* the caller's, and not to be changed while it is in a set */
    struct prefix_node *outer; /* the set's; NULL: this begins with no other one */
    bool leaves;               /* prefix_set_remove_leaving is to take it out */
};

/* Zeros are an empty set. */
struct prefix_set {
    struct prefix_node **sorted;
    size_t count;
    size_t capacity;
    bool is_linked; /* outer is right for all */
};

/* Does not free nodes. */
void prefix_set_free(struct prefix_set *set);
struct prefix_node *prefix_set_find(const struct prefix_set *set, struct slice text);
/* Sorts the array nodes. Two nodes may have the same text: then one is the other's outer. */
void prefix_set_add(struct prefix_set *set, struct prefix_node **nodes, size_t count);
void prefix_set_remove_leaving(struct prefix_set *set);
/* The longest that text begins with; its outer is the next shorter one, and so on. NULL: there is none. Valid
 * until the set changes. */
struct prefix_node *prefix_set_longest(struct prefix_set *set, struct slice text);
/* Fills in each node's outer. */
void prefix_set_link(struct prefix_set *set);

bool slice_begins_with(struct slice text, struct slice prefix);

#endif
