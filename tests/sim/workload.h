/* What clients send: every command and option that writes, and reads of all kinds, over few keys so that they
 * collide. A command is a line of a table (lines_*.c); which lines a run favours is its seed's choice. */
#ifndef DKV_SIM_WORKLOAD_H
#define DKV_SIM_WORKLOAD_H

#include "base/bytes.h"
#include "base/random.h"
#include "command/command.h"
#include "model.h"
#include "type.h"

#define COMMAND_KEYS_MAX 8

enum command_kind {
    COMMAND_PLAIN,
    COMMAND_MULTI,
    COMMAND_EXEC,
    COMMAND_DISCARD,
    COMMAND_WATCH,
    COMMAND_SELECT,
    COMMAND_WAITAOF,
    COMMAND_RESET,
    COMMAND_TELLS_NOTHING, /* its reply says nothing about any key */
};

/* What its reply can tell of: these keys, or all keys of a database. */
struct command_scope {
    int8_t database; /* -1: the session's */
    int8_t key;      /* -1: all of them */
    bool shows;      /* whether they are there, whatever else the reply says */
    uint64_t parts;  /* of which it shows the same, bit by bit */
};

struct sim_command {
    enum command_kind kind;
    bool writes; /* may be refused when the disk is full */
    int select;  /* of COMMAND_SELECT */
    int scope_count;
    struct command_scope scopes[COMMAND_KEYS_MAX];
    char text[48]; /* its beginning, for the trace */
};

struct workload {
    struct random *random;
    unsigned types;   /* of value, a type_bit each */
    int keys;         /* in use: 1 to MODEL_KEYS_MAX */
    unsigned medium;  /* chance of one that may be a large value to the server, in 65536ths */
    unsigned large;   /* chance of a large value, in 65536ths */
    size_t large_max; /* bytes */
    int parts;        /* in use: 1 to MODEL_PARTS_MAX */
    unsigned many;    /* chance of many parts at once, in 256ths */
    size_t line_count;
    unsigned weight_total;
    unsigned char weights[256];
};

/* The name of a command that writes, or reads keys, and that no line says; NULL when all are said. */
const char *workload_lacks(const struct command_table *commands);
void workload_init(struct workload *workload, struct random *random, unsigned types);
/* Appends a command to out, if only_reads one that writes nothing. now_ms is for times that are given as
 * such.
 */
void workload_command(struct workload *workload, int64_t now_ms, bool only_reads, struct buffer *out,
                      struct sim_command *command);
/* Appends this very command, words separated by spaces. */
void workload_say(const char *words, enum command_kind kind, struct buffer *out, struct sim_command *command);

#endif
