#include "command/dispatch.h"

#include <ctype.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/memory.h"
#include "command/acl/acl.h"
#include "command/args.h"
#include "command/block.h"
#include "command/effect.h"
#include "command/evict.h"
#include "command/families.h"
#include "command/large.h"
#include "command/lookup.h"
#include "command/message/push.h"
#include "command/message/tracking.h"
#include "command/observe/latency.h"
#include "command/observe/observe.h"
#include "command/transaction.h"
#include "command/world.h"

void command_families_add(struct command_table *table)
{
    command_table_add(table, transaction_commands, transaction_command_count);
    command_table_add(table, acl_family, acl_family_count);
    command_table_add(table, pubsub_commands, pubsub_command_count);
    command_table_add(table, monitor_commands, monitor_command_count);
    command_table_add(table, slowlog_commands, slowlog_command_count);
    command_table_add(table, latency_commands, latency_command_count);
}

/* --- looking ahead ------------------------------------------------------------------------------------- */

static struct command_entry *find(const struct world *world, const struct session *session, struct slice name)
{
    return session->origin->by_own_name ? command_table_find(world->commands, name)
                                        : command_table_find_called(world->commands, name);
}

/* A name that was looked up, and what was found. */
struct looked_up {
    struct slice name;
    struct command_entry *entry;
    bool any_parts; /* some command names a part of a value */
};

/* Most commands of a pipeline have the name of the one before: not looking that up again saves a fifteenth of
 * the instructions of a GET. */
static struct command_entry *look_up(const struct world *world, const struct session *session,
                                     struct slice name, struct looked_up *last)
{
    if (!last->entry || !slice_equal(name, last->name)) {
        last->name = name;
        last->entry = find(world, session, name);
        last->any_parts |= last->entry && last->entry->row->part > 0;
    }
    return last->entry;
}

/* Whether there is a first key; its hash. */
static bool first_key_hash(const struct world *world, const struct command_entry *entry, int argc,
                           const struct slice *argv, uint64_t *hash)
{
    bool is_there = entry->first_key > 0 && entry->first_key < argc;
    if (is_there)
        *hash = store_hash(world->store, argv[entry->first_key]);
    return is_there;
}

uint64_t dispatch_key_hash(const struct world *world, const struct command_entry *entry, int argc,
                           const struct slice *argv)
{
    uint64_t hash = 0;
    first_key_hash(world, entry, argc, argv, &hash);
    return hash;
}

static void prepare(struct world *world, const struct session *session, const struct request *request,
                    struct looked_up *last, struct prepared *prepared)
{
    *prepared = (struct prepared){.entry = look_up(world, session, request->argv[0], last)};
    if (!prepared->entry)
        return;
    if (prepared->entry->children && request->argc > 1) {
        struct command_entry *child = command_entry_child(prepared->entry, request->argv[1]);
        if (child)
            prepared->entry = child;
    }
    prepared->has_key =
        first_key_hash(world, prepared->entry, request->argc, request->argv, &prepared->key_hash);
}

/* The parts of values that the commands name first, such as fields of hashes. */
static void prepare_parts(const struct request *requests[], const struct prepared prepared[],
                          const struct entry *const entries[], int count)
{
    struct packed_ahead ahead[REQUEST_BATCH_MAX];
    int begun = 0;
    for (int i = 0; i < count; i++) {
        int part = prepared[i].has_key ? prepared[i].entry->row->part : 0;
        if (part > 0 && part < requests[i]->argc && entries[i] &&
            entry_hash_ahead(entries[i], requests[i]->argv[part], &ahead[begun]))
            begun++;
    }
    for (int i = 0; i < begun; i++)
        packed_ahead_block(&ahead[i]);
    for (int i = 0; i < begun; i++)
        packed_ahead_record(&ahead[i]);
}

