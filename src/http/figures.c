#include "http/figures.h"

#include <stddef.h>

#define KIND(member)                                       \
    _Generic(((struct metrics_source *)NULL)->member, bool \
             : FIGURE_BOOL, int64_t                        \
             : FIGURE_INT, double                          \
             : FIGURE_REAL, uint64_t                       \
             : FIGURE_UINT)
#define FIGURE(section_name, json_name, metric_name, metric_type, member, unit, help_text)              \
    {                                                                                                   \
        .section = section_name, .name = json_name, .metric = metric_name, .help = help_text,           \
        .offset = offsetof(struct metrics_source, member), .scale = unit, .type = FIGURE_##metric_type, \
        .kind = KIND(member)                                                                            \
    }
#define JOURNAL(json_name, metric_name, metric_type, member, unit, help_text)                           \
    {                                                                                                   \
        .section = "log", .name = json_name, .metric = metric_name, .help = help_text,                  \
        .offset = offsetof(struct metrics_source, member), .scale = unit, .type = FIGURE_##metric_type, \
        .kind = KIND(member), .of_journal = true                                                        \
    }

#define ONE          1.0
#define MILLISECONDS 1e-3
#define MICROSECONDS 1e-6

/* clang-format off */
const struct figure figures[] = {
    FIGURE("server", "now_ms", NULL, GAUGE, now_ms, ONE, NULL),
    FIGURE("server", "pid", NULL, GAUGE, pid, ONE, NULL),
    FIGURE("server", "started_ms", "process_start_time_seconds", GAUGE, started_ms, MILLISECONDS,
           "When the server was started, in seconds since 1970."),
    FIGURE("server", "uptime_us", "dkv_uptime_seconds", GAUGE, uptime_us, MICROSECONDS,
           "How long the server has been running."),
    FIGURE("server", "cpu_us", "process_cpu_seconds_total", COUNTER, cpu_us, MICROSECONDS,
           "Processor time of all threads."),
    FIGURE("server", "loading", "dkv_loading", GAUGE, loading, ONE,
           "1 while the log is being replayed and no command is served."),

    FIGURE("commands", "total", "dkv_commands_processed_total", COUNTER, totals.commands, ONE,
           "Commands that ran."),
    FIGURE("commands", "changing", "dkv_writes_total", COUNTER, totals.writes, ONE,
           "Commands and transactions whose effects went to the log."),
    FIGURE("commands", "errors", "dkv_error_replies_total", COUNTER, totals.errors, ONE,
           "Errors replied, to commands that ran and to those that were refused."),
    FIGURE("commands", "held", "dkv_replies_held_total", COUNTER, totals.replies_held, ONE,
           "Replies that had to wait until what they tell of was acknowledged by the log."),
    FIGURE("commands", "refused_full", "dkv_writes_refused_full_total", COUNTER, totals.writes_refused_full, ONE,
           "Writes refused because the disk was full."),

    FIGURE("keyspace", "hits", "dkv_keyspace_hits_total", COUNTER, totals.keyspace_hits, ONE,
           "Keys looked up and found."),
    FIGURE("keyspace", "misses", "dkv_keyspace_misses_total", COUNTER, totals.keyspace_misses, ONE,
           "Keys looked up and not found."),
    FIGURE("keyspace", "expired", "dkv_expired_keys_total", COUNTER, totals.expired, ONE,
           "Keys deleted because their time to live had passed."),
    FIGURE("keyspace", "expired_fields", "dkv_expired_fields_total", COUNTER, totals.expired_fields, ONE,
           "Fields of hashes deleted because their time to live had passed."),
    FIGURE("keyspace", "evicted", "dkv_evicted_keys_total", COUNTER, totals.evicted, ONE,
           "Keys deleted to stay below maxmemory."),
    FIGURE("keyspace", "changes", "dkv_changes_total", COUNTER, totals.changes, ONE,
           "Changes of keys since start."),

    FIGURE("memory", "used", "dkv_memory_used_bytes", GAUGE, memory.used, ONE,
           "Memory allocated and not freed: what maxmemory limits."),
    FIGURE("memory", "peak", "dkv_memory_peak_bytes", GAUGE, memory_peak, ONE,
           "The most that dkv_memory_used_bytes has been."),
    FIGURE("memory", "max", "dkv_memory_max_bytes", GAUGE, memory_max, ONE,
           "maxmemory; 0: no limit."),
    FIGURE("memory", "rss", "process_resident_memory_bytes", GAUGE, memory.rss, ONE,
           "Memory of the process that is in RAM."),
    FIGURE("memory", "allocator_active", "dkv_memory_allocator_active_bytes", GAUGE, memory.active, ONE,
           "Pages that the allocator has allocations on."),
    FIGURE("memory", "lazyfree_pending", "dkv_lazyfree_pending_objects", GAUGE, engine.lazyfree_pending, ONE,
           "Objects that wait to be freed beside the loop."),

    FIGURE("connections", "current", "dkv_connections", GAUGE, net.connected, ONE,
           "Clients connected that speak RESP."),
    FIGURE("connections", "blocked", "dkv_connections_blocked", GAUGE, net.blocked, ONE,
           "Clients that wait in a blocking command."),
    FIGURE("connections", "accepted", "dkv_connections_accepted_total", COUNTER, net.accepted, ONE,
           "Connections of RESP clients accepted."),
    FIGURE("connections", "rejected", "dkv_connections_rejected_total", COUNTER, net.rejected, ONE,
           "Connections of RESP clients turned away."),
    FIGURE("connections", "evicted", "dkv_evicted_clients_total", COUNTER, evicted_clients, ONE,
           "Clients closed to stay below maxmemory-clients."),
    FIGURE("connections", "closed_idle", "dkv_connections_closed_idle_total", COUNTER, net.closed_idle, ONE,
           "Clients closed because they were idle for too long."),
    FIGURE("connections", "closed_output_limit", "dkv_connections_closed_output_limit_total", COUNTER,
           net.closed_output_limit, ONE, "Clients closed because too many replies were waiting for them."),
    FIGURE("connections", "closed_query_limit", "dkv_connections_closed_query_limit_total", COUNTER,
           net.closed_query_limit, ONE, "Clients closed because their command was larger than it may be."),
    FIGURE("connections", "unread", "dkv_connections_unread", GAUGE, net.unread, ONE,
           "Clients that are not read from until they read their replies (client-output-total)."),
    FIGURE("connections", "output_total", "dkv_output_bytes", GAUGE, net.output_total, ONE,
           "Memory that replies take which wait for RESP clients."),
    FIGURE("connections", "bytes_in", "dkv_network_received_bytes_total", COUNTER, net.bytes_in, ONE,
           "Bytes read from RESP clients."),
    FIGURE("connections", "bytes_out", "dkv_network_sent_bytes_total", COUNTER, net.bytes_out, ONE,
           "Bytes written to RESP clients."),
    FIGURE("connections", "http", "dkv_http_connections", GAUGE, http.connected, ONE,
           "Clients connected that speak HTTP."),
    FIGURE("connections", "http_accepted", "dkv_http_connections_accepted_total", COUNTER, http.accepted, ONE,
           "Connections of HTTP clients accepted."),
    FIGURE("connections", "http_rejected", "dkv_http_connections_rejected_total", COUNTER, http.rejected, ONE,
           "Connections of HTTP clients turned away."),

    JOURNAL("executed", "dkv_lsn_executed", GAUGE, lsn_executed, ONE,
            "The position in the stream up to which commands have run."),
    JOURNAL("written", "dkv_lsn_written", GAUGE, lsn_written, ONE,
            "The position up to which the stream was handed to the file system."),
    JOURNAL("durable", "dkv_lsn_durable", GAUGE, lsn_durable, ONE,
            "The position up to which the stream survives a power failure."),
    JOURNAL("base_lsn", "dkv_lsn_base", GAUGE, journal.base_lsn, ONE,
            "The position at which the base in use was taken; 0: there is none."),
    JOURNAL("base_bytes", "dkv_log_base_bytes", GAUGE, journal.base_bytes, ONE,
            "Size of the base."),
    JOURNAL("log_bytes", "dkv_log_segments_bytes", GAUGE, journal.log_bytes, ONE,
            "The stream since the base."),
    JOURNAL("live_bytes", "dkv_log_live_bytes", GAUGE, live_bytes, ONE,
            "About what base and log would take after a rewrite."),
    JOURNAL("stale_bytes", "dkv_log_stale_bytes", GAUGE, stale_bytes, ONE,
            "Of base and log: what says nothing about the state any more."),
    JOURNAL("stale_ratio", "dkv_log_stale_ratio", GAUGE, stale_ratio, ONE,
            "The share of base and log that is stale, from 0 to 1."),
    JOURNAL("segments", "dkv_log_segments", GAUGE, journal.segments, ONE,
            "Segments in use."),
    JOURNAL("reserved_bytes", "dkv_log_reserved_bytes", GAUGE, journal.segment_reserved, ONE,
            "Space prepared ahead of where the log is written."),
    JOURNAL("history_files", "dkv_log_history_files", GAUGE, journal.history_files, ONE,
            "Older bases and segments that are kept."),
    JOURNAL("spare_files", "dkv_log_spare_files", GAUGE, journal.spare_files, ONE,
            "Old segments that wait to be used again."),
    JOURNAL("removal_files", "dkv_log_removal_files", GAUGE, journal.removal_files, ONE,
            "Files that nobody needs and that are being removed."),
    JOURNAL("removal_bytes", "dkv_log_removal_bytes", GAUGE, journal.removal_bytes, ONE,
            "Their bytes, as far as they are known."),
    JOURNAL("value_files", "dkv_log_value_files", GAUGE, journal.value_files, ONE,
            "Files of large values."),
    JOURNAL("value_bytes", "dkv_log_value_files_bytes", GAUGE, journal.value_bytes, ONE,
            "Bytes in files of large values."),
    JOURNAL("value_bytes_dead", "dkv_log_value_files_dead_bytes", GAUGE, journal.value_bytes_dead, ONE,
            "Of these: in files that wait to be removed."),
    JOURNAL("values_unloaded", "dkv_log_values_unloaded", GAUGE, journal.values_unloaded, ONE,
            "Large values that have still to be read into memory."),
    JOURNAL("frames", "dkv_log_frames_written_total", COUNTER, journal.frames, ONE,
            "Frames written to the log."),
    JOURNAL("bytes", "dkv_log_written_bytes_total", COUNTER, journal.bytes, ONE,
            "Bytes written to the log and to files of large values."),
    JOURNAL("full", "dkv_log_full", GAUGE, disk_full, ONE,
            "1 while writes are refused because the disk is full."),
    JOURNAL("sync_us_last", "dkv_fsync_last_duration_seconds", GAUGE, journal.sync_us_last, MICROSECONDS,
            "How long the last fsync took."),
    JOURNAL("sync_us_max", "dkv_fsync_max_duration_seconds", GAUGE, journal.sync_us_max, MICROSECONDS,
            "How long the longest fsync took."),
    JOURNAL("last_sync_ms", "dkv_fsync_last_timestamp_seconds", GAUGE, journal.last_sync_ms, MILLISECONDS,
            "When the last fsync ended, in seconds since 1970."),

    JOURNAL("rewriting", "dkv_rewrite_running", GAUGE, engine.rewriting, ONE,
            "1 while a rewrite is under way."),
    JOURNAL("rewrite_keys", "dkv_rewrite_keys_written", GAUGE, engine.rewrite_keys, ONE,
            "Keys that the rewrite under way has written."),
    JOURNAL("rewrite_keys_total", "dkv_rewrite_keys", GAUGE, engine.rewrite_keys_total, ONE,
            "Keys that there were when the last rewrite began."),
    JOURNAL("rewrites", NULL, COUNTER, engine.rewrites, ONE, NULL),
    JOURNAL("rewrites_failed", NULL, COUNTER, engine.rewrites_failed, ONE, NULL),
    JOURNAL("last_rewrite_failed", "dkv_rewrite_last_failed", GAUGE, last_rewrite_failed, ONE,
            "1 if the last rewrite failed."),
    JOURNAL("last_rewrite_us", NULL, GAUGE, engine.last_rewrite_us, ONE, NULL),
    JOURNAL("last_rewrite_ms", "dkv_rewrite_last_timestamp_seconds", GAUGE, engine.last_rewrite_ms, MILLISECONDS,
            "When the last good rewrite ended (or the server started), in seconds since 1970."),
    JOURNAL("rewrite_began_ms", NULL, GAUGE, engine.rewrite_began_ms, ONE, NULL),
    JOURNAL("last_fork_us", "dkv_fork_last_duration_seconds", GAUGE, engine.last_fork_us, MICROSECONDS,
            "How long the last fork held up commands."),

    JOURNAL("recovery_us", "dkv_recovery_duration_seconds", GAUGE, engine.recovery_us, MICROSECONDS,
            "How long replaying the log took at start, or has taken so far."),
    JOURNAL("recovery_commands", "dkv_recovery_commands", GAUGE, engine.recovered_commands, ONE,
            "Commands replayed at start."),
    JOURNAL("recovery_bytes", "dkv_recovery_bytes", GAUGE, engine.recovery.bytes_done, ONE,
            "Bytes read at start."),
    JOURNAL("recovery_bytes_total", "dkv_recovery_expected_bytes", GAUGE, engine.recovery.bytes_total, ONE,
            "Bytes to be read at start."),
    JOURNAL("recovery_torn_bytes", "dkv_recovery_torn_bytes", GAUGE, engine.recovery.torn_bytes, ONE,
            "Bytes dropped at start as a tail that was never acknowledged."),

    FIGURE("loop", "rounds", "dkv_event_loop_rounds_total", COUNTER, loop.rounds, ONE,
           "Rounds of the event loop."),
    FIGURE("loop", "busy_us", "dkv_event_loop_busy_seconds_total", COUNTER, loop.busy_us, MICROSECONDS,
           "Time that the event loop was not asleep."),
    FIGURE("loop", "round_us_max", "dkv_event_loop_lag_max_seconds", GAUGE, loop.round_us_max, MICROSECONDS,
           "The longest round: so long had an event to wait at the most."),
};
/* clang-format on */
const size_t figure_count = sizeof(figures) / sizeof(figures[0]);

