#include "command/message/push.h"
#include "base/diag.h"

/* Kept for the next messages to the session whose command is being run. */
#define OWN_PUSHES_KEPT 4096

void session_push(struct session *session, struct slice message)
{
    struct world *world = session->world;
    if (session->close_after_reply)
        return;
    if (session == world->executing) {
        buffer_append_slice(&world->own_pushes, message);
        return;
    }
    output_append(session->output, message.data, message.size);
    if (!list_linked(&session->push_node))
        list_append(&world->pushed, &session->push_node);
}

/* How far the stream must be acknowledged before what was pushed may go; 0: nothing to wait for. */
static lsn_t push_lsn(const struct world *world)
{
    if (!world->journal || journal_policy(world->journal) != SYNC_ALWAYS)
        return 0;
    lsn_t executed = journal_executed(world->journal);
    return executed > journal_acknowledged(world->journal) ? executed : 0;
}

/* CLIENT REPLY silences replies, not messages. A connection that discards because it is lost goes on doing
 * so: its session runs no commands any more. */
void push_deliver_own(struct world *world)
{
    lsn_t lsn = push_lsn(world);
    struct session *session = world->executing;
    ASSERT(session != NULL);
    bool silent = session->output->discard;
    if (silent)
        output_set_discard(session->output, false);
    output_append(session->output, world->own_pushes.data, world->own_pushes.size);
    if (lsn)
        output_mark(session->output, lsn);
    if (silent)
        output_set_discard(session->output, true);
    buffer_clear(&world->own_pushes);
    buffer_shrink(&world->own_pushes, OWN_PUSHES_KEPT);
}

void push_deliver(struct world *world)
{
    lsn_t lsn = push_lsn(world);
    struct list_node *node;
    while ((node = list_take_first(&world->pushed)) != NULL) {
        struct session *session = LIST_OWNER(node, struct session, push_node);
        if (lsn)
            output_mark(session->output, lsn);
        if (world->session_host.pushed && session->owner)
            world->session_host.pushed(session);
    }
}
