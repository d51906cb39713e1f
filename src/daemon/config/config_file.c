/*
 * The keys of weir.yaml, and from the file's bytes to a configuration. What a key means is said in
 * man/weir.yaml.5.scd; what no single key can say is checked in config_check.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/ftp.h>
#include <weir/smtp_client.h>

#include "config_check.h"
#include "config_file.h"
#include "document.h"
#include "schema.h"

/* -- the keys ---------------------------------------------------------------------------------- */

#define TIME_MIN 100u
#define TIME_MAX (24u * 60 * 60 * 1000)
#define AT(type, member) offsetof(struct type, member)

static const struct key listener_keys[] = {
        {"http", KEY_LISTENER},
        {"https", KEY_LISTENER},
        {"smtp", KEY_LISTENER},
        {"submission", KEY_LISTENER},
        {"submissions", KEY_LISTENER},
        {"lmtp", KEY_LISTENER},
        {"pop3", KEY_LISTENER},
        {"pop3s", KEY_LISTENER},
        {"ftp", KEY_LISTENER},
        {"ftps", KEY_LISTENER},
        {"dns", KEY_LISTENER},
        {"dot", KEY_LISTENER},
        {0},
};
static const struct schema listener = {
        "a listener", listener_keys, sizeof(struct config_listener), NULL, config_check_listener};

static const struct key certificate_keys[] = {
        {"chain", KEY_FILE, AT(weir_tls_certificate, chain), .required = true},
        {"key", KEY_FILE, AT(weir_tls_certificate, key), .required = true},
        {"ocsp", KEY_FILE, AT(weir_tls_certificate, ocsp)},
        {0},
};
static const struct schema certificate = {
        "a certificate", certificate_keys, sizeof(struct weir_tls_certificate), NULL, NULL};

static const char *const clients_words[] = {
        [WEIR_TLS_CLIENTS_ANY] = "any",
        [WEIR_TLS_CLIENTS_OPTIONAL] = "optional",
        [WEIR_TLS_CLIENTS_REQUIRED] = "required",
        NULL,
};
static const char *const tls_versions[] = {
        [CONFIG_TLS_1_2] = "1.2", [CONFIG_TLS_1_3] = "1.3", NULL};

static const struct key tls_keys[] = {
        {"certificates", KEY_LIST, AT(config_tls, certificates), .required = true,
                .max = CONFIG_CERTIFICATES_MAX, .of = &certificate},
        {"clients", KEY_WORD, AT(config_tls, clients), .words = clients_words},
        {"clients-ca", KEY_FILE, AT(config_tls, clients_ca)},
        {"minimum", KEY_WORD, AT(config_tls, minimum), .words = tls_versions},
        {0},
};
static const struct schema tls = {
        "tls", tls_keys, sizeof(struct config_tls), NULL, config_check_tls};

static const struct key uploads_keys[] = {
        {"prefix", KEY_PREFIX, AT(config_uploads, prefix)},
        {"put", KEY_FLAG, AT(config_uploads, put)},
        {"delete", KEY_FLAG, AT(config_uploads, remove)},
        {"forms", KEY_FLAG, AT(config_uploads, forms)},
        {"mode", KEY_MODE, AT(config_uploads, mode)},
        {"max-size", KEY_SIZE, AT(config_uploads, max_size), .min = 1, .max = 1ull << 50},
        {0},
};
static const struct schema uploads = {
        "uploads", uploads_keys, sizeof(struct config_uploads), config_check_init_uploads, NULL};

static const struct key auth_keys[] = {
        {"path", KEY_PREFIX, AT(config_auth, path)},
        {"realm", KEY_TEXT, AT(config_auth, realm)},
        {"users", KEY_FILE, AT(config_auth, users_path), .required = true},
        {0},
};
static const struct schema auth = {"an entry of auth", auth_keys, sizeof(struct config_auth),
        config_check_init_auth, config_check_auth};

static const struct key redirect_keys[] = {
        {"from", KEY_PREFIX, AT(config_redirect, from), .required = true},
        {"to", KEY_TEXT, AT(config_redirect, to), .required = true},
        {"status", KEY_NUMBER, AT(config_redirect, status), .min = 301, .max = 308},
        {0},
};
static const struct schema redirect = {"a redirect", redirect_keys, sizeof(struct config_redirect),
        config_check_init_redirect, config_check_redirect};

static const char *const doh_words[] = {
        [CONFIG_DOH_OFF] = "off", [CONFIG_DOH_ON] = "on", [CONFIG_DOH_CLEAR] = "clear", NULL};

