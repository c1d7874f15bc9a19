#include "command/block.h"

#include "base/diag.h"
#include "base/memory.h"
#include "command/dispatch.h"
#include "command/lookup.h"
#include "command/transaction.h"

/* A key that somebody waits for. */
struct block_key {
    struct chain_node chain;
    struct list waiters; /* in the order in which they came */
    struct list_node ready;
    /* How many of them wait for a value of each type, and for there to be none. */
    size_t wanted[VALUE_TYPE_COUNT];
    size_t deleted_wanted;
    bool is_served; /* right now: it stays, also without waiters */
    int database;
    size_t size;
    char key[];
};

/* One session's place in the line of one key. */
struct waiter {
    struct list_node node;
    struct block_key *key;
    struct block *block;
};

struct block {
    struct session *session;
    enum block_reason reason;
    struct queued_command request;
    enum value_type type;
    bool deleted_too;
    bool is_silent; /* CLIENT REPLY: the reply is not wanted */
    bool is_broken; /* CLIENT UNBLOCK with ERROR */
    struct heap_node deadline;
    struct heap_node lsn;
    struct list_node event;
    int waiter_count;
    struct waiter *waiters;
};

struct blocks {
    struct chain_table keys;
    struct list ready;
    struct heap deadlines;
    struct heap lsns;
    struct list events;
    struct list woken; /* of those, who has not looked yet since block_wake_events */
    bool is_serving;
};

struct blocks *blocks_new(void)
{
    struct blocks *blocks = mem_alloc_zero(sizeof(*blocks));
    list_init(&blocks->ready);
    list_init(&blocks->events);
    list_init(&blocks->woken);
    return blocks;
}

void blocks_free(struct blocks *blocks)
{
    ASSERT(blocks->keys.count == 0 && list_empty(&blocks->events) && list_empty(&blocks->woken));
    heap_free(&blocks->deadlines);
    heap_free(&blocks->lsns);
    mem_free(blocks);
}

/* --- the index of keys --------------------------------------------------------------------------------- */

static struct block_key *key_find(const struct blocks *blocks, int database, struct slice key, uint64_t hash)
{
    for (struct chain_node *node = chain_find(&blocks->keys, hash); node; node = chain_find_next(node)) {
        struct block_key *found = LIST_OWNER(node, struct block_key, chain);
        if (found->database == database && slice_equal(slice_make(found->key, found->size), key))
            return found;
    }
    return NULL;
}

static struct block_key *key_get(struct blocks *blocks, int database, struct slice key, uint64_t hash)
{
    struct block_key *found = key_find(blocks, database, key, hash);
    if (found)
        return found;
    struct block_key *made = mem_alloc_zero(sizeof(*made) + key.size);
    made->database = database;
    made->size = key.size;
    if (key.size > 0)
        memcpy(made->key, key.data, key.size);
    list_init(&made->waiters);
    chain_add(&blocks->keys, &made->chain, hash);
    return made;
}

static void key_free_if_idle(struct blocks *blocks, struct block_key *key)
{
    if (key->is_served || !list_empty(&key->waiters))
        return;
    list_remove(&key->ready);
    chain_remove(&blocks->keys, &key->chain);
    mem_free(key);
}

static void waiter_add(struct waiter *waiter, struct block_key *key, struct block *block)
{
    *waiter = (struct waiter){.key = key, .block = block};
    list_append(&key->waiters, &waiter->node);
    key->wanted[block->type]++;
    key->deleted_wanted += block->deleted_too;
}

static void waiter_remove(struct blocks *blocks, struct waiter *waiter)
{
    list_remove(&waiter->node);
    waiter->key->wanted[waiter->block->type]--;
    waiter->key->deleted_wanted -= waiter->block->deleted_too;
    key_free_if_idle(blocks, waiter->key);
}

static void key_is_ready(struct blocks *blocks, struct block_key *key)
{
    if (!list_linked(&key->ready))
        list_append(&blocks->ready, &key->ready);
}

