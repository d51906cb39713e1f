/*
 * The order of precedence: options of the command line, keys of the file, defaults. A listener on
 * the command line replaces all listeners of the file, a directory all sites, a certificate all
 * certificates, --domain all domains, --zone all zones.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "cli.h"
#include "config.h"
#include "config_admin.h"
#include "config_dns.h"
#include "config_tls.h"
#include "say.h"
#include "serve.h"
#include "service.h"
#include "service_ftp.h"
#include "service_mail.h"
#include "sources.h"

static int load_serve_root(struct config *config, const char *root)
{
	struct stat status;
	char *absolute = realpath(root, NULL);
	int error = !absolute || stat(absolute, &status) < 0 ? -errno : 0;
	if (error == 0 && !S_ISDIR(status.st_mode))
		error = -ENOTDIR;
	if (error < 0)
		say("cannot serve %s: %s", root, weir_error_text(error));
	else if ((error = config_file_set_root(config, absolute)) < 0)
		say("out of memory");
	free(absolute);
	return error;
}

static int load_choose_root(struct config *config, const struct options *options)
{
	if (options->root)
		return load_serve_root(config, options->root);
	if (config->sites.count || !listeners_include(config, SERVICE_HTTP))
		return 0;
	int error = welcome_create();
	return error < 0 ? error : load_serve_root(config, WELCOME_ROOT);
}

static int load_choose_listeners(struct config *config, const struct options *options)
{
	struct config_listener usual = {.type = listener_type_find("http")};
	int error = 0;
	if (options->listener_count) {
		error = config_set_listeners(config, options->listeners, options->listener_count);
	} else if (config->listeners.count == 0) {
		weir_address_parse(WEIR_SPAN("127.0.0.1:8080"), &usual.address);
		error = config_set_listeners(config, &usual, 1);
	}
	if (error < 0)
		say("out of memory");
	return error;
}

/* -- plain keys -------------------------------------------------------------------------------- */

/* Joins the values of a list with commas; of any other key the last value counts. */
static const char *load_join(struct config *config, const struct options *options, size_t index)
{
	const struct key *key = options->values[index].key;
	const char *text = NULL;
	for (size_t i = 0; i < options->value_count; i++) {
		const char *next = options->values[i].text;
		if (options->values[i].key != key)
			continue;
		if (!text || !key->type->item) {
			text = next;
			continue;
		}
		size_t size = strlen(text) + strlen(next) + 2;
		char *joined = config_alloc(config, size);
		if (!joined)
			return NULL;
		snprintf(joined, size, "%s,%s", text, next);
		text = joined;
	}
	return text;
}

static int load_values(struct config *config, const struct options *options)
{
	char directory[PATH_MAX];
	struct problems problems = {.file = "weir"};
	struct reader reader = {.memory = &config->memory,
	        .problems = &problems,
	        .directory = directory,
	        .syntax_only = true,
	        .config = config};
	if (options->value_count && !getcwd(directory, sizeof directory)) {
		int error = -errno;
		say("cannot find the current directory: %s", weir_error_text(error));
		return error;
	}
	for (size_t i = 0; i < options->value_count; i++) {
		const struct option_value *value = &options->values[i];
		const char *text = load_join(config, options, i);
		snprintf(reader.name, sizeof reader.name, "--%s", value->key->option);
		if (!text)
			reader_problem(&reader, "out of memory");
		else
			key_parse(&reader, value->key, text, (char *)config + value->offset);
	}
	bool good = problems.count == 0;
	problems_print(&problems, stderr);
	problems_free(&problems);
	return good ? 0 : -EINVAL;
}

/* -- certificates ------------------------------------------------------------------------------ */

static void load_report_certificate(void *context, const char *path, const char *text)
{
	(void)context;
	say("%s%s%s", path, *path ? ": " : "", text);
}

static int load_set_certificates(struct config *config, const struct options *options)
{
	struct weir_tls_certificate items[CONFIG_CERTIFICATES_MAX];
	int error = 0;
	for (size_t i = 0; i < options->certificate_count && error == 0; i++) {
		items[i] = (struct weir_tls_certificate){0};
		error = config_absolute_path(config, options->chains[i], &items[i].chain);
		if (error == 0)
			error = config_absolute_path(config, options->keys[i], &items[i].key);
	}
	if (error < 0)
		return error;
	error = config_set_certificates(config, items, options->certificate_count);
	if (error < 0)
		say("out of memory");
	return error;
}

