/* dkv-server: reads the configuration, wires the floors together, recovers, serves, stops. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/version.h"
#include "command/block.h"
#include "command/observe/latency.h"
#include "command/observe/observe.h"
#include "journal/names.h"
#include "server/apply.h"
#include "server/redis_data.h"
#include "server/replace_file.h"

/* Recovery goes in steps of about this much, between which clients are told to wait. */
#define RECOVER_STEP_BYTES (4 << 20)
#define PROGRESS_US        1000000
#define SAMPLE_US          100000
/* At the end, how long what has been executed may take to become durable, and replies to go out. */
#define STOP_COMMIT_US 10000000
#define STOP_FLUSH_US  2000000
/* Who was not heard of for so many rounds is not waited for. */
#define QUIET_ROUNDS 16

/* --- what the loop asks for ---------------------------------------------------------------------------- */

static struct session *handler_session_new(void *context, struct output *output,
                                           struct connection *connection)
{
    struct server *server = context;
    struct session *session = session_new(server->world, output, connection);
    session->is_local = connection_is_local(connection);
    session->is_unix = connection_is_unix(connection);
    return session;
}

static void handler_session_free(void *context, struct session *session)
{
    (void)context;
    session_free(session);
}

void server_unpause(struct server *server)
{
    server->world->pause = PAUSE_NONE;
    /* What has expired meanwhile was not deleted, and nobody was told. */
    engine_tick_soon(server->engine);
    loop_wake(server->loop);
}

/* Until CLIENT PAUSE ends; INT64_MAX: there is none. */
static int64_t pause_left_us(const struct world *world)
{
    if (world->pause == PAUSE_NONE)
        return INT64_MAX;
    return (world->pause_end_ms - world->monotonic_us / 1000) * 1000;
}

static void handler_begin(void *context)
{
    struct server *server = context;
    engine_begin_round(server->engine);
    if (pause_left_us(server->world) <= 0)
        server_unpause(server);
}

static void handler_prepare(void *context, struct session *session, const struct request *requests[],
                            struct prepared prepared[], int count)
{
    struct server *server = context;
    dispatch_prepare(server->world, session, requests, prepared, count);
}

static enum dispatch_result handler_execute(void *context, struct session *session,
                                            const struct request *request, const struct prepared *prepared)
{
    struct server *server = context;
    return dispatch(server->world, session, request, prepared);
}

static lsn_t handler_acknowledged(void *context)
{
    struct server *server = context;
    return server->world->journal ? journal_acknowledged(server->world->journal) : 0;
}

/* What takes long beside commands, as LATENCY names it. */
static void sample_latencies(struct server *server)
{
    struct world *world = server->world;
    observe_update(world);
    if (world->settings.latency_us == 0)
        return;
    struct engine_stats engine;
    engine_stats_read(server->engine, &engine);
    uint64_t forks = engine.rewrites + engine.rewrites_failed + engine.rewriting;
    if (forks > server->forks_seen)
        world_latency(world, "fork", engine.last_fork_us);
    server->forks_seen = forks;
    struct journal_stats journal = {0};
    if (world->journal)
        journal_stats_read(world->journal, &journal);
    if (journal.syncs > server->syncs_seen)
        world_latency(world, "aof-fsync-always", (int64_t)journal.sync_us_last);
    server->syncs_seen = journal.syncs;
}

static void sample_rates(struct server *server)
{
    int64_t now_us = server->world->monotonic_us;
    if (now_us < server->next_sample_us)
        return;
    struct net_stats stats;
    net_stats_read(server->net, &stats);
    rate_sample(&server->commands_rate, server->world->stats.commands, now_us);
    rate_sample(&server->input_rate, stats.bytes_in, now_us);
    rate_sample(&server->output_rate, stats.bytes_out, now_us);
    size_t used = memory_used();
    if (used > server->memory_peak)
        server->memory_peak = used;
    sample_latencies(server);
    keyspace_view_update(&server->keyspace_view);
    server->next_sample_us = now_us + SAMPLE_US;
}

