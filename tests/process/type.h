/* What the load program knows of a type of value: a row for each, in a file type_*.c of its own. The rest of
 * the program sees slots, which have a value and a time to live, whatever the type. */
#ifndef DKV_TESTS_TYPE_H
#define DKV_TESTS_TYPE_H

#include "model.h"

struct type {
    /* Commands without which a server does not have the type, up to NULL. */
    const char *const *commands;
    /* Chooses what an operation of this type changes. */
    void (*draw)(struct operation *operation, uint64_t *state);
    /* Queues an operation's commands; returns how many replies there will be. */
    int (*send)(const struct operation *operation, int client, redisContext *connection);
    /* Whether the last of its replies is what the model, before it, foretells. */
    bool (*foretells)(const struct model *model, const struct operation *operation, const redisReply *reply);
    /* Queues what asks for a slot's value: one reply, a string or nil. */
    void (*ask)(int client, int slot, redisContext *connection);
    /* For its time to live: one reply, a number or an array of one. */
    void (*ask_lives)(int client, int slot, redisContext *connection);
};

extern const struct type string_type;
extern const struct type hash_type;

const struct type *slot_type(int slot);
/* Finds out which types the server at the other end of a connection has: what it has not is left out from
 * then on. false: the connection broke. */
bool types_learn(redisContext *connection);
bool slot_is_known(int slot);

/* --- For the rows --- */

struct arguments {
    const char *data[3 + 2 * OPERATION_SLOTS_MAX + 4];
    size_t sizes[3 + 2 * OPERATION_SLOTS_MAX + 4];
    int count;
};
void arguments_add(struct arguments *arguments, const char *data, size_t size);
void arguments_add_text(struct arguments *arguments, const char *text);
void arguments_send(redisContext *connection, struct arguments *arguments);

/* A far time to live. */
#define FAR_MS INT64_C(1000000)

int random_slot(uint64_t *state, enum slot_group group);
void piece_make(struct text *text, int client, int slot, uint64_t number);
/* What asking for the value of a slot that is there must answer. */
void slot_value(const struct model *model, int slot, struct text *text);
bool reply_is_text(const redisReply *reply, const struct text *text);
bool reply_is_ok(const redisReply *reply);
bool reply_is_number(const redisReply *reply, int64_t number);

#endif
