/* Values of GROUP_GROWN: what changes them in part, and what comes of it. */
#ifndef DKV_TESTS_CHANGE_H
#define DKV_TESTS_CHANGE_H

#include "model.h"

/* An operation on a key of GROUP_GROWN, as it follows from its kind and number. */
struct change {
    enum operation_kind kind;
    size_t offset; /* SETRANGE: in bytes, SETBIT: in bits */
    bool bit;      /* SETBIT */
    uint64_t state;
    size_t size; /* of what is written: the rest */
};

struct change change_make(enum operation_kind kind, int client, int slot, uint64_t number);
/* An operation's kind and number as one number. */
uint64_t change_of(enum operation_kind kind, uint64_t number);
/* What a value becomes by what change_of gave. */
void change_apply(struct text *text, int client, int slot, uint64_t change_number);

#endif
