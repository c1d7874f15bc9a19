#include "command/session.h"

#include "base/memory.h"
#include "command/acl/acl.h"
#include "command/block.h"
#include "command/message/pubsub.h"
#include "command/message/tracking.h"
#include "command/observe/observe.h"
#include "command/origin.h"
#include "command/transaction.h"
#include "command/watch.h"

/* What RESET brings back. */
static void session_set_defaults(struct session *session)
{
    session->database = 0;
    session->protocol = 2;
    acl_session_begin(session);
    session->no_evict = false;
    session->no_touch = false;
    session->reply_mode = REPLY_ON;
}

/* Chains find by hash alone: an id is its own. */
struct session *session_find(const struct world *world, uint64_t id)
{
    struct chain_node *node = chain_find(&world->sessions_by_id, id);
    return node ? LIST_OWNER(node, struct session, by_id) : NULL;
}

struct session *session_new(struct world *world, struct output *output, void *owner)
{
    struct session *session = mem_alloc_zero(sizeof(*session));
    session->id = ++world->next_session_id;
    session->world = world;
    session->output = output;
    session->origin = &origin_client;
    session->owner = owner;
    for (int i = 0; i < SUBSCRIPTION_KINDS; i++)
        list_init(&session->subscriptions[i]);
    list_init(&session->tracking_prefixes);
    chain_add(&world->sessions_by_id, &session->by_id, session->id);
    session_set_defaults(session);
    session->created_ms = session->active_ms = world->use_ms;
    session->previous = world->sessions_last;
    if (world->sessions_last)
        world->sessions_last->next = session;
    else
        world->sessions = session;
    world->sessions_last = session;
    world->session_count++;
    return session;
}

void session_free(struct session *session)
{
    struct world *world = session->world;
    block_end(session);
    session_discard_transaction(session);
    session_unwatch(session);
    session_unsubscribe_all(session);
    session_monitor_end(session);
    tracking_stop(session);
    list_remove(&session->push_node);
    chain_remove(&world->sessions_by_id, &session->by_id);
    if (session->previous)
        session->previous->next = session->next;
    else
        world->sessions = session->next;
    if (session->next)
        session->next->previous = session->previous;
    else
        world->sessions_last = session->previous;
    world->session_count--;
    mem_free(session->name);
    mem_free(session->library);
    mem_free(session->library_version);
    mem_free(session->queue);
    mem_free(session);
}

void session_reset(struct session *session)
{
    session_discard_transaction(session);
    session_unwatch(session);
    session_unsubscribe_all(session);
    session_monitor_end(session);
    tracking_stop(session);
    session_set_defaults(session);
    session_set_text(&session->name, slice_make(NULL, 0));
}

void session_peer(const struct session *session, char out[SESSION_PEER_MAX])
{
    const struct session_host *host = &session->world->session_host;
    out[0] = '\0';
    if (host->peer && (session->owner || session->http_owner))
        host->peer(session, out);
}

bool session_text_is_valid(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '!' || text.data[i] > '~')
            return false;
    return true;
}

bool session_set_text(char **field, struct slice text)
{
    if (!session_text_is_valid(text))
        return false;
    mem_free(*field);
    *field = text.size ? slice_to_cstring(text) : NULL;
    return true;
}

void session_discard_transaction(struct session *session)
{
    for (size_t i = 0; i < session->queue_size; i++)
        queued_free(&session->queue[i]);
    mem_free(session->queue);
    session->queue = NULL;
    session->queue_size = session->queue_capacity = session->queue_bytes = 0;
    session->queue_asks = false;
    session->queue_bound = session->queue_admitted = (struct effect_bound){0};
    session->in_multi = session->multi_failed = false;
    session->queue_flags = 0;
}

void session_unwatch(struct session *session)
{
    watch_remove_all(session->world->watches, session);
    session->watch_failed = false;
}
