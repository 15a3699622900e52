/* A TCG plugin for qemu-aarch64: counts executed instructions by class and models data caches.
 *
 *   qemu-aarch64 -plugin libcount.so,out=FILE[,cache=off|marked][,threads=many]
 *                [,LEVEL=BYTES][,LEVEL_ways=N][,smallest_LEVEL=BYTES][,largest_LEVEL=BYTES] PROGRAM
 *
 * LEVEL is l1d, l2, l3 or system. Where a smallest or largest size is given, a hierarchy of caches
 * with it, and else with the usual sizes, is modelled beside the usual one.
 *
 * A program may mark repetitions: `hint #121` begins one and `hint #122` ends it. Every other
 * AArch64 machine executes both as no-operations. With one thread, counts are exact and the same
 * on every run; with threads=many they are exact too, but workers that spin differ from run to run.
 * cache=marked models the caches inside repetitions only: loading a model is then four times faster.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "counts.h"
#include "output.h"
#include "qemu_api.h"

enum { BEGIN_MARK = 0xd503201f | 121 << 5, END_MARK = 0xd503201f | 122 << 5, MAX_MARKS = 4096 };

PLUGIN_EXPORT int qemu_plugin_version = PLUGIN_API_VERSION;

static bool caches_on = true;
static bool caches_when_marked_only;
static bool many_threads;
static FILE *out;
static struct cache_shapes shapes[HIERARCHIES] = {
    [USUAL] = {.levels = {{32 * 1024, 4, false}, {256 * 1024, 8, false}, {0, 16, false},
                          {0, 16, false}}},
};

static struct counts at_begin;
static bool begun;
static struct counts repetitions[MAX_MARKS];
static uint64_t repetition_count;

static void on_memory(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
    (void)data;
    if (caches_when_marked_only && !begun) {
        return;
    }
    caches_touch(vcpu, address, qemu_plugin_mem_size_shift(info));
}

static void on_block(unsigned vcpu, void *data) {
    (void)vcpu;
    __atomic_fetch_add(&((struct block *)data)->executions, 1, __ATOMIC_RELAXED);
}

static void on_mark(unsigned vcpu, void *data) {
    (void)vcpu;
    struct counts now = counts_now();
    if (data != NULL) {
        at_begin = now;
        begun = true;
    } else if (begun && repetition_count < MAX_MARKS) {
        repetitions[repetition_count++] = counts_difference(&now, &at_begin);
        begun = false;
    }
}

static void count_instruction(struct block *block, struct qemu_plugin_insn *insn) {
    uint32_t encoding;
    memcpy(&encoding, qemu_plugin_insn_data(insn), sizeof encoding);
    struct transfer transfer;
    enum insn_class class = decode(encoding, &transfer);
    counts_add_instruction(&block->each, class, &transfer);
    if (class == MEMORY && caches_on) {
        qemu_plugin_register_vcpu_mem_cb(insn, on_memory, QEMU_PLUGIN_CB_NO_REGS,
                                         QEMU_PLUGIN_MEM_RW, NULL);
    }
    if (encoding == BEGIN_MARK || encoding == END_MARK) {
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
                                               encoding == BEGIN_MARK ? &begun : NULL);
    }
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    struct block *block = calloc(1, sizeof *block);
    if (block == NULL) {
        abort();
    }
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        count_instruction(block, qemu_plugin_tb_get_insn(tb, i));
    }
    counts_register(block);
    if (many_threads) { /* QEMU's inline addition is not atomic */
        qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, block);
    } else {
        qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64,
                                                 &block->executions, 1);
    }
}

static void on_exit_of_program(qemu_plugin_id_t id, void *data) {
    (void)id;
    (void)data;
    struct counts whole_run = counts_now();
    struct marked marked = {repetition_count, repetitions};
    output_write(out, caches_on, shapes, &whole_run, &marked);
    if (ferror(out) || fclose(out) != 0) {
        fprintf(stderr, "count plugin: cannot write the counts: %s\n", strerror(errno));
    }
}

static bool set_level(struct cache_shapes *shapes_of, const char *name, uint64_t number) {
    static const char *const names[CACHE_LEVELS] = {"l1d", "l2", "l3", "system"};
    for (int i = 0; i < CACHE_LEVELS; i++) {
        size_t length = strlen(names[i]);
        if (strncmp(name, names[i], length) != 0) {
            continue;
        }
        if (name[length] == '\0') {
            shapes_of->levels[i].bytes = number;
            shapes_of->levels[i].given = shapes_of->given = true;
            return true;
        }
        if (strcmp(name + length, "_ways") == 0 && number <= 64) {
            shapes_of->levels[i].ways = (unsigned)number;
            return true;
        }
    }
    return false;
}

static bool set_size(const char *name, const char *value) {
    static const char *const prefixes[HIERARCHIES] = {"", "smallest_", "largest_"};
    char *end;
    uint64_t number = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0') {
        return false;
    }
    for (int which = LARGEST; which > USUAL; which--) {
        size_t length = strlen(prefixes[which]);
        if (strncmp(name, prefixes[which], length) == 0) {
            return set_level(&shapes[which], name + length, number);
        }
    }
    return set_level(&shapes[USUAL], name, number);
}

static void fill_bracket(void) {
    for (int which = SMALLEST; which < HIERARCHIES; which++) {
        for (int i = 0; i < CACHE_LEVELS; i++) {
            struct cache_shape *shape = &shapes[which].levels[i];
            if (!shape->given) {
                shape->bytes = shapes[USUAL].levels[i].bytes;
            }
            shape->ways = shapes[USUAL].levels[i].ways;
        }
    }
}

static bool set_option(char *argument) {
    char *value = strchr(argument, '=');
    if (value == NULL) {
        return false;
    }
    *value++ = '\0';
    if (strcmp(argument, "out") == 0) {
        out = fopen(value, "we");
        return out != NULL;
    }
    if (strcmp(argument, "cache") == 0) {
        caches_when_marked_only = strcmp(value, "marked") == 0;
        caches_on = caches_when_marked_only || strcmp(value, "on") == 0;
        return caches_on || strcmp(value, "off") == 0;
    }
    if (strcmp(argument, "threads") == 0) {
        many_threads = strcmp(value, "many") == 0;
        return many_threads || strcmp(value, "one") == 0;
    }
    return set_size(argument, value);
}

PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                      char **argv) {
    if (strcmp(info->target_name, "aarch64") != 0) {
        fprintf(stderr, "count plugin: made for aarch64, not for %s\n", info->target_name);
        return -1;
    }
    for (int i = 0; i < argc; i++) {
        if (!set_option(argv[i])) {
            fprintf(stderr, "count plugin: bad option %s\n", argv[i]);
            return -1;
        }
    }
    fill_bracket();
    if (out == NULL || !caches_init(shapes)) {
        fprintf(stderr, "count plugin: out=FILE is missing or a cache size is unusable\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_program, NULL);
    return 0;
}