/* After a failed write or sync nothing more may be acknowledged, so there is nothing left to serve: what is
 * queued for clients stays unsent, and the next start finds what was durable. */
static void check_journal(struct server *server)
{
    const char *failed = server->world->journal ? journal_failed(server->world->journal) : NULL;
    if (!failed)
        return;
    diag(DIAG_WARNING, "stopping, because the log has failed. Nothing was acknowledged that is not on disk.");
    if (server->config->pidfile[0])
        process_pidfile_remove(server->config->pidfile);
    _exit(1);
}

static void quiet_count(int *quiet_rounds, bool ran)
{
    *quiet_rounds = ran ? 0 : *quiet_rounds < QUIET_ROUNDS ? *quiet_rounds + 1 : QUIET_ROUNDS;
}

/* Whether one client is all that this round and the last few had to serve, over RESP or over HTTP. */
static bool serves_one(struct server *server, bool one_over_resp)
{
    bool one_over_http;
    bool http_ran = http_has_run(server->http, &one_over_http);
    struct http_stats http;
    http_stats_read(server->http, &http);
    uint64_t commands = server->world->stats.commands - http.commands;
    quiet_count(&server->http_quiet_rounds, http_ran);
    quiet_count(&server->resp_quiet_rounds, commands != server->commands_seen);
    server->commands_seen = commands;
    return (one_over_resp && server->http_quiet_rounds == QUIET_ROUNDS) ||
           (one_over_http && server->resp_quiet_rounds == QUIET_ROUNDS);
}

static void tell_of_rewrites(struct server *server)
{
    uint64_t ended = engine_rewrites_ended(server->engine);
    if (ended != server->rewrites_seen)
        block_wake_events(server->world);
    server->rewrites_seen = ended;
}

static int64_t block_left_us(const struct world *world)
{
    int64_t deadline_ms = block_next_deadline_ms(world);
    return deadline_ms > INT64_MAX / 1000 ? INT64_MAX : deadline_ms * 1000 - world->monotonic_us;
}

static void handler_submit(void *context, bool alone)
{
    struct server *server = context;
    check_journal(server);
    server->tick_wait_us = engine_tick(server->engine);
    tell_of_rewrites(server);
    engine_end_round(server->engine, serves_one(server, alone));
    int64_t look_us = clients_evict(server);
    if (look_us < server->tick_wait_us)
        server->tick_wait_us = look_us;
    sample_rates(server);
}

static int hook_end(void *context)
{
    struct server *server = context;
    int64_t pause_us = pause_left_us(server->world);
    int64_t block_us = block_left_us(server->world);
    int64_t wait_us = pause_us < server->tick_wait_us ? pause_us : server->tick_wait_us;
    wait_us = block_us < wait_us ? block_us : wait_us;
    return wait_us > 0 ? (int)((wait_us + 999) / 1000) : 0;
}

static void session_pushed(struct session *session)
{
    connection_pushed(session->owner);
}

static void session_resumed(struct session *session)
{
    connection_resumed(session->owner);
}

static void session_subscribed(struct session *session, bool subscribed)
{
    connection_set_class(session->owner, subscribed ? CLASS_PUBSUB : CLASS_NORMAL);
}

static void peer_of(const struct session *session, char out[SESSION_PEER_MAX])
{
    static_assert(SESSION_PEER_MAX >= ADDRESS_TEXT_MAX, "room for an address");
    client_peer_text(session, out);
}

static uint64_t resp_clients(void *context)
{
    struct server *server = context;
    struct net_stats stats;
    net_stats_read(server->net, &stats);
    return stats.connected;
}

static uint64_t http_clients(void *context)
{
    struct server *server = context;
    struct http_stats stats;
    http_stats_read(server->http, &stats);
    return stats.connected - stats.spare;
}

