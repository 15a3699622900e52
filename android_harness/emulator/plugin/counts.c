#include "counts.h"

#include <stddef.h>

static struct block *blocks;

void counts_add_instruction(struct counts *counts, enum insn_class class,
                            const struct transfer *transfer) {
    counts->total++;
    counts->by_class[class]++;
    counts->loads[transfer->bytes_log2] += transfer->loads;
    counts->stores[transfer->bytes_log2] += transfer->stores;
}

void counts_register(struct block *block) {
    block->next = __atomic_load_n(&blocks, __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(&blocks, &block->next, block, 0, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
    }
}

static void add_block(struct counts *sum, const struct block *block) {
    uint64_t times = __atomic_load_n(&block->executions, __ATOMIC_RELAXED);
    sum->total += times * block->each.total;
    for (int i = 0; i < CLASSES; i++) {
        sum->by_class[i] += times * block->each.by_class[i];
    }
    for (int i = 0; i < TRANSFER_SIZES; i++) {
        sum->loads[i] += times * block->each.loads[i];
        sum->stores[i] += times * block->each.stores[i];
    }
}

struct counts counts_now(void) {
    struct counts sum = {0};
    const struct block *block = __atomic_load_n(&blocks, __ATOMIC_ACQUIRE);
    for (; block != NULL; block = block->next) {
        add_block(&sum, block);
    }
    sum.misses = caches_misses();
    return sum;
}

struct counts counts_difference(const struct counts *later, const struct counts *earlier) {
    struct counts change = *later;
    change.total -= earlier->total;
    for (int i = 0; i < CLASSES; i++) {
        change.by_class[i] -= earlier->by_class[i];
    }
    for (int i = 0; i < TRANSFER_SIZES; i++) {
        change.loads[i] -= earlier->loads[i];
        change.stores[i] -= earlier->stores[i];
    }
    for (int i = 0; i < HIERARCHIES * CACHE_LEVELS; i++) {
        int which = i / CACHE_LEVELS, level = i % CACHE_LEVELS;
        change.misses.by_level[which][level] -= earlier->misses.by_level[which][level];
    }
    return change;
}
