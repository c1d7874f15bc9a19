/* A binary heap whose nodes lie inside what they order: the least key first. A node knows its place, so that
 * any can be taken out. Nodes of the same key come in no particular order. */
#ifndef DKV_BASE_HEAP_H
#define DKV_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t key;
    size_t place; /* in the heap, counted from 1; 0: in none */
};

/* All zero is a valid empty heap; heap_free gives back what it took. */
struct heap {
    struct heap_node **nodes;
    size_t count;
    size_t capacity;
};

/* The node must be in no heap. */
void heap_add(struct heap *heap, struct heap_node *node, uint64_t key);
/* Nothing happens to a node that is in no heap; in another one it must not be. */
void heap_remove(struct heap *heap, struct heap_node *node);
/* The node with the least key, which stays; NULL when the heap is empty. */
static inline struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}
static inline bool heap_linked(const struct heap_node *node)
{
    return node->place != 0;
}
/* The heap must be empty. */
void heap_free(struct heap *heap);

#endif
