/* What the engine's tests share: an engine on a real folder without its commit thread, a clock that the test
 * moves, a host whose child is no process, and two clients. */
#ifndef DKV_TESTS_ENGINE_FIXTURE_H
#define DKV_TESTS_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/number.h"
#include "engine/engine.h"
#include "store/value_hash.h"

#define DATABASES 4

/* --- a clock, a host and an engine of the test's ----------------------------------------------------------
 */

struct test_clock {
    struct clock clock;
    int64_t now_us;
};

static inline int64_t test_clock_now(struct clock *clock)
{
    return ((struct test_clock *)clock)->now_us;
}

/* The "child" does its work at once, in the same process: it sees memory as it is at the fork. */
struct test_host {
    struct rewrite_progress progress;
    bool ok;
    int fork_error;
};

static inline int host_start(void *context, int (*work)(void *argument, struct rewrite_progress *progress),
                             void *argument)
{
    struct test_host *host = context;
    if (host->fork_error)
        return host->fork_error;
    host->ok = work(argument, &host->progress) == 0;
    return 0;
}

static inline bool host_running(void *context, bool *ok)
{
    *ok = ((struct test_host *)context)->ok;
    return false;
}

static inline const struct rewrite_progress *host_progress(void *context)
{
    return &((struct test_host *)context)->progress;
}

static inline void host_kill(void *context)
{
    ((struct test_host *)context)->ok = false;
}

struct client {
    struct session *session;
    struct output output;
    struct parser *parser;
};

struct fixture {
    char folder[64];
    struct test_clock clock;
    struct test_host host;
    struct disk *disk;
    struct engine *engine;
    struct world *world;
    struct client client;
    struct client other;
    uint64_t value_file_threshold;
    enum value_load value_load;
    bool background_free;
};

static inline void no_wake(void *context)
{
    (void)context;
}

static inline void client_open(struct fixture *fixture, struct client *client)
{
    *client = (struct client){.parser = parser_new()};
    client->session = session_new(fixture->world, &client->output, NULL);
}

static inline void client_close(struct client *client)
{
    session_free(client->session);
    output_free(&client->output);
    parser_free(client->parser);
}

static inline void fixture_open(struct fixture *fixture)
{
    struct journal_error error;
    assert_int_equal(disk_posix_open(fixture->folder, &fixture->disk), 0);
    struct engine_options options = {
        .world = {.clock = &fixture->clock.clock,
                  .databases = DATABASES,
                  .random_seed = 7,
                  .settings = {.bulk_max = 512 << 20,
                               .query_max = 1 << 30,
                               .value_file_threshold = fixture->value_file_threshold,
                               .hll_sparse_max = 3000,
                               .hash_entries_max = 16,
                               .hash_value_max = 64}},
        .journal = {.disk = fixture->disk,
                    .folder = fixture->folder,
                    .policy = SYNC_ALWAYS,
                    .segment_size = 1 << 20,
                    .unsynced_max = 64 << 20,
                    .random_seed = 11,
                    .value_load = fixture->value_load,
                    .wake = no_wake},
        .background_free = fixture->background_free,
        .host = {.context = &fixture->host,
                 .start_child = host_start,
                 .child_running = host_running,
                 .child_progress = host_progress,
                 .kill_child = host_kill}};
    fixture->engine = engine_open(&options, &error);
    if (!fixture->engine)
        fail_msg("%s", error.text);
    fixture->world = engine_world(fixture->engine);
    enum recover_result result;
    while ((result = engine_recover_step(fixture->engine, 1 << 20, &error)) == RECOVER_MORE)
        ;
    if (result == RECOVER_FAILED || !engine_start(fixture->engine, &error))
        fail_msg("%s", error.text);
    client_open(fixture, &fixture->client);
    client_open(fixture, &fixture->other);
}

static inline void fixture_close(struct fixture *fixture, bool crash)
{
    client_close(&fixture->client);
    client_close(&fixture->other);
    if (crash)
        engine_abandon(fixture->engine);
    else
        assert_true(engine_close(fixture->engine));
    disk_free(fixture->disk);
}

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    strcpy(fixture->folder, "/tmp/dkv-engine-XXXXXX");
    if (!mkdtemp(fixture->folder))
        return -1;
    fixture->clock =
        (struct test_clock){.clock = {test_clock_now, test_clock_now}, .now_us = 1700000000000000};
    fixture_open(fixture);
    *state = fixture;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    fixture_close(fixture, false);
    snprintf(command, sizeof(command), "rm -rf %s", fixture->folder);
    int status = system(command);
    free(fixture);
    return status;
}

