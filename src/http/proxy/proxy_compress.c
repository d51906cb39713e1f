/*
 * Compression of proxied replies, for upstreams that send text as it is. Each block ends where the
 * upstream waits, so that events and long polls still pass at once. Left out: replies that are
 * coded already, parts of a representation, and those that must not be transformed (RFC 9111
 * 5.2.2.6).
 */
#include <string.h>

#include "exchange.h"
#include "fields.h"
#include "proxy_state.h"
#include "syntax.h"

/* A field of the head, or a span without data. */
static struct weir_span proxy_compress_field(
        const struct weir_http_reply_head *head, struct weir_span name)
{
	for (unsigned i = 0; i < head->field_count; i++)
		if (weir_span_equal_nocase(head->fields[i].name, name))
			return head->fields[i].value;
	return weir_span(NULL, 0);
}

static bool proxy_compress_may_transform(const struct weir_http_reply_head *head)
{
	for (unsigned i = 0; i < head->field_count; i++) {
		const struct weir_http_field *field = &head->fields[i];
		if (weir_span_equal_nocase(field->name, WEIR_SPAN("Cache-Control")) &&
		        http_list_has(field->value, WEIR_SPAN("no-transform")))
			return false;
	}
	return true;
}

static bool proxy_compress_has_type(
        const struct weir_http_proxy_options *options, struct weir_span type)
{
	char text[128];
	for (size_t i = 0; i < options->compress_type_count; i++)
		if (http_mime_matches(type, options->compress_types[i]))
			return true;
	return !options->compress_type_count && type.size &&
	       text_copy_span(text, sizeof text, type) && http_mime_is_text(text);
}

bool http_proxy_compress(struct proxy_job *job, const struct weir_http_reply_head *head)
{
	const struct weir_http_proxy_options *options = &job->proxy->options;
	const struct weir_http_compression how = {options->zstd, options->compress_level};
	bool is_head = weir_http_request(job->exchange)->method == WEIR_HTTP_HEAD;
	if (!options->compress || (!head->has_body && !is_head) || head->status == 206 ||
	        (head->length >= 0 && head->length < WEIR_HTTP_PROXY_COMPRESS_MIN) ||
	        proxy_compress_field(head, WEIR_SPAN("Content-Encoding")).data ||
	        proxy_compress_field(head, WEIR_SPAN("Content-Range")).data ||
	        !proxy_compress_may_transform(head))
		return false;
	return proxy_compress_has_type(
	               options, proxy_compress_field(head, WEIR_SPAN("Content-Type"))) &&
	       weir_http_compress_with(job->exchange, &how);
}

/* A strong validator becomes a weak one, since the bytes may differ from reply to reply. */
static int proxy_compress_add_etag(struct proxy_job *job, const struct weir_http_field *field)
{
	char text[WEIR_HTTP_PROXY_ETAG_MAX + 2];
	if (weir_span_starts(field->value, WEIR_SPAN("W/")))
		return http_reply_add_field(job->exchange, field->name, field->value);
	if (field->value.size > WEIR_HTTP_PROXY_ETAG_MAX)
		return 0;
	memcpy(text, "W/", 2);
	memcpy(text + 2, field->value.data, field->value.size);
	return http_reply_add_field(
	        job->exchange, field->name, weir_span(text, field->value.size + 2));
}

int http_proxy_add_coded_field(struct proxy_job *job, const struct weir_http_field *field)
{
	/* They are about the bytes that the upstream has sent. */
	static const struct weir_span lost[] = {WEIR_SPAN("Accept-Ranges"),
	        WEIR_SPAN("Content-Digest"), WEIR_SPAN("Content-MD5"), WEIR_SPAN("Digest"),
	        WEIR_SPAN("Repr-Digest")};
	if (http_name_is_one_of(field->name, lost, sizeof lost / sizeof *lost))
		return 0;
	if (weir_span_equal_nocase(field->name, WEIR_SPAN("ETag")))
		return proxy_compress_add_etag(job, field);
	return http_reply_add_field(job->exchange, field->name, field->value);
}
