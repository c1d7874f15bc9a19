/* Replay: turns the frames that recovery reads back into changes of the store. */
#include <stdio.h>

#include "base/memory.h"
#include "engine/private.h"
#include "resp/request.h"

struct replay {
    struct world *world;
    struct session *session;
    struct output output;
    struct parser *parser;
    uint64_t commands;
    uint64_t log_commands; /* of them, those that a base would make superfluous */
    int database;          /* selected at the end of the last frame of the log; -1: none was seen */
    uint64_t base_bytes;
    int filling;           /* the database that the base's frames are filling; -1: none, or no more */
    uint64_t filled_bytes; /* of them so far */
    size_t expected;       /* keys that it has room for */
    char wrong[160];       /* with a command's form */
    char error[256];
};

struct replay *replay_new(struct world *world, uint64_t base_bytes)
{
    struct replay *replay = mem_alloc_zero(sizeof(*replay));
    replay->world = world;
    replay->session = session_new(world, &replay->output, NULL);
    replay->session->origin = &origin_stream;
    replay->parser = parser_new();
    replay->database = -1;
    replay->base_bytes = base_bytes;
    replay->filling = -1;
    output_set_discard(&replay->output, true);
    return replay;
}

/* Frames hold whole units and are valid as a whole, so what MULTI and EXEC enclose is there in full: they
 * need no queueing at replay. */
static bool is_unit_bracket(const struct prepared *prepared)
{
    return prepared->entry && (prepared->entry->row->traits & TRAIT_UNIT_BRACKET);
}

static const char *wrong_form(struct replay *replay, const struct request *request,
                              const struct command_entry *entry)
{
    struct buffer error = {0};
    const char *told = NULL;
    if (!dispatch_check(replay->world, replay->session, entry, request->argc, request->argv, &error)) {
        told = replay->wrong;
        snprintf(replay->wrong, sizeof(replay->wrong), "%.*s", (int)error.size, error.data);
    }
    buffer_free(&error);
    return told;
}

/* NULL, or what is wrong with the command. */
static const char *replay_command(struct replay *replay, const struct request *request,
                                  const struct prepared *prepared)
{
    const char *wrong = wrong_form(replay, request, prepared->entry);
    if (wrong)
        return wrong;
    struct reply reply = {.output = &replay->output, .protocol = 2};
    struct call call = {.argc = request->argc,
                        .argv = request->argv,
                        .raw = request->raw,
                        .blobs = request->blobs,
                        .blob_count = request->blob_count,
                        .key_hash = prepared->key_hash,
                        .reply = &reply,
                        .command = prepared->entry};
    wrong = dispatch_run(replay->world, replay->session, &call);
    return wrong || reply.errors == 0 ? wrong : "the command replied an error";
}

static const char *replay_requests(struct replay *replay, const struct request *requests[], int count)
{
    struct prepared prepared[REQUEST_BATCH_MAX];
    dispatch_prepare(replay->world, replay->session, requests, prepared, count);
    for (int i = 0; i < count; i++) {
        if (is_unit_bracket(&prepared[i]))
            continue;
        const char *error = replay_command(replay, requests[i], &prepared[i]);
        if (error) {
            struct slice name = requests[i]->argv[0];
            snprintf(replay->error, sizeof(replay->error), "command %.*s: %s",
                     (int)(name.size < 64 ? name.size : 64), name.data, error);
            return replay->error;
        }
        replay->commands++;
    }
    return NULL;
}

static const char *replay_batch(struct replay *replay, int count)
{
    const struct request *requests[REQUEST_BATCH_MAX];
    for (int i = 0; i < count; i++)
        requests[i] = parser_request(replay->parser, i);
    return replay_requests(replay, requests, count);
}

/* How many times as many keys as there are may be expected: what follows may belong to another database. */
#define EXPECTED_FACTOR 64

/* Before a frame: the room that a database was given ahead of its keys is no more than it needs now. */
static void replay_fill(struct replay *replay, int database)
{
    if (replay->filling == database)
        return;
    if (replay->filling >= 0)
        database_expect(store_database(replay->world->store, replay->filling), 0);
    replay->filling = database;
    replay->filled_bytes = replay->expected = 0;
}

/* After a frame of the base: expects as many keys as what is left of the base seems to hold. A base has its
 * keys in the order of their hashes, so what was read of a database is a fair sample of it. Not
 * splitting buckets one by one, which reads each key twice or more, loads a base of 2 million keys in 0.38 s
 * instead of 0.49. */
static void replay_expect(struct replay *replay, const struct frame *frame)
{
    struct database *db = store_database(replay->world->store, replay->filling);
    size_t size = database_size(db);
    uint64_t read = frame->lsn + frame->payload.size;
    replay->filled_bytes += frame->payload.size;
    if (size < replay->expected - replay->expected / 8 || read >= replay->base_bytes)
        return;
    double left = (double)(replay->base_bytes - read) / (double)replay->filled_bytes;
    double expected = (double)size * (1 + (left < EXPECTED_FACTOR ? left : EXPECTED_FACTOR));
    replay->expected = (size_t)expected;
    database_expect(db, replay->expected);
}

