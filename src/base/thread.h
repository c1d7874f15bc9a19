/* Starting threads that leave signals to the one that has them handled. */
#ifndef DKV_BASE_THREAD_H
#define DKV_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Runs run(argument) in a thread of that name (at most 15 bytes), in which every signal is blocked but
 * those of a crash, for which there may be a handler (process_crash_reports). False when the system has none
 * to give. */
bool thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument, const char *name);

#endif
