/* Strings. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "change.h"
#include "type.h"

static void draw(struct operation *operation, uint64_t *state)
{
    enum slot_group group = operation_group(operation->kind);
    if (group == GROUP_MANY || group == GROUP_PAIR) {
        operation->slots_used = group_size(group);
        for (int i = 0; i < operation->slots_used; i++) {
            operation->slots[i] = group_first(group) + i;
        }
    } else {
        operation->slots[operation->slots_used++] = random_slot(state, group);
    }
    if (operation->kind == OPERATION_DELETE) {
        operation->slots[operation->slots_used++] = random_slot(state, GROUP_APPEND);
    }
}

/* One SET, APPEND, ... of the operation's key at index. */
static void send_write(const struct operation *operation, int client, int index, redisContext *connection)
{
    char key[KEY_TEXT_MAX];
    char lives[24];
    struct text value = {0};
    struct arguments arguments = {0};
    slot_key(client, operation->slots[index], key);
    value_make(&value, client, operation->slots[index], operation->number);
    const char *name = operation->kind == OPERATION_APPEND ? "APPEND" : "SET";
    arguments_add(&arguments, name, strlen(name));
    arguments_add(&arguments, key, strlen(key));
    arguments_add(&arguments, value.data, value.size);
    if (operation->kind == OPERATION_SET_FAR || operation->kind == OPERATION_SET_SHORT) {
        int64_t lives_ms = operation->kind == OPERATION_SET_FAR ? FAR_MS : operation->lives_ms;
        int size = snprintf(lives, sizeof(lives), "%" PRId64, lives_ms);
        arguments_add(&arguments, "PX", 2);
        arguments_add(&arguments, lives, (size_t)size);
    }
    arguments_send(connection, &arguments);
    text_free(&value);
}

static void send_change(const struct operation *operation, int client, redisContext *connection)
{
    static const char *const names[OPERATION_COUNT] = {[OPERATION_SET_GROWN] = "SET",
                                                       [OPERATION_GROW] = "APPEND",
                                                       [OPERATION_OVERWRITE] = "SETRANGE",
                                                       [OPERATION_SET_BIT] = "SETBIT"};
    char key[KEY_TEXT_MAX];
    char offset[24];
    struct text value = {0};
    struct arguments arguments = {0};
    struct change change = change_make(operation->kind, client, operation->slots[0], operation->number);
    slot_key(client, operation->slots[0], key);
    filler_append(&value, &change.state, change.size);
    arguments_add(&arguments, names[operation->kind], strlen(names[operation->kind]));
    arguments_add(&arguments, key, strlen(key));
    if (operation->kind == OPERATION_OVERWRITE || operation->kind == OPERATION_SET_BIT) {
        int size = snprintf(offset, sizeof(offset), "%zu", change.offset);
        arguments_add(&arguments, offset, (size_t)size);
    }
    if (operation->kind == OPERATION_SET_BIT) {
        arguments_add(&arguments, change.bit ? "1" : "0", 1);
    } else {
        arguments_add(&arguments, value.data, value.size);
    }
    arguments_send(connection, &arguments);
    text_free(&value);
}

static void send_many(const struct operation *operation, int client, redisContext *connection)
{
    char keys[4][KEY_TEXT_MAX];
    struct text values[4] = {0};
    struct arguments arguments = {0};
    arguments_add(&arguments, "MSET", 4);
    for (int i = 0; i < operation->slots_used; i++) {
        slot_key(client, operation->slots[i], keys[i]);
        value_make(&values[i], client, operation->slots[i], operation->number);
        arguments_add(&arguments, keys[i], strlen(keys[i]));
        arguments_add(&arguments, values[i].data, values[i].size);
    }
    arguments_send(connection, &arguments);
    for (int i = 0; i < operation->slots_used; i++) {
        text_free(&values[i]);
    }
}

