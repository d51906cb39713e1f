/*
 * From a field block to a request. All that RFC 9113 8.2 and 8.3 call malformed is refused here;
 * what HTTP/1.1 refuses with a status is refused with that status.
 *
 * Invariant: what is stored is within h2_head.list_size, and so fits the buffers: each field counts
 * 32 bytes more than its text, and takes 4 more where it is joined.
 */
#include <string.h>

#include "h2_head.h"
#include "head.h"
#include "helper.h"
#include "syntax.h"

/* -- storing ----------------------------------------------------------------------------------- */

/*
 * Retains a text, which the decoder has put into `text` already, or which is in a table and has
 * slack behind it. Of two texts of a field, the one that was put last comes first.
 */
static inline const char *h2_head_retain(struct h2_head *head, struct weir_span text)
{
	size_t at = (uintptr_t)text.data - (uintptr_t)head->text;
	if (at < sizeof head->text) {
		head->text_size = max_of(head->text_size, at + text.size);
		return text.data;
	}
	char *to = head->text + head->text_size;
	h2_hpack_copy(to, text);
	head->text_size += text.size;
	return to;
}

/* Copies a text from elsewhere. */
static struct weir_span h2_head_append(struct h2_head *head, struct weir_span text)
{
	char *to = head->text + head->text_size;
	if (text.size)
		memcpy(to, text.data, text.size);
	head->text_size += text.size;
	return weir_span(to, text.size);
}

static void h2_head_join(struct h2_head *head, struct weir_span text)
{
	if (text.size)
		memcpy(head->joined + head->joined_size, text.data, text.size);
	head->joined_size += text.size;
}

/* There are no more fields than the client's, since each of our own stands for some of those. */
static void h2_head_put_field(struct h2_head *head, struct weir_http_request *request,
        enum weir_http_known known, struct weir_span name, struct weir_span value)
{
	unsigned index = request->field_count++;
	request->fields[index] = (struct weir_http_field){name, value};
	request->known[index] = (uint8_t)known;
	if (request->first[known] == 0)
		request->first[known] = (uint8_t)(index + 1);
	else
		head->repeated |= (uint64_t)1 << known;
}

/* -- fields ------------------------------------------------------------------------------------ */

static bool h2_head_is_too_large(const struct h2_head *head)
{
	return head->list_size > WEIR_HTTP_HEAD_MAX || head->fields > WEIR_HTTP_FIELDS_MAX;
}

static bool h2_head_pseudo_is_valid(struct h2_head *head, enum h2_name name, struct h2_field *field)
{
	struct weir_span host;
	int port;
	if (field->note.value_known)
		return true;
	if (name == H2_NAME_SCHEME)
		return field->value.size;
	if (name == H2_NAME_PATH)
		return true; /* h2_head_set_target finds out */
	if (name != H2_NAME_AUTHORITY)
		return h2_field_is_token(field->value);
	if (!h2_field_authority_is_valid(field->value))
		return false;
	head->bad_authority = http_authority_parse(field->value, &host, &port) < 0;
	if (field->entry)
		field->entry->value_known = !head->bad_authority;
	return true;
}

/* RFC 9113 8.3: each at most once, and all before the other fields. */
static bool h2_head_add_pseudo(struct h2_head *head, enum h2_name name, struct h2_field *field)
{
	struct weir_span *to = &head->pseudo[name];
	if (head->has_others || to->data || !h2_head_pseudo_is_valid(head, name, field))
		return false;
	*to = weir_span(h2_head_retain(head, field->value), field->value.size);
	return true;
}

static bool h2_head_field_is_valid(enum h2_name name, struct h2_field *field)
{
	if (field->note.value_known)
		return true;
	if (!h2_field_value_is_valid(field->value))
		return false;
	/* RFC 9113 8.2.2. */
	if (name == H2_NAME_FIELD + WEIR_HTTP_TE &&
	        !weir_span_equal_nocase(field->value, WEIR_SPAN("trailers")))
		return false;
	if (field->entry)
		field->entry->value_known = true;
	return true;
}

