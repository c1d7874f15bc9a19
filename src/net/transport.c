#include "net/transport.h"

#include <sys/socket.h>

static ssize_t plain_read(void *state, int fd, void *data, size_t size)
{
    (void)state;
    return recv(fd, data, size, 0);
}

static ssize_t plain_write(void *state, int fd, const struct iovec *vectors, int count)
{
    (void)state;
    /* The vectors are only read; struct msghdr serves both directions and cannot say so. */
    union {
        const struct iovec *in;
        struct iovec *out;
    } borrowed = {.in = vectors};
    struct msghdr message = {.msg_iov = borrowed.out, .msg_iovlen = (size_t)count};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void plain_free(void *state)
{
    (void)state;
}

const struct transport transport_plain = {plain_read, plain_write, plain_free};