static struct net_handler handler_of(struct server *server)
{
    return (struct net_handler){.context = server,
                                .session_new = handler_session_new,
                                .session_free = handler_session_free,
                                .begin = handler_begin,
                                .prepare = handler_prepare,
                                .execute = handler_execute,
                                .submit = handler_submit,
                                .acknowledged = handler_acknowledged,
                                .clients_elsewhere = http_clients};
}

static void wake_loop(void *context)
{
    struct server *server = context;
    loop_wake(server->loop);
}

/* While the journal is on the disk for the loop, another thread may have to run it. */
static bool leave_loop(void *context)
{
    struct server *server = context;
    return stand_in_leave(server->stand_in);
}

static void back_to_loop(void *context)
{
    struct server *server = context;
    stand_in_back(server->stand_in);
}

static void on_signal(void *context, uint32_t events)
{
    (void)events;
    struct server *server = context;
    unsigned taken = process_signals_take();
    if (taken & PROCESS_REOPEN)
        log_reopen();
    if (taken & PROCESS_STOP) {
        diag(DIAG_NOTICE, "received %s: stopping", strsignal(process_stop_signal()));
        server_stop(server, false);
    }
}

void server_stop(struct server *server, bool force)
{
    server->stopping = true;
    server->stop_force = force;
    loop_stop(server->loop);
}

void server_reset_stats(struct server *server)
{
    server->world->stats =
        (struct world_stats){.changes = server->world->stats.changes, .writes = server->world->stats.writes};
    error_stats_reset(server->world);
    net_stats_reset(server->net);
    http_stats_reset(server->http);
    server->evicted_clients = 0;
    server->memory_peak = memory_used();
}

static void reset_stats(void *context)
{
    server_reset_stats(context);
}

/* --- starting ------------------------------------------------------------------------------------------ */

/* Reads the configuration; exits where there is nothing to run. */
static struct config *configure(int argc, char **argv)
{
    struct config *config = config_new();
    struct config_error error;
    struct buffer version = {0};
    switch (config_load(config, argc, argv, &error)) {
    case CONFIG_RUN: break;
    case CONFIG_SHOW_VERSION:
        config_version_line(&version);
        printf("%.*s\n", (int)version.size, version.data);
        exit(0);
    case CONFIG_SHOW_HELP: fputs(config_help(), stdout); exit(0);
    case CONFIG_FAILED: fprintf(stderr, "dkv-server: %s\n", error.text); exit(1);
    }
    if (!config_enter_dir(config, &error)) {
        fprintf(stderr, "dkv-server: %s\n", error.text);
        exit(1);
    }
    return config;
}

/* To what the system allows. False, told, when that leaves no client at all. */
static bool correct_maxclients(struct config *config)
{
    uint64_t possible = process_raise_open_files(config->maxclients, server_files_reserved(config));
    char text[INT64_TEXT_MAX + 1];
    if (possible == 0) {
        diag(DIAG_WARNING, "cannot serve any client: the limit of open files has to be above %d (ulimit -n)",
             (int)server_files_reserved(config));
        return false;
    }
    if (possible == config->maxclients)
        return true;
    text[uint64_format(text, possible)] = '\0';
    config_correct(config, "maxclients", text);
    diag(DIAG_WARNING, "maxclients is %s instead", text);
    return true;
}

/* Becomes the process that serves: daemon, log, signals, limits. False when that failed; the reason was told.
 */
static bool enter_process(struct server *server)
{
    struct config *config = server->config;
    if (config->daemonize && !process_daemonize()) {
        fprintf(stderr, "dkv-server: cannot go into the background: %s\n", strerror(errno));
        return false;
    }
    struct log_options log = log_options_from(config);
    struct log_error log_error;
    if (!log_open(&log, &log_error)) {
        fprintf(stderr, "dkv-server: %s\n", log_error.text);
        return false;
    }
    if (config->disable_thp)
        process_disable_thp();
    if (config->crash_log_enabled)
        process_crash_reports("dkv " DKV_VERSION);
    server->supervised_by = process_supervised_by(config->supervised);
    memory_background_thread(config->jemalloc_bg_thread);
    return correct_maxclients(config);
}

