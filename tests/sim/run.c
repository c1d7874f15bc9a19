#include "run.h"

#include "base/memory.h"
#include "sim.h"

/* Longest that the commit thread is left without its turn while it has something to do: as long as a busy
 * machine may take to run a thread. */
#define STARVED_US_MAX 50000

/* Coming to rest goes in rounds of this length, and takes so many at least: long enough for a sync under
 * everysec and for the closing frame after it. */
#define ROUND_US       20000
#define ROUNDS_OF_REST 60

/* --- time -------------------------------------------------------------------------------------------------
 */

static int64_t clock_wall(struct clock *clock)
{
    return ((struct sim_clock *)clock)->wall_us;
}

static int64_t clock_monotonic(struct clock *clock)
{
    return ((struct sim_clock *)clock)->monotonic_us;
}

static void clock_move(struct sim *sim, int64_t us)
{
    sim->clock.wall_us += us;
    sim->clock.monotonic_us += us;
}

/* --- rounds and the commit thread
 * --------------------------------------------------------------------------- */

/* The engine calls this at the end of every unit, wherever in the engine that is (-Wl,--wrap): the only
 * moments at which the state is one that a crash may lead to. */
static struct sim *running;

lsn_t __real_journal_unit_end(struct journal *journal);
lsn_t __wrap_journal_unit_end(struct journal *journal);

lsn_t __wrap_journal_unit_end(struct journal *journal)
{
    lsn_t lsn = __real_journal_unit_end(journal);
    if (running && running->journal == journal) {
        model_unit(&running->model, running->disk, running->world->store, lsn);
        running->counts->units++;
    }
    return lsn;
}

void sim_round_begin(struct sim *sim)
{
    engine_begin_round(sim->engine);
    sim_check_gone(sim, sim->world, false);
}

/* Nothing may be acknowledged once the journal has failed; and it may fail only if the disk did. */
static void look_for_failure(struct sim *sim, lsn_t acknowledged_before)
{
    const char *failure = journal_failed(sim->journal);
    if (!failure || sim->disk->dead)
        return;
    if (sim->failed_at_us && journal_acknowledged(sim->journal) > acknowledged_before)
        sim_fail(sim, "LSN %llu was acknowledged after the journal had failed",
                 (unsigned long long)journal_acknowledged(sim->journal));
    if (sim->failed_at_us)
        return;
    if (sim->disk->faults_injected == 0 && !sim->disk->read_only)
        sim_fail(sim, "the journal failed, though the disk did not: %s", failure);
    sim->counts->disk_errors++;
    sim->failed_at_us = sim_disk_time(sim);
    trace_line(&sim->trace, "the journal has failed: %s", failure);
}

static void note_written(struct sim *sim, lsn_t before)
{
    lsn_t lsn = journal_written(sim->journal);
    if (lsn == before)
        return;
    size_t slot = sim->written_count++ % WRITTEN_KEPT;
    sim->written[slot].lsn = lsn;
    sim->written[slot].time_us = sim->clock.monotonic_us;
}

int64_t sim_written_us(const struct sim *sim, lsn_t lsn)
{
    int64_t time_us = sim->clock.monotonic_us;
    size_t first = sim->written_count > WRITTEN_KEPT ? sim->written_count - WRITTEN_KEPT : 0;
    for (size_t i = sim->written_count; i > first && sim->written[(i - 1) % WRITTEN_KEPT].lsn >= lsn; i--)
        time_us = sim->written[(i - 1) % WRITTEN_KEPT].time_us;
    return time_us;
}

/* What the committer had done before some work of its began. */
struct work {
    lsn_t acknowledged;
    lsn_t written;
};

static struct work work_begin(struct sim *sim)
{
    sim->in_work = true;
    sim->work_began_us = sim->clock.monotonic_us;
    return (struct work){journal_acknowledged(sim->journal), journal_written(sim->journal)};
}

static void work_end(struct sim *sim, const struct work *before, const char *who)
{
    sim->in_work = false;
    note_written(sim, before->written);
    sim_work_ended(sim);
    if (who)
        trace_line(&sim->trace, "%s: from %lld to %lld us: written %llu, durable %llu, executed %llu", who,
                   (long long)sim->work_began_us, (long long)sim->clock.monotonic_us,
                   (unsigned long long)journal_written(sim->journal),
                   (unsigned long long)journal_durable(sim->journal),
                   (unsigned long long)journal_executed(sim->journal));
    look_for_failure(sim, before->acknowledged);
    if (!sim->disk->dead)
        sim_note_use(sim);
}

