/*
 * The entity-tag of a file, of its size and its time of change: it needs no bytes to be read, and
 * two servers with copies of the same files (their times kept) give the same tags. What it leaves
 * out: the inode, which would differ there.
 */
#include <inttypes.h>
#include <stdio.h>

#include <weir/tree.h>

#include "etag.h"

size_t http_etag_format(const struct weir_file *file, char text[WEIR_HTTP_ETAG_MAX])
{
	uint64_t ns = (uint64_t)file->mtime.tv_sec * 1000000000u + (uint64_t)file->mtime.tv_nsec;
	return (size_t)snprintf(
	        text, WEIR_HTTP_ETAG_MAX, "\"%" PRIx64 "-%" PRIx64 "\"", file->size, ns);
}