static bool open_disk(struct server *server)
{
    int error = disk_posix_open(server->config->dir, &server->disk);
    if (error)
        diag(DIAG_WARNING, "cannot open the data folder %s: %s", server->config->dir, strerror(-error));
    return error == 0;
}

/* On the disk that was opened, if any. */
static struct journal_options journal_options_of(struct server *server)
{
    struct journal_options options = journal_options_from(server->config);
    options.disk = server->disk;
    options.wake = wake_loop;
    options.wake_context = server;
    options.leave = leave_loop;
    options.back = back_to_loop;
    options.leave_context = server;
    return options;
}

const char *server_begin_log(struct server *server)
{
    static struct journal_error error;
    if (!open_disk(server))
        return "the data folder cannot be opened, the server's log tells why";
    struct journal_options options = journal_options_of(server);
    if (!engine_begin_log(server->engine, &options, &error)) {
        diag(DIAG_WARNING, "no log was begun: %s", error.text);
        disk_free(server->disk);
        server->disk = NULL;
        return error.text;
    }
    child_set_disk(server->child, server->disk);
    diag(DIAG_NOTICE, "a log was begun in %s, with all that was in memory", server->config->dir);
    return NULL;
}

static bool open_engine(struct server *server)
{
    struct config *config = server->config;
    struct engine_options options = {
        .world = {.clock = clock_system(), .databases = config->databases, .settings = settings_from(config)},
        .triggers = triggers_from(config),
        .background_free = true};
    random_secure(&options.world.random_seed, sizeof(options.world.random_seed));
    if (config->appendonly && !open_disk(server))
        return false;
    options.journal = journal_options_of(server);
    server->child = child_new(server->disk);
    options.host = child_host(server->child);
    struct journal_error journal_error;
    server->engine = engine_open(&options, &journal_error);
    if (!server->engine) {
        diag(DIAG_WARNING, "cannot start: %s", journal_error.text);
        return false;
    }
    server->world = engine_world(server->engine);
    server->world->memory_parts = server_memory_parts;
    server->keyspace_view.world = server->world;
    server->world->session_host = (struct session_host){.pushed = session_pushed,
                                                        .resumed = session_resumed,
                                                        .subscribed = session_subscribed,
                                                        .peer = peer_of};
    return true;
}

/* Test harnesses look for the second line: they try another port then. */
static void tell_of_no_socket(const struct listen_error *error)
{
    diag(DIAG_WARNING, "%s", error->text);
    if (error->port)
        diag(DIAG_WARNING, "Failed listening on port %d, aborting.", error->port);
}

static bool open_http(struct server *server)
{
    struct http_options options = {.loop = server->loop,
                                   .world = server->world,
                                   .limits = http_limits_from(server),
                                   .context = server,
                                   .snapshot = server_snapshot,
                                   .clients_elsewhere = resp_clients};
    server->http = http_new(&options);
    if (!server->http)
        return false;
    struct listen_error error;
    if (server_listen_http(server, &error))
        return true;
    tell_of_no_socket(&error);
    return false;
}

static bool open_net(struct server *server)
{
    struct net_options options = {
        .loop = server->loop, .handler = handler_of(server), .limits = net_limits_from(server)};
    server->net = net_new(&options);
    server->hook = (struct loop_hook){.context = server, .end = hook_end};
    loop_hook_add(server->loop, &server->hook);
    int signals = process_signals_open(server->config->pidfile[0] ? server->config->pidfile : NULL);
    if (signals < 0 || loop_add(server->loop, signals, EPOLLIN, on_signal, server) != 0) {
        diag(DIAG_WARNING, "cannot catch signals: %s", strerror(errno));
        return false;
    }
    struct listen_error error;
    if (!server_listen(server, &error)) {
        tell_of_no_socket(&error);
        return false;
    }
    if (!open_http(server))
        return false;
    if (listeners_count(server->listeners) + listeners_count(server->http_listeners) == 0) {
        diag(DIAG_WARNING, "Configured to not listen anywhere (port, unixsocket, http-port), exiting.");
        return false;
    }
    return true;
}