void dispatch_prepare(struct world *world, const struct session *session, const struct request *requests[],
                      struct prepared prepared[], int count)
{
    const struct database *db = store_database(world->store, session->database);
    const struct entry *entries[REQUEST_BATCH_MAX];
    struct looked_up last = {0};
    ASSERT(count <= REQUEST_BATCH_MAX);
    for (int i = 0; i < count; i++) {
        prepare(world, session, requests[i], &last, &prepared[i]);
        if (prepared[i].has_key && count > 1)
            database_prefetch_bucket(db, prepared[i].key_hash);
    }
    for (int i = 0; i < count && count > 1; i++)
        if (prepared[i].has_key)
            entries[i] = database_prefetch_entry(db, prepared[i].key_hash);
    if (last.any_parts && count > 1)
        prepare_parts(requests, prepared, entries, count);
}

/* --- refusing ------------------------------------------------------------------------------------------ */

static void unknown_command(struct buffer *error, int argc, const struct slice *argv)
{
    buffer_append_format(error, "ERR unknown command '%.*s', with args beginning with: ", quote_size(argv[0]),
                         argv[0].data);
    size_t begin = error->size;
    for (int i = 1; i < argc && error->size - begin < QUOTE_MAX; i++) {
        int room = QUOTE_MAX - (int)(error->size - begin);
        int size = quote_size(argv[i]);
        buffer_append_format(error, "'%.*s' ", size < room ? size : room, argv[i].data);
    }
}

static void unknown_subcommand(struct buffer *error, const struct command *parent, struct slice name)
{
    buffer_append_format(error, "ERR unknown subcommand '%.*s'. Try ", quote_size(name), name.data);
    for (const char *c = parent->name; *c; c++)
        buffer_append_char(error, (char)toupper((unsigned char)*c));
    buffer_append_text(error, " HELP.");
}

static enum admit_result admit_command(const struct world *world, const struct session *session,
                                       const struct command *command, const struct request *request)
{
    struct effect_bound bound =
        effect_bound_of(world, session->database, command, request->argc, request->argv);
    return journal_admit_values(world->journal, bound.bytes, bound.value_bytes);
}

static enum admit_result admit_queue(const struct world *world, struct session *session)
{
    session->queue_admitted = effect_bound_of_queue(session);
    return journal_admit_values(world->journal, session->queue_admitted.bytes,
                                session->queue_admitted.value_bytes);
}

/* Whether the journal can take what the command may write. ADMIT_YES for commands that write nothing. */
static enum admit_result admit(const struct world *world, struct session *session,
                               const struct command *command, const struct request *request)
{
    bool runs_queue = command->traits & TRAIT_RUNS_QUEUE;
    if (!world->journal || !(runs_queue || (command->flags & CMD_WRITE)))
        return ADMIT_YES;
    if (!runs_queue)
        return admit_command(world, session, command, request);
    if (session->in_multi && (session->queue_flags & CMD_WRITE))
        return admit_queue(world, session);
    return ADMIT_YES;
}

static bool debug_allowed(const struct world *world, const struct session *session)
{
    enum debug_access access = world->settings.debug_access;
    return access == DEBUG_YES || (access == DEBUG_LOCAL && session->is_local);
}

static void explain_denied(struct buffer *error, const struct session *session,
                           const struct command_entry *entry, enum acl_verdict verdict, struct slice what)
{
    static const char *const reasons[] = {
        [ACL_PERMITTED] = "",
        [ACL_NO_COMMAND] = "no permission to execute the command or subcommand",
        [ACL_NO_KEY] = "no permission to touch the specified keys",
        [ACL_NO_AUTH] = "no permission",
        [ACL_NO_CHANNEL] = "no permission to access one of the channels used as arguments to the command"};
    buffer_append_text(error, "NOPERM ");
    if (session->origin->was_checked)
        buffer_append_format(error,
                             "ACLs rules changed between the moment the transaction was accumulated and the "
                             "EXEC call. This command is no longer allowed for the following reason: %s",
                             reasons[verdict]);
    else
        acl_explain(error, verdict, session->user, entry, what, false);
}

