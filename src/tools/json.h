/* Writes JSON (RFC 8259): one value on one line. Commas are put where they belong; names and nesting are the
 * caller's. */
#ifndef DKV_TOOLS_JSON_H
#define DKV_TOOLS_JSON_H

#include <stdio.h>

#include "base/bytes.h"
#include "tools/log.h"

struct json {
    FILE *out;
    bool need_comma;
};

/* name: the member's; NULL in an array and at the top. */
void json_object(struct json *json, const char *name);
void json_object_end(struct json *json);
void json_array(struct json *json, const char *name);
void json_array_end(struct json *json);
void json_uint(struct json *json, const char *name, uint64_t value);
void json_int(struct json *json, const char *name, int64_t value);
void json_real(struct json *json, const char *name, double value);
void json_bool(struct json *json, const char *name, bool value);
void json_text(struct json *json, const char *name, const char *value);
/* A string where the bytes are UTF-8; {"hex":"00ff"} where they are not, so that nothing is lost. */
void json_bytes(struct json *json, const char *name, struct slice value);
/* Ends the line. */
void json_end(struct json *json);

/* As tool_fail, and where JSON was asked for, writes an object that says so in the place of the one that was
 * expected. */
int json_fail(struct tool *tool, const char *error);

#endif
