/*
 * The certificates of clients: which authorities sign them, for all names of the server or for some
 * of them. The name is chosen by the client (SNI), so that the rules are chosen in two steps:
 *
 *   ClientHello ─▶ tls_clients_on_hello: the rule, and which sessions may be resumed
 *     ─▶ the certificate is chosen ─▶ tls_clients_use: the request, and the trusted authority
 *
 * Invariant: a session is resumed only under the rules of its first handshake. Otherwise a client
 * without a certificate, or with one that is not trusted here or no longer, could resume its
 * session after a reload, or for another name.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include <weir/error.h>

#include "tls_state.h"

/* -- making rules ------------------------------------------------------------------------------ */

static int tls_clients_digest(
        const SSL_CTX *context, enum weir_tls_clients clients, struct tls_session_rules *ret)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool good = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
	            EVP_DigestUpdate(hash, &clients, sizeof clients) == 1;
	const STACK_OF(X509_OBJECT) *trusted =
	        X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
	for (int i = 0; good && i < sk_X509_OBJECT_num(trusted); i++) {
		const X509 *signer = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(trusted, i));
		good = !signer || (X509_digest(signer, EVP_sha256(), digest, &size) == 1 &&
		                          EVP_DigestUpdate(hash, digest, size) == 1);
	}
	good = good && EVP_DigestFinal_ex(hash, digest, &size) == 1;
	EVP_MD_CTX_free(hash);
	if (!good)
		return -ENOMEM;
	memcpy(ret->digest, digest, sizeof ret->digest);
	return 0;
}

static int tls_clients_trust(
        SSL_CTX *context, const char *ca, const struct tls_fault_report *report)
{
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	if (!names || !tls_file_trust(context, ca, names)) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return tls_complain(report, ca, "no certificates of signers");
	}
	SSL_CTX_set_client_CA_list(context, names);
	return 0;
}

