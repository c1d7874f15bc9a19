#include "client.h"

#include "base/diag.h"
#include "base/memory.h"
#include "sim.h"

#define REPLY_PEEK   48
#define PEEK_VECTORS 16384

/* --- coming and going -------------------------------------------------------------------------------------
 */

/* Some listen to all messages, those of keyspace events among them; a few watch all commands. */
static void listen(struct sim *sim, struct client *client)
{
    uint64_t chance = random_below(&sim->random, 20);
    if (chance < 4)
        client_say(sim, client, "hello 3", COMMAND_TELLS_NOTHING);
    if (chance < 5)
        client_say(sim, client, "psubscribe *", COMMAND_TELLS_NOTHING);
    if (chance == 5)
        client_say(sim, client, "monitor", COMMAND_TELLS_NOTHING);
}

static void messages_settle(struct sim *sim);
static void note_durable_reply(struct sim *sim, struct client *client, uint64_t begin);

/* What it waited for, which is WAITAOF's reply, has been said. */
static void client_resumed(struct session *session)
{
    messages_settle(session->world->owner);
    note_durable_reply(session->world->owner, session->owner, session->block_output_begin);
}

void client_connect(struct sim *sim, struct client *client, int number)
{
    *client = (struct client){
        .number = number, .parser = parser_new(), .reads = random_below(&sim->random, 3) == 0};
    client->session = session_new(sim->world, &client->output, client);
    sim->world->owner = sim;
    sim->world->session_host.pushed = client_pushed;
    sim->world->session_host.resumed = client_resumed;
    listen(sim, client);
}

void client_disconnect(struct client *client)
{
    if (!client->session)
        return;
    session_free(client->session);
    output_free(&client->output);
    parser_free(client->parser);
    buffer_free(&client->input);
    mem_free(client->sent);
    mem_free(client->promises);
    mem_free(client->scopes);
    *client = (struct client){.number = client->number};
}

bool client_is_idle(const struct client *client)
{
    return client->input.size == 0 && output_pending(&client->output) == 0 && !client->session->blocked;
}

/* --- sending ----------------------------------------------------------------------------------------------
 */

static struct sim_command *sent_add(struct client *client)
{
    if (client->sent_first + client->sent_count == client->sent_capacity) {
        if (client->sent_count)
            memmove(client->sent, client->sent + client->sent_first,
                    client->sent_count * sizeof(*client->sent));
        client->sent_first = 0;
        client->sent_capacity = 2 * client->sent_count + 16;
        client->sent = mem_realloc(client->sent, client->sent_capacity * sizeof(*client->sent));
    }
    return &client->sent[client->sent_first + client->sent_count++];
}

void client_say(struct sim *sim, struct client *client, const char *words, enum command_kind kind)
{
    (void)sim;
    workload_say(words, kind, &client->input, sent_add(client));
}

static void send_one(struct sim *sim, struct client *client)
{
    if (client->until_exec > 0 && --client->until_exec == 0) {
        client_say(sim, client, "exec", COMMAND_EXEC);
        client->sent[client->sent_first + client->sent_count - 1].writes = true;
        return;
    }
    if (client->until_exec == 0 && random_below(&sim->random, 20) == 0) {
        client_say(sim, client, "multi", COMMAND_MULTI);
        client->until_exec = 1 + (int)random_below(&sim->random, 5);
        client->transaction_reads = random_below(&sim->random, 3) == 0;
        return;
    }
    bool reads = client->reads || (client->until_exec > 0 && client->transaction_reads);
    struct sim_command *command = sent_add(client);
    workload_command(&sim->workload, sim->world->now_ms, reads, &client->input, command);
}

void client_send(struct sim *sim, struct client *client)
{
    uint64_t count = 1 + random_below(&sim->random, (uint64_t)sim->config.pipeline_max);
    while (count-- > 0)
        send_one(sim, client);
}

/* --- what a reply promises --------------------------------------------------------------------------------
 */

static struct promise *promise_add(struct client *client)
{
    if (client->promise_first + client->promise_count == client->promise_capacity) {
        if (client->promise_count)
            memmove(client->promises, client->promises + client->promise_first,
                    client->promise_count * sizeof(*client->promises));
        client->promise_first = 0;
        client->promise_capacity = 2 * client->promise_count + 16;
        client->promises =
            mem_realloc(client->promises, client->promise_capacity * sizeof(*client->promises));
    }
    return &client->promises[client->promise_first + client->promise_count++];
}

