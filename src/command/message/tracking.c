#include "command/message/tracking.h"

#include "base/chain.h"
#include "base/diag.h"
#include "base/memory.h"
#include "base/prefix_set.h"
#include "command/args.h"
#include "command/lookup.h"
#include "command/message/push.h"

/* --- sets of session ids ------------------------------------------------------------------------------- */

/* Open addressing; no session has id 0. There is no taking out: a set is given up as a whole. */
struct id_set {
    uint64_t *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

#define ID_SET_FIRST 4

static size_t id_slot(const struct id_set *set, uint64_t id)
{
    size_t slot = (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (set->capacity - 1);
    while (set->slots[slot] != 0 && set->slots[slot] != id)
        slot = (slot + 1) & (set->capacity - 1);
    return slot;
}

static void id_set_grow(struct id_set *set)
{
    struct id_set old = *set;
    set->capacity = old.capacity ? 2 * old.capacity : ID_SET_FIRST;
    set->slots = mem_alloc_zero(set->capacity * sizeof(*set->slots));
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i] != 0)
            set->slots[id_slot(set, old.slots[i])] = old.slots[i];
    mem_free(old.slots);
}

/* Returns whether it was not there. */
static bool id_set_add(struct id_set *set, uint64_t id)
{
    if (4 * (set->count + 1) > 3 * set->capacity)
        id_set_grow(set);
    uint64_t *slot = &set->slots[id_slot(set, id)];
    if (*slot == id)
        return false;
    *slot = id;
    set->count++;
    return true;
}

/* --- what is known ------------------------------------------------------------------------------------- */

struct tracked_key {
    struct chain_node node; /* first */
    struct id_set ids;
    size_t size;
    char key[];
};

/* A prefix that somebody wants to hear of, and its keys that have changed in this round. */
struct prefix {
    struct prefix_node node; /* its text is below */
    struct list members;
    struct list_node changed_prefix_node; /* while something has changed */
    struct list changed;                  /* in the order of change */
    struct chain_table changed_by_key;
    char text[];
};

struct member {
    struct list_node prefix_node;
    struct list_node session_node;
    struct prefix *prefix;
    struct session *session;
};

struct changed_key {
    struct chain_node node; /* first */
    struct list_node changed_node;
    uint64_t by; /* id of the session that changed it first; 0: nobody did */
    size_t size;
    char key[];
};

struct tracking {
    struct chain_table keys;
    uint64_t items;
    struct prefix_set prefixes;
    struct list changed_prefixes; /* in the order of change */
    struct buffer message;
};

/* Memory for laying messages out that is kept. */
#define MESSAGE_KEPT 16384

struct tracking *tracking_new(void)
{
    struct tracking *tracking = mem_alloc_zero(sizeof(*tracking));
    list_init(&tracking->changed_prefixes);
    return tracking;
}

static void key_forget(struct tracking *tracking, struct tracked_key *tracked)
{
    chain_remove(&tracking->keys, &tracked->node);
    tracking->items -= tracked->ids.count;
    mem_free(tracked->ids.slots);
    mem_free(tracked);
}

static void keys_forget(struct tracking *tracking)
{
    struct chain_node *node;
    while ((node = chain_pick(&tracking->keys, 0)) != NULL)
        key_forget(tracking, (struct tracked_key *)(void *)node);
}

void tracking_free(struct tracking *tracking)
{
    ASSERT(tracking->prefixes.count == 0);
    prefix_set_free(&tracking->prefixes);
    keys_forget(tracking);
    buffer_free(&tracking->message);
    mem_free(tracking);
}

void tracking_stats_read(const struct world *world, struct tracking_stats *stats)
{
    const struct tracking *tracking = world->tracking;
    *stats = (struct tracking_stats){
        .keys = tracking->keys.count, .items = tracking->items, .prefixes = tracking->prefixes.count};
}

static struct tracked_key *key_find(const struct tracking *tracking, struct slice key, uint64_t hash)
{
    for (struct chain_node *node = chain_find(&tracking->keys, hash); node; node = chain_find_next(node)) {
        struct tracked_key *tracked = (struct tracked_key *)(void *)node;
        if (slice_equal(slice_make(tracked->key, tracked->size), key))
            return tracked;
    }
    return NULL;
}

/* --- telling ------------------------------------------------------------------------------------------- */

