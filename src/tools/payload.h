/* The commands in a frame's payload, and how they make units. */
#ifndef DKV_TOOLS_PAYLOAD_H
#define DKV_TOOLS_PAYLOAD_H

#include "journal/frame.h"
#include "resp/parser.h"
#include "resp/request.h"

enum stream_command_kind { COMMAND_EFFECT, COMMAND_SELECT, COMMAND_MULTI, COMMAND_EXEC };

struct stream_command {
    enum stream_command_kind kind;
    /* Valid during the visit. The data of an argument that lies in a file of its own is NULL, and value is
     * the frame's first reference that is one of its arguments. */
    const struct request *request;
    uint32_t value;
    lsn_t lsn; /* of its first byte */
    lsn_t lsn_end;
    int database;   /* selected when it runs; behind a SELECT, the one that it selects */
    bool in_unit;   /* between MULTI and EXEC, which are so too */
    bool ends_unit; /* the stream may be cut behind it */
};

/* False ends the reading of this payload. */
typedef bool payload_visit(void *context, const struct stream_command *command);

struct payload_reader {
    struct parser *parser;
    int database; /* selected behind what was read */
    int expected; /* with which the log's next frame has to begin; -1: not known */
    bool in_unit;
};

void payload_reader_open(struct payload_reader *reader);
void payload_reader_close(struct payload_reader *reader);
/* Visits every command of a frame. Returns NULL, or what is wrong with its payload: then the commands before
 * the bad place were visited. visit may be NULL. */
const char *payload_each(struct payload_reader *reader, const struct frame *frame, payload_visit *visit,
                         void *context);
/* The same for a frame of the log, which has to begin with the database that the one before it left selected.
 */
const char *payload_each_of_log(struct payload_reader *reader, const struct frame *frame,
                                payload_visit *visit, void *context);
/* What comes next does not follow what was read. */
void payload_reader_forget(struct payload_reader *reader);
/* A command's kind by its name and its number of arguments. */
enum stream_command_kind request_kind(const struct request *request);
/* The number that a SELECT selects. False when it is none. */
bool request_selected(const struct request *request, int *database);

#endif
