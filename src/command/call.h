/* What a command function is given, and the world that all commands act on.
 *
 * A function checks its arguments, replies, changes the store, and for every change says two things: which
 * key changed (call_changed) and which command repeats the change (effect_*). It does no I/O and asks no
 * clock. A function that replies an error has changed nothing. */
#ifndef DKV_COMMAND_CALL_H
#define DKV_COMMAND_CALL_H

#include "base/clock.h"
#include "base/diag.h"
#include "base/number.h"
#include "base/random.h"
#include "command/command.h"
#include "command/session.h"
#include "journal/journal.h"
#include "resp/reply.h"
#include "store/store.h"

/* LSNs of the last change by key hash: a key's slot is hash % KEY_LSN_SLOTS. Two keys that share one only
 * wait for each other for a moment. */
#define KEY_LSN_SLOTS 65536

struct latency_events;
struct pubsub;
struct slowlog;
struct acl;
struct tracking;
struct watch_table;
struct error_stats;

/* maxmemory-policy. */
enum evict_policy {
    EVICT_NONE, /* noeviction */
    EVICT_VOLATILE_LRU,
    EVICT_VOLATILE_LFU,
    EVICT_VOLATILE_RANDOM,
    EVICT_VOLATILE_TTL,
    EVICT_ALLKEYS_LRU,
    EVICT_ALLKEYS_LFU,
    EVICT_ALLKEYS_RANDOM
};

enum debug_access { DEBUG_NO, DEBUG_LOCAL, DEBUG_YES };

/* Classes of keyspace events, and the two kinds of channel they go to (notify-keyspace-events). */
enum notify_class {
    NOTIFY_KEYSPACE = 1 << 0, /* K */
    NOTIFY_KEYEVENT = 1 << 1, /* E */
    NOTIFY_GENERIC = 1 << 2,  /* g */
    NOTIFY_STRING = 1 << 3,   /* $ */
    NOTIFY_LIST = 1 << 4,     /* l */
    NOTIFY_SET = 1 << 5,      /* s */
    NOTIFY_HASH = 1 << 6,     /* h */
    NOTIFY_ZSET = 1 << 7,     /* z */
    NOTIFY_EXPIRED = 1 << 8,  /* x */
    NOTIFY_EVICTED = 1 << 9,  /* e */
    NOTIFY_STREAM = 1 << 10,  /* t */
    NOTIFY_MODULE = 1 << 11,  /* d */
    NOTIFY_MISS = 1 << 12,    /* m */
    NOTIFY_NEW = 1 << 13,     /* n */
    NOTIFY_ALL = NOTIFY_GENERIC | NOTIFY_STRING | NOTIFY_LIST | NOTIFY_SET | NOTIFY_HASH | NOTIFY_ZSET |
                 NOTIFY_EXPIRED | NOTIFY_EVICTED | NOTIFY_STREAM | NOTIFY_MODULE, /* A */
};

/* Limits and switches that commands obey; the configuration writes them. */
struct world_settings {
    uint64_t bulk_max;              /* proto-max-bulk-len: also the largest string */
    uint64_t value_file_threshold;  /* strings from here on get a file of their own; 0: none does */
    uint64_t query_max;             /* client-query-buffer-limit: also the bytes a transaction may queue */
    size_t hll_sparse_max;          /* hll-sparse-max-bytes */
    bool dump_compressed;           /* rdbcompression: DUMP compresses */
    enum debug_access debug_access; /* enable-debug-command */
    unsigned notify;                /* notify_class: which events are published; 0: none */