static void append_bulk(struct buffer *message, struct slice value)
{
    buffer_append_format(message, "$%zu\r\n", value.size);
    buffer_append_slice(message, value);
    buffer_append(message, "\r\n", 2);
}

/* The session that its invalidations go to. NULL, once told, when that has gone. */
static struct session *receiver_of(struct session *session)
{
    if (session->tracking_redirect == 0)
        return session;
    struct session *receiver = session_find(session->world, session->tracking_redirect);
    if (receiver)
        return receiver;
    session->tracking |= TRACKING_BROKEN;
    if (session->protocol >= 3) {
        struct buffer message = {0};
        buffer_append_format(&message, ">2\r\n$21\r\ntracking-redir-broken\r\n:%llu\r\n",
                             (unsigned long long)session->tracking_redirect);
        session_push(session, buffer_slice(&message));
        buffer_free(&message);
    }
    return NULL;
}

/* keys: an array of them, laid out, or a null. Without pushes in its protocol only a subscriber that another
 * session's invalidations are redirected to can be told. */
static void tell(struct session *session, struct slice keys)
{
    static const char push[] = ">2\r\n$10\r\ninvalidate\r\n";
    static const char message[] = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n";
    struct session *receiver = receiver_of(session);
    struct buffer whole = {0};
    if (!receiver)
        return;
    if (receiver->protocol >= 3)
        buffer_append(&whole, push, sizeof(push) - 1);
    else if (session->tracking_redirect != 0 && session_is_subscriber(receiver))
        buffer_append(&whole, message, sizeof(message) - 1);
    else
        return;
    buffer_append_slice(&whole, keys);
    session_push(receiver, buffer_slice(&whole));
    buffer_free(&whole);
}

/* --- keys that were read ------------------------------------------------------------------------------- */

static void key_tell(struct world *world, struct tracked_key *tracked)
{
    struct buffer *keys = &world->tracking->message;
    buffer_clear(keys);
    buffer_append_text(keys, "*1\r\n");
    append_bulk(keys, slice_make(tracked->key, tracked->size));
    for (size_t i = 0; i < tracked->ids.capacity; i++) {
        if (tracked->ids.slots[i] == 0)
            continue;
        struct session *session = session_find(world, tracked->ids.slots[i]);
        if (!session || !(session->tracking & TRACKING_ON) || (session->tracking & TRACKING_BCAST))
            continue;
        if ((session->tracking & TRACKING_NOLOOP) && session == world->executing)
            continue;
        tell(session, buffer_slice(keys));
    }
    buffer_shrink(keys, MESSAGE_KEPT);
}

/* Keys that nobody can be told about any more make room for others: as if they had changed. */
static void keys_limit(struct world *world)
{
    struct tracking *tracking = world->tracking;
    size_t max = world->settings.tracking_keys_max;
    while (max > 0 && tracking->keys.count > max) {
        struct chain_node *node = chain_pick(&tracking->keys, random_next(&world->random));
        struct tracked_key *tracked = (struct tracked_key *)(void *)node;
        key_tell(world, tracked);
        key_forget(tracking, tracked);
    }
}

static void remember_visit(void *context, int index, unsigned key_flags)
{
    (void)key_flags;
    struct call *call = context;
    struct tracking *tracking = call->world->tracking;
    struct slice key = call->argv[index];
    uint64_t hash = call_hash(call, index);
    struct tracked_key *tracked = key_find(tracking, key, hash);
    if (!tracked) {
        tracked = mem_alloc_zero(sizeof(*tracked) + key.size);
        tracked->size = key.size;
        if (key.size)
            memcpy(tracked->key, key.data, key.size);
        chain_add(&tracking->keys, &tracked->node, hash);
    }
    if (id_set_add(&tracked->ids, call->session->id))
        tracking->items++;
}

void tracking_remember(struct call *call)
{
    unsigned flags = call->session->tracking;
    bool caching = flags & TRACKING_CACHING;
    if (!(flags & TRACKING_ON) || (flags & TRACKING_BCAST))
        return;
    if (((flags & TRACKING_OPTIN) && !caching) || ((flags & TRACKING_OPTOUT) && caching))
        return;
    command_each_key(call->command->row, call->argc, call->argv, remember_visit, call);
    keys_limit(call->world);
}