/* Whether the session's user may run it; if not, notes the refusal. */
static bool permitted(struct session *session, const struct command_entry *entry, int argc,
                      const struct slice *argv, struct buffer *error)
{
    int denied;
    enum acl_verdict verdict = acl_check(session->user, entry, argc, argv, &denied);
    if (verdict == ACL_PERMITTED)
        return true;
    struct slice what = verdict == ACL_NO_COMMAND ? slice_of(entry->full_name) : argv[denied];
    acl_log_add(session, verdict, session_in_transaction(session) ? ACL_MULTI : ACL_TOPLEVEL, what,
                acl_user_name(session->user));
    explain_denied(error, session, entry, verdict, what);
    return false;
}

/* Whether there is such a command, and it takes so many arguments. */
static inline __attribute__((always_inline)) bool
form_is_right(const struct command_entry *entry, int argc, const struct slice *argv, struct buffer *error)
{
    if (!entry)
        unknown_command(error, argc, argv);
    else if (entry->children && argc > 1)
        unknown_subcommand(error, entry->row, argv[1]);
    else if (!command_arity_fits(entry->row, argc) || !entry->row->function)
        buffer_append_format(error, "ERR wrong number of arguments for '%s' command", entry->full_name);
    else
        return true;
    return false;
}

/* Whether the state of the client and of the server lets it run, and its user may. */
static inline __attribute__((always_inline)) bool state_is_right(struct world *world, struct session *session,
                                                                 const struct command_entry *entry, int argc,
                                                                 const struct slice *argv,
                                                                 struct buffer *error)
{
    const char *text = NULL;
    const struct command *command = entry->row;
    if ((command->flags & CMD_PROTECTED) && !debug_allowed(world, session))
        text =
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can "
            "run it from a local connection, otherwise you need to set this option in the configuration "
            "file, and then restart the server.";
    else if (!session_is_authenticated(session) && !(command->flags & CMD_NO_AUTH))
        text = "NOAUTH Authentication required.";
    else if (session->in_multi && (command->flags & CMD_NO_MULTI))
        text = "ERR Command not allowed inside a transaction";
    else if (!acl_user_is_unrestricted(session->user) && !permitted(session, entry, argc, argv, error))
        return false;
    else if (session->protocol < 3 && session_is_subscriber(session) &&
             !(command->traits & TRAIT_FOR_SUBSCRIBERS))
        buffer_append_format(error,
                             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                             "RESET are allowed in this context",
                             entry->full_name);
    else if (world->loading && !(command->flags & CMD_LOADING))
        text = "LOADING Redis is loading the dataset in memory";
    else if (session->monitors && (command->flags & (CMD_WRITE | CMD_READONLY | CMD_MAY_REPLICATE)))
        text = "ERR Replica can't interact with the keyspace";
    else if (world->settings.maxmemory > 0 && !evict_admits(world, session, command))
        text = "OOM command not allowed when used memory > 'maxmemory'.";
    if (text)
        buffer_append_text(error, text);
    return error->size == 0;
}

/* Inlined, since a call with so many arguments would make a GET a twentieth dearer. */
static inline __attribute__((always_inline)) bool check(struct world *world, struct session *session,
                                                        const struct command_entry *entry, int argc,
                                                        const struct slice *argv, struct buffer *error)
{
    const struct origin *origin = session->origin;
    if (origin->checks_form && !form_is_right(entry, argc, argv, error))
        return false;
    if (origin->checks_state)
        return state_is_right(world, session, entry, argc, argv, error);
    return !origin->checks_user || acl_user_is_unrestricted(session->user) ||
           permitted(session, entry, argc, argv, error);
}

bool dispatch_check(struct world *world, struct session *session, const struct command_entry *entry, int argc,
                    const struct slice *argv, struct buffer *error)
{
    return check(world, session, entry, argc, argv, error);
}

