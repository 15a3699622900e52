/* What the runner says: JSON lines on standard output, one record each. */
#ifndef EDGE_BERT_REPORT_H
#define EDGE_BERT_REPORT_H

/* Prints `text` as a JSON string, quotes included. Bytes that are not ASCII become U+FFFD. */
void print_string(const char *text);

/* Ends the line that is being printed and sends it. */
void end_line(void);

/* Prints the one error line {"type":"error","code":...,"message":...} and leaves with status 1. */
_Noreturn void fail(const char *code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Leaves with status 0 if everything that was printed has been written, else with 1. */
_Noreturn void finish_report(void);

/* From here on a fatal signal (a damaged model can crash the runtime) ends in an error line. */
void report_crashes(void);

#endif
