/* What commands ask of their arguments. Each function replies the error that Redis does, and returns false.
 */
#ifndef DKV_COMMAND_ARGS_H
#define DKV_COMMAND_ARGS_H

#include "command/call.h"

/* Replies an argument as a bulk string; a large one is not copied. */
void call_reply_argument(struct call *call, int index);

/* Whether any argument from this index on is one of these words, in any case; NULL ends them. */
bool arguments_have(int argc, const struct slice *argv, int first, const char *const *words);

/* As much of a client's word as errors show, for "%.*s": it is cut at QUOTE_MAX, and at a NUL. */
#define QUOTE_MAX 128
int quote_size(struct slice word);
bool call_int(struct call *call, int index, int64_t *value); /* value is not an integer or out of range */
bool call_int_range(struct call *call, int index, int64_t min, int64_t max, int64_t *value,
                    const char *error);
bool call_long_double(struct call *call, int index, long double *value);
bool call_database_index(struct call *call, int index, int *database, const char *error);
/* A number of milliseconds from now on, as a moment of the steady clock. */
bool call_deadline(struct call *call, int index, int64_t *deadline_ms);
/* Whether there is memory for values of so many bytes, for commands that could not undo what they did. */
bool call_memory(struct call *call, size_t size);
void call_memory_error(struct call *call);
void call_syntax_error(struct call *call);
void call_arity_error(struct call *call);
/* "ERR unknown subcommand or wrong number of arguments for 'x'. Try X HELP." */
void call_subcommand_error(struct call *call);
/* Replies an array of lines as HELP commands do, with the usual header and footer. */
void call_help(struct call *call, const char *const *lines);

#endif
