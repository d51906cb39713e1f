/*
 * The entity-tag of a file, made of its size and time of modification. No bytes must be read for
 * it, and two servers with copies of the same files, with equal times, give equal tags. Left out:
 * the inode, which would differ between them.
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
