/* The load program's parts: clients that write, clients that read, and the check of what they were promised.
 */
#ifndef DKV_TESTS_LOAD_H
#define DKV_TESTS_LOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "type.h"

#define CLIENTS_MAX  64
#define PIPELINE_MAX 16

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

struct load {
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
};
extern struct load load;

/* Says what is wrong. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);
int64_t wall_ms(void);
/* NULL: the server is not there. */
redisContext *connection_open(void);
/* The next reply; NULL when the server has gone. A server that is silent for too long is a fault, not an end.
 */
redisReply *connection_reply(redisContext *connection);

/* readers.c: a thread each. */
void *reader_run(void *argument);
/* check.c: compares every key with what it may hold by now, and says what came of it. */
void check(void);

#endif
