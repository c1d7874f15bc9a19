/* Where a hash sits in its entry. Private to the store. */
#ifndef DKV_STORE_HASH_SEAT_H
#define DKV_STORE_HASH_SEAT_H

#include "store/entry.h"
#include "value/hash.h"

/* NULL: it is packed, in the entry. */
static inline struct hash *hash_object(const struct entry *entry)
{
    ASSERT(entry->type == VALUE_HASH);
    return entry_form(entry) == FORM_BLOCK ? entry_block(entry)->object : NULL;
}

/* Of a hash without an object. */
static inline char *hash_packed(const struct entry *entry)
{
    return entry_inline_value(entry);
}

#endif
