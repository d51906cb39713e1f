/*
 * The table of media types, sorted by extension for a binary search. Types whose text names its
 * charset (XHTML), or is UTF-8 by definition (JSON), have no parameter.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fields.h"

enum {
	EXTENSION_MAX = 11
};

/* clang-format off */
static const struct http_mime types[] = {
	{"3gp", "video/3gpp", false},
	{"7z", "application/x-7z-compressed", false},
	{"aac", "audio/aac", false},
	{"ai", "application/postscript", true},
	{"aif", "audio/aiff", true},
	{"aiff", "audio/aiff", true},
	{"apk", "application/vnd.android.package-archive", false},
	{"apng", "image/apng", false},
	{"asc", "text/plain; charset=utf-8", true},
	{"atom", "application/atom+xml", true},
	{"avi", "video/x-msvideo", false},
	{"avif", "image/avif", false},
	{"bin", "application/octet-stream", false},
	{"bmp", "image/bmp", true},
	{"bz2", "application/x-bzip2", false},
	{"c", "text/plain; charset=utf-8", true},
	{"cc", "text/plain; charset=utf-8", true},
	{"cfg", "text/plain; charset=utf-8", true},
	{"cjs", "text/javascript; charset=utf-8", true},
	{"conf", "text/plain; charset=utf-8", true},
	{"cpp", "text/plain; charset=utf-8", true},
	{"crt", "application/x-x509-ca-cert", false},
	{"css", "text/css; charset=utf-8", true},
	{"csv", "text/csv; charset=utf-8", true},
	{"deb", "application/vnd.debian.binary-package", false},
	{"der", "application/x-x509-ca-cert", false},
	{"diff", "text/plain; charset=utf-8", true},
	{"dll", "application/octet-stream", false},
	{"dmg", "application/x-apple-diskimage", false},
	{"doc", "application/msword", true},
	{"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", false},
	{"eot", "application/vnd.ms-fontobject", true},
	{"eps", "application/postscript", true},
	{"epub", "application/epub+zip", false},
	{"exe", "application/octet-stream", false},
	{"flac", "audio/flac", false},
	{"flv", "video/x-flv", false},
	{"geojson", "application/geo+json", true},
	{"gif", "image/gif", false},
	{"glb", "model/gltf-binary", true},
	{"gltf", "model/gltf+json", true},
	{"go", "text/plain; charset=utf-8", true},
	{"gpx", "application/gpx+xml", true},
	{"gz", "application/gzip", false},
	{"h", "text/plain; charset=utf-8", true},
	{"heic", "image/heic", false},
	{"heif", "image/heif", false},
	{"hpp", "text/plain; charset=utf-8", true},
	{"htm", "text/html; charset=utf-8", true},
	{"html", "text/html; charset=utf-8", true},
	{"ico", "image/vnd.microsoft.icon", true},
	{"ics", "text/calendar; charset=utf-8", true},
	{"img", "application/octet-stream", false},
	{"ini", "text/plain; charset=utf-8", true},
	{"iso", "application/x-iso9660-image", false},
	{"jar", "application/java-archive", false},
	{"java", "text/plain; charset=utf-8", true},
	{"jfif", "image/jpeg", false},
	{"jp2", "image/jp2", false},
	{"jpe", "image/jpeg", false},
	{"jpeg", "image/jpeg", false},
	{"jpg", "image/jpeg", false},
	{"js", "text/javascript; charset=utf-8", true},
	{"json", "application/json", true},
	{"jsonl", "application/x-ndjson", true},
	{"jsonld", "application/ld+json", true},
	{"jxl", "image/jxl", false},
	{"kml", "application/vnd.google-earth.kml+xml", true},
	{"kmz", "application/vnd.google-earth.kmz", false},
	{"log", "text/plain; charset=utf-8", true},
	{"lua", "text/plain; charset=utf-8", true},
	{"m3u", "audio/mpegurl", true},
	{"m3u8", "application/vnd.apple.mpegurl", true},
	{"m4a", "audio/mp4", false},
	{"m4v", "video/mp4", false},
	{"map", "application/json", true},
	{"markdown", "text/markdown; charset=utf-8", true},
	{"md", "text/markdown; charset=utf-8", true},
	{"mid", "audio/midi", true},
	{"midi", "audio/midi", true},
	{"mjs", "text/javascript; charset=utf-8", true},
	{"mkv", "video/x-matroska", false},
	{"mov", "video/quicktime", false},
	{"mp3", "audio/mpeg", false},
	{"mp4", "video/mp4", false},
	{"mpd", "application/dash+xml", true},
	{"mpeg", "video/mpeg", false},
	{"mpg", "video/mpeg", false},
	{"msi", "application/octet-stream", false},
	{"ndjson", "application/x-ndjson", true},
	{"obj", "model/obj", true},
	{"odg", "application/vnd.oasis.opendocument.graphics", false},
	{"odp", "application/vnd.oasis.opendocument.presentation", false},
	{"ods", "application/vnd.oasis.opendocument.spreadsheet", false},
	{"odt", "application/vnd.oasis.opendocument.text", false},
	{"oga", "audio/ogg", false},
	{"ogg", "audio/ogg", false},
	{"ogv", "video/ogg", false},
	{"opus", "audio/ogg", false},
	{"otf", "font/otf", true},
	{"patch", "text/plain; charset=utf-8", true},
	{"pdf", "application/pdf", false},
	{"pem", "application/x-pem-file", true},
	{"pl", "text/plain; charset=utf-8", true},
	{"png", "image/png", false},
	{"ppt", "application/vnd.ms-powerpoint", true},
	{"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", false},
	{"ps", "application/postscript", true},
	{"py", "text/plain; charset=utf-8", true},
	{"rar", "application/vnd.rar", false},
	{"rb", "text/plain; charset=utf-8", true},
	{"rpm", "application/x-rpm", false},
	{"rs", "text/plain; charset=utf-8", true},
	{"rss", "application/rss+xml", true},
	{"rst", "text/plain; charset=utf-8", true},
	{"rtf", "application/rtf", true},
	{"sh", "text/plain; charset=utf-8", true},
	{"sha256", "text/plain; charset=utf-8", true},
	{"shtml", "text/html; charset=utf-8", true},
	{"sig", "application/pgp-signature", true},
	{"so", "application/octet-stream", false},
	{"sql", "application/sql", true},
	{"sqlite", "application/vnd.sqlite3", true},
	{"stl", "model/stl", true},
	{"svg", "image/svg+xml", true},
	{"svgz", "image/svg+xml", false},
	{"tar", "application/x-tar", true},
	{"tex", "text/plain; charset=utf-8", true},
	{"text", "text/plain; charset=utf-8", true},
	{"tgz", "application/gzip", false},
	{"tif", "image/tiff", false},
	{"tiff", "image/tiff", false},
	{"toml", "text/plain; charset=utf-8", true},
	{"torrent", "application/x-bittorrent", false},
	{"ts", "video/mp2t", false},
	{"tsv", "text/tab-separated-values; charset=utf-8", true},
	{"ttc", "font/collection", true},
	{"ttf", "font/ttf", true},
	{"txt", "text/plain; charset=utf-8", true},
	{"vcf", "text/vcard; charset=utf-8", true},
	{"vtt", "text/vtt; charset=utf-8", true},
	{"war", "application/java-archive", false},
	{"wasm", "application/wasm", true},
	{"wav", "audio/wav", true},
	{"weba", "audio/webm", false},
	{"webm", "video/webm", false},
	{"webmanifest", "application/manifest+json", true},
	{"webp", "image/webp", false},
	{"wmv", "video/x-ms-wmv", false},
	{"woff", "font/woff", false},
	{"woff2", "font/woff2", false},
	{"xht", "application/xhtml+xml", true},
	{"xhtml", "application/xhtml+xml", true},
	{"xls", "application/vnd.ms-excel", true},
	{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false},
	{"xml", "text/xml; charset=utf-8", true},
	{"xsd", "text/xml; charset=utf-8", true},
	{"xsl", "text/xml; charset=utf-8", true},
	{"xslt", "text/xml; charset=utf-8", true},
	{"xz", "application/x-xz", false},
	{"yaml", "application/yaml", true},
	{"yml", "application/yaml", true},
	{"zip", "application/zip", false},
	{"zst", "application/zstd", false},
};
/* clang-format on */

