/* What the routes share that answer in JSON (many.c). A text that is no valid UTF-8 appears in it as
 * {"base64": "..."}. */
#ifndef DKV_HTTP_MANY_H
#define DKV_HTTP_MANY_H

#include "http/request.h"

/* Of lists: how many are asked for at a time, if the request does not say, and at the most. */
#define HTTP_COUNT_STANDARD "100"
#define HTTP_COUNT_MAX      1000

/* Appends the bulk string of a reply. */
void json_append_bulk(struct buffer *out, const struct reply_reader *reader, const struct reply_value *value);
/* Answers with it, or that too much is being told. text gets a newline. */
void http_answer_json(struct http_request *request, struct buffer *text);
/* Runs a command whose reply is told in JSON, or answers that it is too large: in these words. */
enum http_result http_run_limited(struct http_request *request, int argc, const struct slice *argv,
                                  struct reply_reader *reader, const char *too_large);
/* Reads a parameter of the query, or what stands for it where it is not there. False, answered, when it is
 * not encoded as it should be. */
bool http_parameter(struct http_request *request, const char *name, const char *standard, struct buffer *out);
/* Whether so many may be asked for. False: answered. */
bool http_count_check(struct http_request *request, struct slice count);

#endif
