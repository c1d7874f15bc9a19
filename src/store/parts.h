/* Parts of values that have times of their own, which are the fields of hashes. Private to the store.
 *
 * A database has a second wheel, of those hashes of which some field has a time, by the earliest such time.
 * The wheel's node lies in the hash's owner room, as ENTRY_PARTS_EXPIRE says, so that entries need no room
 * for it. The functions of database.c that put entries into a database, take them out and exchange them keep
 * the wheel in step through these. */
#ifndef DKV_STORE_PARTS_H
#define DKV_STORE_PARTS_H

#include "store/database.h"

static inline bool entry_has_timed_parts(const struct entry *entry)
{
    return entry->flags & ENTRY_PARTS_EXPIRE;
}

/* Of an entry that has timed parts. It must not be in the wheel; it must be. */
void parts_add(struct database *db, struct entry *entry);
void parts_remove(struct database *db, struct entry *entry);
/* Another entry has the same value now. */
void parts_relocate(struct entry *entry);

/* The hash of an entry that is in the database was changed: its flag and its place in the wheel follow.
 * set_ms: a time that was set, INT64_MIN if none was. */
void parts_changed(struct database *db, struct entry *entry, int64_t set_ms);
/* For an entry that is to be added: its hash was made elsewhere, and may have fields with times. */
void parts_adopt(struct entry *entry);
/* A hash is a copy of another. */
void parts_copy(struct hash *copy, const struct hash *hash);

#endif
