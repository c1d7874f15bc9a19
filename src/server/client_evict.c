/* maxmemory-clients: what all clients together may take, and who has to go when it is more. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "server/server.h"

/* A look adds up what every client takes, so it takes time in proportion to them: this long passes between
 * two, and at least so many times as long as a look takes. */
#define LOOK_US     5000
#define LOOK_SHARES 20

size_t client_memory(const struct connection *connection)
{
    struct connection_info info;
    const struct session *session = connection_session(connection);
    connection_describe(connection, &info);
    return info.memory + sizeof(*session) + session->queue_bytes + session->watch_bytes;
}

/* Clients that may be closed, and what they take. */
struct survey {
    size_t total;
    size_t count;
    size_t capacity;
    struct client {
        struct connection *connection;
        size_t memory;
    } * clients;
};

static void survey_add(void *context, struct connection *connection)
{
    struct survey *survey = context;
    if (connection_session(connection)->no_evict)
        return;
    if (survey->count == survey->capacity) {
        survey->capacity = survey->capacity ? 2 * survey->capacity : 64;
        survey->clients = mem_realloc(survey->clients, survey->capacity * sizeof(*survey->clients));
    }
    size_t memory = client_memory(connection);
    survey->clients[survey->count++] = (struct client){connection, memory};
    survey->total += memory;
}

static int larger_first(const void *a, const void *b)
{
    size_t first = ((const struct client *)a)->memory;
    size_t second = ((const struct client *)b)->memory;
    return (first < second) - (first > second);
}

static void evict(struct server *server, struct connection *connection)
{
    struct buffer text = {0};
    client_describe(&text, connection_session(connection));
    diag(DIAG_NOTICE, "Evicting client: %.*s", (int)(text.size ? text.size - 1 : 0), text.data);
    buffer_free(&text);
    server->evicted_clients++;
    connection_close(connection);
}

static size_t clients_limit(const struct config *config)
{
    int64_t limit = config->maxmemory_clients;
    if (limit >= 0)
        return (size_t)limit;
    return (size_t)((double)config->maxmemory * (double)-limit / 100);
}

int64_t clients_evict(struct server *server)
{
    size_t limit = clients_limit(server->config);
    int64_t now_us = server->world->monotonic_us;
    if (limit == 0)
        return INT64_MAX;
    if (now_us < server->next_client_look_us)
        return server->next_client_look_us - now_us;
    struct survey survey = {0};
    int64_t begin_us = clock_monotonic_us(server->world->clock);
    net_each(server->net, survey_add, &survey);
    if (survey.total > limit) {
        qsort(survey.clients, survey.count, sizeof(*survey.clients), larger_first);
        for (size_t i = 0; i < survey.count && survey.total > limit; i++) {
            survey.total -= survey.clients[i].memory;
            evict(server, survey.clients[i].connection);
        }
    }
    mem_free(survey.clients);
    int64_t rest_us = LOOK_SHARES * (clock_monotonic_us(server->world->clock) - begin_us);
    server->next_client_look_us = now_us + (rest_us > LOOK_US ? rest_us : LOOK_US);
    /* Between rounds nobody's memory changes. */
    return INT64_MAX;
}