/* --- frames with values left out ----------------------------------------------------------------------- */

/* Takes the blobs of a command's values, which are read only if they are needed. */
static const char *take_blobs(struct replay *replay, const struct frame *frame,
                              const struct request_reader *reader, struct slice *argv,
                              struct request_blob *blobs)
{
    for (size_t gap = reader->first_gap; gap < reader->next_gap; gap++) {
        const char *wrong;
        struct value_reference value = frame_value(frame, (uint32_t)gap);
        struct blob *blob = journal_value_blob(replay->world->value_journal, &value, &wrong);
        if (!blob)
            return wrong;
        int index = reader->gap_arguments[gap - reader->first_gap];
        blobs[gap - reader->first_gap] = (struct request_blob){index, blob};
        /* What the store does not keep as a blob it copies. */
        if (blob->size < BLOB_MIN && (wrong = journal_value_load(replay->world->value_journal, blob)) != NULL)
            return wrong;
        argv[index] = blob_slice(blob);
    }
    return NULL;
}

static const char *replay_gapped(struct replay *replay, const struct frame *frame,
                                 const struct request_reader *reader)
{
    size_t count = reader->next_gap - reader->first_gap;
    struct request_blob *blobs = mem_alloc_zero((count + 1) * sizeof(*blobs));
    const char *error = take_blobs(replay, frame, reader, reader->argv, blobs);
    struct request request = {
        .argc = reader->argc, .argv = reader->argv, .blobs = blobs, .blob_count = (int)count};
    if (!error)
        error = replay_requests(replay, (const struct request *[]){&request}, 1);
    for (size_t i = 0; i < count; i++)
        blob_drop(blobs[i].blob);
    mem_free(blobs);
    return error;
}

static const char *replay_values(struct replay *replay, const struct frame *frame)
{
    uint32_t count = frame_value_count(frame);
    struct request_gap *gaps = mem_alloc(count * sizeof(*gaps));
    for (uint32_t i = 0; i < count; i++) {
        struct value_reference value = frame_value(frame, i);
        gaps[i] = (struct request_gap){value.offset, value.size};
    }
    struct request_reader reader = {.text = frame_text(frame), .gaps = gaps, .gap_count = count};
    const char *error = NULL;
    enum request_read read = REQUEST_READ;
    while (!error && (read = request_reader_next(&reader)) == REQUEST_READ)
        error = replay_gapped(replay, frame, &reader);
    if (!error && read == REQUEST_WRONG)
        error = "its commands are not in the form in which they are written";
    request_reader_free(&reader);
    mem_free(gaps);
    return error;
}

static const char *replay_text(struct replay *replay, struct slice rest)
{
    const struct parser_limits limits = {.bulk_max = UINT64_MAX / 4, .query_max = UINT64_MAX / 4};
    parser_rewind(replay->parser);
    while (rest.size) {
        int count;
        size_t consumed;
        enum parse_end end = parser_run(replay->parser, rest, &limits, &count, &consumed);
        const char *error = replay_batch(replay, count);
        if (error)
            return error;
        if (end == PARSE_ERROR)
            return parser_error(replay->parser);
        rest = slice_make(rest.data + consumed, rest.size - consumed);
        if (end == PARSE_MORE && rest.size)
            return "it ends within a command";
    }
    return NULL;
}

const char *replay_frame(void *context, enum journal_source source, const struct frame *frame)
{
    struct replay *replay = context;
    if (frame->database >= store_database_count(replay->world->store))
        return "it selects a database beyond the configured number of databases";
    if (source == SOURCE_LOG && replay->database >= 0 && !frame_follows(frame, replay->database))
        return "it assumes another database than the one that the frame before it left selected";
    replay->session->database = frame->database;
    replay_fill(replay, source == SOURCE_BASE ? frame->database : -1);
    uint64_t before = replay->commands;
    const char *error =
        frame->kind == FRAME_VALUES ? replay_values(replay, frame) : replay_text(replay, frame->payload);
    if (error)
        return error;
    if (source == SOURCE_LOG) {
        replay->database = replay->session->database;
        replay->log_commands += replay->commands - before;
    } else {
        replay_expect(replay, frame);
    }
    return NULL;
}

uint64_t replay_commands(const struct replay *replay)
{
    return replay->commands;
}

uint64_t replay_log_commands(const struct replay *replay)
{
    return replay->log_commands;
}

int replay_database(const struct replay *replay)
{
    return replay->database;
}

void replay_free(struct replay *replay)
{
    replay_fill(replay, -1);
    session_free(replay->session);
    output_free(&replay->output);
    parser_free(replay->parser);
    mem_free(replay);
}