/* A thread of its own does it. */
static bool remove_some(struct sim *sim)
{
    if (sim->in_removal)
        return false;
    sim->in_removal = true;
    bool worked = journal_work_remover(sim->journal);
    sim->in_removal = false;
    return worked;
}

/* And another one. */
static bool load_some(struct sim *sim)
{
    if (sim->in_load)
        return false;
    sim->in_load = true;
    bool worked = journal_work_loader(sim->journal);
    sim->in_load = false;
    return worked;
}

static bool commit_some(struct sim *sim)
{
    struct work before = work_begin(sim);
    bool worked = journal_work_committer(sim->journal);
    work_end(sim, &before, worked ? "work" : NULL);
    return worked;
}

/* What is due, in turn or at once. */
static bool work(struct sim *sim)
{
    sim->starved_us = 0;
    bool removes = random_below(&sim->random, 2) == 0 && remove_some(sim);
    bool loads = random_below(&sim->random, 2) == 0 && load_some(sim);
    return commit_some(sim) || removes || loads || remove_some(sim) || load_some(sim);
}

/* Now and then as if there were one client only. The loop may do some of the committer's work here, unless
 * that is under way, and nothing goes on beside it. */
void sim_round_end(struct sim *sim)
{
    bool alone = random_below(&sim->random, 4) == 0;
    if (sim->in_work) {
        engine_end_round(sim->engine, alone);
        return;
    }
    struct work before = work_begin(sim);
    sim->loop_works = true;
    engine_end_round(sim->engine, alone);
    sim->loop_works = false;
    work_end(sim, &before, journal_written(sim->journal) > before.written ? "the loop's work" : NULL);
}

/* Time passes for a machine that is alive: what is due is done, a little late. */
static void time_passes(struct sim *sim, int64_t us)
{
    int64_t until_us = sim->clock.monotonic_us + us;
    while (!sim->disk->dead && sim->clock.monotonic_us < until_us) {
        int64_t left_us = until_us - sim->clock.monotonic_us;
        int64_t due_us = journal_work_due_us(sim->journal);
        if (due_us > until_us || sim->failed_at_us) {
            clock_move(sim, left_us);
            return;
        }
        if (due_us <= sim->clock.monotonic_us && sim->starved_us + left_us < STARVED_US_MAX) {
            sim->starved_us += left_us;
            clock_move(sim, left_us);
            return;
        }
        if (due_us > sim->clock.monotonic_us)
            clock_move(sim, due_us - sim->clock.monotonic_us + (int64_t)random_below(&sim->random, 5000));
        work(sim);
    }
}

/* --- actions ----------------------------------------------------------------------------------------------
 */

static struct client *some_client(struct sim *sim)
{
    return &sim->clients[random_below(&sim->random, (uint64_t)sim->client_count)];
}

static void run_client(struct sim *sim, struct client *client)
{
    if (client->closing && output_pending(&client->output) == 0) {
        client_disconnect(client);
        client_connect(sim, client, client->number);
    }
    if (!client->closing)
        client_run(sim, client);
}

static void send_some(struct sim *sim)
{
    struct client *client = some_client(sim);
    if (client->input.size > 100000 || client->closing)
        return;
    client_send(sim, client);
    if (client->waits)
        return;
    sim_round_begin(sim);
    run_client(sim, client);
    if (random_below(&sim->random, 4))
        sim_round_end(sim);
}

/* As the network floor does after a wake of the journal: whoever waits is looked at again, all in one round.
 */
static void run_waiting(struct sim *sim)
{
    bool was_woken = sim->woken;
    sim->woken = false;
    sim_round_begin(sim);
    for (int i = 0; i < sim->client_count; i++)
        if (sim->clients[i].session->blocked || was_woken || !sim->clients[i].waits)
            run_client(sim, &sim->clients[i]);
    sim_round_end(sim);
}

static void read_some(struct sim *sim)
{
    uint64_t count = 1 + random_below(&sim->random, (uint64_t)sim->client_count);
    while (count-- > 0) {
        struct client *client = some_client(sim);
        bool takes_all = random_below(&sim->random, 8) > 0;
        client_read(sim, client, takes_all ? UINT64_MAX : 1 + random_below(&sim->random, 30));
    }
}

