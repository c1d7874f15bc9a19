/* The configuration: directives from a file, standard input and the command line, in the syntax of
 * redis-server, and CONFIG GET, SET and REWRITE on them while the server runs.
 *
 * Every directive is a row of the table in config_table.c. Those that dkv acts on have a typed field here;
 * the others (directives of Redis 7.2 that mean nothing to dkv, or not yet) are checked as Redis checks them
 * and kept for CONFIG GET. Nothing here exits, logs or changes the process, but for config_enter_dir:
 * failures are texts for the caller.
 *
 * One thread uses a config. What a field points to belongs to the config, and lives until that directive is
 * changed (and the apply hook for the change has returned). */
#ifndef DKV_SERVER_CONFIG_H
#define DKV_SERVER_CONFIG_H

#include "base/bytes.h"
#include "command/call.h"
#include "journal/journal.h"
#include "server/log.h"
#include "server/process.h"

/* A list of words. */
struct config_words {
    int count;
    char **items;
};

/* A line that is kept as it is: its words, which may hold any byte. */
struct config_line {
    int count;
    struct slice *words;
};

/* A limit on what may wait to be sent to a client; 0: none. */
struct config_output_limit {
    uint64_t hard_bytes; /* above this the client is closed at once */
    uint64_t soft_bytes; /* above this for soft_seconds on end it is closed */
    int64_t soft_seconds;
};

enum config_output_class { OUTPUT_NORMAL, OUTPUT_REPLICA, OUTPUT_PUBSUB, OUTPUT_CLASSES };

/* Who may use what is closed by default (enable-debug-command and its like). */
enum config_access { ACCESS_NO, ACCESS_YES, ACCESS_LOCAL };

/* What becomes of time as commands see it where the clock was set back (clock-set-back). */
enum config_set_back { CLOCK_SLOW, CLOCK_FOLLOW };

struct config_value;
struct config_hooks;

struct config {
    /* Listening. */
    int port; /* 0: none */
    struct config_words bind;
    const char *unixsocket; /* "": none */
    int unixsocketperm;     /* mode bits; 0: as the umask has it */
    int tcp_backlog;
    bool protected_mode;

    /* HTTP. */
    int http_port; /* 0: none */
    struct config_words http_bind;
    const char *http_unixsocket; /* "": none */
    int http_unixsocketperm;
    int64_t http_timeout; /* seconds; 0: never */
    uint64_t http_max_value;
    uint64_t http_max_uploads;
    bool http_any_key;
    struct config_words http_cors_origin;

    /* Clients. */
    struct slice requirepass; /* empty: none; any bytes */
    uint64_t maxclients;
    int64_t timeout;       /* seconds a client may be idle; 0: for ever */
    int64_t tcp_keepalive; /* seconds; 0: off */
    uint64_t proto_max_bulk_len;
    uint64_t hll_sparse_max_bytes;
    int64_t hash_max_listpack_entries;
    uint64_t hash_max_listpack_value;
    bool rdbcompression;
    uint64_t client_query_buffer_limit;
    struct config_output_limit output_limits[OUTPUT_CLASSES];
    int64_t
        client_output_total; /* bytes, or below 0 a percentage of maxmemory or the machine's; 0: no limit */
    enum config_access enable_debug_command;
    enum config_access enable_protected_configs;
    const char *aclfile;         /* "": none */
    int acl_channels_by_default; /* acl-pubsub-default allchannels: 1 */
    uint64_t acllog_max_len;
    int user_count; /* lines that declare users, "user" first */
    struct config_line *users;
    int rename_count; /* lines of rename-command: that, the name, the new one */
    struct config_line *renames;

    /* Memory. */
    uint64_t maxmemory;        /* bytes; 0: no limit */
    int64_t maxmemory_clients; /* bytes, or below 0 a percentage of maxmemory; 0: no limit */
    enum evict_policy maxmemory_policy;
    int64_t maxmemory_samples;
    int64_t maxmemory_eviction_tenacity;
    bool lazyfree_lazy_eviction;
    int64_t lfu_log_factor;
    int64_t lfu_decay_time; /* minutes */

    /* Data. */
    int databases;
    const char *dir; /* absolute once config_enter_dir was there */
    bool appendonly; /* false: memory only */
    bool ignore_redis_data;
    const char *dbfilename; /* "": none; these three are redis-server's names, to be looked for */
    const char *appenddirname;
    const char *appendfilename;
    enum sync_policy appendfsync;
    uint64_t segment_size;
    uint64_t unsynced_max;         /* bytes */
    uint64_t value_file_threshold; /* bytes; 0: off */
    enum value_load value_load;
    enum config_set_back clock_set_back;

    /* Rewrites: any of these that is not 0 starts one. */
    int64_t auto_aof_rewrite_percentage; /* of growth since the last */
    uint64_t auto_aof_rewrite_min_size;  /* ... and never below this size of the log */
    int64_t rewrite_every_writes;
    int64_t rewrite_every_seconds;
    int64_t rewrite_stale_percentage;
    int history_bases;
    int64_t history_seconds;

    /* Watching. */
    const char *notify_keyspace_events; /* letters, in the order in which CONFIG GET lists them */
    int64_t slowlog_log_slower_than;    /* us; below 0: off */
    int64_t slowlog_max_len;
    uint64_t tracking_table_max_keys;
    int64_t latency_monitor_threshold; /* ms; 0: off */
    bool latency_tracking;