/* RFC 9113 8.2.3: a cookie that was split into fields is one field again. */
static void h2_head_add_cookie(struct h2_head *head, struct weir_http_request *request,
        struct weir_span name, struct weir_span value)
{
	unsigned first = request->first[WEIR_HTTP_COOKIE];
	if (!first) {
		h2_head_put_field(head, request, WEIR_HTTP_COOKIE, name, value);
		return;
	}
	if (!head->joined_size)
		h2_head_join(head, request->fields[first - 1].value);
	h2_head_join(head, WEIR_SPAN("; "));
	h2_head_join(head, value);
}

static bool h2_head_add_field(struct h2_head *head, struct weir_http_request *request,
        enum h2_name name, struct h2_field *field)
{
	if (name <= H2_NAME_PSEUDO_LAST)
		return name != H2_NAME_BAD && h2_head_add_pseudo(head, name, field);
	if (!h2_head_field_is_valid(name, field))
		return false;
	head->has_others = true;
	struct weir_span value = weir_span(h2_head_retain(head, field->value), field->value.size);
	if (name == H2_NAME_FIELD + WEIR_HTTP_HOST) {
		bool first = !head->host.data;
		head->host = value;
		return first;
	}
	struct weir_span name_text = weir_span(h2_head_retain(head, field->name), field->name.size);
	if (name == H2_NAME_FIELD + WEIR_HTTP_COOKIE) {
		h2_head_add_cookie(head, request, name_text, value);
		return true;
	}
	enum weir_http_known known = WEIR_HTTP_UNKNOWN;
	if (name == H2_NAME_PRIORITY)
		h2_priority_parse(&head->priority, value);
	else
		known = name - H2_NAME_FIELD;
	h2_head_put_field(head, request, known, name_text, value);
	return true;
}

static bool h2_head_add_trailer(struct h2_head *head, enum h2_name name, struct h2_field *field)
{
	if (name <= H2_NAME_PSEUDO_LAST || !h2_field_value_is_valid(field->value))
		return false;
	h2_head_join(head, field->name);
	h2_head_join(head, WEIR_SPAN(": "));
	h2_head_join(head, field->value);
	h2_head_join(head, WEIR_SPAN("\r\n"));
	return true;
}

static enum h2_name h2_head_name_of(struct h2_field *field)
{
	enum h2_name name = field->note.name;
	if (name == H2_NAME_UNKNOWN) {
		name = h2_field_find_name(field->name);
		if (field->entry)
			field->entry->name = (uint8_t)name;
	}
	return name;
}

/* -- the block --------------------------------------------------------------------------------- */

static void h2_head_begin(struct h2_head *head)
{
	const struct weir_span none = {NULL, 0};
	head->priority = (struct h2_priority){.urgency = H2_URGENCY_INITIAL};
	head->repeated = 0;
	head->list_size = 0;
	head->fields = 0;
	head->upgrades = false;
	head->malformed = head->has_others = head->bad_authority = false;
	/* One by one: gcc clears an array of this size with a slow `rep stos`. */
	head->pseudo[H2_NAME_METHOD] = none;
	head->pseudo[H2_NAME_SCHEME] = none;
	head->pseudo[H2_NAME_AUTHORITY] = none;
	head->pseudo[H2_NAME_PATH] = none;
	head->pseudo[H2_NAME_PROTOCOL] = none;
	head->host = none;
	head->text_size = head->joined_size = 0;
}

static enum h2_decoded h2_head_refuse(
        struct h2_head *head, unsigned status, const char *fault, struct weir_span text)
{
	head->status = status;
	head->fault = fault;
	head->fault_text = text;
	return H2_DECODED_REFUSED;
}

