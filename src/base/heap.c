#include "base/heap.h"

#include "base/diag.h"
#include "base/memory.h"

#define CAPACITY_MIN 16

static void put(struct heap *heap, size_t index, struct heap_node *node)
{
    heap->nodes[index] = node;
    node->place = index + 1;
}

static void move_up(struct heap *heap, size_t index)
{
    struct heap_node *node = heap->nodes[index];
    while (index > 0 && heap->nodes[(index - 1) / 2]->key > node->key) {
        put(heap, index, heap->nodes[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    put(heap, index, node);
}

static void move_down(struct heap *heap, size_t index)
{
    struct heap_node *node = heap->nodes[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child + 1 < heap->count && heap->nodes[child + 1]->key < heap->nodes[child]->key)
            child++;
        if (child >= heap->count || heap->nodes[child]->key >= node->key)
            break;
        put(heap, index, heap->nodes[child]);
        index = child;
    }
    put(heap, index, node);
}

static void resize(struct heap *heap, size_t capacity)
{
    heap->nodes = mem_realloc(heap->nodes, capacity * sizeof(struct heap_node *));
    heap->capacity = capacity;
}

void heap_add(struct heap *heap, struct heap_node *node, uint64_t key)
{
    ASSERT(!heap_linked(node));
    if (heap->count == heap->capacity)
        resize(heap, heap->capacity ? 2 * heap->capacity : CAPACITY_MIN);
    node->key = key;
    put(heap, heap->count++, node);
    move_up(heap, heap->count - 1);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (!heap_linked(node))
        return;
    size_t index = node->place - 1;
    ASSERT(index < heap->count && heap->nodes[index] == node);
    node->place = 0;
    struct heap_node *last = heap->nodes[--heap->count];
    if (last != node) {
        put(heap, index, last);
        move_up(heap, index);
        move_down(heap, last->place - 1);
    }
    if (heap->capacity > CAPACITY_MIN && heap->count < heap->capacity / 4)
        resize(heap, heap->capacity / 2);
}

void heap_free(struct heap *heap)
{
    ASSERT(heap->count == 0);
    mem_free(heap->nodes);
    *heap = (struct heap){.nodes = NULL};
}
