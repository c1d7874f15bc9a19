/* Hashes: each of their fields is a slot. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "type.h"

/* Several fields of one key, each once. */
static void draw_several(struct operation *operation, uint64_t *state, int first, int size, int most)
{
    int count = 1 + (int)(random_next(state) % (uint64_t)most);
    int at = (int)(random_next(state) % (uint64_t)size);
    int step = size % 3 == 0 ? 1 : 3; /* no divisor of size: none is met twice */
    for (int i = 0; i < count; i++) {
        operation->slots[operation->slots_used++] = first + (at + i * step) % size;
    }
}

static int fields_of_key(void)
{
    return group_size(GROUP_FIELD) / group_size(GROUP_FIELD_SHORT);
}

static void draw(struct operation *operation, uint64_t *state)
{
    enum slot_group group = operation_group(operation->kind);
    if (group == GROUP_FIELD_COUNTER || group == GROUP_FIELD_SHORT) {
        operation->slots[operation->slots_used++] = random_slot(state, group);
        return;
    }
    if (group == GROUP_FIELD_WIDE) {
        draw_several(operation, state, group_first(group), group_size(group), OPERATION_SLOTS_MAX);
        return;
    }
    int size = fields_of_key();
    int key = (int)(random_next(state) % (uint64_t)(group_size(group) / size));
    int first = group_first(group) + key * size;
    if (operation->kind != OPERATION_HASH_DELETE) {
        draw_several(operation, state, first, size, 4);
        return;
    }
    for (int i = 0; i < size; i++) {
        operation->slots[operation->slots_used++] = first + i;
    }
    operation->slots[operation->slots_used++] = group_first(GROUP_FIELD_SHORT) + key;
}

/* What stands between a command's key and its fields. */
static void add_options(struct arguments *arguments, const struct operation *operation, char lives[24],
                        char count[24])
{
    bool is_short = operation->kind == OPERATION_FIELD_SHORT;
    if (!is_short && operation->kind != OPERATION_FIELDS_FAR) {
        return;
    }
    snprintf(lives, 24, "%" PRId64, is_short ? operation->lives_ms : FAR_MS);
    snprintf(count, 24, "%d", operation->slots_used);
    if (is_short) {
        arguments_add_text(arguments, "PX");
    }
    arguments_add_text(arguments, lives);
    arguments_add_text(arguments, "FIELDS");
    arguments_add_text(arguments, count);
}

static const char *command_of(enum operation_kind kind)
{
    switch (kind) {
    case OPERATION_FIELDS_SET:
    case OPERATION_WIDE_SET: return "HSET";
    case OPERATION_FIELDS_DELETE:
    case OPERATION_WIDE_DELETE: return "HDEL";
    case OPERATION_FIELDS_FAR: return "HPEXPIRE";
    case OPERATION_FIELD_SHORT: return "HSETEX";
    case OPERATION_FIELD_INCREMENT: return "HINCRBY";
    default: return "DEL";
    }
}

static bool gives_values(enum operation_kind kind)
{
    return kind == OPERATION_FIELDS_SET || kind == OPERATION_WIDE_SET || kind == OPERATION_FIELD_SHORT;
}

static int send_hash(const struct operation *operation, int client, redisContext *connection)
{
    char key[KEY_TEXT_MAX];
    char lives[24];
    char count[24];
    char fields[OPERATION_SLOTS_MAX][KEY_TEXT_MAX];
    struct text values[OPERATION_SLOTS_MAX] = {0};
    struct arguments arguments = {0};
    slot_key(client, operation->slots[0], key);
    arguments_add_text(&arguments, command_of(operation->kind));
    arguments_add_text(&arguments, key);
    add_options(&arguments, operation, lives, count);
    for (int i = 0; i < operation->slots_used && operation->kind != OPERATION_HASH_DELETE; i++) {
        slot_field(operation->slots[i], fields[i]);
        arguments_add_text(&arguments, fields[i]);
        if (gives_values(operation->kind)) {
            value_make(&values[i], client, operation->slots[i], operation->number);
            arguments_add(&arguments, values[i].data, values[i].size);
        }
    }
    if (operation->kind == OPERATION_FIELD_INCREMENT) {
        arguments_add_text(&arguments, "1");
    }
    arguments_send(connection, &arguments);
    for (int i = 0; i < operation->slots_used; i++) {
        text_free(&values[i]);
    }
    return 1;
}

static bool foretells_times(const struct model *model, const struct operation *operation,
                            const redisReply *reply)
{
    bool right = reply->type == REDIS_REPLY_ARRAY && reply->elements == (size_t)operation->slots_used;
    for (int i = 0; right && i < operation->slots_used; i++) {
        bool is_there = slot_present(&model->slots[operation->slots[i]]);
        right = reply_is_number(reply->element[i], is_there ? 1 : -2);
    }
    return right;
}

/* Whether the field that expires is there is not known; whether another is decides. */
static bool foretells_delete(const struct model *model, const struct operation *operation,
                             const redisReply *reply)
{
    bool may_be_there = false;
    bool is_there = false;
    for (int i = 0; i < operation->slots_used; i++) {
        bool present = slot_present(&model->slots[operation->slots[i]]);
        may_be_there |= present;
        is_there |= present && !slot_is_short(operation->slots[i]);
    }
    return reply_is_number(reply, is_there) || reply_is_number(reply, may_be_there);
}

static bool foretells(const struct model *model, const struct operation *operation, const redisReply *reply)
{
    int present = 0;
    for (int i = 0; i < operation->slots_used; i++) {
        present += slot_present(&model->slots[operation->slots[i]]);
    }
    switch (operation->kind) {
    case OPERATION_FIELDS_FAR: return foretells_times(model, operation, reply);
    case OPERATION_HASH_DELETE: return foretells_delete(model, operation, reply);
    case OPERATION_FIELD_SHORT: return reply_is_number(reply, 1);
    case OPERATION_FIELDS_DELETE:
    case OPERATION_WIDE_DELETE: return reply_is_number(reply, present);
    case OPERATION_FIELD_INCREMENT:
        return reply_is_number(reply, model->slots[operation->slots[0]].count + 1);
    default: return reply_is_number(reply, operation->slots_used - present);
    }
}

static void ask(int client, int slot, redisContext *connection)
{
    char key[KEY_TEXT_MAX];
    char field[KEY_TEXT_MAX];
    slot_key(client, slot, key);
    slot_field(slot, field);
    redisAppendCommand(connection, "HGET %s %s", key, field);
}

static void ask_lives(int client, int slot, redisContext *connection)
{
    char key[KEY_TEXT_MAX];
    char field[KEY_TEXT_MAX];
    slot_key(client, slot, key);
    slot_field(slot, field);
    redisAppendCommand(connection, "HPTTL %s FIELDS 1 %s", key, field);
}

static const char *const commands[] = {"HSET", "HPEXPIRE", "HSETEX", NULL};

const struct type hash_type = {commands, draw, send_hash, foretells, ask, ask_lives};
