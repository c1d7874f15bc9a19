/* Listening sockets: which addresses, what becomes of the files of unix sockets, and what is said when it
 * fails. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include "harness.h"

struct listening {
    struct server server;
    struct listeners *listeners;
    struct listen_error error;
    char folder[64];
    char path[96];
};

static void listening_open(struct listening *listening)
{
    server_open(&listening->server);
    listening->listeners = listeners_new(listening->server.loop, net_accept, listening->server.net);
    listening->error.text[0] = '\0';
    snprintf(listening->folder, sizeof(listening->folder), "/tmp/dkv-test-XXXXXX");
    assert_non_null(mkdtemp(listening->folder));
    snprintf(listening->path, sizeof(listening->path), "%s/socket", listening->folder);
}

static void listening_close(struct listening *listening)
{
    listeners_free(listening->listeners);
    server_close(&listening->server);
    unlink(listening->path);
    assert_int_equal(rmdir(listening->folder), 0);
}

static bool add_tcp(struct listening *listening, const char *address, int port)
{
    return listeners_add_tcp(listening->listeners, &address, 1, port, 511, &listening->error);
}

static bool add_unix(struct listening *listening, unsigned mode)
{
    return listeners_add_unix(listening->listeners, listening->path, mode, 511, &listening->error);
}

/* The port of the index-th socket. */
static int port_of(const struct listening *listening, int index)
{
    char text[ADDRESS_TEXT_MAX];
    listeners_text(listening->listeners, index, text);
    return atoi(strrchr(text, ':') + 1);
}

static int connect_tcp(int family, const char *text, int port)
{
    struct sockaddr_storage storage = {.ss_family = (sa_family_t)family};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    v4->sin_port = htons((uint16_t)port); /* at the same place in both */
    void *number = family == AF_INET ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr;
    assert_int_equal(inet_pton(family, text, number), 1);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&storage, family == AF_INET ? sizeof(*v4) : sizeof(*v6)) != 0) {
        close(fd);
        return -1;
    }
    set_nonblocking(fd);
    return fd;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0) {
        close(fd);
        return -1;
    }
    set_nonblocking(fd);
    return fd;
}

static void check_ping(struct server *server, int client)
{
    assert_true(client >= 0);
    client_say(server, client, "PING\r\n");
    client_expect(server, client, "+PONG\r\n");
}

static bool machine_has_ipv6(void)
{
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

/* Shows: several addresses are listened on, clients of each are served, and both ends' addresses are told as
 * CLIENT LIST prints them; sockets are set up for short requests and for peers that vanish. */
static void test_several_addresses(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    struct server *server = &listening.server;
    const char *const addresses[] = {"127.0.0.1", "127.0.0.2"};
    assert_true(listeners_add_tcp(listening.listeners, addresses, 2, 0, 511, &listening.error));
    assert_int_equal(listeners_count(listening.listeners), 2);
    for (int i = 0; i < 2; i++) {
        int port = port_of(&listening, i);
        int client = connect_tcp(AF_INET, addresses[i], port);
        check_ping(server, client);
        char expected[64];
        char text[ADDRESS_TEXT_MAX];
        snprintf(expected, sizeof(expected), "%s:%d", addresses[i], port);
        connection_local_text(client_connection(server), text);
        assert_string_equal(text, expected);
        struct address own;
        address_of_socket(&own, client);
        snprintf(expected, sizeof(expected), "127.0.0.1:%d", address_port(&own));
        connection_peer_text(client_connection(server), text);
        assert_string_equal(text, expected);
        assert_false(connection_is_unix(client_connection(server)));
        int value = 0;
        socklen_t size = sizeof(value);
        int fd = connection_fd(client_connection(server));
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
        assert_int_not_equal(value, 0);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &size), 0);
        assert_int_equal(value, 300);
        assert_int_not_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
        close(client);
    }
    listening_close(&listening);
}

