/* Publish and subscribe. A channel (or pattern) exists as long as somebody has subscribed to it; it is found
 * by name, and whether a session has subscribed to it by both together, so that neither many channels of one
 * session nor many sessions of one channel make anything slow.
 *
 * A message is laid out once for all who get it: the two protocols differ in its first byte only. */
#include "command/message/pubsub.h"

#include "base/chain.h"
#include "base/diag.h"
#include "base/glob.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/families.h"
#include "command/message/push.h"

/* Memory for laying messages out that is kept. */
#define MESSAGE_KEPT 16384

struct topic {
    struct chain_node by_name; /* first: a node found is the topic */
    struct list_node all_node; /* all of its kind */
    struct list subscriptions; /* oldest first */
    size_t count;
    struct glob *glob; /* of a pattern, else NULL */
    size_t name_size;
    char name[];
};

struct subscription {
    struct chain_node by_both; /* first */
    struct list_node topic_node;
    struct list_node session_node;
    struct session *session;
    struct topic *topic;
};

struct topics {
    struct chain_table by_name;
    struct chain_table by_both; /* subscriptions, by topic and session */
    struct list all;
};

struct pubsub {
    struct topics kinds[SUBSCRIPTION_KINDS];
    struct buffer message;
};

struct pubsub *pubsub_new(void)
{
    struct pubsub *pubsub = mem_alloc_zero(sizeof(*pubsub));
    for (int i = 0; i < SUBSCRIPTION_KINDS; i++)
        list_init(&pubsub->kinds[i].all);
    return pubsub;
}

void pubsub_free(struct pubsub *pubsub)
{
    for (int i = 0; i < SUBSCRIPTION_KINDS; i++)
        ASSERT(list_empty(&pubsub->kinds[i].all));
    buffer_free(&pubsub->message);
    mem_free(pubsub);
}

size_t pubsub_count(const struct world *world, enum subscription_kind kind)
{
    return world->pubsub->kinds[kind].by_name.count;
}

bool pubsub_has_listeners(const struct world *world)
{
    return pubsub_count(world, SUBSCRIPTION_CHANNEL) > 0 || pubsub_count(world, SUBSCRIPTION_PATTERN) > 0;
}

/* --- topics and subscriptions -------------------------------------------------------------------------- */

static struct slice topic_name(const struct topic *topic)
{
    return slice_make(topic->name, topic->name_size);
}

static struct topic *topic_of_node(struct list_node *node)
{
    return LIST_OWNER(node, struct topic, all_node);
}

static struct topic *topic_find(const struct topics *topics, struct slice name, uint64_t hash)
{
    for (struct chain_node *node = chain_find(&topics->by_name, hash); node; node = chain_find_next(node)) {
        struct topic *topic = (struct topic *)(void *)node;
        if (slice_equal(topic_name(topic), name))
            return topic;
    }
    return NULL;
}

static struct topic *topic_add(struct topics *topics, struct slice name, uint64_t hash)
{
    struct topic *topic = mem_alloc(sizeof(*topic) + name.size);
    *topic = (struct topic){.name_size = name.size};
    if (name.size)
        memcpy(topic->name, name.data, name.size);
    list_init(&topic->subscriptions);
    list_append(&topics->all, &topic->all_node);
    chain_add(&topics->by_name, &topic->by_name, hash);
    return topic;
}

static uint64_t hash_of_both(const struct session *session, uint64_t name_hash)
{
    return name_hash ^ (session->id * UINT64_C(0x9e3779b97f4a7c15));
}

static struct subscription *subscription_find(const struct topics *topics, const struct session *session,
                                              struct slice name, uint64_t name_hash)
{
    struct chain_node *node = chain_find(&topics->by_both, hash_of_both(session, name_hash));
    for (; node; node = chain_find_next(node)) {
        struct subscription *subscription = (struct subscription *)(void *)node;
        if (subscription->session == session && slice_equal(topic_name(subscription->topic), name))
            return subscription;
    }
    return NULL;
}

