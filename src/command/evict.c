#include "command/evict.h"

#include <math.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/dispatch.h"
#include "command/effect.h"
#include "command/world.h"
#include "store/value_hash.h"

/* --- policies ------------------------------------------------------------------------------------------ */

/* What makes a key a better one to evict. */
enum evict_order { BY_IDLE_TIME, BY_FREQUENCY, BY_CHANCE, BY_EXPIRY, BY_NOTHING };

static const struct {
    enum evict_order order;
    bool volatile_only;
} policies[] = {
    [EVICT_VOLATILE_LRU] = {BY_IDLE_TIME, true}, [EVICT_ALLKEYS_LRU] = {BY_IDLE_TIME, false},
    [EVICT_VOLATILE_LFU] = {BY_FREQUENCY, true}, [EVICT_ALLKEYS_LFU] = {BY_FREQUENCY, false},
    [EVICT_VOLATILE_RANDOM] = {BY_CHANCE, true}, [EVICT_ALLKEYS_RANDOM] = {BY_CHANCE, false},
    [EVICT_VOLATILE_TTL] = {BY_EXPIRY, true},    [EVICT_NONE] = {BY_NOTHING, false},
};

bool evict_policy_is_lfu(enum evict_policy policy)
{
    return policies[policy].order == BY_FREQUENCY;
}

void world_set_settings(struct world *world, const struct world_settings *settings)
{
    world->settings = *settings;
    enum evict_policy policy = settings->evict_policy;
    store_set_use(world->store, &(struct use_settings){.frequency = evict_policy_is_lfu(policy),
                                                       .log_factor = settings->lfu_log_factor,
                                                       .decay_minutes = settings->lfu_decay_minutes});
    bool samples_volatile = policies[policy].volatile_only && policies[policy].order != BY_EXPIRY;
    store_index_volatile(world->store, samples_volatile);
    store_set_hash_limits(world->store, settings->hash_entries_max, settings->hash_value_max);
    world->evict_wanted = settings->maxmemory > 0;
}

/* --- the pool ------------------------------------------------------------------------------------------ */

/* Good candidates are kept from one eviction to the next, so that few samples each time come close to the
 * best of all keys (an idea of Redis 3.0). A candidate is told by the hash of its key: should the key be
 * gone, or another one have the same hash, no harm is done. */
#define POOL_SIZE 16

struct candidate {
    uint64_t score; /* the higher, the better to evict */
    uint64_t hash;
    int database;
};

struct evictor {
    struct candidate pool[POOL_SIZE]; /* best last */
    size_t pool_size;
    enum evict_policy pool_policy; /* that its scores are by */
    int64_t exceeded_since_us;     /* monotonic; 0: memory is within its limit */
    int64_t exceeded_us;
};

struct evictor *evictor_new(void)
{
    return mem_alloc_zero(sizeof(struct evictor));
}

void evictor_free(struct evictor *evictor)
{
    mem_free(evictor);
}

static uint64_t score_of(const struct world *world, const struct database *db, const struct entry *entry)
{
    if (evict_policy_is_lfu(world->settings.evict_policy))
        return (uint64_t)(USE_FREQUENCY_MAX - database_frequency(db, entry));
    return (uint64_t)entry_idle_ms(entry, world->use_ms);
}

static bool pool_holds(const struct evictor *evictor, int database, uint64_t hash)
{
    for (size_t i = 0; i < evictor->pool_size; i++)
        if (evictor->pool[i].hash == hash && evictor->pool[i].database == database)
            return true;
    return false;
}

static void pool_add(struct evictor *evictor, const struct candidate *candidate)
{
    struct candidate *pool = evictor->pool;
    size_t size = evictor->pool_size;
    if (pool_holds(evictor, candidate->database, candidate->hash))
        return;
    if (size == POOL_SIZE) {
        if (candidate->score <= pool[0].score)
            return;
        memmove(pool, pool + 1, --size * sizeof(*pool));
    }
    size_t at = size;
    while (at > 0 && pool[at - 1].score > candidate->score)
        at--;
    memmove(pool + at + 1, pool + at, (size - at) * sizeof(*pool));
    pool[at] = *candidate;
    evictor->pool_size = size + 1;
}

