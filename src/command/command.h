/* Commands are data: a family's file ends in a table of these, and dispatch, COMMAND, ACL categories and the
 * tests all read it. */
#ifndef DKV_COMMAND_COMMAND_H
#define DKV_COMMAND_COMMAND_H

#include "base/bytes.h"
#include "resp/parser.h"

struct call;
struct effect_bound;
struct effect_view;
struct latency_histogram;
struct world;

/* Flags as COMMAND INFO names them. */
enum command_flag {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2,
    CMD_ADMIN = 1 << 3,
    CMD_PUBSUB = 1 << 4,
    CMD_NOSCRIPT = 1 << 5,
    CMD_BLOCKING = 1 << 6,
    CMD_LOADING = 1 << 7, /* allowed while loading */
    CMD_STALE = 1 << 8,
    CMD_SKIP_MONITOR = 1 << 9,
    CMD_SKIP_SLOWLOG = 1 << 10,
    CMD_ASKING = 1 << 11,
    CMD_FAST = 1 << 12,
    CMD_NO_AUTH = 1 << 13, /* allowed before AUTH */
    CMD_MAY_REPLICATE = 1 << 14,
    CMD_SENTINEL = 1 << 15,
    CMD_ONLY_SENTINEL = 1 << 16,
    CMD_NO_MANDATORY_KEYS = 1 << 17,
    CMD_PROTECTED = 1 << 18,
    CMD_MOVABLEKEYS = 1 << 19,
    CMD_ALLOW_BUSY = 1 << 20,
    CMD_NO_MULTI = 1 << 21,
    CMD_NO_ASYNC_LOADING = 1 << 22,
    CMD_TOUCHES_ARBITRARY_KEYS = 1 << 23,
};

/* What the server itself has to know of a command beyond its flags; no client is told. No code compares the
 * names of commands: what sets one apart is a trait. */
enum command_trait {
    TRAIT_STORES_VALUES = 1 << 0, /* its arguments but keys become values as they are, or nothing */
    TRAIT_KEEPS_VALUES = 1 << 1,  /* never looks at the bytes of values */
    TRAIT_STREAM_ONLY = 1 << 12,  /* the log has it; to clients there is no such command */
    TRAIT_READS_ALL = 1 << 2, /* tells of keys that it does not name: its reply waits for the whole stream */

    /* Names parts of values, which may have expired: those it deletes first, in an effect of its own. */
    TRAIT_NAMES_PARTS = 1 << 13,

    /* Transactions. */
    TRAIT_RUNS_QUEUE = 1 << 3,   /* does what the queued commands do (EXEC) */
    TRAIT_INSIDE_MULTI = 1 << 4, /* between MULTI and EXEC it runs at once instead of being queued */
    TRAIT_ENDS_MULTI = 1 << 5,   /* ends a transaction, so that its memory is free */
    TRAIT_UNIT_BRACKET = 1 << 6, /* in the stream it begins or ends a unit, and changes nothing */

    /* Messages. */
    TRAIT_FOR_SUBSCRIBERS = 1 << 7, /* a subscriber's under RESP2, where replies look like messages */
    TRAIT_TO_CHANNEL = 1 << 8,      /* argument 1 is a channel, */
    TRAIT_TO_CHANNELS = 1 << 9,     /* all arguments are, */
    TRAIT_TO_PATTERNS = 1 << 10,    /* or are patterns of channels: a user needs permission for them */
    TRAIT_KEEPS_CACHING = 1 << 11,  /* a container whose commands do not use up CLIENT CACHING */
};

/* ACL categories that do not follow from flags. write, read, admin, dangerous (from admin), fast, slow,
 * pubsub and blocking follow from flags. */
enum command_category {
    CAT_KEYSPACE = 1 << 0,
    CAT_STRING = 1 << 1,
    CAT_CONNECTION = 1 << 2,
    CAT_TRANSACTION = 1 << 3,
    CAT_DANGEROUS = 1 << 4,
    CAT_BITMAP = 1 << 5,
    CAT_HYPERLOGLOG = 1 << 6,
    CAT_SCRIPTING = 1 << 7,
    CAT_LIST = 1 << 8,
    CAT_SET = 1 << 9,
    CAT_SORTEDSET = 1 << 10,
    CAT_HASH = 1 << 11,
    CAT_STREAM = 1 << 12,
    CAT_GEO = 1 << 13,
    CAT_ADMIN = 1 << 14,
};

