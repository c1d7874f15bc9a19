/* Hash tables whose nodes lie inside what they hold: chained, growing and shrinking by doubling and halving.
 * The owner computes hashes and compares keys; a table knows only the hashes. Nothing is allocated for a
 * node. For figures of some thousands; the keyspace has a table of its own (store/table.h). */
#ifndef DKV_BASE_CHAIN_H
#define DKV_BASE_CHAIN_H

#include <stddef.h>
#include <stdint.h>

struct chain_node {
    struct chain_node *next;
    uint64_t hash;
};

/* All zero is a valid empty table, which takes no memory; nothing is to be freed when the last node is gone.
 */
struct chain_table {
    struct chain_node **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
};

/* The node must be in no table. Nodes may have the same hash. */
void chain_add(struct chain_table *table, struct chain_node *node, uint64_t hash);
/* The node must be in this table. */
void chain_remove(struct chain_table *table, struct chain_node *node);
/* The first node with this hash, and the next one after it; NULL when there is none. */
struct chain_node *chain_find(const struct chain_table *table, uint64_t hash);
struct chain_node *chain_find_next(const struct chain_node *node);
/* Some node, by chance if random is; NULL when the table is empty. */
struct chain_node *chain_pick(const struct chain_table *table, uint64_t random);
/* Bytes that the buckets take. */
size_t chain_memory(const struct chain_table *table);

#endif
