/* A model that is loaded, compiled for the CPU, and has buffers for one signature. */
#ifndef EDGE_BERT_SESSION_H
#define EDGE_BERT_SESSION_H

#include "arguments.h"
#include "litert.h"
#include "tensors.h"

struct session {
    struct litert litert;
    CompiledModel compiled;
    size_t signature;
    const char *signature_key;
    struct tensors inputs;
    struct tensors outputs;
    double library_us;
    double load_us;
    double compile_us;
};

/* Fails with missing_library, missing_symbol, corrupt_model, unknown_signature or failed_compile. */
struct session open_session(const struct arguments *arguments);

/* One inference. Fails with failed_invoke. Returns its time in microseconds. */
double run_once(const struct session *session);

/* Runs every set once and writes its outputs, sorted by name, one set after the other. The file
 * appears whole or not at all. Fails with unwritable_outputs. */
void write_outputs(const struct session *session, const struct input_sets *sets, const char *path);

#endif
