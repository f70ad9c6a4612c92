/* Stands in for sendmail and for the notify_external program: writes down how it
 * was run. Each run appends one JSON line to <own path>.runs when it ends, and
 * its process id to <own path>.started when it begins. Byte strings are hex.
 *
 * Steered by files beside it that hold a number:
 *   .delay     seconds to wait after reading stdin      .exitcode  exit status
 *   .nostdin   do not read stdin                        .flood     bytes to write to stdout and to stderr
 *   .fork      leave a child behind that holds the output and lives that many seconds
 *   .hold      wait as long as it is there and holds no 0, after reading stdin
 *   .signal    die of that signal after the record is written
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static char self[4096];

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double wish(const char *name)
{
    char path[4200];
    double value = 0;
    snprintf(path, sizeof path, "%s.%s", self, name);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    if (fscanf(f, "%lf", &value) != 1) value = 1;
    fclose(f);
    return value;
}

static void rest(double s)
{
    struct timespec t = { (time_t)s, (long)((s - (double)(time_t)s) * 1e9) };
    while (nanosleep(&t, &t) < 0) { }
}

static void hex(FILE *o, const char *bytes, size_t n)
{
    fputc('"', o);
    for (size_t i = 0; i < n; i++) fprintf(o, "%02x", (unsigned char)bytes[i]);
    fputc('"', o);
}

static void hex_list(FILE *o, const char *key, char **strings)
{
    fprintf(o, ",\"%s\":[", key);
    for (int i = 0; strings[i]; i++) {
        if (i) fputc(',', o);
        hex(o, strings[i], strlen(strings[i]));
    }
    fputc(']', o);
}

static void descriptor(FILE *o, const char *key, int fd)
{
    char buf[65536], *all = NULL;
    size_t len = 0;
    ssize_t n;
    FILE *m = open_memstream(&all, &len);
    while ((n = read(fd, buf, sizeof buf)) > 0) fwrite(buf, 1, (size_t)n, m);
    fclose(m);
    fprintf(o, ",\"%s\":", key);
    hex(o, all, len);
    free(all);
}

static void open_files(FILE *o)
{
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    const char *comma = "";
    fputs(",\"fds\":{", o);
    while (d && (e = readdir(d))) {
        char link[300], to[4096];
        if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d)) continue;
        snprintf(link, sizeof link, "/proc/self/fd/%s", e->d_name);
        ssize_t n = readlink(link, to, sizeof to);
        fprintf(o, "%s\"%s\":", comma, e->d_name);
        hex(o, to, n < 0 ? 0 : (size_t)n);
        comma = ",";
    }
    if (d) closedir(d);
    fputc('}', o);
}

static void signal_masks(FILE *o)
{
    char line[512], value[64];
    FILE *s = fopen("/proc/self/status", "r");
    while (s && fgets(line, sizeof line, s)) {
        if (sscanf(line, "SigBlk: %63s", value) == 1) fprintf(o, ",\"blocked\":\"%s\"", value);
        if (sscanf(line, "SigIgn: %63s", value) == 1) fprintf(o, ",\"ignored\":\"%s\"", value);
    }
    if (s) fclose(s);
}

static void identity(FILE *o)
{
    gid_t groups[256];
    int n = getgroups(256, groups);
    mode_t mask = umask(0);
    umask(mask);
    char cwd[4096] = "";
    if (!getcwd(cwd, sizeof cwd)) cwd[0] = 0;
    fprintf(o, ",\"pid\":%d,\"ppid\":%d,\"pgid\":%d,\"sid\":%d", getpid(), getppid(), getpgrp(), getsid(0));
    fprintf(o, ",\"uid\":%d,\"euid\":%d,\"gid\":%d,\"egid\":%d,\"groups\":[", getuid(), geteuid(), getgid(), getegid());
    for (int i = 0; i < n; i++) fprintf(o, "%s%d", i ? "," : "", groups[i]);
    fprintf(o, "],\"umask\":%d,\"cwd\":", (int)mask);
    hex(o, cwd, strlen(cwd));
}

static void append(const char *suffix, const char *bytes, size_t n)
{
    char path[4200];
    snprintf(path, sizeof path, "%s.%s", self, suffix);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0666);
    if (fd < 0) _exit(98);
    flock(fd, LOCK_EX);
    while (n > 0) {
        ssize_t w = write(fd, bytes, n);
        if (w <= 0) _exit(97);
        bytes += w;
        n -= (size_t)w;
    }
    close(fd);
}

static void flood(int fd, double bytes)
{
    char block[4096];
    memset(block, 'x', sizeof block);
    for (size_t i = 79; i < sizeof block; i += 80) block[i] = '\n';
    while (bytes > 0) {
        ssize_t w = write(fd, block, bytes < sizeof block ? (size_t)bytes : sizeof block);
        if (w <= 0) return;
        bytes -= (double)w;
    }
}

int main(int argc, char **argv)
{
    double begun = seconds();
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) return 99;
    char pid[32];
    snprintf(pid, sizeof pid, "%d\n", getpid());
    append("started", pid, strlen(pid));

    char *out = NULL;
    size_t len = 0;
    FILE *o = open_memstream(&out, &len);
    fprintf(o, "{\"begun\":%.6f", begun);
    hex_list(o, "argv", argv);
    hex_list(o, "env", environ);
    identity(o);
    signal_masks(o);
    open_files(o);
    if (wish("nostdin") == 0) descriptor(o, "stdin", 0);
    struct stat st;
    if (argc > 2 && !strcmp(argv[argc - 2], "-f") && !stat(argv[argc - 1], &st) && S_ISREG(st.st_mode)) {
        int fd = open(argv[argc - 1], O_RDONLY);
        if (fd >= 0) {
            descriptor(o, "file", fd);
            close(fd);
        }
    }
    double n = wish("flood");
    if (n > 0) {
        flood(1, n);
        flood(2, n);
    }
    n = wish("fork");
    if (n > 0) {
        fflush(NULL);
        if (fork() == 0) {
            snprintf(pid, sizeof pid, "%d\n", getpid());
            append("started", pid, strlen(pid));
            rest(n);
            _exit(0);
        }
    }
    n = wish("delay");
    if (n > 0) rest(n);
    while (wish("hold") > 0) rest(0.01);
    fprintf(o, ",\"ended\":%.6f}\n", seconds());
    fclose(o);
    append("runs", out, len);
    if (wish("signal") > 0) {
        signal((int)wish("signal"), SIG_DFL);
        raise((int)wish("signal"));
    }
    return (int)wish("exitcode");
}
