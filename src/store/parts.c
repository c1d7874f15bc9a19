#include "store/parts.h"

#include "store/value_hash.h"

/* What a hash's owner room holds. */
struct parts_room {
    struct wheel_node node;
    struct entry *entry; /* whose value the hash is */
    /* No field has a later time: a bound, which may be too late after fields were deleted. */
    int64_t latest_ms;
};
static_assert(sizeof(struct parts_room) == HASH_OWNER_ROOM, "the room that hashes have for this");

static struct parts_room *room_of(const struct hash *hash)
{
    struct parts_room *room = hash_owner_room(hash);
    ASSERT(room != NULL);
    return room;
}

static struct hash *hash_of(const struct entry *entry)
{
    ASSERT(entry->type == VALUE_HASH && entry_form(entry) == FORM_BLOCK);
    return entry_block(entry)->object;
}

static struct wheel *parts_wheel(struct database *db)
{
    if (db->contents.parts == NULL)
        db->contents.parts = wheel_new();
    return db->contents.parts;
}

void parts_add(struct database *db, struct entry *entry)
{
    const struct hash *hash = hash_of(entry);
    struct parts_room *room = room_of(hash);
    ASSERT(entry_has_timed_parts(entry) && hash_timed_size(hash) > 0);
    room->entry = entry;
    wheel_insert(parts_wheel(db), &room->node, hash_earliest_ms(hash));
}

void parts_remove(struct database *db, struct entry *entry)
{
    struct parts_room *room = room_of(hash_of(entry));
    ASSERT(entry_has_timed_parts(entry) && room->entry == entry);
    wheel_remove(db->contents.parts, &room->node);
    room->entry = NULL;
}

void parts_relocate(struct entry *entry)
{
    room_of(hash_of(entry))->entry = entry;
}

void parts_changed(struct database *db, struct entry *entry, int64_t set_ms)
{
    const struct hash *hash = hash_of(entry);
    if (hash_timed_size(hash) == 0) {
        if (entry_has_timed_parts(entry)) {
            parts_remove(db, entry);
            room_of(hash)->latest_ms = 0;
            entry->flags &= (uint8_t)~ENTRY_PARTS_EXPIRE;
        }
        return;
    }
    struct parts_room *room = room_of(hash);
    if (set_ms > room->latest_ms)
        room->latest_ms = set_ms;
    if (!entry_has_timed_parts(entry)) {
        entry->flags |= ENTRY_PARTS_EXPIRE;
        parts_add(db, entry);
    } else if (room->node.expire_ms != hash_earliest_ms(hash)) {
        wheel_change(db->contents.parts, &room->node, hash_earliest_ms(hash));
    }
}

/* Fields that are looked at for the latest time: more are not worth a pause. */
#define ADOPT_LOOKS 1000

void parts_adopt(struct entry *entry)
{
    const struct hash *hash = hash_of(entry);
    if (hash_timed_size(hash) == 0)
        return;
    entry->flags |= ENTRY_PARTS_EXPIRE;
    struct parts_room *room = room_of(hash);
    room->latest_ms = INT64_MAX;
    if (hash_size(hash) > ADOPT_LOOKS)
        return;
    struct hash_iterator iterator = {.hash = hash};
    struct hash_field field;
    room->latest_ms = 0;
    while (hash_iterate(&iterator, &field))
        if (field.expire_ms > room->latest_ms)
            room->latest_ms = field.expire_ms;
}

void parts_copy(struct hash *copy, const struct hash *hash)
{
    if (hash_timed_size(hash) > 0)
        room_of(copy)->latest_ms = room_of(hash)->latest_ms;
}

bool entry_parts_expire(const struct entry *entry)
{
    return entry_has_timed_parts(entry);
}

/* The times, from the ones that can be told at once to the one that has to be looked for. Only where nearly
 * all fields have expired, and the one with the latest time was deleted, are many looked at, once: one that
 * has not is remembered; and when all have, the bound is right from then on. */
bool entry_parts_have_expired(const struct entry *entry, int64_t now_ms)
{
    if (!entry_has_timed_parts(entry))
        return false;
    struct hash *hash = hash_of(entry);
    struct parts_room *room = room_of(hash);
    if (hash_timed_size(hash) < hash_size(hash) || hash_earliest_ms(hash) > now_ms)
        return false;
    if (room->latest_ms <= now_ms)
        return true;
    if (hash_late_ms(hash) > now_ms)
        return false;
    struct hash_iterator iterator = {.hash = hash};
    struct hash_field field;
    int64_t latest_ms = 0;
    while (hash_iterate(&iterator, &field)) {
        if (field.expire_ms > now_ms) {
            hash_note_late(hash, field.expire_ms);
            return false;
        }
        if (field.expire_ms > latest_ms)
            latest_ms = field.expire_ms;
    }
    room->latest_ms = latest_ms;
    return true;
}

struct entry *database_next_due_parts(struct database *db, int64_t now_ms, int *budget)
{
    if (db->contents.parts == NULL)
        return NULL;
    struct wheel_node *node = wheel_next(db->contents.parts, now_ms, budget);
    return node == NULL ? NULL : ((struct parts_room *)node)->entry;
}

int64_t database_parts_due_ms(const struct database *db)
{
    return db->contents.parts == NULL ? INT64_MAX : wheel_due_ms(db->contents.parts);
}

size_t database_parts_size(const struct database *db)
{
    return db->contents.parts == NULL ? 0 : wheel_count(db->contents.parts);
}
