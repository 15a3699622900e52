/* Enters a program as bionic wants it: the linker has run all constructors, __libc_init calls main. */
#include <stddef.h>

/* Arrays of constructors and destructors, which this program has none of, and their numbers. */
struct structors {
    void *none[8];
};

int main(int argc, char **argv, char **environment);
_Noreturn void __libc_init(void *arguments, void (*at_exit)(void), int (*run)(int, char **, char **),
                           const struct structors *structors);

__attribute__((used)) _Noreturn void start_program(void *arguments) {
    static const struct structors none;
    __libc_init(arguments, NULL, main, &none);
}

/* The kernel leaves the arguments where the stack begins. */
__asm__(".text\n"
        ".globl _start\n"
        ".type _start,%function\n"
        "_start:\n"
        "  mov x29, #0\n"
        "  mov x30, #0\n"
        "  mov x0, sp\n"
        "  b start_program\n");

/* Marks the program as one for Android, with the API level that it needs. */
__asm__(".section .note.android.ident,\"a\",%note\n"
        ".balign 4\n"
        ".long 8, 4, 1\n"
        ".asciz \"Android\"\n"
        ".long 23\n"
        ".text\n");