static void tick(struct sim *sim)
{
    sim_round_begin(sim);
    engine_tick(sim->engine);
    sim_round_end(sim);
}

static void run_child(struct sim *sim)
{
    uint64_t chance = random_below(&sim->random, 120);
    if (chance == 0)
        engine_rewrite_cancel(sim->engine);
    else if (chance < 3)
        sim_child_kill(&sim->child);
    else
        sim_child_run(&sim->child, 1 + (int)random_below(&sim->random, 6));
}

static void some_time(struct sim *sim)
{
    static const int64_t scales_us[] = {100, 1000, 1000, 20000, 200000, 2000000};
    time_passes(sim, (int64_t)random_below(&sim->random, (uint64_t)scales_us[random_below(&sim->random, 6)]));
}

static void change_policy(struct sim *sim)
{
    enum sync_policy policy = (enum sync_policy)random_below(&sim->random, 3);
    trace_line(&sim->trace, "policy: %d", (int)policy);
    sim->policy_epoch += policy != sim->config.policy;
    sim->config.policy = policy;
    /* What was acknowledged so far was so under the old policy's promise. */
    sim_must_survive(sim, CRASH_PROCESS);
    if (policy == SYNC_NO)
        model_forget_everysec(&sim->model);
    journal_set_policy(sim->journal, policy);
    sim->woken = true;
}

static void change_limits(struct sim *sim)
{
    struct sim_config drawn;
    sim_config_draw(&drawn, &sim->random);
    sim->config.segment_size = drawn.segment_size;
    sim->config.unsynced_max = drawn.unsynced_max;
    sim->config.history_bases = drawn.history_bases;
    sim->config.history_seconds = drawn.history_seconds;
    sim->config.triggers = drawn.triggers;
    journal_set_limits(sim->journal, drawn.segment_size, drawn.unsynced_max, drawn.history_bases,
                       drawn.history_seconds);
    engine_set_triggers(sim->engine, &drawn.triggers);
    /* Values that there are keep their files, or are without. */
    if (!sim->config.frees_beside) {
        sim->config.value_threshold = sim->world->settings.value_file_threshold = drawn.value_threshold;
        sim->config.has_values |= drawn.value_threshold > 0;
    }
    sim->expires_actively = random_below(&sim->random, 4) > 0;
    engine_set_active_expire(sim->engine, sim->expires_actively);
    sim->world->settings.clock_follows = sim->config.follows && random_below(&sim->random, 2);
    sim->woken = true;
}

static void begin_rewrite(struct sim *sim)
{
    sim_round_begin(sim);
    const char *refusal = engine_rewrite(sim->engine);
    trace_line(&sim->trace, "rewrite: %s", refusal ? refusal : "begun");
    if (!refusal)
        sim->counts->rewrites++;
    sim_round_end(sim);
}

/* What nobody sees in the free space: a quota, and a limit on a file's size, which may fall below what files
 * have already. */
static void disk_limits_change(struct sim *sim, uint64_t used)
{
    struct sim_disk *disk = sim->disk;
    uint64_t file_max = disk->file_max;
    disk->quota = disk->file_max = UINT64_MAX;
    if (random_below(&sim->random, 3) == 0)
        disk->quota = used + random_below(&sim->random, 200000);
    if (random_below(&sim->random, 3) == 0)
        disk->file_max = BLOCK_SIZE * (2 + random_below(&sim->random, 60));
    sim->file_max_fell |= disk->file_max < file_max;
    trace_line(&sim->trace, "disk: a quota of %llu bytes, files of at most %llu",
               (unsigned long long)disk->quota, (unsigned long long)disk->file_max);
}

