/* The beginnings and ends of processes. */
#include <stdio.h>

#include "base/memory.h"
#include "command/evict.h"
#include "command/world.h"
#include "journal/journal_private.h"
#include "sim.h"

/* Tries to begin a life before it is a failure not to succeed. */
#define BEGIN_TRIES 20

/* Of what is unused in the folder, what is beside a share of what is in use: segments; what was executed and
 * replaced before it was written; and bytes: a value or two. */
#define UNUSED_SHARE    3
#define UNUSED_SEGMENTS 4
#define UNUSED_UNSYNCED 2
#define UNUSED_ENOUGH   (1 << 20)
/* What has expired may still be there for so long. */
#define EXPIRED_ENOUGH_MS 1100
/* Spares that a folder may hold: more would be a leak. */
#define SPARES_ENOUGH 16

/* --- beginning --------------------------------------------------------------------------------------------
 */

static void woken(void *context)
{
    ((struct sim *)context)->woken = true;
}

static void ignore(void *context)
{
    (void)context;
}

static struct engine_options options_of(struct sim *sim, struct sim_life *life, struct random *random,
                                        bool is_main)
{
    const struct sim_config *config = &sim->config;
    uint64_t world_seed = random_next(random);
    uint64_t journal_seed = random_next(random);
    static const enum value_load loads[] = {VALUE_LOAD_START, VALUE_LOAD_BACKGROUND, VALUE_LOAD_FIRST_USE};
    enum value_load load = loads[random_below(random, 3)];
    life->reads_values = load == VALUE_LOAD_START;
    return (struct engine_options){
        .world =
            {.clock = &sim->clock.clock,
             .databases = MODEL_DATABASES,
             .random_seed = world_seed,
             .settings = {.bulk_max = 512 << 20,
                          .query_max = 1 << 30,
                          .value_file_threshold = config->value_threshold,
                          /* Small, and another one in each life: what is repeated does not hang on it. */
                          .hll_sparse_max = world_seed % 100,
                          .hash_entries_max = 2 + world_seed / 100 % 20,
                          .hash_value_max = 8 + world_seed / 3000 % 80,
                          .dump_compressed = false,
                          .notify = config->notify,
                          .maxmemory = config->maxmemory,
                          .evict_policy = config->evict_policy,
                          .clock_follows = config->follows && random_below(random, 2),
                          .evict_samples = 5,
                          .evict_tenacity = 10,
                          .evict_lazy = config->frees_beside,
                          .lfu_log_factor = 10,
                          .lfu_decay_minutes = 1}},
        .journal = {.disk = &life->disk->disk,
                    .folder = "sim",
                    .policy = config->policy,
                    .segment_size = config->segment_size,
                    .unsynced_max = config->unsynced_max,
                    .history_bases = config->history_bases,
                    .history_seconds = config->history_seconds,
                    .value_load = load,
                    .random_seed = journal_seed,
                    .wake = is_main ? woken : ignore,
                    .wake_context = sim},
        .triggers = config->triggers,
        .background_free = is_main && config->frees_beside,
        .host = sim_child_host(life->child)};
}

/* What counts against maxmemory: what depends on nothing but the keys, so that a seed means the same under
 * every allocator. */
static size_t memory_of_store(const struct world *world)
{
    size_t total = 0;
    for (int i = 0; i < store_database_count(world->store); i++) {
        const struct database *db = store_database(world->store, i);
        total += database_payload(db) + database_size(db) * 16;
    }
    return total + evict_memory_not_counted(world);
}

static enum life_result not_begun(struct sim *sim, struct sim_life *life)
{
    if (life->engine)
        engine_abandon(life->engine);
    life->engine = NULL;
    sim_child_kill(life->child);
    bool crashed = life->disk->dead;
    if (!life->is_second)
        sim_disk_process_ended(life->disk);
    trace_line(&sim->trace, "life: %s", crashed ? "crashed before it began" : life->error.text);
    return crashed ? LIFE_CRASHED : LIFE_REFUSED;
}

