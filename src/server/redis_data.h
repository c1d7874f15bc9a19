/* What a redis-server has left in a folder: its snapshot (dbfilename), its append-only files (appenddirname,
 * or a single file of the name appendfilename, as before Redis 7). dkv does not read them by itself, and who
 * starts it in their place expects to find what is in them: so it starts beside them only where it has a log
 * of its own already, or is told to (ignore-redis-data). What holds no keys is nothing to lose. */
#ifndef DKV_SERVER_REDIS_DATA_H
#define DKV_SERVER_REDIS_DATA_H

#include "server/config.h"

/* Looks in dir and, where the configuration names none, in the folder that the server was started in, which
 * would be redis-server's. True: the server may start, maybe with a notice of what it passes over. False: it
 * may not, and the log tells what was found and how to take it over. */
bool redis_data_check(const struct config *config);

#endif
