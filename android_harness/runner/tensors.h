/* Inputs and outputs of a signature: buffers, files, and their description. */
#ifndef EDGE_BERT_TENSORS_H
#define EDGE_BERT_TENSORS_H

#include "session.h"

/* Makes a buffer for every input and output of the signature. */
void allocate_tensors(struct session *session, Environment environment, Signature signature);

/* Sets of inputs, each as long as all inputs together; the tensors lie sorted by name. */
struct input_sets {
    size_t count;
    unsigned char *bytes;
};

/* Reads whole sets from a file. Fails with unreadable_inputs or wrong_input_size. Without a file
 * there is one set: every integer 1, floating-point numbers from 0 to 1. */
struct input_sets read_inputs(const struct session *session, const char *path);

/* Copies one set into the input buffers. */
void fill_inputs(const struct session *session, const struct input_sets *sets, size_t index);

/* Runs every set once and writes its outputs, sorted by name, one set after the other. The file
 * appears whole or not at all. Fails with unwritable_outputs. */
void write_outputs(const struct session *session, const struct input_sets *sets, const char *path);

/* Prints a JSON array of {name, element, shape, bytes}, sorted by name. */
void print_tensors(const struct tensors *tensors);

#endif
