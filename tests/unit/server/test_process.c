/* The process around the server. What would end or change the test itself runs in a forked child. */
#include "server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/diag.h"
#include "base/thread.h"
#include "config_test.h"

/* Runs body in a child; returns how it ended, as waitpid tells. */
static int in_child(void (*body)(const char *folder), const char *folder)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        body(folder);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void quiet_sink(void *context, enum diag_level level, const char *text)
{
    (void)level;
    strncat(context, text, 1000);
}

/* --- pid file --------------------------------------------------------------------------------------- */

/* It holds the process's id, and is removed only while it does. */
static void writes_its_id(void **state)
{
    (void)state;
    char *folder = folder_new();
    const char *path = path_in(folder, "pid");
    assert_true(process_pidfile_write(path));
    char *text = file_text(path);
    assert_int_equal(atoi(text), getpid());
    mem_free(text);
    process_pidfile_remove(path);
    assert_int_equal(access(path, F_OK), -1);
    file_write(path, "1\n");
    process_pidfile_remove(path);
    assert_int_equal(access(path, F_OK), 0);
    assert_false(process_pidfile_write(path_in(folder, "none/pid")));
    assert_int_equal(errno, ENOENT);
    folder_remove(folder);
}

/* --- daemon ----------------------------------------------------------------------------------------- */

static void become_daemon(const char *folder)
{
    pid_t before = getpid();
    if (!process_daemonize())
        _exit(2);
    char text[64];
    struct stat null;
    struct stat output;
    bool away =
        stat("/dev/null", &null) == 0 && fstat(STDOUT_FILENO, &output) == 0 && null.st_rdev == output.st_rdev;
    snprintf(text, sizeof(text), "%d %d %d", getpid() != before, getsid(0) == getpid(), away);
    file_write(path_in(folder, "half"), text);
    rename(path_in(folder, "half"), path_in(folder, "daemon"));
    process_started();
}

/* The parent exits 0 once the child serves; the child leads a session of its own, with its output led away.
 */
static void goes_into_the_background(void **state)
{
    (void)state;
    char *folder = folder_new();
    assert_int_equal(in_child(become_daemon, folder), 0);
    char *text = file_text(path_in(folder, "daemon"));
    assert_string_equal(text, "1 1 1");
    mem_free(text);
    folder_remove(folder);
}

static void fail_to_serve(const char *folder)
{
    (void)folder;
    process_daemonize();
    _exit(7);
}

static void be_killed_before_serving(const char *folder)
{
    (void)folder;
    close(STDERR_FILENO); /* what the parent says of it is nothing to see here */
    process_daemonize();
    raise(SIGKILL);
}

/* The parent's exit status is the outcome. */
static void tells_that_it_failed(void **state)
{
    (void)state;
    int failed = in_child(fail_to_serve, NULL);
    assert_true(WIFEXITED(failed));
    assert_int_equal(WEXITSTATUS(failed), 7);
    int killed = in_child(be_killed_before_serving, NULL);
    assert_true(WIFEXITED(killed));
    assert_int_equal(WEXITSTATUS(killed), 1);
}

/* --- supervisors ------------------------------------------------------------------------------------ */

static int notify_socket(const char *path, bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    memcpy(address.sun_path + abstract, path, size);
    int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + size);
    assert_int_equal(bind(receiver, (struct sockaddr *)&address, length), 0);
    return receiver;
}

static void assert_notified(int receiver, const char *expected)
{
    char text[128];
    ssize_t size = recv(receiver, text, sizeof(text) - 1, MSG_DONTWAIT);
    assert_true(size >= 0);
    text[size] = '\0';
    assert_string_equal(text, expected);
    close(receiver);
}