static void add_families(struct server *server, const struct config_hooks *hooks)
{
    struct command_table *table = server->world->commands;
    server->world->owner = server;
    info_commands_add(table);
    client_commands_add(table);
    admin_commands_add(table);
    debug_commands_add(table);
    migrate_commands_add(table);
    module_commands_add(table);
    config_commands_add(table);
    config_set_hooks(server->config, hooks);
}

/* Commands of Redis that are not there yet need no other name. */
static bool rename_commands(struct server *server)
{
    const struct config *config = server->config;
    struct command_table *table = server->world->commands;
    for (int i = 0; i < config->rename_count; i++) {
        const struct slice *words = config->renames[i].words;
        struct slice name = words[1];
        if (!command_table_find(table, name) && acl_name_is_foreign(name))
            continue;
        const char *wrong = command_table_rename(table, name, words[2]);
        if (wrong) {
            diag(DIAG_WARNING, "cannot start: rename-command %.*s \"%.*s\": %s", (int)name.size, name.data,
                 (int)words[2].size, words[2].data, wrong);
            return false;
        }
    }
    return true;
}

/* --- recovering ---------------------------------------------------------------------------------------- */

static void log_progress(struct server *server, const char *what)
{
    struct engine_stats stats;
    engine_stats_read(server->engine, &stats);
    const struct recover_progress *progress = &stats.recovery;
    char done[32];
    char rate[32];
    double seconds = (double)stats.recovery_us / 1e6;
    byte_size_format(done, progress->bytes_done);
    byte_size_format(rate, seconds > 0 ? (uint64_t)((double)progress->bytes_done / seconds) : 0);
    diag(DIAG_NOTICE, "%s: %s (%.1f %%), %llu commands in %.3f s, %s/s", what, done,
         progress->bytes_total ? 100.0 * (double)progress->bytes_done / (double)progress->bytes_total : 100.0,
         (unsigned long long)stats.recovered_commands, seconds, rate);
    if (progress->torn_bytes)
        diag(DIAG_NOTICE,
             "dropped a torn tail of %llu bytes (%llu frames): it was written but never acknowledged as "
             "durable",
             (unsigned long long)progress->torn_bytes, (unsigned long long)progress->torn_frames);
}

/* Replays the log while clients that come early get -LOADING. False when it cannot be, or a stop was asked
 * for. */
static bool recover(struct server *server)
{
    struct journal_error error;
    int64_t next_log_us = clock_monotonic_us(clock_system()) + PROGRESS_US;
    for (;;) {
        enum recover_result result = engine_recover_step(server->engine, RECOVER_STEP_BYTES, &error);
        if (result == RECOVER_FAILED) {
            diag(DIAG_WARNING, "cannot recover: %s", error.text);
            return false;
        }
        if (result == RECOVER_DONE)
            break;
        loop_round(server->loop, 0);
        if (loop_stopped(server->loop))
            return false;
        if (clock_monotonic_us(clock_system()) >= next_log_us) {
            log_progress(server, "recovering");
            next_log_us += PROGRESS_US;
        }
    }
    if (!engine_start(server->engine, &error)) {
        diag(DIAG_WARNING, "cannot start: %s", error.text);
        return false;
    }
    server_apply_journal(server);
    struct engine_stats stats;
    engine_stats_read(server->engine, &stats);
    if (stats.recovered_commands || stats.recovery.torn_bytes)
        log_progress(server, "recovered");
    return true;
}

/* --- running and stopping ------------------------------------------------------------------------------ */

