/*
 * The listing of a directory as a page of HTML: its own, or a template. Names become text whatever
 * bytes they have, and links to what the server would serve alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <weir/limits.h>

#include "helper.h"
#include "listing_state.h"
#include "page_style.h"
#include "path.h"

enum {
	HEAD_FRAME_MAX = 3072 /* bytes of the head without its titles */
};

/*
 * Escapes a name for HTML. Control characters, and bytes that are not UTF-8, become \xHH. `buffer`
 * has six bytes for each byte.
 */
static size_t http_listing_show(struct weir_span text, char *buffer)
{
	size_t size = 0, put;
	while (text.size) {
		size_t whole = text_utf8_size(text);
		if (whole == 0 || text_is_control(*text.data)) {
			whole = 1;
			put = (size_t)sprintf(buffer + size, "\\x%02x", (uint8_t)*text.data);
		} else {
			http_escape_html(weir_span(text.data, whole), buffer + size, 6, &put);
		}
		size += put;
		text = weir_span_skip(text, whole);
	}
	return size;
}

/* A name is no link if the server would refuse its path: with control characters, or too long. */
static bool http_listing_linkable(const struct http_listing *listing,
        const struct weir_directory_entry *entry, size_t url_size)
{
	for (const char *c = entry->name; *c; c++)
		if (text_is_control(*c))
			return false;
	return !entry->refused && listing->url_size + url_size + 2 <= WEIR_HTTP_TARGET_MAX &&
	       strlen(listing->path) + strlen(entry->name) + 2 < WEIR_PATH_MAX;
}

/*
 * A heading that sorts by its column; again, in the other direction. It is a button and no link, so
 * that clients that follow links get each page once.
 */
static int http_listing_format_heading(const struct http_listing *listing, char *text, size_t room,
        enum weir_directory_order order, const char *name, const char *label)
{
	bool sorted = listing->order == order;
	bool down = sorted && !listing->descending;
	return snprintf(text, room,
	        "<th%s><form>%s<button name=\"sort\" value=\"%s\">%s%s</button></form>",
	        !sorted               ? ""
	        : listing->descending ? " aria-sort=\"descending\""
	                              : " aria-sort=\"ascending\"",
	        down ? "<input type=\"hidden\" name=\"order\" value=\"desc\">" : "", name, label,
	        !sorted               ? ""
	        : listing->descending ? " \xe2\x86\x93"
	                              : " \xe2\x86\x91");
}

static size_t http_listing_format_html_head(
        const struct http_listing *listing, struct weir_span title, char *text, size_t room)
{
	int put = snprintf(text, room,
	        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	        "<meta name=\"viewport\" content=\"width=device-width\">"
	        "<title>/%.*s</title>\n<style>" HTTP_PAGE_STYLE
	        "table{border-collapse:collapse;width:100%%}th{text-align:left;font-weight:600}"
	        "th,td{padding:.2em .6em;border-bottom:1px solid #e3e9ea}th+th{text-align:right}"
	        "td+td{text-align:right;color:#5b6d75;white-space:nowrap;"
	        "font-variant-numeric:tabular-nums}"
	        "button{font:inherit;font-weight:600;color:inherit;background:none;border:0;padding:0;"
	        "cursor:pointer}form{margin:0}"
	        "a{color:#0b6e83;text-decoration:none}a:hover{text-decoration:underline}"
	        "@media(prefers-color-scheme:dark){th,td{border-color:#26343a}td+td{color:#8fa3ab}"
	        "a{color:#62c3d6}}"
	        "</style></head>\n<body><h1>/%.*s</h1>\n<table>\n<tr>",
	        (int)title.size, title.data, (int)title.size, title.data);
	size_t used = (size_t)put;
	used += (size_t)http_listing_format_heading(
	        listing, text + used, room - used, WEIR_ORDER_NAME, "name", "Name");
	used += (size_t)http_listing_format_heading(
	        listing, text + used, room - used, WEIR_ORDER_SIZE, "size", "Size");
	used += (size_t)http_listing_format_heading(
	        listing, text + used, room - used, WEIR_ORDER_TIME, "time", "Modified");
	used += (size_t)snprintf(text + used, room - used, "\n%s",
	        listing->path[0] ? "<tr><td><a href=\"../\">../</a><td><td>\n" : "");
	return used;
}

