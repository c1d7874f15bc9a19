#include "base/chain.h"

#include "base/diag.h"
#include "base/memory.h"

#define BUCKETS_MIN 16

static struct chain_node **bucket_of(const struct chain_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void resize(struct chain_table *table, size_t count)
{
    struct chain_node **old = table->buckets;
    size_t old_count = table->bucket_count;
    table->buckets = count ? mem_alloc_zero(count * sizeof(struct chain_node *)) : NULL;
    table->bucket_count = count;
    for (size_t i = 0; i < old_count; i++) {
        struct chain_node *next;
        for (struct chain_node *node = old[i]; node; node = next) {
            struct chain_node **bucket = bucket_of(table, node->hash);
            next = node->next;
            node->next = *bucket;
            *bucket = node;
        }
    }
    mem_free(old);
}

void chain_add(struct chain_table *table, struct chain_node *node, uint64_t hash)
{
    if (table->count == table->bucket_count)
        resize(table, table->bucket_count ? 2 * table->bucket_count : BUCKETS_MIN);
    struct chain_node **bucket = bucket_of(table, hash);
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    table->count++;
}

void chain_remove(struct chain_table *table, struct chain_node *node)
{
    ASSERT(table->count > 0);
    struct chain_node **link = bucket_of(table, node->hash);
    while (*link != node) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    table->count--;
    if (table->count == 0)
        resize(table, 0);
    else if (table->bucket_count > BUCKETS_MIN && table->count <= table->bucket_count / 8)
        resize(table, table->bucket_count / 2);
}

struct chain_node *chain_find(const struct chain_table *table, uint64_t hash)
{
    if (table->count == 0)
        return NULL;
    struct chain_node *node = *bucket_of(table, hash);
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct chain_node *chain_find_next(const struct chain_node *node)
{
    uint64_t hash = node->hash;
    struct chain_node *next = node->next;
    while (next && next->hash != hash)
        next = next->next;
    return next;
}

struct chain_node *chain_pick(const struct chain_table *table, uint64_t random)
{
    if (table->count == 0)
        return NULL;
    while (!*bucket_of(table, random))
        random++;
    return *bucket_of(table, random);
}

size_t chain_memory(const struct chain_table *table)
{
    return table->bucket_count * sizeof(struct chain_node *);
}
