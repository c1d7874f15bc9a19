/* Client-side caching: which sessions have read which keys, or want to hear of all keys with a prefix, and
 * telling them when those change (CLIENT TRACKING).
 *
 * As in Redis, keys are known by name whatever their database, and by session id, so that one who has gone
 * costs nothing until the key changes. What is told goes as a push, or, to a session that messages are
 * redirected to, as one on the channel __redis__:invalidate. */
#ifndef DKV_COMMAND_TRACKING_H
#define DKV_COMMAND_TRACKING_H

#include "command/call.h"

enum tracking_flag {
    TRACKING_ON = 1 << 0,
    TRACKING_BCAST = 1 << 1,
    TRACKING_OPTIN = 1 << 2,
    TRACKING_OPTOUT = 1 << 3,
    TRACKING_NOLOOP = 1 << 4,
    TRACKING_CACHING = 1 << 5, /* CLIENT CACHING was said for the next command */
    TRACKING_BROKEN = 1 << 6,  /* the session that messages were redirected to has gone */
};

struct tracking;

struct tracking *tracking_new(void);
void tracking_free(struct tracking *tracking);

/* A command that only reads has run for a session that tracks. */
void tracking_remember(struct call *call);
/* A key was changed. Use tracking_key_changed. */
void tracking_invalidate(struct world *world, struct slice key, uint64_t hash);
/* Keys may be gone that nobody can name: all who track forget everything. */
void tracking_flushed(struct world *world);
/* Sends what has gathered for those who want to hear of prefixes. Once a round. */
void tracking_broadcast(struct world *world);
void tracking_stop(struct session *session);

/* Free while nobody tracks. */
static inline void tracking_key_changed(struct world *world, struct slice key, uint64_t hash)
{
    if (__builtin_expect(world->tracking_sessions > 0, 0))
        tracking_invalidate(world, key, hash);
}

struct tracking_stats {
    uint64_t keys;
    uint64_t items; /* sessions, summed over keys */
    uint64_t prefixes;
};
void tracking_stats_read(const struct world *world, struct tracking_stats *stats);

/* Subcommands of CLIENT. */
command_function client_tracking_command;
command_function client_trackinginfo_command;
command_function client_caching_command;
command_function client_getredir_command;

#endif