/* A stock redis.conf says so in its default line, often without anybody having meant it. */
static void warn_memory_only(const struct config *config)
{
    diag(DIAG_WARNING,
         "NOTHING IS KEPT ON DISK (appendonly no): data is in memory only, and a stop or a crash loses all "
         "of it. CONFIG SET appendonly yes begins a log in %s now, with all that is in memory; "
         "'appendonly yes' in the configuration, or CONFIG REWRITE after that, keeps it so",
         config->dir);
    char manifest[PATH_MAX];
    snprintf(manifest, sizeof(manifest), "%s/%s", config->dir, MANIFEST_NAME);
    if (access(manifest, F_OK) == 0)
        diag(DIAG_WARNING,
             "the data in %s is NOT READ: it was written with appendonly yes. Start with that to have it",
             config->dir);
}

static void announce(struct server *server)
{
    static const char *const promises[] = {
        [SYNC_ALWAYS] = "every acknowledged write survives kill -9 and power loss (appendfsync always)",
        [SYNC_EVERYSEC] =
            "at most a second of writes is lost in a power failure, none in a crash (appendfsync everysec)",
        [SYNC_NO] =
            "no acknowledged write is lost in a crash, some may be in a power failure (appendfsync no)"};
    const struct config *config = server->config;
    struct buffer where = {0};
    for (int i = 0; i < listeners_count(server->listeners); i++) {
        char text[ADDRESS_TEXT_MAX];
        listeners_text(server->listeners, i, text);
        buffer_append_format(&where, "%s%s", where.size ? ", " : "", text);
    }
    for (int i = 0; i < listeners_count(server->http_listeners); i++) {
        char text[ADDRESS_TEXT_MAX];
        listeners_text(server->http_listeners, i, text);
        buffer_append_format(&where, "%shttp://%s", where.size ? ", " : "", text);
    }
    diag(DIAG_NOTICE, "listening on %.*s", (int)where.size, where.data);
    buffer_free(&where);
    if (config->appendonly)
        diag(DIAG_NOTICE, "data in %s; %s", config->dir, promises[config->appendfsync]);
    else
        warn_memory_only(config);
    diag(DIAG_NOTICE, "Ready to accept connections");
}

static void warn_inactive(const struct config *config)
{
    struct buffer names = {0};
    if (config_inactive(config, &names))
        diag(DIAG_WARNING, "directives that are accepted but have no effect yet: %.*s", (int)names.size,
             names.data);
    buffer_free(&names);
}

/* What has been executed becomes durable and is told to clients, before anything is taken down. */
static void let_finish(struct server *server)
{
    struct journal *journal = server->world->journal;
    int64_t now_us = clock_monotonic_us(clock_system());
    net_drain(server->net);
    http_drain(server->http);
    engine_drain(server->engine);
    if (journal) {
        int64_t deadline_us = now_us + STOP_COMMIT_US;
        while (journal_acknowledged(journal) < journal_executed(journal) && !journal_failed(journal) &&
               clock_monotonic_us(clock_system()) < deadline_us) {
            journal_hand_over(journal);
            loop_round(server->loop, 10);
        }
    }
    int64_t deadline_us = clock_monotonic_us(clock_system()) + STOP_FLUSH_US;
    net_flush(server->net, deadline_us);
    http_flush(server->http, deadline_us);
}

