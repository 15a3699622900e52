/* What the processor says of itself, and on which of its cores we run. */
#ifndef EDGE_BERT_CPU_H
#define EDGE_BERT_CPU_H

/* Prints a JSON object: `hwcap` (names from the kernel's auxiliary vector; ARM64 only), `cpuinfo`
 * (features or flags of the first core in /proc/cpuinfo) and `parts` (one "CPU part" or "model name"
 * for each core that has one). */
void print_cpu(void);

/* Binds this process to cores, as in "0-3,6". Returns 0, or -1 for a bad list or a refusal. */
int bind_to_cores(const char *list);

#endif