/* --- prefixes ------------------------------------------------------------------------------------------ */

static struct prefix *prefix_of(struct prefix_node *node)
{
    return LIST_OWNER(node, struct prefix, node);
}

static struct prefix *prefix_new(struct slice text)
{
    struct prefix *prefix = mem_alloc_zero(sizeof(*prefix) + text.size);
    if (text.size)
        memcpy(prefix->text, text.data, text.size);
    prefix->node.text = slice_make(prefix->text, text.size);
    list_init(&prefix->members);
    list_init(&prefix->changed);
    return prefix;
}

/* The session has none of them yet, and no text is there twice. */
static void prefixes_join(struct session *session, const struct slice *const *texts, size_t count)
{
    struct prefix_set *set = &session->world->tracking->prefixes;
    struct prefix_node **added = mem_alloc(count * sizeof(struct prefix_node *) + 1);
    size_t added_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct prefix_node *node = prefix_set_find(set, *texts[i]);
        if (!node)
            node = added[added_count++] = &prefix_new(*texts[i])->node;
        struct member *member = mem_alloc_zero(sizeof(*member));
        member->prefix = prefix_of(node);
        member->session = session;
        list_append(&member->prefix->members, &member->prefix_node);
        list_append(&session->tracking_prefixes, &member->session_node);
    }
    prefix_set_add(set, added, added_count);
    mem_free(added);
}

static struct member *member_of_session(struct list_node *node)
{
    return LIST_OWNER(node, struct member, session_node);
}

static void changed_forget(struct prefix *prefix)
{
    struct list_node *node;
    while ((node = list_take_first(&prefix->changed)) != NULL) {
        struct changed_key *changed = LIST_OWNER(node, struct changed_key, changed_node);
        chain_remove(&prefix->changed_by_key, &changed->node);
        mem_free(changed);
    }
}

/* Takes what has changed of it out of the round. */
static void changed_settle(struct prefix *prefix)
{
    if (list_empty(&prefix->changed))
        return;
    changed_forget(prefix);
    list_remove(&prefix->changed_prefix_node);
}

/* The prefixes that nobody wants any more go together: each alone would take time in proportion to all. */
static void prefixes_leave(struct session *session)
{
    struct tracking *tracking = session->world->tracking;
    struct list_node *node;
    for (node = list_first(&session->tracking_prefixes); node;
         node = list_next(&session->tracking_prefixes, node)) {
        struct member *member = member_of_session(node);
        list_remove(&member->prefix_node);
        member->prefix->node.leaves = list_empty(&member->prefix->members);
    }
    prefix_set_remove_leaving(&tracking->prefixes);
    while ((node = list_take_first(&session->tracking_prefixes)) != NULL) {
        struct member *member = member_of_session(node);
        if (member->prefix->node.leaves) {
            changed_settle(member->prefix);
            mem_free(member->prefix);
        }
        mem_free(member);
    }
}

static void prefix_key_changed(struct tracking *tracking, struct prefix *prefix, struct slice key,
                               uint64_t hash, uint64_t by)
{
    struct chain_node *node = chain_find(&prefix->changed_by_key, hash);
    for (; node; node = chain_find_next(node)) {
        const struct changed_key *changed = (struct changed_key *)(void *)node;
        if (slice_equal(slice_make(changed->key, changed->size), key))
            return;
    }
    struct changed_key *changed = mem_alloc_zero(sizeof(*changed) + key.size);
    changed->by = by;
    changed->size = key.size;
    if (key.size)
        memcpy(changed->key, key.data, key.size);
    if (list_empty(&prefix->changed))
        list_append(&tracking->changed_prefixes, &prefix->changed_prefix_node);
    chain_add(&prefix->changed_by_key, &changed->node, hash);
    list_append(&prefix->changed, &changed->changed_node);
}

/* The keys that have changed, but for those that one session changed itself (0: with all of them), as an
 * array; false when there are none. */
static bool changed_lay_out(const struct prefix *prefix, uint64_t but_by, struct buffer *keys)
{
    struct buffer list = {0};
    size_t count = 0;
    for (struct list_node *node = list_first(&prefix->changed); node;
         node = list_next(&prefix->changed, node)) {
        const struct changed_key *changed = LIST_OWNER(node, struct changed_key, changed_node);
        if (but_by != 0 && changed->by == but_by)
            continue;
        append_bulk(&list, slice_make(changed->key, changed->size));
        count++;
    }
    buffer_clear(keys);
    buffer_append_format(keys, "*%zu\r\n", count);
    buffer_append_slice(keys, buffer_slice(&list));
    buffer_free(&list);
    return count > 0;
}

