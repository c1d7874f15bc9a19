/* Looking keys up. Each function counts hits and misses, and hides what has expired. */
#ifndef DKV_COMMAND_LOOKUP_H
#define DKV_COMMAND_LOOKUP_H

#include "command/call.h"
#include "store/value_hash.h"

/* Whether its time, or that of all its parts, has passed. */
static inline bool entry_has_expired(const struct entry *entry, int64_t now_ms)
{
    return entry_is_volatile(entry) &&
           (expire_has_passed(entry_expire_ms(entry), now_ms) || entry_parts_have_expired(entry, now_ms));
}

/* Whether something with this time is hidden. Whoever asks must not show it, and shows thereby that its time
 * has passed. */
static inline bool world_hides_time(struct world *world, int64_t expire_ms)
{
    if (expire_ms > world->now_ms)
        return false;
    world->hides = true;
    if (expire_ms > world->time.hidden_ms)
        world->time.hidden_ms = expire_ms;
    return true;
}

/* Whether no command sees it any more; as world_hides_time. */
bool world_hides_timed(struct world *world, const struct entry *entry);
static inline bool world_hides(struct world *world, const struct entry *entry)
{
    return __builtin_expect(entry_is_volatile(entry), 0) && world_hides_timed(world, entry);
}
/* For a command that only reads; updates the time of last use. */
struct entry *lookup_read(struct call *call, struct slice key, uint64_t hash);
/* For a command that reports about a key without using it (TTL, TYPE, OBJECT, EXISTS, DEBUG): no time of last
 * use, no hit or miss where Redis counts none. */
struct entry *lookup_peek(struct call *call, struct slice key, uint64_t hash);
/* For a command about how keys are kept (OBJECT, MEMORY, DEBUG): as lookup_peek, but that the key is not
 * there is no event. */
struct entry *lookup_inspect(struct call *call, struct slice key, uint64_t hash);
/* For a command that will change it: what has expired is deleted first, with its effect. No hit, no miss. */
struct entry *lookup_write(struct call *call, struct slice key, uint64_t hash);
struct entry *lookup_write_in(struct call *call, int database, struct slice key, uint64_t hash);
/* The hash of an argument that is a key: the first key's was computed already. */
uint64_t call_hash(const struct call *call, int index);
/* Replies WRONGTYPE and returns false unless entry is NULL or of this type. */
bool call_check_type(struct call *call, const struct entry *entry, enum value_type type);

#endif