/* Tells the upper floor when the session has become a subscriber, or has ceased to be one. */
static void tell_host(struct session *session, bool was_subscriber)
{
    const struct session_host *host = &session->world->session_host;
    bool is_subscriber = session_is_subscriber(session);
    if (was_subscriber != is_subscriber && host->subscribed && session->owner)
        host->subscribed(session, is_subscriber);
}

/* glob: name as a pattern, which is taken over; NULL for what is none. */
static void subscribe(struct session *session, enum subscription_kind kind, struct slice name,
                      struct glob *glob)
{
    struct topics *topics = &session->world->pubsub->kinds[kind];
    uint64_t hash = store_hash(session->world->store, name);
    if (subscription_find(topics, session, name, hash)) {
        glob_free(glob);
        return;
    }
    bool was_subscriber = session_is_subscriber(session);
    struct topic *topic = topic_find(topics, name, hash);
    if (!topic)
        topic = topic_add(topics, name, hash);
    glob_free(topic->glob);
    topic->glob = glob; /* of the same name */
    struct subscription *subscription = mem_alloc_zero(sizeof(*subscription));
    subscription->session = session;
    subscription->topic = topic;
    list_append(&topic->subscriptions, &subscription->topic_node);
    list_append(&session->subscriptions[kind], &subscription->session_node);
    chain_add(&topics->by_both, &subscription->by_both, hash_of_both(session, hash));
    topic->count++;
    session->subscription_counts[kind]++;
    tell_host(session, was_subscriber);
}

static void subscription_remove(enum subscription_kind kind, struct subscription *subscription)
{
    struct session *session = subscription->session;
    struct topic *topic = subscription->topic;
    struct topics *topics = &session->world->pubsub->kinds[kind];
    bool was_subscriber = session_is_subscriber(session);
    list_remove(&subscription->topic_node);
    list_remove(&subscription->session_node);
    chain_remove(&topics->by_both, &subscription->by_both);
    mem_free(subscription);
    session->subscription_counts[kind]--;
    if (--topic->count == 0) {
        list_remove(&topic->all_node);
        chain_remove(&topics->by_name, &topic->by_name);
        glob_free(topic->glob);
        mem_free(topic);
    }
    tell_host(session, was_subscriber);
}

static struct subscription *first_subscription(const struct session *session, enum subscription_kind kind)
{
    struct list_node *node = list_first(&session->subscriptions[kind]);
    return node ? LIST_OWNER(node, struct subscription, session_node) : NULL;
}

bool session_each_subscription(struct session *session, subscription_visit *visit, void *context)
{
    for (int kind = 0; kind < SUBSCRIPTION_KINDS; kind++) {
        const struct list *list = &session->subscriptions[kind];
        for (struct list_node *node = list_first(list); node; node = list_next(list, node)) {
            const struct subscription *subscription = LIST_OWNER(node, struct subscription, session_node);
            if (!visit(context, (enum subscription_kind)kind, topic_name(subscription->topic)))
                return false;
        }
    }
    return true;
}

void session_unsubscribe_all(struct session *session)
{
    struct subscription *subscription;
    for (int kind = 0; kind < SUBSCRIPTION_KINDS; kind++)
        while ((subscription = first_subscription(session, (enum subscription_kind)kind)) != NULL)
            subscription_remove((enum subscription_kind)kind, subscription);
}

/* --- publishing ---------------------------------------------------------------------------------------- */

static void message_bulk(struct buffer *message, struct slice value)
{
    buffer_append_char(message, '$');
    buffer_append_int(message, (int64_t)value.size);
    buffer_append(message, "\r\n", 2);
    buffer_append_slice(message, value);
    buffer_append(message, "\r\n", 2);
}

/* Lays a message of these words out, for either protocol but for its first byte. */
static void message_lay_out(struct buffer *message, int count, const struct slice *words)
{
    buffer_clear(message);
    buffer_append_char(message, '*');
    buffer_append_int(message, count);
    buffer_append(message, "\r\n", 2);
    for (int i = 0; i < count; i++)
        message_bulk(message, words[i]);
}

