/* A stretch of a file, read whole or not at all. */
#ifndef WEIR_EXTENT_H
#define WEIR_EXTENT_H

#include <stddef.h>
#include <sys/types.h>

/* 0; -EIO: the file ends before; or another errno of pread. */
int extent_read(int fd, char *to, size_t size, off_t offset);

#endif