void block_note_key(struct world *world, int database, struct slice key, uint64_t hash)
{
    struct block_key *found = key_find(world->blocks, database, key, hash);
    if (found)
        key_is_ready(world->blocks, found);
}

void block_note_database(struct world *world, int database)
{
    struct blocks *blocks = world->blocks;
    for (size_t i = 0; i < blocks->keys.bucket_count; i++)
        for (struct chain_node *node = blocks->keys.buckets[i]; node; node = node->next) {
            struct block_key *key = LIST_OWNER(node, struct block_key, chain);
            if (key->database == database)
                key_is_ready(blocks, key);
        }
}

/* --- beginning and ending to wait ---------------------------------------------------------------------- */

/* Also for one that waits again. */
static struct block *block_begin(struct call *call, enum block_reason reason, int64_t deadline_ms)
{
    struct session *session = call->session;
    struct blocks *blocks = call->world->blocks;
    ASSERT(call->origin->may_block && !session->blocked);
    session->blocked = true;
    if (session->block) {
        ASSERT(session->block->reason == reason);
        return session->block;
    }
    struct block *block = mem_alloc_zero(sizeof(*block));
    block->session = session;
    block->reason = reason;
    session->block = block;
    call->world->blocked_count++;
    if (deadline_ms > 0)
        heap_add(&blocks->deadlines, &block->deadline, (uint64_t)deadline_ms);
    return block;
}

void call_block_on_time(struct call *call, int64_t deadline_ms)
{
    block_begin(call, BLOCK_ON_TIME, deadline_ms);
}

void call_block_on_lsn(struct call *call, lsn_t lsn, int64_t deadline_ms)
{
    struct block *block = block_begin(call, BLOCK_ON_LSN, deadline_ms);
    if (!heap_linked(&block->lsn))
        heap_add(&call->world->blocks->lsns, &block->lsn, lsn);
}

void call_block_on_event(struct call *call)
{
    struct block *block = block_begin(call, BLOCK_ON_EVENT, 0);
    if (!list_linked(&block->event))
        list_append(&call->world->blocks->events, &block->event);
}

/* A key that is named twice has one place in its line. */
void call_block_on_keys(struct call *call, const int *indexes, int count, enum value_type type,
                        bool deleted_too, int64_t deadline_ms)
{
    struct blocks *blocks = call->world->blocks;
    struct block *block = block_begin(call, BLOCK_ON_KEYS, deadline_ms);
    ASSERT(count > 0);
    if (block->waiters)
        return;
    block->type = type;
    block->deleted_too = deleted_too;
    block->waiters = mem_alloc_zero((size_t)count * sizeof(*block->waiters));
    for (int i = 0; i < count; i++) {
        struct slice key = call->argv[indexes[i]];
        struct block_key *found =
            key_get(blocks, call->session->database, key, store_hash(call->world->store, key));
        bool is_named_twice = !list_empty(&found->waiters) &&
                              LIST_OWNER(found->waiters.head.previous, struct waiter, node)->block == block;
        if (!is_named_twice)
            waiter_add(&block->waiters[block->waiter_count++], found, block);
    }
}

void block_keep(struct session *session, struct command_entry *entry, const struct request *request)
{
    ASSERT(session->blocked && session->block);
    if (!session->block->request.entry)
        queued_keep(&session->block->request, entry, request);
}

void block_set_silent(struct session *session, bool is_silent)
{
    session->block->is_silent = is_silent;
}

void block_end(struct session *session)
{
    struct blocks *blocks = session->world->blocks;
    struct block *block = session->block;
    session->blocked = false;
    if (!block)
        return;
    heap_remove(&blocks->deadlines, &block->deadline);
    heap_remove(&blocks->lsns, &block->lsn);
    list_remove(&block->event);
    for (int i = 0; i < block->waiter_count; i++)
        waiter_remove(blocks, &block->waiters[i]);
    mem_free(block->waiters);
    queued_free(&block->request);
    mem_free(block);
    session->block = NULL;
    session->world->blocked_count--;
}

