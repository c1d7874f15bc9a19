/* The running server: what main.c wires together, as its command families (INFO, CLIENT, administration) see
 * it. */
#ifndef DKV_SERVER_SERVER_H
#define DKV_SERVER_SERVER_H

#include "engine/engine.h"
#include "http/http.h"
#include "http/keyspace_view.h"
#include "net/loop.h"
#include "net/net.h"
#include "server/child.h"
#include "server/config.h"
#include "server/stand_in.h"

/* Descriptors for what is no client: log, segments, listeners, epoll and the like. */
#define SERVER_FILES_RESERVED 32

static inline uint64_t server_files_reserved(const struct config *config)
{
    bool serves_http = config->http_port != 0 || config->http_unixsocket[0] != '\0';
    return SERVER_FILES_RESERVED + (serves_http ? HTTP_SPARE_MAX : 0);
}

/* How a figure changed lately, for INFO's instantaneous_*. */
#define RATE_SAMPLES 16

struct rate {
    uint64_t values[RATE_SAMPLES];
    int64_t times_us[RATE_SAMPLES];
    unsigned next;
    unsigned count;
};

void rate_sample(struct rate *rate, uint64_t value, int64_t now_us);
/* A second, over the samples kept. */
double rate_read(const struct rate *rate);

struct server {
    struct config *config;
    struct engine *engine;
    struct world *world;
    struct net *net;
    struct loop *loop;
    struct listeners *listeners;
    struct http *http;
    struct listeners *http_listeners;
    struct keyspace_view keyspace_view;
    double ns_per_tick; /* as it was measured once; 0: not yet */
    struct loop_hook hook;
    struct stand_in *stand_in; /* runs the loop while this thread is on the disk */
    struct child *child;
    struct disk *disk; /* NULL: memory only */
    enum supervised_mode supervised_by;
    bool stopping;
    bool stop_force;
    const char *executable;
    const char *called; /* what it was started as: a link may have another name */
    char run_id[41];
    int64_t started_ms;
    int64_t started_us;          /* monotonic */
    int64_t next_sample_us;      /* monotonic: of the rates below */
    int64_t tick_wait_us;        /* until the engine wants its next tick */
    int64_t next_client_look_us; /* monotonic: at the clients' memory (client_evict.c) */
    uint64_t evicted_clients;
    uint64_t commands_seen; /* over RESP, when a round ended last */
    int resp_quiet_rounds;  /* since one was run over RESP; so many at the most */
    int http_quiet_rounds;
    size_t memory_startup;
    size_t memory_peak;
    struct rate commands_rate;
    struct rate input_rate;
    struct rate output_rate;
    uint64_t forks_seen;    /* by LATENCY */
    uint64_t rewrites_seen; /* that have ended */
    uint64_t syncs_seen;
};

/* Each adds its family. Their functions act on the server that owns the world they are called in. */
void info_commands_add(struct command_table *table);
void client_commands_add(struct command_table *table);
void admin_commands_add(struct command_table *table);
void debug_commands_add(struct command_table *table);
void migrate_commands_add(struct command_table *table);
void module_commands_add(struct command_table *table);

static inline struct server *server_of(const struct world *world)
{
    return world->owner;
}

/* A client's connection, whatever it speaks. False for a session that has none. */
bool client_connection(const struct session *session, struct connection_info *info);
int client_fd(const struct session *session);
/* Its address, and the one it connected to. out holds ADDRESS_TEXT_MAX. */
void client_peer_text(const struct session *session, char *out);
void client_local_text(const struct session *session, char *out);
void client_close(struct session *session);
/* Bytes that a client takes: its connection, and what its session keeps. */
size_t client_memory(const struct session *session, const struct connection_info *info);
/* "id=7 addr=... user=default ...": what CLIENT LIST tells of one, ended by a newline. */
void client_describe(struct buffer *out, const struct session *session);
/* Closes the largest clients while all of them take more than maxmemory-clients. In every round: it looks now
 * and then. Returns after how many microseconds it wants to be called again at the latest. */
int64_t clients_evict(struct server *server);

/* Zeroes what CONFIG RESETSTAT does, beyond the command table's own figures. */
void server_reset_stats(struct server *server);
/* The world's memory_parts. */
void server_memory_parts(const struct world *world, struct memory_parts *parts);
/* Fills in what /metrics and /stats tell; context is the server. */
void server_snapshot(void *context, struct metrics_source *source);
/* Tells in the log what was asked for, and how long it took. */
void server_log_summary(struct server *server);
/* Ends CLIENT PAUSE: what was held back runs in the next round. */
void server_unpause(struct server *server);
/* Begins a log for a server that had none. NULL, or why not. */
const char *server_begin_log(struct server *server);
/* Asks for a stop after this round; force: even when the log cannot be closed properly. */
void server_stop(struct server *server, bool force);

#endif
