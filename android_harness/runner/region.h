/* Marks around one inference, for tools that count instructions.
 *
 * On ARM64 each mark is one HINT instruction with a number that no processor uses (121 and 122), so
 * it does nothing there, and a tool that watches the instructions knows where an inference begins
 * and ends. The clock is read outside the marks. */
#ifndef EDGE_BERT_REGION_H
#define EDGE_BERT_REGION_H

#if defined(__aarch64__)
#define BEGIN_REGION() __asm__ volatile("hint #121" ::: "memory")
#define END_REGION() __asm__ volatile("hint #122" ::: "memory")
#else
#define BEGIN_REGION() __asm__ volatile("" ::: "memory")
#define END_REGION() __asm__ volatile("" ::: "memory")
#endif

#endif