    uint64_t maxmemory; /* bytes; 0: no limit */
    enum evict_policy evict_policy;
    int64_t evict_samples;  /* maxmemory-samples */
    int64_t evict_tenacity; /* maxmemory-eviction-tenacity */
    bool evict_lazy;        /* evictions go to the stream as UNLINK */
    int64_t lfu_log_factor;
    int64_t lfu_decay_minutes;
    int64_t slowlog_us;       /* slowlog-log-slower-than; below 0: off */
    int64_t slowlog_count;    /* slowlog-max-len */
    int64_t latency_us;       /* latency-monitor-threshold; 0: off */
    size_t tracking_keys_max; /* tracking-table-max-keys; 0: no limit */
    bool latency_tracking;    /* each command's duration is counted in a histogram */
    bool clock_follows;       /* clock-set-back follow */
};

/* What is counted over all commands; INFO and CONFIG RESETSTAT. */
struct world_stats {
    uint64_t commands;
    uint64_t keyspace_hits;
    uint64_t keyspace_misses;
    uint64_t expired;
    uint64_t expire_time_us;
    uint64_t expire_cap_reached;
    uint64_t evicted;
    uint64_t changes; /* since start */
    uint64_t writes;  /* commands that had effects, since start; EXEC is one */
    uint64_t errors;
    uint64_t replies_held; /* that had to wait for an LSN */
    uint64_t writes_refused_full;
    uint64_t auth_failures;
    uint64_t acl_denied_commands;
    uint64_t acl_denied_keys;
    uint64_t acl_denied_channels;
};

/* Time as commands see it (time.c). */
struct world_time {
    struct forward_time forward;
    bool is_held;         /* it stands still for a moment */
    int64_t wall_us;      /* the clock at the last look, */
    int64_t monotonic_us; /* and when that was */
    int64_t use_begin_ms; /* world's use_ms less the steady clock */
    int64_t hidden_ms;    /* the highest time of a key that was hidden because it had passed */
    int64_t on_record_ms; /* the time of the last unit: a recovery to it goes on from there, at least */
    lsn_t on_record_lsn;  /* its end */
    uint64_t steps_back;  /* of the wall clock, of a second or more */
    uint64_t steps_forward;
    int64_t told_us; /* monotonic: when the log last told of one */
};

enum pause_mode { PAUSE_NONE, PAUSE_WRITES, PAUSE_ALL };

/* What an upper floor does for sessions that have an owner. Any of these may be NULL. */
struct session_host {
    /* Something was appended to the session's output outside of its own commands. */
    void (*pushed)(struct session *session);
    /* It has begun, or ceased, to be one that waits for messages: other limits hold for it. */
    void (*subscribed)(struct session *session, bool subscribed);
    /* The client's address as text. */
    void (*peer)(const struct session *session, char out[SESSION_PEER_MAX]);
};

/* What the process takes beside the keyspace, for MEMORY STATS. */
struct memory_parts {
    size_t peak; /* of everything */
    size_t startup;
    size_t clients;
};

struct world {
    struct store *store;
    struct journal *journal;       /* NULL: memory only */
    struct journal *value_journal; /* the same, but there while loading, too: for values that lie in files */
    bool has_unloaded;             /* some of them are not in memory yet */
    struct buffer looked_at;       /* origins of the large values that the command being run looks at */
    struct command_table *commands;
    struct clock *clock;
    struct random random;
    int64_t now_ms;       /* what "now" is to commands, for this round of the loop: never less than before */
    int64_t monotonic_us; /* the same moment on the steady clock */
    int64_t use_ms;       /* the same for times of use and idleness: a time of day that nobody can set */
    struct world_time time;
    bool hides;        /* the command being run has hidden a key because its time has passed */
    bool hiding_waits; /* what may hide a key has to wait: the log has no room to put that on record */
    struct world_settings settings;
    struct world_stats stats;
    struct error_stats *errors; /* by code, for INFO errorstats */
    struct watch_table *watches;
    struct acl *acl;
    bool is_open;             /* everybody is let in without a password: as acl_is_open */
    struct session *sessions; /* first and last of all */
    struct session *sessions_last;
    struct chain_table sessions_by_id;
    size_t session_count;
    uint64_t next_session_id;
    enum pause_mode pause; /* CLIENT PAUSE */
    int64_t pause_end_ms;  /* monotonic */
    struct session_host session_host;
    void *owner;               /* the upper floor's, for its own commands; nothing here looks at it */
    struct session *executing; /* whose command is being run; NULL between commands */
    struct list pushed;        /* sessions that were given something since the last delivery (push.h) */
    struct buffer own_pushes;  /* for the one whose command is being run: they follow its reply */
    struct pubsub *pubsub;
    struct slowlog *slowlog;
    struct tracking *tracking;
    size_t tracking_sessions; /* that are told of changes */
    struct latency_events *latency_events;
    uint64_t slow_ticks;     /* a command that takes so long may be noted (observe.h) */
    uint64_t turn_ticks_max; /* for session_turn_is_long */
    size_t monitor_count;    /* sessions that see all commands */
    bool loading;
    /* While a forked child shares the pages: nothing is written that need not be (LRU times). */
    bool child_active;
    lsn_t *key_lsns;    /* KEY_LSN_SLOTS */
    lsn_t all_keys_lsn; /* of the last change that touched whole databases: every key's reader waits for it */

