#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void address_set(struct address *address, const struct sockaddr_storage *storage)
{
    memset(address, 0, sizeof(*address));
    if (storage->ss_family == AF_INET)
        memcpy(&address->v4, storage, sizeof(address->v4));
    else if (storage->ss_family == AF_INET6)
        memcpy(&address->v6, storage, sizeof(address->v6));
    else
        address->any.sa_family = storage->ss_family;
}

void address_of_socket(struct address *address, int fd)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof(storage);
    if (getsockname(fd, (struct sockaddr *)&storage, &size) != 0)
        storage.ss_family = AF_UNSPEC;
    address_set(address, &storage);
}

static void unix_format(int fd, char *out)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &size) != 0)
        name.sun_path[0] = '\0';
    snprintf(out, ADDRESS_TEXT_MAX, "%.*s:0", (int)sizeof(name.sun_path), name.sun_path);
}

void address_format(const struct address *address, int fd, char *out)
{
    char host[INET6_ADDRSTRLEN] = "?";
    switch (address->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
        snprintf(out, ADDRESS_TEXT_MAX, "%s:%d", host, address_port(address));
        return;
    case AF_INET6:
        inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
        snprintf(out, ADDRESS_TEXT_MAX, "[%s]:%d", host, address_port(address));
        return;
    case AF_UNIX: unix_format(fd, out); return;
    default: snprintf(out, ADDRESS_TEXT_MAX, "?:0");
    }
}

int address_port(const struct address *address)
{
    switch (address->any.sa_family) {
    case AF_INET: return ntohs(address->v4.sin_port);
    case AF_INET6: return ntohs(address->v6.sin6_port);
    default: return 0;
    }
}

bool address_is_local(const struct address *address)
{
    switch (address->any.sa_family) {
    case AF_INET: return ntohl(address->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr) &&
                address->v6.sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
    case AF_UNIX: return true;
    default: return false;
    }
}