/* A client that comes while the log is being read gets no data. */
static void ask_while_loading(struct sim *sim, struct sim_life *life)
{
    struct world *world = engine_world(life->engine);
    struct output output = {0};
    struct session *session = session_new(world, &output, NULL);
    const struct slice argv[] = {SLICE_LITERAL("GET"), model_key_name(0)};
    const struct request request = {.argc = 2, .argv = argv};
    const struct request *requests[] = {&request};
    struct prepared prepared;
    struct iovec reply;
    dispatch_prepare(world, session, requests, &prepared, 1);
    dispatch(world, session, &request, &prepared);
    if (output_vectors(&output, UINT64_MAX, &reply, 1) != 1 || reply.iov_len < 8 ||
        memcmp(reply.iov_base, "-LOADING", 8) != 0)
        sim_fail(sim, "a client was answered before recovery was done");
    session_free(session);
    output_free(&output);
}

enum life_result sim_life_begin(struct sim *sim, struct sim_life *life, struct sim_disk *disk,
                                struct sim_child *child)
{
    bool is_main = child == &sim->child;
    struct random *random = is_main ? &sim->random : &sim->probe_random;
    *life = (struct sim_life){.disk = disk, .child = child, .is_second = disk->locked};
    child->disk = disk;
    child->fork_fails = sim->config.fork_fails;
    struct engine_options options = options_of(sim, life, random, is_main);
    life->engine = engine_open(&options, &life->error);
    if (!life->engine)
        return not_begun(sim, life);
    engine_world(life->engine)->memory_used = memory_of_store;
    /* Whether a thread has freed something yet, a seed cannot decide. */
    engine_world(life->engine)->free_later_bytes = NULL;
    if (random_below(random, 16) == 0)
        ask_while_loading(sim, life);
    enum recover_result result;
    do
        result = engine_recover_step(life->engine, 1 + random_below(random, 100000), &life->error);
    while (result == RECOVER_MORE);
    if (result == RECOVER_FAILED || !engine_start(life->engine, &life->error))
        return not_begun(sim, life);
    struct engine_stats stats;
    engine_stats_read(life->engine, &stats);
    life->progress = stats.recovery;
    life->lsn = journal_executed(engine_world(life->engine)->journal);
    trace_line(&sim->trace, "life: begun at LSN %llu, torn %llu bytes, policy %d",
               (unsigned long long)life->lsn, (unsigned long long)life->progress.torn_bytes,
               (int)sim->config.policy);
    return LIFE_BEGUN;
}

/* --- judging ----------------------------------------------------------------------------------------------
 */

/* Whether MANIFEST's text has a line that names the file. */
static bool manifest_names(struct slice manifest, const char *name)
{
    unsigned long long number;
    char word[16] = "";
    if (sscanf(name, "log-%20llu.dkv", &number) == 1)
        snprintf(word, sizeof(word), "segment");
    else if (sscanf(name, "base-%20llu.dkv", &number) != 1 || strstr(name, ".tmp"))
        return false;
    char *text = slice_to_cstring(manifest);
    bool found = false;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line && !found; line = strsep(&rest, "\n")) {
        char kind[16];
        unsigned long long lsn;
        unsigned long long bytes = 1;
        if (sscanf(line, "%15s %llu %llu", kind, &lsn, &bytes) < 2 || lsn != number)
            continue;
        found = word[0] ? strcmp(kind, word) == 0
                        : (strcmp(kind, "base") == 0 || strcmp(kind, "history") == 0) && bytes > 0;
    }
    mem_free(text);
    return found;
}

void sim_check_folder(struct sim *sim, const struct sim_disk *disk, struct journal *journal)
{
    struct slice manifest = sim_disk_content(disk, "MANIFEST");
    if (!manifest.data)
        sim_fail(sim, "there is no MANIFEST");
    int spares = 0;
    for (size_t i = 0; i < disk->name_count; i++) {
        const char *name = disk->names[i].name;
        bool expected =
            strcmp(name, "LOCK") == 0 || strcmp(name, "MANIFEST") == 0 || strncmp(name, "spare-", 6) == 0;
        expected |= strncmp(name, "value-", 6) == 0; /* sim_check_values looks at those */
        spares += strncmp(name, "spare-", 6) == 0 && !remover_has(journal, name);
        if (!expected && !manifest_names(manifest, name) && !remover_has(journal, name))
            sim_fail(sim, "the folder holds %s, which MANIFEST does not name", name);
    }
    if (spares > SPARES_ENOUGH)
        sim_fail(sim, "the folder holds %d spares", spares);
}

/* History and all. */
static uint64_t bytes_in_use(const struct sim *sim, uint64_t unused)
{
    uint64_t used = sim_disk_used(sim->disk);
    return used > unused ? used - unused : 0;
}

