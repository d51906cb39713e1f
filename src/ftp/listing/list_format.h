/* A producer of a directory's lines, which reads the directory while they are sent. */
#ifndef WEIR_FTP_LIST_H
#define WEIR_FTP_LIST_H

#include <weir/producer.h>
#include <weir/tree.h>

#include "entry.h"

struct stat;

/* The directory, and the entries that are shown. */
struct ftp_list_filter {
	struct weir_tree *tree;
	const char *path;    /* of the directory, in the tree */
	const char *pattern; /* of weir/directory.h; NULL: every name */
	bool hidden;         /* names that begin with `.` are shown */
};

/*
 * Makes the lines of a directory in constant memory. Up to WEIR_DIRECTORY_SORT_MAX are sorted.
 * The style and its prefix are copied. Returns NULL without memory or descriptors, or if the
 * pattern has too many components.
 */
struct weir_producer *ftp_list(struct weir_loop *loop, const struct weir_file *directory,
        const struct ftp_entry_style *style, const struct ftp_list_filter *filter);

/* Makes an entry of an open file, or of a status. Returns 0 or an errno. */
int ftp_entry_of(const struct weir_file *file, const char *name, struct weir_directory_entry *ret);
void ftp_entry_of_status(const struct stat *status, enum weir_file_kind kind, const char *name,
        struct weir_directory_entry *ret);

#endif
