#include "store/entry.h"

#include "base/memory.h"

static const struct value_operations *const operations[VALUE_TYPE_COUNT] = {
    [VALUE_STRING] = &string_operations,
    [VALUE_HASH] = &hash_operations,
};

struct entry *entry_new(enum value_type type, unsigned flags, struct slice key, size_t inline_size,
                        size_t room)
{
    ASSERT(key.size <= KEY_SIZE_MAX && inline_size <= room && room <= UINT16_MAX);
    if (key.size > UINT8_MAX)
        flags |= ENTRY_WIDE_KEY;
    size_t size = entry_head_size(flags) + key.size + room;
    struct entry *entry = size <= ENTRY_ABORT_MAX ? mem_alloc(size) : mem_try_alloc(size);
    if (entry == NULL)
        return NULL;

    entry->type = (uint8_t)type;
    entry->flags = (uint8_t)flags;
    entry->inline_size = (uint16_t)inline_size;
    entry->key_size = key.size & UINT8_MAX;
    entry->use = 0;
    if (flags & ENTRY_WIDE_KEY)
        entry->words[flags & ENTRY_EXPIRES ? 3 : 0] = key.size;
    if (key.size > 0)
        memcpy(entry_key_data(entry), key.data, key.size);
    return entry;
}

struct entry *entry_rebuild(const struct entry *entry, struct slice key, bool expires)
{
    unsigned flags = entry->flags & (ENTRY_FORM | ENTRY_RAW | ENTRY_PARTS_EXPIRE);
    struct entry *other = entry_new(entry_type(entry), flags | (expires ? ENTRY_EXPIRES : 0), key,
                                    entry->inline_size, entry->inline_size);
    if (other == NULL)
        return NULL;
    other->use = entry->use;
    memcpy(entry_value_words(other), entry_value_words(entry),
           entry_value_word_count(flags) * sizeof(uint64_t));
    memcpy(entry_inline_value(other), entry_inline_value(entry), entry->inline_size);
    return other;
}

struct entry *entry_new_object(enum value_type type, unsigned flags, struct slice key, void *object,
                               size_t payload)
{
    struct entry *entry = entry_new(type, flags | FORM_BLOCK << ENTRY_FORM_SHIFT, key, 0, 0);
    if (entry != NULL)
        *entry_block(entry) = (struct entry_block){.object = object, .size = payload};
    return entry;
}

void entry_free_shell(struct entry *entry)
{
    mem_free(entry);
}

void entry_free(struct entry *entry)
{
    if (entry_has_outside_parts(entry))
        operations[entry->type]->release(entry);
    mem_free(entry);
}

size_t entry_free_cost(const struct entry *entry)
{
    return entry_has_outside_parts(entry) ? operations[entry->type]->free_cost(entry) : 0;
}

bool entry_free_step(struct entry *entry, size_t *steps)
{
    if (entry_has_outside_parts(entry) && !operations[entry->type]->release_step(entry, steps))
        return false;
    mem_free(entry);
    *steps -= *steps > 0;
    return true;
}

bool entry_duplicate_value(struct entry *entry)
{
    if (!entry_has_outside_parts(entry) || operations[entry->type]->duplicate(entry))
        return true;
    entry_free_shell(entry);
    return false;
}

struct slice entry_key(const struct entry *entry)
{
    return slice_make(entry_key_data(entry), entry_key_size(entry));
}

enum value_type entry_type(const struct entry *entry)
{
    return (enum value_type)entry->type;
}

const char *value_type_name(enum value_type type)
{
    ASSERT(type < VALUE_TYPE_COUNT);
    return operations[type]->name;
}

const char *entry_encoding_name(const struct entry *entry)
{
    return operations[entry->type]->encoding(entry);
}

size_t entry_element_count(const struct entry *entry)
{
    return operations[entry->type]->count(entry);
}

bool entry_is_volatile(const struct entry *entry)
{
    return entry->flags & (ENTRY_EXPIRES | ENTRY_PARTS_EXPIRE);
}

int64_t entry_expire_ms(const struct entry *entry)
{
    return entry_expires(entry) ? entry_node(entry)->expire_ms : EXPIRE_NEVER;
}

size_t entry_memory(const struct entry *entry)
{
    return mem_size(entry) + (entry_has_outside_parts(entry) ? operations[entry->type]->memory(entry) : 0);
}
