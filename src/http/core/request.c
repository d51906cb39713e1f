/*
 * Access to a parsed head, and its move to other bytes. A span that is NULL (nothing was sent)
 * stays NULL wherever the head goes.
 */
#include <weir/http_request.h>

struct weir_span weir_http_request_field(
        const struct weir_http_request *request, struct weir_span name)
{
	for (unsigned i = 0; i < request->field_count; i++)
		if (weir_span_equal_nocase(request->fields[i].name, name))
			return request->fields[i].value;
	return weir_span(NULL, 0);
}

const struct weir_http_field *weir_http_request_next(const struct weir_http_request *request,
        enum weir_http_known known, const struct weir_http_field *after)
{
	unsigned first = request->first[known];
	if (first == 0)
		return NULL;
	for (unsigned i = after ? (unsigned)(after - request->fields) + 1 : first - 1;
	        i < request->field_count; i++)
		if (request->kinds[i] == known)
			return &request->fields[i];
	return NULL;
}

static void http_request_move(struct weir_span *span, const char *from, const char *to)
{
	/* By integers: `from` may be freed memory, whose address must not be computed with. */
	if (span->data)
		span->data = to + ((uintptr_t)span->data - (uintptr_t)from);
}

void weir_http_request_rebase(struct weir_http_request *request, const char *from, const char *to)
{
	http_request_move(&request->method_name, from, to);
	http_request_move(&request->target, from, to);
	http_request_move(&request->path, from, to);
	http_request_move(&request->query, from, to);
	http_request_move(&request->host, from, to);
	for (unsigned i = 0; i < request->field_count; i++) {
		http_request_move(&request->fields[i].name, from, to);
		http_request_move(&request->fields[i].value, from, to);
	}
}