static int http_mime_compare(const void *key, const void *entry)
{
	return strcmp(key, ((const struct http_mime *)entry)->extension);
}

const struct http_mime *http_mime_find(struct weir_span name)
{
	static const struct http_mime unknown = {"", "application/octet-stream", false};
	const struct http_mime *found = NULL;
	char extension[EXTENSION_MAX + 1];
	size_t start = name.size;
	while (start && name.data[start - 1] != '.' && name.data[start - 1] != '/')
		start--;
	size_t size = name.size - start;
	if (start == 0 || name.data[start - 1] != '.' || size == 0 || size > EXTENSION_MAX)
		return &unknown;
	for (size_t i = 0; i < size; i++) {
		char c = name.data[start + i];
		extension[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	extension[size] = 0;
	if (strlen(extension) == size)
		found = bsearch(extension, types, sizeof types / sizeof *types, sizeof *types,
		        http_mime_compare);
	return found ? found : &unknown;
}

bool http_mime_has_extension(struct weir_span name, const char *extension)
{
	size_t size = strlen(extension);
	return name.size > size && name.data[name.size - size - 1] == '.' &&
	       weir_span_equal_nocase(
	               weir_span(name.data + name.size - size, size), weir_span(extension, size));
}

bool http_mime_is_text(const char *type)
{
	static const char *const others[] = {"javascript", "json", "xml", "yaml", "wasm", "svg"};
	if (strncasecmp(type, "text/", 5) == 0)
		return true;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strcasestr(type, others[i]))
			return true;
	return false;
}

bool http_mime_matches(struct weir_span value, const char *type)
{
	struct weir_span pattern = weir_span_of(type), name;
	weir_span_cut(&value, ';', &name);
	name = weir_span_trim(name);
	bool family = pattern.size > 1 && pattern.data[pattern.size - 1] == '*';
	size_t size = pattern.size - family;
	if (family ? name.size < size : name.size != size)
		return false;
	return weir_span_equal_nocase(weir_span(pattern.data, size), weir_span(name.data, size));
}
