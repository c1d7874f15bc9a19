#include "command/transaction.h"

#include "base/diag.h"
#include "base/memory.h"
#include "command/acl/acl.h"
#include "command/effect.h"
#include "command/families.h"
#include "command/lookup.h"
#include "command/watch.h"

static struct blob *argument_blob(const struct request *request, int index)
{
    return request_blob_find(request->blobs, request->blob_count, index);
}

/* Bytes of a request that a queued command has a copy of: all but its blobs. */
static size_t copied_size(const struct request *request)
{
    size_t size = request->raw.size;
    if (size > 0)
        return size;
    for (int i = 0; i < request->argc; i++)
        if (!argument_blob(request, i))
            size += request->argv[i].size;
    return size;
}

static size_t blobs_size(const struct request *request)
{
    size_t size = 0;
    for (int i = 0; i < request->blob_count; i++)
        size += request->blobs[i].blob->size;
    return size;
}

static void queued_copy_raw(struct queued_command *queued, const struct request *request, char *out)
{
    memcpy(out, request->raw.data, request->raw.size);
    queued->raw = slice_make(out, request->raw.size);
    for (int i = 0; i < request->argc; i++)
        queued->argv[i] =
            slice_make(out + (request->argv[i].data - request->raw.data), request->argv[i].size);
}

static void queued_copy_arguments(struct queued_command *queued, const struct request *request, char *out)
{
    for (int i = 0; i < request->argc; i++) {
        if (argument_blob(request, i)) {
            queued->argv[i] = request->argv[i];
            continue;
        }
        if (request->argv[i].size)
            memcpy(out, request->argv[i].data, request->argv[i].size);
        queued->argv[i] = slice_make(out, request->argv[i].size);
        out += request->argv[i].size;
    }
}

/* One allocation: the argument slices, the list of blobs, then the bytes: the request as it came where that
 * is canonical. */
static void queued_fill(struct queued_command *queued, const struct request *request, size_t bytes)
{
    size_t slices = (size_t)request->argc * sizeof(struct slice);
    size_t blobs = (size_t)request->blob_count * sizeof(struct request_blob);
    char *memory = mem_alloc(slices + blobs + bytes);
    *queued = (struct queued_command){.entry = queued->entry,
                                      .argc = request->argc,
                                      .argv = (struct slice *)(void *)memory,
                                      .blobs = (struct request_blob *)(void *)(memory + slices),
                                      .blob_count = request->blob_count};
    for (int i = 0; i < request->blob_count; i++)
        queued->blobs[i] = (struct request_blob){request->blobs[i].index, blob_share(request->blobs[i].blob)};
    char *out = memory + slices + blobs;
    if (request->raw.size)
        queued_copy_raw(queued, request, out);
    else
        queued_copy_arguments(queued, request, out);
}

void queued_drop_blobs(struct queued_command *queued)
{
    for (int i = 0; i < queued->blob_count; i++)
        blob_drop(queued->blobs[i].blob);
    queued->blob_count = 0;
}

/* What hangs on the state is asked when EXEC is to run. */
static void queue_add_bound(struct session *session, struct queued_command *queued)
{
    const struct command *command = queued->entry->row;
    if (!(command->flags & CMD_WRITE))
        return;
    if (command->effect_bound) {
        session->queue_asks = true;
        return;
    }
    queued->bound = effect_bound_of(session->world, session->database, command, queued->argc, queued->argv);
    effect_bound_sum(&session->queue_bound, &queued->bound);
}

void queued_keep(struct queued_command *queued, struct command_entry *entry, const struct request *request)
{
    queued->entry = entry;
    queued_fill(queued, request, copied_size(request));
}

void queued_free(struct queued_command *queued)
{
    queued_drop_blobs(queued);
    mem_free(queued->argv);
    *queued = (struct queued_command){.entry = NULL};
}

