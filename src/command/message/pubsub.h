/* Channels, patterns, and who has subscribed to them. */
#ifndef DKV_COMMAND_PUBSUB_H
#define DKV_COMMAND_PUBSUB_H

#include "command/call.h"

struct pubsub *pubsub_new(void);
/* All sessions must be gone. */
void pubsub_free(struct pubsub *pubsub);

/* Sends a message to the channel's subscribers and to those of patterns that match it; returns to how many.
 */
size_t pubsub_publish(struct world *world, struct slice channel, struct slice message);
/* Whether anybody could receive anything but a sharded message. */
bool pubsub_has_listeners(const struct world *world);
/* Channels, patterns or sharded channels with at least one subscriber. */
size_t pubsub_count(const struct world *world, enum subscription_kind kind);

/* Calls visit with all that a session has subscribed to, until it returns false; returns whether it never
 * did. */
typedef bool subscription_visit(void *context, enum subscription_kind kind, struct slice name);
bool session_each_subscription(struct session *session, subscription_visit *visit, void *context);
/* Without telling it. */
void session_unsubscribe_all(struct session *session);

#endif
