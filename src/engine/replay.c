/* Replay: turns the frames that recovery reads back into changes of the store. */
#include <stdio.h>

#include "base/memory.h"
#include "engine/private.h"

struct replay {
    struct world *world;
    struct session *session;
    struct output output;
    struct parser *parser;
    uint64_t commands;
    int database; /* selected at the end of the last frame of the log; -1: none was seen */
    char error[256];
};

struct replay *replay_new(struct world *world)
{
    struct replay *replay = mem_alloc_zero(sizeof(*replay));
    replay->world = world;
    replay->session = session_new(world, &replay->output, NULL);
    replay->session->replaying = true;
    replay->session->authenticated = true;
    replay->parser = parser_new();
    replay->database = -1;
    output_set_discard(&replay->output, true);
    return replay;
}

/* Frames hold whole units and are valid as a whole, so what MULTI and EXEC enclose is there in full: they
 * need no queueing at replay. */
static bool is_unit_bracket(const struct request *request)
{
    return request->argc == 1 && (slice_is(request->argv[0], "multi") || slice_is(request->argv[0], "exec"));
}

static const char *replay_batch(struct replay *replay, int count)
{
    const struct request *requests[REQUEST_BATCH_MAX];
    struct prepared prepared[REQUEST_BATCH_MAX];
    for (int i = 0; i < count; i++)
        requests[i] = parser_request(replay->parser, i);
    dispatch_prepare(replay->world, replay->session, requests, prepared, count);
    for (int i = 0; i < count; i++) {
        if (is_unit_bracket(requests[i]))
            continue;
        const char *error = dispatch_replay(replay->world, replay->session, requests[i], &prepared[i]);
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

const char *replay_frame(void *context, enum journal_source source, const struct frame *frame)
{
    struct replay *replay = context;
    const struct parser_limits limits = {.bulk_max = UINT64_MAX / 4, .query_max = UINT64_MAX / 4};
    if (frame->database >= store_database_count(replay->world->store))
        return "it selects a database beyond the configured number of databases";
    if (source == SOURCE_LOG && replay->database >= 0 && replay->database != frame->database)
        return "it assumes another database than the one that the frame before it left selected";
    replay->session->database = frame->database;
    parser_rewind(replay->parser);
    struct slice rest = frame->payload;
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
    if (source == SOURCE_LOG)
        replay->database = replay->session->database;
    return NULL;
}

uint64_t replay_commands(const struct replay *replay)
{
    return replay->commands;
}

int replay_database(const struct replay *replay)
{
    return replay->database;
}

void replay_free(struct replay *replay)
{
    session_free(replay->session);
    output_free(&replay->output);
    parser_free(replay->parser);
    mem_free(replay);
}