static size_t evictable(const struct world *world, const struct database *db)
{
    bool volatile_only = policies[world->settings.evict_policy].volatile_only;
    return volatile_only ? database_volatile_size(db) : database_size(db);
}

static struct entry *sample(const struct world *world, struct database *db)
{
    bool volatile_only = policies[world->settings.evict_policy].volatile_only;
    return volatile_only ? database_random_volatile(db) : database_random(db);
}

/* Samples every database; returns whether there was anything. */
static bool pool_fill(struct world *world)
{
    struct evictor *evictor = world->evictor;
    bool any = false;
    for (int i = 0; i < store_database_count(world->store); i++) {
        struct database *db = store_database(world->store, i);
        size_t size = evictable(world, db);
        any |= size > 0;
        int64_t samples = world->settings.evict_samples;
        for (int64_t left = (uint64_t)samples < size ? samples : (int64_t)size; left > 0; left--) {
            const struct entry *entry = sample(world, db);
            struct candidate candidate = {.score = score_of(world, db, entry),
                                          .hash = store_hash(world->store, entry_key(entry)),
                                          .database = i};
            pool_add(evictor, &candidate);
        }
    }
    return any;
}

struct victim {
    int database;
    struct entry *entry; /* NULL: there is none */
};

/* The best candidate that is as good as it was: not one that was used meanwhile. */
static struct victim pool_take(struct world *world)
{
    struct evictor *evictor = world->evictor;
    bool volatile_only = policies[world->settings.evict_policy].volatile_only;
    while (evictor->pool_size > 0) {
        const struct candidate *best = &evictor->pool[--evictor->pool_size];
        struct database *db = store_database(world->store, best->database);
        struct entry *entry = database_find_hash(db, best->hash);
        if (entry == NULL || (volatile_only && entry_expire_ms(entry) == EXPIRE_NEVER))
            continue;
        if (score_of(world, db, entry) >= best->score)
            return (struct victim){best->database, entry};
    }
    return (struct victim){0, NULL};
}

static struct victim victim_by_score(struct world *world)
{
    struct evictor *evictor = world->evictor;
    struct victim victim = {0, NULL};
    if (evictor->pool_policy != world->settings.evict_policy)
        evictor->pool_size = 0;
    evictor->pool_policy = world->settings.evict_policy;
    while (victim.entry == NULL && pool_fill(world))
        victim = pool_take(world);
    return victim;
}

/* Every key of all databases with the same chance. */
static struct victim victim_by_chance(struct world *world)
{
    uint64_t total = 0;
    for (int i = 0; i < store_database_count(world->store); i++)
        total += evictable(world, store_database(world->store, i));
    if (total == 0)
        return (struct victim){0, NULL};
    uint64_t pick = random_below(&world->random, total);
    for (int i = 0;; i++) {
        struct database *db = store_database(world->store, i);
        if (pick < evictable(world, db))
            return (struct victim){i, sample(world, db)};
        pick -= evictable(world, db);
    }
}

static struct victim victim_by_expiry(struct world *world)
{
    struct victim soonest = {0, NULL};
    for (int i = 0; i < store_database_count(world->store); i++) {
        struct entry *entry = database_soonest(store_database(world->store, i));
        if (entry && (!soonest.entry || entry_expire_ms(entry) < entry_expire_ms(soonest.entry)))
            soonest = (struct victim){i, entry};
    }
    return soonest;
}

static struct victim choose_victim(struct world *world)
{
    switch (policies[world->settings.evict_policy].order) {
    case BY_IDLE_TIME:
    case BY_FREQUENCY: return victim_by_score(world);
    case BY_CHANCE: return victim_by_chance(world);
    case BY_EXPIRY: return victim_by_expiry(world);
    case BY_NOTHING: break;
    }
    return (struct victim){0, NULL};
}

/* --- making room --------------------------------------------------------------------------------------- */

/* Between two looks at the clock. */
#define KEYS_BETWEEN_LOOKS 16

