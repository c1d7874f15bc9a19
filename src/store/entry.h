/* What a key and its value look like in memory: one allocation, with only those fields that this entry needs.
 *
 *     offset  size
 *          0     8  header: type, flags, size of an inline value, size of the key, use (use.h)
 *          8    24  expiry: links of the wheel's list and the time            if ENTRY_EXPIRES
 *          .     8  size of the key                                           if ENTRY_WIDE_KEY (from 256 on)
 *          .     .  the value's words, by form:
 *                     FORM_INLINE   none
 *                     FORM_INT      8: the number
 *                     FORM_BLOCK   16: pointer to a block of its own, size of the value;
 *                                  of no string: pointer to the object that it is, its payload
 *                     FORM_BLOB     8: pointer to a blob, which may have other owners
 *          .     .  the key
 *          .     .  the value                                                 if FORM_INLINE
 *
 * A 16-byte key with a 64-byte value takes 8 + 16 + 64 = 88 bytes, in the allocator's class of 96; with a
 * time to live 112, which is a class.
 *
 * A value that is no string is FORM_INLINE while it is small and one packed block (listpack.h), and
 * FORM_BLOCK otherwise. Another type of value comes with an enum value_type, an object of its own in value/,
 * and a set of value_operations; what is written here for entries in general (time to live, moving, copying,
 * memory, release) then works for it. */
#ifndef DKV_STORE_ENTRY_H
#define DKV_STORE_ENTRY_H

#include <assert.h>

#include "base/blob.h"
#include "base/diag.h"
#include "base/wheel.h"
#include "store/store.h"

enum entry_form { FORM_INLINE, FORM_INT, FORM_BLOCK, FORM_BLOB };

enum entry_flags {
    ENTRY_EXPIRES = 1 << 0,
    ENTRY_WIDE_KEY = 1 << 1,
    ENTRY_FORM = 3 << 2, /* an entry_form */
    ENTRY_RAW = 1 << 4,  /* a string that was changed in place, which OBJECT ENCODING tells */
    /* Parts of the value have times of their own: it is in its database's wheel of such (parts.h). */
    ENTRY_PARTS_EXPIRE = 1 << 5,
};
#define ENTRY_FORM_SHIFT 2

struct entry {
    uint8_t type;
    uint8_t flags;
    uint16_t inline_size;
    uint32_t key_size : 8;
    uint32_t use : 24;
    uint64_t words[]; /* the rest, as drawn above */
};
static_assert(sizeof(struct entry) == 8, "an entry's header is one word");

/* Entries larger than this may be refused for want of memory; for smaller ones the process ends. */
#define ENTRY_ABORT_MAX ((size_t)64 << 10)

/* What the store wants to know of a value type. All but the first few are called for values that have parts
 * outside the entry only: a call through a pointer that hangs on what the entry says keeps the processor from
 * running ahead while the entry is still on its way from memory (measured: overwriting random keys of a
 * million took a fifth to a half longer). */
struct value_operations {
    const char *name;
    /* What OBJECT ENCODING answers. */
    const char *(*encoding)(const struct entry *entry);
    /* Elements; 1 for a string. */
    size_t (*count)(const struct entry *entry);

    /* Bytes that the parts outside the entry take. */
    size_t (*memory)(const struct entry *entry);
    /* About how many small allocations cost as much to free as the parts outside the entry do. */
    size_t (*free_cost)(const struct entry *entry);
    /* Frees the parts outside the entry. */
    void (*release)(struct entry *entry);
    /* The same in steps, on any thread: *steps, about as many allocations as may be freed, is decreased. true
     * when all are gone; until then only this may be called with the entry. */
    bool (*release_step)(struct entry *entry, size_t *steps);
    /* The entry's words were copied from another's: gives it outside parts of its own. false: out of memory.
     */
    bool (*duplicate)(struct entry *entry);
};
extern const struct value_operations string_operations;
extern const struct value_operations hash_operations;

/* Freeing a piece of so many bytes may take milliseconds, as then the allocator gives pages back to the
 * kernel (measured: 4 MiB 10 us, 8 MiB 0.4 to 1 ms, 128 MiB 16 ms). */
#define LARGE_PIECE ((size_t)4 << 20)
/* What freeing such a piece counts as. */
#define LARGE_PIECE_COST 1000

static inline enum entry_form entry_form(const struct entry *entry)
{
    return (enum entry_form)((entry->flags & ENTRY_FORM) >> ENTRY_FORM_SHIFT);
}

static inline bool entry_expires(const struct entry *entry)
{
    return entry->flags & ENTRY_EXPIRES;
}

/* The expiry of an entry that has one. */
static inline struct wheel_node *entry_node(const struct entry *entry)
{
    return (struct wheel_node *)(uintptr_t)entry->words;
}

static inline struct entry *entry_of_node(struct wheel_node *node)
{
    return (struct entry *)((char *)node - offsetof(struct entry, words));
}