/* The first bytes of the reply that begins at a position of the output. */
static void reply_peek(const struct client *client, uint64_t begin, char text[REPLY_PEEK])
{
    static struct iovec vectors[PEEK_VECTORS];
    memset(text, 0, REPLY_PEEK);
    uint64_t skip = begin - client->output.sent;
    int count = output_vectors(&client->output, skip + REPLY_PEEK - 1, vectors, PEEK_VECTORS);
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        for (size_t at = 0; at < vectors[i].iov_len && size < REPLY_PEEK - 1; at++) {
            if (skip > 0)
                skip--;
            else
                text[size++] = ((const char *)vectors[i].iov_base)[at];
        }
    }
}

static bool begins_with(const char *text, const char *what)
{
    return strncmp(text, what, strlen(what)) == 0;
}

/* Refused before it looked at anything. */
static bool tells_nothing(const char *reply)
{
    static const char *const refusals[] = {"-MISCONF",
                                           "-OOM",
                                           "-EXECABORT",
                                           "-LOADING",
                                           "+QUEUED",
                                           "-ERR a value cannot be loaded",
                                           "-ERR Can't",
                                           "-ERR Replica",
                                           "-ERR the command needs a larger file",
                                           "-ERR unknown command"};
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (begins_with(reply, refusals[i]))
            return true;
    return false;
}

static lsn_t last_change(struct sim *sim, const struct command_scope *scopes, size_t count, int database)
{
    lsn_t last = 0;
    for (size_t i = 0; i < count; i++) {
        int in = scopes[i].database < 0 ? database : scopes[i].database;
        lsn_t lsn = model_last_change(&sim->model, in, scopes[i].key);
        last = lsn > last ? lsn : last;
    }
    return last;
}

/* That a watched key was changed: the first change since one of them was watched. */
static lsn_t first_change_of_watched(struct sim *sim, const struct client *client)
{
    lsn_t first = 0;
    for (int i = 0; i < client->watched_count; i++) {
        const struct watched *watched = &client->watched[i];
        lsn_t lsn = model_last_change(&sim->model, watched->database, watched->key);
        if (lsn > watched->since && (first == 0 || lsn < first))
            first = lsn;
    }
    return first;
}

static void forget_transaction(struct client *client)
{
    client->scope_count = 0;
    client->watched_count = 0;
}

static void scopes_add(struct client *client, const struct sim_command *command)
{
    for (int i = 0; i < command->scope_count; i++) {
        if (client->scope_count == client->scope_capacity) {
            client->scope_capacity = 2 * client->scope_capacity + 16;
            client->scopes = mem_realloc(client->scopes, client->scope_capacity * sizeof(*client->scopes));
        }
        struct command_scope scope = command->scopes[i];
        if (scope.database < 0)
            scope.database = (int8_t)client->multi_database;
        client->scopes[client->scope_count++] = scope;
    }
}

static void watch_keys(struct sim *sim, struct client *client, const struct sim_command *command)
{
    for (int i = 0; i < command->scope_count && client->watched_count < COMMAND_KEYS_MAX; i++)
        client->watched[client->watched_count++] = (struct watched){
            client->session->database, command->scopes[i].key, journal_executed(sim->journal)};
}

/* The LSN that the reply of a command without a unit of its own tells of; and keeps track of transactions. */
static lsn_t judge(struct sim *sim, struct client *client, const struct sim_command *command,
                   const char *reply)
{
    lsn_t shown = 0;
    if (begins_with(reply, "+QUEUED")) {
        scopes_add(client, command);
        if (command->kind == COMMAND_SELECT)
            client->multi_database = command->select;
        return 0;
    }
    switch (command->kind) {
    case COMMAND_MULTI:
        if (begins_with(reply, "+OK"))
            client->multi_database = client->session->database;
        return 0;
    case COMMAND_EXEC:
        if (begins_with(reply, "*-1") || begins_with(reply, "_"))
            shown = first_change_of_watched(sim, client);
        else if (begins_with(reply, "*"))
            shown = last_change(sim, client->scopes, client->scope_count, 0);
        if (!begins_with(reply, "-ERR EXEC"))
            forget_transaction(client);
        return shown;
    case COMMAND_DISCARD:
        if (begins_with(reply, "+OK"))
            forget_transaction(client);
        return 0;
    case COMMAND_RESET: forget_transaction(client); return 0;
    case COMMAND_WATCH:
        if (begins_with(reply, "+OK"))
            watch_keys(sim, client, command);
        return 0;
    case COMMAND_PLAIN:
        if (tells_nothing(reply))
            return 0;
        return last_change(sim, command->scopes, (size_t)command->scope_count, client->session->database);
    default: return 0;
    }
}