void metrics_source_complete(struct metrics_source *source)
{
    uint64_t log_bytes = source->engine.log_bytes;
    source->live_bytes = source->engine.live_bytes;
    source->stale_bytes = log_bytes > source->live_bytes ? log_bytes - source->live_bytes : 0;
    source->stale_ratio = log_bytes ? (double)source->stale_bytes / (double)log_bytes : 0;
    source->last_rewrite_failed = !source->engine.last_rewrite_ok;
    source->loading = source->engine.recovering;
    if (source->memory.used > source->memory_peak)
        source->memory_peak = source->memory.used;
}

/* --- histograms ---------------------------------------------------------------------------------------- */

const double bounds_seconds[BOUND_COUNT] = {1e-7, 2e-7, 5e-7, 1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5,
                                            1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2,
                                            0.1,  0.2,  0.5,  1,    2,    5,    10};

void histogram_cumulate(const struct latency_histogram *histogram, double ns_per_tick,
                        uint64_t counts[BOUND_COUNT])
{
    unsigned bucket = 0;
    uint64_t seen = 0;
    for (size_t i = 0; i < BOUND_COUNT; i++) {
        double bound_ns = bounds_seconds[i] * 1e9;
        while (bucket < HISTOGRAM_BUCKETS && (double)histogram_bucket_end(bucket) * ns_per_tick <= bound_ns)
            seen += histogram->buckets[bucket++];
        counts[i] = seen;
    }
}

static void command_each(const struct command_entry *entry, command_visit *visit, void *context)
{
    if (entry->stats.calls || entry->stats.rejected)
        visit(context, entry);
    for (size_t i = 0; i < entry->row->subcommand_count; i++)
        command_each(&entry->children[i], visit, context);
}

void commands_each(const struct world *world, command_visit *visit, void *context)
{
    for (size_t i = 0; i < command_table_count_all(world->commands); i++)
        command_each(command_table_at(world->commands, i), visit, context);
}