/* Decodes the fields, for a request or, if that is NULL, as trailers. */
static enum h2_decoded h2_head_decode_fields(struct h2_head *head, struct h2_hpack *hpack,
        struct weir_span block, struct weir_http_request *request)
{
	enum h2_hpack_result result;
	struct h2_hpack_reader reader = {.huffman = head->huffman};
	struct h2_field field;
	h2_head_begin(head);
	if (!h2_hpack_begin(hpack, block, &reader))
		return H2_DECODED_BROKEN;
	while ((result = h2_hpack_next(hpack, &reader, head->text + head->text_size, &field)) ==
	        H2_HPACK_FIELD) {
		head->fields++;
		head->list_size += field.name.size + field.value.size + H2_HPACK_FIELD_EXTRA;
		if (h2_head_is_too_large(head) || head->malformed) {
			if (head->list_size > WEIR_HTTP2_DECODED_MAX)
				return H2_DECODED_BOMB;
			continue;
		}
		enum h2_name name = h2_head_name_of(&field);
		bool good = request ? h2_head_add_field(head, request, name, &field)
		                    : h2_head_add_trailer(head, name, &field);
		head->malformed = !good;
	}
	if (result != H2_HPACK_END)
		return result == H2_HPACK_BROKEN ? H2_DECODED_BROKEN : H2_DECODED_NO_MEMORY;
	if (head->malformed)
		return H2_DECODED_MALFORMED;
	if (h2_head_is_too_large(head))
		return h2_head_refuse(head, 431, "head too large", weir_span(NULL, 0));
	return H2_DECODED;
}

/* RFC 9113 8.3.1 and 8.5: what a request must have. */
static bool h2_head_is_complete(const struct h2_head *head)
{
	const struct weir_span *pseudo = head->pseudo;
	bool upgrades = pseudo[H2_NAME_PROTOCOL].data;
	bool connects = weir_span_equal(pseudo[H2_NAME_METHOD], WEIR_SPAN("CONNECT"));
	if (connects && !upgrades)
		return pseudo[H2_NAME_AUTHORITY].data && !pseudo[H2_NAME_PATH].data &&
		       !pseudo[H2_NAME_SCHEME].data;
	/* RFC 8441 4: extended CONNECT has all of them. */
	if (upgrades && (!connects || !pseudo[H2_NAME_AUTHORITY].data))
		return false;
	if (!pseudo[H2_NAME_METHOD].data || !pseudo[H2_NAME_PATH].data ||
	        !pseudo[H2_NAME_SCHEME].data)
		return false;
	return !pseudo[H2_NAME_AUTHORITY].data || !head->host.data ||
	       weir_span_equal_nocase(pseudo[H2_NAME_AUTHORITY], head->host);
}

static void h2_head_put_own_field(struct h2_head *head, struct weir_http_request *request,
        enum weir_http_known known, struct weir_span name, struct weir_span value)
{
	h2_head_put_field(head, request, known, h2_head_append(head, name), value);
}

/* RFC 8441: as HTTP/1.1 asks for another protocol. */
static void h2_head_set_upgrade(struct h2_head *head, struct weir_http_request *request)
{
	request->method = WEIR_HTTP_GET;
	request->method_name = h2_head_append(head, WEIR_SPAN("GET"));
	h2_head_put_own_field(head, request, WEIR_HTTP_CONNECTION, WEIR_SPAN("connection"),
	        h2_head_append(head, WEIR_SPAN("Upgrade")));
	h2_head_put_own_field(head, request, WEIR_HTTP_UPGRADE, WEIR_SPAN("upgrade"),
	        head->pseudo[H2_NAME_PROTOCOL]);
}

static void h2_head_set_method(struct h2_head *head, struct weir_http_request *request)
{
	struct weir_span method = head->pseudo[H2_NAME_METHOD];
	head->upgrades = head->pseudo[H2_NAME_PROTOCOL].data;
	request->method = weir_span_equal(method, WEIR_SPAN("GET"))
	                          ? WEIR_HTTP_GET
	                          : http_method_find(method.data, method.size);
	request->method_name = method;
	if (head->upgrades)
		h2_head_set_upgrade(head, request);
}

