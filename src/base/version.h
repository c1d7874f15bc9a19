/* Who we are: dkv's own version, and the Redis version that clients and tools may take us for. */
#ifndef DKV_BASE_VERSION_H
#define DKV_BASE_VERSION_H

#define DKV_VERSION   "0.1.0"
#define REDIS_VERSION "7.2.4"

#endif
