/* Listening sockets: TCP on several addresses, and unix sockets. Accepts connections and hands them on. */
#ifndef DKV_NET_LISTENER_H
#define DKV_NET_LISTENER_H

#include "net/address.h"
#include "net/loop.h"

/* Sockets that are accepted from by the same function; a server has one set, or makes a new one when it
 * moves:
 *
 *   new = listeners_new(...); listeners_inherit(new, old); listeners_add_...(new, ...);
 *   listeners_free(old) if all could be added, listeners_free(new) if not */
struct listeners;

/* Takes an accepted socket over, non-blocking and closed on exec. */
typedef void listener_accept(void *context, int fd, const struct address *peer);

/* What went wrong, for people: "Could not create server TCP listening socket 127.0.0.1:6379: bind: Address
 * already in use". */
struct listen_error {
    char text[512];
    int port; /* the TCP port it went wrong with, 0: a unix socket */
};

struct listeners *listeners_new(struct loop *loop, listener_accept *accept, void *context);
/* heir is to take the place of old (NULL: of nothing), unless adding to it fails: whichever of them is freed,
 * the other one goes on as if it had been alone. An address and port, or a path, that is added to heir and
 * that old listens on too is not opened again but shared. A socket of old's that keeps one of heir's from its
 * port (127.0.0.1 where all addresses are wanted now) stops listening, without giving up its address, until
 * heir is freed. No round of the loop may run while both are there. */
void listeners_inherit(struct listeners *heir, struct listeners *old);
/* Closes them, removes the files of unix sockets. NULL is fine. What was accepted lives on. */
void listeners_free(struct listeners *listeners);

/* Listens on every address: a name or number, "*" for all of IPv4, "::*" for all of IPv6. One that begins
 * with "-" is optional: when this machine does not have it, that is logged and no error; nor is a protocol
 * that the machine does not speak. No addresses: no sockets. port 0 takes one that is free. All or none:
 * false on failure. */
bool listeners_add_tcp(struct listeners *listeners, const char *const *addresses, int count, int port,
                       int backlog, struct listen_error *error);
/* mode: permissions to set, 0: as the umask has it. A socket file that nobody listens on any more is
 * replaced; one that somebody does listen on, or anything else of that name, is an error. */
bool listeners_add_unix(struct listeners *listeners, const char *path, unsigned mode, int backlog,
                        struct listen_error *error);

/* --- turning clients away ---------------------------------------------------------------------------- */

/* All zero: nobody was turned away yet. */
struct turned_away {
    int64_t told_us;
    uint64_t untold;
};

/* Another one was, since there are clients_max: the log tells of it, at most once in a while. */
void turned_away_add(struct turned_away *turned_away, const struct loop *loop, uint64_t clients_max);

int listeners_count(const struct listeners *listeners);
/* What the index-th listens on: "127.0.0.1:6379", or a unix socket's path. out holds ADDRESS_TEXT_MAX. */
void listeners_text(const struct listeners *listeners, int index, char *out);

#endif
