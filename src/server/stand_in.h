/* The stand-in: a second thread that runs the event loop while the loop's own thread is within a call to the
 * disk.
 *
 * The loop writes to the disk itself, and with one client syncs, where that spares two hand-overs between
 * threads (journal_submit). Such a call takes as long as the disk pleases, and nothing gets a thread out of
 * it. So the loop's thread says that it leaves, and that it is back; where it stays away for longer than a
 * few looks of the stand-in, that one runs the rounds meanwhile. At any moment one of the two has the loop
 * and all that belongs to it. */
#ifndef DKV_SERVER_STAND_IN_H
#define DKV_SERVER_STAND_IN_H

#include "net/loop.h"

struct stand_in;

/* NULL when there is no thread to be had. The loop has to outlive it. */
struct stand_in *stand_in_new(struct loop *loop);
/* Ends the thread. By the loop's thread. NULL is fine. */
void stand_in_free(struct stand_in *stand_in);

/* By the loop's thread, which may touch nothing of the loop's until it is back. The round that it is in has
 * to be at a place where others may run between. False for the stand-in itself: it must not go away too. */
bool stand_in_leave(struct stand_in *stand_in);
/* Waits for the end of the round that the stand-in is in, if it has taken over. */
void stand_in_back(struct stand_in *stand_in);

/* How often it has taken over. */
uint64_t stand_in_turns(const struct stand_in *stand_in);

#endif
