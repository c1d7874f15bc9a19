/* What a load client sends, and what its keys must hold after it.
 *
 * Each client has keys of its own, and one connection at a time, so its operations run in the order in which
 * it numbered them. Whatever crashed, its keys must then be as some prefix of its operations left them: one
 * that reaches at least to the last operation that was acknowledged and to the last whose outcome anybody was
 * shown. Every value names the operation that wrote it and follows from that name, so a torn or foreign value
 * cannot pass for a right one. */
#ifndef DKV_TESTS_MODEL_H
#define DKV_TESTS_MODEL_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- keys
 * -------------------------------------------------------------------------------------------------------- */

/* A slot is a key that holds a string, or a field of a key that holds a hash: something that has a value and
 * a time to live of its own. */
enum slot_group {
    GROUP_PLAIN,   /* SET, SET with a far time to live, GETDEL, DEL */
    GROUP_SHORT,   /* SET with a time to live that runs out during the test */
    GROUP_COUNTER, /* INCR */
    GROUP_APPEND,  /* APPEND, DEL */
    GROUP_MANY,    /* one MSET writes all of them */
    GROUP_PAIR,    /* one transaction writes both */
    GROUP_GROWN,   /* SET, APPEND, SETRANGE, SETBIT, around the size where a value is large to the server */
    GROUP_BULK,    /* SET, many keys, so that there is something to recover */
    /* Fields of small hashes: HSET, HDEL, HPEXPIRE with a far time, DEL of the key; HSETEX with a time to
     * live that runs out during the test. Of a hash that is large to the server: HSET, HDEL; HINCRBY. */
    GROUP_FIELD,
    GROUP_FIELD_SHORT,
    GROUP_FIELD_WIDE,
    GROUP_FIELD_COUNTER,
    GROUP_COUNT
};

#define SLOTS_MAX    512
#define KEY_TEXT_MAX 40

int group_first(enum slot_group group);
int group_size(enum slot_group group);
int slot_count(void);
enum slot_group slot_group(int slot);
void slot_key(int client, int slot, char text[KEY_TEXT_MAX]);
/* The field's name; empty for a string. */
void slot_field(int slot, char text[KEY_TEXT_MAX]);
/* Both, for people. */
#define SLOT_NAME_MAX (2 * KEY_TEXT_MAX + 2)
void slot_name(int client, int slot, char name[SLOT_NAME_MAX]);
/* Slots with the same number are fields of one key. */
int slot_key_number(int slot);
/* Counts, instead of telling which operation it is from; expires during the test. */
bool slot_is_counter(int slot);
bool slot_is_short(int slot);

/* --- values
 * ------------------------------------------------------------------------------------------------------ */

struct text {
    char *data;
    size_t size;
    size_t capacity;
};

void text_append(struct text *text, const void *data, size_t size);
void text_free(struct text *text);

/* What fills a value that an operation gives to a key: where its bytes begin to be drawn, and so many of
 * them. */
uint64_t filler_state(int client, int slot, uint64_t number);
void filler_append(struct text *text, uint64_t *state, size_t left);

/* The value that operation number gives to a key. Replaces what text held. */
void value_make(struct text *text, int client, int slot, uint64_t number);
/* The operation that a value of GROUP_PLAIN, SHORT, MANY, PAIR or BULK says it is from, or the last piece of
 * an appended one; 0 when it says nothing of the kind. */
uint64_t value_number(int slot, const char *data, size_t size);
/* Whether it is byte for byte what that operation wrote (for appended values: whether it ends in that piece).
 */
bool value_right(int client, int slot, const char *data, size_t size);

/* --- operations
 * -------------------------------------------------------------------------------------------------- */

enum operation_kind {
    OPERATION_SET,
    OPERATION_SET_FAR,
    OPERATION_SET_SHORT,
    OPERATION_GETDEL,
    OPERATION_DELETE, /* a plain key and an appended one */
    OPERATION_INCREMENT,
    OPERATION_APPEND,
    OPERATION_SET_MANY,
    OPERATION_SET_PAIR, /* MULTI, SET, SET, EXEC */
    OPERATION_SET_BULK,
    OPERATION_SET_GROWN,
    OPERATION_GROW,      /* APPEND */
    OPERATION_OVERWRITE, /* SETRANGE */
    OPERATION_SET_BIT,
    OPERATION_FIELDS_SET,    /* HSET, several */
    OPERATION_FIELDS_DELETE, /* HDEL, several */
    OPERATION_FIELDS_FAR,    /* HPEXPIRE, several: a far time to live */
    OPERATION_FIELD_INCREMENT,
    OPERATION_FIELD_SHORT, /* HSETEX */
    OPERATION_WIDE_SET,
    OPERATION_WIDE_DELETE,
    OPERATION_HASH_DELETE, /* DEL of a small hash */
    OPERATION_COUNT
};

#define OPERATION_SLOTS_MAX 16

struct operation {
    enum operation_kind kind;
    uint64_t number;                /* the client's own count, from 1 */
    int slots[OPERATION_SLOTS_MAX]; /* what it changes */
    int slots_used;
    int64_t lives_ms;    /* SET_SHORT, FIELD_SHORT */
    int64_t sent_ms;     /* wall clock */
    int64_t executed_ms; /* wall clock when it had been executed at the latest */
};

uint64_t random_next(uint64_t *state);
const char *operation_name(enum operation_kind kind);
enum slot_group operation_group(enum operation_kind kind);
/* Not only a time to live. */
bool operation_changes_value(enum operation_kind kind);
struct operation operation_random(uint64_t *state, uint64_t number, int64_t now_ms);
/* Queues its commands; returns how many replies there will be. */
int operation_send(const struct operation *operation, int client, redisContext *connection);

/* --- the model
 * --------------------------------------------------------------------------------------------------- */

struct slot_state {
    uint64_t number;  /* the operation that wrote the value; 0: no such key */
    uint64_t touched; /* the last operation that changed or deleted it */
    int64_t count;    /* of one that counts */
    /* GROUP_APPEND: the operations that appended, in order. GROUP_GROWN: those that made the value, each with
     * its kind (change_of). */
    uint64_t *pieces;
    size_t piece_count;
    size_t piece_capacity;
    bool far;               /* has a far time to live */
    int64_t expires_min_ms; /* of one that is short: it expires between these two moments */
    int64_t expires_max_ms;
    /* It was absent just before this operation made it; what was shown as absent after an earlier one is
     * explained. */
    uint64_t made;
};

struct model {
    int client;
    struct slot_state slots[SLOTS_MAX];
};

void model_free(struct model *model);
void model_apply(struct model *model, const struct operation *operation);
bool slot_present(const struct slot_state *state);

#define COMPLAINT_MAX 400

/* Whether the last of an operation's replies is what the model, before the operation, foretells. A complaint
 * if not. */
bool model_foretells(const struct model *model, const struct operation *operation, const redisReply *reply,
                     char complaint[COMPLAINT_MAX]);
/* Whether a slot is as the model has it. get and ttl: the replies to ask and ask_lives (type.h), asked
 * between the two moments. */
bool model_holds(const struct model *model, int slot, const redisReply *get, const redisReply *ttl,
                 int64_t before_ms, int64_t after_ms, char complaint[COMPLAINT_MAX]);

#endif
