/* The small languages inside a request: percent-encoding. */
#ifndef DKV_HTTP_TEXT_H
#define DKV_HTTP_TEXT_H

#include "base/bytes.h"

/* Appends what text stands for. False when a "%" is not followed by two hexadecimal digits. */
bool percent_decode(struct slice text, struct buffer *out);

#endif
