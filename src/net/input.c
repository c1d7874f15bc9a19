#include "net/input.h"

#include "base/diag.h"
#include "base/memory.h"

/* A buffer above this size that a rest fills to less than a quarter is exchanged for one that fits. */
#define INPUT_LOOSE_MAX 65536

void input_free(struct input *input)
{
    mem_free(input->data);
    *input = (struct input){0};
}

bool input_reserve(struct input *input, size_t size)
{
    size_t used = input_size(input);
    ASSERT(size <= SIZE_MAX / 2 - used);
    if (input->capacity - input->end >= size)
        return true;
    if (input->begin > 0)
        memmove(input->data, input->data + input->begin, used);
    input->begin = 0;
    input->end = used;
    if (input->capacity - used >= size)
        return true;
    char *data = mem_try_realloc(input->data, used + size);
    if (data == NULL)
        return false;
    input->data = data;
    input->capacity = used + size;
    return true;
}

static bool input_contains(const struct input *input, struct slice part)
{
    return input->data != NULL && part.data >= input->data && part.data < input->data + input->capacity;
}

bool input_keep(struct input *input, struct slice rest)
{
    if (rest.size == 0) {
        input_free(input);
        return true;
    }
    bool loose = input->capacity > INPUT_LOOSE_MAX && rest.size < input->capacity / 4;
    if (input_contains(input, rest) && !loose) {
        input->begin = (size_t)(rest.data - input->data);
        input->end = input->begin + rest.size;
        ASSERT(input->end <= input->capacity);
        return true;
    }
    if (loose || input->capacity < rest.size) {
        char *data = mem_try_alloc(rest.size);
        if (data == NULL)
            return false;
        memcpy(data, rest.data, rest.size);
        mem_free(input->data);
        *input = (struct input){.data = data, .end = rest.size, .capacity = rest.size};
        return true;
    }
    memcpy(input->data, rest.data, rest.size);
    input->begin = 0;
    input->end = rest.size;
    return true;
}
