/* Instruction classes by bit masks; the encodings are those of the Arm Architecture Reference
 * Manual, "A64 instruction set encoding".
 */
#include "decode.h"

#include <stdbool.h>

static bool matches(uint32_t insn, uint32_t mask, uint32_t value) {
    return (insn & mask) == value;
}

static uint32_t bits(uint32_t insn, unsigned high, unsigned low) {
    return (insn >> low) & ((1u << (high - low + 1)) - 1);
}

static enum insn_class three_same_extra(uint32_t insn) {
    bool u = bits(insn, 29, 29);
    uint32_t size = bits(insn, 23, 22);
    switch (bits(insn, 14, 11)) {
    case 0x0:
    case 0x1:
        return VECTOR_INT; /* SQRDMLAH, SQRDMLSH */
    case 0x2:
    case 0x3:
        return SDOT;
    case 0x4:
    case 0x5:
        return SMMLA;
    case 0xd:
        return FMLA; /* BFMMLA */
    case 0xf:
        return u && (size == 1 || size == 3) ? FMLA : VECTOR_OTHER; /* BFDOT, BFMLAL */
    default:
        return bits(insn, 14, 13) == 2 ? FMLA : VECTOR_OTHER; /* FCMLA, else FCADD */
    }
}

static enum insn_class by_element(uint32_t insn) {
    bool u = bits(insn, 29, 29);
    uint32_t size = bits(insn, 23, 22);
    uint32_t opcode = bits(insn, 15, 12);
    if (opcode == 0xe) {
        return SDOT;
    }
    if (opcode == 0xf && !u) {
        return size == 0 || size == 2 ? SDOT : FMLA; /* SUDOT, USDOT, else BFDOT, BFMLAL */
    }
    if (u) {
        bool fmlal2 = (opcode == 0x8 || opcode == 0xc) && size == 2;
        bool fcmla = (opcode & 0x9) == 0x1;
        return fmlal2 || fcmla ? FMLA : opcode == 0x9 ? VECTOR_OTHER : VECTOR_INT;
    }
    switch (opcode) {
    case 0x0:
    case 0x1:
    case 0x4:
    case 0x5:
        return FMLA;
    case 0x9:
        return VECTOR_OTHER; /* FMUL */
    default:
        return VECTOR_INT;
    }
}

static enum insn_class three_same(uint32_t insn) {
    uint32_t opcode = bits(insn, 15, 11);
    bool u = bits(insn, 29, 29);
    if (opcode < 0x18) {
        return VECTOR_INT;
    }
    bool fmlal = opcode == 0x1d && !u && bits(insn, 22, 22) == 0;
    return opcode == 0x19 || fmlal ? FMLA : VECTOR_OTHER;
}

static enum insn_class two_register(uint32_t insn) {
    uint32_t opcode = bits(insn, 16, 12);
    switch (bits(insn, 20, 17)) {
    case 0x0: /* one element to one element */
        return opcode >= 0x16 || (opcode >= 0x0c && opcode <= 0x0f) ? VECTOR_OTHER : VECTOR_INT;
    case 0x8: /* across lanes */
        return opcode == 0x0c || opcode == 0x0f ? VECTOR_OTHER : VECTOR_INT;
    default:
        return VECTOR_OTHER; /* half precision, AES */
    }
}

/* Vectors whose bits 28 to 24 are 01110: registers only. */
static enum insn_class vector_registers(uint32_t insn) {
    if (bits(insn, 21, 21)) {
        if (bits(insn, 10, 10)) {
            return three_same(insn);
        }
        if (bits(insn, 11, 11) == 0) {
            return VECTOR_INT; /* three different: SMULL, SADDL … */
        }
        return two_register(insn);
    }
    if (matches(insn, 0x9f208400, 0x0e008400)) {
        return three_same_extra(insn);
    }
    if (matches(insn, 0x9f60c400, 0x0e400400)) { /* half precision: FMLA and FMLS are opcode 1 */
        return matches(insn, 0x20003800, 0x00000800) ? FMLA : VECTOR_OTHER;
    }
    return VECTOR_OTHER; /* DUP, INS, TBL, EXT, ZIP, UZP, TRN */
}

static enum insn_class simd_or_float(uint32_t insn) {
    if (matches(insn, 0x9f000000, 0x0e000000)) {
        return vector_registers(insn);
    }
    if (matches(insn, 0x9f000400, 0x0f000000)) {
        return by_element(insn);
    }
    bool immediate_shift = matches(insn, 0x9f800400, 0x0f000400) && bits(insn, 22, 19) != 0;
    if (immediate_shift) {
        return bits(insn, 15, 11) >= 0x1c ? VECTOR_OTHER : VECTOR_INT; /* SCVTF, FCVTZS */
    }
    return VECTOR_OTHER; /* MOVI, scalar floating point, cryptography */
}

static enum insn_class moves(struct transfer *transfer, uint32_t bytes_log2, unsigned loads,
                             unsigned stores) {
    transfer->bytes_log2 = (uint8_t)bytes_log2;
    transfer->loads = (uint8_t)loads;
    transfer->stores = (uint8_t)stores;
    return MEMORY;
}

static enum insn_class moves_one_way(struct transfer *transfer, uint32_t bytes_log2, bool load,
                                     unsigned registers) {
    return moves(transfer, bytes_log2, load ? registers : 0, load ? 0 : registers);
}

/* LD1 to LD4 and ST1 to ST4 of whole registers. */
static enum insn_class structures(uint32_t insn, struct transfer *transfer) {
    static const uint8_t registers[16] = {4, 0, 4, 0, 3, 0, 3, 1, 2, 0, 2, 0, 0, 0, 0, 0};
    uint32_t bytes_log2 = bits(insn, 30, 30) ? 4 : 3;
    return moves_one_way(transfer, bytes_log2, bits(insn, 22, 22), registers[bits(insn, 15, 12)]);
}

