/* The log: the shape of its lines, where they go, and that threads and forked children keep them whole.
 * Includes the source, to get at the date arithmetic. */
#include "server/log.c"

#include <pthread.h>
#include <sys/wait.h>

#include "config_test.h"

static void open_log(const char *file, enum log_level level)
{
    struct log_options options = {.file = file, .level = level, .syslog_ident = "test"};
    struct log_error error;
    if (!log_open(&options, &error))
        fail_msg("%s", error.text);
}

/* The dates of two centuries agree with the C library's. */
static void dates_are_right(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 365 * 200; day++) {
        time_t seconds = (time_t)(day * 86400);
        struct tm expected;
        assert_non_null(gmtime_r(&seconds, &expected));
        struct date date = date_of_day(day);
        assert_int_equal(date.day, expected.tm_mday);
        assert_int_equal(date.month, expected.tm_mon);
        assert_int_equal(date.year, expected.tm_year + 1900);
    }
}

/* A line has Redis's layout, in local time. */
static void lines_have_their_shape(void **state)
{
    (void)state;
    setenv("TZ", "XXX-5:30", 1);
    tzset();
    char *folder = folder_new();
    const char *file = path_in(folder, "log");
    open_log(file, LOG_LEVEL_DEBUG);
    time_t before = time(NULL);
    diag(DIAG_DEBUG, "one");
    log_set_role('C');
    diag(DIAG_WARNING, "two %d", 2);
    log_set_role('M');
    time_t after = time(NULL);
    log_close();
    char *text = file_text(file);

    struct tm local = {0};
    int pid;
    int ms;
    char role[2];
    char month[4];
    int read = 0;
    assert_int_equal(sscanf(text, "%d:%1[A-Z] %2d %3s %4d %2d:%2d:%2d.%3d . one\n%n", &pid, role,
                            &local.tm_mday, month, &local.tm_year, &local.tm_hour, &local.tm_min,
                            &local.tm_sec, &ms, &read),
                     9);
    assert_int_equal(pid, getpid());
    assert_string_equal(role, "M");
    struct tm now;
    localtime_r(&before, &now);
    assert_int_equal(local.tm_year, now.tm_year + 1900);
    local.tm_year -= 1900;
    local.tm_mon = now.tm_mon;
    time_t logged = mktime(&local);
    assert_true(logged >= before && logged <= after);
    char second[64];
    assert_true(read > 0);
    assert_int_equal(sscanf(text + read, "%d:%1[A-Z] %63[^#]# two 2\n", &pid, role, second), 3);
    assert_string_equal(role, "C");
    mem_free(text);
    folder_remove(folder);
}

/* Lines below the level are left out; "nothing" leaves out all. */
static void levels_hold(void **state)
{
    (void)state;
    char *folder = folder_new();
    const char *file = path_in(folder, "log");
    open_log(file, LOG_LEVEL_NOTICE);
    diag(DIAG_VERBOSE, "no");
    diag(DIAG_NOTICE, "yes");
    log_set_level(LOG_LEVEL_VERBOSE);
    diag(DIAG_VERBOSE, "also");
    log_set_level(LOG_LEVEL_NOTHING);
    diag(DIAG_WARNING, "never");
    log_close();
    char *text = file_text(file);
    assert_non_null(strstr(text, " * yes\n"));
    assert_non_null(strstr(text, " - also\n"));
    assert_null(strstr(text, "no\n"));
    assert_null(strstr(text, "never"));
    mem_free(text);
    folder_remove(folder);
}

/* After a rename, reopening begins a new file; when that cannot be, lines go on to the old one. */
static void reopens(void **state)
{
    (void)state;
    char *folder = folder_new();
    char inner[128];
    snprintf(inner, sizeof(inner), "%s/in", folder);
    assert_int_equal(mkdir(inner, 0700), 0);
    char *file = mem_strdup(path_in(inner, "log"));
    char *moved = mem_strdup(path_in(folder, "moved"));
    open_log(file, LOG_LEVEL_NOTICE);
    int descriptor = log_descriptor();
    diag(DIAG_NOTICE, "first");
    assert_int_equal(rename(file, moved), 0);
    log_reopen();
    assert_int_equal(log_descriptor(), descriptor);
    diag(DIAG_NOTICE, "second");
    char *text = file_text(file);
    assert_non_null(strstr(text, "second"));
    assert_null(strstr(text, "first"));
    mem_free(text);

    assert_int_equal(rename(file, moved), 0);
    assert_int_equal(rmdir(inner), 0);
    log_reopen();
    diag(DIAG_NOTICE, "third");
    text = file_text(moved);
    assert_non_null(strstr(text, "cannot open the log file"));
    assert_non_null(strstr(text, "third"));
    mem_free(text);
    log_close();
    mem_free(file);
    mem_free(moved);
    folder_remove(folder);
}

/* A file that cannot be opened is told of, and the log stays where it was. */
static void open_can_fail(void **state)
{
    (void)state;
    char *folder = folder_new();
    open_log(path_in(folder, "log"), LOG_LEVEL_NOTICE);
    struct log_options options = {.file = path_in(folder, "none/log"), .syslog_ident = ""};
    struct log_error error;
    assert_false(log_open(&options, &error));
    assert_non_null(strstr(error.text, "none/log': No such file or directory"));
    diag(DIAG_NOTICE, "still here");
    char *text = file_text(path_in(folder, "log"));
    assert_non_null(strstr(text, "still here"));
    mem_free(text);
    log_close();
    folder_remove(folder);
}

#define THREADS          4
#define LINES_PER_THREAD 500

static void *write_lines(void *argument)
{
    for (int i = 0; i < LINES_PER_THREAD; i++)
        diag(DIAG_NOTICE, "thread %d line %d end", *(int *)argument, i);
    return NULL;
}

/* Lines of several threads and of a child forked meanwhile come out whole, each once. */
static void lines_stay_whole(void **state)
{
    (void)state;
    char *folder = folder_new();
    const char *file = path_in(folder, "log");
    open_log(file, LOG_LEVEL_NOTICE);
    pthread_t threads[THREADS];
    int numbers[THREADS + 1];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, write_lines, &numbers[i]);
    }
    numbers[THREADS] = THREADS;
    pid_t child = fork();
    if (child == 0) {
        write_lines(&numbers[THREADS]);
        _exit(0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    log_close();

    bool seen[THREADS + 1][LINES_PER_THREAD] = {0};
    int lines = 0;
    char *text = file_text(file);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        int thread;
        int number;
        int end = 0;
        const char *message = strstr(line, " * thread ");
        assert_non_null(message);
        assert_int_equal(sscanf(message, " * thread %d line %d end%n", &thread, &number, &end), 2);
        assert_int_equal(message[end], '\0');
        assert_false(seen[thread][number]);
        seen[thread][number] = true;
    }
    assert_int_equal(lines, (THREADS + 1) * LINES_PER_THREAD);
    mem_free(text);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_right), cmocka_unit_test(lines_have_their_shape),
        cmocka_unit_test(levels_hold),     cmocka_unit_test(reopens),
        cmocka_unit_test(open_can_fail),   cmocka_unit_test(lines_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