/* Everything that the journal would do by itself. */
static inline void commit(struct fixture *fixture)
{
    engine_end_round(fixture->engine, false);
    while (journal_work(fixture->world->journal))
        ;
}

static inline void crash_and_recover(struct fixture *fixture)
{
    fixture_close(fixture, true);
    fixture_open(fixture);
}

/* Runs an inline command line, and leaves the reply queued. */
static inline void send_line(struct fixture *fixture, struct client *client, const char *line)
{
    struct buffer input = {0};
    struct parser_limits limits = {.bulk_max = 512 << 20, .query_max = 1 << 30};
    int count;
    size_t consumed;
    buffer_append_format(&input, "%s\r\n", line);
    engine_begin_round(fixture->engine);
    parser_run(client->parser, buffer_slice(&input), &limits, &count, &consumed);
    assert_int_equal(count, 1);
    const struct request *request = parser_request(client->parser, 0);
    struct prepared prepared;
    dispatch_prepare(fixture->world, client->session, &request, &prepared, 1);
    dispatch(fixture->world, client->session, request, &prepared);
    buffer_free(&input);
}

static inline uint64_t sendable(struct fixture *fixture, struct client *client)
{
    return output_sendable(&client->output, journal_acknowledged(fixture->world->journal));
}

/* Takes what may be sent, as text. */
static inline const char *receive(struct fixture *fixture, struct client *client)
{
    static char text[65536];
    struct iovec vectors[16];
    size_t size = 0;
    int count = output_vectors(&client->output, sendable(fixture, client), vectors, 16);
    for (int i = 0; i < count; i++) {
        memcpy(text + size, vectors[i].iov_base, vectors[i].iov_len);
        size += vectors[i].iov_len;
    }
    output_sent(&client->output, size);
    text[size] = '\0';
    return text;
}

static inline const char *ask(struct fixture *fixture, const char *line)
{
    send_line(fixture, &fixture->client, line);
    commit(fixture);
    return receive(fixture, &fixture->client);
}

/* --- the whole state as one number, for comparing
 * ----------------------------------------------------------- */

struct digest {
    uint64_t sum;
    int database;
};

/* Of a hash: its fields in any order. */
static inline uint64_t digest_hash(const struct entry *entry)
{
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    struct hash_field field;
    uint64_t sum = 1;
    while (entry_hash_iterate(&iterator, &field)) {
        uint64_t hash = hash_bytes(field.name.data, field.name.size, (uint64_t)field.expire_ms);
        sum += hash_bytes(field.value.data, field.value.size, hash);
    }
    return sum;
}

static inline uint64_t digest_value(const struct entry *entry)
{
    char scratch[STRING_SCRATCH];
    if (entry_type(entry) == VALUE_HASH)
        return digest_hash(entry);
    struct slice value = string_value(entry, scratch);
    return hash_bytes(value.data, value.size, 0);
}

static inline void digest_entry(void *context, struct entry *entry)
{
    struct digest *digest = context;
    struct slice key = entry_key(entry);
    uint64_t value = digest_value(entry);
    int64_t expire_ms = entry_expire_ms(entry);
    uint64_t hash = hash_bytes(key.data, key.size, (uint64_t)digest->database);
    hash = hash_bytes(&value, sizeof(value), hash);
    digest->sum += hash_bytes(&expire_ms, sizeof(expire_ms), hash);
}

static inline uint64_t state_digest(struct fixture *fixture)
{
    struct digest digest = {0};
    for (digest.database = 0; digest.database < DATABASES; digest.database++)
        database_each(store_database(fixture->world->store, digest.database), digest_entry, &digest);
    return digest.sum;
}

static inline void finish_rewrite(struct fixture *fixture)
{
    for (int i = 0; i < 10; i++) {
        fixture->clock.now_us += 200000;
        engine_begin_round(fixture->engine);
        engine_tick(fixture->engine);
        commit(fixture);
    }
}

#endif