static const struct key site_keys[] = {
        {"root", KEY_DIRECTORY, AT(config_site, root), .required = true},
        {"names", KEY_NAMES, AT(config_site, names)},
        {"index", KEY_TEXT, AT(config_site, index)},
        {"listing", KEY_FLAG, AT(config_site, listing)},
        {"hidden", KEY_FLAG, AT(config_site, hidden)},
        {"compress", KEY_FLAG, AT(config_site, compress)},
        {"siblings", KEY_FLAG, AT(config_site, siblings)},
        {"redirect-to-https", KEY_FLAG, AT(config_site, redirect_to_https)},
        {"dns-over-https", KEY_WORD, AT(config_site, doh), .words = doh_words},
        {"fields", KEY_FIELDS, AT(config_site, fields)},
        {"uploads", KEY_MAPPING, AT(config_site, uploads), .of = &uploads},
        {"auth", KEY_LIST, AT(config_site, auth), .max = CONFIG_RULES_MAX, .of = &auth},
        {"redirect", KEY_LIST, AT(config_site, redirects), .max = CONFIG_RULES_MAX,
                .of = &redirect},
        {0},
};
static const struct schema site = {
        "a site", site_keys, sizeof(struct config_site), config_check_init_site, config_check_site};

static const struct key mail_limit_keys[] = {
        {"message-size", KEY_SIZE, AT(config_mail_limits, message_size), .min = 64 << 10,
                .max = 1ull << 40},
        {"recipients", KEY_NUMBER, AT(config_mail_limits, recipients), .min = 1,
                .max = WEIR_MAIL_RECIPIENTS_MAX},
        {"messages", KEY_NUMBER, AT(config_mail_limits, messages), .min = 1, .max = 1000000},
        {"connections", KEY_NUMBER, AT(config_mail_limits, connections), .min = 1, .max = 1000000},
        {"mailbox-size", KEY_SIZE, AT(config_mail_limits, mailbox_size), .min = 1,
                .max = 1ull << 50},
        {"mailbox-messages", KEY_NUMBER, AT(config_mail_limits, mailbox_messages), .min = 1,
                .max = WEIR_MAILDROP_MAX},
        {0},
};
static const struct schema mail_limits = {
        "limits of mail", mail_limit_keys, sizeof(struct config_mail_limits), NULL, NULL};

static const char *const relay_tls_words[] = {
        [WEIR_SMTP_CLIENT_TLS_OFF] = "off",
        [WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC] = "opportunistic",
        [WEIR_SMTP_CLIENT_TLS_REQUIRED] = "required",
        [WEIR_SMTP_CLIENT_TLS_IMPLICIT] = "implicit",
        NULL,
};

static const struct key relay_keys[] = {
        {"host", KEY_TEXT, AT(config_relay, host), .required = true},
        {"queue", KEY_PLACE, AT(config_relay, queue), .required = true},
        {"port", KEY_NUMBER, AT(config_relay, port), .min = 1, .max = 65535},
        {"tls", KEY_WORD, AT(config_relay, tls), .words = relay_tls_words},
        {"ca", KEY_FILE, AT(config_relay, ca)},
        {"user", KEY_TEXT, AT(config_relay, user)},
        {"password-file", KEY_FILE, AT(config_relay, password_path)},
        {"messages", KEY_NUMBER, AT(config_relay, messages), .min = 1, .max = 10000000},
        {"connections", KEY_NUMBER, AT(config_relay, connections), .min = 1, .max = 100},
        {"retry-first", KEY_DURATION, AT(config_relay, retry_first_ms), .min = 1000,
                .max = TIME_MAX},
        {"retry-most", KEY_DURATION, AT(config_relay, retry_most_ms), .min = 1000, .max = TIME_MAX},
        {"warn-after", KEY_DURATION, AT(config_relay, warn_ms), .min = 1000,
                .max = 30ull * TIME_MAX},
        {"give-up-after", KEY_DURATION, AT(config_relay, life_ms), .min = 1000,
                .max = 30ull * TIME_MAX},
        {0},
};
static const struct schema relay = {"a relay", relay_keys, sizeof(struct config_relay),
        config_check_init_relay, config_check_relay};

