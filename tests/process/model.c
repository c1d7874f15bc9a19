#include "change.h"
#include "type.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fields of a small hash. */
#define HASH_FIELDS 8
/* A server may notice the end of a short life this much later than it came, however slow the machine. */
#define EXPIRY_LATE_MS 2000
/* And this much earlier: its clock may stand still while it serves others. */
#define EXPIRY_EARLY_MS 500

/* --- keys
 * -------------------------------------------------------------------------------------------------------- */

static const struct {
    const struct type *type;
    char letter;
    int size;
    int fields; /* in each key */
    char field_letter;
} groups[GROUP_COUNT] = {
    [GROUP_PLAIN] = {&string_type, 's', 8},
    [GROUP_SHORT] = {&string_type, 'e', 4},
    [GROUP_COUNTER] = {&string_type, 'n', 4},
    [GROUP_APPEND] = {&string_type, 'a', 4},
    [GROUP_MANY] = {&string_type, 'm', 4},
    [GROUP_PAIR] = {&string_type, 't', 2},
    [GROUP_GROWN] = {&string_type, 'g', 2},
    [GROUP_BULK] = {&string_type, 'b', 200},
    [GROUP_FIELD] = {&hash_type, 'h', 2 * HASH_FIELDS, HASH_FIELDS, 'f'},
    [GROUP_FIELD_SHORT] = {&hash_type, 'h', 2, 1, 's'},
    [GROUP_FIELD_WIDE] = {&hash_type, 'w', 160, 160, 'f'}, /* more than a listpack holds */
    [GROUP_FIELD_COUNTER] = {&hash_type, 'w', 2, 2, 'n'},
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

/* The key's place among those of its group. */
static int key_in_group(int slot)
{
    enum slot_group group = slot_group(slot);
    int number = slot - group_first(group);
    return groups[group].fields > 0 ? number / groups[group].fields : number;
}

void slot_key(int client, int slot, char text[KEY_TEXT_MAX])
{
    snprintf(text, KEY_TEXT_MAX, "c%d:%c%d", client, groups[slot_group(slot)].letter, key_in_group(slot));
}

int slot_key_number(int slot)
{
    return groups[slot_group(slot)].letter * SLOTS_MAX + key_in_group(slot);
}

void slot_field(int slot, char text[KEY_TEXT_MAX])
{
    enum slot_group group = slot_group(slot);
    *text = '\0';
    if (groups[group].fields > 0) {
        snprintf(text, KEY_TEXT_MAX, "%c%d", groups[group].field_letter,
                 (slot - group_first(group)) % groups[group].fields);
    }
}

void slot_name(int client, int slot, char name[SLOT_NAME_MAX])
{
    char key[KEY_TEXT_MAX];
    char field[KEY_TEXT_MAX];
    slot_key(client, slot, key);
    slot_field(slot, field);
    snprintf(name, SLOT_NAME_MAX, "%s%s%s", key, *field != '\0' ? "." : "", field);
}

bool slot_is_counter(int slot)
{
    return slot_group(slot) == GROUP_COUNTER || slot_group(slot) == GROUP_FIELD_COUNTER;
}

bool slot_is_short(int slot)
{
    return slot_group(slot) == GROUP_SHORT || slot_group(slot) == GROUP_FIELD_SHORT;
}

const struct type *slot_type(int slot)
{
    return groups[slot_group(slot)].type;
}

/* --- types
 * -------------------------------------------------------------------------------------------------------- */

/* By group. */
static bool has_no_type[GROUP_COUNT];

static bool server_has(redisContext *connection, const char *command, bool *has)
{
    redisReply *reply = redisCommand(connection, "COMMAND INFO %s", command);
    *has = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
           reply->element[0]->type == REDIS_REPLY_ARRAY && reply->element[0]->elements > 0;
    freeReplyObject(reply);
    return reply != NULL;
}

bool types_learn(redisContext *connection)
{
    for (int group = 0; group < GROUP_COUNT; group++) {
        for (const char *const *command = groups[group].type->commands; *command != NULL; command++) {
            bool has;
            if (!server_has(connection, *command, &has)) {
                return false;
            }
            has_no_type[group] |= !has;
        }
    }
    return true;
}

bool slot_is_known(int slot)
{
    return !has_no_type[slot_group(slot)];
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

/* Mostly small; now and then large enough for whatever a server does differently with large ones: in hashes,
 * those beyond what a listpack holds. */
static size_t filler_size(uint64_t *state, bool is_field)
{
    uint64_t chance = random_next(state) % 1000;
    if (is_field) {
        return (size_t)(random_next(state) % (chance < 900 ? 30 : chance < 990 ? 200 : 5000));
    }
    uint64_t most = chance < 600   ? 100
                    : chance < 900 ? 1000
                    : chance < 980 ? 5000
                    : chance < 998 ? 150000
                                   : 300000;
    return (size_t)(random_next(state) % most);
}

void piece_make(struct text *text, int client, int slot, uint64_t number)
{
    char name[SLOT_NAME_MAX];
    char head[SLOT_NAME_MAX + 40];
    slot_name(client, slot, name);
    int size = snprintf(head, sizeof(head), "[%s#%" PRIu64 "]", name, number);
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
    filler_append(text, &state, filler_size(&state, slot_type(slot) == &hash_type));
}

/* --- operations
 * -------------------------------------------------------------------------------------------------- */

/* How often each comes, of SHARES, and what it may take. */
#define SHARES 136
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
    [OPERATION_FIELDS_SET] = {"HSET", 10, GROUP_FIELD},
    [OPERATION_FIELDS_DELETE] = {"HDEL", 4, GROUP_FIELD},
    [OPERATION_FIELDS_FAR] = {"HPEXPIRE", 4, GROUP_FIELD},
    [OPERATION_FIELD_INCREMENT] = {"HINCRBY", 5, GROUP_FIELD_COUNTER},
    [OPERATION_FIELD_SHORT] = {"HSETEX short", 3, GROUP_FIELD_SHORT},
    [OPERATION_WIDE_SET] = {"HSET wide", 7, GROUP_FIELD_WIDE},
    [OPERATION_WIDE_DELETE] = {"HDEL wide", 2, GROUP_FIELD_WIDE},
    [OPERATION_HASH_DELETE] = {"DEL hash", 1, GROUP_FIELD},
};

const char *operation_name(enum operation_kind kind)
{
    return kinds[kind].name;
}

enum slot_group operation_group(enum operation_kind kind)
{
    return kinds[kind].group;
}

bool operation_changes_value(enum operation_kind kind)
{
    return kind != OPERATION_FIELDS_FAR;
}

int random_slot(uint64_t *state, enum slot_group group)
{
    return group_first(group) + (int)(random_next(state) % (uint64_t)group_size(group));
}

struct operation operation_random(uint64_t *state, uint64_t number, int64_t now_ms)
{
    int chance = (int)(random_next(state) % SHARES);
    int kind = 0;
    while (chance >= kinds[kind].share) {
        chance -= kinds[kind].share;
        kind++;
    }
    if (has_no_type[kinds[kind].group]) {
        kind = OPERATION_SET;
    }
    struct operation operation = {.kind = (enum operation_kind)kind, .number = number, .sent_ms = now_ms};
    groups[kinds[kind].group].type->draw(&operation, state);
    if (kind == OPERATION_SET_SHORT || kind == OPERATION_FIELD_SHORT) {
        operation.lives_ms = 1 + (int64_t)(random_next(state) % 3000);
    }
    return operation;
}

void arguments_add(struct arguments *arguments, const char *data, size_t size)
{
    arguments->data[arguments->count] = data;
    arguments->sizes[arguments->count++] = size;
}

void arguments_add_text(struct arguments *arguments, const char *text)
{
    arguments_add(arguments, text, strlen(text));
}

void arguments_send(redisContext *connection, struct arguments *arguments)
{
    redisAppendCommandArgv(connection, arguments->count, arguments->data, arguments->sizes);
}

int operation_send(const struct operation *operation, int client, redisContext *connection)
{
    return groups[kinds[operation->kind].group].type->send(operation, client, connection);
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

static bool deletes(enum operation_kind kind)
{
    return kind == OPERATION_DELETE || kind == OPERATION_GETDEL || kind == OPERATION_FIELDS_DELETE ||
           kind == OPERATION_WIDE_DELETE || kind == OPERATION_HASH_DELETE;
}

static void slot_write(struct slot_state *state, const struct operation *operation)
{
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

void model_apply(struct model *model, const struct operation *operation)
{
    for (int i = 0; i < operation->slots_used; i++) {
        struct slot_state *state = &model->slots[operation->slots[i]];
        state->touched = operation->number;
        state->far = operation->kind == OPERATION_SET_FAR || operation->kind == OPERATION_FIELDS_FAR;
        if (deletes(operation->kind)) {
            state->number = 0;
            state->piece_count = 0;
        } else if (operation_changes_value(operation->kind)) {
            slot_write(state, operation);
        }
    }
}

void slot_value(const struct model *model, int slot, struct text *text)
{
    const struct slot_state *state = &model->slots[slot];
    text->size = 0;
    if (slot_is_counter(slot)) {
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

bool reply_is_text(const redisReply *reply, const struct text *text)
{
    return reply->type == REDIS_REPLY_STRING && (size_t)reply->len == text->size &&
           memcmp(reply->str, text->data, text->size) == 0;
}

bool reply_is_ok(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "OK") == 0;
}

bool reply_is_number(const redisReply *reply, int64_t number)
{
    return reply->type == REDIS_REPLY_INTEGER && reply->integer == number;
}

bool model_foretells(const struct model *model, const struct operation *operation, const redisReply *reply,
                     char complaint[COMPLAINT_MAX])
{
    bool right = groups[kinds[operation->kind].group].type->foretells(model, operation, reply);
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
           (slot_is_short(slot) && after_ms + EXPIRY_EARLY_MS >= state->expires_min_ms);
}

static bool may_be_present(const struct slot_state *state, int slot, int64_t before_ms)
{
    return slot_present(state) &&
           (!slot_is_short(slot) || before_ms <= state->expires_max_ms + EXPIRY_LATE_MS);
}

static bool ttl_right(const struct slot_state *state, int slot, const redisReply *ttl)
{
    if (ttl->type != REDIS_REPLY_INTEGER) {
        return false;
    }
    if (slot_is_short(slot)) {
        return ttl->integer >= -2 && ttl->integer != -1; /* it may expire between GET and PTTL */
    }
    return state->far ? ttl->integer > 0 && ttl->integer <= FAR_MS : ttl->integer == -1;
}

bool model_holds(const struct model *model, int slot, const redisReply *get, const redisReply *ttl,
                 int64_t before_ms, int64_t after_ms, char complaint[COMPLAINT_MAX])
{
    const struct slot_state *state = &model->slots[slot];
    struct text value = {0};
    char key[SLOT_NAME_MAX];
    char got[80];
    bool right;
    slot_name(model->client, slot, key);
    if (ttl->type == REDIS_REPLY_ARRAY && ttl->elements == 1) {
        ttl = ttl->element[0];
    }
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
            snprintf(complaint, COMPLAINT_MAX, "%s: its time to live is %lld", key, ttl->integer);
        }
    }
    text_free(&value);
    return right;
}
