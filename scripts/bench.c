/* Times commands, and is the floor beside them: a program that does one task of kagi's, with plain
 * files, and nothing else. scripts/bench.sh compiles it, statically, and says in which list it is what.
 *
 *   bench time ROUNDS <LIST           a line of the list is NAME, `-` or `tty`, and COMMAND..., with tabs
 *       between. Each round runs each command once, in another order, and prints NAME and the nanoseconds
 *       from before its start until it has ended. The first round warms up and prints nothing. `%` in a
 *       command is 0 in one round and 1 in the next. Standard output is /dev/null; the other two are that
 *       too, or with `tty` a terminal on which a y has been typed. What fails ends all.
 *   bench peak RESULT COMMAND...      adds a line to the file RESULT: how many KiB of memory COMMAND had at
 *       most, until it ended or became another program. Looked at before and after each system call, as
 *       memory is given back by those alone; ru_maxrss is too coarse on newer kernels.
 *   bench env FILE COMMAND...         takes each line of FILE into the environment, becomes COMMAND
 *   bench copy FILE                   reads FILE, writes it to standard output
 *   bench write TIMES INTO FILE... [- MORE...]
 *       reads each FILE and writes it durably into the directory INTO/0, INTO/1, ...: a temporary file,
 *       sync, rename, sync of the directory; all of them TIMES times. MORE is only read.
 *   bench nothing
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { COMMANDS_MAX = 256, LIST_BYTES_MAX = 1 << 20, PATH_BYTES_MAX = 4096 };

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *memory(size_t bytes) {
    void *found = malloc(bytes);
    if (!found) fail("memory");
    return found;
}

/* The floors. */

/* The whole file, with a zero after it. */
static char *read_file(const char *path, size_t *size) {
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status)) fail(path);
    char *text = memory(status.st_size + 1);
    if (read(file, text, status.st_size) != status.st_size) fail(path);
    close(file);
    text[status.st_size] = 0;
    *size = status.st_size;
    return text;
}

static int become(char **arguments) {
    size_t size, lines = 0, inherited = 0, at = 0;
    char *text = read_file(arguments[0], &size);
    for (char *end = text; (end = strchr(end, '\n')); end++) lines++;
    while (environ[inherited]) inherited++;
    char **variables = memory((inherited + lines + 1) * sizeof *variables);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        variables[at++] = line;
    }
    memcpy(variables + at, environ, (inherited + 1) * sizeof *variables);
    execve(arguments[1], arguments + 1, variables);
    fail(arguments[1]);
}

static int copy(const char *path) {
    size_t size;
    char *text = read_file(path, &size);
    if (write(1, text, size) != (ssize_t)size) fail("standard output");
    return 0;
}

static void write_durably(const char *directory, const char *text, size_t size) {
    char temporary[PATH_BYTES_MAX + 16], path[PATH_BYTES_MAX + 16];
    snprintf(temporary, sizeof temporary, "%s/.file.tmp", directory);
    snprintf(path, sizeof path, "%s/file", directory);
    int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file < 0 || write(file, text, size) != (ssize_t)size || fsync(file)) fail(temporary);
    close(file);
    if (rename(temporary, path)) fail(path);
    int above = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above < 0 || fsync(above)) fail(directory);
    close(above);
}

static int write_files(char **arguments) {
    char directory[PATH_BYTES_MAX];
    for (int times = atoi(arguments[0]); times > 0; times--) {
        int is_written = 1;
        for (int at = 2; arguments[at]; at++) {
            if (!strcmp(arguments[at], "-")) {
                is_written = 0;
                continue;
            }
            size_t size;
            char *text = read_file(arguments[at], &size);
            snprintf(directory, sizeof directory, "%s/%d", arguments[1], at - 2);
            if (is_written) write_durably(directory, text, size);
            free(text);
        }
    }
    return 0;
}

/* Taking the time. */

struct command {
    const char *name;
    int wants_terminal;
    char **words[2]; /* in even rounds and in odd ones */
};

/* The word with each `%` replaced; the word itself if it has none. */
static char *filled(char *word, char digit) {
    if (!strchr(word, '%')) return word;
    word = strdup(word);
    if (!word) fail("memory");
    for (char *at; (at = strchr(word, '%'));) *at = digit;
    return word;
}

static struct command parsed(char *line) {
    struct command command = {0};
    size_t count = 2;
    for (char *at = line; (at = strchr(at, '\t')); at++) count++;
    command.words[0] = memory(count * sizeof(char *));
    command.words[1] = memory(count * sizeof(char *));
    command.name = strsep(&line, "\t");
    char *terminal = strsep(&line, "\t");
    if (!terminal || !line) {
        fprintf(stderr, "bench: no command: %s\n", command.name);
        exit(1);
    }
    command.wants_terminal = !strcmp(terminal, "tty");
    size_t at = 0;
    for (char *word; (word = strsep(&line, "\t")); at++) {
        command.words[0][at] = filled(word, '0');
        command.words[1][at] = filled(word, '1');
    }
    command.words[0][at] = command.words[1][at] = NULL;
    return command;
}

