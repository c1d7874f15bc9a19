/* A crash that is only tried: what it would leave is made, recovered from and judged, and the run goes on as
 * if nothing had been. So every disk call of a run may be a crash point, also one in the middle of what the
 * commit thread does. */
#include "sim.h"

#define CRASHES_MAX 4

struct probe {
    struct sim *sim;
    struct sim_disk *disk;
    struct sim_child child;
    lsn_t must_survive;
    bool after_power;
};

static void probe_crash(struct probe *probe, enum crash_kind kind)
{
    struct sim *sim = probe->sim;
    struct sim_disk *after = sim_disk_crash(probe->disk, kind, &sim->probe_random);
    if (kind == CRASH_POWER && probe->must_survive > sim->model.must_survive_power)
        probe->must_survive = sim->model.must_survive_power;
    sim_disk_free(probe->disk);
    probe->disk = after;
    probe->after_power |= kind == CRASH_POWER;
    sim->counts->crash_points++;
}

static enum crash_kind some_crash(struct sim *sim)
{
    return random_below(&sim->probe_random, 4) ? CRASH_POWER : CRASH_PROCESS;
}

/* Begins a life, through crashes during its beginning. */
static void probe_begin(struct probe *probe, struct sim_life *life, bool may_crash)
{
    struct sim *sim = probe->sim;
    for (int crashes = 0;; crashes++) {
        if (may_crash && crashes < CRASHES_MAX && random_below(&sim->probe_random, 3) == 0)
            sim_disk_crash_after(probe->disk, random_below(&sim->probe_random, 12));
        enum life_result result = sim_life_begin(sim, life, probe->disk, &probe->child);
        probe->disk->crash_at = 0;
        if (result == LIFE_BEGUN)
            break;
        if (result == LIFE_REFUSED)
            sim_fail(sim, "in a probe: an undamaged folder was refused: %s", life->error.text);
        probe_crash(probe, some_crash(sim));
    }
    life->after_power = probe->after_power;
    sim_life_check(sim, life, probe->must_survive);
}

static void probe_abandon(struct probe *probe, struct sim_life *life)
{
    engine_abandon(life->engine);
    sim_disk_process_ended(probe->disk);
}

/* What recovery shows, it has made durable: the power may fail at once, and nothing of it goes. */
static void probe_again(struct probe *probe, struct sim_life *life)
{
    lsn_t lsn = life->lsn;
    probe_abandon(probe, life);
    struct sim_disk *after = sim_disk_crash(probe->disk, CRASH_POWER, &probe->sim->probe_random);
    sim_disk_free(probe->disk);
    probe->disk = after;
    probe->sim->counts->crash_points++;
    probe->must_survive = lsn;
    probe->after_power = true;
    probe_begin(probe, life, false);
    if (life->lsn != lsn)
        sim_fail(probe->sim, "recovered to LSN %llu, then, though nothing was written, to LSN %llu",
                 (unsigned long long)lsn, (unsigned long long)life->lsn);
}

/* A life that does nothing and ends cleanly changes nothing. */
static void probe_close(struct probe *probe, struct sim_life *life)
{
    struct sim *sim = probe->sim;
    lsn_t lsn = life->lsn;
    if (!engine_close(life->engine))
        sim_fail(sim, "in a probe: the engine says it closed badly");
    sim_disk_process_ended(probe->disk);
    sim_cut_probe(sim, probe->disk, lsn);
    probe_begin(probe, life, false);
    if (life->lsn != lsn || life->progress.torn_bytes > 0)
        sim_fail(sim, "closed cleanly at LSN %llu, then recovered to LSN %llu with a torn tail of %llu bytes",
                 (unsigned long long)lsn, (unsigned long long)life->lsn,
                 (unsigned long long)life->progress.torn_bytes);
}

/* No second server gets the folder. */
static void probe_second_server(struct probe *probe)
{
    struct sim *sim = probe->sim;
    struct sim_life second;
    struct sim_child child = {0};
    if (sim_life_begin(sim, &second, probe->disk, &child) != LIFE_REFUSED)
        sim_fail(sim, "a second server got the folder");
}

/* Time goes on, and where it may follow a clock that was set back, it does. */
static void probe_time(struct probe *probe, struct sim_life *life)
{
    struct sim *sim = probe->sim;
    for (int i = 0; i < 20; i++) {
        engine_begin_round(life->engine);
        sim_check_gone(sim, engine_world(life->engine), probe->after_power);
        engine_tick(life->engine);
        engine_end_round(life->engine, false);
        while (journal_work(engine_world(life->engine)->journal))
            ;
        sim->clock.wall_us += 10000;
        sim->clock.monotonic_us += 10000;
    }
}

void sim_probe(struct sim *sim)
{
    /* A file system that gave up is not usable before it is mounted again. */
    enum crash_kind kind = sim->disk->read_only ? CRASH_POWER : some_crash(sim);
    struct probe probe = {.sim = sim,
                          .must_survive = sim_must_survive(sim, kind),
                          .after_power = sim->lost_power || kind == CRASH_POWER};
    struct sim_clock clock = sim->clock;
    sim->trace.muted++;
    trace_line(&sim->trace, "probe: %s, must survive: %llu",
               kind == CRASH_POWER ? "power failure" : "process", (unsigned long long)probe.must_survive);
    probe.disk = sim_disk_crash(sim->disk, kind, &sim->probe_random);
    probe.disk->faults = (struct sim_faults){0};
    sim_disk_unlimit(probe.disk);
    sim->counts->crash_points++;
    if (random_below(&sim->probe_random, 4) == 0)
        sim_rot_probe(sim, probe.disk);
    struct sim_life life;
    if (random_below(&sim->probe_random, 2))
        sim_turn_clock(sim, &sim->probe_random);
    probe_begin(&probe, &life, true);
    switch (random_below(&sim->probe_random, 6)) {
    case 0:
    case 1: probe_again(&probe, &life); break;
    case 2: probe_close(&probe, &life); break;
    case 3: probe_second_server(&probe); break;
    default: break;
    }
    lsn_t lsn = life.lsn;
    if (random_below(&sim->probe_random, 4) == 0)
        probe_time(&probe, &life);
    probe_abandon(&probe, &life);
    sim->clock = clock;
    sim_disk_free(probe.disk);
    sim_child_free(&probe.child);
    sim->trace.muted--;
    trace_line(&sim->trace, "probe: %s leads to LSN %llu", kind == CRASH_POWER ? "power failure" : "process",
               (unsigned long long)lsn);
}
