/*
 * A directory as a page, or as JSON: a generator that writes a row for each entry, as entries are
 * read from the disk in batches. It holds one batch, so that a directory of 100,000 entries needs
 * as much memory as one of ten, and its page begins at once. The reply is made with the first
 * batch, so that a directory that cannot be read is replied to with an error.
 *
 * Up to WEIR_DIRECTORY_SORT_MAX entries are sorted, by the query `?sort=size&order=desc`; a larger
 * directory is listed in its own order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <weir/directory.h>
#include <weir/limits.h>
#include <weir/sources.h>

#include "files.h"
#include "page_style.h"
#include "path.h"

/* The longest name, with every byte escaped, twice, and the markup around it. */
enum {
	NAME_MAX_SIZE = 256,
	ROW_MAX = NAME_MAX_SIZE * (6 + 3) + 320,
	HEAD_FRAME_MAX = 3072
};

enum listing_state {
	LISTING_HEAD,
	LISTING_ROWS,
	LISTING_FOOT,
	LISTING_END
};

struct http_listing {
	struct weir_directory *directory;
	struct weir_http_exchange *exchange; /* until it is replied to, with the first batch */
	struct weir_producer *producer;
	enum listing_state state;
	const char *template; /* of the files, which outlive a reply; or NULL */
	bool hidden;
	bool json;
	bool any;     /* a row of JSON was written: a comma is before the next one */
	bool waiting; /* for a batch */
	enum weir_directory_order order;
	bool descending;
	bool failed;
	bool ended; /* there are no more batches */
	const struct weir_directory_entry *entries;
	size_t count;
	size_t next;
	size_t url_size; /* of the directory's path, escaped as by the client */
	/* A piece of text that did not fit the output at once. */
	char *text;
	size_t text_size;
	size_t text_put;
	char path[]; /* decoded, without slashes at its ends */
};

static void http_listing_free(struct http_listing *listing)
{
	weir_directory_close(listing->directory);
	free(listing->text);
	free(listing);
}

static void http_listing_close(void *context, enum weir_close_reason why)
{
	(void)why;
	http_listing_free(context);
}

/* -- names ------------------------------------------------------------------------------------- */

/* Returns the size of the UTF-8 sequence at the front (RFC 3629), or 0. */
static size_t http_listing_utf8_size(struct weir_span text)
{
	uint8_t first = (uint8_t)*text.data;
	size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (first > 0xf4 || size > text.size)
		return 0;
	for (size_t i = 1; i < size; i++)
		if (((uint8_t)text.data[i] & 0xc0) != 0x80)
			return 0;
	uint8_t second = size > 1 ? (uint8_t)text.data[1] : 0;
	bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
	bool beyond = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
	return overlong || beyond ? 0 : size;
}

static bool http_listing_is_control(char c)
{
	return (uint8_t)c < 0x20 || c == 0x7f;
}

/*
 * Escapes a name for HTML. Control characters, and bytes that are not UTF-8, become \xHH. `buffer`
 * has six bytes for each byte.
 */
