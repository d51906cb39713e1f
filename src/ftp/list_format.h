/* A directory's entries as lines: a producer that reads them as they leave. */
#ifndef WEIR_FTP_LIST_H
#define WEIR_FTP_LIST_H

#include <weir/producer.h>
#include <weir/tree.h>

#include "entry.h"

struct stat;

/* What to leave out. */
struct ftp_list_filter {
	const char *pattern; /* copied; NULL: every name */
	bool hidden;         /* names that begin with `.` are shown */
};

/*
 * The lines of a directory, in constant memory; up to WEIR_DIRECTORY_SORT_MAX of them sorted. The
 * style and its prefix are copied. NULL without memory or descriptors.
 */
struct weir_producer *ftp_list(struct weir_loop *loop, const struct weir_file *directory,
        const struct ftp_entry_style *style, const struct ftp_list_filter *filter);

/* What is open, as an entry of this name. 0 or an errno. */
int ftp_entry_of(const struct weir_file *file, const char *name, struct weir_directory_entry *ret);
void ftp_entry_of_status(const struct stat *status, enum weir_file_kind kind, const char *name,
        struct weir_directory_entry *ret);

#endif
