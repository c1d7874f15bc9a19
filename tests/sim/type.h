/* What the simulator knows of a type of value: a row for each, in a file type_*.c of its own. What clients
 * send to such values is in lines_*.c. */
#ifndef DKV_SIM_TYPE_H
#define DKV_SIM_TYPE_H

#include "base/bytes.h"
#include "sim_disk.h"
#include "store/store.h"

/* Parts of a value that may have a time to live of their own and are watched one by one. */
#define MODEL_PARTS_MAX 64

/* A part as it is in the store. */
struct type_part {
    uint64_t digest;   /* of all that it is; 0: there is no such part */
    int64_t expire_ms; /* EXPIRE_NEVER: it has no time */
};

struct type {
    const char *name;
    /* A digest of all that the value consists of, times of its parts too. What is not read yet lies on the
     * disk. */
    uint64_t (*digest)(const struct sim_disk *disk, const struct entry *entry, uint64_t seed);
    /* Fills in the watched parts that there are, the others are 0. NULL: it has none with times. */
    void (*parts)(const struct entry *entry, struct type_part parts[MODEL_PARTS_MAX]);
    /* Whether the time of every part, watched or not, has passed: then the key is as good as gone. */
    bool (*has_passed)(const struct entry *entry, int64_t now_ms);
    /* The value for people, not all of it when it is large. */
    void (*print)(const struct sim_disk *disk, const struct entry *entry, struct buffer *out);
};

extern const struct type string_type;
extern const struct type hash_type;
/* By enum value_type; NULL: the simulator does not know it yet. */
extern const struct type *const model_types[VALUE_TYPE_COUNT];

static inline unsigned type_bit(enum value_type type)
{
    return 1U << type;
}

/* Types as they are named behind a seed: "string+hash" (12 characters of each name at the most). */
#define TYPES_TEXT_SIZE (13 * VALUE_TYPE_COUNT + 1)
void types_print(unsigned types, char text[TYPES_TEXT_SIZE]);
/* And back; 0 when they are not such. */
unsigned types_parse(const char *text);
/* Those that a seed's run has when they are not named: from the seed alone and apart from all else that it
 * decides. Strings always; a run in four for each other type is without it. */
unsigned types_draw(uint64_t seed);

/* For print: at most some dozens of bytes, in quotes. */
void type_print_bytes(struct slice bytes, struct buffer *out);

/* The names of parts: number to name and back, -1 for one that is not watched. */
struct slice model_part_name(int part);
int model_part_number(struct slice name);

#endif