bool transaction_queue(struct session *session, struct command_entry *entry, const struct request *request,
                       const char **error)
{
    size_t bytes = copied_size(request);
    size_t cost = bytes + blobs_size(request) + (size_t)request->argc * sizeof(struct slice) +
                  sizeof(struct queued_command);
    if (session->queue_bytes + cost > session->world->settings.query_max) {
        *error = "ERR transaction is larger than client-query-buffer-limit";
        return false;
    }
    if (session->queue_size == session->queue_capacity) {
        session->queue_capacity = session->queue_capacity ? 2 * session->queue_capacity : 8;
        session->queue = mem_realloc(session->queue, session->queue_capacity * sizeof(*session->queue));
    }
    struct queued_command *queued = &session->queue[session->queue_size++];
    queued->entry = entry;
    queued_fill(queued, request, bytes);
    queue_add_bound(session, queued);
    session->queue_bytes += cost;
    session->queue_flags |= entry->row->flags;
    return true;
}

static void multi_command(struct call *call)
{
    if (call->session->in_multi) {
        reply_error(call->reply, "ERR MULTI calls can not be nested");
        return;
    }
    call->session->in_multi = true;
    reply_ok(call->reply);
}

static void discard_command(struct call *call)
{
    if (!call->session->in_multi) {
        reply_error(call->reply, "ERR DISCARD without MULTI");
        return;
    }
    session_discard_transaction(call->session);
    session_unwatch(call->session);
    reply_ok(call->reply);
}

/* What the user may do can have changed since the command was queued. */
static bool still_permitted(struct call *call, const struct queued_command *queued)
{
    struct buffer error = {0};
    bool permitted =
        dispatch_check(call->world, call->session, queued->entry, queued->argc, queued->argv, &error);
    if (!permitted)
        reply_error_slice(call->reply, buffer_slice(&error));
    buffer_free(&error);
    return permitted;
}

/* From here on queue_bound is what those that have not run yet may take. */
static void queue_take_bounds(struct session *session)
{
    if (!session->queue_asks)
        return;
    session->queue_bound = (struct effect_bound){0};
    for (size_t i = 0; i < session->queue_size; i++)
        effect_bound_sum(&session->queue_bound, &session->queue[i].bound);
}

/* A queued command's share is its own now. */
static void queue_give_bound(struct session *session, const struct queued_command *queued)
{
    struct effect_bound *rest = &session->queue_bound;
    rest->bytes -= queued->bound.bytes < rest->bytes ? queued->bound.bytes : rest->bytes;
    rest->value_bytes -=
        queued->bound.value_bytes < rest->value_bytes ? queued->bound.value_bytes : rest->value_bytes;
}

/* Whether it has room by now; replies the error when it has none. */
static bool still_has_room(struct call *call, const struct queued_command *queued)
{
    if (effect_bound_is_admitted(call->session, queued))
        return true;
    call->world->stats.writes_refused_full++;
    reply_error(call->reply,
                "MISCONF the log has no room for this command: what it would write has become more "
                "than was known at EXEC, by commands before it. It has changed nothing.");
    return false;
}

static void run_queued(struct call *call, struct queued_command *queued)
{
    struct call inner = {.argc = queued->argc,
                         .argv = queued->argv,
                         .raw = queued->raw,
                         .blobs = queued->blobs,
                         .blob_count = queued->blob_count,
                         .key_hash =
                             dispatch_key_hash(call->world, queued->entry, queued->argc, queued->argv),
                         .command = queued->entry};
    struct reply reply = {.output = call->session->output, .protocol = call->session->protocol};
    inner.reply = &reply;
    dispatch_run(call->world, call->session, &inner);
    if (inner.wait_lsn > call->wait_lsn)
        call->wait_lsn = inner.wait_lsn;
}

static void run_queue(struct call *call)
{
    struct session *session = call->session;
    const struct origin *origin = session->origin;
    queue_take_bounds(session);
    reply_array(call->reply, (int64_t)session->queue_size);
    session->in_multi = false;
    session->origin = &origin_queue;
    for (size_t i = 0; i < session->queue_size; i++) {
        struct queued_command *queued = &session->queue[i];
        queue_give_bound(session, queued);
        if (still_permitted(call, queued) && still_has_room(call, queued))
            run_queued(call, queued);
        /* A command behind it that changes the value then need not copy it first. */
        queued_drop_blobs(queued);
    }
    session->origin = origin;
    ASSERT(!session->blocked);
}

