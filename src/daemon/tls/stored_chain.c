/* The subject's own name is not looked at (RFC 9525 6.3), as in the choice for a handshake. */
#include "stored_chain.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum {
	STORED_NAMES_MAX = 1000, /* bytes of the names of a certificate that are shown */
	STORED_NAME_MAX = 254,   /* with a NUL */
};

/* X509_free frees it. NULL: there is none. */
static X509 *stored_chain_first(struct weir_span pem)
{
	BIO *bio =
	        pem.size && pem.size <= INT32_MAX ? BIO_new_mem_buf(pem.data, (int)pem.size) : NULL;
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	ERR_clear_error();
	return certificate;
}

int64_t stored_chain_expires_s(struct weir_span pem)
{
	struct tm parts;
	X509 *certificate = stored_chain_first(pem);
	int64_t expires_s =
	        certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1
	                ? timegm(&parts)
	                : INT64_MAX;
	X509_free(certificate);
	return expires_s;
}

static bool stored_name_is(struct weir_span has, const char *wanted)
{
	return has.size == strlen(wanted) && strncasecmp(has.data, wanted, has.size) == 0;
}

static bool stored_name_matches(struct weir_span has, const char *name)
{
	char wild[STORED_NAME_MAX + 1];
	const char *rest = strchr(name, '.');
	return stored_name_is(has, name) ||
	       (rest && snprintf(wild, sizeof wild, "*%s", rest) < (int)sizeof wild &&
	               stored_name_is(has, wild));
}

bool stored_chain_is_for(struct weir_span pem, const char *name, struct weir_buffer *names)
{
	X509 *certificate = stored_chain_first(pem);
	GENERAL_NAMES *all =
	        certificate ? X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL)
	                    : NULL;
	bool found = false;
	for (int i = 0; i < sk_GENERAL_NAME_num(all) && !found; i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
		if (one->type != GEN_DNS)
			continue;
		struct weir_span text =
		        weir_span((const char *)ASN1_STRING_get0_data(one->d.dNSName),
		                (size_t)ASN1_STRING_length(one->d.dNSName));
		found = stored_name_matches(text, name);
		weir_buffer_format(names, STORED_NAMES_MAX, "%s%.*s", names->size ? ", " : "",
		        (int)text.size, text.data);
	}
	GENERAL_NAMES_free(all);
	X509_free(certificate);
	ERR_clear_error();
	return found;
}
