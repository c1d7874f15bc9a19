/* What lines are made of, for the generators (lines_*.c): one a type of value, and one for the rest. */
#ifndef DKV_SIM_WORDS_H
#define DKV_SIM_WORDS_H

#include "workload.h"

#define WORDS_MAX 700

/* A command while its words are chosen. */
struct words {
    struct workload *workload;
    int64_t now_ms;
    struct buffer text;
    int count;
    size_t ends[WORDS_MAX]; /* in text */
};

/* What the reply to a line that only reads cannot but tell. (Others may find a reason to look at the first
 * key alone.) */
enum line_shows {
    SHOWS_NOTHING,
    SHOWS_KEYS,  /* of each key that it names that it is not there, */
    SHOWS_PARTS, /* and of each part that it names, */
    SHOWS_ALL,   /* or of each part of the key that it does not name */
};

/* Words in capitals of one letter stand for something chosen anew each time:
 *   K key, of a string mostly  Y key of any type  V value  Q value out of very few  N integer
 *   F number with decimals  O offset, mostly a small one  X the same in bits
 *   S seconds  M milliseconds  A Unix time in seconds  B in milliseconds  D database  P pattern
 *   R what DUMP gives for a string
 * and a generator may have letters of its own, which go before these.
 * A line that begins with > writes; one with < only reads. */
struct line {
    unsigned char weight;
    enum command_kind kind;
    const char *words;
    enum line_shows shows;
};

struct generator {
    const struct line *lines;
    size_t count;
    enum value_type type; /* it is left out of runs without this one */
    /* Draws what one run's commands of this type are like. NULL: all are alike. */
    void (*init)(struct workload *workload);
    /* Says what a letter of its own stands for; false when it has no such letter. NULL: it has none. */
    bool (*say)(struct words *words, struct sim_command *command, char letter);
};

extern const struct generator base_generator;
extern const struct generator hash_generator;

/* At random below bound. */
uint64_t words_below(struct words *words, uint64_t bound);
/* A word ends here and another one begins: for letters that stand for several. The last is ended by others.
 */
void words_next(struct words *words);
/* What the letters say, for letters that stand for more than that. */
void words_say(struct words *words, struct sim_command *command, char letter);
/* The key said last is looked at for this part of it. */
void command_names_part(struct sim_command *command, int part);
/* A key that is of this type mostly, where a run's workload has several types. */
void words_say_key(struct words *words, struct sim_command *command, enum value_type type);
/* Appends so many bytes at random. */
void words_say_bytes(struct words *words, size_t size);
/* What DUMP puts behind a value that begins there in the text. */
void words_end_payload(struct words *words, size_t begin);

#endif
