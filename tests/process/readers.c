/* Clients that read, and what they were shown. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

/* What a writer had been told about a key before the reader asked. */
struct before {
    uint64_t acked;      /* of the writer */
    uint64_t slot_acked; /* of the key */
    int64_t count;
};

static struct before before_asking(struct writer *writer, int slot)
{
    struct slot_watch *watch = &writer->watches[slot];
    struct before before;
    before.acked = atomic_load(&writer->acked);
    before.slot_acked = atomic_load(&watch->acked);
    before.count = atomic_load(&watch->acked_count);
    return before;
}

static void raise_to(_Atomic uint64_t *highest, uint64_t value)
{
    uint64_t now = atomic_load(highest);
    while (now < value && !atomic_compare_exchange_weak(highest, &now, value)) {
    }
}

static void reader_saw_count(struct reader *reader, struct writer *writer, int slot, struct before before,
                             const redisReply *reply)
{
    int64_t count = strtoll(reply->str, NULL, 10);
    if (count < before.count) {
        complain("reader %d: counter %d of client %d is %" PRId64 ", but %" PRId64 " was acknowledged before",
                 reader->index, slot, writer->index, count, before.count);
    }
    int64_t shown = atomic_load(&writer->watches[slot].shown_count);
    while (shown < count &&
           !atomic_compare_exchange_weak(&writer->watches[slot].shown_count, &shown, count)) {
    }
}

static void reader_saw_value(struct reader *reader, struct writer *writer, int slot, struct before before,
                             const redisReply *reply)
{
    uint64_t number = value_number(slot, reply->str, (size_t)reply->len);
    if (number == 0 || !value_right(writer->index, slot, reply->str, (size_t)reply->len)) {
        complain("reader %d: nobody sent this value of key %d of client %d: \"%.60s\" (%zu bytes)",
                 reader->index, slot, writer->index, reply->str, (size_t)reply->len);
    } else if (number < before.slot_acked) {
        complain("reader %d: key %d of client %d is from operation %" PRIu64 ", but %" PRIu64
                 " was acknowledged before",
                 reader->index, slot, writer->index, number, before.slot_acked);
    } else {
        raise_to(&writer->watches[slot].shown, number);
    }
}

static void reader_saw(struct reader *reader, struct writer *writer, int slot, struct before before,
                       const redisReply *reply)
{
    reader->shown++;
    if (reply->type == REDIS_REPLY_NIL) {
        raise_to(&writer->watches[slot].shown_absent, before.acked + 1);
    } else if (reply->type != REDIS_REPLY_STRING) {
        complain("reader %d: not a value: %s", reader->index, reply->str != NULL ? reply->str : "?");
    } else if (slot_group(slot) == GROUP_GROWN) {
        /* Which operation it is from cannot be read from it; all the bytes are compared after the crash. */
    } else if (slot_is_counter(slot)) {
        reader_saw_count(reader, writer, slot, before, reply);
    } else {
        reader_saw_value(reader, writer, slot, before, reply);
    }
    if (reader->log != NULL) {
        fprintf(reader->log, "shown client %d slot %d: %.40s\n", writer->index, slot,
                reply->type == REDIS_REPLY_STRING ? reply->str : "nil");
    }
}

/* Keys that are written together must be seen together. */
static bool reader_asks_group(struct reader *reader, redisContext *connection, struct writer *writer,
                              enum slot_group group)
{
    char keys[4][KEY_TEXT_MAX] = {{0}};
    struct before before[4];
    int first = group_first(group);
    for (int i = 0; i < group_size(group); i++) {
        slot_key(writer->index, first + i, keys[i]);
        before[i] = before_asking(writer, first + i);
    }
    int replies = 1;
    if (group == GROUP_MANY) {
        redisAppendCommand(connection, "MGET %s %s %s %s", keys[0], keys[1], keys[2], keys[3]);
    } else {
        redisAppendCommand(connection, "MULTI");
        redisAppendCommand(connection, "GET %s", keys[0]);
        redisAppendCommand(connection, "GET %s", keys[1]);
        redisAppendCommand(connection, "EXEC");
        replies = 4;
    }
    redisReply *reply = NULL;
    for (int i = 0; i < replies; i++) {
        freeReplyObject(reply);
        reply = connection_reply(connection);
        if (reply == NULL) {
            return false;
        }
    }
    if (reply->type != REDIS_REPLY_ARRAY || (int)reply->elements != group_size(group)) {
        complain("reader %d: not the values of %d keys: %s", reader->index, group_size(group),
                 reply->str != NULL ? reply->str : "?");
        freeReplyObject(reply);
        return true;
    }
    uint64_t numbers[4] = {0};
    for (int i = 0; i < (int)reply->elements; i++) {
        const redisReply *element = reply->element[i];
        reader_saw(reader, writer, first + i, before[i], element);
        numbers[i] = element->type == REDIS_REPLY_STRING
                         ? value_number(first + i, element->str, (size_t)element->len)
                         : 0;
        if (numbers[i] != numbers[0]) {
            complain("reader %d: client %d's %s and %s are from operations %" PRIu64 " and %" PRIu64,
                     reader->index, writer->index, keys[0], keys[i], numbers[0], numbers[i]);
        }
    }
    freeReplyObject(reply);
    return true;
}

