/* A file that is being written by an export. All functions block. Errors are negative errnos. */
#ifndef DATABASE_EXPORT_FILE_H
#define DATABASE_EXPORT_FILE_H

#include <stdint.h>

#include <weir/span.h>

struct export_file {
	int fd; /* -1: not open */
	uint64_t size;
};

/* Makes the file anew. */
int export_file_open(struct export_file *file, int directory, const char *name);
int export_file_write(struct export_file *file, struct weir_span bytes);
int export_file_set_time(const struct export_file *file, int64_t us);
void export_file_close(struct export_file *file);

#endif
