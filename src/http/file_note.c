/*
 * The fields of a file's replies, composed once and kept with the open file: they are lent to each
 * reply, so that answering for a known file formats nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#include "date.h"
#include "files.h"

struct file_note *weir_http_file_note(
        struct weir_file *file, struct weir_span path, const char *site_fields)
{
	if (file->note)
		return file->note;
	const struct weir_http_mime *mime = weir_http_mime_find(path);
	char etag[WEIR_HTTP_ETAG_MAX];
	char date[WEIR_HTTP_DATE_SIZE + 1];
	size_t etag_size = weir_http_etag_format(file, etag);
	weir_http_date_format(file->mtime.tv_sec, date);
	size_t capacity = 128 + strlen(mime->type) + etag_size + sizeof date +
	                  (site_fields ? strlen(site_fields) : 0);
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
	note->plain_size =
	        note->type_size +
	        (size_t)snprintf(note->lines + note->type_size, capacity - note->type_size,
	                "ETag: %.*s\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n%s",
	                (int)etag_size, etag, date, site_fields ? site_fields : "");
	file->note = note;
	file->free_note = free;
	return note;
}