static void change_disk(struct sim *sim)
{
    struct sim_disk *disk = sim->disk;
    disk->faults = (struct sim_faults){0};
    if (sim->config.fills) {
        disk->capacity = sim->config.capacity;
        uint64_t used = sim_disk_used(disk);
        uint64_t left = disk->capacity > used ? disk->capacity - used : 0;
        disk->ballast = random_below(&sim->random, 3) ? left - random_below(&sim->random, left + 1) / 4 : 0;
        if (random_below(&sim->random, 8) == 0)
            disk->faults.nospace = 10000;
        sim->counts->full_disks += disk->ballast > 0;
        trace_line(&sim->trace, "disk: %llu bytes are left", (unsigned long long)(left - disk->ballast));
        disk_limits_change(sim, used);
    }
    if (sim->config.fails && random_below(&sim->random, 3)) {
        /* A sync that fails has the worst consequences. */
        bool is_sync = random_below(&sim->random, 3) == 0;
        enum sim_op op = is_sync ? OP_SYNC : (enum sim_op)random_below(&sim->random, OP_COUNT);
        static const unsigned chances[] = {65536, 65536, 20000, 6000, 1000};
        disk->faults.eio[op] = chances[random_below(&sim->random, 5)];
        trace_line(&sim->trace, "disk: %s begins to fail", sim_op_name(op));
    }
}

static void crash(struct sim *sim)
{
    switch (random_below(&sim->random, 4)) {
    case 0: sim_close(sim); break;
    case 1: sim_crash(sim, CRASH_PROCESS); break;
    case 2: sim_crash(sim, CRASH_POWER); break;
    default: sim_disk_crash_after(sim->disk, random_below(&sim->random, 40)); break;
    }
}

static void change_client(struct sim *sim)
{
    struct client *client = some_client(sim);
    client_disconnect(client);
    client_connect(sim, client, client->number);
}

/* --- coming to rest ---------------------------------------------------------------------------------------
 */

static bool all_idle(const struct sim *sim)
{
    for (int i = 0; i < sim->client_count; i++)
        if (!client_is_idle(&sim->clients[i]))
            return false;
    return true;
}

static bool at_rest(struct sim *sim)
{
    struct engine_stats stats;
    engine_stats_read(sim->engine, &stats);
    return all_idle(sim) && !stats.rewriting;
}

static uint64_t progress(const struct sim *sim)
{
    return sim->counts->commands + sim->counts->replies + journal_durable(sim->journal);
}

/* Lets everything go on until nothing is left to do, as long as it gets anywhere: not to get anywhere for
 * some seconds is to be stuck. */
static bool comes_to_rest(struct sim *sim)
{
    uint64_t last = 0;
    for (int stuck = 0, round = 0; stuck < 200; stuck++, round++) {
        for (int i = 0; i < 1000 && work(sim); i++)
            ;
        sim_child_run(&sim->child, 1000000);
        tick(sim);
        run_waiting(sim);
        for (int i = 0; i < sim->client_count; i++)
            client_read(sim, &sim->clients[i], UINT64_MAX);
        if (sim->disk->dead || journal_failed(sim->journal))
            return true;
        if (round >= ROUNDS_OF_REST && at_rest(sim))
            return true;
        stuck = progress(sim) == last ? stuck : 0;
        last = progress(sim);
        clock_move(sim, ROUND_US);
    }
    return false;
}

/* After a rest, what came before it is durable and known to be so, what recovery found included. But a
 * closing frame that found the disk full is not tried again. */
static void settled_record(struct sim *sim, lsn_t lsn)
{
    if (sim->config.policy != SYNC_NO && sim->disk->full_hits == 0 && !sim->disk->dead &&
        !journal_failed(sim->journal))
        sim_check_record(sim, lsn);
}

/* A write at rest: it is taken, and a moment later it is durable and known to be so. */
static void settled_write(struct sim *sim)
{
    uint64_t refused = sim->counts->refused;
    struct client *client = &sim->clients[0];
    /* Out of a transaction, and out of what a subscriber may not do. */
    client_say(sim, client, "reset", COMMAND_RESET);
    client_say(sim, client, "set k00 settled", COMMAND_PLAIN);
    client->sent[client->sent_first + 1].writes = true;
    lsn_t before = journal_executed(sim->journal);
    bool rests = comes_to_rest(sim);
    if (sim->disk->dead || journal_failed(sim->journal))
        return;
    if (!rests || sim->counts->refused > refused || journal_executed(sim->journal) == before)
        sim_fail(sim, "there is room, and a write is still not taken");
    if (journal_full(sim->journal))
        sim_fail(sim, "there is room, and the journal still says: %s", journal_full(sim->journal));
    if (sim->disk->faults_injected + sim->disk->full_hits == 0) {
        sim_check_folder(sim, sim->disk, sim->journal);
        sim_check_values(sim, false);
    }
    lsn_t after = journal_executed(sim->journal);
    if (!comes_to_rest(sim))
        return;
    settled_record(sim, after);
    if (sim->expires_actively && !sim->disk->dead && !journal_failed(sim->journal))
        sim_check_expired(sim);
}

