#include "type.h"

#include <string.h>

#include "base/random.h"

#define BYTES_PRINTED 60

const struct type *const model_types[VALUE_TYPE_COUNT] = {
    [VALUE_STRING] = &string_type, [VALUE_HASH] = &hash_type};

/* --- which of them a run has ------------------------------------------------------------------------------
 */

void types_print(unsigned types, char text[TYPES_TEXT_SIZE])
{
    *text = '\0';
    for (int i = 0; i < VALUE_TYPE_COUNT; i++) {
        if (!(types & type_bit(i)))
            continue;
        if (*text)
            strcat(text, "+");
        strncat(text, model_types[i]->name, 12);
    }
}

static bool is_named(const struct type *type, const char *name, size_t size)
{
    return type && strlen(type->name) == size && memcmp(type->name, name, size) == 0;
}

unsigned types_parse(const char *text)
{
    unsigned types = 0;
    while (*text) {
        size_t size = strcspn(text, "+");
        int type = 0;
        while (type < VALUE_TYPE_COUNT && !is_named(model_types[type], text, size))
            type++;
        if (type == VALUE_TYPE_COUNT)
            return 0;
        types |= type_bit(type);
        text += size;
        text += *text == '+';
    }
    return types & type_bit(VALUE_STRING) ? types : 0;
}

unsigned types_draw(uint64_t seed)
{
    struct random random;
    random_seed(&random, seed ^ UINT64_C(0x7479706573));
    unsigned types = type_bit(VALUE_STRING);
    for (int i = VALUE_STRING + 1; i < VALUE_TYPE_COUNT; i++)
        if (random_below(&random, 4) > 0 && model_types[i])
            types |= type_bit(i);
    return types;
}

/* --- parts ------------------------------------------------------------------------------------------------
 */

#define PART_NAME_MAX 80

/* Short names, and one that is longer than small forms of values take. */
struct slice model_part_name(int part)
{
    static char names[MODEL_PARTS_MAX][PART_NAME_MAX];
    static size_t sizes[MODEL_PARTS_MAX];
    if (sizes[0] == 0) {
        for (int i = 0; i < MODEL_PARTS_MAX; i++) {
            names[i][0] = 'p';
            names[i][1] = (char)('0' + i / 10);
            names[i][2] = (char)('0' + i % 10);
            sizes[i] = 3;
        }
        memset(names[MODEL_PARTS_MAX / 4] + 3, 'x', PART_NAME_MAX - 3);
        sizes[MODEL_PARTS_MAX / 4] = PART_NAME_MAX;
    }
    return slice_make(names[part], sizes[part]);
}

int model_part_number(struct slice name)
{
    if (name.size < 3 || name.data[0] != 'p')
        return -1;
    int part = (name.data[1] - '0') * 10 + (name.data[2] - '0');
    bool is_one = part >= 0 && part < MODEL_PARTS_MAX && slice_equal(name, model_part_name(part));
    return is_one ? part : -1;
}

void type_print_bytes(struct slice bytes, struct buffer *out)
{
    struct slice begin = slice_make(bytes.data, bytes.size < BYTES_PRINTED ? bytes.size : BYTES_PRINTED);
    buffer_append_quoted(out, begin);
    if (begin.size < bytes.size)
        buffer_append_format(out, "... (%zu bytes)", bytes.size);
}
