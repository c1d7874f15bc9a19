/* The simulator: a server's life, or several, in one process and one thread, decided by a seed.
 *
 * It does what net/ and server/ do around an engine, and what the operating system does around a process, but
 * one thing after the other, in an order drawn from the seed: clients send and read, the commit thread's work
 * is done in steps, the rewrite's child too, time passes, the machine fails. Where two of them would run at
 * the same time in a real server, one runs within a disk call of the other (run.c). */
#ifndef DKV_SIM_H
#define DKV_SIM_H

#include "client.h"
#include "engine/engine.h"
#include "model.h"
#include "sim_child.h"
#include "sim_disk.h"
#include "trace.h"
#include "values.h"
#include "workload.h"

#define CLIENTS_MAX 20
/* How many of the last moments are known at which the journal told that more was written. */
#define WRITTEN_KEPT 256

struct sim_clock {
    struct clock clock; /* first */
    int64_t wall_us;
    int64_t monotonic_us;
};

/* What a run is like: drawn from its seed (config.c). */
struct sim_config {
    int clients;
    int steps;
    int pipeline_max;
    enum sync_policy policy;
    uint64_t segment_size;
    uint64_t unsynced_max;
    int history_bases;
    int64_t history_seconds;
    uint64_t value_threshold; /* 0: no value gets a file of its own */
    bool has_values;          /* some may have got one, though that has changed */
    struct rewrite_triggers triggers;
    unsigned beside; /* chance that something runs beside a disk call, in 256ths */
    unsigned slow;   /* chance that a disk call is slow, in 256ths */
    unsigned probe;  /* chance of a probe at a disk call, in 256ths */
    bool fails;      /* the disk may fail */
    bool fills;      /* the disk may be full */
    bool changes_policy;
    unsigned notify;    /* keyspace events */
    uint64_t maxmemory; /* as memory_of_store counts; 0: no limit */
    enum evict_policy evict_policy;
    uint64_t capacity;         /* when it fills */
    unsigned fork_fails;       /* in 65536ths */
    bool follows;              /* clock-set-back follow, at times */
    bool keeps_expired;        /* a life begins without active expiry */
    bool frees_beside;         /* what is flushed is freed by a thread */
    unsigned char weights[16]; /* of actions */
};

/* Figures over all runs. */
struct sim_counts {
    uint64_t runs;
    uint64_t steps;
    uint64_t commands;
    uint64_t units;
    uint64_t replies; /* that were judged, messages among them */
    uint64_t messages;
    uint64_t crash_points;
    uint64_t recoveries;
    uint64_t power_failures;
    uint64_t rots;
    uint64_t rots_refused;
    uint64_t rewrites;
    uint64_t disk_errors;
    uint64_t full_disks;
    uint64_t refused; /* writes, for want of space */
    uint64_t evicted; /* keys */
    uint64_t gone;    /* shown as gone while they were still in memory */
    uint64_t slow_calls;
    uint64_t most_unused; /* bytes */
};

/* What the server can know of how slow its disk is (slow.c). */
struct sim_slow {
    enum {
        SLOW_NOT,
        SLOW_SURPRISE, /* a write or sync of the log was, and not all before it is durable yet */
        SLOW_KNOWN
    } state;
    int64_t last_us;     /* when the last slow call ended */
    int64_t left_out_us; /* so far */
    bool is_seen;        /* in the work under way */
    int64_t call_began_us;
    bool call_is_of_log;
    bool call_is_left_out;
};

/* What decides a run. */
struct sim_seed {
    uint64_t number;
    unsigned types; /* of value, a type_bit each; without one, all is as it was before that type was there */
};

struct sim {
    struct sim_seed seed;
    struct sim_config config;
    struct random random;       /* of the run */
    struct random probe_random; /* of what is tried beside it, which must not change it */
    struct trace trace;
    struct sim_clock clock;
    struct sim_counts *counts;
    int step;

    struct sim_disk *disk;
    struct sim_child child;
    struct engine *engine;
    struct world *world;
    struct journal *journal;
    uint64_t lives;
    struct model model;
    struct workload workload;
    struct client clients[CLIENTS_MAX];
    int client_count;

    bool in_work;          /* within the commit thread's work: what runs now runs beside it */
    bool in_load;          /* the same for the thread that reads values */
    bool in_removal;       /* the same for the thread that removes files */
    bool loop_works;       /* it is the loop that does the committer's work: nothing runs beside it */
    int64_t work_began_us; /* when that call began */
    struct sim_slow slow;
    int beside_depth; /* running beside a disk call */
    struct {
        lsn_t lsn;
        int64_t time_us;
    } written[WRITTEN_KEPT];
    size_t written_count; /* ever */
    bool expires_actively;
    bool woken;            /* the journal's wake was called since anybody looked */
    uint64_t policy_epoch; /* changes of the policy so far */
    bool lost_power;       /* between two lives: the power failed */
    bool closed_well;      /* between two lives: the last one ended as it should */
    bool file_max_fell;    /* in this life: space that the log had in a file may be out of reach */
    int64_t failed_at_us;  /* when (sim_disk_time) the journal was first seen failed; 0: it is well */
    uint64_t some_unused;  /* bytes, that may be however little is in use, by the limits so far */
    uint64_t most_in_use;  /* bytes, since there was little that is unused */
    int64_t starved_us;    /* how long work that is due has been left undone */
};

