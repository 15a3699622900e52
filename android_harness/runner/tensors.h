/* Inputs and outputs of a signature: buffers, bytes, and their description. */
#ifndef EDGE_BERT_TENSORS_H
#define EDGE_BERT_TENSORS_H

#include <stdio.h>

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

/* Where the runtime tells of a signature's tensors. */
struct tensor_source {
    Environment environment;
    CompiledModel compiled;
    Signature signature;
    size_t index; /* of the signature in the model */
};

/* Makes a buffer for every input of the signature, or for every output. */
struct tensors allocate_tensors(const struct litert *api, const struct tensor_source *source,
                                int is_input);

/* Sets of inputs, each as long as all inputs together; the tensors lie sorted by name. */
struct input_sets {
    size_t count;
    unsigned char *bytes;
};

/* Reads whole sets from a file. Fails with unreadable_inputs or wrong_input_size. Without a file
 * there is one set: every integer 1, floating-point numbers from 0 to 1. */
struct input_sets read_inputs(const struct tensors *inputs, const char *path);

/* Copies one set into the input buffers. */
void fill_inputs(const struct litert *api, const struct tensors *inputs,
                 const struct input_sets *sets, size_t index);

/* Appends the outputs to `file`, sorted by name. Returns 0 if all bytes were taken. */
int append_outputs(const struct litert *api, const struct tensors *outputs, FILE *file);

/* Prints a JSON array of {name, element, shape, bytes}, sorted by name. */
void print_tensors(const struct tensors *tensors);

#endif