/* A request-target in origin form, or "*" of OPTIONS; or that of CONNECT. */
static bool h2_head_set_target(struct h2_head *head, struct weir_http_request *request)
{
	struct weir_span path = head->pseudo[H2_NAME_PATH];
	request->target = path.data ? path : head->pseudo[H2_NAME_AUTHORITY];
	request->path = weir_span(request->target.data, 0);
	if (!path.data)
		return true;
	if (path.size == 0 || *path.data != '/') {
		request->path = path;
		return request->method == WEIR_HTTP_OPTIONS &&
		       weir_span_equal(path, WEIR_SPAN("*"));
	}
	size_t size = h2_field_run_pchar(path);
	request->path = weir_span(path.data, size);
	if (size == path.size)
		return true;
	request->has_query = true;
	request->query = weir_span_skip(path, size + 1);
	while (size < path.size && path.data[size] == '?')
		size += 1 + h2_field_run_pchar(weir_span_skip(path, size + 1));
	return size == path.size;
}

/* RFC 9113 8.3.1: :authority stands for Host. Returns false if it is missing or malformed. */
static bool h2_head_set_host(struct h2_head *head, struct weir_http_request *request)
{
	bool checked = head->pseudo[H2_NAME_AUTHORITY].data;
	bool connects = request->method == WEIR_HTTP_CONNECT;
	struct weir_span host, value = checked ? head->pseudo[H2_NAME_AUTHORITY] : head->host;
	int port = -1;
	if (!value.data || head->bad_authority)
		return false;
	if (value.size && (connects || !checked) && http_authority_parse(value, &host, &port) < 0)
		return false;
	request->host = value;
	h2_head_put_own_field(head, request, WEIR_HTTP_HOST, WEIR_SPAN("host"), value);
	return !connects || port > 0;
}

static void h2_head_set_cookie(struct h2_head *head, struct weir_http_request *request)
{
	if (head->joined_size)
		request->fields[request->first[WEIR_HTTP_COOKIE] - 1].value = h2_head_append(
		        head, weir_span_trim(weir_span(head->joined, head->joined_size)));
}

enum h2_decoded h2_head_decode(struct h2_head *head, struct h2_hpack *hpack, struct weir_span block,
        struct weir_http_request *request)
{
	http_head_clear(request);
	enum h2_decoded decoded = h2_head_decode_fields(head, hpack, block, request);
	if (decoded != H2_DECODED)
		return decoded;
	if (!h2_head_is_complete(head))
		return H2_DECODED_MALFORMED;
	h2_head_set_method(head, request);
	if (!h2_head_set_target(head, request))
		return H2_DECODED_MALFORMED;
	if (request->target.size > WEIR_HTTP_TARGET_MAX)
		return h2_head_refuse(head, request->method == WEIR_HTTP_OTHER ? 501 : 414,
		        "target too long", request->target);
	if (!h2_head_set_host(head, request))
		return h2_head_refuse(
		        head, 400, "bad or missing host", head->pseudo[H2_NAME_AUTHORITY]);
	h2_head_set_cookie(head, request);
	unsigned status = (unsigned)http_framing_find(request, head->repeated);
	if (status)
		return h2_head_refuse(
		        head, status, "contradictory length or coding", request->target);
	return H2_DECODED;
}

enum h2_decoded h2_head_decode_trailers(struct h2_head *head, struct h2_hpack *hpack,
        struct weir_span block, struct weir_span *ret_lines)
{
	enum h2_decoded decoded = h2_head_decode_fields(head, hpack, block, NULL);
	if (decoded == H2_DECODED && head->fields > WEIR_HTTP_TRAILERS_IN_MAX)
		return h2_head_refuse(head, 431, "too many trailers", weir_span(NULL, 0));
	*ret_lines = weir_span(head->joined, head->joined_size);
	return decoded;
}