static const struct key mail_keys[] = {
        {"directory", KEY_PLACE, AT(config_mail, directory), .required = true},
        {"users", KEY_FILE, AT(config_mail, users_path), .required = true},
        {"domains", KEY_NAMES, AT(config_mail, domains)},
        {"aliases", KEY_FILE, AT(config_mail, aliases_path)},
        {"hostname", KEY_TEXT, AT(config_mail, hostname)},
        {"postmaster", KEY_TEXT, AT(config_mail, postmaster)},
        {"separator", KEY_TEXT, AT(config_mail, separator)},
        {"networks", KEY_NETWORKS, AT(config_mail, networks)},
        {"greeting-delay", KEY_DURATION, AT(config_mail, greeting_delay_ms), .max = 60 * 1000},
        {"normalise", KEY_FLAG, AT(config_mail, normalise)},
        {"strict-addresses", KEY_FLAG, AT(config_mail, strict_addresses)},
        {"relay", KEY_MAPPING, AT(config_mail, relay), .of = &relay},
        {"limits", KEY_MAPPING, AT(config_mail, limits), .of = &mail_limits},
        {0},
};
static const struct schema mail = {
        "mail", mail_keys, sizeof(struct config_mail), NULL, config_check_mail};

static const char *const ftp_uploads[] = {
        [WEIR_FTP_KEEP_PART] = "keep-part", [WEIR_FTP_WHOLE] = "whole", NULL};
static const char *const ftp_tls[] = {
        [CONFIG_FTP_TLS_OFFERED] = "offered", [CONFIG_FTP_TLS_REQUIRED] = "required", NULL};
static const char *const ftp_reuse[] = {
        [WEIR_FTP_REUSE_PREFER] = "prefer",
        [WEIR_FTP_REUSE_REQUIRE] = "require",
        [WEIR_FTP_REUSE_OFF] = "off",
        NULL,
};

static const struct key ftp_keys[] = {
        {"root", KEY_DIRECTORY, AT(config_ftp, root)},
        {"users", KEY_FILE, AT(config_ftp, users_path)},
        {"anonymous", KEY_FLAG, AT(config_ftp, anonymous)},
        {"anonymous-home", KEY_TEXT, AT(config_ftp, anonymous_home)},
        {"anonymous-writes", KEY_FLAG, AT(config_ftp, anonymous_writes)},
        {"anonymous-overwrites", KEY_FLAG, AT(config_ftp, anonymous_overwrites)},
        {"writable", KEY_FLAG, AT(config_ftp, writable)},
        {"hidden", KEY_FLAG, AT(config_ftp, hidden)},
        {"mode", KEY_MODE, AT(config_ftp, mode)},
        {"uploads", KEY_WORD, AT(config_ftp, uploads), .words = ftp_uploads},
        {"max-size", KEY_SIZE, AT(config_ftp, max_size), .min = 1, .max = 1ull << 50},
        {"rate", KEY_SIZE, AT(config_ftp, rate), .min = 1024, .max = 1ull << 40},
        {"passive-ports", KEY_PORTS, AT(config_ftp, passive)},
        {"announce", KEY_HOST, AT(config_ftp, announce)},
        {"tls", KEY_WORD, AT(config_ftp, tls), .words = ftp_tls},
        {"reuse", KEY_WORD, AT(config_ftp, reuse), .words = ftp_reuse},
        {"sessions", KEY_NUMBER, AT(config_ftp, sessions), .min = 1, .max = 1000000},
        {"sessions-per-address", KEY_NUMBER, AT(config_ftp, sessions_per_address), .min = 1,
                .max = 1000000},
        {"failures", KEY_NUMBER, AT(config_ftp, failures), .min = 1, .max = 1000},
        {"welcome", KEY_TEXT, AT(config_ftp, welcome)},
        {"hosts", KEY_NAMES, AT(config_ftp, hosts)},
        {0},
};
static const struct schema ftp = {
        "ftp", ftp_keys, sizeof(struct config_ftp), config_check_init_ftp, config_check_ftp};

static const struct key limit_keys[] = {
        {"idle", KEY_DURATION, AT(config_limits, idle_ms), .min = TIME_MIN, .max = TIME_MAX},
        {"request", KEY_DURATION, AT(config_limits, request_ms), .min = TIME_MIN, .max = TIME_MAX},
        {"progress", KEY_DURATION, AT(config_limits, progress_ms), .min = TIME_MIN,
                .max = TIME_MAX},
        {"drain", KEY_DURATION, AT(config_limits, drain_ms), .min = TIME_MIN, .max = TIME_MAX},
        {"connections", KEY_NUMBER, AT(config_limits, connections), .min = 1, .max = 10000000},
        {"connections-per-address", KEY_NUMBER, AT(config_limits, address_connections), .min = 1,
                .max = 10000000},
        {"replies", KEY_NUMBER, AT(config_limits, replies), .min = 1, .max = 65536},
        {0},
};
static const struct schema limits = {
        "limits", limit_keys, sizeof(struct config_limits), NULL, NULL};

