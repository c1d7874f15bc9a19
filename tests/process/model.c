#include "change.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAR_MS INT64_C(1000000)
/* A server may notice the end of a short life this much later than it came, however slow the machine. */
#define EXPIRY_LATE_MS 2000
/* And this much earlier: its clock may stand still while it serves others. */
#define EXPIRY_EARLY_MS 500

/* --- keys
 * -------------------------------------------------------------------------------------------------------- */

static const struct {
    char letter;
    int size;
} groups[GROUP_COUNT] = {
    [GROUP_PLAIN] = {'s', 8}, [GROUP_SHORT] = {'e', 4}, [GROUP_COUNTER] = {'n', 4}, [GROUP_APPEND] = {'a', 4},
    [GROUP_MANY] = {'m', 4},  [GROUP_PAIR] = {'t', 2},  [GROUP_GROWN] = {'g', 2},   [GROUP_BULK] = {'b', 200},
};

int group_first(enum slot_group group)
{
    int first = 0;
    for (int i = 0; i < (int)group; i++) {
        first += groups[i].size;
    }
    return first;
}

int group_size(enum slot_group group)
{
    return groups[group].size;
}

int slot_count(void)
{
    return group_first(GROUP_COUNT);
}

enum slot_group slot_group(int slot)
{
    int group = 0;
    while (slot >= groups[group].size) {
        slot -= groups[group].size;
        group++;
    }
    return (enum slot_group)group;
}

void slot_key(int client, int slot, char text[KEY_TEXT_MAX])
{
    enum slot_group group = slot_group(slot);
    snprintf(text, KEY_TEXT_MAX, "c%d:%c%d", client, groups[group].letter, slot - group_first(group));
}

/* --- values
 * ------------------------------------------------------------------------------------------------------ */

