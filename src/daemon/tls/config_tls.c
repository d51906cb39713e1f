/*
 * The section `tls`: its keys, and its certificates, which are loaded with the configuration, so
 * that `weir check` finds their mistakes, too. A mistake in a file is reported at the value that
 * names the file.
 *
 * Each service has a weir_tls of its own from the same files, so that ALPN refuses a client that
 * was sent to the wrong port (the ALPACA attack).
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <weir/error.h>
#include <weir/tls.h>

#include "acme_proofs.h"
#include "config_acme.h"
#include "config_tls.h"
#include "key_client.h"
#include "link.h"
#include "say.h"
#include "service.h"
#include "sources.h"
#include "table.h"
#include "tls_files.h"
#include "types.h"

/* A certificate should be replaced this long before it expires. */
enum {
	EXPIRES_SOON_S = 3 * 24 * 60 * 60
};

struct config_tls_report {
	void (*report)(void *context, const char *path, const char *text);
	void *context;
	struct config *config;
	bool starting; /* there is no certificate in use that could stay */
	bool any;
	bool dropped; /* a certificate whose file is damaged: a self-signed one is made */
};

/* The certificate that was obtained and has this path, or NULL. */
static struct weir_tls_certificate *config_tls_find_obtained(
        const struct config *config, const char *path)
{
	for (size_t i = config_acme_first(config); i < config->tls.all.count; i++) {
		struct weir_tls_certificate *certificate = &config->tls.all.items[i];
		if (certificate->chain && (path == certificate->chain || path == certificate->key))
			return certificate;
	}
	return NULL;
}

static void config_tls_pass_on(void *context, const char *path, const char *text)
{
	struct config_tls_report *to = context;
	struct weir_tls_certificate *obtained = config_tls_find_obtained(to->config, path);
	if (to->starting && obtained) {
		say("%s: %s; a self-signed certificate is served until there is another", path,
		        text);
		obtained->chain = obtained->key = NULL;
		to->dropped = true;
		return;
	}
	to->any = true;
	to->report(to->context, path, text);
}

/* The sites whose clients have an authority of their own. NULL: there are none, or no memory. */
static struct weir_tls_clients_of *config_tls_find_clients(
        const struct config *config, size_t *ret_count)
{
	struct weir_tls_clients_of *found = calloc(config->sites.count + 1, sizeof *found);
	size_t count = 0;
	for (size_t i = 0; found && i < config->sites.count; i++) {
		const struct config_site *site = &config->sites.items[i];
		if (site->clients_ca && site->names.count)
			found[count++] = (struct weir_tls_clients_of){
			        site->names.items, site->names.count, site->clients_ca};
	}
	*ret_count = count;
	return found;
}

/* Whether another server process serves until this one does. */
static bool config_tls_succeeds(void)
{
	return link_active() && link_value(GRANT_SUCCESSOR, "");
}

void config_tls_options(
        const struct config *config, enum service service, struct weir_tls_options *ret)
{
	const struct config_tls *tls = &config->tls;
	weir_tls_options_init(ret);
	ret->alpn = service_infos[service].alpn;
	if (service == SERVICE_HTTP && config->http2 == CONFIG_HTTP2_OFF)
		ret->alpn++; /* the first is "h2" */
	ret->clients = tls->clients;
	ret->clients_ca = tls->clients_ca;
	ret->tls13_only = tls->minimum == CONFIG_TLS_1_3;
}

