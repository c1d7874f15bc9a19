/* What must hold, known independently of the journal: every state the store went through, by LSN, and how far
 * each client was promised that things last.
 *
 * The states are digests of the whole keyspace, taken at the end of each unit. What a reader was shown is
 * judged by watching which keys really changed at which unit, not by what the engine believes. */
#ifndef DKV_SIM_MODEL_H
#define DKV_SIM_MODEL_H

#include "journal/journal.h"
#include "sim_disk.h"
#include "store/store.h"
#include "type.h"

#define MODEL_DATABASES 4
#define MODEL_KEYS_MAX  24

struct model_state {
    lsn_t lsn;
    uint64_t digest;
};

/* A write that was acknowledged: when, and when that became possible. */
struct model_acknowledged {
    int64_t time_us;
    int64_t possible_us;
    lsn_t lsn;
};

/* A change of a key, for saying what a state is not that it should be. */
struct model_change {
    lsn_t lsn;
    int16_t database;
    int16_t key;
    uint64_t digest; /* 0: it went */
    size_t text;     /* in texts: what the key is from then on */
};

/* A key, or a part of its value. */
struct model_place {
    int database;
    int key;
    int part; /* -1: the key itself */
};

/* A key or a part that a client was shown as gone because its time had passed. */
struct model_gone {
    int64_t expire_ms; /* 0: none */
    lsn_t version;     /* the unit that had changed it last */
    bool lasts;        /* a power failure, too */
};

struct model {
    struct model_state *states; /* by rising LSN; the first is where the stream began, empty */
    size_t state_count;
    size_t state_capacity;
    uint64_t key_digest[MODEL_DATABASES][MODEL_KEYS_MAX]; /* 0: not there */
    lsn_t key_lsn[MODEL_DATABASES][MODEL_KEYS_MAX];       /* of the unit that changed it last */

    struct model_change *changes; /* by rising LSN, as far as states */
    size_t change_count;
    size_t change_capacity;
    struct buffer texts;

    struct model_gone gone[MODEL_DATABASES][MODEL_KEYS_MAX];
    /* The same of watched parts, of values that have such. */
    bool has_parts[MODEL_DATABASES][MODEL_KEYS_MAX];
    uint64_t part_digest[MODEL_DATABASES][MODEL_KEYS_MAX][MODEL_PARTS_MAX];
    lsn_t part_lsn[MODEL_DATABASES][MODEL_KEYS_MAX][MODEL_PARTS_MAX];
    uint64_t parts_gone[MODEL_DATABASES][MODEL_KEYS_MAX]; /* a bit each */
    struct model_gone part_gone[MODEL_DATABASES][MODEL_KEYS_MAX][MODEL_PARTS_MAX];
    int64_t time_power_ms; /* time as commands see it was shown to have come so far; what lasts, */
    int64_t time_ms;       /* and in this life */

    lsn_t must_survive_power;   /* what was promised to survive a power failure */
    lsn_t must_survive_process; /* and the end of the process alone */
    /* Acknowledged under everysec, oldest first, not yet counted in must_survive_power. */
    struct model_acknowledged *acknowledged;
    size_t acknowledged_first;
    size_t acknowledged_count;
    size_t acknowledged_capacity;
};

/* The keys of the workload: number to name and back. */
struct slice model_key_name(int key);

void model_init(struct model *model);
void model_free(struct model *model);
/* A unit has ended at lsn: looks at the whole store, and on the disk at values that are not read yet. */
void model_unit(struct model *model, const struct sim_disk *disk, struct store *store, lsn_t lsn);
/* The state that was reached at exactly this LSN; false when there was none. */
bool model_state_at(const struct model *model, lsn_t lsn, uint64_t *digest);
/* Digest of a whole store. */
uint64_t model_digest(const struct sim_disk *disk, struct store *store);
/* Says which keys of a store are not as they were at an LSN, and ends the text with a zero. */
void model_describe(const struct model *model, const struct sim_disk *disk, struct store *store, lsn_t lsn,
                    struct buffer *out);
/* The last change of one key, or of any key of a database (key below 0). */
lsn_t model_last_change(const struct model *model, int database, int key);

/* The last change of a part. */
lsn_t model_last_part_change(const struct model *model, const struct model_place *place);

/* A client was shown that a key or a part is gone, as of the unit that had changed it last. */
void model_show_gone(struct model *model, const struct model_place *place, const struct model_gone *gone);
/* Finds one that is there in the store at this time though it was shown as gone; false when there is none.
 * after_power: the power failed since it was shown. */
bool model_finds_again(const struct model *model, struct store *store, int64_t now_ms, bool after_power,
                       struct model_place *place);
/* Finds a key or a part whose time is this one or before it; false when there is none. */
bool model_finds_expired(const struct sim_disk *disk, struct store *store, int64_t time_ms,
                         struct model_place *place);
/* The power failed: what only had to last within the life of the machine is forgotten. */
void model_forget_gone(struct model *model);

/* A client was told what lasts only if everything to lsn lasts. */
void model_promise_power(struct model *model, lsn_t lsn);
void model_promise_process(struct model *model, lsn_t lsn);
/* A write was acknowledged under everysec. */
void model_acknowledge_everysec(struct model *model, const struct model_acknowledged *acknowledged);
/* What was acknowledged before this moment is older than a second: it must be durable. And so must be what
 * could be acknowledged more than a second before something else was: no more than a second's writes may be
 * lost. */
void model_second_passed(struct model *model, int64_t before_us);
/* The promise of a second ends for what it has not reached. */
void model_forget_everysec(struct model *model);

/* The store came back as of lsn, which is durable: what was after it never was. */
void model_recovered(struct model *model, const struct sim_disk *disk, struct store *store, lsn_t lsn);

#endif
