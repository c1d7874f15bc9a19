/* A connection is a client's socket: what was received from it and not yet run, and what is still to be sent.
 * What the client is to commands is its session (command/session.h), whose owner field is the connection. */
#ifndef DKV_NET_CONNECTION_H
#define DKV_NET_CONNECTION_H

#include "net/address.h"
#include "resp/output.h"

struct connection;
struct session;

struct session *connection_session(const struct connection *connection);
int connection_fd(const struct connection *connection);
bool connection_is_unix(const struct connection *connection);
/* Whether the client is on this machine. */
bool connection_is_local(const struct connection *connection);
/* The client's address, and the one it connected to. out holds ADDRESS_TEXT_MAX. */
void connection_peer_text(const struct connection *connection, char *out);
void connection_local_text(const struct connection *connection, char *out);

/* What CLIENT LIST tells of it. */
struct connection_info {
    size_t input_used;    /* qbuf: received and not yet run, of a command that runs its own bytes included */
    size_t input_free;    /* qbuf-free */
    size_t parser_memory; /* argv-mem */
    uint64_t output_pending; /* bytes queued and not yet sent */
    size_t output_memory;    /* omem: what they take */
    size_t output_shared;    /* of that: bytes of values that are referred to, not copied */
    size_t memory;           /* tot-mem: all of it, the connection included */
    bool reads;              /* events: waits to be readable */
    bool writes;             /* events: waits to be writable */
    bool blocked;            /* waits as its session->blocked says */
    bool paused;             /* waits for the journal before its next command */
    bool closing;            /* is closed as soon as what is queued is sent */
};
void connection_describe(const struct connection *connection, struct connection_info *info);

/* Which of client-output-buffer-limit's classes it is in. Normal at first. */
enum connection_class { CLASS_NORMAL, CLASS_REPLICA, CLASS_PUBSUB, CLASS_COUNT };
void connection_set_class(struct connection *connection, enum connection_class class);

/* Appends to its output from outside its own command, and has it sent when its turn comes. */
void connection_push(struct connection *connection, const void *data, size_t size);
/* The same for somebody who appended to the session's output himself. */
void connection_pushed(struct connection *connection);
/* Its session, which execute said is blocked, has been answered and may go on. */
void connection_resumed(struct connection *connection);

/* Closes it now; what is queued is not sent. Its session is freed at once, or, when this is called from a
 * command of its own, after that command. The connection must not be used any more. */
void connection_close(struct connection *connection);
/* Runs no further command, and closes it when what is queued is sent. */
void connection_close_after_reply(struct connection *connection);

#endif
