/*
 * The copy of a snapshot on disk: a line with its kind, version, size and CRC-32, and its text. A
 * file is whole or not there. Everything here blocks.
 */
#ifndef DATABASE_SNAPSHOT_COPY_H
#define DATABASE_SNAPSHOT_COPY_H

#include <stdint.h>

#include <weir/buffer.h>
#include <weir/span.h>

/* Replaces the file, which its owner alone may read. Returns 0 or a negative errno. */
int snapshot_copy_write(const char *path, const char *name, int64_t version, struct weir_span text);

/*
 * Reads the file. Fills the empty buffer, which the caller frees in any case. Returns 0; -EBADMSG
 * if it is no such copy, or a damaged one; WEIR_E_LIMIT; -ENOMEM; or an errno of reading.
 */
int snapshot_copy_read(const char *path, const char *name, size_t bytes_max, int64_t *ret_version,
        struct weir_buffer *ret_text);

#endif
