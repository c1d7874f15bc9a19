/* The directives: every one of Redis 7.2, and dkv's own. A row with a FIELD is acted on; the others are
 * checked and kept. Ranges, defaults and error texts are those of Redis, but for what dkv does differently
 * on purpose: it listens on the loopback only, keeps every write durable (appendonly yes, appendfsync
 * always), and has its data in ./data.
 *
 * dkv.conf documents every row; a test holds the two together. */
#include "server/config_table.h"

#include <limits.h>
#include <syslog.h>

#include "base/memory.h"

/* --- conditions of single directives ---------------------------------------------------------------- */

static const char *check_hz(struct config_value *value)
{
    /* Redis takes any number and bends it. */
    if (value->number < 1)
        value->number = 1;
    if (value->number > 500)
        value->number = 500;
    return NULL;
}

static const char *check_appendfilename(struct config_value *value)
{
    if (value->text[0] == '\0')
        return "appendfilename can't be empty";
    return strchr(value->text, '/') == NULL ? NULL : "appendfilename can't be a path, just a filename";
}

static const char *check_appenddirname(struct config_value *value)
{
    if (value->text[0] == '\0')
        return "appenddirname can't be empty";
    return strchr(value->text, '/') == NULL ? NULL : "appenddirname can't be a path, just a dirname";
}

static const char *check_dbfilename(struct config_value *value)
{
    return strchr(value->text, '/') == NULL ? NULL : "dbfilename can't be a path, just a filename";
}

static const char *check_dir(struct config_value *value)
{
    return value->text[0] != '\0' ? NULL : "the data folder can't be empty; use . for the current one";
}

static const char *check_hostname(struct config_value *value)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    if (strlen(value->text) >= 256)
        return "Hostnames must be less than 256 characters";
    if (value->text[strspn(value->text, allowed)] != '\0')
        return "Hostnames may only contain alphanumeric characters, hyphens or dots";
    return NULL;
}

static const char *check_bind(struct config_value *value)
{
    return value->words.count <= 16 ? NULL : "Too many bind addresses specified.";
}

static const char *check_title(struct config_value *value)
{
    struct buffer unused = {0};
    bool ok = value->text[0] != '\0' && title_expand(value->text, NULL, "", "", &unused);
    buffer_free(&unused);
    return ok ? NULL : "template format is invalid or contains unknown variables";
}

/* Brings the classes into the order in which CONFIG GET lists them, with A for the ten that it stands for. */
static const char *check_events(struct config_value *value)
{
    static const char order[] = "g$lshzxetdKEmn";
    const size_t in_all = 10;
    if (value->text[strspn(value->text, "A$KEdeghlmnstxz")] != '\0')
        return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    bool all = true;
    for (size_t i = 0; i < in_all; i++)
        all = all && strchr(value->text, order[i]) != NULL;
    all = all || strchr(value->text, 'A') != NULL;
    char canonical[sizeof(order) + 1];
    size_t size = 0;
    if (all)
        canonical[size++] = 'A';
    for (size_t i = all ? in_all : 0; order[i] != '\0'; i++)
        if (strchr(value->text, order[i]) != NULL)
            canonical[size++] = order[i];
    canonical[size] = '\0';
    mem_free(value->text);
    value->text = mem_strdup(canonical);
    return NULL;
}

enum { STOP_SAVE = 1, STOP_NOSAVE = 2, STOP_NOW = 4, STOP_FORCE = 8 };

static const char *check_stop(struct config_value *value)
{
    if ((value->number & STOP_SAVE) && (value->number & STOP_NOSAVE))
        return "shutdown options SAVE and NOSAVE can't be used simultaneously";
    return NULL;
}

/* --- choices, in the order in which Redis lists them in its errors ---------------------------------- */

static const struct config_choice sync_choices[] = {
    {"everysec", SYNC_EVERYSEC}, {"always", SYNC_ALWAYS}, {"no", SYNC_NO}, {NULL, 0}};
