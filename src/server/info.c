/* INFO: one function a section, one line a field, named as Redis names them where Redis has them; dkv's own
 * begin with dkv_ . */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/version.h"
#include "command/evict.h"
#include "command/message/pubsub.h"
#include "command/message/tracking.h"
#include "command/observe/latency.h"
#include "command/world.h"
#include "server/server.h"
#include "store/value_hash.h"

void rate_sample(struct rate *rate, uint64_t value, int64_t now_us)
{
    rate->values[rate->next] = value;
    rate->times_us[rate->next] = now_us;
    rate->next = (rate->next + 1) % RATE_SAMPLES;
    if (rate->count < RATE_SAMPLES)
        rate->count++;
}

double rate_read(const struct rate *rate)
{
    if (rate->count < 2)
        return 0;
    unsigned last = (rate->next + RATE_SAMPLES - 1) % RATE_SAMPLES;
    unsigned first = (rate->next + RATE_SAMPLES - rate->count) % RATE_SAMPLES;
    int64_t passed_us = rate->times_us[last] - rate->times_us[first];
    if (passed_us <= 0 || rate->values[last] < rate->values[first])
        return 0;
    return (double)(rate->values[last] - rate->values[first]) * 1e6 / (double)passed_us;
}

/* --- lines --------------------------------------------------------------------------------------------- */

