#include "tools/payload.h"

#include "base/memory.h"
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

/* False when the visitor ended it, or something is wrong. */
static bool pass_command(struct payload_reader *reader, struct stream_command *command, payload_visit *visit,
                         void *context, const char **wrong)
{
    *wrong = take_command(reader, command);
    return !*wrong && (!visit || visit(context, command));
}

static const char *each_whole(struct payload_reader *reader, const struct frame *frame, payload_visit *visit,
                              void *context, bool *ended)
{
    const struct parser_limits limits = {.bulk_max = UINT64_MAX / 4, .query_max = UINT64_MAX / 4};
    struct slice payload = frame->payload;
    lsn_t lsn = frame->lsn;
    parser_rewind(reader->parser);
    while (payload.size > 0) {
        int count;
        size_t consumed;
        enum parse_end end = parser_run(reader->parser, payload, &limits, &count, &consumed);
        for (int i = 0; i < count; i++) {
            const char *wrong;
            const struct request *request = parser_request(reader->parser, i);
            struct stream_command command = {
                .request = request, .lsn = lsn + request->begin, .lsn_end = lsn + request->end};
            *ended = !pass_command(reader, &command, visit, context, &wrong);
            if (*ended)
                return wrong;
        }
        if (end == PARSE_ERROR)
            return parser_error(reader->parser);
        payload = slice_make(payload.data + consumed, payload.size - consumed);
        lsn += consumed;
        if (end == PARSE_MORE && payload.size > 0)
            return "it ends within a command";
    }
    return NULL;
}

static const char *each_gapped(struct payload_reader *reader, const struct frame *frame,
                               struct request_reader *requests, payload_visit *visit, void *context,
                               bool *ended)
{
    lsn_t lsn = frame->lsn;
    size_t begin = 0;
    enum request_read read;
    while ((read = request_reader_next(requests)) == REQUEST_READ) {
        const char *wrong;
        struct request request = {.argc = requests->argc, .argv = requests->argv};
        struct stream_command command = {.request = &request, .lsn = lsn};
        lsn += requests->at - begin;
        begin = requests->at;
        for (size_t i = requests->first_gap; i < requests->next_gap; i++)
            lsn += requests->gaps[i].size;
        command.lsn_end = lsn;
        command.value = (uint32_t)requests->first_gap;
        *ended = !pass_command(reader, &command, visit, context, &wrong);
        if (*ended)
            return wrong;
    }
    return read == REQUEST_WRONG ? "its commands are not in the form in which they are written" : NULL;
}

static const char *each_with_values(struct payload_reader *reader, const struct frame *frame,
                                    payload_visit *visit, void *context, bool *ended)
{
    uint32_t count = frame_value_count(frame);
    struct request_gap *gaps = mem_alloc(count * sizeof(*gaps));
    for (uint32_t i = 0; i < count; i++) {
        struct value_reference value = frame_value(frame, i);
        gaps[i] = (struct request_gap){value.offset, value.size};
    }
    struct request_reader requests = {.text = frame_text(frame), .gaps = gaps, .gap_count = count};
    const char *wrong = each_gapped(reader, frame, &requests, visit, context, ended);
    request_reader_free(&requests);
    mem_free(gaps);
    return wrong;
}

const char *payload_each(struct payload_reader *reader, const struct frame *frame, payload_visit *visit,
                         void *context)
{
    bool ended = false;
    reader->database = frame->database;
    reader->in_unit = false;
    const char *wrong = frame->kind == FRAME_VALUES ? each_with_values(reader, frame, visit, context, &ended)
                                                    : each_whole(reader, frame, visit, context, &ended);
    return wrong || ended || !reader->in_unit ? wrong : "it ends within a unit";
}

const char *payload_each_of_log(struct payload_reader *reader, const struct frame *frame,
                                payload_visit *visit, void *context)
{
    if (!frame_has_units(frame))
        return NULL;
    bool follows = reader->expected < 0 || frame_follows(frame, reader->expected);
    const char *wrong = payload_each(reader, frame, visit, context);
    reader->expected = wrong ? -1 : reader->database;
    if (!follows && !wrong)
        wrong = "it assumes another database than the one that the frame before it left selected";
    return wrong;
}

void payload_reader_forget(struct payload_reader *reader)
{
    reader->expected = -1;
}
