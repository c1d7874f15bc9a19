/* Writes JSON (RFC 8259) to a buffer. Commas are put where they belong; names and nesting are the caller's.
 */
#ifndef DKV_HTTP_JSON_WRITER_H
#define DKV_HTTP_JSON_WRITER_H

#include "base/bytes.h"

/* name: the member's; NULL in an array and at the top. */
void json_write_object(struct buffer *out, const char *name);
void json_write_object_end(struct buffer *out);
void json_write_array(struct buffer *out, const char *name);
void json_write_array_end(struct buffer *out);
void json_write_uint(struct buffer *out, const char *name, uint64_t value);
void json_write_int(struct buffer *out, const char *name, int64_t value);
/* What is no number in JSON (infinity, NaN) is null. */
void json_write_real(struct buffer *out, const char *name, double value);
void json_write_bool(struct buffer *out, const char *name, bool value);
void json_write_null(struct buffer *out, const char *name);
/* Any bytes: what is not UTF-8 is shown as \xHH, so that the text is for people, not to be read back. Nothing
 * in it can end a script or begin an element where JSON is put into a page. */
void json_write_text(struct buffer *out, const char *name, struct slice value);

#endif