static const struct config_choice load_choices[] = {{"start", VALUE_LOAD_START},
                                                    {"background", VALUE_LOAD_BACKGROUND},
                                                    {"first-use", VALUE_LOAD_FIRST_USE},
                                                    {NULL, 0}};
static const struct config_choice set_back_choices[] = {
    {"slow", CLOCK_SLOW}, {"follow", CLOCK_FOLLOW}, {NULL, 0}};
static const struct config_choice access_choices[] = {
    {"no", ACCESS_NO}, {"yes", ACCESS_YES}, {"local", ACCESS_LOCAL}, {NULL, 0}};
static const struct config_choice level_choices[] = {
    {"debug", LOG_LEVEL_DEBUG},     {"verbose", LOG_LEVEL_VERBOSE}, {"notice", LOG_LEVEL_NOTICE},
    {"warning", LOG_LEVEL_WARNING}, {"nothing", LOG_LEVEL_NOTHING}, {NULL, 0}};
static const struct config_choice supervised_choices[] = {{"upstart", SUPERVISED_UPSTART},
                                                          {"systemd", SUPERVISED_SYSTEMD},
                                                          {"auto", SUPERVISED_AUTO},
                                                          {"no", SUPERVISED_NO},
                                                          {NULL, 0}};
static const struct config_choice facility_choices[] = {{"user", LOG_USER},     {"local0", LOG_LOCAL0},
                                                        {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},
                                                        {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
                                                        {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
                                                        {"local7", LOG_LOCAL7}, {NULL, 0}};
static const struct config_choice stop_choices[] = {{"default", 0},          {"save", STOP_SAVE},
                                                    {"nosave", STOP_NOSAVE}, {"now", STOP_NOW},
                                                    {"force", STOP_FORCE},   {NULL, 0}};
static const struct config_choice policy_choices[] = {{"volatile-lru", EVICT_VOLATILE_LRU},
                                                      {"volatile-lfu", EVICT_VOLATILE_LFU},
                                                      {"volatile-random", EVICT_VOLATILE_RANDOM},
                                                      {"volatile-ttl", EVICT_VOLATILE_TTL},
                                                      {"allkeys-lru", EVICT_ALLKEYS_LRU},
                                                      {"allkeys-lfu", EVICT_ALLKEYS_LFU},
                                                      {"allkeys-random", EVICT_ALLKEYS_RANDOM},
                                                      {"noeviction", EVICT_NONE},
                                                      {NULL, 0}};
/* Kept only, so that the numbers just tell them apart. */
static const struct config_choice pubsub_choices[] = {
    {"allchannels", true}, {"resetchannels", false}, {NULL, 0}};
static const struct config_choice endpoint_choices[] = {
    {"ip", 0}, {"hostname", 1}, {"unknown-endpoint", 2}, {NULL, 0}};
static const struct config_choice oom_choices[] = {
    {"no", 0}, {"yes", 1}, {"relative", 1}, {"absolute", 2}, {NULL, 0}};
static const struct config_choice propagation_choices[] = {
    {"ignore", 0}, {"panic", 1}, {"panic-on-replicas", 2}, {NULL, 0}};
static const struct config_choice diskless_choices[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}, {NULL, 0}};
static const struct config_choice sanitize_choices[] = {{"no", 0}, {"yes", 1}, {"clients", 2}, {NULL, 0}};
static const struct config_choice tls_auth_choices[] = {{"no", 0}, {"yes", 1}, {"optional", 2}, {NULL, 0}};

/* --- the table -------------------------------------------------------------------------------------- */

#define ROW(NAME, KIND, STANDARD, ...)                                         \
    {                                                                          \
        .name = NAME, .kind = KIND_##KIND, .standard = STANDARD, ##__VA_ARGS__ \
    }
#define FIELD(MEMBER) \
    .field_offset = offsetof(struct config, MEMBER), .field_size = sizeof(((struct config *)0)->MEMBER)
#define ALIAS(NAME)      .alias = NAME
#define RANGE(LOW, HIGH) .min = LOW, .max = HIGH
#define CHOICES(LIST)    .choices = LIST
#define CHECK(FUNCTION)  .check = FUNCTION
#define FLAGS(NAMES)     .flags = NAMES

#define IMMUTABLE  DIRECTIVE_IMMUTABLE
#define START_ONLY DIRECTIVE_START_ONLY
#define PROTECTED  DIRECTIVE_PROTECTED
#define SENSITIVE  DIRECTIVE_SENSITIVE
#define ADDS       DIRECTIVE_ADDS
#define FULFILLED  DIRECTIVE_FULFILLED

#define KB INT64_C(1024)
#define MB (KB * KB)
#define GB (KB * MB)

/* clang-format off */
const struct directive directives[] = {
    /* Listening. */
    ROW("port", INT, "6379", FIELD(port), RANGE(0, 65535)),
    ROW("bind", WORDS, "127.0.0.1 -::1", FIELD(bind), CHECK(check_bind)),
    ROW("unixsocket", STRING, "", FIELD(unixsocket), FLAGS(IMMUTABLE)),
    ROW("unixsocketperm", OCTAL, "0", FIELD(unixsocketperm), RANGE(0, 0777), FLAGS(IMMUTABLE)),
    ROW("tcp-backlog", INT, "511", FIELD(tcp_backlog), RANGE(0, INT_MAX), FLAGS(IMMUTABLE)),
    ROW("http-port", INT, "0", FIELD(http_port), RANGE(0, 65535)),
    ROW("http-bind", WORDS, "127.0.0.1 -::1", FIELD(http_bind), CHECK(check_bind)),
    ROW("http-unixsocket", STRING, "", FIELD(http_unixsocket), FLAGS(IMMUTABLE)),
    ROW("http-unixsocketperm", OCTAL, "0", FIELD(http_unixsocketperm), RANGE(0, 0777), FLAGS(IMMUTABLE)),
    ROW("http-timeout", INT, "30", FIELD(http_timeout), RANGE(0, INT_MAX)),
    ROW("http-max-uploads", SIZE, "256mb", FIELD(http_max_uploads), RANGE(MB, INT64_MAX)),
    ROW("http-max-value", SIZE, "10mb", FIELD(http_max_value), RANGE(1, 64 * GB)),
    ROW("http-any-key", BOOL, "no", FIELD(http_any_key)),
    ROW("http-cors-origin", WORDS, "", FIELD(http_cors_origin)),
    ROW("protected-mode", BOOL, "yes", FIELD(protected_mode)),

    /* Clients. */
    ROW("requirepass", BYTES, "", FIELD(requirepass), FLAGS(SENSITIVE)),
    ROW("maxclients", INT, "10000", FIELD(maxclients), RANGE(1, UINT_MAX)),
    ROW("timeout", INT, "0", FIELD(timeout), RANGE(0, INT_MAX)),
    ROW("tcp-keepalive", INT, "300", FIELD(tcp_keepalive), RANGE(0, INT_MAX)),
    ROW("client-output-buffer-limit", OUTPUT_LIMITS,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", FIELD(output_limits)),
    ROW("client-output-total", SIZE_OR_PERCENT, "10%", FIELD(client_output_total), RANGE(0, INT64_MAX)),
    ROW("client-query-buffer-limit", SIZE, "1gb", FIELD(client_query_buffer_limit), RANGE(MB, INT64_MAX)),
    ROW("proto-max-bulk-len", SIZE, "512mb", FIELD(proto_max_bulk_len), RANGE(MB, INT64_MAX)),
    ROW("hll-sparse-max-bytes", SIZE, "3000", FIELD(hll_sparse_max_bytes), RANGE(0, INT64_MAX)),
    ROW("hash-max-listpack-entries", INT, "512", FIELD(hash_max_listpack_entries),
        ALIAS("hash-max-ziplist-entries"), RANGE(0, INT64_MAX)),
    ROW("hash-max-listpack-value", SIZE, "64", FIELD(hash_max_listpack_value), ALIAS("hash-max-ziplist-value"),
        RANGE(0, INT64_MAX)),
    ROW("rdbcompression", BOOL, "yes", FIELD(rdbcompression)),
    ROW("enable-debug-command", ENUM, "no", FIELD(enable_debug_command), CHOICES(access_choices), FLAGS(IMMUTABLE)),
    ROW("enable-protected-configs", ENUM, "no", FIELD(enable_protected_configs), CHOICES(access_choices),
        FLAGS(IMMUTABLE)),

    /* Data. */
    ROW("databases", INT, "16", FIELD(databases), RANGE(1, 65536), FLAGS(IMMUTABLE)),
    ROW("dir", STRING, "./data", FIELD(dir), CHECK(check_dir), FLAGS(PROTECTED | START_ONLY)),
    ROW("appendonly", BOOL, "yes", FIELD(appendonly)),
    ROW("ignore-redis-data", BOOL, "no", FIELD(ignore_redis_data), FLAGS(IMMUTABLE)),
    ROW("dbfilename", STRING, "dump.rdb", FIELD(dbfilename), CHECK(check_dbfilename), FLAGS(PROTECTED)),
    ROW("appenddirname", STRING, "appendonlydir", FIELD(appenddirname), CHECK(check_appenddirname), FLAGS(IMMUTABLE)),
    ROW("appendfilename", STRING, "appendonly.aof", FIELD(appendfilename), CHECK(check_appendfilename),
        FLAGS(IMMUTABLE)),
    ROW("appendfsync", ENUM, "always", FIELD(appendfsync), CHOICES(sync_choices)),
    ROW("segment-size", SIZE, "64mb", FIELD(segment_size), RANGE(64 * KB, 64 * GB)),
    ROW("unsynced-max", SIZE, "64mb", FIELD(unsynced_max), RANGE(64 * KB, 64 * GB)),
    ROW("value-file-threshold", SIZE, "1mb", FIELD(value_file_threshold), RANGE(0, 64 * GB)),
    ROW("value-load", ENUM, "start", FIELD(value_load), CHOICES(load_choices), FLAGS(START_ONLY)),
    ROW("clock-set-back", ENUM, "slow", FIELD(clock_set_back), CHOICES(set_back_choices)),

    /* Rewrites and history. */
    ROW("auto-aof-rewrite-percentage", INT, "100", FIELD(auto_aof_rewrite_percentage), RANGE(0, INT_MAX)),
    ROW("auto-aof-rewrite-min-size", SIZE, "64mb", FIELD(auto_aof_rewrite_min_size), RANGE(0, INT64_MAX)),
    ROW("rewrite-every-writes", INT, "0", FIELD(rewrite_every_writes), RANGE(0, INT64_MAX)),
    ROW("rewrite-every-seconds", INT, "0", FIELD(rewrite_every_seconds), RANGE(0, INT_MAX)),
    ROW("rewrite-stale-percentage", INT, "0", FIELD(rewrite_stale_percentage), RANGE(0, 100)),
    ROW("history-bases", INT, "0", FIELD(history_bases), RANGE(0, 1000000)),
    ROW("history-seconds", INT, "0", FIELD(history_seconds), RANGE(0, INT_MAX)),

    /* The process. */
    ROW("daemonize", BOOL, "no", FIELD(daemonize), FLAGS(IMMUTABLE)),
    ROW("pidfile", STRING, "", FIELD(pidfile), FLAGS(IMMUTABLE)),
    ROW("supervised", ENUM, "no", FIELD(supervised), CHOICES(supervised_choices), FLAGS(IMMUTABLE)),
    ROW("logfile", STRING, "", FIELD(logfile), FLAGS(IMMUTABLE)),
    ROW("loglevel", ENUM, "notice", FIELD(loglevel), CHOICES(level_choices)),
    ROW("syslog-enabled", BOOL, "no", FIELD(syslog_enabled), FLAGS(IMMUTABLE)),
    ROW("syslog-ident", STRING, "dkv", FIELD(syslog_ident), FLAGS(IMMUTABLE)),
    ROW("syslog-facility", ENUM, "local0", FIELD(syslog_facility), CHOICES(facility_choices), FLAGS(IMMUTABLE)),
    ROW("crash-log-enabled", BOOL, "yes", FIELD(crash_log_enabled)),
    ROW("set-proc-title", BOOL, "yes", FIELD(set_proc_title), FLAGS(IMMUTABLE)),
    ROW("proc-title-template", STRING, "{title} {listen-addr} {server-mode}", FIELD(proc_title_template),
        CHECK(check_title)),
    ROW("disable-thp", BOOL, "yes", FIELD(disable_thp), FLAGS(IMMUTABLE)),
    ROW("jemalloc-bg-thread", BOOL, "yes", FIELD(jemalloc_bg_thread)),

    /* Kept, not acted on: snapshots and the append-only file as Redis has them. */
    ROW("save", SAVE, "3600 1 300 100 60 10000", FLAGS(ADDS | FULFILLED)),
    ROW("aof-load-truncated", BOOL, "yes"),
    ROW("aof-rewrite-incremental-fsync", BOOL, "yes"),
    ROW("aof-timestamp-enabled", BOOL, "no"),
    ROW("aof-use-rdb-preamble", BOOL, "yes"),
    ROW("no-appendfsync-on-rewrite", BOOL, "no"),
    ROW("rdb-del-sync-files", BOOL, "no"),
    ROW("rdb-save-incremental-fsync", BOOL, "yes"),
    ROW("rdbchecksum", BOOL, "yes", FLAGS(IMMUTABLE)),
    ROW("sanitize-dump-payload", ENUM, "no", CHOICES(sanitize_choices)),
    ROW("stop-writes-on-bgsave-error", BOOL, "yes"),

    /* Memory and eviction. */
    ROW("maxmemory", SIZE, "0", FIELD(maxmemory), RANGE(0, INT64_MAX)),
    ROW("maxmemory-clients", SIZE_OR_PERCENT, "0", FIELD(maxmemory_clients), RANGE(0, INT64_MAX)),
    ROW("maxmemory-eviction-tenacity", INT, "10", FIELD(maxmemory_eviction_tenacity), RANGE(0, 100)),
    ROW("maxmemory-policy", ENUM, "noeviction", FIELD(maxmemory_policy), CHOICES(policy_choices)),
    ROW("maxmemory-samples", INT, "5", FIELD(maxmemory_samples), RANGE(1, INT_MAX)),
    ROW("lfu-decay-time", INT, "1", FIELD(lfu_decay_time), RANGE(0, INT_MAX)),
    ROW("lfu-log-factor", INT, "10", FIELD(lfu_log_factor), RANGE(0, INT_MAX)),
    ROW("lazyfree-lazy-eviction", BOOL, "no", FIELD(lazyfree_lazy_eviction)),
    ROW("lazyfree-lazy-expire", BOOL, "no"),
    ROW("lazyfree-lazy-server-del", BOOL, "no"),
    ROW("lazyfree-lazy-user-del", BOOL, "no"),
    ROW("lazyfree-lazy-user-flush", BOOL, "no"),
    ROW("active-defrag-cycle-max", INT, "25", RANGE(1, 99)),
    ROW("active-defrag-cycle-min", INT, "1", RANGE(1, 99)),
    ROW("active-defrag-ignore-bytes", SIZE, "100mb", RANGE(1, INT64_MAX)),
    ROW("active-defrag-max-scan-fields", INT, "1000", RANGE(1, INT64_MAX)),
    ROW("active-defrag-threshold-lower", INT, "10", RANGE(0, 1000)),
    ROW("active-defrag-threshold-upper", INT, "100", RANGE(0, 1000)),
    ROW("activedefrag", BOOL, "no"),
    ROW("oom-score-adj", ENUM, "no", CHOICES(oom_choices)),
    ROW("oom-score-adj-values", OOM_SCORES, "0 200 800"),

    /* The loop. */
    ROW("active-expire-effort", INT, "1", RANGE(1, 10)),
    ROW("activerehashing", BOOL, "yes"),
    ROW("dynamic-hz", BOOL, "yes"),
    ROW("hz", INT, "10", RANGE(0, INT_MAX), CHECK(check_hz)),
    ROW("io-threads", INT, "1", RANGE(1, 128), FLAGS(IMMUTABLE)),
    ROW("io-threads-do-reads", BOOL, "no", FLAGS(IMMUTABLE)),
    ROW("aof_rewrite_cpulist", STRING, "", FLAGS(IMMUTABLE)),
    ROW("bgsave_cpulist", STRING, "", FLAGS(IMMUTABLE)),
    ROW("bio_cpulist", STRING, "", FLAGS(IMMUTABLE)),
    ROW("server_cpulist", STRING, "", FLAGS(IMMUTABLE)),

    /* Value types. */
    ROW("list-compress-depth", INT, "0", RANGE(0, INT_MAX)),
    ROW("list-max-listpack-size", INT, "-2", ALIAS("list-max-ziplist-size"), RANGE(INT_MIN, INT_MAX)),
    ROW("set-max-intset-entries", INT, "512", RANGE(0, INT64_MAX)),
    ROW("set-max-listpack-entries", INT, "128", RANGE(0, INT64_MAX)),
    ROW("set-max-listpack-value", SIZE, "64", RANGE(0, INT64_MAX)),
    ROW("stream-node-max-bytes", SIZE, "4096", RANGE(0, INT64_MAX)),
    ROW("stream-node-max-entries", INT, "100", RANGE(0, INT64_MAX)),
    ROW("zset-max-listpack-entries", INT, "128", ALIAS("zset-max-ziplist-entries"), RANGE(0, INT64_MAX)),
    ROW("zset-max-listpack-value", SIZE, "64", ALIAS("zset-max-ziplist-value"), RANGE(0, INT64_MAX)),

    /* Events, scripts, access. */
    ROW("acl-pubsub-default", ENUM, "resetchannels", FIELD(acl_channels_by_default), CHOICES(pubsub_choices)),
    ROW("aclfile", STRING, "", FIELD(aclfile), FLAGS(IMMUTABLE)),
    ROW("acllog-max-len", INT, "128", FIELD(acllog_max_len), RANGE(0, INT64_MAX)),
    ROW("busy-reply-threshold", INT, "5000", ALIAS("lua-time-limit"), RANGE(0, INT64_MAX)),
    ROW("enable-module-command", ENUM, "no", CHOICES(access_choices), FLAGS(IMMUTABLE)),
    ROW("locale-collate", STRING, ""),
    ROW("notify-keyspace-events", STRING, "", FIELD(notify_keyspace_events), CHECK(check_events)),
    ROW("tracking-table-max-keys", INT, "1000000", FIELD(tracking_table_max_keys), RANGE(0, INT64_MAX)),

    /* Watching, starting and stopping. */
    ROW("always-show-logo", BOOL, "no", FLAGS(IMMUTABLE)),
    ROW("crash-memcheck-enabled", BOOL, "yes"),
    ROW("ignore-warnings", STRING, ""),
    ROW("latency-monitor-threshold", INT, "0", FIELD(latency_monitor_threshold), RANGE(0, INT64_MAX)),
    ROW("latency-tracking", BOOL, "yes", FIELD(latency_tracking)),
    ROW("latency-tracking-info-percentiles", PERCENTILES, "50 99 99.9", FLAGS(FULFILLED)),
    ROW("shutdown-on-sigint", FLAGS, "default", CHOICES(stop_choices), CHECK(check_stop)),
    ROW("shutdown-on-sigterm", FLAGS, "default", CHOICES(stop_choices), CHECK(check_stop)),
    ROW("shutdown-timeout", INT, "10", RANGE(0, INT_MAX)),
    ROW("slowlog-log-slower-than", INT, "10000", FIELD(slowlog_log_slower_than), RANGE(-1, INT64_MAX)),
    ROW("slowlog-max-len", INT, "128", FIELD(slowlog_max_len), RANGE(0, INT64_MAX)),
    ROW("bind-source-addr", STRING, ""),
    ROW("socket-mark-id", INT, "0", RANGE(0, UINT_MAX), FLAGS(IMMUTABLE)),

    /* Replication. */
    ROW("masterauth", BYTES, "", FLAGS(SENSITIVE)),
    ROW("masteruser", STRING, "", FLAGS(SENSITIVE)),
    ROW("min-replicas-max-lag", INT, "10", ALIAS("min-slaves-max-lag"), RANGE(0, INT_MAX)),
    ROW("min-replicas-to-write", INT, "0", ALIAS("min-slaves-to-write"), RANGE(0, INT_MAX)),
    ROW("propagation-error-behavior", ENUM, "ignore", CHOICES(propagation_choices)),
    ROW("repl-backlog-size", SIZE, "1mb", RANGE(1, INT64_MAX)),
    ROW("repl-backlog-ttl", INT, "3600", RANGE(0, INT64_MAX)),
    ROW("repl-disable-tcp-nodelay", BOOL, "no"),
    ROW("repl-diskless-load", ENUM, "disabled", CHOICES(diskless_choices)),
    ROW("repl-diskless-sync", BOOL, "yes"),
    ROW("repl-diskless-sync-delay", INT, "5", RANGE(0, INT_MAX)),
    ROW("repl-diskless-sync-max-replicas", INT, "0", RANGE(0, INT_MAX)),
    ROW("repl-ping-replica-period", INT, "10", ALIAS("repl-ping-slave-period"), RANGE(1, INT_MAX)),
    ROW("repl-timeout", INT, "60", RANGE(1, INT_MAX)),
    ROW("replica-announce-ip", STRING, "", ALIAS("slave-announce-ip")),
    ROW("replica-announce-port", INT, "0", ALIAS("slave-announce-port"), RANGE(0, 65535)),
    ROW("replica-announced", BOOL, "yes"),
    ROW("replica-ignore-disk-write-errors", BOOL, "no"),
    ROW("replica-ignore-maxmemory", BOOL, "yes", ALIAS("slave-ignore-maxmemory")),
    ROW("replica-lazy-flush", BOOL, "no", ALIAS("slave-lazy-flush")),
    ROW("replica-priority", INT, "100", ALIAS("slave-priority"), RANGE(0, INT_MAX)),
    ROW("replica-read-only", BOOL, "yes", ALIAS("slave-read-only")),
    ROW("replica-serve-stale-data", BOOL, "yes", ALIAS("slave-serve-stale-data")),
    ROW("replicaof", MASTER, "no one", ALIAS("slaveof"), FLAGS(IMMUTABLE)),

    /* Cluster. */
    ROW("cluster-allow-pubsubshard-when-down", BOOL, "yes"),
    ROW("cluster-allow-reads-when-down", BOOL, "no"),
    ROW("cluster-allow-replica-migration", BOOL, "yes"),
    ROW("cluster-announce-bus-port", INT, "0", RANGE(0, 65535)),
    ROW("cluster-announce-hostname", STRING, "", CHECK(check_hostname)),
    ROW("cluster-announce-human-nodename", STRING, "", CHECK(check_hostname)),
    ROW("cluster-announce-ip", STRING, ""),
    ROW("cluster-announce-port", INT, "0", RANGE(0, 65535)),
    ROW("cluster-announce-tls-port", INT, "0", RANGE(0, 65535)),
    ROW("cluster-config-file", STRING, "nodes.conf", FLAGS(IMMUTABLE)),
    ROW("cluster-enabled", BOOL, "no", FLAGS(IMMUTABLE)),
    ROW("cluster-link-sendbuf-limit", SIZE, "0", RANGE(0, INT64_MAX)),
    ROW("cluster-migration-barrier", INT, "1", RANGE(0, INT_MAX)),
    ROW("cluster-node-timeout", INT, "15000", RANGE(0, INT64_MAX)),
    ROW("cluster-port", INT, "0", RANGE(0, 65535), FLAGS(IMMUTABLE)),
    ROW("cluster-preferred-endpoint-type", ENUM, "ip", CHOICES(endpoint_choices)),
    ROW("cluster-replica-no-failover", BOOL, "no", ALIAS("cluster-slave-no-failover")),
    ROW("cluster-replica-validity-factor", INT, "10", ALIAS("cluster-slave-validity-factor"), RANGE(0, INT_MAX)),
    ROW("cluster-require-full-coverage", BOOL, "yes"),

    /* TLS. */
    ROW("tls-auth-clients", ENUM, "yes", CHOICES(tls_auth_choices)),
    ROW("tls-ca-cert-dir", STRING, ""),
    ROW("tls-ca-cert-file", STRING, ""),
    ROW("tls-cert-file", STRING, ""),
    ROW("tls-ciphers", STRING, ""),
    ROW("tls-ciphersuites", STRING, ""),
    ROW("tls-client-cert-file", STRING, ""),
    ROW("tls-client-key-file", STRING, ""),
    ROW("tls-client-key-file-pass", STRING, "", FLAGS(SENSITIVE)),
    ROW("tls-cluster", BOOL, "no"),
    ROW("tls-dh-params-file", STRING, ""),
    ROW("tls-key-file", STRING, ""),
    ROW("tls-key-file-pass", STRING, "", FLAGS(SENSITIVE)),
    ROW("tls-port", INT, "0", RANGE(0, 65535)),
    ROW("tls-prefer-server-ciphers", BOOL, "no"),
    ROW("tls-protocols", STRING, ""),
    ROW("tls-replication", BOOL, "no"),
    ROW("tls-session-cache-size", INT, "20480", RANGE(0, INT_MAX)),
    ROW("tls-session-cache-timeout", INT, "300", RANGE(0, INT_MAX)),
    ROW("tls-session-caching", BOOL, "yes"),
};
/* clang-format on */

const size_t directive_count = sizeof(directives) / sizeof(directives[0]);

/* --- looking rows up -------------------------------------------------------------------------------- */

const struct directive *directive_find(struct slice name, bool *by_alias)
{
    for (size_t i = 0; i < directive_count; i++) {
        bool alias = directives[i].alias != NULL && slice_is(name, directives[i].alias);
        if (by_alias != NULL)
            *by_alias = alias;
        if (alias || slice_is(name, directives[i].name))
            return &directives[i];
    }
    return NULL;
}

size_t directive_index(const struct directive *directive)
{
    return (size_t)(directive - directives);
}

/* Letters to insert, remove or change to make one out of the other (Levenshtein), row by row of the usual
 * table. */
static int edit_distance(struct slice a, const char *b)
{
    enum { LENGTH_MAX = 63 };
    int row[LENGTH_MAX + 1];
    int b_size = (int)strlen(b);
    if (a.size > LENGTH_MAX || b_size > LENGTH_MAX)
        return INT_MAX;
    for (int j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 0; i < a.size; i++) {
        int diagonal = row[0];
        row[0] = (int)i + 1;
        for (int j = 1; j <= b_size; j++) {
            int change = diagonal + ((a.data[i] | 0x20) != (b[j - 1] | 0x20));
            diagonal = row[j];
            int other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < other ? change : other;
        }
    }
    return row[b_size];
}

const char *directive_nearest(struct slice name)
{
    const char *nearest = NULL;
    /* Half of the letters wrong, or more than three, is no likeness. */
    int least = (int)name.size / 2 < 3 ? (int)name.size / 2 : 3;
    for (size_t i = 0; i < directive_count; i++) {
        int distance = edit_distance(name, directives[i].name);
        if (distance <= least && (nearest == NULL || distance < least)) {
            nearest = directives[i].name;
            least = distance;
        }
    }
    return nearest;
}
