#include "server/apply.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/event.h"
#include "command/evict.h"
#include "command/observe/observe.h"
#include "command/world.h"

/* Milliseconds, of which there may be more than fit. */
static int64_t latency_us_from(int64_t ms)
{
    int64_t us;
    return __builtin_mul_overflow(ms, 1000, &us) ? INT64_MAX : us;
}

struct world_settings settings_from(const struct config *config)
{
    static const enum debug_access access[] = {
        [ACCESS_NO] = DEBUG_NO, [ACCESS_YES] = DEBUG_YES, [ACCESS_LOCAL] = DEBUG_LOCAL};
    return (struct world_settings){.bulk_max = config->proto_max_bulk_len,
                                   .query_max = config->client_query_buffer_limit,
                                   .value_file_threshold = config->value_file_threshold,
                                   .hll_sparse_max = config->hll_sparse_max_bytes,
                                   .hash_entries_max = (size_t)config->hash_max_listpack_entries,
                                   .hash_value_max = config->hash_max_listpack_value,
                                   .dump_compressed = config->rdbcompression,
                                   .debug_access = access[config->enable_debug_command],
                                   .notify = notify_classes(config->notify_keyspace_events),
                                   .maxmemory = config->maxmemory,
                                   .evict_policy = config->maxmemory_policy,
                                   .evict_samples = config->maxmemory_samples,
                                   .evict_tenacity = config->maxmemory_eviction_tenacity,
                                   .evict_lazy = config->lazyfree_lazy_eviction,
                                   .lfu_log_factor = config->lfu_log_factor,
                                   .lfu_decay_minutes = config->lfu_decay_time,
                                   .slowlog_us = config->slowlog_log_slower_than,
                                   .slowlog_count = config->slowlog_max_len,
                                   .latency_us = latency_us_from(config->latency_monitor_threshold),
                                   .tracking_keys_max = config->tracking_table_max_keys,
                                   .latency_tracking = config->latency_tracking,
                                   .clock_follows = config->clock_set_back == CLOCK_FOLLOW};
}

struct rewrite_triggers triggers_from(const struct config *config)
{
    return (struct rewrite_triggers){.growth_percent = config->auto_aof_rewrite_percentage,
                                     .min_bytes = config->auto_aof_rewrite_min_size,
                                     .writes = (uint64_t)config->rewrite_every_writes,
                                     .stale_percent = config->rewrite_stale_percentage,
                                     .interval_seconds = config->rewrite_every_seconds};
}

struct acl_settings acl_settings_from(const struct config *config)
{
    return (struct acl_settings){.channels_by_default = config->acl_channels_by_default != 0,
                                 .log_max = config->acllog_max_len};
}

/* What the replies of all clients may take together. */
static uint64_t output_total_from(const struct config *config)
{
    int64_t limit = config->client_output_total;
    if (limit >= 0)
        return (uint64_t)limit;
    double whole = config->maxmemory > 0 ? (double)config->maxmemory : (double)process_memory();
    return (uint64_t)(whole * (double)-limit / 100);
}

struct net_limits net_limits_from(const struct server *server)
{
    const struct config *config = server->config;
    struct net_limits limits = {
        .clients_max = config->maxclients,
        .timeout_seconds = config->timeout,
        .tcp_keepalive_seconds = (int)config->tcp_keepalive,
        .protect = config->protected_mode && acl_default_needs_none(server->world->acl),
        .parser = {.bulk_max = config->proto_max_bulk_len, .query_max = config->client_query_buffer_limit}};
    limits.output_total_max = output_total_from(config);
    static const enum connection_class classes[OUTPUT_CLASSES] = {
        [OUTPUT_NORMAL] = CLASS_NORMAL, [OUTPUT_REPLICA] = CLASS_REPLICA, [OUTPUT_PUBSUB] = CLASS_PUBSUB};
    for (int i = 0; i < OUTPUT_CLASSES; i++)
        limits.output[classes[i]] =
            (struct output_limit){.hard = config->output_limits[i].hard_bytes,
                                  .soft = config->output_limits[i].soft_bytes,
                                  .soft_seconds = config->output_limits[i].soft_seconds};
    return limits;
}

struct http_limits http_limits_from(const struct server *server)
{
    const struct config *config = server->config;
    return (struct http_limits){.clients_max = config->maxclients,
                                .value_max = config->http_max_value,
                                .bodies_max = config->http_max_uploads,
                                .timeout_seconds = config->http_timeout,
                                .any_key = config->http_any_key,
                                .cors_origins = (const char *const *)config->http_cors_origin.items,
                                .cors_origin_count = config->http_cors_origin.count,
                                .protect =
                                    config->protected_mode && acl_default_needs_none(server->world->acl),
                                .tcp_keepalive_seconds = (int)config->tcp_keepalive};
}

struct log_options log_options_from(const struct config *config)
{
    return (struct log_options){.file = config->logfile,
                                .level = config->loglevel,
                                .syslog = config->syslog_enabled,
                                .syslog_ident = config->syslog_ident,
                                .syslog_facility = config->syslog_facility};
}

