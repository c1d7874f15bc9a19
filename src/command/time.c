/* Time as commands see it.
 *
 * What was once shown as gone must stay gone (D9), so commands do not take the wall clock for now: their time
 * never runs back (base/clock.h), and it goes on from what the log has on record at a start. A command that
 * hides a key because its time has passed shows that this time was reached. That has to be on record before
 * the reply goes, or a crash and a clock that was set back would bring the key back. Frames carry the time of
 * their units, so any unit will do; where there is none, one that changes nothing is appended. It says the
 * same for all that expired before, so there is one a round at the most. */
#include "base/diag.h"
#include "command/dispatch.h"
#include "command/world.h"
#include "store/value_hash.h"

/* From here on a step of the wall clock is worth telling; and so often at the most. */
#define STEP_MIN_US   1000000
#define STEP_TOLD_US  10000000
#define MS_PER_SECOND 1000.0

/* A clock may be set a thousand times a second: then the lines tell of some, and INFO counts all. */
static bool may_tell(struct world_time *time, int64_t monotonic_us)
{
    if (time->told_us != 0 && monotonic_us - time->told_us < STEP_TOLD_US)
        return false;
    time->told_us = monotonic_us;
    return true;
}

static void clock_stepped(struct world *world, int64_t step_us)
{
    struct world_time *time = &world->time;
    double seconds = (double)step_us / 1e6;
    if (step_us > 0)
        time->steps_forward++;
    else
        time->steps_back++;
    if (!may_tell(time, world->monotonic_us))
        return;
    if (step_us > 0)
        diag(
            DIAG_WARNING,
            "the clock went %.1f s further than time did (it was set, or the machine slept): keys whose time "
            "has passed by it are gone",
            seconds);
    else
        diag(
            DIAG_WARNING,
            "the clock was set back by %.1f s. Commands see time that never runs back: it is %.1f s ahead of "
            "the clock now and goes %s (clock-set-back follow: at once)",
            -seconds, (double)world_time_ahead_us(world) / 1e6,
            world->settings.clock_follows ? "back to it as soon as what has expired is deleted"
                                          : "more slowly until the clock has caught up");
}

static void look_for_step(struct world *world, int64_t wall_us)
{
    struct world_time *time = &world->time;
    int64_t step_us = (wall_us - time->wall_us) - (world->monotonic_us - time->monotonic_us);
    bool is_first = time->wall_us == 0;
    time->wall_us = wall_us;
    time->monotonic_us = world->monotonic_us;
    if (!is_first && (step_us >= STEP_MIN_US || step_us <= -STEP_MIN_US))
        clock_stepped(world, step_us);
}

static void set_now(struct world *world, int64_t now_us)
{
    world->now_ms = now_us / 1000;
    world->use_ms = world->time.use_begin_ms + world->monotonic_us / 1000;
    store_set_time(world->store, world->use_ms);
    if (world->journal)
        journal_set_time(world->journal, world->now_ms);
}

bool world_may_hide(const struct world *world)
{
    for (int i = 0; i < store_database_count(world->store); i++) {
        const struct database *db = store_database(world->store, i);
        if (database_may_have_expired(db, world->now_ms) || database_parts_due_ms(db) <= world->now_ms)
            return true;
    }
    return false;
}

/* Without room in the log nothing can be put on record. What could hide something waits until there is; but
 * on a full disk reads go on. */
static bool hiding_waits(const struct world *world)
{
    return world->journal && !journal_note_fits(world->journal) && world_may_hide(world) &&
           journal_admit_note(world->journal) == ADMIT_WAIT;
}

void world_refresh_time(struct world *world)
{
    struct world_time *time = &world->time;
    int64_t wall_us = clock_wall_us(world->clock);
    world->monotonic_us = clock_monotonic_us(world->clock);
    if (time->use_begin_ms == 0)
        time->use_begin_ms = wall_us / 1000 - world->monotonic_us / 1000;
    if (!time->is_held || wall_us >= time->forward.now_us)
        forward_time_tell(&time->forward, wall_us, world->monotonic_us);
    set_now(world, time->forward.now_us);
    look_for_step(world, wall_us);
    world->hiding_waits = hiding_waits(world);
}

int64_t world_time_us(struct world *world)
{
    struct world_time *time = &world->time;
    if (time->is_held)
        return time->forward.now_us;
    return forward_time_tell(&time->forward, clock_wall_us(world->clock), clock_monotonic_us(world->clock));
}

int64_t world_time_ahead_us(const struct world *world)
{
    const struct world_time *time = &world->time;
    /* What was told since the last look (TIME) is later than that look was, and not ahead for that. */
    bool is_ahead = time->forward.is_ahead && time->forward.now_us > time->wall_us;
    return is_ahead ? time->forward.now_us - time->wall_us : 0;
}

void world_time_raise(struct world *world, int64_t at_least_ms)
{
    struct world_time *time = &world->time;
    if (at_least_ms < 0 || at_least_ms > INT64_MAX / 1000)
        return;
    forward_time_raise(&time->forward, at_least_ms * 1000, world->monotonic_us);
    set_now(world, time->forward.now_us);
}

void world_time_hold(struct world *world, int64_t multiple_ms)
{
    int64_t over_ms = world->now_ms % multiple_ms;
    world_time_raise(world, over_ms ? world->now_ms + multiple_ms - over_ms : world->now_ms);
    world->time.is_held = true;
}

void world_time_go_on(struct world *world)
{
    world->time.is_held = false;
}

void world_time_follow(struct world *world)
{
    struct world_time *time = &world->time;
    time->forward = (struct forward_time){0};
    time->is_held = false;
    time->on_record_ms = INT64_MIN;
    time->hidden_ms = INT64_MIN;
    forward_time_tell(&time->forward, clock_wall_us(world->clock), world->monotonic_us);
    set_now(world, time->forward.now_us);
    diag(DIAG_NOTICE, "time as commands see it follows the clock again: all that had expired is deleted");
}