static int some_slot(struct reader *reader)
{
    int slot;
    do {
        slot = (int)(random_next(&reader->random) % (uint64_t)slot_count());
    } while (!slot_is_known(slot));
    return slot;
}

/* What a reply to HGETALL has for a field; nil when it has none. */
static const redisReply *field_of(const redisReply *all, int slot)
{
    static const redisReply nil = {.type = REDIS_REPLY_NIL};
    char field[KEY_TEXT_MAX];
    slot_field(slot, field);
    for (size_t i = 0; i + 1 < all->elements; i += 2) {
        if (strcmp(all->element[i]->str, field) == 0) {
            return all->element[i + 1];
        }
    }
    return &nil;
}

/* All fields of the hash that this one is in. */
static bool reader_asks_hash(struct reader *reader, redisContext *connection, struct writer *writer, int slot)
{
    struct before before[SLOTS_MAX];
    char key[KEY_TEXT_MAX];
    for (int i = 0; i < slot_count(); i++) {
        if (slot_key_number(i) == slot_key_number(slot)) {
            before[i] = before_asking(writer, i);
        }
    }
    slot_key(writer->index, slot, key);
    redisAppendCommand(connection, "HGETALL %s", key);
    redisReply *reply = connection_reply(connection);
    if (reply == NULL) {
        return false;
    }
    if (reply->type != REDIS_REPLY_ARRAY) {
        complain("reader %d: not a hash: %s", reader->index, reply->str != NULL ? reply->str : "?");
    }
    for (int i = 0; reply->type == REDIS_REPLY_ARRAY && i < slot_count(); i++) {
        if (slot_key_number(i) == slot_key_number(slot)) {
            reader_saw(reader, writer, i, before[i], field_of(reply, i));
        }
    }
    freeReplyObject(reply);
    return true;
}

static bool reader_asks_keys(struct reader *reader, redisContext *connection, struct writer *writer)
{
    int slots[8];
    struct before before[8];
    int count = 1 + (int)(random_next(&reader->random) % 8);
    for (int i = 0; i < count; i++) {
        slots[i] = some_slot(reader);
        before[i] = before_asking(writer, slots[i]);
        slot_type(slots[i])->ask(writer->index, slots[i], connection);
    }
    for (int i = 0; i < count; i++) {
        redisReply *reply = connection_reply(connection);
        if (reply == NULL) {
            return false;
        }
        reader_saw(reader, writer, slots[i], before[i], reply);
        freeReplyObject(reply);
    }
    return true;
}

void *reader_run(void *argument)
{
    struct reader *reader = argument;
    redisContext *connection = connection_open();
    bool connected = connection != NULL;
    while (connected && !atomic_load(&load.stopping)) {
        struct writer *writer = &load.writers[random_next(&reader->random) % (uint64_t)load.writer_count];
        uint64_t chance = random_next(&reader->random) % 5;
        int slot = some_slot(reader);
        if (chance == 4 && slot_type(slot) == &hash_type) {
            connected = reader_asks_hash(reader, connection, writer, slot);
        } else if (chance == 0) {
            connected = reader_asks_group(reader, connection, writer, GROUP_MANY);
        } else if (chance == 1) {
            connected = reader_asks_group(reader, connection, writer, GROUP_PAIR);
        } else {
            connected = reader_asks_keys(reader, connection, writer);
        }
    }
    if (!connected) {
        atomic_fetch_add(&load.disconnected, 1);
    }
    if (connection != NULL) {
        redisFree(connection);
    }
    return NULL;
}
