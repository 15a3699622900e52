/* A model that is loaded, compiled for the CPU, and has buffers for one signature. */
#ifndef EDGE_BERT_SESSION_H
#define EDGE_BERT_SESSION_H

#include "arguments.h"
#include "litert.h"
#include "tensors.h"

struct session {
    struct litert litert;
    Environment environment;
    Model model;
    CompiledModel compiled;
    size_t signature;
    const char *signature_key;
    struct tensors inputs;
    struct tensors outputs;
    double library_us;
    double load_us;
    double compile_us;
};

/* A model without buffers for any signature. Fails with missing_library, missing_symbol,
 * corrupt_model or failed_compile. */
struct session open_model(const struct arguments *arguments);

/* As `open_model`, with the buffers of one signature. Fails with unknown_signature besides. */
struct session open_session(const struct arguments *arguments);

/* Where the runtime tells of the signature of this name; without one, of the only one. Fails with
 * unknown_signature. */
struct tensor_source find_signature(const struct session *session, const char *wanted);

/* One inference. Fails with failed_invoke. Returns its time in microseconds. */
double run_once(const struct session *session);

/* What is run again and again: `run` does number `index` of `self` and gives its microseconds. */
struct work {
    double (*run)(void *self, size_t index);
    void *self;
};

/* Runs every set once and writes its outputs, sorted by name, one set after the other. The file
 * appears whole or not at all. Fails with unwritable_outputs. */
void write_outputs(const struct session *session, const struct input_sets *sets, const char *path);

#endif
