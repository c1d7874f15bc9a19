/* Doubly linked lists whose nodes lie inside what they link. Nothing is allocated, and a node can be taken
 * out without knowing its list, also while somebody walks that list by taking its first node each time. */
#ifndef DKV_BASE_LIST_H
#define DKV_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* All zero: in no list. */
struct list_node {
    struct list_node *previous;
    struct list_node *next;
};

/* A ring through head; list_init makes it empty. A list must not move. */
struct list {
    struct list_node head;
};

#define LIST_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->head.previous = list->head.next = &list->head;
}

static inline bool list_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_linked(const struct list_node *node)
{
    return node->next != NULL;
}

/* The node must be in no list. */
static inline void list_append(struct list *list, struct list_node *node)
{
    node->previous = list->head.previous;
    node->next = &list->head;
    list->head.previous->next = node;
    list->head.previous = node;
}

/* A node that is in no list is left alone. */
static inline void list_remove(struct list_node *node)
{
    if (!list_linked(node))
        return;
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->previous = node->next = NULL;
}

/* NULL when the list is empty. */
static inline struct list_node *list_first(const struct list *list)
{
    return list_empty(list) ? NULL : list->head.next;
}

static inline struct list_node *list_take_first(struct list *list)
{
    struct list_node *node = list_first(list);
    if (node != NULL)
        list_remove(node);
    return node;
}

/* NULL behind the last. */
static inline struct list_node *list_next(const struct list *list, const struct list_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

/* Moves everything in from to the end of to. */
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->head.next->previous = to->head.previous;
    to->head.previous->next = from->head.next;
    from->head.previous->next = &to->head;
    to->head.previous = from->head.previous;
    list_init(from);
}

#endif
