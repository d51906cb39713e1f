/*
 * Accept-Encoding, and Accept as far as listings need it. Only a malformed element is ignored: at
 * worst, the reply is not compressed.
 * Left out: codings that this server does not produce.
 */
#include "fields.h"
#include "syntax.h"

int16_t http_weight_parse(struct weir_span text)
{
	int scale = 100, weight;
	if (text.size == 0 || text.size > 5 || (text.data[0] != '0' && text.data[0] != '1'))
		return -1;
	weight = (text.data[0] - '0') * 1000;
	if (text.size > 1 && text.data[1] != '.')
		return -1;
	for (size_t i = 2; i < text.size; i++, scale /= 10) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		weight += (text.data[i] - '0') * scale;
	}
	return weight <= 1000 ? (int16_t)weight : -1;
}

/* The rest behind the coding: nothing, or OWS ";" OWS "q=" weight. */
static int16_t http_accept_parse_weight(struct weir_span text)
{
	if (text.size == 0)
		return 1000;
	text = http_skip_space(text);
	if (text.size == 0 || *text.data != ';')
		return -1;
	text = http_skip_space(weir_span_skip(text, 1));
	if (text.size < 2 || (text.data[0] | 0x20) != 'q' || text.data[1] != '=')
		return -1;
	return http_weight_parse(weir_span_skip(text, 2));
}

static int16_t *http_accept_slot_of(struct http_accept *accept, struct weir_span coding)
{
	if (weir_span_equal_nocase(coding, WEIR_SPAN("gzip")) ||
	        weir_span_equal_nocase(coding, WEIR_SPAN("x-gzip")))
		return &accept->gzip;
	if (weir_span_equal_nocase(coding, WEIR_SPAN("br")))
		return &accept->br;
	if (weir_span_equal_nocase(coding, WEIR_SPAN("zstd")))
		return &accept->zstd;
	if (weir_span_equal_nocase(coding, WEIR_SPAN("identity")))
		return &accept->identity;
	return weir_span_equal(coding, WEIR_SPAN("*")) ? &accept->any : NULL;
}

void http_accept_add(struct http_accept *accept, struct weir_span value)
{
	struct weir_span element;
	for (bool more = true; more;) {
		more = weir_span_cut(&value, ',', &element);
		element = weir_span_trim(element);
		size_t size = http_run(element, WEIR_HTTP_TCHAR);
		int16_t *slot = http_accept_slot_of(accept, weir_span(element.data, size));
		if (slot && *slot < 0)
			*slot = http_accept_parse_weight(weir_span_skip(element, size));
	}
}

/* Not listed, identity is acceptable unless "*" excludes it; it has the lowest weight then. */
static int http_accept_identity(const struct http_accept *accept)
{
	return accept->identity >= 0 ? accept->identity : accept->any != 0;
}

int http_accept_weight(const struct http_accept *accept, int16_t listed)
{
	int weight = listed >= 0 ? listed : accept->any;
	return weight > 0 && weight >= http_accept_identity(accept) ? weight : 0;
}

const char *http_coding_name(enum http_coding coding)
{
	return coding == WEIR_HTTP_GZIP ? "gzip" : coding == WEIR_HTTP_ZSTD ? "zstd" : NULL;
}

enum http_coding http_accept_choose(const struct http_accept *accept, bool may_zstd)
{
	int gzip = http_accept_weight(accept, accept->gzip);
	int zstd = may_zstd && accept->zstd > 0 ? http_accept_weight(accept, accept->zstd) : 0;
	if (zstd && zstd >= gzip)
		return WEIR_HTTP_ZSTD;
	if (gzip)
		return WEIR_HTTP_GZIP;
	return http_accept_identity(accept) ? WEIR_HTTP_IDENTITY : WEIR_HTTP_NO_CODING;
}

struct http_accept http_accept_of(const struct weir_http_request *request)
{
	struct http_accept accept = WEIR_HTTP_ACCEPT_NONE;
	const struct weir_http_field *field = NULL;
	while ((field = weir_http_request_next(request, WEIR_HTTP_ACCEPT_ENCODING, field)))
		http_accept_add(&accept, field->value);
	return accept;
}

enum http_coding http_accept_coding(const struct weir_http_request *request, bool may_zstd)
{
	struct http_accept accept = http_accept_of(request);
	return http_accept_choose(&accept, may_zstd);
}

/* -- Accept ------------------------------------------------------------------------------------ */

/* The weight among the parameters of a media range; 1 if there is none. */
static int http_accept_range_weight(struct weir_span parameters)
{
	struct weir_span parameter;
	while (parameters.size) {
		weir_span_cut(&parameters, ';', &parameter);
		parameter = weir_span_trim(parameter);
		if (parameter.size > 2 && (*parameter.data | 0x20) == 'q' &&
		        parameter.data[1] == '=')
			return http_weight_parse(weir_span_skip(parameter, 2));
	}
	return 1000;
}

/* The more precise range for text/html counts; -1: none is listed. */
static void http_accept_add_ranges(struct weir_span value, int *json, int html[3])
{
	struct weir_span element, range;
	while (value.size) {
		weir_span_cut(&value, ',', &element);
		weir_span_cut(&element, ';', &range);
		range = weir_span_trim(range);
		int weight = http_accept_range_weight(element);
		if (weir_span_equal_nocase(range, WEIR_SPAN("application/json")))
			*json = weight;
		else if (weir_span_equal_nocase(range, WEIR_SPAN("text/html")))
			html[0] = weight;
		else if (weir_span_equal_nocase(range, WEIR_SPAN("text/*")))
			html[1] = weight;
		else if (weir_span_equal(range, WEIR_SPAN("*/*")))
			html[2] = weight;
	}
}

bool http_accepts_json(const struct weir_http_request *request)
{
	const struct weir_http_field *field = NULL;
	int json = -1, html[3] = {-1, -1, -1};
	while ((field = weir_http_request_next(request, WEIR_HTTP_ACCEPT, field)))
		http_accept_add_ranges(field->value, &json, html);
	int other = html[0] >= 0 ? html[0] : html[1] >= 0 ? html[1] : html[2];
	return json > 0 && json >= other && (json > other || html[0] < 0);
}
