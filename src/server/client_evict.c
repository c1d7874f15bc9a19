/* maxmemory-clients: what all clients together may take, and who has to go when it is more. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/memory.h"
#include "server/server.h"

/* A look adds up what every client takes, so it takes time in proportion to them: this long passes between
 * two, and at least so many times as long as a look takes. */
#define LOOK_US     5000
#define LOOK_SHARES 20

/* Clients that may be closed, and what they take. */
struct survey {
    size_t total;
    size_t count;
    size_t capacity;
    struct client {
        struct session *session;
        size_t memory;
    } * clients;
};

static void survey_add(struct survey *survey, struct session *session)
{
    struct connection_info info;
    if (session->no_evict || !client_connection(session, &info))
        return;
    if (survey->count == survey->capacity) {
        survey->capacity = survey->capacity ? 2 * survey->capacity : 64;
        survey->clients = mem_realloc(survey->clients, survey->capacity * sizeof(*survey->clients));
    }
    size_t memory = client_memory(session, &info);
    survey->clients[survey->count++] = (struct client){session, memory};
    survey->total += memory;
}

static int larger_first(const void *a, const void *b)
{
    size_t first = ((const struct client *)a)->memory;
    size_t second = ((const struct client *)b)->memory;
    return (first < second) - (first > second);
}

static void evict(struct server *server, struct session *session)
{
    struct buffer text = {0};
    client_describe(&text, session);
    diag(DIAG_NOTICE, "Evicting client: %.*s", (int)(text.size ? text.size - 1 : 0), text.data);
    buffer_free(&text);
    server->evicted_clients++;
    client_close(session);
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
    for (struct session *session = server->world->sessions; session; session = session->next)
        survey_add(&survey, session);
    if (survey.total > limit) {
        qsort(survey.clients, survey.count, sizeof(*survey.clients), larger_first);
        for (size_t i = 0; i < survey.count && survey.total > limit; i++) {
            survey.total -= survey.clients[i].memory;
            evict(server, survey.clients[i].session);
        }
    }
    mem_free(survey.clients);
    int64_t rest_us = LOOK_SHARES * (clock_monotonic_us(server->world->clock) - begin_us);
    server->next_client_look_us = now_us + (rest_us > LOOK_US ? rest_us : LOOK_US);
    /* Between rounds nobody's memory changes. */
    return INT64_MAX;
}
