/* What is there after a crash, beside what was acknowledged and shown. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

struct found {
    redisReply *get[SLOTS_MAX];
    redisReply *ttl[SLOTS_MAX];
    int64_t before_ms;
    int64_t after_ms;
};

static bool found_read(struct found *found, int client, redisContext *connection)
{
    found->before_ms = wall_ms();
    for (int slot = 0; slot < slot_count(); slot++) {
        if (slot_is_known(slot)) {
            slot_type(slot)->ask(client, slot, connection);
            slot_type(slot)->ask_lives(client, slot, connection);
        }
    }
    for (int slot = 0; slot < slot_count(); slot++) {
        if (!slot_is_known(slot)) {
            continue;
        }
        found->get[slot] = connection_reply(connection);
        found->ttl[slot] = found->get[slot] == NULL ? NULL : connection_reply(connection);
        if (found->ttl[slot] == NULL) {
            return false;
        }
    }
    found->after_ms = wall_ms();
    return true;
}

static void found_free(struct found *found)
{
    for (int slot = 0; slot < SLOTS_MAX; slot++) {
        freeReplyObject(found->get[slot]);
        freeReplyObject(found->ttl[slot]);
    }
}

/* How many keys are not as the model has them; complaint is about the first. */
static int model_differs(const struct model *model, const struct found *found, char complaint[COMPLAINT_MAX])
{
    int wrong = 0;
    for (int slot = 0; slot < slot_count(); slot++) {
        char text[COMPLAINT_MAX];
        if (slot_is_known(slot) &&
            !model_holds(model, slot, found->get[slot], found->ttl[slot], found->before_ms, found->after_ms,
                         text) &&
            wrong++ == 0) {
            memcpy(complaint, text, sizeof(text));
        }
    }
    return wrong;
}

/* Whether what somebody was told of a key has happened by now, as the model has it. */
static bool shown_holds(const struct writer *writer, int slot, char complaint[COMPLAINT_MAX])
{
    const struct slot_watch *watch = &writer->watches[slot];
    const struct slot_state *state = &writer->model.slots[slot];
    char key[SLOT_NAME_MAX];
    slot_name(writer->index, slot, key);
    if (watch->shown > state->touched) {
        snprintf(complaint, COMPLAINT_MAX, "%s: operation %" PRIu64 " was shown and is lost", key,
                 watch->shown);
        return false;
    }
    if (watch->shown_count > state->count) {
        snprintf(complaint, COMPLAINT_MAX, "%s: %" PRId64 " was shown, and now it is %" PRId64, key,
                 watch->shown_count, state->count);
        return false;
    }
    bool explained = watch->shown_absent == 0 || !slot_present(state) || state->made >= watch->shown_absent ||
                     slot_is_short(slot);
    if (!explained) {
        snprintf(complaint, COMPLAINT_MAX,
                 "%s: was shown as deleted after operation %" PRIu64 ", and holds operation %" PRIu64
                 " again",
                 key, watch->shown_absent - 1, state->number);
    }
    return explained;
}

/* How many keys were shown in a state that the model has not come to. */
static int shown_differs(const struct writer *writer, char complaint[COMPLAINT_MAX])
{
    int wrong = 0;
    for (int slot = 0; load.promise_shown && slot < slot_count(); slot++) {
        char text[COMPLAINT_MAX];
        if (!shown_holds(writer, slot, text) && wrong++ == 0) {
            memcpy(complaint, text, sizeof(text));
        }
    }
    return wrong;
}