    /* The unit being built (effect.c). */
    int stream_database; /* selected at the end of the stream; -1: not known, so that a SELECT is due */
    int unit_effects;
    bool unit_open;
    struct buffer *unit_buffer;
    size_t unit_begin; /* in the buffer, behind a SELECT */
    uint64_t changes_since_rewrite;

    /* Memory and its limit (evict.h). */
    struct evictor *evictor;
    bool evict_wanted; /* there may be more to evict: evict_step is due */
    /* Bytes in use; NULL: what the allocator counts. */
    size_t (*memory_used)(const struct world *world);
    /* The upper floor's; NULL: it takes nothing. */
    void (*memory_parts)(const struct world *world, struct memory_parts *parts);

    uint64_t ticks_begin; /* for world_ticks_to_us */
    int64_t ticks_begin_us;

    /* Frees contents beside the loop; NULL: free them at once. free_later_context is the engine's. */
    void (*free_later)(struct world *world, struct database_contents *contents);
    void *free_later_context;
    /* Whether some of it is still to be freed; NULL: never. */
    bool (*free_later_pending)(struct world *world);
};

/* Whether its client has given the password, or needs none. */
static inline bool session_is_authenticated(const struct session *session)
{
    return session->authenticated || session->world->is_open;
}

struct call {
    struct world *world;
    struct session *session;
    struct database *db;
    int argc;
    const struct slice *argv;
    struct slice raw;                 /* size 0: not known in canonical form */
    const struct request_blob *blobs; /* the arguments that came as blobs: call_blob */
    int blob_count;
    uint64_t key_hash; /* of the first key, when the command has one */
    struct reply *reply;
    struct command_entry *command;
    lsn_t wait_lsn; /* the reply is not sent before this is acknowledged; grows */
    /* Arguments that hold secrets, a bit each; the last bit for all from there on. */
    uint64_t redacted;
};

/* Argument index, and for the last bit's sake all far behind it, is a secret: MONITOR and SLOWLOG do not show
 * it. */
static inline void call_redact(struct call *call, int index)
{
    call->redacted |= UINT64_C(1) << (index < 63 ? index : 63);
}

/* An argument as others may see it. */
static inline struct slice call_shown(const struct call *call, int index)
{
    bool secret = call->redacted >> (index < 63 ? index : 63) & 1;
    return secret ? SLICE_LITERAL("(redacted)") : call->argv[index];
}

/* --- looking keys up (each counts hits and misses, and hides what has expired) ------------------------- */

/* Whether no command sees it any more. Whoever asks must not show it, and shows thereby that its time has
 * passed. */
