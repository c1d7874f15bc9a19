/* A client: its session, what it has sent, and what each reply it gets commits the server to. */
#ifndef DKV_SIM_CLIENT_H
#define DKV_SIM_CLIENT_H

#include "command/dispatch.h"
#include "workload.h"

struct sim;

#define GONE_MAX 16

/* A key or a part that a reply shows as gone because its time had passed. */
struct shown_gone {
    struct model_place place;
    int64_t expire_ms;
    lsn_t version;
};

/* A reply that was queued: where it stands in the output, and what must last once it was read. */
struct promise {
    uint64_t begin;
    uint64_t end;
    lsn_t shown;        /* under always: what it tells of */
    lsn_t acknowledged; /* the write that it acknowledges; 0: none */
    bool is_message;    /* caused by a command that still runs */
    int gone_count;
    struct shown_gone gone[GONE_MAX];
    lsn_t durable; /* what it says is durable, whatever the policy (WAITAOF) */
    enum sync_policy policy;
    uint64_t policy_epoch;
};

struct watched {
    int database;
    int key;
    lsn_t since;
};

struct client {
    int number;
    struct session *session; /* NULL: not connected */
    struct output output;
    struct parser *parser;
    struct buffer input; /* sent and not run */
    struct sim_command *sent;
    size_t sent_first;
    size_t sent_count;
    size_t sent_capacity;
    struct promise *promises;
    size_t promise_first;
    size_t promise_count;
    size_t promise_capacity;
    bool waits;   /* for the journal: what is next could not be run */
    bool closing; /* sends nothing more */
    bool reads;   /* only: nothing of its own holds its replies up */
    /* Commands until it ends the transaction that it began; 0: it began none, or leaves that to chance. */
    int until_exec;
    bool transaction_reads; /* only */

    /* In a transaction: what its commands can tell of, and the database selected for the next. */
    struct command_scope *scopes;
    size_t scope_count;
    size_t scope_capacity;
    int multi_database;
    struct watched watched[COMMAND_KEYS_MAX];
    int watched_count;
    lsn_t last_write;
    uint64_t noted; /* of the output: replies and messages whose promises are known */
};

/* The session_host's. */
void client_pushed(struct session *session);
void client_connect(struct sim *sim, struct client *client, int number);
void client_disconnect(struct client *client);
/* Sends some commands of the workload. They run with client_run. */
void client_send(struct sim *sim, struct client *client);
void client_say(struct sim *sim, struct client *client, const char *words, enum command_kind kind);
/* Runs what it sent, as far as it goes. Within a round. */
void client_run(struct sim *sim, struct client *client);
/* Reads replies, as far as they may be sent; at most so many bytes. */
void client_read(struct sim *sim, struct client *client, uint64_t bytes_max);
/* Whether all it sent was run and all replies were read. */
bool client_is_idle(const struct client *client);

#endif
