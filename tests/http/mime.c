/* Media types: the table is in order, and names of all shapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fields.h"

static void by_name(void **state)
{
	static const struct {
		const char *name, *type;
		bool compressible;
	} cases[] = {
	        {"index.html", "text/html; charset=utf-8", true},
	        {"INDEX.HTM", "text/html; charset=utf-8", true},
	        {"/a.b/c.js", "text/javascript; charset=utf-8", true},
	        {"a.css", "text/css; charset=utf-8", true},
	        {"a.tar.gz", "application/gzip", false},
	        {"a.json", "application/json", true},
	        {"a.svg", "image/svg+xml", true},
	        {"a.png", "image/png", false},
	        {"a.wasm", "application/wasm", true},
	        {"a.woff2", "font/woff2", false},
	        {"a.webmanifest", "application/manifest+json", true},
	        {"a.3gp", "video/3gpp", false},
	        {"a.zst", "application/zstd", false},
	        {".html", "text/html; charset=utf-8", true},
	        {"a.unknown", "application/octet-stream", false},
	        {"a.verylongextension", "application/octet-stream", false},
	        {"README", "application/octet-stream", false},
	        {"html", "application/octet-stream", false},
	        {"a.html/b", "application/octet-stream", false},
	        {"a.", "application/octet-stream", false},
	        {".", "application/octet-stream", false},
	        {"", "application/octet-stream", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct http_mime *mime = http_mime_find(weir_span_of(cases[i].name));
		if (strcmp(mime->type, cases[i].type) != 0 ||
		        mime->compressible != cases[i].compressible)
			fail_msg("%s: %s", cases[i].name, mime->type);
	}
	assert_string_equal(
	        http_mime_find(weir_span("a.html\0", 7))->type, "application/octet-stream");
}

/* A binary search finds all entries only if they are in order: ask for one near each end of it. */
static void all_parts_of_the_table(void **state)
{
	static const char *const names[] = {"a.7z", "a.aac", "a.ai", "a.atom", "a.bmp", "a.cc",
	        "a.deb", "a.docx", "a.epub", "a.flac", "a.gif", "a.go", "a.h", "a.ico", "a.ics",
	        "a.java", "a.jsonld", "a.kml", "a.log", "a.m3u8", "a.md", "a.mkv", "a.mp3", "a.odt",
	        "a.ogg", "a.otf", "a.pdf", "a.pem", "a.ppt", "a.py", "a.rar", "a.rss", "a.sh",
	        "a.sql", "a.tar", "a.toml", "a.tsv", "a.txt", "a.vtt", "a.wav", "a.webp", "a.xhtml",
	        "a.xlsx", "a.xml", "a.xz", "a.yml", "a.zip"};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!http_mime_find(weir_span_of(names[i]))->extension[0])
			fail_msg("%s is not found", names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(by_name),
	        cmocka_unit_test(all_parts_of_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
