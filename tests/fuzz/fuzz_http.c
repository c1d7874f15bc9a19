/* Fuzzes the HTTP server as it is, over a socket pair, with a store in memory: whatever a client sends, in
 * whatever pieces, what it gets looks like an answer, none of libmicrohttpd's own; nothing was done that a
 * second, strict reading of the bytes (strict.h) does not find in them; when its end comes, nothing of it is
 * left; and the next client is served. An input is what is permitted, a bit each, the sizes of pieces up to a
 * zero, then the bytes. Build and run:
 *
 *     make fuzz-build BUILD=build/fuzz CC=clang SANITIZE=address,undefined,fuzzer-no-link
 *     build/fuzz/tests/fuzz/fuzz_http -max_total_time=30 -dict=tests/fuzz/http.dict
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "engine/engine.h"
#include "http/internal.h"
#include "http/metrics.h"
#include "server/server.h"
#include "strict.h"

#define ROUNDS_MAX 64

enum { ANY_KEY = 1, PROTECT = 2, SHARE = 4, SMALL = 8, SHARE_ALL = 16 };

static struct {
    struct engine *engine;
    struct world *world;
    struct loop *loop;
    struct http *http;
    struct session *session; /* the fuzzer's own */
    struct output output;
    struct keyspace_view keyspace;
} all;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_begin(void *context)
{
    (void)context;
    engine_begin_round(all.engine);
}

static int round_end(void *context)
{
    (void)context;
    engine_tick(all.engine);
    engine_end_round(all.engine, false);
    return -1;
}

static void snapshot(void *context, struct metrics_source *source)
{
    (void)context;
    source->world = all.world;
    source->keyspace = &all.keyspace;
    source->routes = http_routes(all.http, &source->route_count);
    source->appendfsync = "no";
    source->maxmemory_policy = "noeviction";
    metrics_source_complete(source);
}

static uint64_t clients_elsewhere(void *context)
{
    (void)context;
    return 0;
}

static void start(void)
{
    struct engine_options options = {.world = {.clock = clock_system(),
                                               .databases = 2,
                                               .random_seed = 1,
                                               .settings = {.bulk_max = 1 << 20, .query_max = 1 << 20}}};
    struct journal_error error;
    diag_set_level(DIAG_WARNING);
    all.engine = engine_open(&options, &error);
    ASSERT(all.engine != NULL && engine_recover_step(all.engine, 1, &error) == RECOVER_DONE &&
           engine_start(all.engine, &error));
    all.world = engine_world(all.engine);
    all.keyspace.world = all.world;
    /* For routes that are for those who may run INFO. */
    info_commands_add(all.world->commands);
    all.loop = loop_new(clock_system());
    loop_hook_add(all.loop, &(struct loop_hook){.context = &all, .begin = round_begin, .end = round_end});
    struct http_options http = {
        .loop = all.loop, .world = all.world, .snapshot = snapshot, .clients_elsewhere = clients_elsewhere};
    all.http = http_new(&http);
    all.session = session_new(all.world, &all.output, NULL);
    ASSERT(all.http != NULL);
}

static void limits_set(unsigned permitted)
{
    static const char *const origins[] = {"http://a", "*"};
    struct http_limits limits = {.clients_max = 10,
                                 .value_max = permitted & SMALL ? 10 : 100000,
                                 .bodies_max = permitted & SMALL ? 15 : 200000,
                                 .any_key = permitted & ANY_KEY,
                                 .protect = permitted & PROTECT,
                                 .cors_origins = origins,
                                 .cors_origin_count = permitted & SHARE_ALL ? 2
                                                      : permitted & SHARE   ? 1
                                                                            : 0};
    http_set_limits(all.http, &limits);
}

/* The client's end of a new connection. */
static int end_connect(void)
{
    int ends[2];
    struct address peer = {.any = {.sa_family = AF_UNIX}};
    ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    http_accept(all.http, ends[1], &peer);
    return ends[0];
}