size_t world_memory_used(const struct world *world)
{
    return world->memory_used ? world->memory_used(world) : memory_used();
}

size_t world_memory_leaving(const struct world *world)
{
    return world->free_later_bytes ? world->free_later_bytes(world) : 0;
}

size_t evict_memory_not_counted(const struct world *world)
{
    size_t unwritten =
        world->journal ? journal_executed(world->journal) - journal_written(world->journal) : 0;
    return unwritten + world_memory_leaving(world);
}

size_t evict_memory(const struct world *world)
{
    size_t used = world_memory_used(world);
    size_t not_counted = evict_memory_not_counted(world);
    return used > not_counted ? used - not_counted : 0;
}

/* As Redis has it: linear up to 500 us at 10, then growing by 15 % a step to some minutes, at 100 for ever.
 */
static int64_t time_allowed_us(int64_t tenacity)
{
    if (tenacity <= 10)
        return 50 * tenacity;
    if (tenacity < 100)
        return (int64_t)(500.0 * pow(1.15, (double)(tenacity - 10)));
    return INT64_MAX;
}

/* Deletes until `excess` bytes are free. What writing the deletions takes does not count: that memory is on
 * its way to the log, and would lead to more evictions, and those to more of it. */
static enum evict_result evict_bytes(struct world *world, size_t excess)
{
    int64_t begin_us = clock_monotonic_us(world->clock);
    int64_t allowed_us = time_allowed_us(world->settings.evict_tenacity);
    size_t freed = 0;
    for (int keys = 1; freed < excess; keys++) {
        struct victim victim = choose_victim(world);
        if (victim.entry == NULL)
            return world_memory_leaving(world) > 0 ? EVICT_WAIT : EVICT_FAILED;
        size_t size;
        if (!world_evict_entry(world, victim.database, victim.entry, &size))
            return EVICT_WAIT;
        freed += size;
        if (keys % KEYS_BETWEEN_LOOKS == 0 && freed < excess &&
            clock_monotonic_us(world->clock) - begin_us > allowed_us)
            return EVICT_LATER;
    }
    return EVICT_OK;
}

static void note_exceeded(struct world *world, enum evict_result result)
{
    struct evictor *evictor = world->evictor;
    if (result != EVICT_OK && evictor->exceeded_since_us == 0) {
        evictor->exceeded_since_us = world->monotonic_us;
    } else if (result == EVICT_OK && evictor->exceeded_since_us != 0) {
        evictor->exceeded_us += world->monotonic_us - evictor->exceeded_since_us;
        evictor->exceeded_since_us = 0;
    }
}

enum evict_result world_evict(struct world *world)
{
    ASSERT(!world->unit_open);
    if (world->settings.maxmemory == 0 || world->loading || world->pause != PAUSE_NONE)
        return EVICT_OK;
    size_t used = evict_memory(world);
    enum evict_result result = EVICT_OK;
    if (used > world->settings.maxmemory)
        result = evict_bytes(world, used - world->settings.maxmemory);
    world->evict_wanted = result == EVICT_LATER || result == EVICT_WAIT;
    note_exceeded(world, result);
    return result;
}

enum evict_result evict_step(struct world *world)
{
    return world->evict_wanted ? world_evict(world) : EVICT_OK;
}

bool evict_admits(struct world *world, const struct session *session, const struct command *command)
{
    if (world_evict(world) != EVICT_FAILED)
        return true;
    if (command->flags & CMD_DENYOOM)
        return false;
    if (!session->in_multi)
        return true;
    /* Between MULTI and EXEC anything takes memory, as it is queued. */
    if (!(command->traits & TRAIT_ENDS_MULTI))
        return false;
    return !(session->queue_flags & CMD_DENYOOM) || !(command->traits & TRAIT_RUNS_QUEUE);
}

void evict_exceeded_us(const struct world *world, int64_t *total_us, int64_t *current_us)
{
    const struct evictor *evictor = world->evictor;
    *current_us = evictor->exceeded_since_us ? world->monotonic_us - evictor->exceeded_since_us : 0;
    *total_us = evictor->exceeded_us + *current_us;
}
