/*
 * The configuration of mail: its users and aliases. The keys are in table_mail.c.
 *
 * Rules of mail between several values. No client should send a password in clear over a network.
 * So a listener that needs passwords is refused without TLS, unless it has an address of this
 * machine.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/smtp.h>

#include "config.h"
#include "helper.h"
#include "service.h"
#include "service_mail.h"
#include "sources.h"
#include "store.h"

/* -- users and aliases ------------------------------------------------------------------------- */

struct config_mail_report {
	void (*report)(void *context, const char *path, unsigned line, const char *text);
	void *context;
	const char *path;
	bool any;
};

static void config_mail_pass_on(void *context, unsigned line, const char *text)
{
	struct config_mail_report *to = context;
	to->any = true;
	to->report(to->context, to->path, line, text);
}

static int config_mail_load_users(struct config_mail *mail, struct config_mail_report *to)
{
	struct weir_users *users;
	to->path = mail->users_path;
	int error = weir_users_load(mail->users_path, config_mail_pass_on, to, &users);
	if (error < 0)
		return error;
	error = weir_users_set_domains(users, mail->domains.items);
	if (error < 0) {
		weir_users_release(users);
		return error;
	}
	weir_users_release(mail->users);
	mail->users = users;
	return 0;
}

static void config_mail_set_routes(const struct config_mail *mail, struct weir_users *users,
        struct weir_mail_routes_options *ret)
{
	weir_mail_routes_options_init(ret);
	ret->domains = mail->domains.items;
	ret->users = users;
	ret->postmaster = mail->postmaster;
	ret->separator = mail->separator ? mail->separator[0] : 0;
}

static int config_mail_load_routes(struct config_mail *mail, struct config_mail_report *to)
{
	struct weir_mail_routes *routes;
	struct weir_mail_routes_options options;
	config_mail_set_routes(mail, mail->users, &options);
	to->path = mail->aliases_path ? mail->aliases_path : "";
	int error = weir_mail_routes_load(
	        mail->aliases_path, &options, config_mail_pass_on, to, &routes);
	if (error < 0)
		return error;
	weir_mail_routes_release(mail->routes);
	mail->routes = routes;
	return 0;
}

/* Whether addresses are looked up in files; the file of aliases is read then. */
static bool config_mail_has_routes(const struct config *config)
{
	return config->mail.domains.count && !config_mail_is_stored(config);
}

/* Leaves one file to the process that reads it; `used` is whether it does. */
static bool config_mail_leave(
        const char *path, bool used, struct config_mail_report *to, int *first_error)
{
	int error;
	bool left = sources_leave(path, &error);
	if (error < 0 && used && *first_error == 0) {
		to->path = path;
		*first_error = error;
	}
	return left;
}

int config_mail_load(struct config *config,
        void (*report)(void *context, const char *path, unsigned line, const char *text),
        void *context)
{
	struct config_mail *mail = &config->mail;
	struct config_mail_report to = {.report = report, .context = context};
	int error = 0;
	bool left = config_mail_leave(mail->users_path, true, &to, &error);
	left &= config_mail_leave(mail->aliases_path, config_mail_has_routes(config), &to, &error);
	if (!left && mail->users_path)
		error = config_mail_load_users(mail, &to);
	if (!left && error == 0 && config_mail_has_routes(config))
		error = config_mail_load_routes(mail, &to);
	if (error < 0 && !to.any)
		report(context, to.path, 0, weir_error_text(error));
	return error;
}

bool config_mail_is_stored(const struct config *config)
{
	return store_has(config, STORE_USERS) && !config->mail.users_path;
}

bool config_mail_has_stored_mailboxes(const struct config *config)
{
	return store_has(config, STORE_MAILBOXES) && !config->mail.directory;
}

int config_mail_parse(const struct config_mail *mail, const struct weir_span texts[2],
        void (*report)(void *context, const char *path, unsigned line, const char *text),
        void *context, struct weir_users **ret_users, struct weir_mail_routes **ret_routes)
{
	struct config_mail_report to = {.report = report, .context = context, .path = "users"};
	struct weir_mail_routes_options options;
	struct weir_mail_routes *routes = NULL;
	struct weir_users *users;
	int error = weir_users_parse(texts[0], config_mail_pass_on, &to, &users);
	if (error == 0 && mail->domains.count) {
		to.path = "aliases";
		config_mail_set_routes(mail, users, &options);
		error = weir_users_set_domains(users, mail->domains.items);
		if (error == 0)
			error = weir_mail_routes_parse(
			        texts[1], &options, config_mail_pass_on, &to, &routes);
		if (error < 0)
			weir_users_release(users);
	}
	if (error < 0 && !to.any)
		report(context, to.path, 0, weir_error_text(error));
	if (error < 0)
		return error;
	*ret_users = users;
	*ret_routes = routes;
	return 0;
}