static int config_tls_load_all(struct config *config, const struct config *previous,
        const struct weir_tls_clients_of *clients, size_t clients_count,
        void (*report)(void *context, const char *path, const char *text), void *context)
{
	struct config_tls *tls = &config->tls;
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		if (!listeners_include(config, i))
			continue;
		struct config_tls_report to = {
		        .report = report,
		        .context = context,
		        .config = config,
		        .starting = !previous && !config_tls_succeeds(),
		};
		struct weir_tls *loaded;
		struct weir_tls_options options;
		config_tls_options(config, i, &options);
		options.certificates = tls->all.items;
		options.count = tls->all.count;
		if (i == SERVICE_HTTP) {
			options.clients_of = clients;
			options.clients_of_count = clients_count;
		}
		options.tickets = previous ? previous->tls.of[i] : NULL;
		if (i == SERVICE_HTTP && config->acme.managed.count && config->acme.tls_alpn_01) {
			options.challenge = acme_proof_challenge;
			options.challenge_context = config_acme_directory(config);
		}
		if (tls->keys) {
			options.sign = key_client_sign;
			options.sign_release = key_client_release;
			options.sign_context = key_client_hold(tls->keys);
		}
		int error = weir_tls_server_create(&options, config_tls_pass_on, &to, &loaded);
		if (error < 0 && to.dropped && !to.any)
			error = weir_tls_server_create(&options, config_tls_pass_on, &to, &loaded);
		if (error < 0) {
			key_client_release(options.sign_context);
			if (!to.any)
				report(context, "", weir_error_text(error));
			return error;
		}
		weir_tls_release(tls->of[i]);
		tls->of[i] = loaded;
	}
	return 0;
}

int config_tls_load(struct config *config, const struct config *previous,
        void (*report)(void *context, const char *path, const char *text), void *context)
{
	struct weir_tls_clients_of *clients;
	size_t clients_count;
	int error;
	if (tls_files_leave(config, report, context, &error))
		return error;
	if (config->tls.key_process && sources_replaying() && !config->tls.keys)
		error = key_client_create(&config->tls.keys);
	if (error < 0)
		report(context, "", "the key process cannot be reached");
	clients = config_tls_find_clients(config, &clients_count);
	if (!clients && error == 0)
		report(context, "", weir_error_text(error = -ENOMEM));
	if (error == 0)
		error = config_tls_load_all(
		        config, previous, clients, clients_count, report, context);
	free(clients);
	return error;
}

const struct weir_tls *config_tls_any(const struct config *config)
{
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		if (config->tls.of[i])
			return config->tls.of[i];
	return NULL;
}

void config_tls_warn(const struct config *config)
{
	const struct weir_tls *tls = NULL;
	for (unsigned i = 0; i < SERVICE_COUNT && !tls; i++)
		tls = config->tls.of[i];
	int64_t left_s = tls ? weir_tls_expires_s(tls) - time(NULL) : EXPIRES_SOON_S;
	if (left_s < 0)
		say_at(WEIR_LOG_WARNING,
		        "a certificate has expired; clients will refuse it (openssl x509 -enddate "
		        "-in FILE tells when)");
	else if (left_s < EXPIRES_SOON_S)
		say_at(WEIR_LOG_WARNING, "a certificate expires in %lld hours",
		        (long long)(left_s / 3600));
}

/* -- keys -------------------------------------------------------------------------------------- */

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
	for (size_t i = 0; i < tls->all.count; i++)
		if (!tls->all.items[i].names &&
		        (!tls->all.items[i].chain || !tls->all.items[i].key))
			return false;
	return tls->all.count > 0;
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
	return ((const struct config_tls *)target)->certificates.items;
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

/* -- problems ---------------------------------------------------------------------------------- */

struct tls_report {
	struct reader *reader;
	const struct node *node;  /* of `tls` */
	const struct node *sites; /* the list */
};

/* The value that names the path, or the section if none does. Two may name the same file. */
static const struct node *tls_find_path(const struct tls_report *report, const char *path)
{
	const struct config_tls *tls = &report->reader->config->tls;
	const struct node *list = node_find(report->node, "certificates");
	for (size_t i = 0; list && i < tls->certificates.count; i++) {
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
	for (size_t i = 0; i < report->reader->config->sites.count; i++)
		if (path == report->reader->config->sites.items[i].clients_ca)
			return node_find(node_item(report->sites, i), "clients-ca");
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
	struct tls_report report = {reader, node_find(top, "tls"), node_find(top, "sites")};
	table_acme_check(reader, top);
	if (reader->config->tls.key_process && reader->config->separation != CONFIG_SEPARATION_YES)
		reader_problem_at(reader, node_find(report.node, "key-process"),
		        "'key-process' needs 'privilege-separation: yes'");
	if ((report.node || reader->config->acme.managed.count) &&
	        tls_is_complete(&reader->config->tls))
		config_tls_load(reader->config, reader->previous, tls_add_problem, &report);
}
