/* Many clients under which a server is killed, and the memory of what it had promised them.
 *
 *     load (--socket PATH | --port N) [--writers N] [--readers N] [--promise shown|acknowledged] [--log
 * FOLDER]
 *
 * Commands on standard input, one a line, and the last line of each answer:
 *
 *     start SEED   starts the clients                                       "started"
 *     stop         lets each client finish what it has sent, ends them      "ended ..."
 *     wait         waits until the server has gone away, ends them          "ended ..."
 *     check        compares every key with what it may hold by now          "ok ..." or "failed N"
 *     quit
 *
 * Lines that begin with "!" say what is wrong. Models stay in memory from one start to the next: what a check
 * found is where the next round begins. With --log every client writes down what was acknowledged and what it
 * was shown. */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model.h"

#define CLIENTS_MAX      64
#define PIPELINE_MAX     16
#define ANSWER_SECONDS   60
#define COMPLAINTS_SHOWN 20

/* What a reader may have seen of one key, and what a writer lets readers know about it. */
struct slot_watch {
    _Atomic uint64_t acked;      /* the last acknowledged operation that changed it */
    _Atomic int64_t acked_count; /* GROUP_COUNTER: the last acknowledged value */
    _Atomic uint64_t shown;      /* the last operation whose value was shown */
    _Atomic int64_t shown_count; /* GROUP_COUNTER: the highest value shown */
    /* One more than the last operation acknowledged before somebody asked and was told that there is no such
     * key. */
    _Atomic uint64_t shown_absent;
};

struct writer {
    int index;
    uint64_t random;
    uint64_t sent;          /* the last operation's number; none is given twice, whether or not it happened */
    _Atomic uint64_t acked; /* the last one that was acknowledged; the model is as that left it */
    struct model model;
    struct operation in_flight[PIPELINE_MAX];
    int in_flight_count;
    struct slot_watch watches[SLOTS_MAX];
    FILE *log;
    pthread_t thread;
};

struct reader {
    int index;
    uint64_t random;
    uint64_t shown;
    FILE *log;
    pthread_t thread;
};

