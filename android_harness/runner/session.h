/* A model that is loaded, compiled for the CPU, and has buffers for one signature. */
#ifndef EDGE_BERT_SESSION_H
#define EDGE_BERT_SESSION_H

#include "arguments.h"
#include "litert.h"

struct tensor {
    const char *name;
    struct tensor_type type;
    size_t size; /* bytes */
    Buffer buffer;
};

/* Tensors in the order of the signature; `order` lists their indices sorted by name. */
struct tensors {
    size_t count;
    struct tensor *items;
    size_t *order;
    Buffer *buffers;
    size_t size; /* bytes of one set: all tensors together */
};

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

#endif