/* What a command does to a key, as COMMAND INFO's key specifications name it. */
enum key_flag {
    KEY_RO = 1 << 0,     /* reads the value, changes nothing */
    KEY_RW = 1 << 1,     /* reads and changes */
    KEY_OW = 1 << 2,     /* overwrites */
    KEY_RM = 1 << 3,     /* deletes */
    KEY_ACCESS = 1 << 4, /* user data is returned, copied or changes what is returned */
    KEY_UPDATE = 1 << 5,
    KEY_INSERT = 1 << 6,
    KEY_DELETE = 1 << 7,
    KEY_NOT_KEY = 1 << 8,
    KEY_INCOMPLETE = 1 << 9,
    KEY_VARIABLE_FLAGS = 1 << 10,
};

/* Where the search for keys begins. */
enum key_begin {
    KEY_BEGIN_INDEX,   /* at argument `index` */
    KEY_BEGIN_KEYWORD, /* behind the word `keyword`, sought from argument `index` on to the end; where index
                        * is negative, from that place before the end, -1 the last, to the front */
    KEY_BEGIN_UNKNOWN
};

/* How keys are found from there. */
enum key_find {
    KEY_FIND_RANGE, /* every step-th argument up to the last-th behind the first; a negative last counts from
                     * the end, -1 is the last argument. limit above 1: of those the first limit-th part only
                     */
    KEY_FIND_COUNT, /* the argument count_at behind the begin says how many there are; the first is the
                     * first-th behind the begin, and the others follow every step */
    KEY_FIND_UNKNOWN
};

/* A key specification as Redis 7 has them (COMMAND INFO). One without flags ends the list. The first field is
 * a pointer, so that no list of numbers passes for one. */
struct key_spec {
    const char *keyword;
    unsigned char begin; /* key_begin */
    unsigned char find;  /* key_find */
    short index;
    short last;
    short step;
    short limit;
    short count_at;
    short first;
    unsigned flags; /* key_flag */
};

/* The ways in which most are stated: one key; all arguments from one on; every step-th of these; as many as
 * argument i says, right behind it; and those that only the row's find_keys finds. */
#define KEY_AT(i, key_flags)                          \
    {                                                 \
        .index = (i), .step = 1, .flags = (key_flags) \
    }
#define KEYS_FROM(i, key_flags)                                   \
    {                                                             \
        .index = (i), .last = -1, .step = 1, .flags = (key_flags) \
    }
#define KEYS_EVERY(i, each, key_flags)                                 \
    {                                                                  \
        .index = (i), .last = -1, .step = (each), .flags = (key_flags) \
    }
#define KEYS_COUNTED(i, key_flags)                                                        \
    {                                                                                     \
        .find = KEY_FIND_COUNT, .index = (i), .first = 1, .step = 1, .flags = (key_flags) \
    }
#define KEYS_UNKNOWN(key_flags)                                                    \
    {                                                                              \
        .begin = KEY_BEGIN_UNKNOWN, .find = KEY_FIND_UNKNOWN, .flags = (key_flags) \
    }

#define KEY_SPECS_MAX 3

/* Is told the index of an argument that is a key, and its key_flags. */
typedef void command_key_visit(void *context, int index, unsigned key_flags);
typedef void command_function(struct call *call);

struct command {
    const char *name; /* lower case; a subcommand's own name without its parent's */
    int arity;        /* argument count with the name; negative: at least */
    unsigned flags;   /* command_flag */
    unsigned traits;  /* command_trait */
    unsigned categories;
    struct key_spec keys[KEY_SPECS_MAX];
    /* Finds all keys, where the specifications do not say all (KEY_INCOMPLETE, unknown searches); NULL: they
     * do.
     */
    void (*find_keys)(int argc, const struct slice *argv, command_key_visit *visit, void *context);
    /* What a call with these arguments does to a key whose flags vary (KEY_VARIABLE_FLAGS), of the most that
     * it may do. NULL: always that. */
    unsigned (*vary_key_flags)(int argc, const struct slice *argv, unsigned key_flags);
    /* The argument that names the first part of the key's value (a field) that is looked at; 0: none. For
     * looking ahead in pipelines only. */
    unsigned char part;
    command_function *function; /* NULL for a container that needs a subcommand */
    unsigned effect_extra;      /* bytes, at most, that its effects have beyond those of its arguments */
    /* Adds what they may have beyond these by what the command would find now (effect.h); NULL: nothing. */
    void (*effect_bound)(const struct effect_view *view, struct effect_bound *bound);
    const char *arguments; /* as syntax.h has it; NULL: none */
    const char *group;     /* as COMMAND DOCS names it: "string" */
    const char *since;
    const char *history;    /* lines of a version and what came with it; NULL: none */
    const char *deprecated; /* since when, and what to use instead; NULL: it is not */
    bool internal;          /* for those who work on the server */
    const char *complexity;
    const char *summary;
    const char *const *tips; /* NULL-terminated; NULL: none */
    const struct command *subcommands;
    size_t subcommand_count;
};

