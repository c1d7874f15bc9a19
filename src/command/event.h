/* Events of the keyspace (notify-keyspace-events). */
#ifndef DKV_COMMAND_EVENT_H
#define DKV_COMMAND_EVENT_H

#include "command/call.h"

/* The classes that letters name; 0 when they name no kind of channel. */
unsigned notify_classes(const char *text);
/* Use one of the next three. */
void notify_publish(struct world *world, int database, const char *event, struct slice key);

/* Something happened to a key. Free while nobody wants to know of that class. */
static inline void world_notify(struct world *world, enum notify_class class, const char *event, int database,
                                struct slice key)
{
    if (__builtin_expect(world->settings.notify & class, 0))
        notify_publish(world, database, event, key);
}

/* Say it once what it tells of is done, named and ordered as Redis does. */
static inline void call_notify_in(struct call *call, enum notify_class class, const char *event, int database,
                                  struct slice key)
{
    if (__builtin_expect(call->world->settings.notify & class, 0) && call->origin->is_announced)
        notify_publish(call->world, database, event, key);
}

static inline void call_notify(struct call *call, enum notify_class class, const char *event,
                               struct slice key)
{
    call_notify_in(call, class, event, call->session->database, key);
}

#endif
