/* What may be told of the keyspace at any moment, without waiting: how it was at the last moment that is
 * durable by now.
 *
 * How many keys there are tells of writes, and so do the words of slow commands; a client that is told of
 * them must not see what a crash could still take back (D2). INFO waits for the disk for that. A page that
 * shows how the server does while its disk hangs cannot; so a sample is taken now and then, and shown once
 * what had been executed by then is acknowledged. */
#ifndef DKV_HTTP_KEYSPACE_VIEW_H
#define DKV_HTTP_KEYSPACE_VIEW_H

#include "command/call.h"

struct database_figures {
    int database;
    uint64_t keys;
    uint64_t volatile_keys; /* of these: that have a time to live */
    uint64_t timed_hashes;  /* of these: hashes of which some field has one */
    int64_t mean_ttl_ms;
    uint64_t types[VALUE_TYPE_COUNT]; /* keys by type */
};

struct keyspace_sample {
    lsn_t lsn;       /* executed when it was taken */
    bool is_taken;   /* otherwise all is zero */
    int64_t slow_id; /* of the first slow command that came later */
    uint64_t keys;
    uint64_t volatile_keys;
    uint64_t timed_hashes;
    uint64_t types[VALUE_TYPE_COUNT];
    size_t count; /* databases that are not empty */
    struct database_figures *databases;
};

struct keyspace_view {
    const struct world *world;
    struct keyspace_sample shown;
    struct keyspace_sample waiting;
};

/* All zero but for the world is one that has seen nothing yet. */
void keyspace_view_free(struct keyspace_view *view);
/* Shows the sample that waits if that may be, and takes another. Call it several times a second and before
 * telling: where all that was executed is acknowledged it shows how things are now. */
void keyspace_view_update(struct keyspace_view *view);

#endif