static size_t read_list(struct command *commands) {
    char *list = memory(LIST_BYTES_MAX);
    size_t size = fread(list, 1, LIST_BYTES_MAX - 1, stdin), count = 0;
    list[size] = 0;
    for (char *line; (line = strsep(&list, "\n"));) {
        if (!*line) continue;
        if (count == COMMANDS_MAX) {
            fprintf(stderr, "bench: more than %d commands\n", COMMANDS_MAX);
            exit(1);
        }
        commands[count++] = parsed(line);
    }
    return count;
}

static int null, master, slave;

static void open_streams(void) {
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (null < 0 || master < 0 || grantpt(master) || unlockpt(master)) fail("a terminal");
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || fcntl(master, F_SETFL, O_NONBLOCK)) fail("a terminal");
}

/* What was asked, and what was typed and not read. */
static void empty_terminal(void) {
    char shown[PATH_BYTES_MAX];
    while (read(master, shown, sizeof shown) > 0) continue;
    tcflush(slave, TCIFLUSH);
}

static long long nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void run(const struct command *command, int round) {
    char **words = command->words[round % 2];
    int input = command->wants_terminal ? slave : null;
    posix_spawn_file_actions_t streams;
    posix_spawn_file_actions_init(&streams);
    posix_spawn_file_actions_adddup2(&streams, input, 0);
    posix_spawn_file_actions_adddup2(&streams, null, 1);
    posix_spawn_file_actions_adddup2(&streams, input, 2);
    if (command->wants_terminal && write(master, "y\n", 2) != 2) fail("a terminal");

    pid_t child;
    int status;
    long long before = nanoseconds();
    if (posix_spawn(&child, words[0], &streams, NULL, words, environ)) fail(words[0]);
    if (waitpid(child, &status, 0) != child) fail("wait");
    long long after = nanoseconds();

    posix_spawn_file_actions_destroy(&streams);
    if (command->wants_terminal) empty_terminal();
    if (status) {
        fprintf(stderr, "bench: %s ended with status %#x:", command->name, status);
        for (char **word = words; *word; word++) fprintf(stderr, " %s", *word);
        fprintf(stderr, "\n");
        exit(1);
    }
    if (round) printf("%s\t%lld\n", command->name, after - before);
}

/* Another order each round, so that nothing always comes after the same: xorshift, one seed. */
static void shuffle(struct command *commands, size_t count) {
    static unsigned state = 2463534242;
    for (size_t at = count; at > 1; at--) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        struct command *other = commands + state % at, kept = *other;
        *other = commands[at - 1];
        commands[at - 1] = kept;
    }
}

static int take_times(int rounds) {
    static struct command commands[COMMANDS_MAX];
    size_t count = read_list(commands);
    open_streams();
    for (int round = 0; round <= rounds; round++) {
        shuffle(commands, count);
        for (size_t at = 0; at < count; at++) run(commands + at, round);
    }
    return 0;
}

/* Taking the memory. */

/* What a process has in memory now, in KiB, counted page by page. */
static long resident(pid_t process) {
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", process);
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    while (!kib && fgets(line, sizeof line, file)) sscanf(line, "Rss: %ld", &kib);
    fclose(file);
    return kib;
}

static int take_peak(const char *result, char **words) {
    int status, passed_on = 0;
    long peak = 0;
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execv(words[0], words);
        fail(words[0]);
    }
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) fail("trace");
    ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC));
    while (!ptrace(PTRACE_SYSCALL, child, NULL, (void *)(long)passed_on)) {
        if (waitpid(child, &status, 0) != child) fail("wait");
        if (!WIFSTOPPED(status)) break;
        passed_on = WSTOPSIG(status);
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
            ptrace(PTRACE_DETACH, child, NULL, NULL);
            if (waitpid(child, &status, 0) != child) fail("wait");
            break;
        }
        if (passed_on == (SIGTRAP | 0x80)) {
            passed_on = 0;
            long now = resident(child);
            if (now > peak) peak = now;
        }
    }
    if (status) {
        fprintf(stderr, "bench: %s ended with status %#x\n", words[0], status);
        return 1;
    }
    FILE *file = fopen(result, "a");
    if (!file) fail(result);
    fprintf(file, "%ld\n", peak);
    return fclose(file);
}

int main(int count, char **words) {
    const char *task = count > 1 ? words[1] : "";
    if (count == 2 && !strcmp(task, "nothing")) return 0;
    if (count == 3 && !strcmp(task, "time")) return take_times(atoi(words[2]));
    if (count == 3 && !strcmp(task, "copy")) return copy(words[2]);
    if (count > 3 && !strcmp(task, "peak")) return take_peak(words[2], words + 3);
    if (count > 3 && !strcmp(task, "env")) return become(words + 2);
    if (count > 4 && !strcmp(task, "write")) return write_files(words + 2);
    fprintf(stderr, "bench: see the top of scripts/bench.c\n");
    return 2;
}