/* Replies why a command was not run. EXEC that is refused ends the transaction. */
static void refuse(struct world *world, struct session *session, struct command_entry *entry,
                   struct slice error)
{
    struct reply reply = {.output = session->output, .protocol = session->protocol};
    if (entry)
        entry->stats.rejected++;
    if (entry && (entry->row->traits & TRAIT_RUNS_QUEUE)) {
        bool coded = error.size < 4 || memcmp(error.data, "ERR ", 4) != 0;
        struct slice reason = coded ? error : slice_make(error.data + 4, error.size - 4);
        reply_error_format(&reply, "EXECABORT Transaction discarded because of: %.*s", (int)reason.size,
                           reason.data);
        session_discard_transaction(session);
        session_unwatch(session);
    } else {
        reply_error_slice(&reply, error);
        if (session->in_multi)
            session->multi_failed = true;
    }
    error_stats_count(world, &reply);
}

/* --- running ------------------------------------------------------------------------------------------- */

struct key_wait {
    struct call *call;
    lsn_t lsn;
};

static void key_wait_visit(void *context, int index, unsigned key_flags)
{
    struct key_wait *wait = context;
    (void)key_flags;
    lsn_t lsn = wait->call->world->key_lsns[call_hash(wait->call, index) % KEY_LSN_SLOTS];
    if (lsn > wait->lsn)
        wait->lsn = lsn;
}

/* The rule of D2: what a reply tells of must be durable before the reply goes. A command that wrote waits for
 * its own unit, and so for all before it; one that looked keys up, for their last changes; one that tells of
 * keys it does not name, for everything. Under the other policies reads do not wait, but a write that had
 * nothing to do does: "the state is as you want it" is a promise about somebody's write, so that write must
 * be acknowledged first. */
static void wait_for_what_was_read(struct call *call)
{
    struct world *world = call->world;
    const struct command *command = call->command->row;
    /* Whoever ends the open unit waits for it. */
    if (!world->journal || world->unit_open)
        return;
    if (journal_policy(world->journal) != SYNC_ALWAYS && !(command->flags & CMD_WRITE))
        return;
    if (journal_acknowledged(world->journal) == journal_executed(world->journal))
        return;
    struct key_wait wait = {call, 0};
    if (command->traits & TRAIT_READS_ALL) {
        wait.lsn = journal_executed(world->journal);
    } else if (command_has_keys(command)) {
        wait.lsn = world->all_keys_lsn;
        command_each_key(command, call->argc, call->argv, key_wait_visit, &wait);
    }
    /* A change that had no effect in the log marked its keys with an LSN that is not there yet. */
    if (wait.lsn > journal_executed(world->journal))
        wait.lsn = journal_executed(world->journal);
    if (wait.lsn > call->wait_lsn)
        call->wait_lsn = wait.lsn;
}

static void count_call(struct call *call, uint64_t ticks)
{
    struct command_stats *stats = &call->command->stats;
    stats->calls++;
    stats->ticks += ticks;
    if (!call->world->settings.latency_tracking)
        return;
    if (__builtin_expect(!stats->histogram, 0))
        stats->histogram = mem_alloc_zero(sizeof(*stats->histogram));
    histogram_add(stats->histogram, ticks);
}

/* Behind a command whose outcome somebody is told. */
static void account(struct call *call, uint64_t ticks)
{
    struct world *world = call->world;
    struct session *session = call->session;
    session->turn_ticks += ticks;
    /* Who waits is counted, and shown to MONITOR, once. */
    if (__builtin_expect(!session->blocked, 1))
        count_call(call, ticks);
    world->stats.commands++;
    if (call->reply->errors) {
        call->command->stats.failed++;
        error_stats_count(world, call->reply);
        call->reply->errors = 0;
    }
    wait_for_what_was_read(call);
    if (__builtin_expect(session->resumed == RESUME_NOT, 1))
        observe(call, ticks);
    if (__builtin_expect(session->tracking, 0) && (call->command->row->flags & CMD_READONLY))
        tracking_remember(call);
    /* In a transaction, what follows CLIENT REPLY OFF is silent already. */
    if (session->reply_mode == REPLY_OFF)
        output_set_discard(session->output, true);
}

