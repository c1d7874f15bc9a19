/* Many connections at once, opened and closed at random in the middle of whatever they do. */
#include "harness.h"

#define STEPS      60000
#define CLIENT_MAX 1000

/* Each client sends one endless stream of numbered echoes, cut anywhere; what comes back must be the same
 * numbers. */
struct stress_client {
    int fd; /* -1: not connected */
    uint64_t asked;
    uint64_t answered;
    char unsent[64]; /* of the last command */
    size_t unsent_begin;
    size_t unsent_size;
};

struct stress {
    struct server server;
    struct random random;
    struct stress_client clients[CLIENT_MAX];
    size_t client_count;
    uint64_t answers;
};

static void stress_open(struct stress *stress, struct stress_client *client)
{
    *client = (struct stress_client){.fd = client_open(&stress->server)};
}

static void stress_close(struct stress_client *client)
{
    close(client->fd);
    client->fd = -1;
}

/* Begins a command, or sends some more of the one begun. */
static void stress_talk(struct stress *stress, struct stress_client *client)
{
    if (client->unsent_size == 0) {
        client->unsent_begin = 0;
        client->unsent_size =
            (size_t)snprintf(client->unsent, sizeof(client->unsent), "*2\r\n$4\r\nECHO\r\n$10\r\n%010llu\r\n",
                             (unsigned long long)client->asked++);
    }
    size_t size = 1 + random_below(&stress->random, client->unsent_size);
    ssize_t sent = send(client->fd, client->unsent + client->unsent_begin, size, MSG_NOSIGNAL);
    if (sent < 0) {
        assert_int_equal(errno, EAGAIN);
        return;
    }
    client->unsent_begin += (size_t)sent;
    client->unsent_size -= (size_t)sent;
}

/* Takes the replies that are there, if they are whole. */
static void stress_listen(struct stress *stress, struct stress_client *client)
{
    char expected[32];
    char reply[32];
    size_t size = (size_t)snprintf(expected, sizeof(expected), "$10\r\n%010llu\r\n",
                                   (unsigned long long)client->answered);
    while (recv(client->fd, reply, size, MSG_PEEK) == (ssize_t)size) {
        assert_int_equal(recv(client->fd, reply, size, 0), size);
        assert_memory_equal(reply, expected, size);
        client->answered++;
        stress->answers++;
        snprintf(expected, sizeof(expected), "$10\r\n%010llu\r\n", (unsigned long long)client->answered);
    }
}

static void stress_wait(struct stress_client *client, const char *command)
{
    if (client->unsent_size == 0)
        assert_true(send(client->fd, command, strlen(command), MSG_NOSIGNAL) > 0);
}

static void stress_step(struct stress *stress)
{
    struct stress_client *client = &stress->clients[random_below(&stress->random, stress->client_count)];
    if (client->fd < 0) {
        stress_open(stress, client);
        return;
    }
    switch (random_below(&stress->random, 40)) {
    case 0: stress_close(client); return;
    case 1: /* and away, in the middle of waiting */
        stress_wait(client, random_below(&stress->random, 2) == 0 ? "BLOCK 0\r\n" : "WRITE\r\nWRITE\r\n");
        stress_close(client);
        return;
    case 2: server_round(&stress->server); return;
    case 3:
        stress->server.journal_full = !stress->server.journal_full;
        stress->server.acknowledged = stress->server.executed;
        loop_wake(stress->server.loop);
        return;
    case 4:
    case 5:
    case 6: stress_listen(stress, client); return;
    default: stress_talk(stress, client);
    }
}

/* Shows: with a thousand connections that come, talk in pieces, wait and go at random, every reply that comes
 * is the right one, nothing is used after it was freed (under the address sanitizer), and in the end nothing
 * is left. */
static void test_random_connections(void **state)
{
    (void)state;
    static struct stress stress;
    size_t descriptors = descriptors_raise();
    stress.client_count = descriptors > 2 * CLIENT_MAX + 64 ? CLIENT_MAX : (descriptors - 64) / 2;
    server_open(&stress.server);
    random_seed(&stress.random, 42);
    for (size_t i = 0; i < stress.client_count; i++)
        stress_open(&stress, &stress.clients[i]);
    for (int step = 0; step < STEPS; step++)
        stress_step(&stress);
    assert_in_range(stress.answers, 1000, STEPS);
    for (size_t i = 0; i < stress.client_count; i++) {
        if (stress.clients[i].fd >= 0)
            stress_close(&stress.clients[i]);
    }
    stress.server.journal_full = false;
    stress.server.acknowledged = UINT64_MAX;
    loop_wake(stress.server.loop);
    for (int rounds = 0; stress.server.sessions > 0 && rounds < ROUNDS_MAX; rounds++)
        server_round(&stress.server);
    assert_int_equal(stress.server.sessions, 0);
    assert_int_equal(server_stats(&stress.server).connected, 0);
    assert_int_equal(server_stats(&stress.server).blocked, 0);
    assert_int_equal(server_stats(&stress.server).paused, 0);
    server_close(&stress.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
