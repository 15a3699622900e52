/* What bionic's C library (64 bits) has otherwise than musl, whose headers zig compiles with. */
#ifndef EDGE_BERT_BIONIC_H
#define EDGE_BERT_BIONIC_H

#include <errno.h>
#include <signal.h>

#undef errno
int *__errno(void);
#define errno (*__errno())

#undef sa_handler
#undef sa_sigaction
struct bionic_sigaction {
    int sa_flags;
    union {
        void (*sa_handler)(int);
        void (*sa_sigaction)(int, siginfo_t *, void *);
    };
    unsigned long sa_mask;
    void (*sa_restorer)(void);
};
int bionic_sigaction(int number, const struct bionic_sigaction *action, struct bionic_sigaction *before)
    __asm__("sigaction");
#define sigaction bionic_sigaction

#endif
