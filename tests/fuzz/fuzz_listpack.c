/* Fuzzes listpacks that others wrote: the validator accepts only what every reading function gets through
 * without leaving its bytes, and all of them tell the same; what is a hash besides is loaded, changed and
 * taken apart. Build and run:
 *
 *     make fuzz-build BUILD=build/fuzz CC=clang SANITIZE=address,undefined,fuzzer-no-link
 *     build/fuzz/tests/fuzz/fuzz_listpack -max_total_time=30 tests/fuzz/corpus/listpack
 */
#include <stdint.h>

#include "base/diag.h"
#include "base/memory.h"
#include "value/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte of an input: what of the listpack is made right, so that the rest of it is reached. */
enum { FIX_SIZE = 1, FIX_COUNT = 2, COUNT_UNKNOWN = 4 };
#define HEADER_BYTES 6

static void fix(char *bytes, size_t size, unsigned how)
{
    if (size < LISTPACK_EMPTY_BYTES)
        return;
    uint32_t told = (uint32_t)size;
    if (how & FIX_SIZE) {
        memcpy(bytes, &told, sizeof(told));
        bytes[size - 1] = (char)0xFF;
    }
    if (how & COUNT_UNKNOWN)
        memset(bytes + 4, 0xFF, 2);
    if (how & FIX_COUNT)
        for (unsigned count = 0; count < 300 && !listpack_valid(slice_make(bytes, size)); count++) {
            uint16_t field = (uint16_t)count;
            memcpy(bytes + 4, &field, sizeof(field));
        }
}

static void check_element(const char *listpack, size_t position, size_t index)
{
    char scratch[LISTPACK_SCRATCH];
    struct slice text = listpack_text(listpack, position, scratch), own;
    int64_t number, parsed, got;
    ASSERT(text.size == 0 || text.data == scratch ||
           (text.data >= listpack && text.data + text.size < listpack + listpack_bytes(listpack)));
    bool is_number = listpack_number(listpack, position, &number);
    ASSERT(is_number == int64_parse(text, &parsed) && (!is_number || number == parsed));
    if (listpack_get(listpack, position, &own, &got))
        ASSERT(is_number && got == number);
    else
        ASSERT(slice_equal(own, text));
    ASSERT(listpack_equals(listpack, position, text));
    size_t found = listpack_find(listpack, listpack_first(listpack), text, 0);
    ASSERT(found != 0 && found <= position && listpack_equals(listpack, found, text));
    if (index < 40)
        ASSERT(listpack_seek(listpack, (int64_t)index) == position);
}

/* Forth and back, by index and by text: the same elements. */
static void check_reading(struct slice bytes)
{
    const char *listpack = bytes.data;
    size_t count = 0, end = listpack_end(listpack);
    ASSERT(listpack_slice(listpack).size == bytes.size);
    for (size_t at = listpack_first(listpack); at != 0; at = listpack_next(listpack, at), count++) {
        ASSERT(at < end && at + listpack_element_bytes(listpack, at) <= end);
        check_element(listpack, at, count);
        size_t next = listpack_next(listpack, at);
        ASSERT(listpack_previous(listpack, next != 0 ? next : end) == at);
    }
    ASSERT(listpack_count(listpack) == count);
    ASSERT((listpack_last(listpack) == 0) == (count == 0));
    ASSERT(listpack_seek(listpack, (int64_t)count) == 0 && listpack_seek(listpack, -(int64_t)count - 1) == 0);
    if (count > 0)
        ASSERT(listpack_seek(listpack, -1) == listpack_last(listpack) &&
               listpack_seek(listpack, -(int64_t)count) == listpack_first(listpack));
}

/* Each element in turn gives way to its own text and then goes: what is left is right at each step. */
static void check_changing(struct slice bytes)
{
    char *listpack = mem_alloc(bytes.size + 16);
    memcpy(listpack, bytes.data, bytes.size);
    for (size_t count = listpack_count(listpack); count > 0; count--) {
        char scratch[LISTPACK_SCRATCH];
        size_t position = listpack_seek(listpack, (int64_t)(count / 2));
        struct slice text = listpack_text(listpack, position, scratch);
        struct buffer copy = {0};
        buffer_append_slice(&copy, text);
        struct listpack_item item = listpack_item(buffer_slice(&copy));
        ASSERT(item.bytes <= listpack_element_bytes(listpack, position));
        listpack_replace(listpack, position, &item);
        ASSERT(listpack_equals(listpack, position, buffer_slice(&copy)));
        buffer_free(&copy);
        if (count % 16 == 0)
            ASSERT(listpack_valid(listpack_slice(listpack)));
        listpack_delete(listpack, position, 1);
    }
    ASSERT(listpack_bytes(listpack) == LISTPACK_EMPTY_BYTES);
    mem_free(listpack);
}

