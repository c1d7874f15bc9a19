#include "sim.h"

#include "command/event.h"
#include "run.h"

static uint64_t pick(struct random *random, const uint64_t *from, size_t count)
{
    return from[random_below(random, count)];
}

#define PICK(random, ...) \
    pick(random, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void draw_journal(struct sim_config *config, struct random *random)
{
    config->policy =
        (enum sync_policy)PICK(random, SYNC_ALWAYS, SYNC_ALWAYS, SYNC_ALWAYS, SYNC_EVERYSEC, SYNC_NO);
    config->segment_size = PICK(random, 4 << 10, 8 << 10, 16 << 10, 64 << 10, 256 << 10);
    config->unsynced_max = PICK(random, 1 << 10, 16 << 10, 1 << 20, 64 << 20);
    config->history_bases = (int)PICK(random, 0, 0, 1, 3);
    config->history_seconds = (int64_t)PICK(random, 0, 0, 0, 5, 3600);
    config->value_threshold = PICK(random, 0, SIM_BLOB_MIN, SIM_BLOB_MIN, 2000, 10000);
}

static void draw_memory(struct sim_config *config, struct random *random)
{
    config->maxmemory = PICK(random, 0, 0, 300, 1000, 3000, 30000);
    config->evict_policy = (enum evict_policy)PICK(
        random, EVICT_NONE, EVICT_VOLATILE_LRU, EVICT_VOLATILE_LFU, EVICT_VOLATILE_RANDOM, EVICT_VOLATILE_TTL,
        EVICT_ALLKEYS_LRU, EVICT_ALLKEYS_LRU, EVICT_ALLKEYS_LFU, EVICT_ALLKEYS_RANDOM);
}

static void draw_triggers(struct sim_config *config, struct random *random)
{
    config->triggers.min_bytes = PICK(random, 0, 2000, 20000);
    config->triggers.growth_percent = (int64_t)PICK(random, 0, 0, 100);
    config->triggers.writes = PICK(random, 0, 0, 0, 30, 200);
    config->triggers.stale_percent = (int64_t)PICK(random, 0, 0, 0, 50);
    config->triggers.interval_seconds = (int64_t)PICK(random, 0, 0, 0, 2);
}

/* Each action is left out of some runs and frequent in others: bugs need long runs of some and none of
 * others. */
static void draw_weights(struct sim_config *config, struct random *random)
{
    static const unsigned char usual[ACTION_COUNT] = {
        [ACTION_SEND] = 40,  [ACTION_RUN] = 20,   [ACTION_READ] = 40,   [ACTION_WORK] = 60,
        [ACTION_TICK] = 10,  [ACTION_CHILD] = 20, [ACTION_TIME] = 30,   [ACTION_CLOCK] = 2,
        [ACTION_POLICY] = 2, [ACTION_LIMITS] = 1, [ACTION_REWRITE] = 3, [ACTION_DISK] = 6,
        [ACTION_PROBE] = 30, [ACTION_CRASH] = 3,  [ACTION_CLIENT] = 2,  [ACTION_SETTLE] = 2};
    static const unsigned char favours[] = {0, 1, 2, 2, 2, 4, 8};
    for (int i = 0; i < ACTION_COUNT; i++) {
        unsigned weight = usual[i] * favours[random_below(random, sizeof(favours))] / 2;
        config->weights[i] = (unsigned char)(weight > 255 ? 255 : weight);
    }
    config->weights[ACTION_SEND] |= 8;
    config->weights[ACTION_READ] |= 8;
    config->weights[ACTION_WORK] |= 4;
    if (!config->changes_policy)
        config->weights[ACTION_POLICY] = 0;
    if (!config->fails && !config->fills)
        config->weights[ACTION_DISK] = 0;
}

void sim_config_draw(struct sim_config *config, struct random *random)
{
    *config = (struct sim_config){0};
    config->clients = 1 + (int)random_below(random, CLIENTS_MAX);
    config->steps = 50 + (int)random_below(random, 500);
    config->pipeline_max = (int)PICK(random, 1, 3, 10, 100);
    config->beside = (unsigned)PICK(random, 0, 30, 100, 200);
    config->slow = (unsigned)PICK(random, 0, 0, 1, 4, 30);
    config->probe = (unsigned)PICK(random, 4, 16, 64);
    config->fails = random_below(random, 5) == 0;
    config->fills = random_below(random, 5) == 0;
    config->capacity = 100000 + random_below(random, 1000000);
    config->changes_policy = random_below(random, 3) == 0;
    config->notify = random_below(random, 2) ? notify_classes("KEAmn") : 0;
    config->frees_beside = random_below(random, 10) == 0;
    config->follows = random_below(random, 3) == 0;
    config->fork_fails = (unsigned)PICK(random, 0, 0, 0, 10000);
    draw_journal(config, random);
    /* When a thread lets go of a value and so of its file, a seed cannot decide. */
    if (config->frees_beside)
        config->value_threshold = 0;
    config->has_values = config->value_threshold > 0;
    draw_memory(config, random);
    draw_triggers(config, random);
    draw_weights(config, random);
}