const char *dispatch_run(struct world *world, struct session *session, struct call *call)
{
    const struct command *command = call->command->row;
    const struct origin *origin = session->origin;
    call->world = world;
    call->session = session;
    call->origin = origin;
    call->db = store_database(world->store, session->database);
    call->resumed = session->resumed;
    call->wait_lsn = 0;
    call->redacted = 0;
    ASSERT(command_arity_fits(command, call->argc));
    uint64_t begin = origin->is_answered ? world_ticks() : 0;
    const char *wrong = large_prepare(call);
    /* What repeating it takes now is what the stream needs to be repeated once more. */
    if (!wrong && !origin->is_logged)
        large_note_effect(world, command, call->argc, call->argv);
    if (wrong)
        reply_error_format(call->reply, "ERR a value cannot be loaded: %s", wrong);
    else
        command->function(call);
    large_finish(call);
    if (origin->is_answered)
        account(call, world_ticks() - begin);
    return wrong;
}

static void run(struct world *world, struct session *session, struct command_entry *entry,
                const struct request *request, uint64_t key_hash, struct reply *reply)
{
    /* No initializer: what dispatch_run sets need not be cleared before. */
    struct call call;
    call.argc = request->argc;
    call.argv = request->argv;
    call.raw = request->raw;
    call.blobs = request->blobs;
    call.blob_count = request->blob_count;
    call.key_hash = key_hash;
    call.reply = reply;
    call.command = entry;
    dispatch_run(world, session, &call);
    if (effect_unit_end(world)) {
        session->last_write_lsn = journal_executed(world->journal);
        call.wait_lsn = session->last_write_lsn;
        world->stats.writes++;
    }
    if (__builtin_expect(world->hides, 0)) {
        lsn_t lsn = effect_of_hiding(world);
        call.wait_lsn = lsn > call.wait_lsn ? lsn : call.wait_lsn;
    }
    if (call.wait_lsn > 0 && call.wait_lsn > journal_acknowledged(world->journal)) {
        output_mark(session->output, call.wait_lsn);
        world->stats.replies_held++;
    }
    world_deliver(world);
}

static void refuse_full(struct world *world, struct session *session, struct command_entry *entry)
{
    const char *why = journal_full(world->journal);
    char text[512];
    snprintf(text, sizeof(text),
             "MISCONF Errors writing to the log: %s. Commands that may modify the data set are refused until "
             "there "
             "is room; reads go on.",
             why ? why : "no space");
    world->stats.writes_refused_full++;
    refuse(world, session, entry, slice_of(text));
}

/* Whether CLIENT PAUSE holds the command back: EXEC as what it runs would be, each alone. One that was run
 * before the pause and only waited is answered. */
static bool is_paused(const struct world *world, const struct session *session, const struct command *command)
{
    const unsigned changing = CMD_WRITE | CMD_MAY_REPLICATE;
    if ((world->pause == PAUSE_ALL && session->resumed == RESUME_NOT) || (command->flags & changing))
        return true;
    return session->in_multi && (session->queue_flags & changing) && (command->traits & TRAIT_RUNS_QUEUE);
}

static void refuse_too_large(struct world *world, struct session *session, struct command_entry *entry)
{
    char text[256];
    snprintf(text, sizeof(text),
             "ERR the command needs a larger file than there may be in the data folder: the limit on a "
             "file's size "
             "is %llu bytes (ulimit -f, LimitFSIZE=)",
             (unsigned long long)journal_file_max(world->journal));
    refuse(world, session, entry, slice_of(text));
}

/* Whether it may hide a key whose time has passed. */
static bool may_hide(const struct command *command)
{
    return command_has_keys(command) || (command->traits & (TRAIT_READS_ALL | TRAIT_RUNS_QUEUE));
}