static void put(struct buffer *out, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put(struct buffer *out, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buffer_append_text(out, name);
    buffer_append_char(out, ':');
    buffer_append_vformat(out, format, args);
    buffer_append_text(out, "\r\n");
    va_end(args);
}

static void put_uint(struct buffer *out, const char *name, uint64_t value)
{
    put(out, name, "%" PRIu64, value);
}

static void put_int(struct buffer *out, const char *name, int64_t value)
{
    put(out, name, "%" PRId64, value);
}

/* The bytes, and name_human for people. */
static void put_bytes(struct buffer *out, const char *name, uint64_t bytes)
{
    char human[32];
    put_uint(out, name, bytes);
    byte_size_format(human, bytes);
    buffer_append_format(out, "%s_human:%s\r\n", name, human);
}

/* Fields that Redis has and that say nothing here: tools that look for them find 0. */
static void put_zeros(struct buffer *out, const char *const *names)
{
    for (; *names; names++)
        buffer_append_format(out, "%s:0\r\n", *names);
}

/* --- sections ------------------------------------------------------------------------------------------ */

static void put_listeners(struct server *server, struct buffer *out)
{
    const struct config *config = server->config;
    int index = 0;
    if (config->port) {
        buffer_append_format(out, "listener%d:name=tcp", index++);
        for (int i = 0; i < config->bind.count; i++)
            buffer_append_format(out, ",bind=%s", config->bind.items[i]);
        buffer_append_format(out, ",port=%d\r\n", config->port);
    }
    if (config->unixsocket[0])
        buffer_append_format(out, "listener%d:name=unix,bind=%s\r\n", index, config->unixsocket);
}

static void section_server(struct server *server, struct buffer *out)
{
    static const char *const supervised[] = {"no", "auto", "systemd", "upstart"};
    struct utsname name;
    uname(&name);
    int64_t uptime = (server->world->monotonic_us - server->started_us) / 1000000;
    put(out, "redis_version", "%s", REDIS_VERSION);
    put(out, "redis_git_sha1", "00000000");
    put(out, "redis_git_dirty", "0");
    put(out, "redis_build_id", "%016" PRIx64, process_build_id());
    put(out, "redis_mode", "standalone");
    put(out, "dkv_version", "%s", DKV_VERSION);
    put(out, "os", "%s %s %s", name.sysname, name.release, name.machine);
    put(out, "arch_bits", "%d", (int)sizeof(void *) * 8);
    put(out, "monotonic_clock", "POSIX clock_gettime");
    put(out, "multiplexing_api", "epoll");
    put(out, "atomicvar_api", "c11-builtin");
    put(out, "gcc_version", "%d.%d.%d", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
    put_int(out, "process_id", getpid());
    put(out, "process_supervised", "%s", supervised[server->supervised_by]);
    put(out, "run_id", "%s", server->run_id);
    put_int(out, "tcp_port", server->config->port);
    put_int(out, "server_time_usec", world_time_us(server->world));
    put_int(out, "dkv_clock_ahead_ms", world_time_ahead_us(server->world) / 1000);
    put_uint(out, "dkv_clock_steps_back", server->world->time.steps_back);
    put_uint(out, "dkv_clock_steps_forward", server->world->time.steps_forward);
    put_int(out, "uptime_in_seconds", uptime);
    put_int(out, "uptime_in_days", uptime / 86400);
    put(out, "hz", "%s", config_get(server->config, slice_of("hz")));
    put(out, "configured_hz", "%s", config_get(server->config, slice_of("hz")));
    put_int(out, "lru_clock", (server->world->use_ms / 1000) & 0xffffff);
    put(out, "executable", "%s", server->executable);
    put(out, "config_file", "%s", server->config->file);
    put_int(out, "io_threads_active", 0);
    put_listeners(server, out);
}

static void section_clients(struct server *server, struct buffer *out)
{
    struct net_stats stats;
    net_stats_read(server->net, &stats);
    struct http_stats http;
    http_stats_read(server->http, &http);
    put_uint(out, "connected_clients", stats.connected + http.connected);
    put_uint(out, "http_clients", http.connected);
    put_uint(out, "cluster_connections", 0);
    put_uint(out, "maxclients", server->config->maxclients);
    put_uint(out, "client_recent_max_input_buffer", stats.input_recent_max);
    put_uint(out, "client_recent_max_output_buffer", stats.output_recent_max);
    put_uint(out, "client_output_total", stats.output_total);
    put_uint(out, "unread_clients", stats.unread);
    bool paused = server->world->pause != PAUSE_NONE;
    put_uint(out, "blocked_clients", stats.blocked + (paused ? stats.paused : 0));
    put_uint(out, "tracking_clients", server->world->tracking_sessions);
    static const char *const zeros[] = {"clients_in_timeout_table", "total_blocking_keys",
                                        "total_blocking_keys_on_nokey", NULL};
    put_zeros(out, zeros);
}

static void put_ratio(struct buffer *out, const char *ratio_name, const char *bytes_name, size_t above,
                      size_t below)
{
    put(out, ratio_name, "%.2f", below ? (double)above / (double)below : 0.0);
    put_int(out, bytes_name, (int64_t)above - (int64_t)below);
}

static void put_allocator(struct buffer *out, const struct memory_stats *memory)
{
    put_ratio(out, "allocator_frag_ratio", "allocator_frag_bytes", memory->active, memory->allocated);
    put_ratio(out, "allocator_rss_ratio", "allocator_rss_bytes", memory->resident, memory->active);
    put_ratio(out, "rss_overhead_ratio", "rss_overhead_bytes", memory->rss, memory->resident);
    put_ratio(out, "mem_fragmentation_ratio", "mem_fragmentation_bytes", memory->rss, memory->used);
}

struct clients_memory {
    size_t all;
    size_t shared; /* of that: bytes of values that replies refer to */
};

static struct clients_memory clients_memory(const struct server *server)
{
    struct clients_memory memory = {0};
    struct connection_info info;
    for (const struct session *session = server->world->sessions; session; session = session->next) {
        if (!client_connection(session, &info))
            continue;
        memory.all += client_memory(session, &info);
        memory.shared += info.output_shared;
    }
    return memory;
}

void server_memory_parts(const struct world *world, struct memory_parts *parts)
{
    struct server *server = server_of(world);
    struct clients_memory clients = clients_memory(server);
    *parts = (struct memory_parts){.peak = server->memory_peak,
                                   .startup = server->memory_startup,
                                   .clients = clients.all - clients.shared};
}

static void section_memory(struct server *server, struct buffer *out)
{
    struct memory_stats memory;
    memory_stats_read(&memory);
    if (memory.used > server->memory_peak)
        server->memory_peak = memory.used;
    struct clients_memory clients = clients_memory(server);
    struct engine_stats engine;
    engine_stats_read(server->engine, &engine);
    struct sysinfo system;
    sysinfo(&system);
    size_t overhead =
        server->memory_startup + store_overhead(server->world->store) + clients.all - clients.shared;
    size_t dataset = memory.used > overhead ? memory.used - overhead : 0;
    put_bytes(out, "used_memory", memory.used);
    put_bytes(out, "used_memory_rss", memory.rss);
    put_bytes(out, "used_memory_peak", server->memory_peak);
    put(out, "used_memory_peak_perc", "%.2f%%", 100.0 * (double)memory.used / (double)server->memory_peak);
    put_uint(out, "used_memory_overhead", overhead);
    put_uint(out, "used_memory_startup", server->memory_startup);
    put_uint(out, "used_memory_dataset", dataset);
    put(out, "used_memory_dataset_perc", "%.2f%%",
        memory.used > server->memory_startup
            ? 100.0 * (double)dataset / (double)(memory.used - server->memory_startup)
            : 0.0);
    put_uint(out, "allocator_allocated", memory.allocated);
    put_uint(out, "allocator_active", memory.active);
    put_uint(out, "allocator_resident", memory.resident);
    put_bytes(out, "total_system_memory", (uint64_t)system.totalram * system.mem_unit);
    put_bytes(out, "used_memory_lua", 0);
    put_bytes(out, "used_memory_scripts", 0);
    put_bytes(out, "used_memory_vm_total", 0);
    put_bytes(out, "maxmemory", server->config->maxmemory);
    put(out, "maxmemory_policy", "%s", config_get(server->config, slice_of("maxmemory-policy")));
    put_allocator(out, &memory);
    put_uint(out, "mem_clients_normal", clients.all);
    put_uint(out, "mem_aof_buffer",
             server->world->journal
                 ? journal_executed(server->world->journal) - journal_written(server->world->journal)
                 : 0);
    put_uint(out, "mem_not_counted_for_evict", evict_memory_not_counted(server->world));
    put(out, "mem_allocator", "%s", memory_allocator_name());
    put_uint(out, "lazyfree_pending_objects", engine.lazyfree_pending);
    put_uint(out, "lazyfreed_objects", engine.lazyfreed);
    static const char *const zeros[] = {"mem_replication_backlog",
                                        "mem_total_replication_buffers",
                                        "mem_clients_slaves",
                                        "mem_cluster_links",
                                        "active_defrag_running",
                                        "used_memory_vm_eval",
                                        "used_memory_vm_functions",
                                        "used_memory_scripts_eval",
                                        "used_memory_functions",
                                        "number_of_cached_scripts",
                                        "number_of_functions",
                                        "number_of_libraries",
                                        NULL};
    put_zeros(out, zeros);
}

static void put_loading(struct server *server, struct buffer *out, const struct engine_stats *stats)
{
    const struct recover_progress *progress = &stats->recovery;
    double seconds = (double)stats->recovery_us / 1e6;
    double rate = seconds > 0 ? (double)progress->bytes_done / seconds : 0;
    double left = (double)(progress->bytes_total - progress->bytes_done);
    put_int(out, "loading_start_time", server->started_ms / 1000);
    put_uint(out, "loading_total_bytes", progress->bytes_total);
    put_uint(out, "loading_loaded_bytes", progress->bytes_done);
    put(out, "loading_loaded_perc", "%.2f",
        progress->bytes_total ? 100.0 * (double)progress->bytes_done / (double)progress->bytes_total : 100.0);
    put_int(out, "loading_eta_seconds", rate > 0 ? (int64_t)(left / rate) : 1);
}

static int64_t rewrite_seconds(const struct server *server, const struct engine_stats *stats)
{
    return stats->rewriting ? (server->world->now_ms - stats->rewrite_began_ms) / 1000 : -1;
}

/* Saving is rewriting: both families of fields tell of the same thing. */
static void put_rewrites(struct server *server, struct buffer *out, const struct engine_stats *stats)
{
    put(out, "current_fork_perc", "%.2f",
        stats->rewrite_keys_total ? 100.0 * (double)stats->rewrite_keys / (double)stats->rewrite_keys_total
                                  : 0.0);
    put_uint(out, "current_save_keys_processed", stats->rewrite_keys);
    put_uint(out, "current_save_keys_total", stats->rewriting ? stats->rewrite_keys_total : 0);
    put_uint(out, "rdb_changes_since_last_save", server->world->changes_since_rewrite);
    put_int(out, "rdb_bgsave_in_progress", stats->rewriting);
    put_int(out, "rdb_last_save_time", stats->last_rewrite_ms / 1000);
    put(out, "rdb_last_bgsave_status", stats->last_rewrite_ok ? "ok" : "err");
    put_int(out, "rdb_last_bgsave_time_sec", stats->last_rewrite_seconds);
    put_int(out, "rdb_current_bgsave_time_sec", rewrite_seconds(server, stats));
    put_uint(out, "rdb_saves", stats->rewrites);
    put_uint(out, "rdb_last_load_keys_loaded", stats->recovered_commands);
    put_int(out, "aof_enabled", server->config->appendonly);
    put(out, "dkv_durability", "%s",
        server->config->appendonly ? config_get(server->config, slice_of("appendfsync")) : "none");
    put_int(out, "aof_rewrite_in_progress", stats->rewriting);
    put_int(out, "aof_rewrite_scheduled", stats->rewrite_scheduled);
    put_int(out, "aof_last_rewrite_time_sec", stats->last_rewrite_seconds);
    put_int(out, "aof_current_rewrite_time_sec", rewrite_seconds(server, stats));
    put(out, "aof_last_bgrewrite_status", stats->last_rewrite_ok ? "ok" : "err");
    put_uint(out, "aof_rewrites", stats->rewrites);
    put_uint(out, "aof_rewrites_consecutive_failures", stats->rewrites_failed_in_row);
}

static uint64_t latency_percentile(const struct journal_stats *stats, double share)
{
    uint64_t seen = 0;
    for (int i = 0; i < LATENCY_BUCKETS; i++) {
        seen += stats->sync_latency[i];
        if (seen > 0 && (double)seen >= share * (double)stats->syncs)
            return UINT64_C(2) << i;
    }
    return 0;
}

static void put_journal(struct server *server, struct buffer *out, const struct engine_stats *stats)
{
    struct journal *journal = server->world->journal;
    struct journal_stats journal_stats;
    journal_stats_read(journal, &journal_stats);
    put(out, "aof_last_write_status", journal_failed(journal) || journal_full(journal) ? "err" : "ok");
    put_uint(out, "aof_current_size", journal_stats.base_bytes + journal_stats.log_bytes);
    put_uint(out, "aof_base_size", journal_stats.base_bytes);
    put_uint(out, "aof_buffer_length", journal_executed(journal) - journal_written(journal));
    put(out, "dkv_stream_id", "%s", journal_stats.stream_id);
    put_uint(out, "dkv_lsn_executed", journal_executed(journal));
    put_uint(out, "dkv_lsn_written", journal_written(journal));
    put_uint(out, "dkv_lsn_durable", journal_durable(journal));
    put_uint(out, "dkv_base_lsn", journal_stats.base_lsn);
    put_uint(out, "dkv_base_bytes", journal_stats.base_bytes);
    put_uint(out, "dkv_log_bytes", journal_stats.log_bytes);
    put_uint(out, "dkv_value_files", journal_stats.value_files - journal_stats.value_files_dead);
    put_uint(out, "dkv_value_bytes", journal_stats.value_bytes - journal_stats.value_bytes_dead);
    put_uint(out, "dkv_value_files_unused", journal_stats.value_files_dead);
    put_uint(out, "dkv_value_bytes_unused", journal_stats.value_bytes_dead);
    put_uint(out, "dkv_values_unloaded", journal_stats.values_unloaded);
    put_uint(out, "dkv_values_unloaded_bytes", journal_stats.values_unloaded_bytes);
    put_uint(out, "dkv_live_bytes", stats->live_bytes);
    put_uint(out, "dkv_stale_bytes",
             stats->log_bytes > stats->live_bytes ? stats->log_bytes - stats->live_bytes : 0);
    put_uint(out, "dkv_segments", journal_stats.segments);
    put_uint(out, "dkv_space_reserved", journal_stats.segment_reserved);
    put_uint(out, "dkv_history_files", journal_stats.history_files);
    put_uint(out, "dkv_spare_files", journal_stats.spare_files);
    put_uint(out, "dkv_spare_bytes", journal_stats.spare_bytes);
    put_uint(out, "dkv_removal_files", journal_stats.removal_files);
    put_uint(out, "dkv_removal_bytes", journal_stats.removal_bytes);
    put_uint(out, "dkv_frames_written", journal_stats.frames);
    put_uint(out, "dkv_bytes_written", journal_stats.bytes);
    put_uint(out, "dkv_syncs", journal_stats.syncs);
    put_uint(out, "dkv_sync_us_last", journal_stats.sync_us_last);
    put_uint(out, "dkv_sync_us_mean",
             journal_stats.syncs ? journal_stats.sync_us_total / journal_stats.syncs : 0);
    put_uint(out, "dkv_sync_us_p50", latency_percentile(&journal_stats, 0.5));
    put_uint(out, "dkv_sync_us_p99", latency_percentile(&journal_stats, 0.99));
    put_uint(out, "dkv_sync_us_max", journal_stats.sync_us_max);
    put_int(out, "dkv_last_sync_time_ms", journal_stats.last_sync_ms);
    put(out, "dkv_disk_full", "%s", journal_full(journal) ? "yes" : "no");
}

static void section_persistence(struct server *server, struct buffer *out)
{
    struct engine_stats stats;
    engine_stats_read(server->engine, &stats);
    put_int(out, "loading", stats.recovering);
    put_rewrites(server, out, &stats);
    if (stats.recovering)
        put_loading(server, out, &stats);
    if (server->world->journal)
        put_journal(server, out, &stats);
    if (!stats.recovering && server->config->appendonly) {
        put(out, "dkv_recovery_seconds", "%.3f", (double)stats.recovery_us / 1e6);
        put_uint(out, "dkv_recovery_commands", stats.recovered_commands);
        put_uint(out, "dkv_recovery_bytes", stats.recovery.bytes_done);
        put_uint(out, "dkv_recovery_torn_bytes", stats.recovery.torn_bytes);
    }
    static const char *const zeros[] = {"async_loading",
                                        "current_cow_peak",
                                        "current_cow_size",
                                        "current_cow_size_age",
                                        "rdb_last_cow_size",
                                        "rdb_last_load_keys_expired",
                                        "aof_last_cow_size",
                                        "aof_pending_rewrite",
                                        "aof_pending_bio_fsync",
                                        "aof_delayed_fsync",
                                        "module_fork_in_progress",
                                        "module_fork_last_cow_size",
                                        NULL};
    put_zeros(out, zeros);
}

static void section_stats(struct server *server, struct buffer *out)
{
    const struct world_stats *stats = &server->world->stats;
    struct net_stats net;
    net_stats_read(server->net, &net);
    struct http_stats http;
    http_stats_read(server->http, &http);
    struct engine_stats engine;
    engine_stats_read(server->engine, &engine);
    put_uint(out, "total_connections_received", net.accepted + http.accepted);
    put_uint(out, "total_commands_processed", stats->commands);
    put(out, "instantaneous_ops_per_sec", "%.0f", rate_read(&server->commands_rate));
    put_uint(out, "total_net_input_bytes", net.bytes_in);
    put_uint(out, "total_net_output_bytes", net.bytes_out);
    put_uint(out, "total_reads_processed", net.reads);
    put_uint(out, "total_writes_processed", net.writes);
    put(out, "instantaneous_input_kbps", "%.2f", rate_read(&server->input_rate) / 1024.0);
    put(out, "instantaneous_output_kbps", "%.2f", rate_read(&server->output_rate) / 1024.0);
    put_uint(out, "rejected_connections", net.rejected + http.rejected);
    put_uint(out, "expired_subkeys", stats->expired_fields);
    put_uint(out, "expired_keys", stats->expired);
    put_uint(out, "expired_time_cap_reached_count", stats->expire_cap_reached);
    put_uint(out, "expire_cycle_cpu_milliseconds", stats->expire_time_us / 1000);
    int64_t exceeded_us;
    int64_t exceeded_now_us;
    evict_exceeded_us(server->world, &exceeded_us, &exceeded_now_us);
    put_uint(out, "evicted_keys", stats->evicted);
    put_uint(out, "evicted_clients", server->evicted_clients);
    put_uint(out, "client_query_buffer_limit_disconnections", net.closed_query_limit);
    put_uint(out, "client_output_buffer_limit_disconnections", net.closed_output_limit);
    put_uint(out, "unread_client_disconnections", net.closed_unread);
    put_uint(out, "unauthenticated_client_disconnections", net.closed_stranger);
    put_int(out, "total_eviction_exceeded_time", exceeded_us / 1000);
    put_int(out, "current_eviction_exceeded_time", exceeded_now_us / 1000);
    put_uint(out, "keyspace_hits", stats->keyspace_hits);
    put_uint(out, "keyspace_misses", stats->keyspace_misses);
    struct tracking_stats tracking;
    tracking_stats_read(server->world, &tracking);
    put_uint(out, "tracking_total_keys", tracking.keys);
    put_uint(out, "tracking_total_items", tracking.items);
    put_uint(out, "tracking_total_prefixes", tracking.prefixes);
    put_uint(out, "pubsub_channels", pubsub_count(server->world, SUBSCRIPTION_CHANNEL));
    put_uint(out, "pubsub_patterns", pubsub_count(server->world, SUBSCRIPTION_PATTERN));
    put_uint(out, "pubsubshard_channels", pubsub_count(server->world, SUBSCRIPTION_SHARD));
    put_int(out, "latest_fork_usec", engine.last_fork_us);
    put_uint(out, "total_forks", engine.rewrites + engine.rewrites_failed + (engine.rewriting ? 1 : 0));
    put_uint(out, "total_error_replies", stats->errors);
    put_uint(out, "acl_access_denied_auth", stats->auth_failures);
    put_uint(out, "acl_access_denied_cmd", stats->acl_denied_commands);
    put_uint(out, "acl_access_denied_key", stats->acl_denied_keys);
    put_uint(out, "acl_access_denied_channel", stats->acl_denied_channels);
    put_uint(out, "dkv_replies_held", stats->replies_held);
    put_uint(out, "dkv_writes_refused_full", stats->writes_refused_full);
    put_uint(out, "dkv_loop_stand_ins", stand_in_turns(server->stand_in));
    static const char *const zeros[] = {"total_net_repl_input_bytes",
                                        "total_net_repl_output_bytes",
                                        "instantaneous_input_repl_kbps",
                                        "instantaneous_output_repl_kbps",
                                        "sync_full",
                                        "sync_partial_ok",
                                        "sync_partial_err",
                                        "expired_stale_perc",
                                        "migrate_cached_sockets",
                                        "slave_expires_tracked_keys",
                                        "active_defrag_hits",
                                        "active_defrag_misses",
                                        "active_defrag_key_hits",
                                        "active_defrag_key_misses",
                                        "total_active_defrag_time",
                                        "current_active_defrag_time",
                                        "unexpected_error_replies",
                                        "dump_payload_sanitizations",
                                        "io_threaded_reads_processed",
                                        "io_threaded_writes_processed",
                                        "reply_buffer_shrinks",
                                        "reply_buffer_expands",
                                        NULL};
    put_zeros(out, zeros);
}

static void section_replication(struct server *server, struct buffer *out)
{
    put(out, "role", "master");
    put_int(out, "connected_slaves", 0);
    put(out, "master_failover_state", "no-failover");
    put(out, "master_replid", "%s", server->run_id);
    put(out, "master_replid2", "%040d", 0);
    put_int(out, "master_repl_offset", 0); /* until somebody follows */
    put_int(out, "second_repl_offset", -1);
    put_int(out, "repl_backlog_active", 0);
    put(out, "repl_backlog_size", "%s", config_get(server->config, slice_of("repl-backlog-size")));
    put_int(out, "repl_backlog_first_byte_offset", 0);
    put_int(out, "repl_backlog_histlen", 0);
}

static void put_usage(struct buffer *out, const char *suffix, const struct rusage *usage)
{
    buffer_append_format(out, "used_cpu_sys%s:%ld.%06ld\r\n", suffix, usage->ru_stime.tv_sec,
                         usage->ru_stime.tv_usec);
    buffer_append_format(out, "used_cpu_user%s:%ld.%06ld\r\n", suffix, usage->ru_utime.tv_sec,
                         usage->ru_utime.tv_usec);
}

static void section_cpu(struct server *server, struct buffer *out)
{
    (void)server;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    put_usage(out, "", &usage);
    getrusage(RUSAGE_CHILDREN, &usage);
    put_usage(out, "_children", &usage);
    getrusage(RUSAGE_THREAD, &usage);
    put_usage(out, "_main_thread", &usage);
}

static void section_modules(struct server *server, struct buffer *out)
{
    (void)server;
    (void)out;
}

static void put_command(struct server *server, struct buffer *out, const struct command_entry *entry)
{
    const struct command_stats *stats = &entry->stats;
    if (stats->calls || stats->rejected) {
        uint64_t usec = world_ticks_to_us(server->world, stats->ticks);
        buffer_append_format(out,
                             "cmdstat_%s:calls=%" PRIu64 ",usec=%" PRIu64
                             ",usec_per_call=%.2f,rejected_calls=%" PRIu64 ",failed_calls=%" PRIu64 "\r\n",
                             entry->full_name, stats->calls, usec,
                             stats->calls ? (double)usec / (double)stats->calls : 0.0, stats->rejected,
                             stats->failed);
    }
    for (size_t i = 0; i < entry->row->subcommand_count; i++)
        put_command(server, out, &entry->children[i]);
}

static void section_commandstats(struct server *server, struct buffer *out)
{
    struct command_table *table = server->world->commands;
    for (size_t i = 0; i < command_table_count_all(table); i++)
        put_command(server, out, command_table_at(table, i));
}

/* As the directive's text lists them: "50 99 99.9". */
static void put_percentiles(struct server *server, struct buffer *out, const struct command_entry *entry)
{
    const struct latency_histogram *histogram = entry->stats.histogram;
    const char *shares = config_get(server->config, slice_of("latency-tracking-info-percentiles"));
    double ns_per_tick = world_ns_per_tick(server->world);
    buffer_append_format(out, "latency_percentiles_usec_%s:", entry->full_name);
    for (char separator = '\0'; *shares; separator = ',') {
        int size = (int)strcspn(shares, " ");
        uint64_t ticks = histogram_percentile(histogram, strtod(shares, NULL) / 100);
        if (separator)
            buffer_append_char(out, separator);
        buffer_append_format(out, "p%.*s=%.3f", size, shares, (double)ticks * ns_per_tick / 1000);
        shares += size;
        shares += *shares == ' ';
    }
    buffer_append_text(out, "\r\n");
}

static void put_latency(struct server *server, struct buffer *out, const struct command_entry *entry)
{
    if (entry->stats.histogram && entry->stats.histogram->count)
        put_percentiles(server, out, entry);
    for (size_t i = 0; i < entry->row->subcommand_count; i++)
        put_latency(server, out, &entry->children[i]);
}

static void section_latencystats(struct server *server, struct buffer *out)
{
    const struct command_table *table = server->world->commands;
    for (size_t i = 0; i < command_table_count_all(table); i++)
        put_latency(server, out, command_table_at(table, i));
}

static void put_error(void *context, const char *code, uint64_t count)
{
    buffer_append_format(context, "errorstat_%s:count=%" PRIu64 "\r\n", code, count);
}

static void section_errorstats(struct server *server, struct buffer *out)
{
    error_stats_each(server->world, put_error, out);
}

static void section_cluster(struct server *server, struct buffer *out)
{
    (void)server;
    put_int(out, "cluster_enabled", 0);
}

static void section_keyspace(struct server *server, struct buffer *out)
{
    struct store *store = server->world->store;
    for (int i = 0; i < store_database_count(store); i++) {
        const struct database *db = store_database(store, i);
        if (database_size(db) == 0)
            continue;
        buffer_append_format(out, "db%d:keys=%zu,expires=%zu,avg_ttl=%" PRId64, i, database_size(db),
                             database_volatile_size(db), database_mean_ttl_ms(db, server->world->now_ms));
        /* As 8.0 has it, which is newer than what readers of this line may know: only where there is one. */
        if (database_parts_size(db) > 0)
            buffer_append_format(out, ",subexpiry=%zu", database_parts_size(db));
        buffer_append_text(out, "\r\n");
    }
}

/* In INFO's order. Those that are not by default are told under "all" and by name. */
static const struct info_section {
    const char *name;
    const char *title;
    void (*write)(struct server *server, struct buffer *out);
    bool by_default;
} sections[] = {
    {"server", "Server", section_server, true},
    {"clients", "Clients", section_clients, true},
    {"memory", "Memory", section_memory, true},
    {"persistence", "Persistence", section_persistence, true},
    {"stats", "Stats", section_stats, true},
    {"replication", "Replication", section_replication, true},
    {"cpu", "CPU", section_cpu, true},
    {"modules", "Modules", section_modules, true},
    {"commandstats", "Commandstats", section_commandstats, false},
    {"errorstats", "Errorstats", section_errorstats, true},
    {"latencystats", "Latencystats", section_latencystats, false},
    {"cluster", "Cluster", section_cluster, true},
    {"keyspace", "Keyspace", section_keyspace, true},
};

static bool section_wanted(const struct info_section *section, const struct call *call)
{
    if (call->argc == 1)
        return section->by_default;
    for (int i = 1; i < call->argc; i++) {
        struct slice name = call->argv[i];
        if (slice_is(name, "all") || slice_is(name, "everything") || slice_is(name, section->name) ||
            (slice_is(name, "default") && section->by_default))
            return true;
    }
    return false;
}

static void info_command(struct call *call)
{
    struct buffer out = {0};
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (!section_wanted(&sections[i], call))
            continue;
        if (out.size)
            buffer_append_text(&out, "\r\n");
        /* How many keys there are tells of writes, so it waits until those cannot be taken back. */
        if (sections[i].write == section_keyspace && call->world->journal)
            call->wait_lsn = journal_executed(call->world->journal);
        buffer_append_format(&out, "# %s\r\n", sections[i].title);
        sections[i].write(server_of(call->world), &out);
    }
    reply_verbatim(call->reply, buffer_slice(&out), "txt");
    buffer_free(&out);
}

static const struct command info_commands[] = {
    {.name = "info",
     .arity = -1,
     .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_DANGEROUS,
     .function = info_command,
     .arguments = "[section*]",
     .group = "server",
     .since = "1.0.0",
     .history = "7.0.0 Takes several sections.",
     .complexity = "O(1)",
     .summary = "Returns information and statistics about the server.",
     .tips = (const char *const[]){"nondeterministic_output", "request_policy:all_shards",
                                   "response_policy:special", NULL}},
};

void info_commands_add(struct command_table *table)
{
    command_table_add(table, info_commands, sizeof(info_commands) / sizeof(info_commands[0]));
}
