/*
 * See the header. Of a certificate with its key and its OCSP response, only the first mistake is
 * reported, as when they are loaded.
 */
#include <stdio.h>

#include <weir/error.h>

#include "config.h"
#include "config_acme.h"
#include "service.h"
#include "sources.h"
#include "table.h"
#include "tls_files.h"

/* `report` is NULL for files that are left without a look at them. */
struct tls_files {
	weir_tls_report_fn *report;
	void *context;
	int error; /* of the first file that is missing */
};

static bool tls_files_complain_of(
        struct tls_files *files, const char *path, const char *what, int error)
{
	char text[128];
	if (error == 0 || !files->report)
		return false;
	snprintf(text, sizeof text, "%scannot be read: %s", what, weir_error_text(error));
	files->report(files->context, path, text);
	files->error = files->error ? files->error : error;
	return true;
}

/* Returns whether the file is missing, which was reported then. */
static bool tls_files_complain(struct tls_files *files, const char *path, int error)
{
	return tls_files_complain_of(files, path, "", error);
}

/* -- servers ----------------------------------------------------------------------------------- */

/* Whether any protocol that listens loads the certificates. */
static bool tls_files_are_used(const struct config *config)
{
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		if (listeners_include(config, i))
			return true;
	return false;
}

/* The server gets no key that the key process has. */
static void tls_files_leave_certificate(struct tls_files *files, const struct config_tls *tls,
        const struct weir_tls_certificate *certificate)
{
	int chain, key, ocsp;
	sources_leave(certificate->chain, &chain);
	if (tls->key_process)
		sources_leave_to_keys(certificate->key, &key);
	else
		sources_leave(certificate->key, &key);
	sources_leave(certificate->ocsp, &ocsp);
	if (!tls_files_complain(files, certificate->chain, chain) &&
	        !tls_files_complain(files, certificate->key, key))
		tls_files_complain_of(files, certificate->ocsp, "the OCSP response ", ocsp);
}

bool tls_files_leave(
        const struct config *config, weir_tls_report_fn *report, void *context, int *ret_error)
{
	const struct config_tls *tls = &config->tls;
	struct tls_files files = {tls_files_are_used(config) ? report : NULL, context, 0};
	/* In place of a certificate that was obtained, a server may use another one. */
	struct tls_files unseen = {NULL, NULL, 0};
	int error;
	for (size_t i = 0; i < tls->all.count; i++)
		tls_files_leave_certificate(
		        i < config_acme_first(config) ? &files : &unseen, tls, &tls->all.items[i]);
	for (size_t i = 0; i < config->sites.count; i++) {
		const struct config_site *site = &config->sites.items[i];
		bool used = site->names.count && listeners_include(config, SERVICE_HTTP);
		sources_leave(site->clients_ca, &error);
		tls_files_complain(used ? &files : &unseen, site->clients_ca, error);
	}
	bool left = sources_leave(tls->clients_ca, &error);
	tls_files_complain(&files, tls->clients_ca, error);
	*ret_error = files.error;
	return left;
}

/* -- clients ----------------------------------------------------------------------------------- */

struct tls_files_client {
	struct reader *reader;
	const struct node *node;
	const struct weir_tls_client_options *options;
	bool any;
};

/* The value that names the path, or the section if none does. */
static const struct node *tls_files_find_value(
        const struct tls_files_client *client, const char *path)
{
	const struct weir_tls_client_options *options = client->options;
	const char *name = path == options->ca            ? "ca"
	                   : path == options->certificate ? "certificate"
	                   : path == options->key         ? "certificate-key"
	                                                  : NULL;
	const struct node *found = name ? node_find(client->node, name) : NULL;
	return found ? found : client->node;
}

static void tls_files_add_problem(void *context, const char *path, const char *text)
{
	struct tls_files_client *client = context;
	client->any = true;
	reader_problem_at(client->reader, tls_files_find_value(client, path), "%s%s%s", path,
	        *path ? ": " : "", text);
}

static bool tls_files_leave_client(
        const struct weir_tls_client_options *options, struct tls_files *files)
{
	int ca, certificate, key;
	sources_leave(options->ca, &ca);
	sources_leave(options->certificate, &certificate);
	bool left = sources_leave(options->key, &key);
	tls_files_complain(files, options->ca, ca);
	if (!tls_files_complain(files, options->certificate, certificate))
		tls_files_complain(files, options->key, key);
	return left;
}

void tls_files_load_client(struct reader *reader, const struct node *node,
        const struct weir_tls_client_options *options, struct weir_tls **ret)
{
	struct tls_files_client client = {reader, node, options, false};
	struct tls_files files = {tls_files_add_problem, &client, 0};
	if (tls_files_leave_client(options, &files))
		return;
	int error = weir_tls_client_create(options, tls_files_add_problem, &client, ret);
	if (error < 0 && !client.any)
		tls_files_add_problem(&client, "", weir_error_text(error));
	if (error < 0)
		*ret = NULL;
}