/* Finds the prefix of the client's operations that its keys show. The model is left there. */
static bool writer_check(struct writer *writer, const struct found *found)
{
    char complaint[COMPLAINT_MAX] = "";
    int fewest = SLOTS_MAX + 1;
    for (int done = 0;; done++) {
        char text[COMPLAINT_MAX] = "";
        int wrong = model_differs(&writer->model, found, text);
        /* Only a state that the keys are in can be one that loses what was shown. */
        if (wrong == 0 && shown_differs(writer, text) == 0) {
            if (done > 0) {
                atomic_store(&writer->acked, writer->in_flight[done - 1].number);
            }
            return true;
        }
        if (wrong < fewest) {
            fewest = wrong;
            memcpy(complaint, text, sizeof(text));
        }
        if (done == writer->in_flight_count) {
            break;
        }
        model_apply(&writer->model, &writer->in_flight[done]);
    }
    complain("client %d, acknowledged %" PRIu64 ", sent %" PRIu64 ", %d keys wrong: %s", writer->index,
             writer->acked, writer->sent, fewest, complaint);
    return false;
}

/* How many fields of the key, or how many of a key that is a string, there must be and may be. */
struct present {
    int least;
    int most;
};

static struct present present_in(const struct model *model, int key_number)
{
    struct present present = {0};
    for (int slot = 0; slot < slot_count(); slot++) {
        if (slot_key_number(slot) == key_number && slot_present(&model->slots[slot])) {
            present.least += !slot_is_short(slot);
            present.most++;
        }
    }
    return present;
}

static bool is_first_of_key(int slot)
{
    for (int i = 0; i < slot; i++) {
        if (slot_key_number(i) == slot_key_number(slot)) {
            return false;
        }
    }
    return true;
}

/* Fields that nobody wrote would show here. */
static void check_fields(redisContext *connection, const struct writer *writer, int slot,
                         struct present expected)
{
    char key[KEY_TEXT_MAX];
    slot_key(writer->index, slot, key);
    redisAppendCommand(connection, "HLEN %s", key);
    redisReply *reply = connection_reply(connection);
    if (reply != NULL && (reply->integer < expected.least || reply->integer > expected.most)) {
        complain("%s has %lld fields, and should have %d to %d", key, reply->integer, expected.least,
                 expected.most);
    }
    freeReplyObject(reply);
}

/* Keys that nobody wrote would show here. */
static void check_keys(redisContext *connection)
{
    struct present expected = {0};
    for (int i = 0; i < load.writer_count; i++) {
        for (int slot = 0; slot < slot_count(); slot++) {
            if (!slot_is_known(slot) || !is_first_of_key(slot) || slot_group(slot) == GROUP_SHORT) {
                continue;
            }
            struct present present = present_in(&load.writers[i].model, slot_key_number(slot));
            expected.least += present.least > 0;
            expected.most += present.most > 0;
            if (slot_type(slot) == &hash_type) {
                check_fields(connection, &load.writers[i], slot, present);
            }
        }
    }
    int found = 0;
    redisAppendCommand(connection, "KEYS *");
    redisReply *reply = connection_reply(connection);
    for (size_t i = 0; reply != NULL && i < reply->elements; i++) {
        found += strstr(reply->element[i]->str, ":e") == NULL;
    }
    if (found < expected.least || found > expected.most) {
        complain("there are %d keys that do not expire, and should be %d to %d", found, expected.least,
                 expected.most);
    }
    freeReplyObject(reply);
}

void check(void)
{
    uint64_t acked = 0;
    redisContext *connection = connection_open();
    if (connection == NULL) {
        printf("! cannot connect\nfailed 1\n");
        return;
    }
    bool right = true;
    for (int i = 0; i < load.writer_count; i++) {
        struct writer *writer = &load.writers[i];
        struct found found = {.get = {0}};
        acked += writer->acked;
        if (!found_read(&found, i, connection)) {
            complain("the connection broke while keys were looked up");
            right = false;
        } else {
            right = writer_check(writer, &found) && right;
        }
        found_free(&found);
        memset(writer->watches, 0, sizeof(writer->watches));
        writer->in_flight_count = 0;
    }
    if (right) {
        check_keys(connection);
    }
    redisFree(connection);
    int complaints = atomic_load(&load.complaints);
    if (complaints == 0) {
        printf("ok %" PRIu64 " operations acknowledged\n", acked);
    } else {
        printf("failed %d\n", complaints);
    }
}