/* Of a command without a unit: what has to be acknowledged before its reply goes, under every policy. A write
 * that had nothing to do says that the state is as it should be, and EXEC that it did nothing because of
 * somebody's write. */
static lsn_t leans_on(const struct client *client, const struct sim_command *command, const char *reply,
                      lsn_t shown)
{
    if (shown == 0)
        return 0;
    if (command->kind == COMMAND_EXEC)
        return begins_with(reply, "*-1") || begins_with(reply, "_") ? shown : 0;
    return client->session->last_command->row->flags & CMD_WRITE ? shown : 0;
}

static void promise_gone(struct promise *promise, const struct model_place *place, int64_t expire_ms,
                         lsn_t version)
{
    if (promise->gone_count < GONE_MAX)
        promise->gone[promise->gone_count++] = (struct shown_gone){*place, expire_ms, version};
}

/* Of a key that is there: those of its parts that the reply shows as gone. */
static void show_parts_gone(struct sim *sim, struct promise *promise, const struct entry *entry,
                            struct model_place place, uint64_t shown)
{
    const struct type *type = model_types[entry_type(entry)];
    struct type_part parts[MODEL_PARTS_MAX] = {0};
    if (!type->parts)
        return;
    if (type->has_passed(entry, sim->world->now_ms))
        shown = UINT64_MAX;
    if (shown)
        type->parts(entry, parts);
    for (place.part = 0; shown && place.part < MODEL_PARTS_MAX; place.part++)
        if ((shown >> place.part & 1) && parts[place.part].digest &&
            expire_has_passed(parts[place.part].expire_ms, sim->world->now_ms))
            promise_gone(promise, &place, parts[place.part].expire_ms,
                         model_last_part_change(&sim->model, &place));
}

static void show_gone(struct sim *sim, struct promise *promise, int database, int key, uint64_t parts)
{
    struct store *store = sim->world->store;
    struct slice name = model_key_name(key);
    struct entry *entry = database_find(store_database(store, database), name, store_hash(store, name));
    struct model_place place = {database, key, -1};
    if (entry && expire_has_passed(entry_expire_ms(entry), sim->world->now_ms))
        promise_gone(promise, &place, entry_expire_ms(entry), model_last_change(&sim->model, database, key));
    else if (entry)
        show_parts_gone(sim, promise, entry, place, parts);
}

/* Keys whose time has passed, and that are still in the store: a reply that tells of them tells that they are
 * gone. The same for parts of their values. On a full disk that is not put on record. */
static void note_gone(struct sim *sim, const struct client *client, const struct sim_command *command,
                      const char *reply, struct promise *promise)
{
    bool is_exec = command->kind == COMMAND_EXEC;
    bool tells = (is_exec && begins_with(reply, "*") && !begins_with(reply, "*-1")) ||
                 (command->kind == COMMAND_PLAIN && !begins_with(reply, "-") && !tells_nothing(reply));
    if (!tells || !journal_note_fits(sim->journal))
        return;
    const struct command_scope *scopes = is_exec ? client->scopes : command->scopes;
    size_t count = is_exec ? client->scope_count : (size_t)command->scope_count;
    for (size_t i = 0; i < count; i++) {
        int database = scopes[i].database < 0 ? client->session->database : scopes[i].database;
        if (!scopes[i].shows)
            continue;
        if (scopes[i].key >= 0)
            show_gone(sim, promise, database, scopes[i].key, scopes[i].parts);
        for (int key = 0; key < MODEL_KEYS_MAX && scopes[i].key < 0; key++)
            show_gone(sim, promise, database, key, 0);
    }
    sim->counts->gone += (uint64_t)promise->gone_count;
}

/* A reply was queued from begin on; unit is the LSN of the unit that the command wrote, 0 if it wrote none.
 */
