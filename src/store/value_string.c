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
    case FORM_BLOB: return blob_slice(*entry_blob_word(entry));
    case FORM_INLINE: break;
    }
    return slice_make(entry_inline_value(entry), entry->inline_size);
}

struct blob *entry_blob(const struct entry *entry)
{
    return entry_form(entry) == FORM_BLOB ? *entry_blob_word(entry) : NULL;
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

static const char *string_encoding_name(const struct entry *entry)
{
    static const char *const names[] = {
        [STRING_INT] = "int", [STRING_EMBSTR] = "embstr", [STRING_RAW] = "raw"};
    return names[string_encoding(entry)];
}

static size_t string_count(const struct entry *entry)
{
    (void)entry;
    return 1;
}

size_t string_blob_free_cost(struct blob *blob)
{
    /* Of one that is shared, another frees the bytes. */
    return blob->capacity < LARGE_PIECE || blob_is_shared(blob) ? 2 : LARGE_PIECE_COST;
}

static size_t string_free_cost(const struct entry *entry)
{
    return entry_form(entry) == FORM_BLOB ? string_blob_free_cost(*entry_blob_word(entry)) : 1;
}

static size_t string_memory(const struct entry *entry)
{
    if (entry_form(entry) == FORM_BLOB)
        return blob_memory(*entry_blob_word(entry));
    return mem_size(entry_block(entry)->data);
}

static void string_release(struct entry *entry)
{
    if (entry_form(entry) == FORM_BLOB)
        blob_drop(*entry_blob_word(entry));
    else
        mem_free(entry_block(entry)->data);
}

static bool string_release_step(struct entry *entry, size_t *steps)
{
    size_t cost = string_free_cost(entry);
    string_release(entry);
    *steps -= *steps < cost ? *steps : cost;
    return true;
}

static bool string_duplicate(struct entry *entry)
{
    if (entry_form(entry) == FORM_BLOB) {
        blob_share(*entry_blob_word(entry));
        return true;
    }
    struct entry_block *block = entry_block(entry);
    char *data = mem_try_alloc(block->size);
    if (data == NULL)
        return false;
    block->data = memcpy(data, block->data, block->size);
    return true;
}

const struct value_operations string_operations = {
    .name = "string",
    .encoding = string_encoding_name,
    .count = string_count,
    .memory = string_memory,
    .free_cost = string_free_cost,
    .release = string_release,
    .release_step = string_release_step,
    .duplicate = string_duplicate,
};

/* --- Setting --- */

/* How so many bytes are kept. */
static enum entry_form bytes_form(size_t size)
{
    if (size <= STRING_INLINE_MAX)
        return FORM_INLINE;
    return size < BLOB_MIN ? FORM_BLOCK : FORM_BLOB;
}

struct string_content string_content_of(struct slice value, enum string_form form)
{
    int64_t number;
    if (form == STRING_FORM_BEST && int64_parse(value, &number))
        return string_content_int(number);
    return (struct string_content){
        .form = bytes_form(value.size),
        .raw = form == STRING_FORM_RAW,
        .bytes = value,
    };
}

struct string_content string_content_blob(struct blob *blob, enum string_form form)
{
    /* No number has so many digits; and the bytes may not be there to be looked at. */
    if (blob->size < BLOB_MIN)
        return string_content_of(blob_slice(blob), form);
    return (struct string_content){
        .form = FORM_BLOB, .raw = form == STRING_FORM_RAW, .bytes = blob_slice(blob), .blob = blob};
}

struct string_content string_content_int(int64_t number)
{
    return (struct string_content){.form = FORM_INT, .number = number};
}

static struct blob *blob_with_size(size_t size, size_t capacity)
{
    struct blob *blob = blob_new(capacity);
    if (blob != NULL)
        blob->size = size;
    return blob;
}

static struct entry *blob_entry_new(struct slice key, unsigned flags, struct blob *blob)
{
    struct entry *entry = entry_new(VALUE_STRING, flags | FORM_BLOB << ENTRY_FORM_SHIFT, key, 0, 0);
    if (entry != NULL)
        *entry_blob_word(entry) = blob;
    else
        blob_drop(blob);
    return entry;
}

static struct entry *block_entry_new(struct slice key, unsigned flags, size_t size)
{
    char *data = mem_try_alloc(size);
    if (data == NULL)
        return NULL;
    struct entry *entry = entry_new(VALUE_STRING, flags | FORM_BLOCK << ENTRY_FORM_SHIFT, key, 0, 0);
    if (entry == NULL) {
        mem_free(data);
        return NULL;
    }
    *entry_block(entry) = (struct entry_block){.data = data, .size = size};
    return entry;
}

/* A new entry with a value kept as bytes, which are for the caller to write. room: for an inline value or a
 * blob, how far it may grow; a block is of exactly that size. */
static struct entry *bytes_entry_new(struct slice key, unsigned flags, size_t size, size_t room)
{
    switch (bytes_form(size)) {
    case FORM_BLOCK: return block_entry_new(key, flags, size);
    case FORM_BLOB: {
        struct blob *blob = blob_with_size(size, room);
        return blob == NULL ? NULL : blob_entry_new(key, flags, blob);
    }
    default: break;
    }
    if (room > STRING_INLINE_MAX)
        room = STRING_INLINE_MAX;
    return entry_new(VALUE_STRING, flags | FORM_INLINE << ENTRY_FORM_SHIFT, key, size, room);
}

static char *bytes_data(struct entry *entry)
{
    switch (entry_form(entry)) {
    case FORM_BLOCK: return entry_block(entry)->data;
    case FORM_BLOB: return (*entry_blob_word(entry))->data;
    default: return entry_inline_value(entry);
    }
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
    if (content->blob != NULL)
        return blob_entry_new(key, flags, blob_share(content->blob));
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

static void set_raw(struct entry *entry, bool raw)
{
    entry->flags = (uint8_t)((entry->flags & ~ENTRY_RAW) | (raw ? ENTRY_RAW : 0));
}

enum string_status string_overwrite(struct entry *entry, const struct string_content *content)
{
    ASSERT(content->form != FORM_BLOB);
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
        set_raw(entry, content->raw);
    return status;
}

/* The old blob is let go of, even where nobody else has it: its memory has as a rule just been read into
 * another, which then is the value without a copy. */
enum string_status string_overwrite_blob(struct entry *entry, const struct string_content *content,
                                         struct blob **old)
{
    ASSERT(content->form == FORM_BLOB);
    if (entry->type != VALUE_STRING || entry_form(entry) != FORM_BLOB)
        return STRING_NO_ROOM;
    struct blob *blob;
    if (content->blob != NULL) {
        blob = blob_share(content->blob);
    } else {
        blob = blob_with_size(content->bytes.size, content->bytes.size);
        if (blob == NULL)
            return STRING_NO_MEMORY;
        memcpy(blob->data, content->bytes.data, content->bytes.size);
    }
    *old = *entry_blob_word(entry);
    *entry_blob_word(entry) = blob;
    set_raw(entry, content->raw);
    return STRING_DONE;
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

/* What to reserve for a value that outgrew capacity: a quarter more at least, so that appending costs
 * constant time a byte. */
static size_t grown_capacity(size_t capacity, size_t size)
{
    size_t wanted = capacity + capacity / 4;
    return wanted > size ? wanted : size;
}

static bool block_grow(struct entry_block *block, size_t size)
{
    size_t capacity = mem_size(block->data);
    if (size <= capacity)
        return true;
    char *data = mem_try_realloc(block->data, grown_capacity(capacity, size));
    if (data == NULL)
        data = mem_try_realloc(block->data, size);
    if (data != NULL)
        block->data = data;
    return data != NULL;
}

struct blob *string_blob_own(struct entry *entry, size_t capacity)
{
    ASSERT(entry->type == VALUE_STRING && entry_form(entry) == FORM_BLOB);
    struct blob **word = entry_blob_word(entry);
    struct blob *blob = *word;
    if (blob_is_shared(blob)) {
        struct blob *own = blob_with_size(blob->size, capacity > blob->size ? capacity : blob->size);
        if (own == NULL)
            return NULL;
        memcpy(own->data, blob->data, blob->size);
        blob_drop(blob);
        return *word = own;
    }
    if (capacity > blob->capacity && !blob_reserve(blob, grown_capacity(blob->capacity, capacity)) &&
        !blob_reserve(blob, capacity))
        return NULL;
    blob_forget_origin(blob);
    return blob;
}

static bool slices_overlap(struct slice a, const char *b, size_t size)
{
    return (uintptr_t)a.data < (uintptr_t)b + size && (uintptr_t)b < (uintptr_t)a.data + a.size;
}

/* The three forms in which bytes are kept. */

static enum string_status inline_write(struct entry *entry, size_t offset, struct slice value)
{
    ASSERT(!slices_overlap(value, (char *)entry, entry_size(entry)));
    size_t size = written_size(entry->inline_size, offset, value);
    if (size > STRING_INLINE_MAX || entry_size(entry) - entry->inline_size + size > mem_size(entry))
        return STRING_NO_ROOM;
    bytes_write(entry_inline_value(entry), entry->inline_size, offset, value);
    entry->inline_size = (uint16_t)size;
    return STRING_DONE;
}

static enum string_status block_write(struct entry_block *block, size_t offset, struct slice value)
{
    ASSERT(!slices_overlap(value, block->data, block->size));
    size_t size = written_size(block->size, offset, value);
    if (size >= BLOB_MIN)
        return STRING_NO_ROOM;
    if (!block_grow(block, size))
        return STRING_NO_MEMORY;
    bytes_write(block->data, block->size, offset, value);
    block->size = size;
    return STRING_DONE;
}

static enum string_status blob_write(struct entry *entry, size_t offset, struct slice value)
{
    struct blob *blob = *entry_blob_word(entry);
    size_t size = written_size(blob->size, offset, value);
    /* Nothing changes: what others share may stay shared. */
    if (value.size == 0 && size == blob->size)
        return STRING_DONE;
    ASSERT(!slices_overlap(value, blob->data, blob->size));
    blob = string_blob_own(entry, size);
    if (blob == NULL)
        return STRING_NO_MEMORY;
    bytes_write(blob->data, blob->size, offset, value);
    blob->size = size;
    return STRING_DONE;
}

enum string_status string_write(struct entry *entry, size_t offset, struct slice value)
{
    ASSERT(entry->type == VALUE_STRING);
    enum string_status status = STRING_NO_ROOM;
    switch (entry_form(entry)) {
    case FORM_INT: break;
    case FORM_INLINE: status = inline_write(entry, offset, value); break;
    case FORM_BLOCK: status = block_write(entry_block(entry), offset, value); break;
    case FORM_BLOB: status = blob_write(entry, offset, value); break;
    }
    if (status == STRING_DONE)
        entry->flags |= ENTRY_RAW;
    return status;
}

struct entry *string_entry_written(const struct entry *entry, size_t offset, struct slice value)
{
    char scratch[STRING_SCRATCH];
    struct slice old = string_value(entry, scratch);
    size_t size = written_size(old.size, offset, value);
    struct entry *written = bytes_entry_new(entry_key(entry), (entry->flags & ENTRY_EXPIRES) | ENTRY_RAW,
                                            size, grown_capacity(old.size, size));
    if (written == NULL)
        return NULL;
    memcpy(bytes_data(written), old.data, old.size);
    bytes_write(bytes_data(written), old.size, offset, value);
    written->use = entry->use;
    return written;
}
