/*
 * Certificates for tests, made anew in each run: a CA of its own, P-256 keys, files that go away.
 */
#ifndef WEIR_TEST_CERTIFICATE_H
#define WEIR_TEST_CERTIFICATE_H

#include <weir/tls.h>

#define CERTIFICATE_PATH_MAX 64

struct certificate_files {
	char chain[CERTIFICATE_PATH_MAX];
	char key[CERTIFICATE_PATH_MAX];
};

/* The certificate that signs all others, in PEM. */
const char *certificate_ca(void);

/*
 * A certificate for these names, separated by commas ("DNS:localhost,IP:127.0.0.1"), with this
 * common name, that began 30 days ago, and expires in `days`. Those with the same days
 * have the same times.
 */
struct certificate_files certificate_make(const char *common, const char *names, int days);

/* Makes one that begins in `begins_days`, which may be negative. */
struct certificate_files certificate_make_from(
        const char *common, const char *names, int begins_days, int days);

/*
 * As certificate_make, with a key of a kind of OpenSSL's: "RSA" (2,048 bits), "EC" (P-256),
 * "ED25519".
 */
struct certificate_files certificate_make_kind(
        const char *kind, const char *common, const char *names, int days);

/* Removes all files that were made. */
void certificates_remove(void);

#endif
