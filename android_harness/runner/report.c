#include "report.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void print_string(const char *text) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') {
            printf("\\%c", *c);
        } else if (*c < 0x20) {
            printf("\\u%04x", *c);
        } else if (*c < 0x7f) {
            putchar(*c);
        } else {
            fputs("\\ufffd", stdout);
        }
    }
    putchar('"');
}

void end_line(void) {
    putchar('\n');
    fflush(stdout);
}

/* _exit, because the runtime's worker threads may still be running. */
_Noreturn void fail(const char *code, const char *format, ...) {
    char message[512];
    va_list values;
    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    fputs("{\"type\":\"error\",\"code\":", stdout);
    print_string(code);
    fputs(",\"message\":", stdout);
    print_string(message);
    putchar('}');
    end_line();
    _exit(1);
}

_Noreturn void finish_report(void) {
    int failed = fflush(stdout) != 0 || ferror(stdout);
    if (failed) fputs("standard output could not be written\n", stderr);
    _exit(failed ? 1 : 0);
}

/* Only calls that are allowed in a signal handler. */
static void crashed(int number) {
    char line[] = "\n{\"type\":\"error\",\"code\":\"crashed\",\"message\":\"the runtime died of signal 00; "
                  "the model may be damaged\"}\n";
    char *digits = strstr(line, "00;");
    digits[0] = (char)('0' + number / 10 % 10);
    digits[1] = (char)('0' + number % 10);
    ssize_t written = write(STDOUT_FILENO, line, sizeof line - 1);
    _exit(written > 0 ? 1 : 2);
}

void report_crashes(void) {
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    static char stack[64 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_ONSTACK};
    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++) sigaction(fatal[i], &action, NULL);
}