void sim_note_use(struct sim *sim)
{
    uint64_t in_use = bytes_in_use(sim, values_unused_bytes(sim->disk, sim->journal));
    if (in_use > sim->most_in_use)
        sim->most_in_use = in_use;
}

/* However little the remover gets to do: what is unused is at most a few times what was in use since there
 * was little of it, which a rewrite or FLUSHALL may just have let go. */
void sim_check_bound(struct sim *sim)
{
    uint64_t unused = values_unused_bytes(sim->disk, sim->journal);
    uint64_t in_use = bytes_in_use(sim, unused);
    uint64_t some = UNUSED_SEGMENTS * sim->config.segment_size + UNUSED_UNSYNCED * sim->config.unsynced_max;
    if (some > sim->some_unused)
        sim->some_unused = some;
    uint64_t little = sim->some_unused + UNUSED_ENOUGH;
    if (unused <= little || in_use > sim->most_in_use)
        sim->most_in_use = in_use;
    if (unused > sim->counts->most_unused)
        sim->counts->most_unused = unused;
    if (unused > UNUSED_SHARE * sim->most_in_use + little && sim->disk->faults_injected == 0)
        sim_fail(sim, "%llu bytes in the folder are unused, and no more than %llu were in use",
                 (unsigned long long)unused, (unsigned long long)sim->most_in_use);
}

void sim_check_values(struct sim *sim, bool exactly)
{
    char name[SIM_NAME_SIZE];
    if (!values_folder_is_right(sim->disk, sim->world->store, sim->journal, exactly, name))
        sim_fail(sim, "%s %s", name,
                 sim_disk_content(sim->disk, name).data ? "is there, and nobody needs it"
                                                        : "is missing, and a key needs it");
}

void sim_life_check(struct sim *sim, const struct sim_life *life, lsn_t must_survive)
{
    struct world *world = engine_world(life->engine);
    unsigned long long lsn = life->lsn;
    uint64_t expected;
    if (life->lsn < must_survive)
        sim_fail(sim, "recovered to LSN %llu, but what clients were told must last up to LSN %llu", lsn,
                 (unsigned long long)must_survive);
    if (!model_state_at(&sim->model, life->lsn, &expected))
        sim_fail(sim, "recovered to LSN %llu, which is not the end of any unit", lsn);
    uint64_t found = model_digest(life->disk, world->store);
    if (found != expected) {
        struct buffer text = {0};
        model_describe(&sim->model, life->disk, world->store, life->lsn, &text);
        sim_fail(sim, "recovered to LSN %llu, but the state is another:%s", lsn, text.data);
    }
    if (journal_durable(world->journal) != life->lsn)
        sim_fail(sim, "recovered to LSN %llu, of which only %llu is said to be durable", lsn,
                 (unsigned long long)journal_durable(world->journal));
    if (!life->may_leave)
        sim_check_folder(sim, life->disk, world->journal);
    world_refresh_time(world);
    if (!life->is_harmed)
        sim_check_gone(sim, world, life->after_power);
    sim->counts->recoveries++;
}

void sim_check_record(struct sim *sim, lsn_t lsn)
{
    struct sim_disk *after = sim_disk_crash(sim->disk, CRASH_POWER, &sim->probe_random);
    lsn_t named = sim_promise_on_record(after);
    sim_disk_free(after);
    if (named < lsn)
        sim_fail(sim,
                 "at rest, it is durable to LSN %llu, but only LSN %llu is on record: damage could pass for "
                 "a torn tail",
                 (unsigned long long)lsn, (unsigned long long)named);
}

void sim_check_gone(struct sim *sim, struct world *world, bool after_power)
{
    struct model_place place;
    int64_t shown_ms = after_power ? sim->model.time_power_ms : sim->model.time_ms;
    if (model_finds_again(&sim->model, world->store, world->now_ms, after_power, &place)) {
        char part[32] = "";
        if (place.part >= 0)
            snprintf(part, sizeof(part), "part %d of ", place.part);
        sim_fail(sim, "%skey %d of database %d was shown as gone, and at %lld ms it is there again", part,
                 place.key, place.database, (long long)world->now_ms);
    }
    /* Where time may follow a clock that was set back, what was gone stays so all the same. */
    if (!sim->config.follows && world->now_ms < shown_ms)
        sim_fail(sim, "time as commands see it is %lld ms, but a client was shown that it was %lld ms",
                 (long long)world->now_ms, (long long)shown_ms);
}