size_t block_memory(const struct session *session)
{
    const struct block *block = session->block;
    if (!block)
        return 0;
    size_t size = sizeof(*block) + (size_t)block->waiter_count * sizeof(*block->waiters);
    return size + (block->request.argv ? mem_size(block->request.argv) : 0);
}

/* --- going on ------------------------------------------------------------------------------------------ */

enum resumed {
    RESUMED_DONE,  /* it was answered and waits no more */
    RESUMED_STILL, /* it waits again */
    RESUMED_LATER  /* the command cannot run now: try again in another round */
};

static void tell_host(struct session *session)
{
    const struct session_host *host = &session->world->session_host;
    if (host->resumed)
        host->resumed(session);
}

/* Runs the command again, as the session's next. */
static enum resumed resume(struct session *session, enum resume_reason reason)
{
    struct world *world = session->world;
    struct block *block = session->block;
    struct session *executing = world->executing;
    const struct request request = {.argc = block->request.argc,
                                    .argv = block->request.argv,
                                    .raw = block->request.raw,
                                    .blobs = block->request.blobs,
                                    .blob_count = block->request.blob_count};
    const struct request *requests[] = {&request};
    struct prepared prepared;
    enum reply_mode mode = session->reply_mode;
    dispatch_prepare(world, session, requests, &prepared, 1);
    prepared.entry = block->request.entry;
    session->blocked = false;
    session->resumed = reason;
    session->block_output_begin = session->output->queued;
    /* Whether its reply is wanted was said before it waited. */
    session->reply_mode = block->is_silent ? REPLY_SKIP : REPLY_ON;
    enum dispatch_result result = dispatch(world, session, &request, &prepared);
    session->reply_mode = mode;
    session->resumed = RESUME_NOT;
    world->executing = executing;
    if (result == DISPATCH_WAIT) {
        session->blocked = true;
        return RESUMED_LATER;
    }
    if (session->blocked)
        return RESUMED_STILL;
    block_end(session);
    tell_host(session);
    return RESUMED_DONE;
}