void text_append(struct text *text, const void *data, size_t size)
{
    if (text->size + size > text->capacity) {
        text->capacity = (text->size + size) * 2;
        text->data = realloc(text->data, text->capacity);
        if (text->data == NULL) {
            abort();
        }
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

/* splitmix64, after Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014. */
uint64_t random_next(uint64_t *state)
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* Mostly small; now and then large enough for whatever a server does differently with large ones. */
static size_t filler_size(uint64_t *state)
{
    uint64_t chance = random_next(state) % 1000;
    uint64_t most = chance < 600   ? 100
                    : chance < 900 ? 1000
                    : chance < 980 ? 5000
                    : chance < 998 ? 150000
                                   : 300000;
    return (size_t)(random_next(state) % most);
}

static void piece_make(struct text *text, int client, int slot, uint64_t number)
{
    char key[KEY_TEXT_MAX];
    char head[KEY_TEXT_MAX + 40];
    slot_key(client, slot, key);
    int size = snprintf(head, sizeof(head), "[%s#%" PRIu64 "]", key, number);
    text_append(text, head, (size_t)size);
}

void filler_append(struct text *text, uint64_t *state, size_t left)
{
    while (left > 0) {
        uint64_t filler = random_next(state);
        size_t size = left < sizeof(filler) ? left : sizeof(filler);
        text_append(text, &filler, size);
        left -= size;
    }
}

uint64_t filler_state(int client, int slot, uint64_t number)
{
    return number * 1000003 + (uint64_t)client * 257 + (uint64_t)slot;
}

void value_make(struct text *text, int client, int slot, uint64_t number)
{
    text->size = 0;
    piece_make(text, client, slot, number);
    if (slot_group(slot) == GROUP_APPEND) {
        return;
    }
    uint64_t state = filler_state(client, slot, number);
    filler_append(text, &state, filler_size(&state));
}

/* --- operations
 * -------------------------------------------------------------------------------------------------- */

/* How often each comes, of 100, and which keys it may take. */
static const struct {
    const char *name;
    int share;
    enum slot_group group;
} kinds[OPERATION_COUNT] = {
    [OPERATION_SET] = {"SET", 20, GROUP_PLAIN},
    [OPERATION_SET_FAR] = {"SET PX", 6, GROUP_PLAIN},
    [OPERATION_SET_SHORT] = {"SET PX short", 5, GROUP_SHORT},
    [OPERATION_GETDEL] = {"GETDEL", 6, GROUP_PLAIN},
    [OPERATION_DELETE] = {"DEL", 4, GROUP_PLAIN},
    [OPERATION_INCREMENT] = {"INCR", 12, GROUP_COUNTER},
    [OPERATION_APPEND] = {"APPEND", 10, GROUP_APPEND},
    [OPERATION_SET_MANY] = {"MSET", 8, GROUP_MANY},
    [OPERATION_SET_PAIR] = {"MULTI", 8, GROUP_PAIR},
    [OPERATION_SET_BULK] = {"SET bulk", 14, GROUP_BULK},
    [OPERATION_SET_GROWN] = {"SET grown", 1, GROUP_GROWN},
    [OPERATION_GROW] = {"APPEND grown", 2, GROUP_GROWN},
    [OPERATION_OVERWRITE] = {"SETRANGE", 2, GROUP_GROWN},
    [OPERATION_SET_BIT] = {"SETBIT", 2, GROUP_GROWN},
};

const char *operation_name(enum operation_kind kind)
{
    return kinds[kind].name;
}

static int random_slot(uint64_t *state, enum slot_group group)
{
    return group_first(group) + (int)(random_next(state) % (uint64_t)group_size(group));
}

struct operation operation_random(uint64_t *state, uint64_t number, int64_t now_ms)
{
    int chance = (int)(random_next(state) % 100);
    int kind = 0;
    while (chance >= kinds[kind].share) {
        chance -= kinds[kind].share;
        kind++;
    }
    struct operation operation = {.kind = (enum operation_kind)kind, .number = number, .sent_ms = now_ms};
    enum slot_group group = kinds[kind].group;
    if (group == GROUP_MANY || group == GROUP_PAIR) {
        operation.slots_used = group_size(group);
        for (int i = 0; i < operation.slots_used; i++) {
            operation.slots[i] = group_first(group) + i;
        }
    } else {
        operation.slots[operation.slots_used++] = random_slot(state, group);
    }
    if (kind == OPERATION_DELETE) {
        operation.slots[operation.slots_used++] = random_slot(state, GROUP_APPEND);
    }
    if (kind == OPERATION_SET_SHORT) {
        operation.lives_ms = 1 + (int64_t)(random_next(state) % 3000);
    }
    return operation;
}

struct arguments {
    const char *data[16];
    size_t sizes[16];
    int count;
};

static void arguments_add(struct arguments *arguments, const char *data, size_t size)
{
    arguments->data[arguments->count] = data;
    arguments->sizes[arguments->count++] = size;
}

static void arguments_send(redisContext *connection, struct arguments *arguments)
{
    redisAppendCommandArgv(connection, arguments->count, arguments->data, arguments->sizes);
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

int operation_send(const struct operation *operation, int client, redisContext *connection)
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

/* --- the model
 * --------------------------------------------------------------------------------------------------- */

void model_free(struct model *model)
{
    for (int i = 0; i < SLOTS_MAX; i++) {
        free(model->slots[i].pieces);
    }
}

bool slot_present(const struct slot_state *state)
{
    return state->number != 0;
}

static void slot_append(struct slot_state *state, uint64_t number)
{
    if (state->piece_count == state->piece_capacity) {
        state->piece_capacity = state->piece_capacity * 2 + 16;
        state->pieces = realloc(state->pieces, state->piece_capacity * sizeof(*state->pieces));
        if (state->pieces == NULL) {
            abort();
        }
    }
    state->pieces[state->piece_count++] = number;
}

void model_apply(struct model *model, const struct operation *operation)
{
    bool deletes = operation->kind == OPERATION_DELETE || operation->kind == OPERATION_GETDEL;
    for (int i = 0; i < operation->slots_used; i++) {
        struct slot_state *state = &model->slots[operation->slots[i]];
        state->touched = operation->number;
        state->far = operation->kind == OPERATION_SET_FAR;
        if (deletes) {
            state->number = 0;
            state->piece_count = 0;
            continue;
        }
        if (!slot_present(state)) {
            state->made = operation->number;
        }
        state->number = operation->number;
        state->count++;
        if (operation->kind == OPERATION_SET_GROWN) {
            state->piece_count = 0;
        }
        if (operation->kind == OPERATION_APPEND) {
            slot_append(state, operation->number);
        } else if (kinds[operation->kind].group == GROUP_GROWN) {
            slot_append(state, change_of(operation->kind, operation->number));
        }
        state->expires_min_ms = operation->sent_ms + operation->lives_ms;
        state->expires_max_ms = operation->executed_ms + operation->lives_ms;
    }
}

/* What GET must answer for a key that is there. */
static void slot_value(const struct model *model, int slot, struct text *text)
{
    const struct slot_state *state = &model->slots[slot];
    text->size = 0;
    if (slot_group(slot) == GROUP_COUNTER) {
        char digits[24];
        int size = snprintf(digits, sizeof(digits), "%" PRId64, state->count);
        text_append(text, digits, (size_t)size);
    } else if (slot_group(slot) == GROUP_APPEND) {
        for (size_t i = 0; i < state->piece_count; i++) {
            piece_make(text, model->client, slot, state->pieces[i]);
        }
    } else if (slot_group(slot) == GROUP_GROWN) {
        for (size_t i = 0; i < state->piece_count; i++) {
            change_apply(text, model->client, slot, state->pieces[i]);
        }
    } else {
        value_make(text, model->client, slot, state->number);
    }
}

static void describe_reply(const redisReply *reply, char text[80])
{
    if (reply->type == REDIS_REPLY_INTEGER) {
        snprintf(text, 80, "%lld", reply->integer);
    } else if (reply->type == REDIS_REPLY_NIL) {
        snprintf(text, 80, "nil");
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        snprintf(text, 80, "array of %zu", reply->elements);
    } else {
        snprintf(text, 80, "\"%.60s\" (%zu bytes)", reply->str, (size_t)reply->len);
    }
}

static bool reply_is_text(const redisReply *reply, const struct text *text)
{
    return reply->type == REDIS_REPLY_STRING && (size_t)reply->len == text->size &&
           memcmp(reply->str, text->data, text->size) == 0;
}

static bool reply_is_ok(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "OK") == 0;
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

bool model_foretells(const struct model *model, const struct operation *operation, const redisReply *reply,
                     char complaint[COMPLAINT_MAX])
{
    bool right = false;
    if (operation->kind == OPERATION_GETDEL) {
        right = foretells_getdel(model, operation->slots[0], reply);
    } else if (replies_number(operation->kind)) {
        right = reply->type == REDIS_REPLY_INTEGER && reply->integer == foretold_number(model, operation);
    } else if (operation->kind == OPERATION_SET_PAIR) {
        right = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply_is_ok(reply->element[0]) &&
                reply_is_ok(reply->element[1]);
    } else {
        right = reply_is_ok(reply);
    }
    if (!right) {
        char got[80];
        describe_reply(reply, got);
        snprintf(complaint, COMPLAINT_MAX, "client %d, operation %" PRIu64 " (%s): the reply is %s",
                 model->client, operation->number, operation_name(operation->kind), got);
    }
    return right;
}

/* A short life: it must be there before its end and must not be there after. */
static bool may_be_absent(const struct slot_state *state, int slot, int64_t after_ms)
{
    return !slot_present(state) ||
           (slot_group(slot) == GROUP_SHORT && after_ms + EXPIRY_EARLY_MS >= state->expires_min_ms);
}

static bool may_be_present(const struct slot_state *state, int slot, int64_t before_ms)
{
    return slot_present(state) &&
           (slot_group(slot) != GROUP_SHORT || before_ms <= state->expires_max_ms + EXPIRY_LATE_MS);
}

static bool ttl_right(const struct slot_state *state, int slot, const redisReply *ttl)
{
    if (ttl->type != REDIS_REPLY_INTEGER) {
        return false;
    }
    if (slot_group(slot) == GROUP_SHORT) {
        return ttl->integer >= -2 && ttl->integer != -1; /* it may expire between GET and PTTL */
    }
    return state->far ? ttl->integer > 0 && ttl->integer <= FAR_MS : ttl->integer == -1;
}

bool model_holds(const struct model *model, int slot, const redisReply *get, const redisReply *ttl,
                 int64_t before_ms, int64_t after_ms, char complaint[COMPLAINT_MAX])
{
    const struct slot_state *state = &model->slots[slot];
    struct text value = {0};
    char key[KEY_TEXT_MAX];
    char got[80];
    bool right;
    slot_key(model->client, slot, key);
    describe_reply(get, got);
    if (get->type == REDIS_REPLY_NIL) {
        right = may_be_absent(state, slot, after_ms);
        snprintf(complaint, COMPLAINT_MAX, "%s is gone; operation %" PRIu64 " wrote it", key, state->number);
    } else if (!may_be_present(state, slot, before_ms)) {
        right = false;
        snprintf(complaint, COMPLAINT_MAX, "%s should be absent (operation %" PRIu64 "), and is %s", key,
                 state->touched, got);
    } else {
        slot_value(model, slot, &value);
        right = reply_is_text(get, &value);
        snprintf(complaint, COMPLAINT_MAX,
                 "%s should be from operation %" PRIu64 ": \"%.*s\" (%zu bytes), and is %s", key,
                 state->number, (int)(value.size < 60 ? value.size : 60), value.data, value.size, got);
        if (right && !ttl_right(state, slot, ttl)) {
            right = false;
            snprintf(complaint, COMPLAINT_MAX, "%s: PTTL is %lld", key, ttl->integer);
        }
    }
    text_free(&value);
    return right;
}
