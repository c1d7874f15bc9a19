/* Telling a redis-server's snapshot (RDB) of nothing from one with something in it. */
#ifndef DKV_SERVER_REDIS_SNAPSHOT_H
#define DKV_SERVER_REDIS_SNAPSHOT_H

#include <stdbool.h>
#include <stdio.h>

/* Whether the file, from where it is at, is a whole snapshot without any key or function, and nothing else.
 */
bool redis_snapshot_is_empty(FILE *file);

#endif