/* How many words a value has whose form stands in these flags: two bits for each form. */
static inline unsigned entry_value_word_count(unsigned flags)
{
    unsigned counts = 1U << 2 * FORM_INT | 2U << 2 * FORM_BLOCK | 1U << 2 * FORM_BLOB;
    return counts >> 2 * ((flags & ENTRY_FORM) >> ENTRY_FORM_SHIFT) & 3;
}

/* Where the value's words are. */
static inline void *entry_value_words(const struct entry *entry)
{
    size_t words = (entry->flags & ENTRY_EXPIRES ? 3U : 0U) + (entry->flags & ENTRY_WIDE_KEY ? 1U : 0U);
    return (void *)(uintptr_t)(entry->words + words);
}

/* Bytes before the key. */
static inline size_t entry_head_size(unsigned flags)
{
    unsigned words = 1U + (flags & ENTRY_EXPIRES ? 3U : 0U) + (flags & ENTRY_WIDE_KEY ? 1U : 0U) +
                     entry_value_word_count(flags);
    return words * sizeof(uint64_t);
}

static inline size_t entry_key_size(const struct entry *entry)
{
    if (!(entry->flags & ENTRY_WIDE_KEY))
        return entry->key_size;
    return entry->words[entry->flags & ENTRY_EXPIRES ? 3 : 0];
}

static inline char *entry_key_data(const struct entry *entry)
{
    return (char *)(uintptr_t)entry + entry_head_size(entry->flags);
}

static inline bool entry_has_key(const struct entry *entry, struct slice key)
{
    return slice_equal(slice_make(entry_key_data(entry), entry_key_size(entry)), key);
}

static inline char *entry_inline_value(const struct entry *entry)
{
    return entry_key_data(entry) + entry_key_size(entry);
}

/* The words of FORM_BLOCK. What the allocator gave for a string's data is its capacity. */
struct entry_block {
    union {
        char *data;   /* a string's */
        void *object; /* any other type's */
    };
    size_t size; /* of a value that is no string: its payload */
};
static_assert(sizeof(struct entry_block) == 2 * sizeof(uint64_t), "a block's two words");

static inline struct entry_block *entry_block(const struct entry *entry)
{
    return (struct entry_block *)entry_value_words(entry);
}

/* The word of FORM_BLOB. */
static inline struct blob **entry_blob_word(const struct entry *entry)
{
    return (struct blob **)entry_value_words(entry);
}

static inline bool entry_has_outside_parts(const struct entry *entry)
{
    return entry_form(entry) >= FORM_BLOCK;
}

/* Bytes of the value, for database_payload. An integer counts as the word it is kept in: counting its digits
 * at every change would cost more than it tells. */
static inline size_t entry_value_payload(const struct entry *entry)
{
    switch (entry_form(entry)) {
    case FORM_INLINE: break;
    case FORM_INT: return sizeof(int64_t);
    case FORM_BLOCK: return entry_block(entry)->size;
    case FORM_BLOB: return (*entry_blob_word(entry))->size;
    }
    return entry->inline_size;
}

static inline size_t entry_payload(const struct entry *entry)
{
    return entry_key_size(entry) + entry_value_payload(entry);
}

/* The bytes of the entry's own allocation that are in use. */
static inline size_t entry_size(const struct entry *entry)
{
    return entry_head_size(entry->flags) + entry_key_size(entry) + entry->inline_size;
}

/* A new entry with this key, in no table and no wheel; its value, of inline_size bytes or in its words, is
 * for the caller to fill in. flags: form, ENTRY_EXPIRES, ENTRY_RAW. room: bytes of inline value there will be
 * space for. NULL when it is large (ENTRY_ABORT_MAX) and there is not enough memory. */
struct entry *entry_new(enum value_type type, unsigned flags, struct slice key, size_t inline_size,
                        size_t room);
/* A new entry with the value of this one (outside parts and all: they are shared until one of the two is
 * given up) under this key, with or without fields for an expiry. NULL as entry_new. */
struct entry *entry_rebuild(const struct entry *entry, struct slice key, bool expires);
/* Frees an entry whose value's outside parts belong to another by now. */
void entry_free_shell(struct entry *entry);
/* A new entry for a value that is this object, in no table and no wheel; flags: ENTRY_EXPIRES. NULL as
 * entry_new. */
struct entry *entry_new_object(enum value_type type, unsigned flags, struct slice key, void *object,
                               size_t payload);
/* About how many small allocations cost as much to free as the value does, without the entry. */
size_t entry_free_cost(const struct entry *entry);
/* Frees all of an entry; it must be in no table and no wheel that lives on. */
void entry_free(struct entry *entry);
/* The same in steps, as value_operations.release_step. */
bool entry_free_step(struct entry *entry, size_t *steps);
/* Gives an entry that was rebuilt outside parts of its own. false: out of memory; the entry is freed then. */
bool entry_duplicate_value(struct entry *entry);

#endif
