/*
 * Parses URLs strictly: a byte that does not belong into a URL is refused, since the text becomes
 * the request line. Nothing is decoded.
 */
#include <weir/error.h>
#include <weir/limits.h>

#include "client_url.h"
#include "head.h"
#include "syntax.h"

static struct weir_span http_url_without_fragment(struct weir_span text)
{
	struct weir_span head;
	weir_span_cut(&text, '#', &head);
	return head;
}

/* Returns the bytes up to the first of two characters. */
static struct weir_span http_url_up_to(struct weir_span text, char first, char second)
{
	size_t size = 0;
	while (size < text.size && text.data[size] != first && text.data[size] != second)
		size++;
	return weir_span(text.data, size);
}

static bool http_url_starts(struct weir_span text, struct weir_span scheme)
{
	return text.size > scheme.size &&
	       weir_span_equal_nocase(weir_span(text.data, scheme.size), scheme);
}

static uint16_t http_url_port(const struct http_url *url)
{
	return url->tls ? 443 : url->fastcgi ? WEIR_FASTCGI_PORT : 80;
}

int http_url_parse(struct weir_span text, struct http_url *ret)
{
	struct weir_span rest = http_url_without_fragment(text);
	struct http_url url = {0};
	int port;
	if (http_url_starts(rest, WEIR_SPAN("http://")))
		rest = weir_span_skip(rest, 7);
	else if ((url.tls = http_url_starts(rest, WEIR_SPAN("https://"))))
		rest = weir_span_skip(rest, 8);
	else if ((url.fastcgi = http_url_starts(rest, WEIR_SPAN("fastcgi://"))))
		rest = weir_span_skip(rest, 10);
	else
		return WEIR_E_SYNTAX;
	url.authority = http_url_up_to(rest, '/', '?');
	if (http_authority_parse(url.authority, &url.host, &port) < 0 || port == 0)
		return WEIR_E_SYNTAX;
	url.port = port > 0 ? (uint16_t)port : http_url_port(&url);
	rest = weir_span_skip(rest, url.authority.size);
	url.path = http_url_up_to(rest, '?', '?');
	url.query = weir_span_skip(rest, url.path.size);
	for (size_t i = 0; i < rest.size; i++)
		if (!http_is(rest.data[i], WEIR_HTTP_PCHAR) && rest.data[i] != '?')
			return WEIR_E_SYNTAX;
	*ret = url;
	return 0;
}

/* -- references -------------------------------------------------------------------------------- */

static int http_url_add(struct weir_buffer *to, struct weir_span bytes)
{
	return weir_buffer_append(to, bytes.data, bytes.size, WEIR_HTTP_CLIENT_URL_MAX);
}

/* Appends a path without its dot segments (RFC 3986 5.2.4), behind `root` bytes. */
static int http_url_add_path(struct weir_buffer *to, size_t root, struct weir_span path)
{
	struct weir_span segment;
	int error = 0;
	for (bool more = true; more && !error;) {
		more = weir_span_cut(&path, '/', &segment);
		if (weir_span_equal(segment, WEIR_SPAN("."))) {
			segment.size = 0;
		} else if (weir_span_equal(segment, WEIR_SPAN(".."))) {
			segment.size = 0;
			if (to->size > root + 1)
				to->size--;
			while (to->size > root + 1 && to->data[to->size - 1] != '/')
				to->size--;
		} else {
			error = http_url_add(to, segment);
			if (!error && more)
				error = http_url_add(to, WEIR_SPAN("/"));
		}
	}
	return error;
}

static int http_url_add_relative(
        const struct http_url *base, struct weir_span reference, struct weir_buffer *ret)
{
	size_t root = ret->size;
	struct weir_span path = http_url_up_to(reference, '?', '?');
	struct weir_span query = weir_span_skip(reference, path.size);
	struct weir_span before = base->path;
	int error = 0;
	if (path.size && path.data[0] == '/')
		before.size = 0;
	else if (path.size)
		while (before.size && before.data[before.size - 1] != '/')
			before.size--;
	else if (query.size == 0)
		query = base->query;
	/* Both paths begin with a '/', if they are not empty. */
	error = http_url_add(ret, WEIR_SPAN("/"));
	if (!error && before.size > 1)
		error = http_url_add_path(ret, root, weir_span_skip(before, 1));
	if (!error && path.size)
		error = http_url_add_path(ret, root, weir_span_skip(path, path.data[0] == '/'));
	return error ? error : http_url_add(ret, query);
}

int http_url_resolve(
        const struct http_url *base, struct weir_span reference, struct weir_buffer *ret)
{
	struct http_url url;
	struct weir_span scheme = base->tls ? WEIR_SPAN("https:") : WEIR_SPAN("http:");
	int error = 0;
	reference = http_url_without_fragment(reference);
	size_t name = http_run(reference, WEIR_HTTP_TCHAR);
	if (name < reference.size && reference.data[name] == ':') {
		error = http_url_add(ret, reference);
	} else if (weir_span_starts(reference, WEIR_SPAN("//"))) {
		error = http_url_add(ret, scheme);
		if (!error)
			error = http_url_add(ret, reference);
	} else {
		error = http_url_add(ret, scheme);
		if (!error)
			error = http_url_add(ret, WEIR_SPAN("//"));
		if (!error)
			error = http_url_add(ret, base->authority);
		if (!error)
			error = http_url_add_relative(base, reference, ret);
	}
	return error ? error : http_url_parse(weir_buffer_span(ret), &url);
}