/* The configuration has such a listener. */
static const char *load_first_secure(const struct config *config)
{
	size_t i = 0;
	while (!config->listeners.items[i].type->secure)
		i++;
	return config->listeners.items[i].type->name;
}

static int load_choose_certificates(
        struct config *config, const struct options *options, const struct config *previous)
{
	bool needed = listeners_include_secure(config);
	if (options->certificate_count && !listeners_include_tls(config)) {
		say("--cert and --key need an address for TLS: add "
		    "--https ADDRESS:PORT");
		return -EINVAL;
	}
	int error = options->certificate_count ? load_set_certificates(config, options) : 0;
	if (error < 0)
		return error;
	if (needed && config->tls.all.count == 0) {
		say("%s needs a certificate: add --cert FILE --key FILE. To make one for "
		    "trying it out:\n"
		    "  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
		    "-days 30 -subj /CN=localhost -addext "
		    "subjectAltName=DNS:localhost,IP:127.0.0.1 -out cert.pem -keyout key.pem",
		        load_first_secure(config));
		return -EINVAL;
	}
	/*
	 * Certificates of the file are loaded already, unless the command line changes something.
	 */
	return (options->certificate_count || options->listener_count) && config->tls.all.count
	               ? config_tls_load(config, previous, load_report_certificate, NULL)
	               : 0;
}

/* -- all of it --------------------------------------------------------------------------------- */

/* Prints problems as they are, or as lines of the daemon if it serves, or these have fields. */
static void load_print(struct problems *problems)
{
	char *text = NULL, *rest;
	size_t size;
	FILE *to = say_is_plain() ? NULL : open_memstream(&text, &size);
	problems_print(problems, to ? to : stderr);
	if (!to)
		return;
	fclose(to);
	for (char *line = text && *text ? strtok_r(text, "\n", &rest) : NULL; line;
	        line = strtok_r(NULL, "\n", &rest))
		say("%s", line);
	free(text);
}

static struct config *load_read_file(const char *path, const struct config *previous)
{
	struct problems problems = {.file = path};
	struct config *config = config_file_read(&problems, previous);
	load_print(&problems);
	problems_free(&problems);
	return config;
}

/* The value of a top key: of its last option, or of the file. To be freed; NULL: there is none. */
static char *load_text(const struct options *options, const char *name)
{
	for (size_t i = options->value_count; i-- > 0;)
		if (strcmp(options->values[i].key->name, name) == 0)
			return strdup(options->values[i].text);
	return options->config_path ? config_file_text(options->config_path, name) : NULL;
}

bool config_wants_master(const struct options *options)
{
	char *wanted = load_text(options, "privilege-separation");
	char *user = load_text(options, "user");
	bool separates = config_separates(!wanted                      ? CONFIG_SEPARATION_AUTO
	                                  : strcmp(wanted, "yes") == 0 ? CONFIG_SEPARATION_YES
	                                  : strcmp(wanted, "no") == 0  ? CONFIG_SEPARATION_NO
	                                                               : CONFIG_SEPARATION_AUTO,
	        user);
	free(wanted);
	free(user);
	return separates;
}

struct config *config_load(const struct options *options, const struct config *previous)
{
	const char *path = options->config_path;
	struct config *config = path ? load_read_file(path, previous) : config_file_default();
	if (!config) {
		if (!path)
			say("out of memory");
		return NULL;
	}
	if (load_choose_listeners(config, options) < 0 || load_choose_root(config, options) < 0 ||
	        load_values(config, options) < 0 || load_mail(config, options) < 0 ||
	        load_ftp(config, options) < 0 || load_dns(config, options, previous) < 0 ||
	        load_choose_certificates(config, options, previous) < 0 ||
	        load_mail_check(config, options, previous) < 0 || config_admin_check(config) < 0) {
		config_release(config);
		return NULL;
	}
	/* The master has warned of the rest. */
	if (sources_replaying())
		config_tls_warn(config);
	else
		config_warn(config);
	return config;
}
