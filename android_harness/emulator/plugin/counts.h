/* Executed instructions by class: one execution counter per translated block. */
#ifndef EDGE_BERT_COUNTS_H
#define EDGE_BERT_COUNTS_H

#include <stdint.h>

#include "cache.h"
#include "decode.h"

enum { TRANSFER_SIZES = 5 };

struct counts {
    uint64_t total;
    uint64_t by_class[CLASSES];
    uint64_t loads[TRANSFER_SIZES];
    uint64_t stores[TRANSFER_SIZES];
    struct cache_misses misses;
};

/* A translated block: what one execution of it adds, and how often it ran. */
struct block {
    uint64_t executions;
    struct counts each;
    struct block *next;
};

void counts_add_instruction(struct counts *counts, enum insn_class class,
                            const struct transfer *transfer);
/* `block` must live until the end. Blocks are never removed, so no execution is lost when QEMU
 * throws its translations away. */
void counts_register(struct block *block);
/* All blocks and caches up to now. */
struct counts counts_now(void);
struct counts counts_difference(const struct counts *later, const struct counts *earlier);

#endif