void sim_check_expired(struct sim *sim)
{
    struct model_place place;
    if (model_finds_expired(sim->disk, sim->world->store, sim->world->now_ms - EXPIRED_ENOUGH_MS, &place))
        sim_fail(sim, "part %d of key %d of database %d has expired more than %d ms ago and is still there",
                 place.part, place.key, place.database, EXPIRED_ENOUGH_MS);
}

void sim_turn_clock(struct sim *sim, struct random *random)
{
    static const int64_t scales_ms[] = {10, 1000, 10000, 10000, 200000000, INT64_C(31536000000)};
    int64_t ms = (int64_t)random_below(random, (uint64_t)scales_ms[random_below(random, 6)]);
    if (random_below(random, 2))
        ms = -ms;
    sim->clock.wall_us += ms * 1000;
    trace_line(&sim->trace, "clock: jumps by %lld ms", (long long)ms);
}

lsn_t sim_must_survive(struct sim *sim, enum crash_kind kind)
{
    int64_t now_us = sim->failed_at_us ? sim->failed_at_us : sim_disk_time(sim);
    model_second_passed(&sim->model, now_us - 1000000);
    return kind == CRASH_POWER || sim->lost_power ? sim->model.must_survive_power
                                                  : sim->model.must_survive_process;
}

/* --- the main engine's lives
 * -------------------------------------------------------------------------------- */

static enum crash_kind some_crash(struct sim *sim)
{
    return random_below(&sim->random, 2) ? CRASH_POWER : CRASH_PROCESS;
}

/* Replaces the disk by what a crash makes of it. */
static struct sim_disk *disk_crashes(struct sim *sim, struct sim_disk *disk, enum crash_kind kind)
{
    trace_line(&sim->trace, "crash: %s", kind == CRASH_POWER ? "power failure" : "process");
    if (random_below(&sim->random, 4))
        disk->faults = (struct sim_faults){0};
    struct sim_disk *after = sim_disk_crash(disk, kind, &sim->random);
    sim->counts->crash_points++;
    if (kind == CRASH_POWER || disk->read_only) {
        sim->lost_power = true;
        sim->counts->power_failures++;
    }
    sim->closed_well &= !disk->dead;
    after->before_call = disk->before_call;
    after->before_call_context = disk->before_call_context;
    sim_disk_free(disk);
    return after;
}

/* After a refusal: it has to have a reason outside, which then goes away. */
static struct sim_disk *after_refusal(struct sim *sim, struct sim_disk *disk, const struct sim_life *life,
                                      uint64_t reasons_before)
{
    if (disk->faults_injected + disk->full_hits == reasons_before && !disk->read_only)
        sim_fail(sim, "an undamaged folder was refused: %s", life->error.text);
    disk->faults = (struct sim_faults){0};
    sim_disk_unlimit(disk);
    return disk->read_only ? disk_crashes(sim, disk, CRASH_POWER) : disk;
}

static void take_over(struct sim *sim, const struct sim_life *life)
{
    model_recovered(&sim->model, life->disk, engine_world(life->engine)->store, life->lsn);
    sim->lives++;
    sim->lost_power = sim->closed_well = false;
    sim->disk = life->disk;
    sim->engine = life->engine;
    sim->world = engine_world(life->engine);
    sim->journal = sim->world->journal;
    sim->woken = true;
    sim->expires_actively = !sim->config.keeps_expired;
    engine_set_active_expire(sim->engine, sim->expires_actively);
    sim->written_count = 0;
    sim->failed_at_us = 0;
    sim->file_max_fell = false;
    /* What the last life left may have been in use in it. */
    sim->most_in_use = sim_disk_used(sim->disk);
    sim->slow.state = SLOW_NOT;
    sim->slow.is_seen = false;
    sim->disk->crash_at = 0;
    const char *lacks = workload_lacks(sim->world->commands);
    if (lacks)
        sim_fail(sim, "the workload never says %s: give it a line in lines_*.c", lacks);
    for (int i = 0; i < sim->client_count; i++)
        client_connect(sim, &sim->clients[i], i);
}

