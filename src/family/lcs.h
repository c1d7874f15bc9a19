#ifndef DKV_FAMILY_LCS_H
#define DKV_FAMILY_LCS_H

struct call;

/* LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN] */
void lcs_command(struct call *call);

#endif