/* systemd is told through the socket of the environment, one in the file system or an abstract one. */
static void notifies_systemd(void **state)
{
    (void)state;
    char *folder = folder_new();
    const char *path = path_in(folder, "notify");
    setenv("NOTIFY_SOCKET", path, 1);
    int receiver = notify_socket(path, false);
    assert_int_equal(process_supervised_by(SUPERVISED_AUTO), SUPERVISED_SYSTEMD);
    process_notify(SUPERVISED_SYSTEMD, "READY=1");
    assert_notified(receiver, "READY=1");

    char name[64];
    snprintf(name, sizeof(name), "@dkv-test-%d", (int)getpid());
    setenv("NOTIFY_SOCKET", name, 1);
    receiver = notify_socket(name + 1, true);
    process_notify(SUPERVISED_SYSTEMD, "STOPPING=1");
    assert_notified(receiver, "STOPPING=1");
    unsetenv("NOTIFY_SOCKET");
    folder_remove(folder);
}

/* A supervisor that is asked for and not there is told of, and the server goes on without. */
static void misses_supervisors(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("UPSTART_JOB");
    char told[2048] = "";
    diag_set_sink(quiet_sink, told);
    assert_int_equal(process_supervised_by(SUPERVISED_AUTO), SUPERVISED_NO);
    assert_string_equal(told, "");
    assert_int_equal(process_supervised_by(SUPERVISED_SYSTEMD), SUPERVISED_NO);
    assert_non_null(strstr(told, "NOTIFY_SOCKET"));
    assert_int_equal(process_supervised_by(SUPERVISED_UPSTART), SUPERVISED_NO);
    assert_non_null(strstr(told, "UPSTART_JOB"));
    diag_set_sink(NULL, NULL);
}

static void stop_for_upstart(const char *folder)
{
    (void)folder;
    setenv("UPSTART_JOB", "dkv", 1);
    process_notify(process_supervised_by(SUPERVISED_AUTO), "READY=1");
    process_notify(SUPERVISED_NO, "READY=1");
}

/* Upstart is told by a SIGSTOP, which it continues. */
static void stops_for_upstart(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        stop_for_upstart(NULL);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    kill(child, SIGCONT);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* --- limits ----------------------------------------------------------------------------------------- */

static void raise_files(const char *folder)
{
    (void)folder;
    char told[2048] = "";
    diag_set_sink(quiet_sink, told);
    struct rlimit limit = {64, 256};
    setrlimit(RLIMIT_NOFILE, &limit);
    if (process_raise_open_files(100, 32) != 100)
        _exit(1);
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur != 132)
        _exit(2);
    /* Enough already: nothing to do, nothing to say. */
    told[0] = '\0';
    if (process_raise_open_files(90, 32) != 90 || told[0] != '\0')
        _exit(3);
    /* Beyond what anybody gets. */
    uint64_t got = process_raise_open_files(UINT64_C(1) << 40, 32);
    if (got < 256 - 32 || got >= UINT64_C(1) << 40 || strstr(told, "cannot be raised") == NULL)
        _exit(4);
}

/* The limit of open files is raised as far as needed and possible; what does not fit is told of. */
static void raises_the_limit_of_files(void **state)
{
    (void)state;
    assert_int_equal(in_child(raise_files, NULL), 0);
}

/* --- signals ---------------------------------------------------------------------------------------- */

/* Signals make the descriptor readable and come out as events, once each. */
static void signals_become_events(void **state)
{
    (void)state;
    int descriptor = process_signals_open(NULL);
    assert_true(descriptor >= 0);
    struct pollfd poll_ = {.fd = descriptor, .events = POLLIN};
    assert_int_equal(poll(&poll_, 1, 0), 0);
    assert_int_equal(process_signals_take(), PROCESS_NOTHING);
    raise(SIGPIPE);
    raise(SIGHUP);
    raise(SIGHUP);
    assert_int_equal(poll(&poll_, 1, 0), 1);
    assert_int_equal(process_signals_take(), PROCESS_REOPEN);
    assert_int_equal(poll(&poll_, 1, 0), 0);
    raise(SIGHUP);
    raise(SIGTERM);
    assert_int_equal(process_signals_take(), PROCESS_REOPEN | PROCESS_STOP);
    assert_int_equal(process_signals_take(), PROCESS_NOTHING);
    assert_int_equal(process_stop_signal(), SIGTERM);
    process_signals_reset();
}

static void stop_twice(const char *folder)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/pid", folder);
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    process_pidfile_write(path);
    process_signals_open(path);
    raise(SIGINT);
    raise(SIGTERM);
}