int tls_clients_set(SSL_CTX *context, const struct weir_tls_options *options,
        const struct tls_fault_report *report)
{
	struct tls_session_rules sessions;
	int mode = SSL_VERIFY_PEER, error = 0;
	if (options->clients == WEIR_TLS_CLIENTS_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	if (options->clients != WEIR_TLS_CLIENTS_ANY) {
		if (!options->clients_ca)
			return tls_complain(report, "",
			        "client certificates are verified, but there is no authority to "
			        "verify them with");
		error = tls_clients_trust(context, options->clients_ca, report);
		SSL_CTX_set_verify(context, mode, NULL);
	}
	if (!error)
		error = tls_clients_digest(context, options->clients, &sessions);
	if (!error && SSL_CTX_set_session_id_context(
	                      context, sessions.digest, sizeof sessions.digest) != 1)
		error = -ENOMEM;
	return error;
}

static int tls_clients_add_names(
        struct weir_tls *tls, const struct weir_tls_clients_of *from, size_t rule)
{
	for (size_t i = 0; i < from->name_count; i++) {
		struct tls_clients_name *grown =
		        realloc(tls->clients_names, (tls->clients_name_count + 1) * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		tls->clients_names = grown;
		grown[tls->clients_name_count].name = strdup(from->names[i]);
		grown[tls->clients_name_count].rule = rule;
		if (!grown[tls->clients_name_count].name)
			return -ENOMEM;
		tls->clients_name_count++;
	}
	return 0;
}

static int tls_clients_compare(const void *left, const void *right)
{
	const struct tls_clients_name *a = left, *b = right;
	return strcasecmp(a->name, b->name);
}

static int tls_clients_load_rule(struct weir_tls *tls, size_t number,
        const struct weir_tls_clients_of *from, const struct tls_fault_report *report)
{
	struct tls_clients_rule *rule = &tls->clients_rules[number];
	rule->ca = strdup(from->ca);
	rule->context = SSL_CTX_new(TLS_server_method());
	if (!rule->ca || !rule->context)
		return -ENOMEM;
	int error = tls_clients_trust(rule->context, from->ca, report);
	if (!error)
		error = tls_clients_digest(
		        rule->context, WEIR_TLS_CLIENTS_OPTIONAL, &rule->sessions);
	return error ? error : tls_clients_add_names(tls, from, number);
}

int tls_clients_load(struct weir_tls *tls, const struct weir_tls_options *options,
        const struct tls_fault_report *report)
{
	int error = 0;
	if (options->clients != WEIR_TLS_CLIENTS_ANY && options->clients_ca) {
		tls->clients_ca = strdup(options->clients_ca);
		if (!tls->clients_ca)
			return -ENOMEM;
	}
	if (!options->clients_of_count)
		return 0;
	tls->clients_rules = calloc(options->clients_of_count, sizeof *tls->clients_rules);
	if (!tls->clients_rules)
		return -ENOMEM;
	tls->clients_rule_count = options->clients_of_count;
	/* All of them are loaded, so that all mistakes are reported at once. */
	for (size_t i = 0; i < options->clients_of_count; i++) {
		int failed = tls_clients_load_rule(tls, i, &options->clients_of[i], report);
		if (error == 0)
			error = failed;
	}
	if (tls->clients_name_count)
		qsort(tls->clients_names, tls->clients_name_count, sizeof *tls->clients_names,
		        tls_clients_compare);
	return error;
}

void tls_clients_finish(struct weir_tls *tls)
{
	for (size_t i = 0; i < tls->clients_rule_count; i++) {
		SSL_CTX_free(tls->clients_rules[i].context);
		free(tls->clients_rules[i].ca);
	}
	for (size_t i = 0; i < tls->clients_name_count; i++)
		free(tls->clients_names[i].name);
	free(tls->clients_rules);
	free(tls->clients_names);
	free(tls->clients_ca);
}

/* -- a connection ------------------------------------------------------------------------------ */

static const struct tls_clients_rule *tls_clients_find_exactly(
        const struct weir_tls *tls, const char *name)
{
	struct tls_clients_name key = {.name = (char *)name};
	const struct tls_clients_name *found = bsearch(
	        &key, tls->clients_names, tls->clients_name_count, sizeof key, tls_clients_compare);
	return found ? &tls->clients_rules[found->rule] : NULL;
}

/* The name itself, or the longest "*.…" that it ends in, as sites are found. */
static const struct tls_clients_rule *tls_clients_find(const struct weir_tls *tls, char *name)
{
	const struct tls_clients_rule *rule = tls_clients_find_exactly(tls, name);
	for (char *at = name; !rule && (at = strchr(at + 1, '.'));) {
		at[-1] = '*';
		rule = tls_clients_find_exactly(tls, at - 1);
	}
	return rule;
}

/* Copies the name of the extension (RFC 6066 3), whose list has one entry. */
static bool tls_clients_copy_name(SSL *ssl, char name[WEIR_TLS_NAME_MAX + 1])
{
	const unsigned char *data;
	size_t size;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1 ||
	        size <= 5 || data[2] != TLSEXT_NAMETYPE_host_name)
		return false;
	size_t length = (size_t)data[3] << 8 | data[4];
	if (length == 0 || length > size - 5 || length > WEIR_TLS_NAME_MAX ||
	        memchr(data + 5, 0, length))
		return false;
	memcpy(name, data + 5, length);
	name[length] = 0;
	return true;
}

bool tls_clients_on_hello(SSL *ssl)
{
	struct tls *tls = tls_of(ssl);
	char name[WEIR_TLS_NAME_MAX + 1];
	tls->clients = tls->rules->clients_rule_count && tls_clients_copy_name(ssl, name)
	                       ? tls_clients_find(tls->rules, name)
	                       : NULL;
	return !tls->clients || SSL_set_session_id_context(ssl, tls->clients->sessions.digest,
	                                sizeof tls->clients->sessions.digest) == 1;
}

bool tls_clients_use(SSL *ssl)
{
	const struct tls_clients_rule *rule = tls_of(ssl)->clients;
	if (!rule)
		return true;
	STACK_OF(X509_NAME) *names = SSL_dup_CA_list(SSL_CTX_get_client_CA_list(rule->context));
	if (!names || SSL_set1_verify_cert_store(ssl, SSL_CTX_get_cert_store(rule->context)) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return false;
	}
	SSL_set_client_CA_list(ssl, names);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	return true;
}

const char *tls_clients_ca(const struct tls *tls)
{
	return tls->clients ? tls->clients->ca : tls->rules->clients_ca;
}