/* The exit status. A start that was cut short by a request to stop is no failure. */
static int stop(struct server *server, bool served)
{
    bool ok = served || server->stopping;
    uint64_t keys_lost = served && !server->config->appendonly ? store_size(server->world->store) : 0;
    if (served) {
        process_notify(server->supervised_by, "STOPPING=1");
        listeners_free(server->listeners);
        server->listeners = NULL;
        listeners_free(server->http_listeners);
        server->http_listeners = NULL;
        let_finish(server);
        server_log_summary(server);
    }
    listeners_free(server->listeners);
    listeners_free(server->http_listeners);
    http_free(server->http);
    keyspace_view_free(&server->keyspace_view);
    net_free(server->net);
    if (server->engine) {
        if (served)
            ok = engine_close(server->engine) || server->stop_force;
        else
            engine_abandon(server->engine);
    }
    if (server->child)
        child_free(server->child);
    stand_in_free(server->stand_in); /* after the child, which ends with the thread that made it */
    if (server->disk)
        disk_free(server->disk);
    loop_free(server->loop);
    if (server->config->pidfile[0])
        process_pidfile_remove(server->config->pidfile);
    if (served && !ok)
        diag(DIAG_WARNING, "stopped, but the log could not be closed");
    else if (served && server->config->appendonly)
        diag(DIAG_NOTICE, "stopped; everything is on disk, bye");
    else if (served && keys_lost > 0)
        diag(DIAG_WARNING, "stopped; the %" PRIu64 " keys in memory are gone (appendonly no), bye",
             keys_lost);
    else if (served)
        diag(DIAG_NOTICE, "stopped, bye");
    else if (server->stopping)
        diag(DIAG_NOTICE, "stopped before all was recovered; the log is as it was, bye");
    /* From here on a signal ends the process as it would any other: nothing is left to be done or lost. */
    process_signals_reset();
    log_close();
    config_free(server->config);
    return ok ? 0 : 1;
}

/* Once the folder and the ports are ours: before, these files may be those of a server that runs. */
static void claim_files(const struct config *config)
{
    if (config->file[0])
        file_replace_clean(config->file);
    if (config->aclfile[0])
        file_replace_clean(config->aclfile);
    if (config->pidfile[0] && !process_pidfile_write(config->pidfile))
        diag(DIAG_WARNING, "cannot write the pid file %s: %s", config->pidfile, strerror(errno));
}

/* Everything up to the first round that serves clients. Harnesses that start servers, Redis's own among them,
 * wait for lines of its log: " PID: <pid>", then "Server initialized", then "Ready to accept connections". */
static bool start(struct server *server, const struct config_hooks *hooks)
{
    if (!enter_process(server))
        return false;
    diag(DIAG_NOTICE, "dkv %s (speaks Redis %s), PID: %d", DKV_VERSION, REDIS_VERSION, (int)getpid());
    warn_inactive(server->config);
    if (!redis_data_check(server->config))
        return false;
    server->loop = loop_new(clock_system());
    if (!server->loop) {
        diag(DIAG_WARNING, "cannot make an event loop: %s", strerror(errno));
        return false;
    }
    server->stand_in = stand_in_new(server->loop);
    if (!server->stand_in) {
        diag(DIAG_WARNING, "cannot start the thread that stands in for the loop");
        return false;
    }
    if (!open_engine(server))
        return false;
    add_families(server, hooks);
    if (!rename_commands(server) || !server_load_users(server))
        return false;
    server->started_ms = server->world->now_ms;
    server->started_us = server->world->monotonic_us;
    if (!open_net(server))
        return false;
    claim_files(server->config);
    diag(DIAG_NOTICE, "Server initialized");
    if (!recover(server))
        return false;
    server_set_title(server);
    server->memory_startup = server->memory_peak = memory_used();
    announce(server);
    process_notify(server->supervised_by, "READY=1\nSTATUS=Ready to accept connections");
    process_started();
    return true;
}

int main(int argc, char **argv)
{
    static struct server server;
    /* A file that reaches the limit on its size is a full disk, which is dealt with where it is written. */
    signal(SIGXFSZ, SIG_IGN);
    if (process_describes_parent(argc, argv))
        return 0;
    process_title_init(argc, argv);
    char executable[4096];
    ssize_t size = readlink("/proc/self/exe", executable, sizeof(executable) - 1);
    executable[size > 0 ? size : 0] = '\0';
    server.executable = executable;
    server.called = argc > 0 ? argv[0] : executable;
    random_hex(server.run_id, 40);
    server.config = configure(argc, argv);
    const struct config_hooks hooks = {.context = &server,
                                       .apply = server_apply,
                                       .users_are_those_of = server_users_are_those_of,
                                       .append_users = server_append_users,
                                       .reset_stats = reset_stats};
    bool served = start(&server, &hooks);
    if (served)
        loop_run(server.loop);
    return stop(&server, served);
}
