/* Writes commands as clients send them: canonical multi-bulk form. The journal's stream and bases are made of
 * these. */
#ifndef DKV_RESP_REQUEST_H
#define DKV_RESP_REQUEST_H

#include "base/bytes.h"

void request_append(struct buffer *buffer, int argc, const struct slice *argv);

#endif
