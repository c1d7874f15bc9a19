/* Hashes under keys: what commands use. value/hash.h says what a hash is; here it gets a seat in a database.
 *
 * A small hash without times of fields lies in its entry, as a packed hash of HASH_INLINE_MAX bytes at the
 * most; any other is a struct hash that the entry points to. Nothing above this header sees which.
 *
 * - A function that changes a hash may move its entry, and returns the new address. A struct hash_field and
 * the slices in it are valid until the hash is changed.
 * - Names and values that are given must not lie in the hash that is changed.
 * - There is no empty hash: database_hash_set makes the entry, and whoever deletes the last field deletes the
 *   entry next (database_delete), before anything else is done with the database but logging.
 * - Nothing expires by itself. Functions with now_ms leave out fields whose time has passed by then; with
 *   INT64_MIN they leave out none. The others find every field that is there, whatever its time.
 * - Use (database_touch) is the caller's, once a command; a new entry counts as used. */
#ifndef DKV_STORE_VALUE_HASH_H
#define DKV_STORE_VALUE_HASH_H

#include "store/store.h"
#include "value/hash.h"

/* Bytes of a packed hash that lies in its entry. */
#define HASH_INLINE_MAX 1023
/* As Redis has them. */
#define HASH_ENTRIES_MAX_DEFAULT 512
#define HASH_VALUE_MAX_DEFAULT   64

/* hash-max-listpack-entries and hash-max-listpack-value, for what is done from then on. */
void store_set_hash_limits(struct store *store, size_t entries_max, size_t value_max);

/* --- Reading. The entry is a hash --- */

enum hash_encoding entry_hash_encoding(const struct entry *entry);
/* Fields, those whose time has passed too; those that have a time; those whose time has passed, which takes
 * time in proportion to them; and those whose time has not. */
size_t entry_hash_size(const struct entry *entry);
size_t entry_hash_timed_size(const struct entry *entry);
size_t entry_hash_due_size(const struct entry *entry, int64_t now_ms);
static inline size_t entry_hash_live_size(const struct entry *entry, int64_t now_ms)
{
    return entry_hash_size(entry) - entry_hash_due_size(entry, now_ms);
}
/* The earliest time of any field, INT64_MAX if none has one. O(1). */
int64_t entry_hash_earliest_ms(const struct entry *entry);
/* Whether there is a field of this name, and which; it may have expired. */
bool entry_hash_find(const struct entry *entry, struct slice name, struct hash_field *found);
/* Looks a field of an entry of any type up ahead of time, where that is worth it. true: packed_ahead_block
 * and packed_ahead_record go on with it; nothing may be changed in between. */
bool entry_hash_ahead(const struct entry *entry, struct slice name, struct packed_ahead *ahead);
static inline bool hash_field_has_expired(const struct hash_field *field, int64_t now_ms)
{
    return field->expire_ms != FIELD_NEVER && field->expire_ms <= now_ms;
}

/* Visits every field once, expired ones too; the hash must not change in between.
 *
 *     struct entry_hash_iterator iterator = entry_hash_begin(entry);
 *     while (entry_hash_iterate(&iterator, &field)) */
struct entry_hash_iterator {
    const char *packed; /* NULL: it is a struct hash */
    size_t position;
    struct hash_iterator object;
};
struct entry_hash_iterator entry_hash_begin(const struct entry *entry);
bool entry_hash_iterate(struct entry_hash_iterator *iterator, struct hash_field *field);
/* As hash_scan: one step, all of a small hash; expired fields too. */
uint64_t entry_hash_scan(const struct entry *entry, uint64_t cursor, hash_visit *visit, void *context);
/* As hash_random and hash_random_distinct: of the fields that have not expired by now_ms. */
bool entry_hash_random(const struct entry *entry, struct random *random, int64_t now_ms,
                       struct hash_field *field);
/* As hash_draw. */
struct entry_hash_draw {
    const char *packed; /* NULL: it is a struct hash */
    struct random *random;
    struct hash_draw object;
};
void entry_hash_draw_begin(struct entry_hash_draw *draw, const struct entry *entry, struct random *random,
                           int64_t now_ms);