static void send_keys(const char *name, const struct operation *operation, int client,
                      redisContext *connection)
{
    char keys[4][KEY_TEXT_MAX];
    struct arguments arguments = {0};
    arguments_add(&arguments, name, strlen(name));
    for (int i = 0; i < operation->slots_used; i++) {
        slot_key(client, operation->slots[i], keys[i]);
        arguments_add(&arguments, keys[i], strlen(keys[i]));
    }
    arguments_send(connection, &arguments);
}

static int send_strings(const struct operation *operation, int client, redisContext *connection)
{
    switch (operation->kind) {
    case OPERATION_GETDEL: send_keys("GETDEL", operation, client, connection); return 1;
    case OPERATION_DELETE: send_keys("DEL", operation, client, connection); return 1;
    case OPERATION_INCREMENT: send_keys("INCR", operation, client, connection); return 1;
    case OPERATION_SET_MANY: send_many(operation, client, connection); return 1;
    case OPERATION_SET_GROWN:
    case OPERATION_GROW:
    case OPERATION_OVERWRITE:
    case OPERATION_SET_BIT: send_change(operation, client, connection); return 1;
    case OPERATION_SET_PAIR:
        redisAppendCommand(connection, "MULTI");
        send_write(operation, client, 0, connection);
        send_write(operation, client, 1, connection);
        redisAppendCommand(connection, "EXEC");
        return 4;
    default: send_write(operation, client, 0, connection); return 1;
    }
}

static bool foretells_getdel(const struct model *model, int slot, const redisReply *reply)
{
    if (!slot_present(&model->slots[slot])) {
        return reply->type == REDIS_REPLY_NIL;
    }
    struct text value = {0};
    slot_value(model, slot, &value);
    bool right = reply_is_text(reply, &value);
    text_free(&value);
    return right;
}

static int64_t foretold_number(const struct model *model, const struct operation *operation)
{
    const struct slot_state *state = &model->slots[operation->slots[0]];
    if (operation->kind == OPERATION_INCREMENT) {
        return state->count + 1;
    }
    if (operation->kind == OPERATION_DELETE) {
        return slot_present(state) + slot_present(&model->slots[operation->slots[1]]);
    }
    struct text value = {0};
    slot_value(model, operation->slots[0], &value);
    int64_t number = 0;
    if (operation->kind == OPERATION_SET_BIT) {
        struct change change =
            change_make(operation->kind, model->client, operation->slots[0], operation->number);
        if (change.offset / 8 < value.size) {
            number = (unsigned char)value.data[change.offset / 8] >> (7 - change.offset % 8) & 1;
        }
    } else {
        if (operation->kind == OPERATION_APPEND) {
            piece_make(&value, model->client, operation->slots[0], operation->number);
        } else {
            change_apply(&value, model->client, operation->slots[0],
                         change_of(operation->kind, operation->number));
        }
        number = (int64_t)value.size;
    }
    text_free(&value);
    return number;
}

static bool replies_number(enum operation_kind kind)
{
    return kind == OPERATION_INCREMENT || kind == OPERATION_DELETE || kind == OPERATION_APPEND ||
           kind == OPERATION_GROW || kind == OPERATION_OVERWRITE || kind == OPERATION_SET_BIT;
}

static bool foretells(const struct model *model, const struct operation *operation, const redisReply *reply)
{
    if (operation->kind == OPERATION_GETDEL) {
        return foretells_getdel(model, operation->slots[0], reply);
    }
    if (replies_number(operation->kind)) {
        return reply_is_number(reply, foretold_number(model, operation));
    }
    if (operation->kind == OPERATION_SET_PAIR) {
        return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply_is_ok(reply->element[0]) &&
               reply_is_ok(reply->element[1]);
    }
    return reply_is_ok(reply);
}

static void ask(int client, int slot, redisContext *connection)
{
    char key[KEY_TEXT_MAX];
    slot_key(client, slot, key);
    redisAppendCommand(connection, "GET %s", key);
}

static void ask_lives(int client, int slot, redisContext *connection)
{
    char key[KEY_TEXT_MAX];
    slot_key(client, slot, key);
    redisAppendCommand(connection, "PTTL %s", key);
}

static const char *const commands[] = {NULL};

const struct type string_type = {commands, draw, send_strings, foretells, ask, ask_lives};
