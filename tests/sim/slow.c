/* Calls to the disk that take long, and what of that time the promise of a second (D3) has to count.
 *
 * It counts all of it but for one thing. Under everysec a write is acknowledged when it is written, so if the
 * very next write or sync of the log hangs, out of the blue, what was acknowledged before it grows older than
 * a second before it is durable, and nobody could have known. Once the disk was seen to be slow, nothing of
 * this is left out any more, until it has not been for a while: whoever acknowledges then has to sync first.
 * And no other call is ever left out: none has to stand between an acknowledgement and its sync. */
#include "journal/journal_private.h"
#include "sim.h"

void sim_slow_draw(struct sim *sim, int64_t *us)
{
    static const int64_t scales_us[] = {5000, 50000, 500000, 4000000};
    *us = (int64_t)random_below(&sim->random, 256) < sim->config.slow
              ? (int64_t)random_below(&sim->random, (uint64_t)scales_us[random_below(&sim->random, 4)])
              : 0;
}

/* A write to the segment in use, or its sync. */
static bool is_of_log(const struct sim *sim, enum sim_op op, const char *name)
{
    return (op == OP_WRITE || op == OP_SYNC) && strcmp(name, sim->journal->committer.writer.name) == 0;
}

void sim_call_begins(struct sim *sim, enum sim_op op, const char *name)
{
    struct sim_slow *slow = &sim->slow;
    int64_t now_us = sim->clock.monotonic_us;
    if (slow->state == SLOW_KNOWN && now_us >= slow->last_us + SLOW_MEMORY_US)
        slow->state = SLOW_NOT;
    slow->call_began_us = now_us;
    slow->call_is_of_log = is_of_log(sim, op, name);
    slow->call_is_left_out = slow->call_is_of_log && slow->state != SLOW_KNOWN;
}

static int64_t left_out_now(const struct sim *sim)
{
    int64_t took_us = sim->clock.monotonic_us - sim->slow.call_began_us;
    return sim->slow.call_is_left_out && took_us > SLOW_CALL_US ? took_us - SLOW_CALL_US : 0;
}

void sim_call_goes_on(struct sim *sim, enum sim_op op)
{
    struct sim_slow *slow = &sim->slow;
    int64_t now_us = sim->clock.monotonic_us;
    if (now_us - slow->call_began_us >= SLOW_CALL_US) {
        sim->counts->slow_calls++;
        slow->left_out_us += left_out_now(sim);
        slow->last_us = now_us;
        /* The server knows when what it does has ended. */
        slow->is_seen |= !slow->call_is_left_out;
        if (slow->call_is_left_out)
            slow->state = SLOW_SURPRISE;
    }
    if (slow->state == SLOW_SURPRISE && slow->call_is_of_log && op == OP_SYNC)
        slow->state = SLOW_KNOWN; /* all that was acknowledged before it knew is durable */
    slow->call_is_left_out = false;
}

void sim_work_ended(struct sim *sim)
{
    struct sim_slow *slow = &sim->slow;
    if (slow->is_seen && slow->state == SLOW_NOT)
        slow->state = SLOW_KNOWN;
    slow->is_seen = false;
}

int64_t sim_disk_time(const struct sim *sim)
{
    return sim->clock.monotonic_us - sim->slow.left_out_us - left_out_now(sim);
}