static size_t send_to_all(struct buffer *message, const struct topic *topic)
{
    for (struct list_node *node = list_first(&topic->subscriptions); node;
         node = list_next(&topic->subscriptions, node)) {
        struct session *session = LIST_OWNER(node, struct subscription, topic_node)->session;
        message->data[0] = session->protocol >= 3 ? '>' : '*';
        session_push(session, buffer_slice(message));
    }
    return topic->count;
}

static size_t publish_to(struct world *world, enum subscription_kind kind, struct slice word,
                         struct slice channel, struct slice message)
{
    struct pubsub *pubsub = world->pubsub;
    const struct topics *topics = &pubsub->kinds[kind];
    if (topics->by_name.count == 0)
        return 0;
    const struct topic *topic = topic_find(topics, channel, store_hash(world->store, channel));
    if (!topic)
        return 0;
    message_lay_out(&pubsub->message, 3, (struct slice[]){word, channel, message});
    return send_to_all(&pubsub->message, topic);
}

static size_t publish_to_patterns(struct world *world, struct slice channel, struct slice message)
{
    struct pubsub *pubsub = world->pubsub;
    const struct list *patterns = &pubsub->kinds[SUBSCRIPTION_PATTERN].all;
    size_t receivers = 0;
    for (struct list_node *node = list_first(patterns); node; node = list_next(patterns, node)) {
        const struct topic *pattern = topic_of_node(node);
        if (!glob_matches(pattern->glob, channel))
            continue;
        message_lay_out(&pubsub->message, 4,
                        (struct slice[]){SLICE_LITERAL("pmessage"), topic_name(pattern), channel, message});
        receivers += send_to_all(&pubsub->message, pattern);
    }
    return receivers;
}

size_t pubsub_publish(struct world *world, struct slice channel, struct slice message)
{
    size_t receivers = publish_to(world, SUBSCRIPTION_CHANNEL, SLICE_LITERAL("message"), channel, message);
    receivers += publish_to_patterns(world, channel, message);
    buffer_shrink(&world->pubsub->message, MESSAGE_KEPT);
    return receivers;
}

static void publish_command(struct call *call)
{
    reply_int(call->reply, (int64_t)pubsub_publish(call->world, call->argv[1], call->argv[2]));
}

static void spublish_command(struct call *call)
{
    size_t receivers =
        publish_to(call->world, SUBSCRIPTION_SHARD, SLICE_LITERAL("smessage"), call->argv[1], call->argv[2]);
    buffer_shrink(&call->world->pubsub->message, MESSAGE_KEPT);
    reply_int(call->reply, (int64_t)receivers);
}

/* --- subscribing --------------------------------------------------------------------------------------- */

static const struct {
    const char *subscribe;
    const char *unsubscribe;
} words[SUBSCRIPTION_KINDS] = {
    [SUBSCRIPTION_CHANNEL] = {"subscribe", "unsubscribe"},
    [SUBSCRIPTION_PATTERN] = {"psubscribe", "punsubscribe"},
    [SUBSCRIPTION_SHARD] = {"ssubscribe", "sunsubscribe"},
};

/* What a confirmation tells: channels and patterns count as one, sharded channels for themselves. */
static int64_t told_count(const struct session *session, enum subscription_kind kind)
{
    const size_t *counts = session->subscription_counts;
    if (kind == SUBSCRIPTION_SHARD)
        return (int64_t)counts[SUBSCRIPTION_SHARD];
    return (int64_t)(counts[SUBSCRIPTION_CHANNEL] + counts[SUBSCRIPTION_PATTERN]);
}

static void reply_confirmation(struct call *call, const char *word, const struct slice *name,
                               enum subscription_kind kind)
{
    reply_push(call->reply, 3);
    reply_bulk_text(call->reply, word);
    if (name)
        reply_bulk(call->reply, *name);
    else
        reply_null(call->reply);
    reply_int(call->reply, told_count(call->session, kind));
}