/* After a rewrite, no change of the log needs the old bytes of a value: without history, the value files are
 * those that are in use. */
static void settled_rewrite(struct sim *sim)
{
    if (sim->disk->dead || journal_failed(sim->journal) || sim->config.history_bases > 0 ||
        sim->config.history_seconds > 0)
        return;
    uint64_t rewrites = sim->counts->rewrites;
    begin_rewrite(sim);
    /* What it let go of may wait for a sync that is made once a second. */
    for (int i = 0; i < 2; i++)
        if (!comes_to_rest(sim))
            sim_fail(sim, "a rewrite at rest does not end");
    bool counts = sim->counts->rewrites > rewrites && sim->disk->faults_injected + sim->disk->full_hits == 0;
    if (counts && !sim->disk->dead && !journal_failed(sim->journal))
        sim_check_values(sim, true);
}

/* On a healthy disk with room, nothing stays stuck: everybody is answered, rewrites end, and writes are taken
 * again. */
static void settle(struct sim *sim)
{
    struct sim_config config = sim->config;
    sim->disk->faults = (struct sim_faults){0};
    sim_disk_unlimit(sim->disk);
    sim->config.beside = 0;
    sim->config.slow = 0;
    sim->world->settings.maxmemory = 0;
    trace_line(&sim->trace, "settle");
    lsn_t before = journal_executed(sim->journal);
    if (!comes_to_rest(sim))
        sim_fail(sim, "it does not come to rest: somebody is not answered, or a rewrite does not end");
    settled_record(sim, before);
    if (!sim->disk->dead && !journal_failed(sim->journal))
        settled_write(sim);
    if (random_below(&sim->random, 2) == 0)
        settled_rewrite(sim);
    sim->config.beside = config.beside;
    sim->config.slow = config.slow;
    sim->world->settings.maxmemory = sim->config.maxmemory;
}

/* --- beside a disk call
 * ------------------------------------------------------------------------------------- */

/* What the loop may be doing while the commit thread is in a disk call, which takes its time. */
static void beside(struct sim *sim)
{
    switch (random_below(&sim->random, 11)) {
    case 0:
    case 1:
    case 2: send_some(sim); break;
    case 3:
    case 4:
    case 5: read_some(sim); break;
    case 6: tick(sim); break;
    case 7: run_waiting(sim); break;
    case 8: run_child(sim); break;
    case 9: remove_some(sim); break;
    default:
        if (random_below(&sim->random, 4) == 0)
            begin_rewrite(sim);
        else if (sim->config.changes_policy && random_below(&sim->random, 4) == 0)
            change_policy(sim);
        break;
    }
    int64_t us = (int64_t)random_below(&sim->random, random_below(&sim->random, 30) ? 1000 : 1500000);
    /* The commit thread does not wait for another thread's call. */
    if (sim->in_work)
        clock_move(sim, us);
    else
        time_passes(sim, us);
}

static void some_probe(struct sim *sim)
{
    if (random_below(&sim->probe_random, 256) < sim->config.probe)
        sim_probe(sim);
}

/* The call takes long: all others go on, also the commit thread while it is another thread's call. */
static void while_slow(struct sim *sim, int64_t us)
{
    int64_t until_us = sim->clock.monotonic_us + us;
    while (sim->clock.monotonic_us < until_us && !sim->disk->dead) {
        int64_t slice_us = 1 + (int64_t)random_below(&sim->random, 300000);
        if (slice_us > until_us - sim->clock.monotonic_us)
            slice_us = until_us - sim->clock.monotonic_us;
        if (!sim->loop_works)
            beside(sim);
        if (sim->in_work)
            clock_move(sim, slice_us);
        else
            time_passes(sim, slice_us);
        some_probe(sim);
    }
}

