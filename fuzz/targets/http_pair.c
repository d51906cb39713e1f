/*
 * Queries, forms and cookies. Whatever the input: pairs lie within it, in order; decoding never
 * grows a text, and does not change one that has nothing to decode.
 */
#include <stdlib.h>

#include <weir/error.h>
#include <weir/http_form.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	BUFFER_MAX = 4096
};

static void decode(struct weir_span text)
{
	static char buffer[BUFFER_MAX];
	struct weir_span plain, again;
	int error = weir_http_form_decode(text, buffer, sizeof buffer, &plain);
	if (text.size <= sizeof buffer && error == WEIR_E_LIMIT)
		abort();
	if (error == 0 && plain.size > text.size)
		abort();
	if (error == 0 && plain.data != text.data && plain.data != buffer)
		abort();
	if (weir_http_percent_decode(text, NULL, 0, &again) == 0 && again.size &&
	        (again.data != text.data || memchr(text.data, '%', text.size)))
		abort();
}

static void walk(struct weir_span text, bool (*next)(struct weir_span *, struct weir_http_pair *))
{
	struct weir_span rest = text;
	struct weir_http_pair pair;
	size_t left = rest.size;
	while (next(&rest, &pair)) {
		const char *end = text.data + (text.size - rest.size);
		if (rest.size >= left || pair.name.data < text.data ||
		        pair.value.data + pair.value.size > end ||
		        pair.name.data + pair.name.size > pair.value.data)
			abort();
		left = rest.size;
		decode(pair.name);
		decode(pair.value);
		weir_http_pair_named(&pair, pair.name);
	}
	if (rest.size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_span text = weir_span(data, size), value;
	char buffer[64];
	if (size == 0)
		return 0;
	walk(text, weir_http_pair_next);
	walk(text, weir_http_cookie_next);
	decode(text);
	if (weir_http_query_value(text, WEIR_SPAN("a"), buffer, sizeof buffer, &value) == 1 &&
	        value.size > size)
		abort();
	return 0;
}
