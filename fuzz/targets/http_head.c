/* Heads: the parser and the scanner, which must agree about where one ends. */
#include <stdlib.h>

#include "fields.h"
#include "head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct weir_http_request *request, struct weir_span head)
{
	const struct http_validators validators = {
	        .exists = true, .has_modified = true, .modified = 784111777, .etag = {"\"a\"", 3}};
	/*
	 * Every span lies in the head, and nothing the parser let through upsets those behind it.
	 */
	for (unsigned i = 0; i < request->field_count; i++) {
		const struct weir_http_field *field = &request->fields[i];
		if (field->name.data < head.data || field->name.size == 0 ||
		        field->value.data + field->value.size > head.data + head.size)
			abort();
	}
	if (request->chunked && request->has_length)
		abort();
	http_conditional_check(request, &validators, 1700000000);
	http_range_applies(request, &validators, 1700000000);
	http_accept_coding(request, true);
	weir_http_request_rebase(request, head.data, head.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_http_request request;
	struct http_head_scan scan = {0};
	struct weir_span head = weir_span(data, size);
	size_t used = 0, taken = 0;
	enum http_scan result = WEIR_HTTP_SCAN_MORE;
	int status = http_head_parse(head, &request);
	if (status == 0)
		use(&request, head);
	/* In pieces whose size the input chooses. */
	size_t piece = size ? data[0] % 16 + 1 : 1;
	while (taken < size && result == WEIR_HTTP_SCAN_MORE) {
		size_t part = size - taken < piece ? size - taken : piece;
		result = http_head_scan(&scan, weir_span(data + taken, part), &used);
		taken += used;
	}
	if (status == 0 && (result != WEIR_HTTP_SCAN_COMPLETE || taken != size))
		abort();
	return 0;
}