/* Says what was expected and found, with the seed and what led to it, and ends the program. */
_Noreturn void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* run.c: one seed from beginning to end. Returns the trace's hash. */
uint64_t sim_run(struct sim_seed seed, bool print, struct sim_counts *counts);
/* main.c: where log lines go and what is shown when the program ends badly. */
void sim_trace_is(struct trace *trace);

/* config.c */
void sim_config_draw(struct sim_config *config, struct random *random);

/* life.c: a process's beginning, its end, and what comes between. */
struct sim_life {
    struct engine *engine;
    struct sim_disk *disk;
    struct sim_child *child;
    bool is_second;    /* another has the folder */
    bool may_leave;    /* calls failed: files may be left over, until the next beginning */
    bool reads_values; /* before it has begun */
    struct journal_error error;
    struct recover_progress progress;
    lsn_t lsn;        /* recovered to here */
    bool is_harmed;   /* the folder was: promises may be lost, as long as nothing else is */
    bool after_power; /* the power failed since the last promise was made */
};
enum life_result { LIFE_BEGUN, LIFE_REFUSED, LIFE_CRASHED };
/* Opens, recovers and starts an engine on a disk. Unless LIFE_BEGUN nothing is left open. */
enum life_result sim_life_begin(struct sim *sim, struct sim_life *life, struct sim_disk *disk,
                                struct sim_child *child);
/* Holds a life just begun against the model: the state as of its LSN, what had to survive, what is left in
 * the folder. */
void sim_life_check(struct sim *sim, const struct sim_life *life, lsn_t must_survive);
/* Begins the main engine's next life on disk, whatever it takes, and the clients anew. */
void sim_begin(struct sim *sim, struct sim_disk *disk, enum crash_kind kind);
/* Drops clients and engine without another word to the disk. */
void sim_drop(struct sim *sim);
/* The end of the main engine's life: the disk goes on as the crash left it. */
void sim_crash(struct sim *sim, enum crash_kind kind);
void sim_close(struct sim *sim);
/* When everything to an LSN was first told to be written. */
int64_t sim_written_us(const struct sim *sim, lsn_t lsn);
/* Checks that nothing that was shown as gone is there again, at the time that commands see. */
void sim_check_gone(struct sim *sim, struct world *world, bool after_power);
/* At rest: checks that what has expired was deleted by itself, about a second after its time. */
void sim_check_expired(struct sim *sim);
/* Lets the wall clock jump: forward or back, a little or far. */
void sim_turn_clock(struct sim *sim, struct random *random);
/* Checks that a folder holds what its MANIFEST names and what its journal is about to remove, and nothing
 * that somebody would have to clean up. */
void sim_check_folder(struct sim *sim, const struct sim_disk *disk, struct journal *journal);
/* At rest: the value files are those that somebody needs; exactly: those that keys have. */
void sim_check_values(struct sim *sim, bool exactly);
/* Within a step: what is in use now may be given up before the step ends, as space that was reserved. */
void sim_note_use(struct sim *sim);
/* At any time: files that nobody needs take no more than a few times the room of what is in use. */
void sim_check_bound(struct sim *sim);
/* What has to be there after a crash that happens now. */
lsn_t sim_must_survive(struct sim *sim, enum crash_kind kind);

/* slow.c */
/* How long a disk call is to take besides what goes on beside it: mostly 0. */
void sim_slow_draw(struct sim *sim, int64_t *us);
/* Around the time that a call of the commit thread's takes, and at the end of its work. */
void sim_call_begins(struct sim *sim, enum sim_op op, const char *name);
void sim_call_goes_on(struct sim *sim, enum sim_op op);
void sim_work_ended(struct sim *sim);
/* Time as the promise of a second counts it. */
int64_t sim_disk_time(const struct sim *sim);

/* probe.c: what a crash at this moment would lead to, tried on a copy. */
void sim_probe(struct sim *sim);

/* rot.c: an independent reading of a folder's frames, and what recovery has to say when one of its bytes is
 * wrong, or one of its files lost its end. */
void sim_rot_probe(struct sim *sim, const struct sim_disk *disk);
/* The same for the end of the last file after a clean stop at an LSN: whatever of it is lost is missed. */
void sim_cut_probe(struct sim *sim, const struct sim_disk *disk, lsn_t lsn);
/* The highest LSN that a folder says is durable: damage below is told from a torn tail. */
lsn_t sim_promise_on_record(const struct sim_disk *disk);
/* Checks that a power failure leaves it on record that all to this LSN is durable. */
void sim_check_record(struct sim *sim, lsn_t lsn);

/* client.c needs these. */
void sim_round_begin(struct sim *sim);
void sim_round_end(struct sim *sim);

#endif
