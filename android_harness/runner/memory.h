/* Memory of this process, from /proc/self/status. */
#ifndef EDGE_BERT_MEMORY_H
#define EDGE_BERT_MEMORY_H

/* Bytes, or -1 where the kernel does not say. `file` counts pages of mapped files (the model). */
struct memory {
    long long peak;
    long long resident;
    long long anonymous;
    long long file;
};

struct memory read_memory(void);

#endif
