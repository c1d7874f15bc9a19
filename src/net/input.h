/* The bytes of one connection that were received and not yet run. Most of the time there are none and it owns
 * nothing. */
#ifndef DKV_NET_INPUT_H
#define DKV_NET_INPUT_H

#include "base/bytes.h"

/* All zero is an empty one. */
struct input {
    char *data;
    size_t begin; /* where the bytes that count begin */
    size_t end;
    size_t capacity;
};

static inline size_t input_size(const struct input *input)
{
    return input->end - input->begin;
}

static inline struct slice input_slice(const struct input *input)
{
    return slice_make(input->data == NULL ? NULL : input->data + input->begin, input_size(input));
}

/* Keeps rest and nothing else, whether it lies in the input itself or elsewhere; an empty rest frees the
 * memory. False when there is no memory: then the input is as it was. */
bool input_keep(struct input *input, struct slice rest);
/* Makes room for at least size bytes at the end, moving what there is to the front and growing if need be.
 * False when there is no memory. */
bool input_reserve(struct input *input, size_t size);
void input_free(struct input *input);

#endif
