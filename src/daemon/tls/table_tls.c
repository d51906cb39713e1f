/*
 * The keys of `tls`. The certificates are loaded here, so that `weir check` finds their mistakes,
 * too; a mistake in a file is reported at the value that names the file.
 */
#include <weir/tls.h>

#include "config_tls.h"
#include "key_rows.h"
#include "tables.h"

static const struct key certificate_keys[] = {
        {"chain", &type_file, AT(weir_tls_certificate, chain), .required = true,
                .example = "chain.pem", .option = "cert",
                .option_doc = "A certificate with its chain, in PEM, instead of the configured "
                              "ones; it needs --key.",
                .doc = "A PEM file with the certificate, followed by the intermediate ones."},
        {"key", &type_file, AT(weir_tls_certificate, key), .required = true, .example = "key.pem",
                .option = "key",
                .option_doc = "The private key of the certificate, in PEM; the first key belongs "
                              "to the first certificate.",
                .doc = "A PEM file with the private key, without a password."},
        {"ocsp", &type_file, AT(weir_tls_certificate, ocsp), .otherwise = "none",
                .doc = "A DER file with the OCSP response to staple."},
        {0},
};

static const struct section table_certificate = {
        .what = "a certificate",
        .keys = certificate_keys,
        .size = sizeof(struct weir_tls_certificate),
        .doc = "A certificate is chosen by the names that it contains. The first one is also for "
               "clients that ask for no name, or for one that no certificate has.",
};

static const char *const clients_words[] = {
        [WEIR_TLS_CLIENTS_ANY] = "any",
        [WEIR_TLS_CLIENTS_OPTIONAL] = "optional",
        [WEIR_TLS_CLIENTS_REQUIRED] = "required",
        NULL,
};
static const char *const version_words[] = {
        [CONFIG_TLS_1_2] = "1.2", [CONFIG_TLS_1_3] = "1.3", NULL};

#define KEYS_STRUCT config_tls
static const struct key tls_keys[] = {
#include "tls_keys.def"
        {0},
};
#undef KEYS_STRUCT

/* Whether the section has everything that it needs; what is missing was reported. */
static bool tls_is_complete(const struct config_tls *tls)
{
	if ((tls->clients == WEIR_TLS_CLIENTS_ANY) != !tls->clients_ca)
		return false;
	for (size_t i = 0; i < tls->certificates.count; i++)
		if (!tls->certificates.items[i].chain || !tls->certificates.items[i].key)
			return false;
	return tls->certificates.count > 0;
}

static void tls_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_tls *tls = target;
	const struct node *list = node_find(node, "certificates");
	const struct node *ca = node_find(node, "clients-ca");
	if (tls->clients != WEIR_TLS_CLIENTS_ANY && !ca)
		reader_problem_at(reader, node_find(node, "clients"),
		        "'clients' needs 'clients-ca': a file with the authorities that sign the "
		        "certificates");
	if (tls->clients == WEIR_TLS_CLIENTS_ANY && ca && node_find(node, "clients"))
		reader_problem_at(reader, ca,
		        "'clients-ca' is not used: it needs 'clients: optional' or 'required'");
	if (list && list->type == NODE_LIST && tls->certificates.count == 0)
		reader_problem_at(reader, list, "'certificates' is empty");
}

static bool tls_is_present(const void *target)
{
	return ((const struct config_tls *)target)->certificates.count;
}

const struct section table_tls = {
        .what = "tls",
        .keys = tls_keys,
        .size = sizeof(struct config_tls),
        .check = tls_check,
        .is_present = tls_is_present,
        .doc = "The certificates, for all protocols. The files are read with the configuration, "
               "and again on SIGHUP.",
};

/* -- files ------------------------------------------------------------------------------------- */

struct tls_report {
	struct reader *reader;
	const struct node *node; /* of `tls` */
};

/* The value that names the path, or the section if none does. Two may name the same file. */
static const struct node *tls_find_path(const struct tls_report *report, const char *path)
{
	const struct config_tls *tls = &report->reader->config->tls;
	const struct node *list = node_find(report->node, "certificates");
	for (size_t i = 0; i < tls->certificates.count; i++) {
		const struct weir_tls_certificate *certificate = &tls->certificates.items[i];
		const struct node *item = node_item(list, i);
		if (path == certificate->chain)
			return node_find(item, "chain");
		if (path == certificate->key)
			return node_find(item, "key");
		if (path == certificate->ocsp)
			return node_find(item, "ocsp");
	}
	if (path == tls->clients_ca)
		return node_find(report->node, "clients-ca");
	return report->node;
}

static void tls_add_problem(void *context, const char *path, const char *text)
{
	const struct tls_report *report = context;
	reader_problem_at(report->reader, tls_find_path(report, path), "%s%s%s", path,
	        *path ? ": " : "", text);
}

/* The listeners must be known: a certificate is loaded once for each protocol. */
void table_tls_check(struct reader *reader, const struct node *top)
{
	struct tls_report report = {reader, node_find(top, "tls")};
	if (report.node && tls_is_complete(&reader->config->tls))
		config_tls_load(reader->config, reader->previous, tls_add_problem, &report);
}