struct journal_options journal_options_from(const struct config *config)
{
    struct journal_options options = {.folder = config->dir,
                                      .threaded = true,
                                      .policy = config->appendfsync,
                                      .segment_size = config->segment_size,
                                      .unsynced_max = config->unsynced_max,
                                      .history_bases = config->history_bases,
                                      .history_seconds = config->history_seconds,
                                      .value_load = config->value_load};
    random_secure(&options.random_seed, sizeof(options.random_seed));
    return options;
}

/* Where to listen for one protocol. */
struct endpoint {
    int port;
    const struct config_words *bind;
    const char *unixsocket;
    int unixsocketperm;
};

/* Makes *listeners those of the endpoint, or leaves them as they are. */
static bool listen_at(struct server *server, struct listeners **listeners, listener_accept *accept,
                      void *context, const struct endpoint *endpoint, struct listen_error *error)
{
    int backlog = server->config->tcp_backlog;
    struct listeners *heir = listeners_new(server->loop, accept, context);
    listeners_inherit(heir, *listeners);
    bool ok =
        (!endpoint->port || listeners_add_tcp(heir, (const char *const *)endpoint->bind->items,
                                              endpoint->bind->count, endpoint->port, backlog, error)) &&
        (!endpoint->unixsocket[0] ||
         listeners_add_unix(heir, endpoint->unixsocket, (unsigned)endpoint->unixsocketperm, backlog, error));
    listeners_free(ok ? *listeners : heir);
    if (ok)
        *listeners = heir;
    return ok;
}

bool server_listen(struct server *server, struct listen_error *error)
{
    const struct config *config = server->config;
    const struct endpoint endpoint = {config->port, &config->bind, config->unixsocket,
                                      config->unixsocketperm};
    return listen_at(server, &server->listeners, net_accept, server->net, &endpoint, error);
}

bool server_listen_http(struct server *server, struct listen_error *error)
{
    const struct config *config = server->config;
    const struct endpoint endpoint = {config->http_port, &config->http_bind, config->http_unixsocket,
                                      config->http_unixsocketperm};
    return listen_at(server, &server->http_listeners, http_accept, server->http, &endpoint, error);
}

/* --- what CONFIG SET can change ------------------------------------------------------------------------ */

void server_set_title(const struct server *server)
{
    struct buffer title = {0};
    char listen[ADDRESS_TEXT_MAX + 16];
    const struct config *config = server->config;
    if (!config->set_proc_title)
        return;
    if (config->port)
        snprintf(listen, sizeof(listen), "%s:%d", config->bind.count ? config->bind.items[0] : "*",
                 config->port);
    else
        snprintf(listen, sizeof(listen), "%s", config->unixsocket);
    config_proc_title(config, server->called, listen, &title);
    buffer_append_char(&title, '\0');
    process_title_set(title.data);
    buffer_free(&title);
}

static const char *apply_title(struct server *server)
{
    server_set_title(server);
    return NULL;
}

static const char *apply_listen(struct server *server)
{
    static struct listen_error error;
    return server_listen(server, &error) ? apply_title(server) : error.text;
}

static const char *apply_http_listen(struct server *server)
{
    static struct listen_error error;
    return server_listen_http(server, &error) ? NULL : error.text;
}

static const char *apply_http_limits(struct server *server)
{
    struct http_limits limits = http_limits_from(server);
    http_set_limits(server->http, &limits);
    return NULL;
}

static const char *apply_settings(struct server *server)
{
    struct world_settings settings = settings_from(server->config);
    world_set_settings(server->world, &settings);
    server->world->settings = settings_from(server->config);
    observe_update(server->world);
    return NULL;
}

static const char *apply_limits(struct server *server)
{
    struct net_limits limits = net_limits_from(server);
    apply_settings(server);
    net_set_limits(server->net, &limits);
    return apply_http_limits(server);
}

static const char *apply_password(struct server *server)
{
    acl_set_default_password(server->world->acl, server->config->requirepass);
    return apply_limits(server);
}

static const char *apply_acl(struct server *server)
{
    struct acl_settings settings = acl_settings_from(server->config);
    acl_set_settings(server->world->acl, &settings);
    return NULL;
}

/* What the journal keeps counts as memory in use, and no eviction gives it back: a small part of a small
 * maxmemory. */
static void apply_journal_keep(struct server *server)
{
    const uint64_t parts = 64;
    uint64_t limit = server->config->maxmemory;
    if (server->world->journal)
        journal_set_keep(server->world->journal, limit > 0 ? limit / parts : UINT64_MAX);
}

/* Keys are evicted soon, not within this command. */
static const char *apply_maxmemory(struct server *server)
{
    uint64_t limit = server->config->maxmemory;
    size_t used = evict_memory(server->world);
    if (limit > 0 && limit < used)
        diag(
            DIAG_WARNING,
            "WARNING: the new maxmemory value set via CONFIG SET (%llu) is smaller than the current memory "
            "usage (%zu). This will result in key eviction and/or the inability to accept new write commands "
            "depending on the maxmemory-policy.",
            (unsigned long long)limit, used);
    apply_journal_keep(server);
    return apply_limits(server);
}