static inline bool world_hides(struct world *world, const struct entry *entry)
{
    int64_t expire_ms = entry_expire_ms(entry);
    if (!expire_has_passed(expire_ms, world->now_ms))
        return false;
    world->hides = true;
    if (expire_ms > world->time.hidden_ms)
        world->time.hidden_ms = expire_ms;
    return true;
}
/* For a command that only reads; updates the time of last use. */
struct entry *lookup_read(struct call *call, struct slice key, uint64_t hash);
/* For a command that reports about a key without using it (TTL, TYPE, OBJECT, EXISTS, DEBUG): no time of last
 * use, no hit or miss where Redis counts none. */
struct entry *lookup_peek(struct call *call, struct slice key, uint64_t hash);
/* For a command about how keys are kept (OBJECT, MEMORY, DEBUG): as lookup_peek, but that the key is not
 * there is no event. */
struct entry *lookup_inspect(struct call *call, struct slice key, uint64_t hash);
/* For a command that will change it: what has expired is deleted first, with its effect. No hit, no miss. */
struct entry *lookup_write(struct call *call, struct slice key, uint64_t hash);
struct entry *lookup_write_in(struct call *call, int database, struct slice key, uint64_t hash);
/* The hash of an argument that is a key: the first key's was computed already. */
uint64_t call_hash(const struct call *call, int index);
/* Replies WRONGTYPE and returns false unless entry is NULL or of this type. */
bool call_check_type(struct call *call, const struct entry *entry, enum value_type type);

/* --- arguments (each replies the error that Redis does, and returns false) ----------------------------- */

/* The blob that an argument was received into, NULL when there is none. It lives as long as the call; whoever
 * keeps it takes a reference. */
static inline struct blob *call_blob(const struct call *call, int index)
{
    return call->blob_count == 0 ? NULL : request_blob_find(call->blobs, call->blob_count, index);
}

/* Replies an argument as a bulk string; a large one is not copied. */
void call_reply_argument(struct call *call, int index);

/* Whether any argument from this index on is one of these words, in any case; NULL ends them. */
bool arguments_have(int argc, const struct slice *argv, int first, const char *const *words);

/* As much of a client's word as errors show, for "%.*s": it is cut at QUOTE_MAX, and at a NUL. */
#define QUOTE_MAX 128
int quote_size(struct slice word);
bool call_int(struct call *call, int index, int64_t *value); /* value is not an integer or out of range */
bool call_int_range(struct call *call, int index, int64_t min, int64_t max, int64_t *value,
                    const char *error);
bool call_long_double(struct call *call, int index, long double *value);
bool call_database_index(struct call *call, int index, int *database, const char *error);
/* A number of milliseconds from now on, as a moment of the steady clock. */
bool call_deadline(struct call *call, int index, int64_t *deadline_ms);
/* Whether there is memory for values of so many bytes, for commands that could not undo what they did. */
bool call_memory(struct call *call, size_t size);
void call_memory_error(struct call *call);
void call_syntax_error(struct call *call);
/* "ERR unknown subcommand or wrong number of arguments for 'x'. Try X HELP." */
void call_subcommand_error(struct call *call);
/* Replies an array of lines as HELP commands do, with the usual header and footer. */
void call_help(struct call *call, const char *const *lines);

/* --- changes ------------------------------------------------------------------------------------------- */

/* A key of the session's database (or of another) was changed, created or deleted: fails its watchers, and
 * makes readers wait until it is durable. Call it for every key, before or after the change, once an effect
 * is certain. */
void call_changed(struct call *call, struct slice key, uint64_t hash);
void call_changed_in(struct call *call, int database, struct slice key, uint64_t hash);
/* A whole database is emptied or replaced: the same for all its keys. Fails the watchers of keys that are
 * there at the moment of the call, so call it before emptying or replacing. */
void call_changed_all(struct call *call, int database);
/* Call it after replacing: fails the watchers of keys that have come. */
void call_came_all(struct call *call, int database);