/* Shows: "*" and "::*" on one port take both protocols, each its own. */
static void test_wildcards(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    assert_true(add_tcp(&listening, "*", 0));
    int port = port_of(&listening, 0);
    int client = connect_tcp(AF_INET, "127.0.0.1", port);
    check_ping(&listening.server, client);
    close(client);
    if (machine_has_ipv6()) {
        assert_int_equal(connect_tcp(AF_INET6, "::1", port), -1);
        assert_true(add_tcp(&listening, "::*", port));
        client = connect_tcp(AF_INET6, "::1", port);
        check_ping(&listening.server, client);
        char expected[64];
        char text[ADDRESS_TEXT_MAX];
        snprintf(expected, sizeof(expected), "[::1]:%d", port);
        connection_local_text(client_connection(&listening.server), text);
        assert_string_equal(text, expected);
        close(client);
    }
    listening_close(&listening);
}

/* Shows: an address in use is said so in Redis's words, and nothing of the same call is left listening. */
static void test_address_in_use(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    assert_true(add_tcp(&listening, "127.0.0.1", 0));
    int port = port_of(&listening, 0);
    const char *const addresses[] = {"127.0.0.3", "127.0.0.1"};
    assert_false(listeners_add_tcp(listening.listeners, addresses, 2, port, 511, &listening.error));
    char expected[128];
    snprintf(expected, sizeof(expected),
             "Could not create server TCP listening socket 127.0.0.1:%d: bind: Address already in use", port);
    assert_string_equal(listening.error.text, expected);
    assert_int_equal(listening.error.port, port);
    assert_int_equal(listeners_count(listening.listeners), 1);
    assert_int_equal(connect_tcp(AF_INET, "127.0.0.3", port), -1);
    int client = connect_tcp(AF_INET, "127.0.0.1", port);
    check_ping(&listening.server, client);
    close(client);
    listening_close(&listening);
}

/* Shows: an address that this machine does not have is an error, unless it is optional; a bad name is one
 * always. */
static void test_optional_address(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    assert_false(add_tcp(&listening, "192.0.2.1", 0));
    assert_string_equal(listening.error.text,
                        "Could not create server TCP listening socket 192.0.2.1:0: bind: "
                        "Cannot assign requested address");
    assert_true(add_tcp(&listening, "-192.0.2.1", 0));
    assert_true(add_tcp(&listening, "-2001:db8::1", 0));
    assert_int_equal(listeners_count(listening.listeners), 0);
    assert_true(log_count(&listening.server, "192.0.2.1:0: bind: Cannot assign requested address") == 1);
    assert_false(add_tcp(&listening, "-not an address", 0));
    assert_true(listeners_add_tcp(listening.listeners, NULL, 0, 0, 511, &listening.error));
    listening_close(&listening);
}

/* Shows: a unix socket is served, has the permissions asked for, and its file is removed at the end; its
 * clients' address is its path. */
