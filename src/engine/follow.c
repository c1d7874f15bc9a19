/* Time as commands see it, set back to a wall clock that was set back (clock-set-back follow).
 *
 * That time was wrong costs nothing once nothing is left that it made expire: then no key can come back. So
 * time is held, all that has expired by it is deleted, and when the deletions are written, time follows the
 * clock. The next frame then says the lower time, behind the deletions: recovery takes the last frame's time,
 * so it has either both or neither. */
#include "command/effect.h"
#include "engine/private.h"

/* Holding time lets it leap to the next tick. Where not all is found at once, or on a full disk, that must
 * not make it run away: a tick in ten leaves it slower than the clock. */
#define AGAIN_US ((int64_t)10 * EXPIRY_TICK_MS * 1000)

static bool is_written(const struct engine *engine)
{
    const struct journal *journal = engine->world->journal;
    return !journal || journal_written(journal) >= engine->follow_lsn;
}

bool follow_begin(struct engine *engine, bool expires)
{
    struct world *world = engine->world;
    if (!expires || !world->settings.clock_follows || world_time_ahead_us(world) == 0) {
        world_time_go_on(world);
        engine->follow_settled = false;
        return false;
    }
    /* What was stored since with a time that is past by the time held, and was shown as gone, would be back.
     */
    if (engine->follow_settled && world->time.hidden_ms != INT64_MIN)
        engine->follow_settled = false;
    if (engine->follow_settled && is_written(engine)) {
        engine->follow_settled = false;
        world_time_follow(world);
        effect_time(world);
        return false;
    }
    if (engine->follow_settled || (!world->time.is_held && world->monotonic_us < engine->follow_again_us))
        return false;
    world_time_hold(world, EXPIRY_TICK_MS);
    return true;
}

void follow_end(struct engine *engine, bool all_found)
{
    struct world *world = engine->world;
    if (!world->time.is_held || engine->follow_settled)
        return;
    engine->follow_settled = all_found;
    engine->follow_lsn = world->journal ? journal_executed(world->journal) : 0;
    engine->follow_again_us = world->monotonic_us + AGAIN_US;
    if (all_found)
        world->time.hidden_ms = INT64_MIN; /* from here on */
    if (!all_found)
        world_time_go_on(world);
}
