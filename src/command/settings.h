/* Limits and switches that commands obey; the configuration writes them. */
#ifndef DKV_COMMAND_SETTINGS_H
#define DKV_COMMAND_SETTINGS_H

#include "base/bytes.h"

/* maxmemory-policy. */
enum evict_policy {
    EVICT_NONE, /* noeviction */
    EVICT_VOLATILE_LRU,
    EVICT_VOLATILE_LFU,
    EVICT_VOLATILE_RANDOM,
    EVICT_VOLATILE_TTL,
    EVICT_ALLKEYS_LRU,
    EVICT_ALLKEYS_LFU,
    EVICT_ALLKEYS_RANDOM
};

enum debug_access { DEBUG_NO, DEBUG_LOCAL, DEBUG_YES };

/* Classes of keyspace events, and the two kinds of channel they go to (notify-keyspace-events). */
enum notify_class {
    NOTIFY_KEYSPACE = 1 << 0, /* K */
    NOTIFY_KEYEVENT = 1 << 1, /* E */
    NOTIFY_GENERIC = 1 << 2,  /* g */
    NOTIFY_STRING = 1 << 3,   /* $ */
    NOTIFY_LIST = 1 << 4,     /* l */
    NOTIFY_SET = 1 << 5,      /* s */
    NOTIFY_HASH = 1 << 6,     /* h */
    NOTIFY_ZSET = 1 << 7,     /* z */
    NOTIFY_EXPIRED = 1 << 8,  /* x */
    NOTIFY_EVICTED = 1 << 9,  /* e */
    NOTIFY_STREAM = 1 << 10,  /* t */
    NOTIFY_MODULE = 1 << 11,  /* d */
    NOTIFY_MISS = 1 << 12,    /* m */
    NOTIFY_NEW = 1 << 13,     /* n */
    NOTIFY_ALL = NOTIFY_GENERIC | NOTIFY_STRING | NOTIFY_LIST | NOTIFY_SET | NOTIFY_HASH | NOTIFY_ZSET |
                 NOTIFY_EXPIRED | NOTIFY_EVICTED | NOTIFY_STREAM | NOTIFY_MODULE, /* A */
};

/* Limits and switches that commands obey; the configuration writes them. */
struct world_settings {
    uint64_t bulk_max;              /* proto-max-bulk-len: also the largest string */
    uint64_t value_file_threshold;  /* strings from here on get a file of their own; 0: none does */
    uint64_t query_max;             /* client-query-buffer-limit: also the bytes a transaction may queue */
    size_t hll_sparse_max;          /* hll-sparse-max-bytes */
    size_t hash_entries_max;        /* hash-max-listpack-entries */
    size_t hash_value_max;          /* hash-max-listpack-value */
    bool dump_compressed;           /* rdbcompression: DUMP compresses */
    enum debug_access debug_access; /* enable-debug-command */
    unsigned notify;                /* notify_class: which events are published; 0: none */

    uint64_t maxmemory; /* bytes; 0: no limit */
    enum evict_policy evict_policy;
    int64_t evict_samples;  /* maxmemory-samples */
    int64_t evict_tenacity; /* maxmemory-eviction-tenacity */
    bool evict_lazy;        /* evictions go to the stream as UNLINK */
    int64_t lfu_log_factor;
    int64_t lfu_decay_minutes;
    int64_t slowlog_us;       /* slowlog-log-slower-than; below 0: off */
    int64_t slowlog_count;    /* slowlog-max-len */
    int64_t latency_us;       /* latency-monitor-threshold; 0: off */
    size_t tracking_keys_max; /* tracking-table-max-keys; 0: no limit */
    bool latency_tracking;    /* each command's duration is counted in a histogram */
    bool clock_follows;       /* clock-set-back follow */
};

#endif