/* Confirmations are messages: CLIENT REPLY does not silence them. Returns what to restore at the end. */
static bool confirmations_begin(const struct call *call)
{
    bool silent = call->reply->output->discard;
    output_set_discard(call->reply->output, false);
    return silent;
}

static void confirmations_end(const struct call *call, bool silent)
{
    output_set_discard(call->reply->output, silent);
}

static void subscribe_generic(struct call *call, enum subscription_kind kind)
{
    bool silent = confirmations_begin(call);
    for (int i = 1; i < call->argc; i++) {
        struct glob *glob = NULL;
        if (kind == SUBSCRIPTION_PATTERN && !(glob = glob_new(call->argv[i], false))) {
            reply_error(call->reply, GLOB_TOO_COMPLEX);
            continue;
        }
        subscribe(call->session, kind, call->argv[i], glob);
        reply_confirmation(call, words[kind].subscribe, &call->argv[i], kind);
    }
    confirmations_end(call, silent);
}

/* From everything. */
static void unsubscribe_all(struct call *call, enum subscription_kind kind)
{
    struct subscription *subscription = first_subscription(call->session, kind);
    if (!subscription)
        reply_confirmation(call, words[kind].unsubscribe, NULL, kind);
    for (; subscription; subscription = first_subscription(call->session, kind)) {
        /* The name goes with the last subscription to it. */
        struct buffer name = {0};
        buffer_append_slice(&name, topic_name(subscription->topic));
        struct slice told = buffer_slice(&name);
        subscription_remove(kind, subscription);
        reply_confirmation(call, words[kind].unsubscribe, &told, kind);
        buffer_free(&name);
    }
}

static void unsubscribe_generic(struct call *call, enum subscription_kind kind)
{
    const struct topics *topics = &call->world->pubsub->kinds[kind];
    bool silent = confirmations_begin(call);
    if (call->argc == 1)
        unsubscribe_all(call, kind);
    for (int i = 1; i < call->argc; i++) {
        struct slice name = call->argv[i];
        struct subscription *subscription =
            subscription_find(topics, call->session, name, store_hash(call->world->store, name));
        if (subscription)
            subscription_remove(kind, subscription);
        reply_confirmation(call, words[kind].unsubscribe, &name, kind);
    }
    confirmations_end(call, silent);
}

static void subscribe_command(struct call *call)
{
    subscribe_generic(call, SUBSCRIPTION_CHANNEL);
}

static void psubscribe_command(struct call *call)
{
    subscribe_generic(call, SUBSCRIPTION_PATTERN);
}

/* Several confirmations would have to be one element of EXEC's reply: redis-server puts up with that for the
 * older two only. */
