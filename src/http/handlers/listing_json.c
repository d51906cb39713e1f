/* The listing of a directory as JSON (RFC 8259): an array with an object for each entry. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "helper.h"
#include "listing_state.h"

/*
 * Escapes a name as a string of JSON (RFC 8259 7). Bytes that are not UTF-8 become U+FFFD. `buffer`
 * has six bytes for each byte.
 */
static size_t http_listing_json_name(struct weir_span text, char *buffer)
{
	size_t size = 0;
	while (text.size) {
		size_t whole = text_utf8_size(text);
		if (whole == 0) {
			whole = 1;
			size += (size_t)sprintf(buffer + size, "\\ufffd");
		} else if (text_is_control(*text.data)) {
			size += (size_t)sprintf(buffer + size, "\\u%04x", (uint8_t)*text.data);
		} else {
			if (*text.data == '"' || *text.data == '\\')
				buffer[size++] = '\\';
			memcpy(buffer + size, text.data, whole);
			size += whole;
		}
		text = weir_span_skip(text, whole);
	}
	return size;
}

size_t http_listing_json_row(struct http_listing *listing, const struct weir_directory_entry *entry,
        char *text, size_t room)
{
	char name[NAME_MAX_SIZE * 6], date[40] = "", size[40] = "";
	struct weir_span raw = weir_span_of(entry->name);
	struct tm tm;
	time_t seconds = entry->mtime.tv_sec;
	if (raw.size > NAME_MAX_SIZE)
		return 0;
	if (seconds && gmtime_r(&seconds, &tm))
		strftime(date, sizeof date, ",\"modified\":\"%Y-%m-%dT%H:%M:%SZ\"", &tm);
	if (entry->kind == WEIR_FILE_REGULAR)
		snprintf(size, sizeof size, ",\"size\":%llu", (unsigned long long)entry->size);
	size_t name_size = http_listing_json_name(raw, name);
	int put = snprintf(text, room, "%s\n{\"name\":\"%.*s\",\"type\":\"%s\"%s%s}",
	        listing->any ? "," : "", (int)name_size, name,
	        entry->kind == WEIR_FILE_DIRECTORY ? "directory"
	        : entry->kind == WEIR_FILE_REGULAR ? "file"
	                                           : "other",
	        size, date);
	listing->any = true;
	return put > 0 && (size_t)put < room ? (size_t)put : 0;
}

size_t http_listing_json_frame(bool foot, char *text, size_t room)
{
	return (size_t)snprintf(text, room, "%s", foot ? "\n]\n" : "[");
}
