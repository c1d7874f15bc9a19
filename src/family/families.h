/* The command families: each is a table that ends its file. */
#ifndef DKV_FAMILY_FAMILIES_H
#define DKV_FAMILY_FAMILIES_H

#include "command/command.h"

/* Adds all of this floor's commands to a table. */
void family_add_all(struct command_table *table);

extern const struct command string_commands[];
extern const size_t string_command_count;
extern const struct command bitmap_commands[];
extern const size_t bitmap_command_count;
extern const struct command bitfield_commands[];
extern const size_t bitfield_command_count;
extern const struct command hyperloglog_commands[];
extern const size_t hyperloglog_command_count;
extern const struct command dump_commands[];
extern const size_t dump_command_count;
extern const struct command sort_commands[];
extern const size_t sort_command_count;
extern const struct command lolwut_commands[];
extern const size_t lolwut_command_count;
extern const struct command hash_commands[];
extern const size_t hash_command_count;
extern const struct command keys_commands[];
extern const size_t keys_command_count;
extern const struct command expire_commands[];
extern const size_t expire_command_count;
extern const struct command object_commands[];
extern const size_t object_command_count;
extern const struct command introspect_commands[];
extern const size_t introspect_command_count;
extern const struct command connection_commands[];
extern const size_t connection_command_count;

#endif