/* The second signal to stop ends the process at once, and the pid file with it. */
static void second_stop_is_final(void **state)
{
    (void)state;
    char *folder = folder_new();
    int status = in_child(stop_twice, folder);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_int_equal(access(path_in(folder, "pid"), F_OK), -1);
    folder_remove(folder);
}

static void begin_crash(const char *folder)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    struct log_options options = {
        .file = path_in(folder, "log"), .level = LOG_LEVEL_NOTICE, .syslog_ident = ""};
    struct log_error error;
    log_open(&options, &error);
    process_crash_reports("dkv test");
}

static __attribute__((noinline)) void crash(const char *folder)
{
    begin_crash(folder);
    raise(SIGSEGV);
    _exit(1); /* and no tail call, which would leave no frame */
}

static void *crash_in_thread(void *argument)
{
    (void)argument;
    raise(SIGSEGV);
    _exit(1);
}

static void crash_beside(const char *folder)
{
    pthread_t thread;
    begin_crash(folder);
    if (thread_start(&thread, crash_in_thread, NULL, "test"))
        pthread_join(thread, NULL);
    _exit(1);
}

/* A crash leaves a report in the log that names functions, static ones too, and lines; and the process still
 * dies of the signal. */
static void reports_crashes(void **state)
{
    (void)state;
    char *folder = folder_new();
    int status = in_child(crash, folder);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    char *text = file_text(path_in(folder, "log"));
    assert_non_null(strstr(text, "=== dkv test CRASHED: process "));
    assert_non_null(strstr(text, "signal 11 (SEGV)"));
    assert_non_null(strstr(text, "test_process("));
    /* gcc has relative paths there, clang whole ones. */
    assert_non_null(strstr(text, " crash at "));
    assert_non_null(strstr(text, " main at "));
    assert_non_null(strstr(text, "tests/unit/server/test_process.c:"));
    mem_free(text);
    folder_remove(folder);
}

/* So does one in any other thread, though those leave signals to the first. */
static void reports_crashes_of_threads(void **state)
{
    (void)state;
    char *folder = folder_new();
    int status = in_child(crash_beside, folder);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    char *text = file_text(path_in(folder, "log"));
    assert_non_null(strstr(text, "=== dkv test CRASHED: process "));
    assert_non_null(strstr(text, " crash_in_thread at "));
    mem_free(text);
    folder_remove(folder);
}

/* --- title and build -------------------------------------------------------------------------------- */

static void assert_title(const char *expected, size_t size)
{
    char text[4096] = "";
    FILE *file = fopen("/proc/self/cmdline", "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    assert_int_equal(strncmp(text, expected, size), 0);
}

/* The kernel shows the title, a long one cut, and the environment is what it was. */
static void sets_its_title(void **state)
{
    (void)state;
    setenv("DKV_TEST", "stays", 1);
    process_title_set("a title 127.0.0.1:6379");
    assert_title("a title 127.0.0.1:6379", 23);
    char large[100000];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    process_title_set(large);
    assert_title(large, 16);
    assert_string_equal(getenv("DKV_TEST"), "stays");
    assert_non_null(getenv("PATH"));
}

/* The linker's build id is found. */
static void has_a_build_id(void **state)
{
    (void)state;
    assert_true(process_build_id() != 0);
    assert_true(process_build_id() == process_build_id());
}

int main(int argc, char **argv)
{
    if (process_describes_parent(argc, argv))
        return 0;
    process_title_init(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_its_id),
        cmocka_unit_test(goes_into_the_background),
        cmocka_unit_test(tells_that_it_failed),
        cmocka_unit_test(notifies_systemd),
        cmocka_unit_test(misses_supervisors),
        cmocka_unit_test(stops_for_upstart),
        cmocka_unit_test(raises_the_limit_of_files),
        cmocka_unit_test(signals_become_events),
        cmocka_unit_test(second_stop_is_final),
        cmocka_unit_test(reports_crashes),
        cmocka_unit_test(reports_crashes_of_threads),
        cmocka_unit_test(sets_its_title),
        cmocka_unit_test(has_a_build_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