static void test_unix_socket(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    struct server *server = &listening.server;
    assert_true(add_unix(&listening, 0640));
    struct stat status;
    assert_int_equal(lstat(listening.path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    int client = connect_unix(listening.path);
    check_ping(server, client);
    char expected[ADDRESS_TEXT_MAX];
    char text[ADDRESS_TEXT_MAX];
    snprintf(expected, sizeof(expected), "%s:0", listening.path);
    connection_peer_text(client_connection(server), text);
    assert_string_equal(text, expected);
    connection_local_text(client_connection(server), text);
    assert_string_equal(text, expected);
    assert_true(connection_is_unix(client_connection(server)));
    listeners_free(listening.listeners);
    listening.listeners = NULL;
    assert_int_equal(lstat(listening.path, &status), -1);
    check_ping(server, client); /* who is connected stays so */
    close(client);
    listening_close(&listening);
}

/* Shows: a socket file that a crash left behind is replaced; one that is listened on is not; nor is any other
 * file; and closing does not remove a successor's file. */
static void test_unix_socket_file(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    int left = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", listening.path);
    assert_int_equal(bind(left, (struct sockaddr *)&name, sizeof(name)), 0);
    close(left);
    assert_true(add_unix(&listening, 0));
    assert_false(add_unix(&listening, 0));
    char expected[256];
    snprintf(expected, sizeof(expected), "Failed opening Unix socket %s: bind: Address already in use",
             listening.path);
    assert_string_equal(listening.error.text, expected);
    int client = connect_unix(listening.path);
    check_ping(&listening.server, client);
    close(client);
    unlink(listening.path);
    fclose(fopen(listening.path, "w"));
    assert_false(add_unix(&listening, 0));
    listeners_free(listening.listeners);
    listening.listeners = NULL;
    struct stat status;
    assert_int_equal(lstat(listening.path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    listening_close(&listening);
}

/* Shows: a path that the kernel has no room for is an error that says so. */
static void test_unix_socket_long_path(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    char path[200];
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_false(listeners_add_unix(listening.listeners, path, 0, 511, &listening.error));
    assert_non_null(strstr(listening.error.text, "File name too long"));
    listening_close(&listening);
}

/* A set to take the place of listening's. */
static struct listeners *heir_new(struct listening *listening)
{
    struct listeners *heir = listeners_new(listening->server.loop, net_accept, listening->server.net);
    listeners_inherit(heir, listening->listeners);
    return heir;
}

static void heir_take_over(struct listening *listening, struct listeners *heir)
{
    listeners_free(listening->listeners);
    listening->listeners = heir;
}

/* A port that is free, to be asked for by number. */
static int free_port(struct listening *listening)
{
    assert_true(add_tcp(listening, "127.0.0.1", 0));
    int port = port_of(listening, 0);
    listeners_free(listening->listeners);
    listening->listeners = listeners_new(listening->server.loop, net_accept, listening->server.net);
    return port;
}

/* Shows: what is listened on before and after a move is not interrupted by it, not even for a client in the
 * queue; the rest is closed; and an address that is asked for twice is an error as ever. */
static void test_move(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    struct server *server = &listening.server;
    int port = free_port(&listening);
    assert_true(add_tcp(&listening, "127.0.0.1", port));
    assert_true(add_tcp(&listening, "127.0.0.2", port));
    assert_true(add_unix(&listening, 0600));
    int queued = connect_tcp(AF_INET, "127.0.0.1", port);
    int queued_unix = connect_unix(listening.path);
    struct listeners *heir = heir_new(&listening);
    const char *const addresses[] = {"127.0.0.3", "-127.0.0.1"};
    assert_true(listeners_add_tcp(heir, addresses, 2, port, 511, &listening.error));
    assert_true(listeners_add_unix(heir, listening.path, 0660, 511, &listening.error));
    heir_take_over(&listening, heir);
    check_ping(server, queued);
    check_ping(server, queued_unix);
    assert_int_equal(connect_tcp(AF_INET, "127.0.0.2", port), -1);
    int client = connect_tcp(AF_INET, "127.0.0.3", port);
    check_ping(server, client);
    close(client);
    client = connect_unix(listening.path);
    check_ping(server, client);
    struct stat status;
    assert_int_equal(lstat(listening.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);

    heir = heir_new(&listening);
    const char *const twice[] = {"127.0.0.1", "127.0.0.1"};
    assert_false(listeners_add_tcp(heir, twice, 2, port, 511, &listening.error));
    listeners_free(heir);
    close(client);
    close(queued);
    close(queued_unix);
    listeners_free(listening.listeners);
    listening.listeners = NULL;
    assert_int_equal(lstat(listening.path, &status), -1);
    listening_close(&listening);
}

/* Shows: a move that fails half-way changes nothing: every address and the unix socket are served as before.
 */
static void test_move_fails(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    struct server *server = &listening.server;
    int port = free_port(&listening);
    assert_true(add_tcp(&listening, "127.0.0.1", port));
    assert_true(add_tcp(&listening, "127.0.0.2", port));
    assert_true(add_unix(&listening, 0));
    /* 192.0.2.1 is no machine's; all of IPv4 cannot be listened on because of the stranger. */
    int stranger = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    assert_int_equal(inet_pton(AF_INET, "127.0.0.9", &there.sin_addr), 1);
    assert_int_equal(bind(stranger, (struct sockaddr *)&there, sizeof(there)), 0);
    assert_int_equal(listen(stranger, 1), 0);
    static const char *const impossible[][2] = {{"127.0.0.1", "192.0.2.1"}, {"*", "127.0.0.1"}};
    for (int i = 0; i < 2; i++) {
        struct listeners *heir = heir_new(&listening);
        assert_true(listeners_add_unix(heir, listening.path, 0, 511, &listening.error));
        assert_false(listeners_add_tcp(heir, impossible[i], 2, port, 511, &listening.error));
        assert_int_equal(listeners_count(heir), 1);
        listeners_free(heir);
        int clients[] = {connect_tcp(AF_INET, "127.0.0.1", port), connect_tcp(AF_INET, "127.0.0.2", port),
                         connect_unix(listening.path)};
        for (int j = 0; j < 3; j++) {
            check_ping(server, clients[j]);
            close(clients[j]);
        }
        server_expect_sleep(server);
    }
    assert_int_equal(log_count(server, "Cannot"), 0);
    close(stranger);
    listening_close(&listening);
}

/* Shows: from one address to all of them and back, with the same port, whose sockets exclude each other. */
static void test_move_to_all(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    int port = free_port(&listening);
    static const char *const places[] = {"127.0.0.1", "*", "127.0.0.1"};
    for (int i = 0; i < 3; i++) {
        struct listeners *heir = heir_new(&listening);
        assert_true(listeners_add_tcp(heir, &places[i], 1, port, 511, &listening.error));
        heir_take_over(&listening, heir);
        int client = connect_tcp(AF_INET, "127.0.0.1", port);
        check_ping(&listening.server, client);
        close(client);
        client = connect_tcp(AF_INET, "127.0.0.7", port);
        assert_int_equal(client >= 0, i == 1);
        if (client >= 0)
            close(client);
        server_expect_sleep(&listening.server);
    }
    listening_close(&listening);
}

/* Shows: without a descriptor left the loop does not spin and logs one line for the burst; the clients in the
 * queue are served when there are descriptors again. */
static void test_out_of_descriptors(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    struct server *server = &listening.server;
    assert_true(add_unix(&listening, 0));
    int clients[3];
    for (int i = 0; i < 3; i++)
        clients[i] = connect_unix(listening.path);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    int next = dup(0);
    close(next);
    struct rlimit none = {.rlim_cur = (rlim_t)next, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    server_rounds(server, 2);
    for (int i = 0; i < 3; i++) {
        server_expect_sleep(server);
        server->clock_ahead_us += 200000;
        server_rounds(server, 3);
    }
    assert_int_equal(server->sessions, 0);
    assert_int_equal(log_count(server, "Cannot accept connections for now: Too many open files"), 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    server->clock_ahead_us += 200000;
    for (int i = 0; i < 3; i++) {
        check_ping(server, clients[i]);
        close(clients[i]);
    }
    listening_close(&listening);
}

/* Shows: over TCP, too, the error for bytes that are no command reaches a client that had sent more behind
 * them, and the connection ends without a reset, which could take the error away on its way. */
static void test_error_reaches_client(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    assert_true(add_tcp(&listening, "127.0.0.1", 0));
    static char rubbish[300000] = "*1\r\n$x\r\n";
    for (int i = 0; i < 20; i++) {
        int client = connect_tcp(AF_INET, "127.0.0.1", port_of(&listening, 0));
        assert_true(send(client, rubbish, sizeof(rubbish), 0) > 70000);
        server_rounds(&listening.server, 5);
        client_expect(&listening.server, client, "-ERR Protocol error: invalid bulk length\r\n");
        int error = 0;
        socklen_t size = sizeof(error);
        assert_int_equal(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &size), 0);
        assert_int_equal(error, 0);
        client_expect_end(&listening.server, client);
    }
    listening_close(&listening);
}

/* Shows: a TCP client that vanishes while it is blocked is noticed. */
static void test_tcp_hang_up(void **state)
{
    (void)state;
    struct listening listening;
    listening_open(&listening);
    struct server *server = &listening.server;
    assert_true(add_tcp(&listening, "127.0.0.1", 0));
    int client = connect_tcp(AF_INET, "127.0.0.1", port_of(&listening, 0));
    client_say(server, client, "BLOCK 0\r\n");
    server_rounds(server, 5);
    assert_int_equal(server_stats(server).blocked, 1);
    close(client);
    for (int rounds = 0; server->sessions > 0 && rounds < ROUNDS_MAX; rounds++)
        server_round(server);
    assert_int_equal(server->sessions, 0);
    listening_close(&listening);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_addresses),
        cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_address_in_use),
        cmocka_unit_test(test_optional_address),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_unix_socket_file),
        cmocka_unit_test(test_unix_socket_long_path),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_move_fails),
        cmocka_unit_test(test_move_to_all),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_error_reaches_client),
        cmocka_unit_test(test_tcp_hang_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