void sim_begin(struct sim *sim, struct sim_disk *disk, enum crash_kind kind)
{
    sim->lost_power |= kind == CRASH_POWER;
    sim->disk = disk;
    struct sim_life life;
    for (int tries = 0; tries < BEGIN_TRIES; tries++) {
        if (tries < 4 && random_below(&sim->random, 4) == 0)
            sim_disk_crash_after(disk, random_below(&sim->random, 12));
        uint64_t reasons = disk->faults_injected + disk->full_hits;
        enum life_result result = sim_life_begin(sim, &life, disk, &sim->child);
        life.may_leave = disk->faults_injected + disk->full_hits > reasons;
        life.after_power = sim->lost_power;
        if (result == LIFE_BEGUN) {
            if (sim->lost_power)
                model_forget_gone(&sim->model);
            sim_life_check(sim, &life, sim_must_survive(sim, CRASH_PROCESS));
            if (sim->closed_well && life.progress.torn_bytes > 0)
                sim_fail(sim, "after a clean end, %llu bytes were taken for a torn tail",
                         (unsigned long long)life.progress.torn_bytes);
            take_over(sim, &life);
            return;
        }
        if (result == LIFE_CRASHED)
            disk = disk_crashes(sim, disk, some_crash(sim));
        else
            disk = after_refusal(sim, disk, &life, reasons);
        sim->disk = disk;
    }
    sim_fail(sim, "no life begins");
}

void sim_drop(struct sim *sim)
{
    for (int i = 0; i < sim->client_count; i++)
        client_disconnect(&sim->clients[i]);
    uint64_t calls = sim->disk->calls;
    if (sim->engine)
        engine_abandon(sim->engine);
    sim->engine = NULL;
    sim->world = NULL;
    sim->journal = NULL;
    sim_child_kill(&sim->child);
    if (sim->disk->calls != calls)
        sim_fail(sim, "an abandoned engine still wrote to the disk");
    sim_disk_process_ended(sim->disk);
}

/* Time while nothing runs, in which no promise of a second runs out. */
static void down_time(struct sim *sim)
{
    model_forget_everysec(&sim->model);
    int64_t ms = (int64_t)random_below(&sim->random, random_below(&sim->random, 4) ? 100 : 20000);
    sim->clock.monotonic_us += ms * 1000;
    sim->clock.wall_us += ms * 1000;
    if (random_below(&sim->random, 4) == 0)
        sim_turn_clock(sim, &sim->random);
}

void sim_crash(struct sim *sim, enum crash_kind kind)
{
    sim_must_survive(sim, kind);
    sim_drop(sim);
    sim->disk->crash_at = 0;
    struct sim_disk *after = disk_crashes(sim, sim->disk, kind);
    down_time(sim);
    sim_begin(sim, after, kind);
}

void sim_close(struct sim *sim)
{
    sim_must_survive(sim, CRASH_PROCESS);
    for (int i = 0; i < sim->client_count; i++)
        client_disconnect(&sim->clients[i]);
    lsn_t executed = journal_executed(sim->journal);
    uint64_t reasons = sim->disk->faults_injected + sim->disk->full_hits;
    struct engine *engine = sim->engine;
    sim->engine = NULL;
    if (random_below(&sim->random, 3) == 0)
        sim_disk_crash_after(sim->disk, random_below(&sim->random, 12));
    bool ok = engine_close(engine);
    sim->world = NULL;
    sim->journal = NULL;
    trace_line(&sim->trace, "closed %s at LSN %llu", ok ? "well" : "badly", (unsigned long long)executed);
    if (!ok && !sim->disk->dead && !sim->failed_at_us && !sim->disk->read_only &&
        sim->disk->faults_injected + sim->disk->full_hits == reasons)
        sim_fail(sim, "the engine says it closed badly, though nothing failed");
    sim_child_kill(&sim->child);
    sim_disk_process_ended(sim->disk);
    /* A disk that is merely full loses nothing: what was admitted had its room. But no room is set aside for
     * large values, and what is set aside within a file is out of reach where files may not be that long any
     * more: then, what was not acknowledged may be lost. */
    bool had_room = !sim->config.has_values && !sim->file_max_fell;
    if (ok || (had_room && !sim->disk->dead && !sim->failed_at_us && sim->disk->faults_injected == 0))
        model_promise_power(&sim->model, executed);
    if (ok && !sim->disk->dead && sim->disk->faults_injected + sim->disk->full_hits == 0) {
        sim_check_record(sim, executed);
        sim_cut_probe(sim, sim->disk, executed);
    }
    enum crash_kind kind = some_crash(sim);
    sim->closed_well = ok && sim->disk->faults_injected + sim->disk->full_hits == 0;
    struct sim_disk *after = disk_crashes(sim, sim->disk, kind);
    down_time(sim);
    sim_begin(sim, after, kind);
}
