/* SHA-256 (FIPS 180-4) of a file, so that a result names the bytes that it was measured on. */
#ifndef EDGE_BERT_SHA256_H
#define EDGE_BERT_SHA256_H

#define SHA256_HEX_SIZE 65

/* Writes 64 hex digits and a terminator. Returns 0, or -1 with errno when the file is unreadable. */
int sha256_file(const char *path, char hex[SHA256_HEX_SIZE]);

#endif
