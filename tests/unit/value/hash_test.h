/* What the tests of hashes share: a plain model, with a name for each number. */
#ifndef DKV_TESTS_HASH_TEST_H
#define DKV_TESTS_HASH_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../seed.h"
#include "base/memory.h"
#include "value/hash.h"

#define NAME_SIZE      120
#define VALUE_SIZE_MAX 300

/* The empty one without an address for 2, a number for every third, a long one for every eleventh: below, at
 * and above the sizes that listpacks tell apart. */
static inline struct slice name_of(unsigned number, char text[NAME_SIZE])
{
    if (number == 2)
        return slice_make(NULL, 0);
    int size = number % 3 == 0    ? snprintf(text, NAME_SIZE, "%u", number * number)
               : number % 11 == 1 ? snprintf(text, NAME_SIZE, "f%0*u", (int)(60 + number % 7), number)
                                  : snprintf(text, NAME_SIZE, "f%u", number);
    return slice_make(text, (size_t)size);
}

/* The number of a name below 10,000. */
static inline unsigned number_of(struct slice name)
{
    char text[NAME_SIZE], again[NAME_SIZE];
    assert_true(name.size < NAME_SIZE);
    if (name.size == 0)
        return 2;
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    unsigned long number = strtoul(text + (*text == 'f'), NULL, 10);
    if (*text != 'f') {
        unsigned long root = 0;
        while (root * root < number)
            root++;
        number = root;
    }
    assert_true(slice_equal(name_of((unsigned)number, again), name));
    return (unsigned)number;
}

static inline struct slice value_make(struct random *random, char room[VALUE_SIZE_MAX], size_t size_max)
{
    size_t size;
    switch (random_below(random, 4)) {
    case 0: size = int64_format(room, (int64_t)(random_next(random) >> random_below(random, 64))); break;
    case 1: size = int64_format(room, -(int64_t)random_below(random, 5000)); break;
    default: size = random_below(random, size_max); memset(room, 'a' + (char)random_below(random, 20), size);
    }
    return slice_make(room, size);
}

struct model_field {
    struct buffer value;
    int64_t expire_ms;
    bool there;
};

struct model {
    struct model_field *fields; /* by number */
    unsigned universe;
    size_t size, timed;
};

static inline void model_init(struct model *model, unsigned universe)
{
    *model =
        (struct model){.universe = universe, .fields = mem_alloc_zero(universe * sizeof(*model->fields))};
}

static inline void model_set(struct model *model, unsigned number, struct slice value, int64_t expire_ms)
{
    struct model_field *field = &model->fields[number];
    if (expire_ms == FIELD_KEEP_TIME)
        expire_ms = field->there ? field->expire_ms : FIELD_NEVER;
    model->timed -= field->there && field->expire_ms != FIELD_NEVER;
    model->timed += expire_ms != FIELD_NEVER;
    model->size += !field->there;
    field->there = true;
    field->expire_ms = expire_ms;
    buffer_clear(&field->value);
    buffer_append_slice(&field->value, value);
}

static inline void model_delete(struct model *model, unsigned number)
{
    struct model_field *field = &model->fields[number];
    model->size -= field->there;
    model->timed -= field->there && field->expire_ms != FIELD_NEVER;
    field->there = false;
}

static inline void model_set_time(struct model *model, unsigned number, int64_t expire_ms)
{
    struct model_field *field = &model->fields[number];
    if (!field->there)
        return;
    model->timed -= field->expire_ms != FIELD_NEVER;
    model->timed += expire_ms != FIELD_NEVER;
    field->expire_ms = expire_ms;
}

static inline size_t model_due(const struct model *model, int64_t now_ms)
{
    size_t due = 0;
    for (unsigned i = 0; i < model->universe; i++) {
        const struct model_field *field = &model->fields[i];
        due += field->there && field->expire_ms != FIELD_NEVER && field->expire_ms <= now_ms;
    }
    return due;
}

/* Whether some field has this time; FIELD_NEVER: it need not. */
static inline bool model_has_time(const struct model *model, int64_t expire_ms)
{
    for (unsigned i = 0; expire_ms != FIELD_NEVER && i < model->universe; i++)
        if (model->fields[i].there && model->fields[i].expire_ms == expire_ms)
            return true;
    return expire_ms == FIELD_NEVER;
}

static inline int64_t model_earliest(const struct model *model)
{
    int64_t earliest = INT64_MAX;
    for (unsigned i = 0; i < model->universe; i++) {
        const struct model_field *field = &model->fields[i];
        if (field->there && field->expire_ms != FIELD_NEVER && field->expire_ms < earliest)
            earliest = field->expire_ms;
    }
    return earliest;
}

static inline void model_free(struct model *model)
{
    for (unsigned i = 0; i < model->universe; i++)
        buffer_free(&model->fields[i].value);
    mem_free(model->fields);
}

/* The field is as the model has it. */
static inline void assert_field(const struct model *model, const struct hash_field *field)
{
    unsigned number = number_of(field->name);
    assert_true(number < model->universe);
    const struct model_field *expected = &model->fields[number];
    assert_true(expected->there);
    assert_true(slice_equal(field->value, buffer_slice(&expected->value)));
    assert_int_equal(field->expire_ms, expected->expire_ms);
}

#endif
