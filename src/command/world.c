/* The world that commands act on: made, freed, its counter of ticks and its error statistics. */
#include <time.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/acl/acl.h"
#include "command/block.h"
#include "command/dispatch.h"
#include "command/evict.h"
#include "command/message/pubsub.h"
#include "command/message/tracking.h"
#include "command/observe/latency.h"
#include "command/observe/observe.h"
#include "command/watch.h"
#include "command/world.h"

/* Codes counted one by one. Commands have a dozen; DEBUG ERROR can make up more, and what is beyond this many
 * is only counted in the sum. */
#define ERROR_CODES_MAX 128

struct error_stats {
    size_t size;
    struct {
        char code[REPLY_ERROR_CODE_MAX];
        uint64_t count;
    } codes[ERROR_CODES_MAX];
};

struct world *world_new(const struct world_options *options)
{
    struct world *world = mem_alloc_zero(sizeof(*world));
    struct random seeds;
    random_seed(&seeds, options->random_seed);
    struct store_options store_options = {.databases = options->databases,
                                          .hash_seed = random_next(&seeds),
                                          .random_seed = random_next(&seeds)};
    world->store = store_new(&store_options);
    world->commands = command_table_new();
    world->clock = options->clock;
    random_seed(&world->random, random_next(&seeds));
    world->evictor = evictor_new();
    world_set_settings(world, &options->settings);
    world->errors = mem_alloc_zero(sizeof(*world->errors));
    world->watches = watch_table_new();
    world->blocks = blocks_new();
    world->pubsub = pubsub_new();
    world->slowlog = slowlog_new();
    world->tracking = tracking_new();
    world->latency_events = latency_events_new();
    world->slow_ticks = UINT64_MAX;
    world->turn_ticks_max = UINT64_MAX;
    list_init(&world->pushed);
    world->key_lsns = mem_alloc_zero(KEY_LSN_SLOTS * sizeof(lsn_t));
    world->acl = acl_new(world);
    world->time.on_record_ms = world->time.hidden_ms = INT64_MIN;
    world_refresh_time(world);
    world->ticks_begin = world_ticks();
    world->ticks_begin_us = world->monotonic_us;
    command_families_add(world->commands);
    return world;
}

void world_free(struct world *world)
{
    ASSERT(world->session_count == 0);
    store_free(world->store);
    command_table_free(world->commands);
    watch_table_free(world->watches);
    blocks_free(world->blocks);
    pubsub_free(world->pubsub);
    slowlog_free(world->slowlog);
    tracking_free(world->tracking);
    latency_events_free(world->latency_events);
    buffer_free(&world->own_pushes);
    buffer_free(&world->looked_at);
    evictor_free(world->evictor);
    acl_free(world->acl);
    mem_free(world->errors);
    mem_free(world->key_lsns);
    mem_free(world);
}

/* The counter's rate is what it was on average since the start: no calibration, and exact enough after a
 * moment. 0 while nothing has passed. */
double world_ns_per_tick(const struct world *world)
{
    uint64_t passed = world_ticks() - world->ticks_begin;
    int64_t passed_us = clock_monotonic_us(world->clock) - world->ticks_begin_us;
    if (passed == 0 || passed_us <= 0)
        return 0;
    return (double)passed_us * 1000 / (double)passed;
}

uint64_t world_ticks_to_us(const struct world *world, uint64_t ticks)
{
    return (uint64_t)((double)ticks * world_ns_per_tick(world) / 1000);
}

uint64_t world_us_to_ticks(const struct world *world, uint64_t us)
{
    double ns_per_tick = world_ns_per_tick(world);
    double ticks = ns_per_tick > 0 ? (double)us * 1000 / ns_per_tick : 0;
    return ticks < (double)(UINT64_MAX / 2) ? (uint64_t)ticks : UINT64_MAX / 2;
}

void error_stats_each(const struct world *world, error_stats_visit *visit, void *context)
{
    for (size_t i = 0; i < world->errors->size; i++)
        visit(context, world->errors->codes[i].code, world->errors->codes[i].count);
}

void error_stats_reset(struct world *world)
{
    world->errors->size = 0;
    world->stats.errors = 0;
}

/* What looks like a code; anything else, which only DEBUG ERROR can reply, counts as a plain error: INFO
 * shows the codes as they are, and one with a line break or a colon would make up a field of its own. */
static const char *code_of(const struct reply *reply)
{
    size_t size = 0;
    while (reply->error_code[size] >= 'A' && reply->error_code[size] <= 'Z')
        size++;
    return size > 0 && reply->error_code[size] == '\0' ? reply->error_code : "ERR";
}

void error_stats_count(struct world *world, const struct reply *reply)
{
    struct error_stats *errors = world->errors;
    const char *code = code_of(reply);
    world->stats.errors += reply->errors;
    size_t i = 0;
    while (i < errors->size && strcmp(errors->codes[i].code, code) != 0)
        i++;
    if (i == ERROR_CODES_MAX)
        return;
    if (i == errors->size) {
        errors->size++;
        strcpy(errors->codes[i].code, code);
        errors->codes[i].count = 0;
    }
    errors->codes[i].count += reply->errors;
}
