/* The part of the LiteRT C API that the runner calls, as ai-edge-litert 2.3 exports it.
 *
 * Declared from the public headers (litert/c/ in google-ai-edge/LiteRT). The library is opened at run
 * time, so that one program serves every runtime that has these functions. */
#ifndef EDGE_BERT_LITERT_H
#define EDGE_BERT_LITERT_H

#include <stddef.h>
#include <stdint.h>

typedef struct Environment *Environment;
typedef struct Model *Model;
typedef struct Signature *Signature;
typedef struct Tensor *Tensor;
typedef struct Options *Options;
typedef struct OpaqueOptions *OpaqueOptions;
typedef struct CompiledModel *CompiledModel;
typedef struct Requirements *Requirements;
typedef struct Buffer *Buffer;
typedef struct Profiler *Profiler;

typedef int Status; /* 0 is success */

enum { ACCELERATOR_CPU = 1 };
enum { FOR_READING = 0, FOR_WRITING = 1 };
enum { EVENT_OPERATOR = 2, EVENT_DELEGATE_OPERATOR = 4, EVENT_DELEGATE_PROFILED = 8 };

#define MOST_DIMENSIONS 8

/* The low 7 bits of `rank` are the rank, the next one tells whether strides follow. */
struct tensor_type {
    int element;
    uint32_t rank;
    int32_t dimensions[MOST_DIMENSIONS];
    uint32_t strides[MOST_DIMENSIONS];
};

struct event {
    const char *tag;
    int type;
    uint64_t start_us;
    uint64_t elapsed_us;
    int64_t memory_before[3];
    int64_t memory_after[3];
    uint64_t index; /* of the node */
    uint64_t metadata;
    int source;
};

_Static_assert(sizeof(struct tensor_type) == 72, "LiteRtRankedTensorType has 72 bytes");
_Static_assert(sizeof(struct event) == 104, "ProfiledEventData has 104 bytes");

struct litert {
    Status (*create_environment)(int count, const void *options, Environment *);
    Status (*create_model)(Environment, const char *path, Model *);
    Status (*count_signatures)(Model, size_t *);
    Status (*get_signature)(Model, size_t, Signature *);
    Status (*get_key)(Signature, const char **);
    Status (*count_inputs)(Signature, size_t *);
    Status (*count_outputs)(Signature, size_t *);
    Status (*get_input_name)(Signature, size_t, const char **);
    Status (*get_output_name)(Signature, size_t, const char **);
    Status (*get_input)(Signature, size_t, Tensor *);
    Status (*get_output)(Signature, size_t, Tensor *);
    Status (*get_type)(Tensor, struct tensor_type *);
    Status (*create_options)(Options *);
    Status (*set_accelerators)(Options, int);
    Status (*create_opaque_options)(const char *name, void *text, void (*free)(void *), OpaqueOptions *);
    Status (*add_opaque_options)(Options, OpaqueOptions);
    Status (*compile)(Environment, Model, Options, CompiledModel *);
    Status (*get_input_requirements)(CompiledModel, size_t signature, size_t index, Requirements *);
    Status (*get_output_requirements)(CompiledModel, size_t signature, size_t index, Requirements *);
    Status (*create_buffer)(Environment, const struct tensor_type *, Requirements, Buffer *);
    Status (*get_packed_size)(Buffer, size_t *);
    Status (*lock)(Buffer, void **address, int mode);
    Status (*unlock)(Buffer);
    Status (*run)(CompiledModel, size_t signature, size_t inputs, Buffer *, size_t outputs, Buffer *);
    Status (*get_profiler)(CompiledModel, Profiler *);
    Status (*start_profiler)(Profiler);
    Status (*stop_profiler)(Profiler);
    Status (*reset_profiler)(Profiler);
    Status (*count_events)(Profiler, int *);
    Status (*get_events)(Profiler, int, struct event *);
};

/* Opens the library. Fails with code "missing_library" or "missing_symbol". */
struct litert load_litert(const char *path);

/* Fails with `code` unless `status` is success. */
void check(Status status, const char *code, const char *what);

#endif