static void before_disk_call(void *context, enum sim_op op, const char *name)
{
    struct sim *sim = context;
    bool changes = op != OP_READ && op != OP_LIST && op != OP_OPEN;
    if (changes)
        some_probe(sim);
    if ((!sim->in_work && !sim->in_removal && !sim->in_load) || sim->beside_depth > 0)
        return;
    sim->beside_depth++;
    bool is_work = sim->in_work;
    if (is_work)
        sim_call_begins(sim, op, name);
    if (changes && !sim->loop_works && random_below(&sim->random, 256) < sim->config.beside)
        for (uint64_t i = random_below(&sim->random, 4); i > 0 && !sim->disk->dead; i--)
            beside(sim);
    int64_t slow_us;
    sim_slow_draw(sim, &slow_us);
    if (slow_us > 0) {
        trace_line(&sim->trace, "disk: %s %s takes %lld us", sim_op_name(op), name, (long long)slow_us);
        while_slow(sim, slow_us);
    }
    if (is_work)
        sim_call_goes_on(sim, op);
    sim->beside_depth--;
}

/* --- a run ------------------------------------------------------------------------------------------------
 */

static void act(struct sim *sim, enum action action)
{
    switch (action) {
    case ACTION_SEND: send_some(sim); break;
    case ACTION_RUN: run_waiting(sim); break;
    case ACTION_READ: read_some(sim); break;
    case ACTION_WORK: work(sim); break;
    case ACTION_TICK: tick(sim); break;
    case ACTION_CHILD: run_child(sim); break;
    case ACTION_TIME: some_time(sim); break;
    case ACTION_CLOCK: sim_turn_clock(sim, &sim->random); break;
    case ACTION_POLICY: change_policy(sim); break;
    case ACTION_LIMITS: change_limits(sim); break;
    case ACTION_REWRITE: begin_rewrite(sim); break;
    case ACTION_DISK: change_disk(sim); break;
    case ACTION_PROBE: sim_probe(sim); break;
    case ACTION_CRASH: crash(sim); break;
    case ACTION_CLIENT: change_client(sim); break;
    default: settle(sim); break;
    }
}

static void step(struct sim *sim)
{
    unsigned total = 0;
    for (int i = 0; i < ACTION_COUNT; i++)
        total += sim->config.weights[i];
    uint64_t pick = random_below(&sim->random, total);
    int action = 0;
    while (pick >= sim->config.weights[action])
        pick -= sim->config.weights[action++];
    act(sim, (enum action)action);
    clock_move(sim, (int64_t)random_below(&sim->random, 200));
    if (!sim->disk->dead)
        sim_check_bound(sim);
    if (sim->disk->dead)
        sim_crash(sim, random_below(&sim->random, 2) ? CRASH_POWER : CRASH_PROCESS);
    else if (sim->failed_at_us && random_below(&sim->random, 10) == 0)
        random_below(&sim->random, 2) ? sim_crash(sim, CRASH_PROCESS) : crash(sim);
}

static void sim_init(struct sim *sim, struct sim_seed seed, bool print, struct sim_counts *counts)
{
    *sim = (struct sim){.seed = seed, .counts = counts};
    trace_reset(&sim->trace, print);
    sim_trace_is(&sim->trace);
    random_seed(&sim->random, seed.number);
    random_seed(&sim->probe_random, random_next(&sim->random));
    sim_config_draw(&sim->config, &sim->random);
    workload_init(&sim->workload, &sim->random, seed.types);
    if (seed.types != type_bit(VALUE_STRING))
        sim->config.keeps_expired = random_below(&sim->random, 3) == 0;
    sim->client_count = sim->config.clients;
    sim->clock = (struct sim_clock){
        .clock = {clock_wall, clock_monotonic}, .wall_us = 1700000000000000, .monotonic_us = 5000000};
    model_init(&sim->model);
}

uint64_t sim_run(struct sim_seed seed, bool print, struct sim_counts *counts)
{
    static struct sim sim; /* large: its trace */
    sim_init(&sim, seed, print, counts);
    running = &sim;
    struct sim_disk *disk = sim_disk_new(random_next(&sim.random), &sim.trace);
    disk->before_call = before_disk_call;
    disk->before_call_context = &sim;
    sim_begin(&sim, disk, CRASH_PROCESS);
    for (sim.step = 0; sim.step < sim.config.steps; sim.step++)
        step(&sim);
    settle(&sim);
    sim_close(&sim);
    sim_drop(&sim);
    running = NULL;
    sim_disk_free(sim.disk);
    sim_child_free(&sim.child);
    model_free(&sim.model);
    counts->runs++;
    counts->steps += (uint64_t)sim.step;
    return sim.trace.hash;
}
