/* Looking keys up: hits and misses are counted, what has expired is not seen, times of last use are kept.
 * Looking up to write is in effect.c, since it may have an effect. */
#include "command/lookup.h"
#include "command/call.h"
#include "command/event.h"

bool world_hides_timed(struct world *world, const struct entry *entry)
{
    int64_t expire_ms = entry_expire_ms(entry);
    if (expire_ms != EXPIRE_NEVER && world_hides_time(world, expire_ms))
        return true;
    return entry_parts_have_expired(entry, world->now_ms) && world_hides_time(world, world->now_ms);
}

/* In its three callers: reading is where most time goes. */
static inline __attribute__((always_inline)) struct entry *find_live(struct call *call, struct slice key,
                                                                     uint64_t hash)
{
    struct world *world = call->world;
    struct entry *entry = database_find(call->db, key, hash);
    if (entry && call->origin->expires && world_hides(world, entry))
        entry = NULL;
    if (entry)
        world->stats.keyspace_hits++;
    else
        world->stats.keyspace_misses++;
    return entry;
}

struct entry *lookup_read(struct call *call, struct slice key, uint64_t hash)
{
    struct entry *entry = find_live(call, key, hash);
    if (!entry)
        call_notify(call, NOTIFY_MISS, "keymiss", key);
    /* A write into a page that a forked child shares copies the page: not for a time of last use. */
    if (entry && !call->world->child_active && !call->session->no_touch)
        database_touch(call->db, entry);
    return entry;
}

struct entry *lookup_peek(struct call *call, struct slice key, uint64_t hash)
{
    struct entry *entry = find_live(call, key, hash);
    if (!entry)
        call_notify(call, NOTIFY_MISS, "keymiss", key);
    return entry;
}

struct entry *lookup_inspect(struct call *call, struct slice key, uint64_t hash)
{
    return find_live(call, key, hash);
}

uint64_t call_hash(const struct call *call, int index)
{
    if (index == call->command->first_key)
        return call->key_hash;
    return store_hash(call->world->store, call->argv[index]);
}