/* --- events (notify-keyspace-events) ------------------------------------------------------------------- */

/* The classes that letters name; 0 when they name no kind of channel. */
unsigned notify_classes(const char *text);
/* Use one of the next three. */
void notify_publish(struct world *world, int database, const char *event, struct slice key);

/* Something happened to a key. Free while nobody wants to know of that class. */
static inline void world_notify(struct world *world, enum notify_class class, const char *event, int database,
                                struct slice key)
{
    if (__builtin_expect(world->settings.notify & class, 0))
        notify_publish(world, database, event, key);
}

/* Say it once what it tells of is done, named and ordered as Redis does. */
static inline void call_notify_in(struct call *call, enum notify_class class, const char *event, int database,
                                  struct slice key)
{
    if (__builtin_expect(call->world->settings.notify & class, 0) && !call->session->replaying)
        notify_publish(call->world, database, event, key);
}

static inline void call_notify(struct call *call, enum notify_class class, const char *event,
                               struct slice key)
{
    call_notify_in(call, class, event, call->session->database, key);
}

/* --- what takes long ----------------------------------------------------------------------------------- */

/* What latency.c keeps of an event; use world_latency. */
void latency_note(struct world *world, const char *event, int64_t duration_us);

/* Something took so long (a literal names it), which LATENCY tells if that is too long. */
static inline void world_latency(struct world *world, const char *event, int64_t duration_us)
{
    if (world->settings.latency_us > 0 && duration_us >= world->settings.latency_us)
        latency_note(world, event, duration_us);
}

/* --- effects ------------------------------------------------------------------------------------------- */

/* The command as it was given repeats its effect: it depends on no clock, no chance and no floating point. */
void effect_verbatim(struct call *call);
/* Whether an effect of this command has room, for one that is no write by its flags and may do without. */
bool effect_admit(struct call *call);
/* Another command does. database: the one it assumes selected. */
void effect_command(struct call *call, int database, int argc, const struct slice *argv);
/* SET key value [PXAT at] for whatever the entry now holds: for commands whose result is a whole string. */
void effect_set(struct call *call, int database, const struct entry *entry);
/* The words of that SET: fills in argv, which lives as long as the entry and what scratch and digits hold,
 * and returns how many they are. */
int entry_set_command(const struct entry *entry, char scratch[STRING_SCRATCH], char digits[INT64_TEXT_MAX],
                      struct slice argv[5]);
void effect_delete(struct call *call, int database, struct slice key);
/* At least as many bytes as the effects of a command that writes can take in the journal; *value_bytes: in
 * files of large values. */
uint64_t effect_size_max(const struct world *world, const struct command *command, int argc,
                         const struct slice *argv, uint64_t *value_bytes);
/* As effect_command. blobs[i] not NULL: it holds the bytes of argument i, the value of the key that argument
 * i - 1 names, which go to a file of their own. */
void effect_values(struct call *call, int database, int argc, const struct slice *argv,
                   struct blob *const *blobs);
/* Ends the unit that the effects since the last end make up; returns whether there were any. Several commands
 * are wrapped in MULTI and EXEC. */
bool effect_unit_end(struct world *world);
/* After a command that hid keys: what has to be acknowledged before its reply goes, so that they stay hidden.
 * Outside of a unit. */
lsn_t effect_of_hiding(struct world *world);
/* Puts the time of this round on record, if the log has room. Outside of a unit. */
void effect_time(struct world *world);
/* Deletes an entry whose time has passed, outside any command, as a unit of its own. False when the journal
 * cannot take it now: nothing is done then. */
bool world_expire(struct world *world, int database, struct entry *entry);
/* The same for one that is evicted; *freed: the memory that its deletion gave back. */
bool world_evict_entry(struct world *world, int database, struct entry *entry, size_t *freed);
/* Bytes in use, by whatever counts them. */
size_t world_memory_used(const struct world *world);

#endif