bool entry_hash_draw_next(struct entry_hash_draw *draw, struct hash_field *field);
void entry_hash_draw_end(struct entry_hash_draw *draw);
void entry_hash_random_distinct(const struct entry *entry, struct random *random, int64_t now_ms,
                                size_t count, hash_visit *visit, void *context);
/* The bytes of a hash that is a listpack (HASH_LISTPACK or HASH_LISTPACK_EX, which entry_hash_encoding
 * tells), wherever it lies; size 0 for a table. Valid until the next change. */
struct slice entry_hash_listpack(const struct entry *entry);

/* --- Changing --- */

/* What a change of a hash came to. */
struct hash_result {
    struct entry *entry; /* its new address; NULL: there was not enough memory, and nothing has changed */
    bool found;          /* the field was there already */
};

/* Sets a field to a value, and its time: a moment, FIELD_NEVER, or FIELD_KEEP_TIME, which leaves the field
 * the time it has (a new field none). entry: what database_find gives for the key, NULL if there is nothing;
 * then a hash comes into being, without a time to live. more_bytes: about what packed_hash_pair_bytes gives
 * for those fields that are set right after this one, so that a small hash gets its room at once; 0 if that
 * is not known. */
struct hash_result database_hash_set(struct database *db, struct slice key, uint64_t hash,
                                     struct entry *entry, struct slice name, struct slice value,
                                     int64_t expire_ms, size_t more_bytes);
/* So many fields will be there soon: a large hash gets its room at once. 0: no more are expected. Its memory,
 * not its address, may change. */
void database_hash_expect(struct database *db, struct entry *entry, size_t fields);
/* Deletes a field. found: it was there. The hash may be empty then (entry_hash_size). */
struct hash_result database_hash_delete(struct database *db, struct entry *entry, struct slice name);
/* Sets or clears (FIELD_NEVER) the time of a field. found: it is there. Nothing happens to a field that has
 * no time where none is wanted. */
struct hash_result database_hash_set_time(struct database *db, struct entry *entry, struct slice name,
                                          int64_t expire_ms);

/* Inserts or replaces (a value of any type), with this time to live of the key: the fields of a listpack,
 * which is copied and must be hash_listpack_valid; or a hash that was made elsewhere and is not empty, which
 * the database has from then on, unless NULL is returned. NULL, and nothing changed, when there is not enough
 * memory. */
struct entry *database_put_hash_listpack(struct database *db, struct slice key, uint64_t hash,
                                         struct slice listpack, enum hash_encoding encoding,
                                         int64_t expire_ms);
struct entry *database_put_hash(struct database *db, struct slice key, uint64_t hash, struct hash *value,
                                int64_t expire_ms);
/* The settings that a struct hash for database_put_hash is made with. */
const struct hash_settings *database_hash_settings(const struct database *db);

/* --- Fields whose time has passed --- */

/* Whether parts of the value have a time of their own. Cheap: a flag. */
bool entry_parts_expire(const struct entry *entry);
/* Whether every field of a hash has passed its time, so that it is as though it were not there. Of any entry:
 * false for what is no hash. Cheap where parts do not expire, or one field has no time. */
bool entry_parts_have_expired(const struct entry *entry, int64_t now_ms);

/* A hash with a field that is due at now_ms, NULL when there is none or *budget, decreased by the hashes
 * looked at, is used up. It stays first in line until its due fields are deleted or given more time:
 * entry_hash_next_due tells which. Late by at most EXPIRY_TICK_MS, as database_next_expired. */
struct entry *database_next_due_parts(struct database *db, int64_t now_ms, int *budget);
/* A field of a hash that is due, false when none is. Takes a bounded time. */
bool entry_hash_next_due(const struct entry *entry, int64_t now_ms, struct hash_field *due);
/* Before this time database_next_due_parts finds nothing to do, unless times change; INT64_MAX: never. */
int64_t database_parts_due_ms(const struct database *db);
/* Entries with parts that have a time. */
size_t database_parts_size(const struct database *db);

#endif
