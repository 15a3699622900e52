/* What the phone's kernel does otherwise than this machine's: /world/kernel, shared by its programs. */
#ifndef EDGE_BERT_KERNEL_H
#define EDGE_BERT_KERNEL_H

#include <fcntl.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define KERNEL "/world/kernel"

/* A binding to cores is done, refused with an error, or accepted and forgotten. */
enum binding { BINDING_DONE, BINDING_REFUSED, BINDING_IGNORED };

/* `asleep_ns` is how long the phone has slept since its start. */
struct kernel {
    _Atomic int64_t asleep_ns;
    int64_t binding;
};

/* NULL where there is no such file. */
static inline struct kernel *open_kernel(void) {
    int file = open(KERNEL, O_RDWR | O_CLOEXEC);
    if (file < 0) return NULL;
    void *memory = mmap(NULL, sizeof(struct kernel), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? NULL : memory;
}

#endif
