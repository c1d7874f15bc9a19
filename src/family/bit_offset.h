/* What the bitmap commands share. Private to them. */
#ifndef DKV_FAMILY_BIT_OFFSET_H
#define DKV_FAMILY_BIT_OFFSET_H

#include "command/call.h"

/* Reads the number of a bit, which has to lie within the largest string; the stream is obeyed whatever that
 * is now. Where field_bits is not 0, #n is the n-th field of so many bits. Replies the error and returns
 * false. */
bool call_bit_offset(struct call *call, int index, unsigned field_bits, uint64_t *offset);

#endif
