/* Commands that only this server's stream has (DKV.LOAD), as commands that people and redis-server know. */
#ifndef DKV_TOOLS_PLAIN_H
#define DKV_TOOLS_PLAIN_H

#include "resp/parser.h"
#include "store/store.h"

/* All zero is one that has made nothing yet. */
struct plain {
    struct store *store; /* where a value is for a moment, between one form and the other */
    struct buffer text;  /* the commands, in canonical form */
};

/* Whether a request is such a command. */
bool plain_is_wanted(const struct request *request);
/* Makes plain commands of it, which plain->text has until the next call. False: it cannot be read. */
bool plain_make(struct plain *plain, const struct request *request);
void plain_free(struct plain *plain);

#endif