static const char *apply_maxclients(struct server *server)
{
    static char text[160];
    uint64_t possible =
        process_raise_open_files(server->config->maxclients, server_files_reserved(server->config));
    if (possible < server->config->maxclients) {
        snprintf(text, sizeof(text),
                 "The operating system is not able to handle the specified number of clients, try with %llu",
                 (unsigned long long)possible);
        return text;
    }
    return apply_limits(server);
}

void server_apply_journal(struct server *server)
{
    const struct config *config = server->config;
    if (!server->world->journal)
        return;
    journal_set_policy(server->world->journal, config->appendfsync);
    journal_set_limits(server->world->journal, config->segment_size, config->unsynced_max,
                       config->history_bases, config->history_seconds);
    apply_journal_keep(server);
}

static const char *apply_journal(struct server *server)
{
    server_apply_journal(server);
    return NULL;
}

/* There is a way to more durability only: replies, and all that shows what is durable, may wait for a log
 * that would be gone. */
static const char *apply_appendonly(struct server *server)
{
    bool has_log = server->world->journal != NULL;
    if (has_log == server->config->appendonly)
        return NULL;
    return has_log ? "the log cannot be given up while the server runs: set it in the configuration file and "
                     "start again"
                   : server_begin_log(server);
}

static const char *apply_triggers(struct server *server)
{
    struct rewrite_triggers triggers = triggers_from(server->config);
    engine_set_triggers(server->engine, &triggers);
    return NULL;
}

static const char *apply_log(struct server *server)
{
    static struct log_error error;
    struct log_options options = log_options_from(server->config);
    return log_open(&options, &error) ? NULL : error.text;
}

static const char *apply_allocator(struct server *server)
{
    memory_background_thread(server->config->jemalloc_bg_thread);
    return NULL;
}

static const struct application {
    const char *directive;
    const char *(*apply)(struct server *server);
} applications[] = {
    {"port", apply_listen},
    {"bind", apply_listen},
    {"unixsocket", apply_listen},
    {"unixsocketperm", apply_listen},
    {"http-port", apply_http_listen},
    {"http-bind", apply_http_listen},
    {"http-max-value", apply_http_limits},
    {"http-max-uploads", apply_http_limits},
    {"http-timeout", apply_http_limits},
    {"http-any-key", apply_http_limits},
    {"http-cors-origin", apply_http_limits},
    {"maxclients", apply_maxclients},
    {"timeout", apply_limits},
    {"tcp-keepalive", apply_limits},
    {"protected-mode", apply_limits},
    {"requirepass", apply_password},
    {"acl-pubsub-default", apply_acl},
    {"acllog-max-len", apply_acl},
    {"proto-max-bulk-len", apply_limits},
    {"client-query-buffer-limit", apply_limits},
    {"hll-sparse-max-bytes", apply_limits},
    {"hash-max-listpack-entries", apply_settings},
    {"hash-max-listpack-value", apply_settings},
    {"rdbcompression", apply_limits},
    {"client-output-buffer-limit", apply_limits},
    {"client-output-total", apply_limits},
    {"enable-debug-command", apply_limits},
    {"notify-keyspace-events", apply_settings},
    {"maxmemory", apply_maxmemory},
    {"maxmemory-policy", apply_settings},
    {"maxmemory-samples", apply_settings},
    {"maxmemory-eviction-tenacity", apply_settings},
    {"lazyfree-lazy-eviction", apply_settings},
    {"lfu-log-factor", apply_settings},
    {"lfu-decay-time", apply_settings},
    {"clock-set-back", apply_settings},
    {"slowlog-log-slower-than", apply_settings},
    {"slowlog-max-len", apply_settings},
    {"latency-monitor-threshold", apply_settings},
    {"latency-tracking", apply_settings},
    {"tracking-table-max-keys", apply_settings},
    {"appendonly", apply_appendonly},
    {"appendfsync", apply_journal},
    {"segment-size", apply_journal},
    {"unsynced-max", apply_journal},
    {"value-file-threshold", apply_settings},
    {"history-bases", apply_journal},
    {"history-seconds", apply_journal},
    {"auto-aof-rewrite-percentage", apply_triggers},
    {"auto-aof-rewrite-min-size", apply_triggers},
    {"rewrite-every-writes", apply_triggers},
    {"rewrite-every-seconds", apply_triggers},
    {"rewrite-stale-percentage", apply_triggers},
    {"logfile", apply_log},
    {"loglevel", apply_log},
    {"syslog-enabled", apply_log},
    {"syslog-ident", apply_log},
    {"syslog-facility", apply_log},
    {"jemalloc-bg-thread", apply_allocator},
    {"proc-title-template", apply_title},
};

const char *server_apply(void *context, const struct config *config, const char *directive)
{
    struct server *server = context;
    ASSERT(config == server->config);
    for (size_t i = 0; i < sizeof(applications) / sizeof(applications[0]); i++)
        if (strcmp(applications[i].directive, directive) == 0)
            return applications[i].apply(server);
    return NULL;
}