static void prefix_broadcast(struct tracking *tracking, struct prefix *prefix)
{
    struct buffer own = {0};
    changed_lay_out(prefix, 0, &tracking->message);
    for (struct list_node *node = list_first(&prefix->members); node;
         node = list_next(&prefix->members, node)) {
        struct session *session = LIST_OWNER(node, struct member, prefix_node)->session;
        if (!(session->tracking & TRACKING_NOLOOP))
            tell(session, buffer_slice(&tracking->message));
        else if (changed_lay_out(prefix, session->id, &own))
            tell(session, buffer_slice(&own));
    }
    buffer_free(&own);
    buffer_shrink(&tracking->message, MESSAGE_KEPT);
}

void tracking_broadcast(struct world *world)
{
    struct tracking *tracking = world->tracking;
    struct list_node *node = list_first(&tracking->changed_prefixes);
    if (!node)
        return;
    for (; node; node = list_first(&tracking->changed_prefixes)) {
        struct prefix *prefix = LIST_OWNER(node, struct prefix, changed_prefix_node);
        prefix_broadcast(tracking, prefix);
        changed_settle(prefix);
    }
    world_deliver(world);
}

/* --- changes ------------------------------------------------------------------------------------------- */

void tracking_invalidate(struct world *world, struct slice key, uint64_t hash)
{
    struct tracking *tracking = world->tracking;
    uint64_t by = world->executing ? world->executing->id : 0;
    struct prefix_node *node = tracking->prefixes.count ? prefix_set_longest(&tracking->prefixes, key) : NULL;
    for (; node; node = node->outer)
        prefix_key_changed(tracking, prefix_of(node), key, hash, by);
    struct tracked_key *tracked = key_find(tracking, key, hash);
    if (!tracked)
        return;
    key_tell(world, tracked);
    key_forget(tracking, tracked);
}

void tracking_flushed(struct world *world)
{
    if (world->tracking_sessions == 0)
        return;
    for (struct session *session = world->sessions; session; session = session->next)
        if (session->tracking & TRACKING_ON)
            tell(session, session->protocol >= 3 ? SLICE_LITERAL("_\r\n") : SLICE_LITERAL("$-1\r\n"));
    keys_forget(world->tracking);
}

/* --- CLIENT TRACKING ----------------------------------------------------------------------------------- */

void tracking_stop(struct session *session)
{
    struct world *world = session->world;
    if (!list_empty(&session->tracking_prefixes))
        prefixes_leave(session);
    if (session->tracking & TRACKING_ON)
        world->tracking_sessions--;
    session->tracking = 0;
    session->tracking_redirect = 0;
    /* Nobody is left to be told. */
    if (world->tracking_sessions == 0)
        keys_forget(world->tracking);
}

struct tracking_options {
    unsigned flags;
    uint64_t redirect;
    const struct slice **prefixes; /* in argv */
    size_t prefix_count;
};

