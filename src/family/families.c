#include "family/families.h"

void family_add_all(struct command_table *table)
{
    command_table_add(table, string_commands, string_command_count);
    command_table_add(table, bitmap_commands, bitmap_command_count);
    command_table_add(table, bitfield_commands, bitfield_command_count);
    command_table_add(table, hyperloglog_commands, hyperloglog_command_count);
    command_table_add(table, hash_commands, hash_command_count);
    command_table_add(table, dump_commands, dump_command_count);
    command_table_add(table, sort_commands, sort_command_count);
    command_table_add(table, lolwut_commands, lolwut_command_count);
    command_table_add(table, keys_commands, keys_command_count);
    command_table_add(table, expire_commands, expire_command_count);
    command_table_add(table, object_commands, object_command_count);
    command_table_add(table, introspect_commands, introspect_command_count);
    command_table_add(table, connection_commands, connection_command_count);
}