/* Changes one field of it, in an allocation that is as long as the change says. */
static char *packed_change(char *packed, const struct packed_hash_change *change)
{
    size_t bytes = packed_hash_bytes(packed);
    packed = mem_realloc(packed, change->bytes > bytes ? change->bytes : bytes);
    packed_hash_apply(packed, change);
    ASSERT(packed_hash_bytes(packed) == change->bytes && packed_hash_size(packed) == change->size);
    return mem_realloc(packed, change->bytes);
}

/* A hash in its entry: each field is found, set to another value, and every other one is deleted. */
static void check_packed(struct slice bytes)
{
    if (!hash_listpack_valid(bytes, HASH_LISTPACK))
        return;
    char *packed = mem_alloc(bytes.size);
    memcpy(packed, bytes.data, bytes.size);
    size_t position = 0, index = 0;
    struct hash_field field, found;
    for (; packed_hash_next(bytes.data, &position, &field); index++) {
        struct packed_hash_change change;
        ASSERT(packed_hash_find(packed, field.name, &found) && slice_equal(found.value, field.value));
        packed_hash_plan_set(packed, field.name, slice_make(bytes.data, index % bytes.size), &change);
        ASSERT(change.found && change.size == packed_hash_size(packed));
        packed = packed_change(packed, &change);
        if (index % 2 == 0)
            continue;
        ASSERT(packed_hash_plan_delete(packed, field.name, &change));
        packed = packed_change(packed, &change);
        ASSERT(!packed_hash_find(packed, field.name, &found));
        packed_hash_plan_set(packed, field.name, field.value, &change);
        ASSERT(!change.found);
    }
    ASSERT(packed_hash_size(packed) == (index + 1) / 2);
    ASSERT(hash_listpack_valid(listpack_slice(packed), HASH_LISTPACK));
    mem_free(packed);
}

static void count_visit(void *context, const struct hash_field *field)
{
    (void)field;
    ++*(size_t *)context;
}

static void check_hash(struct slice bytes, enum hash_encoding encoding, size_t entries_max)
{
    if (!hash_listpack_valid(bytes, encoding))
        return;
    struct hash_settings settings = {.entries_max = entries_max, .value_max = 64, .seed = 1};
    struct hash *hash = hash_from_listpack(&settings, bytes, encoding);
    struct hash *copy = hash_duplicate(hash);
    size_t size = hash_size(hash), visited = 0;
    ASSERT(size > 0 && hash_timed_size(hash) <= size &&
           hash_due_size(hash, INT64_MAX - 1) == hash_timed_size(hash));
    ASSERT((hash_earliest_ms(hash) != INT64_MAX) == (hash_timed_size(hash) > 0));
    hash_scan(hash, 0, count_visit, &visited);
    struct hash_iterator iterator = {.hash = hash};
    struct hash_field field, found;
    for (size_t i = 0; i < size; i++) {
        ASSERT(hash_iterate(&iterator, &field));
        ASSERT(hash_find(hash, field.name, &found) && slice_equal(found.value, field.value) &&
               found.expire_ms == field.expire_ms);
        if (i % 3 == 0)
            hash_set_time(copy, field.name, (int64_t)i + 1);
        else if (i % 3 == 1)
            hash_set(copy, field.name, slice_make(bytes.data, i % (bytes.size < 80 ? bytes.size : 80)),
                     FIELD_KEEP_TIME);
        else
            ASSERT(hash_delete(copy, field.name));
    }
    ASSERT(!hash_iterate(&iterator, &field));
    while (hash_next_due(copy, INT64_MAX - 1, &field)) {
        struct buffer name = {0};
        buffer_append_slice(&name, field.name);
        ASSERT(hash_delete(copy, buffer_slice(&name)));
        buffer_free(&name);
    }
    ASSERT(hash_timed_size(copy) == 0 && hash_size(copy) <= size);
    hash_free(copy);
    hash_free(hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* An allocation that is exactly as long, so that the sanitizer sees who reads on. */
    size_t length = size - 1;
    char *bytes = mem_alloc(length > 0 ? length : 1);
    memcpy(bytes, data + 1, length);
    fix(bytes, length, data[0]);
    struct slice listpack = slice_make(bytes, length);
    if (listpack_valid(listpack)) {
        check_reading(listpack);
        check_changing(listpack);
        check_packed(listpack);
        check_hash(listpack, HASH_LISTPACK, 1000);
        check_hash(listpack, HASH_LISTPACK, 0);
        check_hash(listpack, HASH_LISTPACK_EX, 1000);
        check_hash(listpack, HASH_LISTPACK_EX, 0);
    }
    mem_free(bytes);
    return 0;
}
