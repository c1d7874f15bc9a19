#include "change.h"

#include <string.h>

/* Around 64 KiB, from which on they are large to the server in most tests: SET makes them smaller, APPEND and
 * the others larger. */
struct change change_make(enum operation_kind kind, int client, int slot, uint64_t number)
{
    struct change change = {.kind = kind, .state = filler_state(client, slot, number)};
    uint64_t chance = random_next(&change.state);
    switch (kind) {
    case OPERATION_SET_GROWN: change.size = 45000 + chance % 20000; break;
    case OPERATION_GROW: change.size = 1 + chance % 15000; break;
    case OPERATION_OVERWRITE:
        change.size = 1 + chance % 100;
        change.offset = chance / 100 % 80000;
        break;
    default:
        change.bit = chance % 2;
        change.offset = chance / 2 % (80000 * 8);
        break;
    }
    return change;
}

uint64_t change_of(enum operation_kind kind, uint64_t number)
{
    return number * OPERATION_COUNT + (uint64_t)kind;
}

/* Makes the text so long, with zeros, as the server does. */
static void text_reach(struct text *text, size_t size)
{
    static const char zeros[4096];
    while (text->size < size) {
        size_t left = size - text->size;
        text_append(text, zeros, left < sizeof(zeros) ? left : sizeof(zeros));
    }
}

void change_apply(struct text *text, int client, int slot, uint64_t change_number)
{
    struct change change = change_make((enum operation_kind)(change_number % OPERATION_COUNT), client, slot,
                                       change_number / OPERATION_COUNT);
    struct text written = {0};
    filler_append(&written, &change.state, change.size);
    if (change.kind == OPERATION_SET_GROWN) {
        text->size = 0;
    }
    if (change.kind == OPERATION_SET_BIT) {
        text_reach(text, change.offset / 8 + 1);
        char mask = (char)(0x80 >> change.offset % 8);
        char *byte = &text->data[change.offset / 8];
        *byte = (char)(change.bit ? *byte | mask : *byte & ~mask);
    } else if (change.kind == OPERATION_OVERWRITE) {
        text_reach(text, change.offset + written.size);
        memcpy(text->data + change.offset, written.data, written.size);
    } else {
        text_append(text, written.data, written.size);
    }
    text_free(&written);
}

uint64_t value_number(int slot, const char *data, size_t size)
{
    const char *hash = NULL;
    if (slot_group(slot) == GROUP_APPEND) {
        hash = size == 0 ? NULL : memrchr(data, '#', size);
    } else {
        hash = memchr(data, '#', size < KEY_TEXT_MAX ? size : KEY_TEXT_MAX);
    }
    uint64_t number = 0;
    for (const char *at = hash; at != NULL && ++at < data + size && *at >= '0' && *at <= '9';) {
        number = number * 10 + (uint64_t)(*at - '0');
    }
    return number;
}

bool value_right(int client, int slot, const char *data, size_t size)
{
    struct text expected = {0};
    value_make(&expected, client, slot, value_number(slot, data, size));
    bool right =
        size >= expected.size && memcmp(data + size - expected.size, expected.data, expected.size) == 0;
    if (slot_group(slot) != GROUP_APPEND) {
        right = right && size == expected.size;
    }
    text_free(&expected);
    return right;
}