static struct {
    const char *socket;
    int port;
    int writer_count;
    int reader_count;
    bool promise_shown;
    const char *log;
    struct writer writers[CLIENTS_MAX];
    struct reader readers[CLIENTS_MAX];
    atomic_bool stopping;
    atomic_int disconnected;
    atomic_int complaints;
} load = {.writer_count = 12, .reader_count = 4, .promise_shown = true};

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
    if (atomic_fetch_add(&load.complaints, 1) >= COMPLAINTS_SHOWN) {
        return;
    }
    char text[2 * COMPLAINT_MAX];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    /* What a value holds may be anything; a line is a line. */
    for (char *at = text; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
    printf("! %s\n", text);
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- connections
 * ------------------------------------------------------------------------------------------------- */

static redisContext *connection_open(void)
{
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    redisContext *connection = load.socket != NULL ? redisConnectUnixWithTimeout(load.socket, limit)
                                                   : redisConnectWithTimeout("127.0.0.1", load.port, limit);
    if (connection == NULL || connection->err != 0) {
        if (connection != NULL) {
            redisFree(connection);
        }
        return NULL;
    }
    redisSetTimeout(connection, limit);
    return connection;
}

/* The next reply; NULL when the server has gone. A server that is silent for too long is a fault, not an end.
 */
static redisReply *connection_reply(redisContext *connection)
{
    void *reply = NULL;
    if (redisGetReply(connection, &reply) == REDIS_OK) {
        return reply;
    }
    if (connection->err == REDIS_ERR_IO && errno == EAGAIN) {
        complain("no answer for %d s", ANSWER_SECONDS);
    } else if (connection->err != REDIS_ERR_IO && connection->err != REDIS_ERR_EOF) {
        complain("connection: %s", connection->errstr);
    }
    return NULL;
}

/* --- writers
 * ----------------------------------------------------------------------------------------------------- */

static void writer_acknowledge(struct writer *writer, const struct operation *operation)
{
    model_apply(&writer->model, operation);
    for (int i = 0; i < operation->slots_used; i++) {
        int slot = operation->slots[i];
        atomic_store(&writer->watches[slot].acked_count, writer->model.slots[slot].count);
        atomic_store(&writer->watches[slot].acked, operation->number);
    }
    atomic_store(&writer->acked, operation->number);
    if (writer->log != NULL) {
        fprintf(writer->log, "acknowledged %" PRIu64 " %s slot %d\n", operation->number,
                operation_name(operation->kind), operation->slots[0]);
    }
}

/* Sends some operations in one go. */
static void writer_send(struct writer *writer, redisContext *connection, int replies[PIPELINE_MAX])
{
    uint64_t chance = random_next(&writer->random);
    int count = chance % 3 == 0 ? 1 : 1 + (int)(chance / 3 % PIPELINE_MAX);
    for (int i = 0; i < count; i++) {
        struct operation *operation = &writer->in_flight[i];
        *operation = operation_random(&writer->random, ++writer->sent, wall_ms());
        replies[i] = operation_send(operation, writer->index, connection);
    }
    writer->in_flight_count = count;
}

/* Reads an operation's replies; false when the server has gone. */
static bool writer_receive(struct writer *writer, redisContext *connection, struct operation *operation,
                           int replies)
{
    char complaint[COMPLAINT_MAX];
    for (int i = 0; i < replies; i++) {
        redisReply *reply = connection_reply(connection);
        if (reply == NULL) {
            return false;
        }
        if (reply->type == REDIS_REPLY_ERROR) {
            complain("client %d, operation %" PRIu64 ": %s", writer->index, operation->number, reply->str);
        } else if (i == replies - 1 && !model_foretells(&writer->model, operation, reply, complaint)) {
            complain("%s", complaint);
        }
        freeReplyObject(reply);
    }
    operation->executed_ms = wall_ms();
    writer_acknowledge(writer, operation);
    return true;
}

static bool writer_round(struct writer *writer, redisContext *connection)
{
    int replies[PIPELINE_MAX];
    writer_send(writer, connection, replies);
    for (int i = 0; i < writer->in_flight_count; i++) {
        if (!writer_receive(writer, connection, &writer->in_flight[i], replies[i])) {
            int left = writer->in_flight_count - i;
            memmove(writer->in_flight, &writer->in_flight[i], (size_t)left * sizeof(writer->in_flight[0]));
            writer->in_flight_count = left;
            return false;
        }
    }
    writer->in_flight_count = 0;
    return true;
}

static void *writer_run(void *argument)
{
    struct writer *writer = argument;
    redisContext *connection = connection_open();
    bool connected = connection != NULL;
    while (connected && !atomic_load(&load.stopping)) {
        connected = writer_round(writer, connection);
    }
    if (!connected) {
        atomic_fetch_add(&load.disconnected, 1);
        int64_t now_ms = wall_ms();
        for (int i = 0; i < writer->in_flight_count; i++) {
            writer->in_flight[i].executed_ms = now_ms;
        }
    }
    if (connection != NULL) {
        redisFree(connection);
    }
    return NULL;
}

/* --- readers
 * ----------------------------------------------------------------------------------------------------- */

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
    } else if (slot_group(slot) == GROUP_COUNTER) {
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

static bool reader_asks_keys(struct reader *reader, redisContext *connection, struct writer *writer)
{
    int slots[8];
    struct before before[8];
    int count = 1 + (int)(random_next(&reader->random) % 8);
    for (int i = 0; i < count; i++) {
        char key[KEY_TEXT_MAX];
        slots[i] = (int)(random_next(&reader->random) % (uint64_t)slot_count());
        before[i] = before_asking(writer, slots[i]);
        slot_key(writer->index, slots[i], key);
        redisAppendCommand(connection, "GET %s", key);
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

static void *reader_run(void *argument)
{
    struct reader *reader = argument;
    redisContext *connection = connection_open();
    bool connected = connection != NULL;
    while (connected && !atomic_load(&load.stopping)) {
        struct writer *writer = &load.writers[random_next(&reader->random) % (uint64_t)load.writer_count];
        uint64_t chance = random_next(&reader->random) % 4;
        if (chance == 0) {
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

/* --- checking
 * ---------------------------------------------------------------------------------------------------- */

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
        char key[KEY_TEXT_MAX];
        slot_key(client, slot, key);
        redisAppendCommand(connection, "GET %s", key);
        redisAppendCommand(connection, "PTTL %s", key);
    }
    for (int slot = 0; slot < slot_count(); slot++) {
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
        if (!model_holds(model, slot, found->get[slot], found->ttl[slot], found->before_ms, found->after_ms,
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
    char key[KEY_TEXT_MAX];
    slot_key(writer->index, slot, key);
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
                     slot_group(slot) == GROUP_SHORT;
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

/* Keys that nobody wrote would show here. */
static void check_keys(redisContext *connection)
{
    int expected = 0;
    int found = 0;
    for (int i = 0; i < load.writer_count; i++) {
        for (int slot = 0; slot < slot_count(); slot++) {
            expected += slot_present(&load.writers[i].model.slots[slot]) && slot_group(slot) != GROUP_SHORT;
        }
    }
    redisAppendCommand(connection, "KEYS *");
    redisReply *reply = connection_reply(connection);
    for (size_t i = 0; reply != NULL && i < reply->elements; i++) {
        found += strstr(reply->element[i]->str, ":e") == NULL;
    }
    if (found != expected) {
        complain("there are %d keys that do not expire, and should be %d", found, expected);
    }
    freeReplyObject(reply);
}

static void check(void)
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

/* --- main
 * -------------------------------------------------------------------------------------------------------- */

static FILE *log_open(const char *kind, int index)
{
    if (load.log == NULL) {
        return NULL;
    }
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s-%d.log", load.log, kind, index);
    FILE *file = fopen(path, "a");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

static void thread_start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    int error = pthread_create(thread, NULL, run, argument);
    if (error != 0) {
        fprintf(stderr, "pthread_create: %s\n", strerror(error));
        exit(1);
    }
}

static void start(uint64_t seed)
{
    atomic_store(&load.stopping, false);
    atomic_store(&load.disconnected, 0);
    for (int i = 0; i < load.writer_count; i++) {
        struct writer *writer = &load.writers[i];
        writer->index = i;
        writer->model.client = i;
        writer->random = seed + (uint64_t)i * 1000;
        if (writer->log == NULL) {
            writer->log = log_open("writer", i);
        }
        thread_start(&writer->thread, writer_run, writer);
    }
    for (int i = 0; i < load.reader_count; i++) {
        struct reader *reader = &load.readers[i];
        reader->index = i;
        reader->random = seed + 1000000 + (uint64_t)i * 1000;
        if (reader->log == NULL) {
            reader->log = log_open("reader", i);
        }
        thread_start(&reader->thread, reader_run, reader);
    }
    printf("started\n");
}

static void end(void)
{
    uint64_t sent = 0;
    uint64_t acked = 0;
    uint64_t shown = 0;
    for (int i = 0; i < load.writer_count; i++) {
        struct writer *writer = &load.writers[i];
        pthread_join(writer->thread, NULL);
        sent += writer->sent;
        acked += writer->acked;
        if (writer->log != NULL) {
            fprintf(writer->log, "ended, %d in flight, sent %" PRIu64 "\n", writer->in_flight_count,
                    writer->sent);
            fflush(writer->log);
        }
    }
    for (int i = 0; i < load.reader_count; i++) {
        pthread_join(load.readers[i].thread, NULL);
        shown += load.readers[i].shown;
        if (load.readers[i].log != NULL) {
            fflush(load.readers[i].log);
        }
    }
    printf("ended sent %" PRIu64 " acknowledged %" PRIu64 " shown %" PRIu64 " disconnected %d\n", sent, acked,
           shown, atomic_load(&load.disconnected));
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--socket") == 0) {
            load.socket = argv[i + 1];
        } else if (strcmp(argv[i], "--port") == 0) {
            load.port = atoi(argv[i + 1]);
        } else if (strcmp(argv[i], "--writers") == 0) {
            load.writer_count = atoi(argv[i + 1]);
        } else if (strcmp(argv[i], "--readers") == 0) {
            load.reader_count = atoi(argv[i + 1]);
        } else if (strcmp(argv[i], "--promise") == 0) {
            load.promise_shown = strcmp(argv[i + 1], "shown") == 0;
        } else if (strcmp(argv[i], "--log") == 0) {
            load.log = argv[i + 1];
        } else {
            fprintf(stderr, "load: unknown option %s\n", argv[i]);
            exit(2);
        }
    }
    if ((load.socket == NULL && load.port == 0) || load.writer_count < 1 || load.writer_count > CLIENTS_MAX ||
        load.reader_count < 0 || load.reader_count > CLIENTS_MAX) {
        fprintf(stderr,
                "usage: load (--socket PATH | --port N) [--writers N] [--readers N] [--log FOLDER]\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    char line[200];
    read_options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "start ", 6) == 0) {
            start(strtoull(line + 6, NULL, 10));
        } else if (strcmp(line, "stop") == 0) {
            atomic_store(&load.stopping, true);
            end();
        } else if (strcmp(line, "wait") == 0) {
            end();
        } else if (strcmp(line, "check") == 0) {
            check();
        } else if (strcmp(line, "quit") == 0) {
            break;
        } else {
            printf("! unknown command %s\nfailed 1\n", line);
        }
    }
    for (int i = 0; i < load.writer_count; i++) {
        model_free(&load.writers[i].model);
    }
    return 0;
}
