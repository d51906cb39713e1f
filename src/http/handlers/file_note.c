/*
 * The fields of a file's replies, composed once and kept with the open file: they are lent to each
 * reply, so that answering for a known file formats nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#include "date.h"
#include "files.h"

struct file_note *http_file_note(struct weir_file *file, struct weir_span path,
        const struct weir_http_files_options *options)
{
	if (file->note)
		return file->note;
	const struct http_mime *mime = http_mime_find(path);
	char etag[WEIR_HTTP_ETAG_MAX];
	char date[WEIR_HTTP_DATE_SIZE + 1];
	size_t etag_size = http_etag_format(file, etag);
	http_date_format(file->mtime.tv_sec, date);
	size_t capacity =
	        160 + strlen(mime->type) + etag_size + sizeof date + strlen(options->fields);
	/* There may be a sibling. What may be compressed on the fly says so itself. */
	bool on_the_fly = options->compress && file->size >= FILE_COMPRESS_MIN;
	bool varies = mime->compressible && options->siblings && !on_the_fly;
	struct file_note *note = malloc(sizeof *note + capacity);
	if (!note)
		return NULL;
	note->mime = mime;
	note->modified_s = file->mtime.tv_sec;
	memcpy(note->weak_etag, "W/", 2);
	memcpy(note->weak_etag + 2, etag, etag_size);
	note->etag_size = etag_size;
	note->type_size =
	        (size_t)snprintf(note->lines, capacity, "Content-Type: %s\r\n", mime->type);
	note->coded_at = note->type_size +
	                 (size_t)snprintf(note->lines + note->type_size, capacity - note->type_size,
	                         "ETag: %.*s\r\nAccept-Ranges: bytes\r\n%s", (int)etag_size, etag,
	                         varies ? "Vary: Accept-Encoding\r\n" : "");
	note->plain_size = note->coded_at +
	                   (size_t)snprintf(note->lines + note->coded_at, capacity - note->coded_at,
	                           "Last-Modified: %s\r\n%s", date, options->fields);
	file->note = note;
	file->free_note = free;
	return note;
}