/* What is counted about a command while the server runs. */
struct command_stats {
    uint64_t calls;
    uint64_t ticks;                      /* time taken: world_ticks_to_us */
    uint64_t rejected;                   /* refused before it ran */
    uint64_t failed;                     /* replied with an error */
    struct latency_histogram *histogram; /* latency.h; NULL: nothing was counted */
};

/* A command in the table: static facts, live figures, and its place in the table. */
struct command_entry {
    const struct command *row;
    const struct command_entry *parent; /* NULL: not a subcommand */
    char full_name[48];                 /* "config|get" */
    char *called;                       /* what clients call it instead; "": they cannot; NULL: as it is */
    unsigned id;                        /* its own among commands and subcommands; from 0 on */
    int first_key;                      /* command_first_key of the row: it is asked for in every call */
    struct command_stats stats;
    struct command_entry *children; /* subcommand_count of them */
};

struct command_table;

struct command_table *command_table_new(void);
void command_table_free(struct command_table *table);
/* Adds a family. rows stay the caller's (static). Names must be new. */
void command_table_add(struct command_table *table, const struct command *rows, size_t count);
/* By name in any case; NULL when unknown. This is the name that the log knows, whatever clients call it. */
struct command_entry *command_table_find(const struct command_table *table, struct slice name);
/* The same by what clients call it. */
struct command_entry *command_table_find_called(const struct command_table *table, struct slice name);
/* Lets clients call it by another name only, in any case, or with an empty one not at all (rename-command).
 * NULL, or why that cannot be. */
const char *command_table_rename(struct command_table *table, struct slice from, struct slice to);
/* A container's subcommand; NULL when unknown. */
struct command_entry *command_entry_child(const struct command_entry *entry, struct slice name);
/* By "name" or "name|sub". */
struct command_entry *command_table_lookup(const struct command_table *table, struct slice full_name);
/* The same with the name that clients use. */
struct command_entry *command_table_lookup_called(const struct command_table *table, struct slice full_name);
/* Of those that clients can call. */
size_t command_table_count(const struct command_table *table);
/* With those that they cannot: the log and HTTP can. */
size_t command_table_count_all(const struct command_table *table);
/* index in [0, count), in order of registration; behind these, up to count_all, the others. */
struct command_entry *command_table_at(const struct command_table *table, size_t index);
void command_table_reset_stats(struct command_table *table);

/* ACL categories by number, as they are told: the name without @; NULL behind the last. */
const char *command_category_name(size_t category);
#define COMMAND_CATEGORY_NAME_MAX 16 /* bytes of a name, with its NUL */
bool command_in_category(const struct command *command, size_t category);

/* Whether argc fits the arity. */
static inline bool command_arity_fits(const struct command *command, int argc)
{
    return command->arity >= 0 ? argc == command->arity : argc >= -command->arity;
}

/* The index of its first key where that is the same in every call; 0: there is none, or it has to be found.
 */
static inline int command_first_key(const struct command *command)
{
    const struct key_spec *spec = &command->keys[0];
    return (spec->begin | spec->find) == 0 ? spec->index : 0;
}

/* Whether any argument can be a key: what is KEY_NOT_KEY is none. */
static inline bool command_has_keys(const struct command *command)
{
    return command->keys[0].flags & ~(unsigned)KEY_NOT_KEY;
}

/* Calls visit with the index of every argument that is a key, in order. False when the arguments do not fit
 * the specifications (a count of keys that is none, or more than there are): those keys are not told. */
bool command_each_key(const struct command *command, int argc, const struct slice *argv,
                      command_key_visit *visit, void *context);
/* What this very call does to a key whose command has these key_flags, some of which may depend on arguments.
 */
unsigned command_key_flags_as_called(const struct command *command, int argc, const struct slice *argv,
                                     unsigned key_flags);

#endif