static void ssubscribe_command(struct call *call)
{
    if (!call->origin->may_block) {
        reply_error(call->reply, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
        return;
    }
    subscribe_generic(call, SUBSCRIPTION_SHARD);
}

static void unsubscribe_command(struct call *call)
{
    unsubscribe_generic(call, SUBSCRIPTION_CHANNEL);
}

static void punsubscribe_command(struct call *call)
{
    unsubscribe_generic(call, SUBSCRIPTION_PATTERN);
}

static void sunsubscribe_command(struct call *call)
{
    unsubscribe_generic(call, SUBSCRIPTION_SHARD);
}

/* --- PUBSUB -------------------------------------------------------------------------------------------- */

static void reply_names(struct call *call, enum subscription_kind kind)
{
    const struct list *all = &call->world->pubsub->kinds[kind].all;
    struct glob *glob = call->argc == 3 ? glob_new(call->argv[2], false) : NULL;
    if (call->argc == 3 && !glob) {
        reply_error(call->reply, GLOB_TOO_COMPLEX);
        return;
    }
    struct output_gap gap = reply_later(call->reply);
    int64_t count = 0;
    for (struct list_node *node = list_first(all); node; node = list_next(all, node)) {
        struct slice name = topic_name(topic_of_node(node));
        if (glob && !glob_matches(glob, name))
            continue;
        reply_bulk(call->reply, name);
        count++;
    }
    reply_array_at(call->reply, gap, count);
    glob_free(glob);
}

/* PUBSUB CHANNELS and SHARDCHANNELS [pattern]. */
static void names_generic(struct call *call, enum subscription_kind kind)
{
    if (call->argc > 3)
        call_subcommand_error(call);
    else
        reply_names(call, kind);
}

static void channels_command(struct call *call)
{
    names_generic(call, SUBSCRIPTION_CHANNEL);
}

static void shardchannels_command(struct call *call)
{
    names_generic(call, SUBSCRIPTION_SHARD);
}

static void counts_generic(struct call *call, enum subscription_kind kind)
{
    const struct topics *topics = &call->world->pubsub->kinds[kind];
    reply_array(call->reply, 2 * (int64_t)(call->argc - 2));
    for (int i = 2; i < call->argc; i++) {
        const struct topic *topic =
            topic_find(topics, call->argv[i], store_hash(call->world->store, call->argv[i]));
        reply_bulk(call->reply, call->argv[i]);
        reply_int(call->reply, topic ? (int64_t)topic->count : 0);
    }
}

static void numsub_command(struct call *call)
{
    counts_generic(call, SUBSCRIPTION_CHANNEL);
}

static void shardnumsub_command(struct call *call)
{
    counts_generic(call, SUBSCRIPTION_SHARD);
}

static void numpat_command(struct call *call)
{
    reply_int(call->reply, (int64_t)pubsub_count(call->world, SUBSCRIPTION_PATTERN));
}

static void help_command(struct call *call)
{
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    Return the channels that have subscribers, those matching <pattern> if given.",
        "NUMPAT",
        "    Return how many patterns have subscribers.",
        "NUMSUB [<channel> ...]",
        "    Return how many subscribers each channel has, those of patterns not counted.",
        "SHARDCHANNELS [<pattern>]",
        "    Return the shard channels that have subscribers, those matching <pattern> if given.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Return how many subscribers each shard channel has.",
        NULL};
    call_help(call, lines);
}

/* --- the table ----------------------------------------------------------------------------------------- */

#define MESSAGES (CMD_PUBSUB | CMD_LOADING | CMD_STALE)

