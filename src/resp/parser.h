/* The request side of RESP2/RESP3: multi-bulk and inline commands, cut at any byte.
 *
 * The parser copies nothing: a request's arguments are slices of the input. A command that has not arrived
 * completely is remembered by offsets, so that the next call goes on where this one ended; the caller keeps
 * its bytes, from the command's first one on, at the start of the next input (at another address if it
 * likes). Protocol reference: RESP specification (redis.io, "RESP protocol description").
 *
 * Large arguments need not go through the input: one that is on its way is taken out of it
 * (parser_blob_begin), and is received straight into a blob of its own (parser_blob_room). The input then is
 * what the client sends without the bytes of that argument. */
#ifndef DKV_RESP_PARSER_H
#define DKV_RESP_PARSER_H

#include "base/blob.h"

/* An argument that was received into a blob. */
struct request_blob {
    int index; /* of the argument */
    struct blob *blob;
};

/* One command. argv and raw are valid as long as the input that was parsed, and until the next parse. */
struct request {
    int argc; /* at least 1 */
    const struct slice *argv;
    /* The bytes it came as, when those are the canonical multi-bulk form and lie together; size 0 for an
     * inline command, and where there are blobs. */
    struct slice raw;
    /* The arguments that are blobs, by index. Whoever wants to keep one takes a reference. */
    const struct request_blob *blobs;
    int blob_count;
    /* Where in the input it began and ended. */
    size_t begin;
    size_t end;
};

/* Requests framed in one go at the most. */
#define REQUEST_BATCH_MAX 64

/* Longest line: an inline command, or the number of a multi-bulk header. */
#define REQUEST_LINE_MAX 65536
/* A command of somebody who has not authenticated: room for one argument of the largest size that may come
 * then, a password, and for some short ones. */
#define UNAUTHENTICATED_QUERY_MAX 18432

struct parser_limits {
    uint64_t bulk_max; /* bytes in one argument (proto-max-bulk-len) */
    /* Bytes in one command: arguments, framing and what the parser keeps for each argument
     * (client-query-buffer-limit). Going beyond is a PARSE_ERROR, as soon as a length announces it. */
    uint64_t query_max;
    /* Tight limits, 10 arguments of 16 KiB, all of a command in UNAUTHENTICATED_QUERY_MAX, and one request in
     * one go, as that may be the one that changes it. */
    bool unauthenticated;
};

enum parse_end {
    PARSE_MORE, /* all complete requests were framed; what follows needs more bytes */
    PARSE_FULL, /* as many requests as go into one batch were framed; there may be more */
    PARSE_ERROR /* after the framed requests comes something that is no command: parser_error tells. Parsing
                 * once more from there, with the same limits, ends the same. */
};

struct parser;

struct parser *parser_new(void);
void parser_free(struct parser *parser);

/* Frames complete requests from the start of input; *count of them, to be read with parser_request. Empty
 * lines and empty arrays are consumed without a request. *consumed tells how much of the input belongs to
 * framed requests (and nothings): the next input begins there, or at the begin of a request that was not
 * executed, after parser_rewind. Two bytes end an argument or a multi-bulk header's number, whatever stands
 * in place of "\r\n", as in Redis; a NUL in a line hides the line's end. Where a line's length decides, it is
 * the same however the input was cut. */
enum parse_end parser_run(struct parser *parser, struct slice input, const struct parser_limits *limits,
                          int *count, size_t *consumed);
const struct request *parser_request(const struct parser *parser, int index);
/* The text after "-ERR ", as Redis words it: "Protocol error: invalid bulk length" and so on. */
const char *parser_error(const struct parser *parser);
/* Whether the bad input was an HTTP request (POST or Host:), which is closed without an answer and logged. */
bool parser_saw_http(const struct parser *parser);
/* Whether it was a command beyond query_max. */
bool parser_saw_too_large(const struct parser *parser);
/* Forgets a partly seen command: the next input begins at a command's first byte. */
void parser_rewind(struct parser *parser);
/* Gives back what the framed requests took beyond a little; they are no longer valid. For when they have been
 * executed and the connection may rest. */
void parser_trim(struct parser *parser);
/* Forgets all, for another connection. Keeps the room that a batch of ordinary commands takes. */
void parser_reuse(struct parser *parser);
/* The blob of an argument in some request, NULL when the argument has none. */
struct blob *request_blob_find(const struct request_blob *blobs, int count, int index);

/* When parser_run has ended with PARSE_MORE, all that it framed has been executed, parser_trim was called and
 * rest is what was not consumed: if an argument of size_min bytes or more (at least BLOB_MIN) is being
 * received, begins to receive it into a blob, to which what there is of it in rest is moved. *kept: so many
 * bytes of rest stay input. False when there is no memory for the blob; nothing has changed then. */
bool parser_blob_begin(struct parser *parser, struct slice rest, size_t size_min, size_t *kept);
/* Whether the next bytes belong to a blob, and not to the input. */
bool parser_blob_wants(const struct parser *parser);
/* Where they are to be put: *size at the most, at least one. NULL when there is no memory for them. */
char *parser_blob_room(struct parser *parser, size_t *size);
void parser_blob_received(struct parser *parser, size_t size);
/* The first of the framed requests could not be executed: the next input begins with it once more. Returns
 * whether the parser has blobs for it and so must be used for that input; if not, it may be forgotten. */
bool parser_put_back(struct parser *parser, const struct request *request);
/* Drops the references to the blobs of a request that was executed, so that whoever took one may be their
 * only owner. */
void parser_blobs_drop(struct parser *parser, const struct request *request);

/* How many more bytes the command being received is known to need at least (0: unknown): to size a read. Told
 * by the argument being received. */
uint64_t parser_wants(const struct parser *parser);
/* Bytes the parser holds for itself, for CLIENT LIST (argv-mem) and limits; without blobs. */
size_t parser_memory(const struct parser *parser);
/* Bytes of the command being received that are in blobs. */
size_t parser_blob_size(const struct parser *parser);

#endif
