/* Values with parameters, and what is made of them: boundaries, form-data, Basic, chunk lines. */
#include <stdlib.h>

#include "fields.h"
#include "form_upload_parts.h"
#include "head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct weir_span value)
{
	struct http_parameter parameter;
	struct weir_span head, decoded;
	char buffer[32];
	if (http_parameter_head(&value, &head) < 0)
		return;
	size_t left = value.size;
	while (http_parameter_next(&value, &parameter) > 0) {
		if (parameter.name.size == 0 || value.size >= left)
			abort();
		left = value.size;
		http_parameter_decode(&parameter, buffer, sizeof buffer, &decoded);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_span value = weir_span(data, size), boundary;
	struct http_disposition disposition;
	struct http_basic basic;
	struct weir_http_field field;
	char buffer[WEIR_HTTP_BASIC_MAX];
	uint64_t chunk;
	walk(value);
	if (http_boundary_parse(value, buffer, &boundary) == 0 &&
	        (boundary.size == 0 || boundary.size > WEIR_HTTP_BOUNDARY_MAX))
		abort();
	if (http_disposition_parse(value, buffer, 64, &disposition) == 0) {
		struct weir_span base = http_filename_base(disposition.filename);
		if (base.size &&
		        (memchr(base.data, '/', base.size) || memchr(base.data, 0, base.size)))
			abort();
	}
	if (http_basic_parse(value, buffer, &basic) == 0 && basic.user.size &&
	        memchr(basic.user.data, ':', basic.user.size))
		abort();
	if (http_chunk_parse(value, &chunk) == 0 && chunk > INT64_MAX)
		abort();
	http_trailer_parse(value, &field);
	return 0;
}