/* Appends a part of the template, with $path replaced. */
static size_t http_listing_expand(
        struct weir_span template, struct weir_span title, char *text, size_t room)
{
	static const char name[] = "$path";
	size_t size = 0;
	while (template.size) {
		const char *at = memmem(template.data, template.size, name, sizeof name - 1);
		size_t before = at ? (size_t)(at - template.data) : template.size;
		size_t value = at ? title.size + 1 : 0;
		if (before + value > room - size)
			break;
		memcpy(text + size, template.data, before);
		size += before;
		if (value) {
			text[size] = '/';
			memcpy(text + size + 1, title.data, title.size);
			size += value;
		}
		template = weir_span_skip(template, before + (at ? sizeof name - 1 : 0));
	}
	return size;
}

/* The part of the template before $rows, or behind it. */
static struct weir_span http_listing_template_part(const char *template, bool behind)
{
	const char *rows = strstr(template, "$rows");
	if (!rows)
		return behind ? weir_span("", 0) : weir_span_of(template);
	return behind ? weir_span_of(rows + 5) : weir_span(template, (size_t)(rows - template));
}

size_t http_listing_page_frame_max(const struct http_listing *listing)
{
	size_t title = strlen(listing->path) * 6 + 1, count = 0;
	const char *at = listing->template;
	if (!at)
		return 2 * title + HEAD_FRAME_MAX;
	while ((at = strstr(at, "$path"))) {
		count++;
		at += 5;
	}
	return strlen(listing->template) + count * title;
}

size_t http_listing_page_frame(
        const struct http_listing *listing, bool foot, char *text, size_t room)
{
	struct weir_span path = weir_span_of(listing->path);
	if (foot && !listing->template)
		return (size_t)snprintf(text, room, "</table></body></html>\n");
	char *title = malloc(path.size * 6 + 1);
	struct weir_span shown =
	        weir_span(title ? title : "", title ? http_listing_show(path, title) : 0);
	size_t size =
	        listing->template
	                ? http_listing_expand(http_listing_template_part(listing->template, foot),
	                          shown, text, room)
	                : http_listing_format_html_head(listing, shown, text, room);
	free(title);
	return size;
}

/* 512, 1.2 KB, 34 MB: of powers of 1024, with one decimal below 10. */
static void http_listing_format_size(uint64_t bytes, char *text, size_t room)
{
	static const char units[] = "KMGTPE";
	unsigned unit = 0;
	uint64_t tenths = bytes * 10;
	if (bytes < 1024) {
		snprintf(text, room, "%u", (unsigned)bytes);
		return;
	}
	if (bytes > UINT64_MAX / 20)
		tenths = UINT64_MAX / 2;
	for (tenths /= 1024; tenths >= 10240; tenths /= 1024)
		unit++;
	if (tenths < 100)
		snprintf(text, room, "%u.%u %cB", (unsigned)(tenths / 10), (unsigned)(tenths % 10),
		        units[unit]);
	else
		snprintf(text, room, "%u %cB", (unsigned)(tenths / 10), units[unit]);
}

size_t http_listing_page_row(const struct http_listing *listing,
        const struct weir_directory_entry *entry, char *text, size_t room)
{
	char url[NAME_MAX_SIZE * 3], name[NAME_MAX_SIZE * 6], date[32] = "", size[24] = "";
	char exact[48] = "";
	size_t url_size;
	struct weir_span raw = weir_span_of(entry->name);
	struct tm tm;
	time_t seconds = entry->mtime.tv_sec;
	if (raw.size > NAME_MAX_SIZE || http_escape_url(raw, url, sizeof url, &url_size) < 0)
		return 0;
	size_t name_size = http_listing_show(raw, name);
	const char *slash = entry->kind == WEIR_FILE_DIRECTORY ? "/" : "";
	if (seconds && gmtime_r(&seconds, &tm))
		strftime(date, sizeof date, "%Y-%m-%d %H:%M", &tm);
	if (entry->kind == WEIR_FILE_REGULAR)
		http_listing_format_size(entry->size, size, sizeof size);
	if (entry->size >= 1024 && *size)
		snprintf(exact, sizeof exact, " title=\"%llu\"", (unsigned long long)entry->size);
	bool link = http_listing_linkable(listing, entry, url_size);
	int put = snprintf(text, room, "<tr><td>%s%.*s%s%s%.*s%s%s<td%s>%s<td>%s\n",
	        link ? "<a href=\"" : "", link ? (int)url_size : 0, url, link ? slash : "",
	        link ? "\">" : "", (int)name_size, name, slash, link ? "</a>" : "", exact, size,
	        date);
	return put > 0 && (size_t)put < room ? (size_t)put : 0;
}