static void break_off(struct session *session)
{
    struct reply reply = {.output = session->output, .protocol = session->protocol};
    bool is_silent = session->block->is_silent;
    session->block_output_begin = session->output->queued;
    if (is_silent)
        output_set_discard(session->output, true);
    reply_error(&reply, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    if (is_silent)
        output_set_discard(session->output, false);
    block_end(session);
    tell_host(session);
}

/* --- keys ---------------------------------------------------------------------------------------------- */

bool block_is_due(const struct world *world)
{
    return !list_empty(&world->blocks->ready);
}

static struct entry *live_entry(struct world *world, const struct block_key *key)
{
    struct slice name = slice_make(key->key, key->size);
    struct entry *entry =
        database_find(store_database(world->store, key->database), name, store_hash(world->store, name));
    return entry && !world_hides(world, entry) ? entry : NULL;
}

static bool is_for(const struct block *block, const struct entry *entry)
{
    return entry ? entry_type(entry) == block->type : block->deleted_too;
}

/* Whether what the key holds now is anything for any of those who wait: what ends the walk along a line of a
 * hundred thousand. */
static bool is_for_some(const struct block_key *key, const struct entry *entry)
{
    return entry ? key->wanted[entry_type(entry)] > 0 : key->deleted_wanted > 0;
}

/* Who waits again has seen that there is nothing for him; those behind him may want something else. False:
 * serving has to stop for now. Only the one who is resumed can leave the line meanwhile. */
static bool serve_key(struct world *world, struct block_key *key)
{
    bool goes_on = true;
    struct list_node *node = list_first(&key->waiters);
    key->is_served = true;
    while (node && goes_on) {
        struct list_node *next = list_next(&key->waiters, node);
        const struct block *block = LIST_OWNER(node, struct waiter, node)->block;
        const struct entry *entry = live_entry(world, key);
        if (!is_for_some(key, entry))
            break;
        if (is_for(block, entry))
            goes_on = resume(block->session, RESUME_READY) != RESUMED_LATER;
        node = next;
    }
    key->is_served = false;
    return goes_on;
}

void block_serve(struct world *world)
{
    struct blocks *blocks = world->blocks;
    struct list_node *node;
    ASSERT(!world->unit_open);
    if (blocks->is_serving || world->pause != PAUSE_NONE)
        return;
    blocks->is_serving = true;
    bool goes_on = true;
    while (goes_on && (node = list_take_first(&blocks->ready)) != NULL) {
        struct block_key *key = LIST_OWNER(node, struct block_key, ready);
        goes_on = serve_key(world, key);
        if (!goes_on)
            key_is_ready(blocks, key);
        key_free_if_idle(blocks, key);
    }
    blocks->is_serving = false;
}

/* --- rounds -------------------------------------------------------------------------------------------- */

/* After which a command that could not run when its time was up is tried again. */
#define LATE_AGAIN_MS 5

static void resume_late(struct world *world)
{
    struct blocks *blocks = world->blocks;
    uint64_t now_ms = (uint64_t)(world->monotonic_us / 1000);
    struct heap_node *node;
    while ((node = heap_first(&blocks->deadlines)) != NULL && node->key <= now_ms) {
        struct block *block = LIST_OWNER(node, struct block, deadline);
        heap_remove(&blocks->deadlines, node);
        if (block->is_broken) {
            break_off(block->session);
            continue;
        }
        if (resume(block->session, RESUME_TIMEOUT) == RESUMED_LATER) {
            heap_add(&blocks->deadlines, node, now_ms + LATE_AGAIN_MS);
            return;
        }
    }
}

static void resume_durable(struct world *world)
{
    struct blocks *blocks = world->blocks;
    struct heap_node *node;
    while ((node = heap_first(&blocks->lsns)) != NULL && world->journal &&
           node->key <= journal_durable(world->journal)) {
        uint64_t lsn = node->key;
        heap_remove(&blocks->lsns, node);
        /* Who has more to wait for is not asked again for this. */
        if (resume(LIST_OWNER(node, struct block, lsn)->session, RESUME_READY) == RESUMED_LATER) {
            heap_add(&blocks->lsns, node, lsn);
            return;
        }
    }
}

static void resume_woken(struct world *world)
{
    struct list *woken = &world->blocks->woken;
    struct list_node *node;
    while ((node = list_take_first(woken)) != NULL) {
        if (resume(LIST_OWNER(node, struct block, event)->session, RESUME_READY) == RESUMED_LATER) {
            list_append(woken, node);
            return;
        }
    }
}

void block_round(struct world *world)
{
    if (world->blocked_count == 0)
        return;
    resume_durable(world);
    resume_woken(world);
    resume_late(world);
    if (block_is_due(world))
        block_serve(world);
}

int64_t block_next_deadline_ms(const struct world *world)
{
    const struct heap_node *first = heap_first(&world->blocks->deadlines);
    return first ? (int64_t)first->key : INT64_MAX;
}

void block_wake_events(struct world *world)
{
    list_splice(&world->blocks->woken, &world->blocks->events);
    resume_woken(world);
}

/* It is the end of the round that wakes it: the one who asks for this is in the middle of a command. */
bool block_break(struct session *session, bool error)
{
    struct blocks *blocks = session->world->blocks;
    struct block *block = session->block;
    if (!session->blocked || block->reason == BLOCK_ON_EVENT)
        return false;
    block->is_broken = error;
    heap_remove(&blocks->deadlines, &block->deadline);
    heap_add(&blocks->deadlines, &block->deadline, 0);
    return true;
}
