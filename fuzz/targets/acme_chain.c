/*
 * Chains of certificates, as an authority sends them: any bytes. One that is accepted is for our
 * key, which none of the corpus is. A seed that is right up to its key goes through all checks.
 */
#include <stdlib.h>
#include <string.h>

#include "acme_certificate.h"
#include "acme_jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static EVP_PKEY *key;
	struct acme_chain chain;
	if (!key)
		key = acme_key_create();
	char *copy = malloc(size + 1);
	memcpy(copy, data, size);
	if (!acme_chain_check(weir_span(copy, size), key, "a.example", 1795983000, &chain))
		abort();
	free(copy);
	return 0;
}
