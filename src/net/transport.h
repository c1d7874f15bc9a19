/* How a connection's bytes get to the other side: plain sockets, or something around them. */
#ifndef DKV_NET_TRANSPORT_H
#define DKV_NET_TRANSPORT_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Each returns as the system call of that name does, with errno; EAGAIN: not now. state is the transport's
 * own. */
struct transport {
    ssize_t (*read)(void *state, int fd, void *data, size_t size);
    ssize_t (*write)(void *state, int fd, const struct iovec *vectors, int count);
    /* Frees state, NULL for a transport without one. The descriptor is closed by the caller. */
    void (*free)(void *state);
};

/* Bare stream sockets: no state. */
extern const struct transport transport_plain;

#endif