static void note_reply(struct sim *sim, struct client *client, const struct sim_command *command,
                       uint64_t begin, lsn_t unit)
{
    char reply[REPLY_PEEK];
    client->noted = client->output.queued;
    if (client->output.queued == begin)
        return;
    reply_peek(client, begin, reply);
    struct promise promise = {.begin = begin, .end = client->output.queued};
    note_gone(sim, client, command, reply, &promise);
    lsn_t shown = judge(sim, client, command, reply);
    lsn_t acknowledged = unit ? unit : leans_on(client, command, reply, shown);
    if (unit)
        client->last_write = unit;
    if (begins_with(reply, "-MISCONF")) {
        sim->counts->refused++;
        if (!command->writes)
            sim_fail(sim, "'%s', which only reads, was refused because the disk is full", command->text);
    }
    trace_line(&sim->trace, "client %d: %s -> %.*s, executed %llu", client->number, command->text,
               (int)strcspn(reply, "\r"), reply, (unsigned long long)journal_executed(sim->journal));
    promise.shown = unit ? unit : shown;
    promise.acknowledged = acknowledged;
    promise.policy = journal_policy(sim->journal);
    promise.policy_epoch = sim->policy_epoch;
    *promise_add(client) = promise;
}

/* Messages were queued: they must not tell of anything that had been executed by then and does not last. */
static void note_messages(struct sim *sim, struct client *client)
{
    lsn_t executed = journal_executed(sim->journal);
    if (client->output.queued == client->noted)
        return;
    trace_line(&sim->trace, "client %d: is sent messages, executed %llu", client->number,
               (unsigned long long)executed);
    sim->counts->messages++;
    *promise_add(client) = (struct promise){.begin = client->noted,
                                            .end = client->output.queued,
                                            .shown = executed,
                                            .is_message = sim->world->executing != NULL,
                                            .policy = journal_policy(sim->journal),
                                            .policy_epoch = sim->policy_epoch};
    client->noted = client->output.queued;
}

/* For a client outside of its own commands. */
void client_pushed(struct session *session)
{
    struct client *client = session->owner;
    struct sim *sim = session->world->owner;
    if (session != sim->world->executing)
        note_messages(sim, client);
}

/* A command has ended, its unit too: messages that it caused may tell of that. */
static void messages_settle(struct sim *sim)
{
    lsn_t executed = journal_executed(sim->journal);
    for (int i = 0; i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        struct promise *promise = client->promises + client->promise_first + client->promise_count;
        for (size_t left = client->promise_count; left > 0 && (--promise)->is_message; left--) {
            promise->shown = executed;
            promise->is_message = false;
        }
    }
}

/* WAITAOF's reply, at once or later: what it counts says whether this client's writes are durable. */
static void note_durable_reply(struct sim *sim, struct client *client, uint64_t begin)
{
    char reply[REPLY_PEEK];
    client->noted = client->output.queued;
    if (client->output.queued == begin)
        return;
    reply_peek(client, begin, reply);
    bool durable = begins_with(reply, "*2\r\n:1");
    trace_line(&sim->trace, "client %d: waitaof says %s", client->number, durable ? "durable" : "no");
    *promise_add(client) = (struct promise){.begin = begin,
                                            .end = client->output.queued,
                                            .durable = durable ? client->last_write : 0,
                                            .policy = journal_policy(sim->journal),
                                            .policy_epoch = sim->policy_epoch};
}

/* --- running ----------------------------------------------------------------------------------------------
 */

/* Runs one request; false when nothing more is to be run now. *used is moved behind it if it was run. */
static bool run_request(struct sim *sim, struct client *client, const struct request *request,
                        const struct prepared *prepared, size_t *used)
{
    struct sim_command command = client->sent[client->sent_first];
    uint64_t begin = client->output.queued;
    lsn_t before = client->session->last_write_lsn;
    uint64_t units = sim->counts->units;
    uint64_t evicted = sim->world->stats.evicted;
    enum dispatch_result result = dispatch(sim->world, client->session, request, prepared);
    messages_settle(sim);
    if (result == DISPATCH_WAIT) {
        trace_line(&sim->trace, "client %d: %s has to wait", client->number, command.text);
        if (!command.writes && !sim->world->has_unloaded && !sim->world->hiding_waits)
            sim_fail(sim, "'%s', which only reads, has to wait for the journal", command.text);
        note_messages(sim, client); /* of keys that were evicted for it */
        client->waits = true;
        *used = request->begin;
        return false;
    }
    ASSERT(client->sent_count > 0);
    client->sent_first++;
    client->sent_count--;
    *used = request->end;
    sim->counts->commands++;
    evicted = sim->world->stats.evicted - evicted;
    sim->counts->evicted += evicted;
    if (sim->counts->units > units + evicted + 1)
        sim_fail(sim, "'%s' wrote %llu units: a crash may leave part of it", command.text,
                 (unsigned long long)(sim->counts->units - units));
    lsn_t after = client->session->last_write_lsn;
    if (command.kind == COMMAND_WAITAOF && !client->session->in_multi)
        note_durable_reply(sim, client, begin);
    else
        note_reply(sim, client, &command, begin, after > before ? after : 0);
    client->closing = result == DISPATCH_CLOSE;
    return result == DISPATCH_DONE;
}