static bool option_redirect(struct call *call, int index, struct tracking_options *options)
{
    int64_t id;
    if (options->redirect != 0) {
        reply_error(call->reply, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!call_int(call, index, &id))
        return false;
    if (id <= 0 || !session_find(call->world, (uint64_t)id)) {
        reply_error(call->reply, "ERR The client ID you want redirect to does not exist");
        return false;
    }
    options->redirect = (uint64_t)id;
    return true;
}

static bool options_read(struct call *call, struct tracking_options *options)
{
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {{"bcast", TRACKING_BCAST},
                 {"optin", TRACKING_OPTIN},
                 {"optout", TRACKING_OPTOUT},
                 {"noloop", TRACKING_NOLOOP}};
    for (int i = 3; i < call->argc; i++) {
        bool more = i + 1 < call->argc;
        unsigned flag = 0;
        for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
            if (slice_is(call->argv[i], words[w].word))
                flag = words[w].flag;
        options->flags |= flag;
        if (flag)
            continue;
        if (slice_is(call->argv[i], "redirect") && more) {
            if (!option_redirect(call, ++i, options))
                return false;
        } else if (slice_is(call->argv[i], "prefix") && more) {
            options->prefixes[options->prefix_count++] = &call->argv[++i];
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* What speaks against these options, in Redis's order; NULL: nothing. */
static const char *options_conflict(const struct session *session, const struct tracking_options *options)
{
    unsigned flags = options->flags;
    unsigned old = session->tracking;
    bool bcast = flags & TRACKING_BCAST;
    if (!bcast && options->prefix_count > 0)
        return "ERR PREFIX option requires BCAST mode to be enabled";
    if ((old & TRACKING_ON) && bcast != !!(old & TRACKING_BCAST))
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
               "re-enabling it with a different mode.";
    if (bcast && (flags & (TRACKING_OPTIN | TRACKING_OPTOUT)))
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if ((flags & TRACKING_OPTIN) && (flags & TRACKING_OPTOUT))
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if (((flags & TRACKING_OPTIN) && (old & TRACKING_OPTOUT)) ||
        ((flags & TRACKING_OPTOUT) && (old & TRACKING_OPTIN)))
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
               "re-enabling it with a different mode.";
    return NULL;
}

static void overlap_error(struct call *call, struct slice a, const char *which, struct slice b)
{
    reply_error_format(call->reply,
                       "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client must "
                       "not overlap.",
                       quote_size(a), a.data, which, quote_size(b), b.data);
}

static bool overlap(struct slice a, struct slice b)
{
    return slice_begins_with(a, b) || slice_begins_with(b, a);
}

/* The first of the options' prefixes that overlaps with another or with one that the session has; their
 * number where none does. Not pair by pair: clients may send a hundred thousand. */
static size_t find_overlapping(const struct session *session, const struct tracking_options *options)
{
    size_t count = options->prefix_count;
    size_t have = 0;
    for (struct list_node *node = list_first(&session->tracking_prefixes); node;
         node = list_next(&session->tracking_prefixes, node))
        have++;
    struct prefix_node *nodes = mem_alloc_zero((count + have) * sizeof(*nodes) + 1);
    struct prefix_node **order = mem_alloc((count + have) * sizeof(*order) + 1);
    for (size_t i = 0; i < count; i++)
        nodes[i].text = *options->prefixes[i];
    size_t at = count;
    for (struct list_node *node = list_first(&session->tracking_prefixes); node;
         node = list_next(&session->tracking_prefixes, node))
        nodes[at++].text = member_of_session(node)->prefix->node.text;
    for (size_t i = 0; i < count + have; i++)
        order[i] = &nodes[i];
    struct prefix_set all = {0};
    prefix_set_add(&all, order, count + have);
    prefix_set_link(&all);
    size_t first = count;
    for (size_t i = 0; i < count + have; i++) {
        size_t outer = nodes[i].outer ? (size_t)(nodes[i].outer - nodes) : count;
        size_t overlapping = !nodes[i].outer ? count : i < outer ? i : outer;
        if (overlapping < first)
            first = overlapping;
    }
    prefix_set_free(&all);
    mem_free(order);
    mem_free(nodes);
    return first;
}

/* A key must not be told to one session twice. */
static bool prefixes_check(struct call *call, const struct tracking_options *options)
{
    const struct list *old = &call->session->tracking_prefixes;
    size_t first = options->prefix_count ? find_overlapping(call->session, options) : 0;
    if (first == options->prefix_count)
        return true;
    struct slice text = *options->prefixes[first];
    for (struct list_node *node = list_first(old); node; node = list_next(old, node)) {
        struct slice other = member_of_session(node)->prefix->node.text;
        if (!overlap(text, other))
            continue;
        overlap_error(call, text, "an existing", other);
        return false;
    }
    size_t second = first + 1;
    while (!overlap(text, *options->prefixes[second]))
        second++;
    overlap_error(call, text, "another provided", *options->prefixes[second]);
    return false;
}

static bool is_member(const struct session *session, struct slice text)
{
    const struct list *members = &session->tracking_prefixes;
    for (struct list_node *node = list_first(members); node; node = list_next(members, node))
        if (slice_equal(member_of_session(node)->prefix->node.text, text))
            return true;
    return false;
}

static void tracking_start(struct session *session, const struct tracking_options *options)
{
    if (!(session->tracking & TRACKING_ON))
        session->world->tracking_sessions++;
    /* What CLIENT CACHING said is about the next command that is not CLIENT. */
    session->tracking = TRACKING_ON | options->flags | (session->tracking & TRACKING_CACHING);
    session->tracking_redirect = options->redirect;
    prefixes_join(session, options->prefixes, options->prefix_count);
    /* Without a prefix, all keys: also beside prefixes that were given before, as in Redis. */
    const struct slice all = slice_make(NULL, 0);
    const struct slice *texts[] = {&all};
    if ((options->flags & TRACKING_BCAST) && options->prefix_count == 0 && !is_member(session, all))
        prefixes_join(session, texts, 1);
}

static bool tracking_on(struct call *call, const struct tracking_options *options)
{
    const char *conflict = options_conflict(call->session, options);
    if (conflict) {
        reply_error(call->reply, conflict);
        return false;
    }
    if (!prefixes_check(call, options))
        return false;
    tracking_start(call->session, options);
    return true;
}

void client_tracking_command(struct call *call)
{
    struct tracking_options options = {.prefixes = mem_alloc((size_t)call->argc * sizeof(*options.prefixes))};
    bool ok = options_read(call, &options);
    if (ok && slice_is(call->argv[2], "on")) {
        ok = tracking_on(call, &options);
    } else if (ok && slice_is(call->argv[2], "off")) {
        tracking_stop(call->session);
    } else if (ok) {
        call_syntax_error(call);
        ok = false;
    }
    if (ok)
        reply_ok(call->reply);
    mem_free(options.prefixes);
}

void client_trackinginfo_command(struct call *call)
{
    static const struct {
        unsigned set;   /* these flags ... */
        unsigned clear; /* ... without these make the word appear */
        const char *word;
    } words[] = {
        {TRACKING_ON, 0, "on"},
        {0, TRACKING_ON, "off"},
        {TRACKING_BCAST, 0, "bcast"},
        {TRACKING_OPTIN, 0, "optin"},
        {TRACKING_OPTIN | TRACKING_CACHING, 0, "caching-yes"},
        {TRACKING_OPTOUT, 0, "optout"},
        {TRACKING_OPTOUT | TRACKING_CACHING, 0, "caching-no"},
        {TRACKING_NOLOOP, 0, "noloop"},
        {TRACKING_BROKEN, 0, "broken_redirect"},
    };
    const struct session *session = call->session;
    const struct list *prefixes = &session->tracking_prefixes;
    int64_t count = 0;
    reply_map(call->reply, 3);
    reply_bulk_text(call->reply, "flags");
    struct output_gap gap = reply_later(call->reply);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if ((session->tracking & words[i].set) != words[i].set || (session->tracking & words[i].clear))
            continue;
        reply_bulk_text(call->reply, words[i].word);
        count++;
    }
    reply_set_at(call->reply, gap, count);
    reply_bulk_text(call->reply, "redirect");
    client_getredir_command(call);
    reply_bulk_text(call->reply, "prefixes");
    gap = reply_later(call->reply);
    count = 0;
    for (struct list_node *node = list_first(prefixes); node; node = list_next(prefixes, node), count++)
        reply_bulk(call->reply, member_of_session(node)->prefix->node.text);
    reply_array_at(call->reply, gap, count);
}

void client_caching_command(struct call *call)
{
    struct session *session = call->session;
    if (!(session->tracking & TRACKING_ON)) {
        reply_error(call->reply,
                    "ERR CLIENT CACHING can be called only when the client is in tracking mode with "
                    "OPTIN or OPTOUT mode enabled");
        return;
    }
    bool yes = slice_is(call->argv[2], "yes");
    if (!yes && !slice_is(call->argv[2], "no")) {
        call_syntax_error(call);
        return;
    }
    if (!(session->tracking & (yes ? TRACKING_OPTIN : TRACKING_OPTOUT))) {
        reply_error(call->reply,
                    yes ? "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN "
                          "mode."
                        : "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT "
                          "mode.");
        return;
    }
    session->tracking |= TRACKING_CACHING;
    reply_ok(call->reply);
}

void client_getredir_command(struct call *call)
{
    bool on = call->session->tracking & TRACKING_ON;
    reply_int(call->reply, on ? (int64_t)call->session->tracking_redirect : -1);
}