static const struct command pubsub_subcommands[] = {
    {.name = "channels",
     .arity = -2,
     .flags = MESSAGES,
     .function = channels_command,
     .arguments = "[pattern#pattern]",
     .group = "pubsub",
     .since = "2.8.0",
     .complexity = "O(N) where N is the number of active channels",
     .summary = "Returns the active channels."},
    {.name = "help",
     .arity = 2,
     .flags = CMD_LOADING | CMD_STALE,
     .function = help_command,
     .group = "pubsub",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Returns helpful text about the different subcommands."},
    {.name = "numpat",
     .arity = 2,
     .flags = MESSAGES,
     .function = numpat_command,
     .group = "pubsub",
     .since = "2.8.0",
     .complexity = "O(1)",
     .summary = "Returns a count of unique pattern subscriptions."},
    {.name = "numsub",
     .arity = -2,
     .flags = MESSAGES,
     .function = numsub_command,
     .arguments = "[channel*]",
     .group = "pubsub",
     .since = "2.8.0",
     .complexity = "O(N) where N is the number of channels asked about",
     .summary = "Returns a count of subscribers to channels."},
    {.name = "shardchannels",
     .arity = -2,
     .flags = MESSAGES,
     .function = shardchannels_command,
     .arguments = "[pattern#pattern]",
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of active shard channels",
     .summary = "Returns the active shard channels."},
    {.name = "shardnumsub",
     .arity = -2,
     .flags = MESSAGES,
     .function = shardnumsub_command,
     .arguments = "[shardchannel*]",
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of shard channels asked about",
     .summary = "Returns the count of subscribers of shard channels."},
};

const struct command pubsub_commands[] = {
    {.name = "publish",
     .arity = 3,
     .flags = MESSAGES | CMD_FAST | CMD_MAY_REPLICATE,
     .traits = TRAIT_TO_CHANNEL,
     .function = publish_command,
     .arguments = "channel message",
     .group = "pubsub",
     .since = "2.0.0",
     .complexity = "O(N+M) where N is the number of the channel's subscribers and M the number of patterns",
     .summary = "Posts a message to a channel."},
    {.name = "spublish",
     .arity = 3,
     .flags = MESSAGES | CMD_FAST | CMD_MAY_REPLICATE,
     .traits = TRAIT_TO_CHANNEL,
     .keys = {KEY_AT(1, KEY_NOT_KEY)},
     .function = spublish_command,
     .arguments = "shardchannel message",
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of the channel's subscribers",
     .summary = "Posts a message to a shard channel."},
    {.name = "subscribe",
     .arity = -2,
     .flags = MESSAGES | CMD_NOSCRIPT,
     .traits = TRAIT_FOR_SUBSCRIBERS | TRAIT_TO_CHANNELS,
     .function = subscribe_command,
     .arguments = "channel*",
     .group = "pubsub",
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of channels to subscribe to",
     .summary = "Listens for messages published to channels."},
    {.name = "unsubscribe",
     .arity = -1,
     .flags = MESSAGES | CMD_NOSCRIPT,
     .traits = TRAIT_FOR_SUBSCRIBERS,
     .function = unsubscribe_command,
     .arguments = "[channel*]",
     .group = "pubsub",
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of channels to unsubscribe from",
     .summary = "Stops listening to messages posted to channels."},
    {.name = "psubscribe",
     .arity = -2,
     .flags = MESSAGES | CMD_NOSCRIPT,
     .traits = TRAIT_FOR_SUBSCRIBERS | TRAIT_TO_PATTERNS,
     .function = psubscribe_command,
     .arguments = "pattern(pattern#pattern)*",
     .group = "pubsub",
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of patterns to subscribe to",
     .summary = "Listens for messages published to channels that match one or more patterns."},
    {.name = "punsubscribe",
     .arity = -1,
     .flags = MESSAGES | CMD_NOSCRIPT,
     .traits = TRAIT_FOR_SUBSCRIBERS,
     .function = punsubscribe_command,
     .arguments = "[pattern#pattern*]",
     .group = "pubsub",
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of patterns to unsubscribe from",
     .summary = "Stops listening to messages published to channels that match one or more patterns."},
    {.name = "ssubscribe",
     .arity = -2,
     .flags = MESSAGES | CMD_NOSCRIPT,
     .traits = TRAIT_FOR_SUBSCRIBERS | TRAIT_TO_CHANNELS,
     .keys = {KEYS_FROM(1, KEY_NOT_KEY)},
     .function = ssubscribe_command,
     .arguments = "shardchannel*",
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of shard channels to subscribe to",
     .summary = "Listens for messages published to shard channels."},
    {.name = "sunsubscribe",
     .arity = -1,
     .flags = MESSAGES | CMD_NOSCRIPT,
     .traits = TRAIT_FOR_SUBSCRIBERS,
     .keys = {KEYS_FROM(1, KEY_NOT_KEY)},
     .function = sunsubscribe_command,
     .arguments = "[shardchannel*]",
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of shard channels to unsubscribe from",
     .summary = "Stops listening to messages posted to shard channels."},
    {.name = "pubsub",
     .arity = -2,
     .group = "pubsub",
     .since = "2.8.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for Pub/Sub commands.",
     .subcommands = pubsub_subcommands,
     .subcommand_count = sizeof(pubsub_subcommands) / sizeof(pubsub_subcommands[0])},
};
const size_t pubsub_command_count = sizeof(pubsub_commands) / sizeof(pubsub_commands[0]);