static const struct key guard_keys[] = {
        {"enabled", KEY_FLAG, AT(config_guard, enabled)},
        {"threshold", KEY_NUMBER, AT(config_guard, threshold), .max = WEIR_GUARD_THRESHOLD_MAX},
        {"first-delay", KEY_DURATION, AT(config_guard, first_ms), .min = 1, .max = TIME_MAX},
        {"most-delay", KEY_DURATION, AT(config_guard, most_ms), .min = 1, .max = TIME_MAX},
        {"forget-after", KEY_DURATION, AT(config_guard, decay_ms), .min = 1000, .max = TIME_MAX},
        {"exempt", KEY_NETWORKS, AT(config_guard, exempt)},
        {0},
};
static const struct schema guard = {"guard", guard_keys, sizeof(struct config_guard), NULL, NULL};

static const struct key top_keys[] = {
        {"sites", KEY_LIST, AT(config, sites), .max = CONFIG_SITES_MAX, .of = &site},
        {"listen", KEY_LIST, AT(config, listeners), .max = CONFIG_LISTENERS_MAX, .of = &listener},
        {"tls", KEY_MAPPING, AT(config, tls), .of = &tls},
        {"workers", KEY_WORKERS, AT(config, workers), .min = 1, .max = CONFIG_WORKERS_MAX},
        {"user", KEY_USER, AT(config, user)},
        {"access-log", KEY_LOG, AT(config, logs[LOG_ACCESS])},
        {"mail", KEY_MAPPING, AT(config, mail), .of = &mail},
        {"mail-log", KEY_LOG, AT(config, logs[LOG_MAIL])},
        {"ftp", KEY_MAPPING, AT(config, ftp), .of = &ftp},
        {"ftp-log", KEY_LOG, AT(config, logs[LOG_FTP])},
        {"dns", KEY_MAPPING, AT(config, dns), .of = &config_dns_schema},
        {"dns-log", KEY_LOG, AT(config, logs[LOG_DNS])},
        {"guard", KEY_MAPPING, AT(config, guard), .of = &guard},
        {"limits", KEY_MAPPING, AT(config, limits), .of = &limits},
        {0},
};
static const struct schema top = {
        "the configuration", top_keys, sizeof(struct config), NULL, config_check_all};

/* -- the file ---------------------------------------------------------------------------------- */

static int config_file_read_all(int fd, unsigned char *data, size_t room, size_t *ret_size)
{
	size_t used = 0;
	for (;;) {
		ssize_t got = read(fd, data + used, room - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0 || (used += (size_t)got) == room)
			break;
	}
	*ret_size = used;
	return used == room ? -EFBIG : 0;
}

static int config_file_read_file(const char *path, unsigned char **ret, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	unsigned char *data = malloc(CONFIG_FILE_MAX + 1);
	int error = data ? config_file_read_all(fd, data, CONFIG_FILE_MAX + 1, ret_size) : -ENOMEM;
	close(fd);
	if (error < 0)
		free(data);
	else
		*ret = data;
	return error;
}

static void config_file_parse(const unsigned char *data, size_t size, struct config *config,
        struct problems *problems, const char *directory, const struct config *previous)
{
	yaml_document_t document;
	if (!document_load(problems, data, size, &document))
		return;
	struct reader reader = {&document, config, problems, directory, previous};
	schema_read(&reader, yaml_document_get_root_node(&document), &top, config);
	yaml_document_delete(&document);
}

/* The absolute directory the file is in; to be freed. NULL with errno. */
static char *config_file_directory_of(const char *path)
{
	char *name = strdup(path);
	if (!name)
		return NULL;
	char *slash = strrchr(name, '/');
	if (slash)
		slash[slash == name] = 0;
	char *absolute = realpath(slash ? name : ".", NULL);
	int error = errno;
	free(name);
	errno = error;
	return absolute;
}

struct config *config_file_read(struct problems *problems, const struct config *previous)
{
	unsigned char *data = NULL;
	size_t size = 0;
	char *directory = config_file_directory_of(problems->file);
	int error = directory ? config_file_read_file(problems->file, &data, &size) : -errno;
	if (error < 0) {
		problems_add(problems, (struct file_position){0}, "%s", weir_error_text(error));
		free(directory);
		return NULL;
	}
	struct config *config = config_create();
	if (config)
		config_file_parse(data, size, config, problems, directory, previous);
	else
		problems_add(problems, (struct file_position){0}, "out of memory");
	free(data);
	free(directory);
	if (problems->count == 0)
		return config;
	config_release(config);
	return NULL;
}