/* LD1 to LD4 and ST1 to ST4 of one element, LD1R to LD4R. */
static enum insn_class one_element(uint32_t insn, struct transfer *transfer) {
    unsigned registers = ((bits(insn, 13, 13) << 1) | bits(insn, 21, 21)) + 1;
    uint32_t bytes_log2 = bits(insn, 15, 14);
    if (bytes_log2 == 3) {
        bytes_log2 = bits(insn, 11, 10);
    } else if (bytes_log2 == 2 && bits(insn, 10, 10)) {
        bytes_log2 = 3;
    }
    return moves_one_way(transfer, bytes_log2, bits(insn, 22, 22), registers);
}

/* LDXR, STXR, their pairs, LDAR, STLR, CAS, CASP. */
static enum insn_class exclusive(uint32_t insn, struct transfer *transfer) {
    uint32_t size = bits(insn, 31, 30);
    bool ordered_or_cas = bits(insn, 23, 23);
    bool pair_or_cas = bits(insn, 21, 21);
    if (ordered_or_cas && pair_or_cas) {
        return moves(transfer, size, 1, 1);
    }
    if (pair_or_cas && size < 2) {
        return moves(transfer, size + 2, 2, 2);
    }
    return moves_one_way(transfer, size, bits(insn, 22, 22), pair_or_cas ? 2 : 1);
}

static enum insn_class literal(uint32_t insn, struct transfer *transfer) {
    uint32_t opc = bits(insn, 31, 30);
    if (bits(insn, 26, 26)) {
        return moves_one_way(transfer, opc + 2, true, 1);
    }
    if (opc == 3) {
        return SCALAR_ALU; /* PRFM */
    }
    return moves_one_way(transfer, opc == 1 ? 3 : 2, true, 1);
}

static enum insn_class pair(uint32_t insn, struct transfer *transfer) {
    uint32_t opc = bits(insn, 31, 30);
    uint32_t bytes_log2 = bits(insn, 26, 26) ? opc + 2 : opc == 2 ? 3 : 2;
    return moves_one_way(transfer, bytes_log2, bits(insn, 22, 22), 2);
}

static enum insn_class atomic(uint32_t insn, struct transfer *transfer) {
    bool acquire_only = bits(insn, 15, 12) == 0xc; /* LDAPR */
    return moves(transfer, bits(insn, 31, 30), 1, acquire_only ? 0 : 1);
}

static enum insn_class single(uint32_t insn, struct transfer *transfer) {
    uint32_t size = bits(insn, 31, 30);
    uint32_t opc = bits(insn, 23, 22);
    if (bits(insn, 26, 26)) {
        return moves_one_way(transfer, opc >= 2 ? 4 : size, opc & 1, 1);
    }
    bool register_form = !bits(insn, 24, 24) && bits(insn, 21, 21);
    if (register_form && bits(insn, 11, 10) == 0) {
        return atomic(insn, transfer);
    }
    if (register_form && bits(insn, 10, 10)) {
        return moves_one_way(transfer, 3, true, 1); /* LDRAA, LDRAB */
    }
    if (size == 3 && opc == 2) {
        return SCALAR_ALU; /* PRFM */
    }
    return moves_one_way(transfer, size, opc != 0, 1);
}

static enum insn_class load_or_store(uint32_t insn, struct transfer *transfer) {
    if (matches(insn, 0xbf000000, 0x0c000000)) {
        return structures(insn, transfer);
    }
    if (matches(insn, 0xbf000000, 0x0d000000)) {
        return one_element(insn, transfer);
    }
    if (matches(insn, 0x3f000000, 0x08000000)) {
        return exclusive(insn, transfer);
    }
    if (matches(insn, 0x3b000000, 0x18000000)) {
        return literal(insn, transfer);
    }
    if (matches(insn, 0x3a000000, 0x28000000)) {
        return pair(insn, transfer);
    }
    if (matches(insn, 0x3a000000, 0x38000000)) {
        return single(insn, transfer);
    }
    if (matches(insn, 0x3f200c00, 0x19000000)) { /* LDAPUR, STLUR */
        return moves_one_way(transfer, bits(insn, 31, 30), bits(insn, 23, 22) != 0, 1);
    }
    return SCALAR_ALU; /* memory tags: no data moves */
}

static bool is_branch(uint32_t insn) {
    return matches(insn, 0x7c000000, 0x14000000)     /* B, BL */
           || matches(insn, 0x7c000000, 0x34000000)  /* CBZ, CBNZ, TBZ, TBNZ */
           || matches(insn, 0xff000000, 0x54000000)  /* B.cond */
           || matches(insn, 0xfe000000, 0xd6000000); /* BR, BLR, RET */
}

enum insn_class decode(uint32_t insn, struct transfer *transfer) {
    *transfer = (struct transfer){0, 0, 0};
    if (matches(insn, 0x0a000000, 0x08000000)) {
        return load_or_store(insn, transfer);
    }
    if (matches(insn, 0x0e000000, 0x0e000000)) {
        return simd_or_float(insn);
    }
    if (matches(insn, 0x1c000000, 0x14000000)) {
        return is_branch(insn) ? BRANCH : SCALAR_ALU;
    }
    if (matches(insn, 0x1e000000, 0x04000000)) {
        return VECTOR_OTHER; /* SVE, which the emulated cores are told not to have */
    }
    return SCALAR_ALU;
}
