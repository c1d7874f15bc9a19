#include "tools/payload.h"

#include "base/number.h"

void payload_reader_open(struct payload_reader *reader)
{
    *reader = (struct payload_reader){.parser = parser_new(), .expected = -1};
}

void payload_reader_close(struct payload_reader *reader)
{
    parser_free(reader->parser);
    reader->parser = NULL;
}

enum stream_command_kind request_kind(const struct request *request)
{
    if (request->argc == 1 && slice_is(request->argv[0], "multi"))
        return COMMAND_MULTI;
    if (request->argc == 1 && slice_is(request->argv[0], "exec"))
        return COMMAND_EXEC;
    if (request->argc == 2 && slice_is(request->argv[0], "select"))
        return COMMAND_SELECT;
    return COMMAND_EFFECT;
}

bool request_selected(const struct request *request, int *database)
{
    int64_t number;
    if (!int64_parse(request->argv[1], &number) || number < 0 || number > UINT16_MAX)
        return false;
    *database = (int)number;
    return true;
}

/* Moves the reader behind a command and fills in what it is. Returns what is wrong with it, or NULL. */
static const char *take_command(struct payload_reader *reader, struct stream_command *command)
{
    command->kind = request_kind(command->request);
    switch (command->kind) {
    case COMMAND_MULTI:
        if (reader->in_unit)
            return "it holds a MULTI within a unit";
        reader->in_unit = true;
        break;
    case COMMAND_EXEC:
        if (!reader->in_unit)
            return "it holds an EXEC without a MULTI";
        break;
    case COMMAND_SELECT:
        if (!request_selected(command->request, &reader->database))
            return "it selects what is no database";
        break;
    default: break;
    }
    command->database = reader->database;
    command->in_unit = reader->in_unit;
    if (command->kind == COMMAND_EXEC)
        reader->in_unit = false;
    command->ends_unit = !reader->in_unit;
    return NULL;
}

const char *payload_each(struct payload_reader *reader, struct slice payload, lsn_t lsn, int database,
                         payload_visit *visit, void *context)
{
    const struct parser_limits limits = {.bulk_max = UINT64_MAX / 4, .query_max = UINT64_MAX / 4};
    reader->database = database;
    reader->in_unit = false;
    parser_rewind(reader->parser);
    while (payload.size > 0) {
        int count;
        size_t consumed;
        enum parse_end end = parser_run(reader->parser, payload, &limits, &count, &consumed);
        for (int i = 0; i < count; i++) {
            const struct request *request = parser_request(reader->parser, i);
            struct stream_command command = {
                .request = request, .lsn = lsn + request->begin, .lsn_end = lsn + request->end};
            const char *wrong = take_command(reader, &command);
            if (wrong)
                return wrong;
            if (visit && !visit(context, &command))
                return NULL;
        }
        if (end == PARSE_ERROR)
            return parser_error(reader->parser);
        payload = slice_make(payload.data + consumed, payload.size - consumed);
        lsn += consumed;
        if (end == PARSE_MORE && payload.size > 0)
            return "it ends within a command";
    }
    return reader->in_unit ? "it ends within a unit" : NULL;
}

const char *payload_each_of_log(struct payload_reader *reader, const struct frame *frame,
                                payload_visit *visit, void *context)
{
    if (frame->kind != FRAME_DATA)
        return NULL;
    bool follows = reader->expected < 0 || reader->expected == frame->database;
    const char *wrong = payload_each(reader, frame->payload, frame->lsn, frame->database, visit, context);
    reader->expected = wrong ? -1 : reader->database;
    if (!follows && !wrong)
        wrong = "it assumes another database than the one that the frame before it left selected";
    return wrong;
}

void payload_reader_forget(struct payload_reader *reader)
{
    reader->expected = -1;
}
