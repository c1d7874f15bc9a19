#include "store/value_string.h"

#include "base/memory.h"
#include "base/number.h"

/* OBJECT ENCODING calls strings up to this size embstr, as in Redis. */
#define EMBSTR_MAX 44

static int64_t *entry_number(const struct entry *entry)
{
    return entry_value_words(entry);
}

/* --- Reading --- */

struct slice string_value(const struct entry *entry, char scratch[STRING_SCRATCH])
{
    static_assert(STRING_SCRATCH >= INT64_TEXT_MAX, "an integer's digits fit");
    ASSERT(entry->type == VALUE_STRING);
    switch (entry_form(entry)) {
    case FORM_INT: return slice_make(scratch, int64_format(scratch, *entry_number(entry)));
    case FORM_BLOCK: return slice_make(entry_block(entry)->data, entry_block(entry)->size);
    case FORM_INLINE: break;
    }
    return slice_make(entry_inline_value(entry), entry->inline_size);
}

size_t string_size(const struct entry *entry)
{
    char scratch[STRING_SCRATCH];
    return string_value(entry, scratch).size;
}

bool string_int(const struct entry *entry, int64_t *value)
{
    ASSERT(entry->type == VALUE_STRING);
    if (entry_form(entry) != FORM_INT)
        return false;
    *value = *entry_number(entry);
    return true;
}

enum string_encoding string_encoding(const struct entry *entry)
{
    ASSERT(entry->type == VALUE_STRING);
    if (entry_form(entry) == FORM_INT)
        return STRING_INT;
    return entry->flags & ENTRY_RAW || string_size(entry) > EMBSTR_MAX ? STRING_RAW : STRING_EMBSTR;
}

/* --- What the store asks of every type --- */

static size_t block_memory(const struct entry *entry)
{
    return mem_size(entry_block(entry)->data);
}

static void block_release(struct entry *entry)
{
    mem_free(entry_block(entry)->data);
}

static bool block_duplicate(struct entry *entry)
{
    struct entry_block *block = entry_block(entry);
    char *data = mem_try_alloc(block->size);
    if (data == NULL)
        return false;
    block->data = memcpy(data, block->data, block->size);
    return true;
}

const struct value_operations string_operations = {
    .name = "string",
    .memory = block_memory,
    .release = block_release,
    .duplicate = block_duplicate,
};

/* --- Setting --- */

struct string_content string_content_of(struct slice value, enum string_form form)
{
    int64_t number;
    if (form == STRING_FORM_BEST && int64_parse(value, &number))
        return string_content_int(number);
    return (struct string_content){
        .form = value.size <= STRING_INLINE_MAX ? FORM_INLINE : FORM_BLOCK,
        .raw = form == STRING_FORM_RAW,
        .bytes = value,
    };
}

struct string_content string_content_int(int64_t number)
{
    return (struct string_content){.form = FORM_INT, .number = number};
}

/* A new entry with room for a value kept as bytes, which are for the caller to write: an inline one when size
 * allows, with room to grow, or a block of exactly that size. */
static struct entry *bytes_entry_new(struct slice key, unsigned flags, size_t size, size_t room)
{
    if (size <= STRING_INLINE_MAX)
        return entry_new(VALUE_STRING, flags | FORM_INLINE << ENTRY_FORM_SHIFT, key, size, room);
    char *data = mem_try_alloc(size);
    if (data == NULL)
        return NULL;
    struct entry *entry = entry_new(VALUE_STRING, flags | FORM_BLOCK << ENTRY_FORM_SHIFT, key, 0, 0);
    if (entry == NULL) {
        mem_free(data);
        return NULL;
    }
    *entry_block(entry) = (struct entry_block){data, size};
    return entry;
}

static char *bytes_data(struct entry *entry)
{
    return entry_form(entry) == FORM_BLOCK ? entry_block(entry)->data : entry_inline_value(entry);
}

struct entry *string_entry_new(struct slice key, const struct string_content *content, bool expires)
{
    unsigned flags = (content->raw ? ENTRY_RAW : 0U) | (expires ? ENTRY_EXPIRES : 0U);
    struct slice bytes = content->bytes;
    if (content->form == FORM_INT) {
        struct entry *entry = entry_new(VALUE_STRING, flags | FORM_INT << ENTRY_FORM_SHIFT, key, 0, 0);
        if (entry != NULL)
            *entry_number(entry) = content->number;
        return entry;
    }
    struct entry *entry = bytes_entry_new(key, flags, bytes.size, bytes.size);
    if (entry != NULL && bytes.size > 0)
        memcpy(bytes_data(entry), bytes.data, bytes.size);
    return entry;
}

/* Whether an allocation of capacity bytes is right for size bytes: large enough, and at most a quarter
 * larger, as the allocator's own classes are. */
static bool fits_well(size_t size, size_t capacity)
{
    size_t slack = size / 4 > 16 ? size / 4 : 16;
    return size <= capacity && capacity - size <= slack;
}

