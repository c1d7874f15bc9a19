/* Strings: how bytes are kept in an entry. Works on entries alone; the database keeps table and wheel in
 * step. */
#ifndef DKV_STORE_VALUE_STRING_H
#define DKV_STORE_VALUE_STRING_H

#include "store/entry.h"

/* Longer values get a block of their own, so that a time to live, a rename and a growing value need not copy
 * them. The block is exactly as long as the value: with the key in front, a value of 1024, 2048 or 4096 bytes
 * would fall into the allocator's next class, a quarter larger. A block costs 16 bytes in the entry and one
 * more cache miss. */
#define STRING_INLINE_MAX 1023

/* A value on its way into an entry. */
struct string_content {
    enum entry_form form;
    bool raw;
    int64_t number;     /* FORM_INT */
    struct slice bytes; /* the others */
    struct blob *blob;  /* FORM_BLOB: whose bytes these are; NULL: they are to be copied into a new one */
};

struct string_content string_content_of(struct slice value, enum string_form form);
/* The entry will share the blob, unless it is smaller than BLOB_MIN. */
struct string_content string_content_blob(struct blob *blob, enum string_form form);
struct string_content string_content_int(int64_t number);

enum string_status { STRING_DONE, STRING_NO_ROOM, STRING_NO_MEMORY };

/* A new entry with this value, in no table and no wheel. The content may alias any entry. NULL: out of
 * memory. */
struct entry *string_entry_new(struct slice key, const struct string_content *content, bool expires);
/* Puts the content in place of the entry's value, if it is of the same form and fits without waste;
 * otherwise, and when memory is out, nothing is changed. The content may alias the entry. The first is for
 * all forms but FORM_BLOB, the second for that: *old is what the caller drops then, as freeing it may take
 * long. */
enum string_status string_overwrite(struct entry *entry, const struct string_content *content);
enum string_status string_overwrite_blob(struct entry *entry, const struct string_content *content,
                                         struct blob **old);
/* As entry_free_cost. */
size_t string_blob_free_cost(struct blob *blob);
/* As database_write_string, as far as the entry has room where it is. */
enum string_status string_write(struct entry *entry, size_t offset, struct slice value);
/* Before the bytes of a blob are changed in place: makes the entry its only owner, by copying it if need be,
 * with room for capacity bytes, and forgets where the same bytes lie elsewhere. Whatever changes a large
 * string comes through here. NULL: out of memory, and nothing has changed. */
struct blob *string_blob_own(struct entry *entry, size_t capacity);
/* A new entry with key, expiry fields and time of use of this one and the value that writing gives, with room
 * to grow; for an entry in which string_write found no room, which is as it was. NULL: out of memory. */
struct entry *string_entry_written(const struct entry *entry, size_t offset, struct slice value);

#endif
