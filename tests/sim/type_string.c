#include "base/hash.h"
#include "type.h"
#include "values.h"

static uint64_t digest(const struct sim_disk *disk, const struct entry *entry, uint64_t seed)
{
    char scratch[STRING_SCRATCH];
    struct slice value = values_content(disk, entry, scratch);
    return hash_bytes(value.data, value.size, seed);
}

static void print(const struct sim_disk *disk, const struct entry *entry, struct buffer *out)
{
    char scratch[STRING_SCRATCH];
    type_print_bytes(values_content(disk, entry, scratch), out);
}

const struct type string_type = {.name = "string", .digest = digest, .print = print};
