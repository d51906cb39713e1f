/* Accept-Encoding: weights stay in their range, and a second copy of the list changes nothing. */
#include <stdlib.h>

#include "fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_accept accept = WEIR_HTTP_ACCEPT_NONE, twice;
	struct weir_span value = weir_span(data, size);
	http_accept_add(&accept, value);
	twice = accept;
	http_accept_add(&twice, value);
	if (memcmp(&accept, &twice, sizeof accept) != 0)
		abort();
	if (accept.gzip < -1 || accept.gzip > 1000 || accept.identity < -1 ||
	        accept.identity > 1000 || accept.any < -1 || accept.any > 1000)
		abort();
	if (http_accept_choose(&accept, false) == WEIR_HTTP_GZIP && accept.gzip == 0)
		abort();
	if (http_accept_choose(&accept, true) == WEIR_HTTP_ZSTD && accept.zstd <= 0)
		abort();
	int16_t weight = http_weight_parse(value);
	if (weight < -1 || weight > 1000)
		abort();
	return 0;
}
