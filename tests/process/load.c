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
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "load.h"

#define ANSWER_SECONDS   60
#define COMPLAINTS_SHOWN 20

struct load load = {.writer_count = 12, .reader_count = 4, .promise_shown = true};

void complain(const char *format, ...)
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

int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- connections
 * ------------------------------------------------------------------------------------------------- */

redisContext *connection_open(void)
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

redisReply *connection_reply(redisContext *connection)
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
    for (int i = 0; i < operation->slots_used && operation_changes_value(operation->kind); i++) {
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
    redisContext *connection = connection_open();
    if (connection == NULL || !types_learn(connection)) {
        complain("the server does not say which commands it has");
    }
    if (connection != NULL) {
        redisFree(connection);
    }
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
