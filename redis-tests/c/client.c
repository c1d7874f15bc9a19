/* libhiredis against a server: client SOCKET PORT. Exits with 0 when everything is as it should be. */

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIPELINED  10000
#define LARGE_SIZE ((size_t)8 << 20)

static void expect(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "not as expected: %s\n", what);
        exit(1);
    }
}

static redisReply *command(redisContext *connection, int type, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    redisReply *reply = redisvCommand(connection, format, values);
    va_end(values);
    if (reply == NULL) {
        fprintf(stderr, "%s: %s\n", format, connection->errstr);
        exit(1);
    }
    expect(reply->type == type, format);
    return reply;
}

static void expect_text(redisContext *connection, const char *text, const char *format, const char *argument)
{
    redisReply *reply = command(connection, REDIS_REPLY_STRING, format, argument);
    expect(strcmp(reply->str, text) == 0, format);
    freeReplyObject(reply);
}

static void check_values(redisContext *connection)
{
    const char bytes[] = {'a', '\0', '\r', '\n', (char)0xff};
    freeReplyObject(command(connection, REDIS_REPLY_STATUS, "FLUSHALL"));
    freeReplyObject(command(connection, REDIS_REPLY_STATUS, "SET %s %s", "key", "hello world"));
    expect_text(connection, "hello world", "GET %s", "key");
    freeReplyObject(command(connection, REDIS_REPLY_NIL, "GET missing"));
    freeReplyObject(command(connection, REDIS_REPLY_ERROR, "INCR key"));
    freeReplyObject(
        command(connection, REDIS_REPLY_STATUS, "SET %b %b", bytes, sizeof(bytes), bytes, sizeof(bytes)));
    redisReply *reply = command(connection, REDIS_REPLY_STRING, "GET %b", bytes, sizeof(bytes));
    expect((size_t)reply->len == sizeof(bytes) && memcmp(reply->str, bytes, sizeof(bytes)) == 0,
           "binary value");
    freeReplyObject(reply);
    reply = command(connection, REDIS_REPLY_ARRAY, "MGET key missing key");
    expect(reply->elements == 3 && reply->element[1]->type == REDIS_REPLY_NIL, "MGET");
    freeReplyObject(reply);
}

static void check_large_value(redisContext *connection)
{
    char *large = malloc(LARGE_SIZE);
    expect(large != NULL, "memory");
    for (size_t i = 0; i < LARGE_SIZE; i++) {
        large[i] = (char)(i * 31);
    }
    freeReplyObject(command(connection, REDIS_REPLY_STATUS, "SET large %b", large, LARGE_SIZE));
    redisReply *reply = command(connection, REDIS_REPLY_STRING, "GET large");
    expect((size_t)reply->len == LARGE_SIZE && memcmp(reply->str, large, LARGE_SIZE) == 0, "large value");
    freeReplyObject(reply);
    free(large);
}

static void check_pipeline(redisContext *connection)
{
    for (int i = 0; i < PIPELINED; i++) {
        redisAppendCommand(connection, "INCR counter");
    }
    for (int i = 0; i < PIPELINED; i++) {
        void *reply = NULL;
        expect(redisGetReply(connection, &reply) == REDIS_OK, "pipelined reply");
        expect(((redisReply *)reply)->integer == i + 1, "replies in order");
        freeReplyObject(reply);
    }
}

static void check_transaction(redisContext *connection)
{
    freeReplyObject(command(connection, REDIS_REPLY_STATUS, "MULTI"));
    freeReplyObject(command(connection, REDIS_REPLY_STATUS, "SET t 1"));
    freeReplyObject(command(connection, REDIS_REPLY_STATUS, "INCR t"));
    redisReply *reply = command(connection, REDIS_REPLY_ARRAY, "EXEC");
    expect(reply->elements == 2 && reply->element[1]->integer == 2, "EXEC");
    freeReplyObject(reply);
}

static void check_hashes(redisContext *connection)
{
    freeReplyObject(command(connection, REDIS_REPLY_INTEGER, "HSET h a 1 b %b", "\0\xff", (size_t)2));
    redisReply *reply = command(connection, REDIS_REPLY_ARRAY, "HGETALL h");
    expect(reply->elements == 4 && strcmp(reply->element[0]->str, "a") == 0 && reply->element[3]->len == 2,
           "HGETALL");
    freeReplyObject(reply);
    reply = command(connection, REDIS_REPLY_ARRAY, "HMGET h a none");
    expect(reply->element[0]->type == REDIS_REPLY_STRING && reply->element[1]->type == REDIS_REPLY_NIL,
           "HMGET");
    freeReplyObject(reply);
    freeReplyObject(command(connection, REDIS_REPLY_INTEGER, "HINCRBY h a 41"));
    expect_text(connection, "42", "HGET h %s", "a");
    freeReplyObject(command(connection, REDIS_REPLY_ERROR, "GET h"));
    freeReplyObject(command(connection, REDIS_REPLY_INTEGER, "DEL h"));
}

int main(int argc, char **argv)
{
    expect(argc == 3, "usage: client SOCKET PORT");
    signal(SIGPIPE, SIG_IGN);
    redisContext *connections[] = {redisConnectUnix(argv[1]), redisConnect("127.0.0.1", atoi(argv[2]))};
    for (int i = 0; i < 2; i++) {
        expect(connections[i] != NULL && connections[i]->err == 0, "connection");
        check_values(connections[i]);
        check_large_value(connections[i]);
        check_pipeline(connections[i]);
        check_transaction(connections[i]);
        check_hashes(connections[i]);
    }
    /* The server ends the connection: an error, not a wrong reply. */
    redisReply *reply = redisCommand(connections[0], "QUIT");
    expect(reply != NULL && reply->type == REDIS_REPLY_STATUS, "QUIT");
    freeReplyObject(reply);
    expect(redisCommand(connections[0], "PING") == NULL && connections[0]->err != 0, "the end after QUIT");
    redisFree(connections[0]);
    redisFree(connections[1]);
    puts("hiredis: all as expected");
    return 0;
}
