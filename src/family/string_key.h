/* Keys that hold strings, as several families use them. Private to the command families. */
#ifndef DKV_FAMILY_STRING_KEY_H
#define DKV_FAMILY_STRING_KEY_H

#include "command/call.h"

/* The key that argument index names is used as a string; replies the error and returns false when it holds
 * something else. *entry is NULL when it is not there. */
bool call_read_string(struct call *call, int index, struct entry **entry);
/* The same, to be changed. */
bool call_write_string(struct call *call, int index, struct entry **entry);

/* Whether a string of size bytes at offset ends within the limit; replies the error when it does not. The
 * stream is obeyed whatever the limit is now. */
bool call_check_string_size(struct call *call, size_t offset, size_t size);

/* Makes the key that argument index names hold a string, whatever it held. The effect is the caller's to
 * state. NULL, with the error replied and nothing changed, when there is not enough memory. */
struct entry *call_store_string(struct call *call, int index, struct slice value, enum string_form form,
                                int64_t expire_ms);
/* The same with the bytes of a blob, of which the key takes a reference. */
struct entry *call_store_blob(struct call *call, int index, struct blob *blob, enum string_form form,
                              int64_t expire_ms);

/* The same with the value that another argument gives; one that was received into a blob is not copied. */
struct entry *call_store_argument(struct call *call, int index, int value_index, enum string_form form,
                                  int64_t expire_ms);

/* Replies a bulk string: the entry's value, or the part of it that is given; a large one is not copied. */
void call_reply_string(struct call *call, const struct entry *entry);
void call_reply_part(struct call *call, const struct entry *entry, struct slice part);

/* Writes value at offset into the string that argument index names, which is entry; NULL: the key is new. The
 * rest as call_store_string. */
struct entry *call_write_bytes(struct call *call, int index, struct entry *entry, size_t offset,
                               struct slice value);

/* A string that a command was about to change stays as it is: from now on it is kept as bytes that may be
 * changed, which OBJECT ENCODING tells, as in Redis. Returns the entry's new address. */
struct entry *call_make_raw(struct call *call, struct entry *entry);

#endif
