/* Keyspace notifications: what happens to keys, published as it happens. */
#include "base/memory.h"
#include "base/number.h"
#include "command/event.h"
#include "command/message/pubsub.h"

/* __keyspace@<database>__: and the like. */
#define CHANNEL_OVERHEAD 64

static const struct {
    char letter;
    unsigned classes;
} letters[] = {
    {'K', NOTIFY_KEYSPACE}, {'E', NOTIFY_KEYEVENT}, {'g', NOTIFY_GENERIC}, {'$', NOTIFY_STRING},
    {'l', NOTIFY_LIST},     {'s', NOTIFY_SET},      {'h', NOTIFY_HASH},    {'z', NOTIFY_ZSET},
    {'x', NOTIFY_EXPIRED},  {'e', NOTIFY_EVICTED},  {'t', NOTIFY_STREAM},  {'d', NOTIFY_MODULE},
    {'m', NOTIFY_MISS},     {'n', NOTIFY_NEW},      {'A', NOTIFY_ALL},
};

unsigned notify_classes(const char *text)
{
    unsigned classes = 0;
    for (const char *c = text; *c; c++)
        for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
            if (*c == letters[i].letter)
                classes |= letters[i].classes;
    /* Without a kind of channel to go to, no event is worth the trouble of noticing it. */
    return classes & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT) ? classes : 0;
}

/* On "__<kind>@<database>__:<name>". */
static void publish(struct world *world, const char *kind, int database, struct slice name,
                    struct slice message)
{
    struct buffer channel = {0};
    buffer_reserve(&channel, CHANNEL_OVERHEAD + name.size);
    buffer_append_text(&channel, kind);
    buffer_append_int(&channel, database);
    buffer_append_text(&channel, "__:");
    buffer_append_slice(&channel, name);
    pubsub_publish(world, buffer_slice(&channel), message);
    buffer_free(&channel);
}

void notify_publish(struct world *world, int database, const char *event, struct slice key)
{
    unsigned classes = world->settings.notify;
    if (!pubsub_has_listeners(world))
        return;
    if (classes & NOTIFY_KEYSPACE)
        publish(world, "__keyspace@", database, key, slice_of(event));
    if (classes & NOTIFY_KEYEVENT)
        publish(world, "__keyevent@", database, slice_of(event), key);
}