/* -- rules ------------------------------------------------------------------------------------- */

bool config_mail_is_inside(const struct weir_address *address)
{
	static const char *const texts[] = {"127.0.0.0/8", "::1"};
	struct weir_network networks[2];
	for (size_t i = 0; i < 2; i++)
		weir_network_parse(weir_span_of(texts[i]), &networks[i]);
	return weir_networks_contain(networks, 2, address);
}

/* Whether a listener of this type is useless without a login. */
static bool config_mail_needs_passwords(const struct listener_type *type)
{
	return type->service == SERVICE_POP3 || type->variant == WEIR_SMTP_SUBMISSION;
}

const char *config_mail_lack(const struct config *config, const struct config_listener *listener)
{
	const struct config_mail *mail = &config->mail;
	const struct listener_type *type = listener->type;
	if (!type || (type->service != SERVICE_SMTP && type->service != SERVICE_POP3))
		return NULL;
	bool stored = config->store.url;
	if (stored && !mail->directory && !config_mail_has_stored_mailboxes(config))
		return "needs mailboxes: 'mailboxes' in 'parts' of 'store', or 'directory' in "
		       "'mail'";
	if (stored && !mail->users_path && !config_mail_is_stored(config))
		return "needs users, each with a mailbox: 'users' in 'parts' of 'store', or "
		       "'users' in 'mail'";
	if (!mail->directory && !config_mail_has_stored_mailboxes(config))
		return "needs a directory for the mailboxes: --mail DIR, or 'directory' in 'mail'";
	if (!mail->users_path && !config_mail_is_stored(config))
		return "needs a users file, whose users have the mailboxes: --users FILE, or 'users' "
		       "in 'mail' (weir passwd makes one)";
	if (type->service == SERVICE_SMTP && mail->domains.count == 0)
		return "needs to know which domains are local: --domain NAME, or 'domains' in "
		       "'mail'";
	if (config_mail_needs_passwords(type) && !type->secure &&
	        !config_has_certificates(config) && !config_mail_is_inside(&listener->address))
		return "needs a certificate, so that no password is sent in clear: --cert FILE "
		       "--key FILE, or 'tls'; without, it can listen on 127.0.0.1 and [::1] only";
	return NULL;
}

const char *config_mail_mistake(const struct config_mail *mail, const char **ret_key)
{
	*ret_key = "domains";
	for (size_t i = 0; i < mail->domains.count; i++)
		if (strpbrk(mail->domains.items[i], "*[:_"))
			return "a domain of mail is written as in an address, as example.org, "
			       "without '*'";
	*ret_key = "separator";
	const char *separator = mail->separator;
	if (separator && *separator &&
	        (strlen(separator) != 1 || isalnum((unsigned char)*separator) ||
	                strchr("@\"\\ ", *separator)))
		return "the separator is one character, as '+' or '-', or off";
	*ret_key = "hostname";
	if (mail->hostname && strpbrk(mail->hostname, " \t<>()@,;\"\\"))
		return "the hostname is a name as mail.example.org";
	return NULL;
}

/* -- changes ----------------------------------------------------------------------------------- */

bool config_mail_same_shared(const struct config_mail *a, const struct config_mail *b)
{
	return text_equal(a->directory, b->directory) &&
	       memcmp(&a->limits, &b->limits, sizeof a->limits) == 0;
}

bool config_mail_same(const struct config_mail *a, const struct config_mail *b)
{
	return config_mail_same_shared(a, b) && text_equal(a->hostname, b->hostname) &&
	       a->greeting_delay_ms == b->greeting_delay_ms && a->normalise == b->normalise &&
	       a->strict_addresses == b->strict_addresses &&
	       a->networks.count == b->networks.count &&
	       (a->networks.count == 0 ||
	               memcmp(a->networks.items, b->networks.items,
	                       a->networks.count * sizeof *a->networks.items) == 0);
}

/* The Received field, and the fields that submission adds. */
enum {
	HEADERS_ADDED = 64 * 1024
};

uint64_t config_mail_stored_max(const struct config_mail *mail)
{
	return mail->limits.message_size ? mail->limits.message_size + HEADERS_ADDED : 0;
}

const char *config_mail_hostname(const struct config_mail *mail, char *text, size_t size)
{
	if (mail->hostname)
		return mail->hostname;
	if (gethostname(text, size) == 0 && memchr(text, 0, size) && strchr(text, '.'))
		return text;
	return mail->domains.count ? mail->domains.items[0] : "localhost";
}
