/* A client's connection, whether it speaks RESP or HTTP. */
#include "server/server.h"

bool client_connection(const struct session *session, struct connection_info *info)
{
    if (session->owner)
        connection_describe(session->owner, info);
    else if (session->http_owner)
        http_connection_describe(session->http_owner, info);
    return session->owner || session->http_owner;
}

int client_fd(const struct session *session)
{
    return session->owner ? connection_fd(session->owner) : http_connection_fd(session->http_owner);
}

void client_peer_text(const struct session *session, char *out)
{
    if (session->owner)
        connection_peer_text(session->owner, out);
    else
        http_connection_peer_text(session->http_owner, out);
}

void client_local_text(const struct session *session, char *out)
{
    if (session->owner)
        connection_local_text(session->owner, out);
    else
        http_connection_local_text(session->http_owner, out);
}

void client_close(struct session *session)
{
    if (session->owner)
        connection_close(session->owner);
    else
        http_connection_close(session->http_owner);
}

size_t client_memory(const struct session *session, const struct connection_info *info)
{
    return info->memory + sizeof(*session) + session->queue_bytes + session->watch_bytes;
}
