/* What the processor says of itself, and on which of its cores we run. */
#ifndef EDGE_BERT_CPU_H
#define EDGE_BERT_CPU_H

/* Prints a JSON object: `hwcap` (names from the kernel's auxiliary vector; ARM64 only), `cpuinfo`
 * (features or flags of the first core in /proc/cpuinfo) and `parts` (one "CPU part" or "model name"
 * for each core that has one). */
void print_cpu(void);

/* Binds this process to cores, as in "0-3,6". Returns 0, or -1 for a bad list or a refusal. */
int bind_to_cores(const char *list);

/* Takes the priority that Android gives to the background, and joins its cores where the shell may.
 * Returns whether it joined them. */
int run_in_background(void);

/* The core's present clock in kHz, -1 where the kernel does not say. */
long read_clock(int cpu);

#endif
