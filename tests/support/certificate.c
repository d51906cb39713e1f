/* X.509 by OpenSSL, with as little in it as clients accept. Any failure aborts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "certificate.h"

enum {
	FILES_MAX = 128
};

static char made[FILES_MAX][CERTIFICATE_PATH_MAX];
static int made_count;
static EVP_PKEY *ca_key;
static X509 *ca;

static FILE *new_file(char path[CERTIFICATE_PATH_MAX])
{
	strcpy(path, "/tmp/weir-test-XXXXXX");
	int fd = mkstemp(path);
	if (fd < 0 || made_count == FILES_MAX)
		abort();
	strcpy(made[made_count++], path);
	return fdopen(fd, "w");
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, ca, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	if (!extension || X509_add_ext(certificate, extension, -1) != 1)
		abort();
	X509_EXTENSION_free(extension);
}

enum {
	BEGINS_DAYS = -30,
};

/* Of the first certificate, so that those with the same days have the same times. */
static time_t *start_time(void)
{
	static time_t start;
	if (!start)
		start = time(NULL);
	return &start;
}

static X509 *make(EVP_PKEY *key, const char *common, const char *names, int begins_days, int days)
{
	static long serial = 1;
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
	X509_time_adj_ex(X509_getm_notBefore(certificate), begins_days, 0, start_time());
	X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, start_time());
	X509_NAME_add_entry_by_txt(
	        subject, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0);
	X509_set_issuer_name(certificate, ca ? X509_get_subject_name(ca) : subject);
	X509_set_pubkey(certificate, key);
	add_extension(certificate, NID_basic_constraints, ca ? "CA:FALSE" : "critical,CA:TRUE");
	if (names)
		add_extension(certificate, NID_subject_alt_name, names);
	if (X509_sign(certificate, ca ? ca_key : key, EVP_sha256()) == 0)
		abort();
	return certificate;
}

const char *certificate_ca(void)
{
	static char path[CERTIFICATE_PATH_MAX];
	if (ca)
		return path;
	ca_key = EVP_EC_gen("P-256");
	ca = make(ca_key, "Test CA", NULL, BEGINS_DAYS, 30);
	FILE *file = new_file(path);
	PEM_write_X509(file, ca);
	fclose(file);
	return path;
}

struct certificate_files certificate_make(const char *common, const char *names, int days)
{
	return certificate_make_from(common, names, BEGINS_DAYS, days);
}

static struct certificate_files make_files(
        EVP_PKEY *key, const char *common, const char *names, int begins_days, int days)
{
	struct certificate_files files;
	certificate_ca();
	X509 *certificate = make(key, common, names, begins_days, days);
	FILE *file = new_file(files.chain);
	PEM_write_X509(file, certificate);
	fclose(file);
	file = new_file(files.key);
	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return files;
}

struct certificate_files certificate_make_from(
        const char *common, const char *names, int begins_days, int days)
{
	return make_files(EVP_EC_gen("P-256"), common, names, begins_days, days);
}

struct certificate_files certificate_make_kind(
        const char *kind, const char *common, const char *names, int days)
{
	EVP_PKEY *key = strcmp(kind, "EC") == 0    ? EVP_EC_gen("P-256")
	                : strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048)
	                                           : EVP_PKEY_Q_keygen(NULL, NULL, kind);
	return make_files(key, common, names, BEGINS_DAYS, days);
}

void certificates_remove(void)
{
	while (made_count)
		unlink(made[--made_count]);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	ca = NULL;
	ca_key = NULL;
}