/* Reads what there is; returns how many bytes of it are kept in out. */
static size_t end_read(int fd, char *out, size_t capacity)
{
    size_t kept = 0;
    char piece[65536];
    ssize_t size;
    while ((size = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0) {
        size_t some = (size_t)size < capacity - kept ? (size_t)size : capacity - kept;
        memcpy(out + kept, piece, some);
        kept += some;
    }
    return kept;
}

/* No request is left in the middle of its answer by an end of input. */
static size_t end_finish(int fd, char *out, size_t capacity)
{
    size_t size = end_read(fd, out, capacity);
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < ROUNDS_MAX && !list_empty(&all.http->all); i++) {
        loop_round(all.loop, 0);
        size += end_read(fd, out + size, capacity - size);
    }
    close(fd);
    ASSERT(list_empty(&all.http->all) && list_empty(&all.http->held) && list_empty(&all.http->put_off));
    ASSERT(all.http->bodies == 0 && list_empty(&all.http->by_touch) && list_empty(&all.http->more));
    return size;
}

/* Sends a piece at a time, with a round for each. */
static void end_send(int fd, const uint8_t *sizes, const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t piece = *sizes != 0 && *sizes < size ? *sizes : size;
        if (*sizes != 0)
            sizes++;
        if (send(fd, data, piece, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            return;
        data += piece;
        size -= piece;
        loop_round(all.loop, 0);
    }
}

static void check_alive(void)
{
    static const char ask[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char answer[] = "HTTP/1.1 200 OK\r\n";
    char got[sizeof(answer) - 1];
    int fd = end_connect();
    ASSERT(send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL) == sizeof(ask) - 1);
    for (int i = 0; i < 3; i++)
        loop_round(all.loop, 0);
    ASSERT(end_read(fd, got, sizeof(got)) == sizeof(got) && memcmp(got, answer, sizeof(got)) == 0);
    end_finish(fd, got, 0);
}

/* For each route: how many requests to it there are in the bytes, and how many were answered with 2xx. */
static void check_done(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make((const char *)data, size);
    struct strict_request request;
    uint64_t asked[64] = {0};
    bool known;
    ASSERT(route_count() < 64);
    while (strict_read(&rest, &request)) {
        const struct route *route = route_find(http_method_find(request.method), request.path, &known);
        if (route != NULL)
            asked[route - route_at(0)]++;
    }
    for (size_t i = 0; i < route_count(); i++) {
        const struct route_stats *stats = &all.http->routes[i];
        uint64_t done = 0;
        for (size_t j = 0; j < stats->status_count; j++)
            done += stats->statuses[j].status < 300 ? stats->statuses[j].count : 0;
        ASSERT(done <= asked[i]);
    }
}

static void forget_all(void)
{
    const struct slice argv[] = {SLICE_LITERAL("FLUSHALL")};
    const struct request request = {.argc = 1, .argv = argv};
    const struct request *requests[] = {&request};
    struct prepared prepared;
    dispatch_prepare(all.world, all.session, requests, &prepared, 1);
    dispatch(all.world, all.session, &request, &prepared);
    output_sent(&all.output, output_pending(&all.output));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char foreign[] = "<html><head><title>Re";
    static char got[1 << 20];
    const uint8_t *zero = size < 2 ? NULL : memchr(data + 1, 0, size - 1);
    if (zero == NULL || size > 100000)
        return -1;
    if (all.http == NULL)
        start();
    limits_set(data[0]);
    http_stats_reset(all.http);
    int fd = end_connect();
    end_send(fd, data + 1, zero + 1, size - (size_t)(zero + 1 - data));
    size_t count = end_finish(fd, got, sizeof(got));
    ASSERT(memcmp(got, "HTTP/1.", count < 7 ? count : 7) == 0);
    /* A client may be told what it has put. */
    ASSERT(memmem(got, count, foreign, sizeof(foreign) - 1) == NULL || memmem(data, size, "<ht", 3) != NULL);
    check_done(zero + 1, size - (size_t)(zero + 1 - data));
    limits_set(0);
    check_alive();
    forget_all();
    return 0;
}
