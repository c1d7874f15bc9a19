/* Socket addresses: of a peer, as text for CLIENT LIST and log lines. */
#ifndef DKV_NET_ADDRESS_H
#define DKV_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/* All zero is an address of no family. Of a unix socket's only the family is kept. */
struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

/* Room for any text below, NUL included: a unix socket's path is the longest. */
#define ADDRESS_TEXT_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) + 8)

void address_set(struct address *address, const struct sockaddr_storage *storage);
/* The address that a socket is bound to; of no family when the kernel does not tell. */
void address_of_socket(struct address *address, int fd);
/* "192.0.2.1:6379", "[2001:db8::1]:6379", "?:0" for none. A unix socket's is "<path>:0", whichever end it is
 * of: the path that its server listens on, which is asked from fd, an accepted socket. out holds
 * ADDRESS_TEXT_MAX. */
void address_format(const struct address *address, int fd, char *out);
/* 0 where there is none. */
int address_port(const struct address *address);
/* A unix socket's peer is on this machine too. */
bool address_is_local(const struct address *address);

#endif
