#include "tensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum { FLOAT32 = 1, FLOAT16 = 10, FLOAT64 = 11 };

static void *reserve(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) fail("out_of_memory", "%zu bytes are not to be had", count * size);
    return memory;
}

static void sort_by_name(struct tensors *tensors) {
    for (size_t i = 0; i < tensors->count; i++) {
        size_t at = i;
        for (; at > 0; at--) {
            const char *before = tensors->items[tensors->order[at - 1]].name;
            if (strcmp(before, tensors->items[i].name) <= 0) break;
            tensors->order[at] = tensors->order[at - 1];
        }
        tensors->order[at] = i;
    }
}

/* A dimension without a size (a batch, as a rule) is 1, which is what the runtime allocates for it. */
static void describe(const struct litert *litert, Tensor handle, struct tensor *tensor) {
    check(litert->get_type(handle, &tensor->type), "corrupt_model", "reading a tensor's type");
    if ((tensor->type.rank & 127) > MOST_DIMENSIONS) fail("corrupt_model", "a tensor has too many axes");
    for (uint32_t i = 0; i < (tensor->type.rank & 127); i++) {
        if (tensor->type.dimensions[i] < 0) tensor->type.dimensions[i] = 1;
    }
}

struct tensors allocate_tensors(const struct litert *api, const struct tensor_source *source,
                                int is_input) {
    Signature signature = source->signature;
    struct tensors all = {0};
    check((is_input ? api->count_inputs : api->count_outputs)(signature, &all.count), "corrupt_model",
          "counting tensors");
    all.items = reserve(all.count, sizeof *all.items);
    all.order = reserve(all.count, sizeof *all.order);
    all.buffers = reserve(all.count, sizeof *all.buffers);
    for (size_t i = 0; i < all.count; i++) {
        struct tensor *tensor = &all.items[i];
        Tensor handle = NULL;
        Requirements needs = NULL;
        check((is_input ? api->get_input_name : api->get_output_name)(signature, i, &tensor->name),
              "corrupt_model", "reading a tensor's name");
        check((is_input ? api->get_input : api->get_output)(signature, i, &handle), "corrupt_model",
              "reading a tensor");
        describe(api, handle, tensor);
        check((is_input ? api->get_input_requirements : api->get_output_requirements)(
                  source->compiled, source->index, i, &needs),
              "failed_compile", "reading a tensor's requirements");
        check(api->create_buffer(source->environment, &tensor->type, needs, &tensor->buffer),
              "failed_compile", "making a buffer");
        check(api->get_packed_size(tensor->buffer, &tensor->size), "failed_compile", "sizing a buffer");
        all.buffers[i] = tensor->buffer;
        all.size += tensor->size;
    }
    sort_by_name(&all);
    return all;
}

static void make_up(const struct tensor *tensor, unsigned char *bytes) {
    size_t elements = 1;
    for (uint32_t i = 0; i < (tensor->type.rank & 127); i++) {
        elements *= (size_t)tensor->type.dimensions[i];
    }
    size_t width = elements ? tensor->size / elements : 0;
    if (tensor->type.element == FLOAT16 || tensor->type.element == FLOAT64) return; /* zeros */
    for (size_t i = 0; i < elements && width; i++) {
        float value = (float)(i % 64) / 64.0f;
        if (tensor->type.element == FLOAT32) {
            memcpy(bytes + i * width, &value, sizeof value);
        } else {
            bytes[i * width] = 1; /* little-endian */
        }
    }
}

struct input_sets read_inputs(const struct tensors *inputs, const char *path) {
    struct input_sets sets = {1, reserve(inputs->size, 1)};
    unsigned char *at = sets.bytes;
    for (size_t i = 0; !path && i < inputs->count; i++) {
        make_up(&inputs->items[inputs->order[i]], at);
        at += inputs->items[inputs->order[i]].size;
    }
    if (!path) return sets;
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) fail("unreadable_inputs", "%s: %s", path, strerror(errno));
    long size = ftell(file);
    if (size <= 0 || inputs->size == 0 || (size_t)size % inputs->size != 0) {
        fail("wrong_input_size", "%s has %ld bytes; one set of inputs has %zu", path, size, inputs->size);
    }
    rewind(file);
    sets.count = (size_t)size / inputs->size;
    sets.bytes = reserve((size_t)size, 1);
    if (fread(sets.bytes, 1, (size_t)size, file) != (size_t)size) fail("unreadable_inputs", "%s", path);
    fclose(file);
    return sets;
}

void fill_inputs(const struct litert *api, const struct tensors *inputs,
                 const struct input_sets *sets, size_t index) {
    const unsigned char *at = sets->bytes + index * inputs->size;
    for (size_t i = 0; i < inputs->count; i++) {
        const struct tensor *tensor = &inputs->items[inputs->order[i]];
        void *address = NULL;
        check(api->lock(tensor->buffer, &address, FOR_WRITING), "failed_invoke", "lock");
        memcpy(address, at, tensor->size);
        check(api->unlock(tensor->buffer), "failed_invoke", "unlock");
        at += tensor->size;
    }
}

int append_outputs(const struct litert *api, const struct tensors *outputs, FILE *file) {
    int failed = 0;
    for (size_t i = 0; i < outputs->count; i++) {
        const struct tensor *tensor = &outputs->items[outputs->order[i]];
        void *address = NULL;
        check(api->lock(tensor->buffer, &address, FOR_READING), "failed_invoke", "lock");
        failed |= fwrite(address, 1, tensor->size, file) != tensor->size;
        check(api->unlock(tensor->buffer), "failed_invoke", "unlock");
    }
    return failed;
}

void print_tensors(const struct tensors *tensors) {
    putchar('[');
    for (size_t i = 0; i < tensors->count; i++) {
        const struct tensor *tensor = &tensors->items[tensors->order[i]];
        printf("%s{\"name\":", i ? "," : "");
        print_string(tensor->name);
        printf(",\"element\":%d,\"bytes\":%zu,\"shape\":[", tensor->type.element, tensor->size);
        for (uint32_t k = 0; k < (tensor->type.rank & 127); k++) {
            printf("%s%d", k ? "," : "", tensor->type.dimensions[k]);
        }
        fputs("]}", stdout);
    }
    putchar(']');
}