static void exec_command(struct call *call)
{
    struct session *session = call->session;
    if (!session->in_multi) {
        reply_error(call->reply, "ERR EXEC without MULTI");
        return;
    }
    if (session->multi_failed) {
        reply_error(call->reply, "EXECABORT Transaction discarded because of previous errors.");
    } else if (session->watch_failed || watch_any_expired(call->world, session)) {
        /* That it failed tells of somebody's write, which must not be taken back any more. */
        if (call->world->journal)
            call->wait_lsn = journal_executed(call->world->journal);
        reply_null_array(call->reply);
    } else {
        /* Watches end before the queue runs: its own changes are no reason to fail the next transaction. */
        session_unwatch(session);
        run_queue(call);
    }
    session_discard_transaction(session);
    session_unwatch(session);
}

static void watch_command(struct call *call)
{
    struct session *session = call->session;
    struct world *world = call->world;
    if (session->in_multi) {
        reply_error(call->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    size_t bytes = session->watch_bytes;
    for (int i = 1; i < call->argc; i++)
        bytes += watch_memory(call->argv[i]);
    if (bytes > world->settings.query_max) {
        reply_error(call->reply, "ERR watched keys are larger than client-query-buffer-limit");
        return;
    }
    for (int i = 1; i < call->argc; i++) {
        uint64_t hash = call_hash(call, i);
        struct entry *entry = database_find(call->db, call->argv[i], hash);
        bool had_expired = entry && entry_has_expired(entry, world->now_ms);
        watch_add(world->watches, session, session->database, call->argv[i], hash, had_expired);
    }
    reply_ok(call->reply);
}

static void unwatch_command(struct call *call)
{
    session_unwatch(call->session);
    reply_ok(call->reply);
}

#define ANYTIME (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY)

const struct command transaction_commands[] = {
    {.name = "multi",
     .arity = 1,
     .flags = ANYTIME,
     .traits = TRAIT_INSIDE_MULTI | TRAIT_UNIT_BRACKET,
     .categories = CAT_TRANSACTION,
     .function = multi_command,
     .group = "transactions",
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Starts a transaction."},
    {.name = "exec",
     .arity = 1,
     .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SKIP_SLOWLOG,
     .traits = TRAIT_RUNS_QUEUE | TRAIT_INSIDE_MULTI | TRAIT_ENDS_MULTI | TRAIT_UNIT_BRACKET,
     .categories = CAT_TRANSACTION,
     .function = exec_command,
     .group = "transactions",
     .since = "1.2.0",
     .complexity = "Depends on commands in the transaction",
     .summary = "Executes all commands in a transaction."},
    {.name = "discard",
     .arity = 1,
     .flags = ANYTIME,
     .traits = TRAIT_INSIDE_MULTI | TRAIT_ENDS_MULTI,
     .categories = CAT_TRANSACTION,
     .function = discard_command,
     .group = "transactions",
     .since = "2.0.0",
     .complexity = "O(N), when N is the number of queued commands",
     .summary = "Discards a transaction."},
    {.name = "watch",
     .arity = -2,
     .flags = ANYTIME,
     .traits = TRAIT_INSIDE_MULTI,
     .categories = CAT_TRANSACTION,
     .keys = {KEYS_FROM(1, KEY_RO)},
     .function = watch_command,
     .arguments = "key#key0*",
     .group = "transactions",
     .since = "2.2.0",
     .complexity = "O(1) for every key.",
     .summary = "Monitors changes to keys to determine the execution of a transaction."},
    {.name = "unwatch",
     .arity = 1,
     .flags = ANYTIME,
     .categories = CAT_TRANSACTION,
     .function = unwatch_command,
     .group = "transactions",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Forgets about watched keys of a transaction."},
};
const size_t transaction_command_count = sizeof(transaction_commands) / sizeof(transaction_commands[0]);
