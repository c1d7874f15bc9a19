/* Which commands made values large, so that their bytes go to files of their own, or small again: what the
 * server does then is only tested if that happens, in both directions, by every command that can do it. */
#ifndef DKV_SIM_CROSSING_H
#define DKV_SIM_CROSSING_H

#include <stdbool.h>

/* Prints how often, over all runs. False if all are due and a command did not that often can. */
bool crossing_report(bool all_are_due);

#endif