    /* The process. */
    bool daemonize;
    const char *pidfile; /* "": none */
    enum supervised_mode supervised;
    const char *logfile; /* "": standard output */
    enum log_level loglevel;
    bool syslog_enabled;
    const char *syslog_ident;
    int syslog_facility; /* as syslog(3) numbers them */
    bool crash_log_enabled;
    bool set_proc_title;
    const char *proc_title_template;
    bool disable_thp;
    bool jemalloc_bg_thread;

    /* The file it was read from, absolute; "": none (defaults, or standard input). */
    const char *file;

    /* Private. */
    struct config_value *values; /* one a row of the table */
    char *file_owned;
    char *dir_owned;
    char *start_folder; /* what relative paths of include and dir start from */
    const struct config_hooks *hooks;
};

/* A failure told for people. */
struct config_error {
    char text[640];
};

/* All defaults. Free with config_free. */
struct config *config_new(void);
/* NULL is fine. */
void config_free(struct config *config);

/* --- at start --------------------------------------------------------------------------------------- */

enum config_action {
    CONFIG_RUN,          /* all was read: start */
    CONFIG_SHOW_VERSION, /* print config_version_line and exit 0 */
    CONFIG_SHOW_HELP,    /* print config_help and exit 0 */
    CONFIG_FAILED        /* print the error and exit 1 */
};

/* Reads what the command line names: [file|-] [--directive value ...]; file first, then standard input, then
 * the directives of the command line. On failure the error names the file and line, or the directive of the
 * command line. */
enum config_action config_load(struct config *config, int argc, char **argv, struct config_error *error);
/* Reads directives from text, as if it were a file of that name. Stops at the first error. */
bool config_read_text(struct config *config, const char *name, struct slice text, struct config_error *error);

/* One line, without its newline, in the layout of redis-server --version. */
void config_version_line(struct buffer *out);
/* Several lines. */
const char *config_help(void);

/* Appends the names, ", " between them, of directives that were given a value other than the default
 * although dkv does not act on them. Returns how many. For one warning at start. */
int config_inactive(const struct config *config, struct buffer *names);

/* Creates the data folder where it is missing and makes it the process's working folder, so that relative
 * paths of logfile, pidfile and unixsocket start there, as with redis-server. config->dir becomes absolute.
 * */
bool config_enter_dir(struct config *config, struct config_error *error);

/* Whether a file or the command line named the data folder. */
bool config_gives_dir(const struct config *config);

/* Puts a value in force that the system had to correct (maxclients, where fewer files can be open), so that
 * CONFIG GET tells the truth. The value has to be one that the directive takes. */
void config_correct(struct config *config, const char *name, const char *value);

/* --- while running ---------------------------------------------------------------------------------- */

struct config_hooks {
    void *context;
    /* A directive has a new value, already in config: act on it. NULL, or why it cannot be; then all of that
     * CONFIG SET is put back, and apply is called again for those that were applied before. May be NULL. */
    const char *(*apply)(void *context, const struct config *config, const char *directive);
    /* CONFIG REWRITE: whether who starts with that configuration has the users there are, and those users as
     * lines. Both may be NULL. */
    bool (*users_are_those_of)(void *context, const struct config *config);
    void (*append_users)(void *context, struct buffer *out);
    /* CONFIG RESETSTAT, beyond the command table's own figures. May be NULL. */
    void (*reset_stats)(void *context);
};
/* hooks stay the caller's, and outlive config. */
void config_set_hooks(struct config *config, const struct config_hooks *hooks);

/* CONFIG SET: pairs of name and value, count of them, all or none. local: whoever asks is on this machine,
 * which enable-protected-configs may be about. On failure the error is Redis's reply text. */
bool config_set(struct config *config, bool local, int count, const struct slice *pairs,
                struct config_error *error);
/* The value as CONFIG GET replies it, NULL for an unknown name. Valid until the next change. What is behind a
 * zero byte is out of C's sight: config_get_bytes. */
const char *config_get(const struct config *config, struct slice name);
/* The same with its size; data is NULL for an unknown name. */
struct slice config_get_bytes(const struct config *config, struct slice name);
/* CONFIG REWRITE: brings the file in line with the values in force. Lines that already say the right thing
 * stay as they are, comments and order too. The file is replaced by one rename; a crash leaves the old one
 * or the new one. */
bool config_rewrite(const struct config *config, struct config_error *error);
/* Appends the process title that proc-title-template describes. listen is "127.0.0.1:6379" or the like. */
void config_proc_title(const struct config *config, const char *program, const char *listen,
                       struct buffer *out);

/* --- the table, for tests and tools ----------------------------------------------------------------- */

size_t config_count(void);
/* The names of row index: its name, and its alias or NULL. */
const char *config_name(size_t index, const char **alias);
const char *config_default(size_t index);
/* Whether dkv acts on it. */
bool config_acts(size_t index);

/* --- the CONFIG command ----------------------------------------------------------------------------- */

struct command_table;
/* Adds CONFIG GET, SET, REWRITE, RESETSTAT and HELP, which act on the configuration of the server that owns
 * the world they are called in. */
void config_commands_add(struct command_table *table);

#endif