/* Runs, queues or refuses. */
static enum dispatch_result execute(struct world *world, struct session *session, struct command_entry *entry,
                                    const struct request *request, uint64_t key_hash)
{
    struct reply reply = {.output = session->output, .protocol = session->protocol};
    struct buffer error = {0};
    if (!check(world, session, entry, request->argc, request->argv, &error)) {
        refuse(world, session, entry, buffer_slice(&error));
        buffer_free(&error);
        return DISPATCH_DONE;
    }
    if (__builtin_expect(world->pause != PAUSE_NONE, 0) && is_paused(world, session, entry->row))
        return DISPATCH_WAIT;
    bool queue = __builtin_expect(session->in_multi, 0) && !(entry->row->traits & TRAIT_INSIDE_MULTI);
    enum admit_result admitted = admit(world, session, entry->row, request);
    if (admitted == ADMIT_WAIT && !queue)
        return DISPATCH_WAIT;
    if (admitted == ADMIT_FULL) {
        refuse_full(world, session, entry);
        return DISPATCH_DONE;
    }
    if (admitted == ADMIT_TOO_LARGE) {
        refuse_too_large(world, session, entry);
        return DISPATCH_DONE;
    }
    if (__builtin_expect(world->hiding_waits, 0) && !queue && may_hide(entry->row))
        return DISPATCH_WAIT;
    if (!queue && world->has_unloaded && !large_is_ready(world, session, entry, request))
        return DISPATCH_WAIT;
    session->last_command = entry;
    session->active_ms = world->use_ms;
    if (queue) {
        const char *text;
        if (transaction_queue(session, entry, request, &text))
            reply_simple(&reply, "QUEUED");
        else
            refuse(world, session, entry, slice_of(text));
        return DISPATCH_DONE;
    }
    run(world, session, entry, request, key_hash, &reply);
    if (session->close_after_reply)
        return DISPATCH_CLOSE;
    if (__builtin_expect(!session->blocked, 1))
        return DISPATCH_DONE;
    ASSERT(session->origin->may_block);
    block_keep(session, entry, request);
    return DISPATCH_BLOCKED;
}

/* CLIENT CACHING is for the next command, or for the next transaction. */
static void caching_ends(struct session *session, const struct command_entry *entry)
{
    bool keeps = entry && entry->parent && (entry->parent->row->traits & TRAIT_KEEPS_CACHING);
    if (!session->in_multi && !keeps)
        session->tracking &= ~(unsigned)TRACKING_CACHING;
}

enum dispatch_result dispatch(struct world *world, struct session *session, const struct request *request,
                              const struct prepared *prepared)
{
    bool silent = session->reply_mode == REPLY_OFF || session->reply_mode == REPLY_SKIP;
    output_set_discard(session->output, silent);
    world->executing = session;
    enum dispatch_result result = execute(world, session, prepared->entry, request, prepared->key_hash);
    world_deliver_own(world);
    world->executing = NULL;
    if (__builtin_expect(session->tracking & TRACKING_CACHING, 0))
        caching_ends(session, prepared->entry);
    /* Not always: a connection that is being closed discards for good. */
    if (silent || session->reply_mode == REPLY_OFF)
        output_set_discard(session->output, false);
    if (result == DISPATCH_BLOCKED)
        block_set_silent(session, silent);
    if (__builtin_expect(world->blocked_count > 0, 0) && block_is_due(world))
        block_serve(world);
    if (result == DISPATCH_WAIT)
        return result;
    /* What it waits for may have been there for a moment. */
    if (result == DISPATCH_BLOCKED && !session->blocked)
        result = DISPATCH_DONE;
    if (session->reply_mode == REPLY_SKIP)
        session->reply_mode = REPLY_ON;
    else if (session->reply_mode == REPLY_SKIP_NEXT)
        session->reply_mode = REPLY_SKIP;
    return result;
}