static enum string_status inline_overwrite(struct entry *entry, struct slice bytes)
{
    size_t size = entry_size(entry) - entry->inline_size + bytes.size;
    /* Asking the allocator costs a lookup: most values replaced are as long as the new one. */
    if (bytes.size != entry->inline_size && !fits_well(size, mem_size(entry)))
        return STRING_NO_ROOM;
    if (bytes.size > 0)
        memmove(entry_inline_value(entry), bytes.data, bytes.size);
    entry->inline_size = (uint16_t)bytes.size;
    return STRING_DONE;
}

static enum string_status block_overwrite(struct entry *entry, struct slice bytes)
{
    struct entry_block *block = entry_block(entry);
    if (bytes.size == block->size || fits_well(bytes.size, mem_size(block->data))) {
        memmove(block->data, bytes.data, bytes.size);
    } else {
        char *data = mem_try_alloc(bytes.size);
        if (data == NULL)
            return STRING_NO_MEMORY;
        memcpy(data, bytes.data, bytes.size);
        mem_free(block->data);
        block->data = data;
    }
    block->size = bytes.size;
    return STRING_DONE;
}

enum string_status string_overwrite(struct entry *entry, const struct string_content *content)
{
    if (entry->type != VALUE_STRING || entry_form(entry) != content->form)
        return STRING_NO_ROOM;
    enum string_status status = STRING_DONE;
    if (content->form == FORM_INT)
        *entry_number(entry) = content->number;
    else if (content->form == FORM_INLINE)
        status = inline_overwrite(entry, content->bytes);
    else
        status = block_overwrite(entry, content->bytes);
    if (status == STRING_DONE)
        entry->flags = (uint8_t)((entry->flags & ~ENTRY_RAW) | (content->raw ? ENTRY_RAW : 0));
    return status;
}

/* --- Changing in place --- */

/* The size after writing. */
static size_t written_size(size_t size, size_t offset, struct slice value)
{
    size_t end;
    ASSERT(!__builtin_add_overflow(offset, value.size, &end));
    return end > size ? end : size;
}

/* Writes to data, of which size bytes are in use and where there is room for all. */
static void bytes_write(char *data, size_t size, size_t offset, struct slice value)
{
    if (offset > size)
        memset(data + size, 0, offset - size);
    if (value.size > 0)
        memcpy(data + offset, value.data, value.size);
}

/* Room for size bytes, growing by a quarter at least so that appending costs constant time a byte. */
static bool block_grow(struct entry_block *block, size_t size)
{
    size_t capacity = mem_size(block->data);
    if (size <= capacity)
        return true;
    size_t wanted = capacity + capacity / 4;
    char *data = wanted > size ? mem_try_realloc(block->data, wanted) : NULL;
    if (data == NULL)
        data = mem_try_realloc(block->data, size);
    if (data != NULL)
        block->data = data;
    return data != NULL;
}

static bool slices_overlap(struct slice a, const char *b, size_t size)
{
    return (uintptr_t)a.data < (uintptr_t)b + size && (uintptr_t)b < (uintptr_t)a.data + a.size;
}

enum string_status string_write(struct entry *entry, size_t offset, struct slice value)
{
    ASSERT(entry->type == VALUE_STRING);
    if (entry_form(entry) == FORM_BLOCK) {
        struct entry_block *block = entry_block(entry);
        ASSERT(!slices_overlap(value, block->data, block->size));
        size_t size = written_size(block->size, offset, value);
        if (!block_grow(block, size))
            return STRING_NO_MEMORY;
        bytes_write(block->data, block->size, offset, value);
        block->size = size;
    } else {
        ASSERT(!slices_overlap(value, (char *)entry, entry_size(entry)));
        size_t size = written_size(entry->inline_size, offset, value);
        if (entry_form(entry) == FORM_INT || size > STRING_INLINE_MAX ||
            entry_size(entry) - entry->inline_size + size > mem_size(entry))
            return STRING_NO_ROOM;
        bytes_write(entry_inline_value(entry), entry->inline_size, offset, value);
        entry->inline_size = (uint16_t)size;
    }
    entry->flags |= ENTRY_RAW;
    return STRING_DONE;
}

struct entry *string_entry_written(const struct entry *entry, size_t offset, struct slice value)
{
    ASSERT(entry_form(entry) != FORM_BLOCK);
    char scratch[STRING_SCRATCH];
    struct slice old = string_value(entry, scratch);
    size_t size = written_size(old.size, offset, value);
    size_t room = old.size + old.size / 4;
    room = room < size ? size : room < STRING_INLINE_MAX ? room : STRING_INLINE_MAX;

    struct entry *written =
        bytes_entry_new(entry_key(entry), (entry->flags & ENTRY_EXPIRES) | ENTRY_RAW, size, room);
    if (written == NULL)
        return NULL;
    memcpy(bytes_data(written), old.data, old.size);
    bytes_write(bytes_data(written), old.size, offset, value);
    written->used_s = entry->used_s;
    return written;
}
