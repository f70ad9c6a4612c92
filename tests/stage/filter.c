/* Runs a program for which the kernel answers some system calls with an error, as a seccomp profile or an old kernel does.
 *
 *   filter ERRNO FIRST LAST PROGRAM ARGUMENT...
 *
 * From 424 on, system calls have the same numbers on all architectures; 424 is the first one after Linux 4.18. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: filter ERRNO FIRST LAST PROGRAM ARGUMENT...\n");
        return 64;
    }
    unsigned error = strtoul(argv[1], NULL, 10), first = strtoul(argv[2], NULL, 10), last = strtoul(argv[3], NULL, 10);
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = { .len = sizeof program / sizeof *program, .filter = program };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        perror("filter");
        return 71;
    }
    execv(argv[4], argv + 4);
    perror(argv[4]);
    return 71;
}