/* Runs what a batch framed. Returns whether all of it was run and the next may follow. */
static bool run_batch(struct sim *sim, struct client *client, int count, size_t *used)
{
    const struct request *requests[REQUEST_BATCH_MAX];
    struct prepared prepared[REQUEST_BATCH_MAX];
    for (int i = 0; i < count; i++)
        requests[i] = parser_request(client->parser, i);
    dispatch_prepare(sim->world, client->session, requests, prepared, count);
    for (int i = 0; i < count; i++)
        if (!run_request(sim, client, requests[i], &prepared[i], used))
            return false;
    return true;
}

void client_run(struct sim *sim, struct client *client)
{
    static const struct parser_limits limits = {.bulk_max = 512 << 20, .query_max = 1 << 30};
    client->waits = false;
    if (client->session->blocked)
        return;
    bool goes_on = true;
    while (goes_on && client->input.size > 0) {
        int count;
        size_t used;
        enum parse_end end = parser_run(client->parser, buffer_slice(&client->input), &limits, &count, &used);
        if (end == PARSE_ERROR)
            sim_fail(sim, "a command was not understood: %s", parser_error(client->parser));
        goes_on = run_batch(sim, client, count, &used) && count > 0;
        if (!goes_on)
            parser_rewind(client->parser);
        buffer_consume(&client->input, used);
    }
}

/* --- reading ----------------------------------------------------------------------------------------------
 */

static void acknowledge_everysec(struct sim *sim, lsn_t lsn)
{
    struct model_acknowledged acknowledged = {sim_disk_time(sim), sim_written_us(sim, lsn), lsn};
    model_acknowledge_everysec(&sim->model, &acknowledged);
}

/* The journal itself has to know that it lasts. (Whether it is right, crashes show.) */
static void must_be_known(struct sim *sim, const char *what, lsn_t lsn, lsn_t known)
{
    if (lsn > known)
        sim_fail(sim, "a client read what tells of LSN %llu, of which only %llu is known to be %s",
                 (unsigned long long)lsn, (unsigned long long)known, what);
}

/* The client has seen some of this reply: from now on it must be true. */
static void promise_made(struct sim *sim, const struct promise *promise)
{
    struct model *model = &sim->model;
    bool same_policy = promise->policy_epoch == sim->policy_epoch;
    sim->counts->replies++;
    must_be_known(sim, "durable", promise->durable, journal_durable(sim->journal));
    must_be_known(sim, "written", promise->acknowledged, journal_written(sim->journal));
    model_promise_power(model, promise->durable);
    model_promise_process(model, promise->acknowledged);
    if (promise->policy == SYNC_ALWAYS && same_policy) {
        must_be_known(sim, "durable", promise->shown, journal_durable(sim->journal));
        model_promise_power(model, promise->shown);
    }
    for (int i = 0; i < promise->gone_count; i++) {
        struct model_gone gone = {promise->gone[i].expire_ms, promise->gone[i].version,
                                  promise->policy == SYNC_ALWAYS && same_policy};
        model_show_gone(model, &promise->gone[i].place, &gone);
    }
    if (promise->policy == SYNC_EVERYSEC && same_policy && promise->acknowledged)
        acknowledge_everysec(sim, promise->acknowledged);
}

void client_read(struct sim *sim, struct client *client, uint64_t bytes_max)
{
    uint64_t size = output_sendable(&client->output, journal_acknowledged(sim->journal));
    if (size > bytes_max)
        size = bytes_max;
    if (size == 0)
        return;
    output_sent(&client->output, size);
    trace_line(&sim->trace, "client %d: reads %llu bytes at %lld us", client->number,
               (unsigned long long)size, (long long)sim->clock.monotonic_us);
    while (client->promise_count > 0) {
        const struct promise *promise = &client->promises[client->promise_first];
        if (promise->begin >= client->output.sent)
            break;
        promise_made(sim, promise);
        if (promise->end > client->output.sent)
            break;
        client->promise_first++;
        client->promise_count--;
    }
}
