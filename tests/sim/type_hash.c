/* Hashes. What they are in the store is not known here before the engine has them. */
#include "type.h"

const struct type hash_type = {.name = "hash", .exists = false};
