/*
 * Basic credentials. Of several encodings of the same bytes only the canonical one is accepted, so
 * that a filter that counts attempts by the header counts them right.
 */
#include <weir/base64.h>
#include <weir/error.h>

#include "basic.h"

int http_basic_parse(struct weir_span authorization, char buffer[WEIR_HTTP_BASIC_MAX],
        struct http_basic *ret_basic)
{
	struct weir_span scheme, user, rest = authorization;
	size_t size;
	if (!weir_span_cut(&rest, ' ', &scheme) ||
	        !weir_span_equal_nocase(scheme, WEIR_SPAN("Basic")))
		return WEIR_E_SYNTAX;
	while (rest.size && *rest.data == ' ')
		rest = weir_span_skip(rest, 1);
	int error = weir_base64_decode(rest, buffer, WEIR_HTTP_BASIC_MAX, &size);
	if (error < 0)
		return error;
	for (size_t i = 0; i < size; i++)
		if ((uint8_t)buffer[i] < 0x20 || buffer[i] == 0x7f)
			return WEIR_E_SYNTAX;
	rest = weir_span(buffer, size);
	if (!weir_span_cut(&rest, ':', &user))
		return WEIR_E_SYNTAX;
	*ret_basic = (struct http_basic){.user = user, .password = rest};
	return 0;
}