static size_t http_listing_show(struct weir_span text, char *buffer)
{
	size_t size = 0, put;
	while (text.size) {
		size_t whole = http_listing_utf8_size(text);
		if (whole == 0 || http_listing_is_control(*text.data)) {
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
		if (http_listing_is_control(*c))
			return false;
	return !entry->refused && listing->url_size + url_size + 2 <= WEIR_HTTP_TARGET_MAX &&
	       strlen(listing->path) + strlen(entry->name) + 2 < WEIR_PATH_MAX;
}

/* -- text -------------------------------------------------------------------------------------- */

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

/* Bytes that the head or foot may have. */
static size_t http_listing_frame_max(const struct http_listing *listing)
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

static size_t http_listing_format_frame(
        const struct http_listing *listing, bool foot, char *text, size_t room)
{
	struct weir_span path = weir_span_of(listing->path);
	if (listing->json || (foot && !listing->template)) {
		return (size_t)snprintf(text, room, "%s",
		        listing->json ? foot ? "\n]\n" : "[" : "</table></body></html>\n");
	}
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

static size_t http_listing_format_row(const struct http_listing *listing,
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

/* -- JSON -------------------------------------------------------------------------------------- */

/*
 * Escapes a name as a string of JSON (RFC 8259 7). Bytes that are not UTF-8 become U+FFFD. `buffer`
 * has six bytes for each byte.
 */
static size_t http_listing_json_name(struct weir_span text, char *buffer)
{
	size_t size = 0;
	while (text.size) {
		size_t whole = http_listing_utf8_size(text);
		if (whole == 0) {
			whole = 1;
			size += (size_t)sprintf(buffer + size, "\\ufffd");
		} else if (http_listing_is_control(*text.data)) {
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

static size_t http_listing_format_json(struct http_listing *listing,
        const struct weir_directory_entry *entry, char *text, size_t room)
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

/* -- the generator ----------------------------------------------------------------------------- */

/* Puts the rest of `text`. Returns whether all of it was put. */
static bool http_listing_put_text(struct http_listing *listing, struct weir_output *out)
{
	size_t left = listing->text_size - listing->text_put;
	listing->text_put += weir_output_copy(out, listing->text + listing->text_put, left);
	return listing->text_put == listing->text_size;
}

static bool http_listing_visible(
        const struct http_listing *listing, const struct weir_directory_entry *entry)
{
	return listing->hidden || entry->name[0] != '.';
}

static size_t http_listing_format_entry(struct http_listing *listing, char *text, size_t room)
{
	const struct weir_directory_entry *entry = &listing->entries[listing->next++];
	if (!http_listing_visible(listing, entry))
		return 0;
	return listing->json ? http_listing_format_json(listing, entry, text, room)
	                     : http_listing_format_row(listing, entry, text, room);
}

/* Puts text into `text`, for put_text. False without memory. */
static bool http_listing_next_text(struct http_listing *listing)
{
	bool row = listing->state == LISTING_ROWS;
	size_t room = row ? ROW_MAX : http_listing_frame_max(listing);
	char *text = realloc(listing->text, room);
	if (!text)
		return false;
	listing->text = text;
	listing->text_put = 0;
	if (row) {
		listing->text_size = http_listing_format_entry(listing, text, room);
		return true;
	}
	bool foot = listing->state == LISTING_FOOT;
	listing->text_size = http_listing_format_frame(listing, foot, text, room);
	listing->state = foot ? LISTING_END : LISTING_ROWS;
	return true;
}

static enum weir_more http_listing_more(void *context, struct weir_output *out);

/* Replies, with the first batch or with the error. */
static void http_listing_send(struct http_listing *listing, int error)
{
	struct weir_http_exchange *exchange = listing->exchange;
	listing->exchange = NULL;
	if (error < 0) {
		http_listing_free(listing);
		http_file_error(exchange, error);
		return;
	}
	struct weir_producer *producer =
	        weir_produce_generator(http_listing_more, http_listing_close, listing);
	if (producer)
		listing->producer = producer;
	weir_http_add_field(exchange, "Content-Type",
	        listing->json ? WEIR_SPAN("application/json")
	                      : WEIR_SPAN("text/html; charset=utf-8"));
	weir_http_add_field(exchange, "Vary", WEIR_SPAN("Accept"));
	weir_http_compress(exchange);
	weir_http_reply(exchange, 200, producer);
}

static void http_listing_on_batch(
        void *context, int error, const struct weir_directory_entry *entries, size_t count)
{
	struct http_listing *listing = context;
	listing->waiting = false;
	listing->entries = entries;
	listing->count = count;
	listing->next = 0;
	listing->failed = error < 0;
	listing->ended = count == 0;
	if (listing->exchange)
		http_listing_send(listing, error);
	else
		weir_wake(listing->producer);
}

static void http_listing_read_batch(struct http_listing *listing)
{
	listing->waiting = true;
	weir_directory_next(listing->directory, http_listing_on_batch, listing);
}

static enum weir_more http_listing_more(void *context, struct weir_output *out)
{
	struct http_listing *listing = context;
	while (weir_output_room(out)) {
		if (!http_listing_put_text(listing, out))
			return WEIR_MORE;
		if (listing->state == LISTING_END)
			return WEIR_DONE;
		if (listing->failed)
			return WEIR_FAILED;
		if (listing->waiting)
			return WEIR_WAIT;
		if (listing->state == LISTING_ROWS && listing->next == listing->count) {
			if (listing->ended)
				listing->state = LISTING_FOOT;
			else
				http_listing_read_batch(listing);
			continue;
		}
		if (!http_listing_next_text(listing))
			return WEIR_FAILED;
	}
	return WEIR_MORE;
}

/* The order that the query asks for; the first `sort` and `order` count. */
static void http_listing_read_query(struct http_listing *listing, struct weir_span query)
{
	static const struct {
		const char *text;
		enum weir_directory_order order;
	} orders[] = {{"sort=size", WEIR_ORDER_SIZE}, {"sort=time", WEIR_ORDER_TIME}};
	struct weir_span pair;
	while (query.size) {
		weir_span_cut(&query, '&', &pair);
		for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
			if (weir_span_equal(pair, weir_span_of(orders[i].text)))
				listing->order = orders[i].order;
		listing->descending |= weir_span_equal(pair, WEIR_SPAN("order=desc"));
	}
}

static struct http_listing *http_listing_create(
        struct weir_http_exchange *exchange, const struct files *files, struct weir_file *file)
{
	struct weir_directory_options options;
	weir_directory_options_init(&options);
	options.details = true;
	options.sort_max = WEIR_DIRECTORY_SORT_MAX;
	options.tree = files->tree;
	options.check_lookups = true;
	struct weir_span path = weir_http_path(exchange);
	struct http_listing *listing = calloc(1, sizeof *listing + path.size + 1);
	if (!listing)
		return NULL;
	memcpy(listing->path, path.data, path.size);
	http_listing_read_query(listing, weir_http_request(exchange)->query);
	options.order = listing->order;
	options.descending = listing->descending;
	options.path = http_files_path(exchange).data;
	if (weir_directory_open(weir_http_loop(exchange), file->fd, &options, &listing->directory) <
	        0) {
		free(listing);
		return NULL;
	}
	listing->url_size = weir_http_request(exchange)->path.size;
	listing->exchange = exchange;
	listing->hidden = files->options.hidden;
	listing->json = http_accepts_json(weir_http_request(exchange));
	listing->template = files->options.listing_template;
	return listing;
}

void http_listing_reply(
        struct weir_http_exchange *exchange, const struct files *files, struct weir_file *directory)
{
	struct http_listing *listing = http_listing_create(exchange, files, directory);
	if (!listing) {
		weir_http_reply_error(exchange, 503);
		return;
	}
	http_listing_read_batch(listing);
}
