/* The names of the journal's files in the data folder. LSNs are in 20 decimal digits, so that names sort. */
#ifndef DKV_JOURNAL_NAMES_H
#define DKV_JOURNAL_NAMES_H

#include "journal/frame.h"

#define LOCK_NAME          "LOCK"
#define MANIFEST_NAME      "MANIFEST"
#define MANIFEST_TEMPORARY "MANIFEST.tmp"

/* Room for any of our names, NUL included. */
#define FILE_NAME_SIZE 48

enum name_kind {
    NAME_FOREIGN,   /* none of ours, or a fixed name */
    NAME_LOG,       /* log-<lsn>.dkv */
    NAME_BASE,      /* base-<lsn>.dkv */
    NAME_SPARE,     /* spare-<n>.dkv */
    NAME_VALUE,     /* value-<lsn>-<n>.dkv */
    NAME_TEMPORARY, /* base-<lsn>.dkv.tmp, MANIFEST.tmp: always a leftover of something interrupted */
};

void log_name(char out[FILE_NAME_SIZE], lsn_t lsn);
void base_name(char out[FILE_NAME_SIZE], lsn_t lsn);
void base_temporary_name(char out[FILE_NAME_SIZE], lsn_t lsn);
void spare_name(char out[FILE_NAME_SIZE], uint64_t number);
/* number is in 10 digits. */
void reserve_name(char out[FILE_NAME_SIZE], uint64_t number);
void value_name(char out[FILE_NAME_SIZE], lsn_t lsn, uint32_t number);
/* Whether it is a value file's name, and which. */
bool value_name_parse(const char *name, lsn_t *lsn, uint32_t *number);
/* What a name found in the folder is; *number is its LSN or number. */
enum name_kind name_parse(const char *name, uint64_t *number);
/* For disk_list: appends each name of ours, with its NUL, to the struct buffer that names is. */
void name_collect(void *names, const char *name);

#endif
