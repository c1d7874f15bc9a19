/* The numbers of Redis's RDB format (rdb.h there). Private to the floor. */
#ifndef DKV_RDB_RDB_FORMAT_H
#define DKV_RDB_RDB_FORMAT_H

enum rdb_length_form { RDB_LENGTH_6, RDB_LENGTH_14, RDB_LENGTH_WIDE, RDB_LENGTH_SPECIAL };
enum rdb_special { RDB_INT8, RDB_INT16, RDB_INT32, RDB_LZF };
#define RDB_WIDE_32 0x80
#define RDB_WIDE_64 0x81

/* What a value's first byte tells. */
enum rdb_type {
    RDB_STRING = 0,
    RDB_HASH = 4,
    RDB_HASH_LISTPACK = 16,
    RDB_HASH_TIMED = 24,      /* each field with its time */
    RDB_HASH_LISTPACK_EX = 25 /* a listpack of fields, values and times */
};

#endif
