/* What a session is sent outside of its own commands' replies: messages, invalidations, MONITOR's lines.
 *
 * Under appendfsync always nothing of that may tell of what a crash could still take back. So each delivery,
 * at the end of every command and of every unit that is no command's, ties what was pushed since the last one
 * to the stream as it has been executed by then, whatever of it the message is about. Messages are few
 * compared with commands, and where nothing is on its way to the disk they wait for nothing. */
#ifndef DKV_COMMAND_PUSH_H
#define DKV_COMMAND_PUSH_H

#include "command/call.h"

/* Appends a whole message to the session's output. The one whose command is being run gets it behind that
 * command's reply. A session that is about to be closed gets nothing. */
void session_push(struct session *session, struct slice message);

/* See above; use the next two. */
void push_deliver(struct world *world);
void push_deliver_own(struct world *world);

/* Call when a unit has ended, or a command without one. Free when nothing was pushed. */
static inline void world_deliver(struct world *world)
{
    if (!list_empty(&world->pushed))
        push_deliver(world);
}

/* Call behind a command's reply, while it counts as being executed. */
static inline void world_deliver_own(struct world *world)
{
    if (world->own_pushes.size)
        push_deliver_own(world);
}

#endif
