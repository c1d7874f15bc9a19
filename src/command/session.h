/* A session is what a client is to a command; its socket is a connection (net/). The simulator has sessions
 * without sockets, and so has recovery. */
#ifndef DKV_COMMAND_SESSION_H
#define DKV_COMMAND_SESSION_H

#include "base/chain.h"
#include "base/list.h"
#include "journal/frame.h"
#include "resp/reply.h"

struct acl_user;
struct block;
struct command_entry;
struct origin;
struct watch;
struct world;

enum reply_mode { REPLY_ON, REPLY_OFF, REPLY_SKIP_NEXT, REPLY_SKIP };

/* Why a command runs that has waited. */
enum resume_reason {
    RESUME_NOT,    /* it has not */
    RESUME_READY,  /* what it waits for may have come */
    RESUME_TIMEOUT /* its time is up */
};

/* What a subscription is to: a channel, all channels that a pattern matches, or a channel of the sharded
 * kind.
 */
enum subscription_kind { SUBSCRIPTION_CHANNEL, SUBSCRIPTION_PATTERN, SUBSCRIPTION_SHARD, SUBSCRIPTION_KINDS };

/* At most what effects take in the journal: in units, and in files of large values. */
struct effect_bound {
    uint64_t bytes;
    uint64_t value_bytes;
};

struct queued_command {
    struct command_entry *entry;
    int argc;
    struct slice *argv; /* one allocation with the bytes and the blobs' list */
    struct slice raw;
    struct effect_bound bound;  /* of a command that writes */
    struct request_blob *blobs; /* a reference to each */
    int blob_count;
};

struct session {
    uint64_t id;
    struct world *world;
    struct output *output; /* where its replies go; owned by whoever made the session */
    void *owner;           /* the connection, for commands of upper floors; NULL without one */
    void *http_owner;      /* the same for a client over HTTP, who has no owner and is pushed nothing */
    struct session *next;  /* all sessions of a world, in order of id */
    struct session *previous;
    struct chain_node by_id; /* in world->sessions_by_id */

    const struct origin *origin; /* of the command that it runs now, or next */
    int database;
    int protocol;          /* 2 or 3 */
    struct acl_user *user; /* acl.h */
    bool authenticated;    /* password given; ask session_is_authenticated whether one is needed at all */
    bool is_local;         /* on this machine: for what is allowed to local clients only */
    bool is_unix;          /* over a unix socket */
    bool monitors;         /* sees all commands (MONITOR) */
    bool no_evict;
    bool no_touch;
    bool close_after_reply; /* QUIT, a protocol error, CLIENT KILL of oneself */
    enum reply_mode reply_mode;
    char *name;    /* NULL: none */
    char *library; /* CLIENT SETINFO lib-name */
    char *library_version;

    /* Transaction. */
    bool in_multi;
    bool multi_failed;    /* a queued command was refused: EXEC answers EXECABORT */
    bool watch_failed;    /* a watched key was changed: EXEC answers nil */
    unsigned queue_flags; /* of all commands that are queued: what EXEC does is what they do */
    struct queued_command *queue;
    size_t queue_size;
    size_t queue_capacity;
    size_t queue_bytes;                 /* memory */
    bool queue_asks;                    /* the bound of some hangs on what they find */
    struct effect_bound queue_bound;    /* of the others; while EXEC runs: of all that have not run yet */
    struct effect_bound queue_admitted; /* by the journal, for EXEC */
    struct watch *watches;
    size_t watch_bytes; /* that they take */

    /* Messages (pubsub.h, push.h). */
    struct list subscriptions[SUBSCRIPTION_KINDS]; /* in the order they were made */
    size_t subscription_counts[SUBSCRIPTION_KINDS];
    struct list_node push_node; /* in world->pushed */

    /* Client-side caching (tracking.h). */
    unsigned tracking;          /* tracking_flag; 0: off */
    uint64_t tracking_redirect; /* the session that is told instead; 0: itself */
    struct list tracking_prefixes;

    /* What has to be durable before "my writes are": the LSN of its last write. */
    lsn_t last_write_lsn;

    /* Waiting (block.h). */
    bool blocked;                /* no command of its own runs until the one that waits is answered */
    enum resume_reason resumed;  /* of the command that is being run */
    struct block *block;         /* NULL: it does not wait */
    uint64_t block_count;        /* for the own use of a command that waits */
    uint64_t block_output_begin; /* output->queued before the reply to what waited */

    /* What its commands took since whoever runs them set this to 0: session_turn_is_long. */
    uint64_t turn_ticks;

    int64_t created_ms; /* as the world's use_ms */
    int64_t active_ms;  /* last command, the same */
    const struct command_entry *last_command;
};

/* Between MULTI and the end of EXEC. */
static inline bool session_in_transaction(const struct session *session)
{
    return session->in_multi || session->queue_size > 0;
}

static inline bool session_is_subscriber(const struct session *session)
{
    return session->subscription_counts[SUBSCRIPTION_CHANNEL] ||
           session->subscription_counts[SUBSCRIPTION_PATTERN] ||
           session->subscription_counts[SUBSCRIPTION_SHARD];
}

/* Room for a client's address as text, with its NUL. */
#define SESSION_PEER_MAX 128
/* The client's address; "" for a session without a connection. */
void session_peer(const struct session *session, char out[SESSION_PEER_MAX]);

/* NULL when there is none (any more). */
struct session *session_find(const struct world *world, uint64_t id);
struct session *session_new(struct world *world, struct output *output, void *owner);
/* Drops its transaction, watches and subscriptions too. */
void session_free(struct session *session);
/* RESET: back to how it began, but for id and output. */
void session_reset(struct session *session);
/* Whether session_set_text will take it. */
bool session_text_is_valid(struct slice text);
/* NULL or "" clears. False when text holds bytes that a name may not (spaces, controls, newlines). */
bool session_set_text(char **field, struct slice text);
void session_discard_transaction(struct session *session);
void session_unwatch(struct session *session);

#endif
