/* Reads an extent of a file. */
#ifndef WEIR_EXTENT_H
#define WEIR_EXTENT_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Reads all `size` bytes. Returns 0, -EIO if the file ends before that, or another errno of pread.
 */
int extent_read(int fd, char *to, size_t size, off_t offset);

#endif
