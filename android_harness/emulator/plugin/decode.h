/* Which class an AArch64 instruction belongs to, from its encoding alone. */
#ifndef EDGE_BERT_DECODE_H
#define EDGE_BERT_DECODE_H

#include <stdint.h>

enum insn_class {
    SCALAR_ALU,   /* integer arithmetic, moves, system instructions, prefetch hints */
    BRANCH,       /* jumps, calls, returns, conditional or not */
    VECTOR_INT,   /* integer SIMD arithmetic, shifts, compares, widening and narrowing */
    SDOT,         /* SDOT, UDOT, USDOT, SUDOT */
    SMMLA,        /* SMMLA, UMMLA, USMMLA */
    FMLA,         /* SIMD floating-point multiply-accumulate of any width, vector or by element */
    VECTOR_OTHER, /* every other SIMD or floating-point instruction: FADD, FMUL, permutes, moves */
    MEMORY,       /* loads and stores; how much they move is in `struct transfer` */
    CLASSES
};

/* Register transfers of one instruction; `bytes_log2` is 0 to 4 for 1 to 16 bytes. */
struct transfer {
    uint8_t bytes_log2;
    uint8_t loads;
    uint8_t stores;
};

/* The class of `insn`; `*transfer` is all zero unless the class is MEMORY. */
enum insn_class decode(uint32_t insn, struct transfer *transfer);

#endif
