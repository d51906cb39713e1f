/*
 * The keys of `mail`. Users and aliases are loaded here, so that `weir check` finds their mistakes,
 * too; a mistake in a file is reported at the value that names the file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/smtp_client.h>
#include <weir/tls.h>

#include "config.h"
#include "helper.h"
#include "service_mail.h"
#include "table.h"
#include "tls_files.h"
#include "types.h"

/* -- limits ------------------------------------------------------------------------------------ */

#define KEYS_STRUCT config_mail_limits
static const struct key mail_limit_keys[] = {
#include "mail_limit_keys.def"
        {0},
};
#undef KEYS_STRUCT
static const struct section table_mail_limits = {
        .what = "limits of mail",
        .keys = mail_limit_keys,
        .size = sizeof(struct config_mail_limits),
        .doc = "The limits of clients of mail.",
};

/* -- the relay --------------------------------------------------------------------------------- */

static const char *const relay_tls_words[] = {
        [WEIR_SMTP_CLIENT_TLS_OFF] = "off",
        [WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC] = "opportunistic",
        [WEIR_SMTP_CLIENT_TLS_REQUIRED] = "required",
        [WEIR_SMTP_CLIENT_TLS_IMPLICIT] = "implicit",
        NULL,
};

#define KEYS_STRUCT config_relay
static const struct key relay_keys[] = {
#include "relay_keys.def"
        {0},
};
#undef KEYS_STRUCT

/* The relay loads the file for itself when it starts. */
static void relay_check_ca(
        struct reader *reader, const struct node *node, const struct config_relay *relay)
{
	struct weir_tls_client_options options;
	struct weir_tls *tls = NULL;
	weir_tls_client_options_init(&options);
	options.ca = relay->ca;
	tls_files_load_client(reader, node, &options, &tls);
	weir_tls_release(tls);
}

static void relay_check(struct reader *reader, struct node *node, void *target)
{
	struct config_relay *relay = target;
	if (relay->user && !node_find(node, "tls"))
		relay->tls = WEIR_SMTP_CLIENT_TLS_REQUIRED;
	if (!relay->user != !relay->password_path)
		reader_problem_at(reader, node, "'user' and 'password-file' need each other");
	else if (relay->user && relay->tls == WEIR_SMTP_CLIENT_TLS_OFF)
		reader_problem_at(reader, node_find(node, "tls"),
		        "a password is not sent without TLS: 'tls' must be required or implicit");
	if (relay->ca && relay->tls != WEIR_SMTP_CLIENT_TLS_REQUIRED &&
	        relay->tls != WEIR_SMTP_CLIENT_TLS_IMPLICIT)
		reader_problem_at(reader, node_find(node, "ca"),
		        "'ca' is not used: it needs 'tls: required' or 'implicit'");
	if (relay->ca)
		relay_check_ca(reader, node, relay);
	const struct node *file = node_find(node, "password-file");
	if (relay->password_path && !reader_leaves(reader, file, relay->password_path))
		relay->password = reader_password(reader, file, relay->password_path);
}

static bool relay_is_present(const void *target)
{
	return ((const struct config_relay *)target)->host;
}

static const struct section table_relay = {
        .what = "a relay",
        .keys = relay_keys,
        .size = sizeof(struct config_relay),
        .check = relay_check,
        .is_present = relay_is_present,
        .doc = "The smart host that forwards mail for other domains.",
};

/* -- mail -------------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_mail
static const struct key mail_keys[] = {
#include "mail_keys.def"
        {0},
};
#undef KEYS_STRUCT

struct mail_report {
	struct reader *reader;
	const struct node *node; /* of `mail` */
};

/* The value that names the path, or the section if none does. */
static const struct node *mail_find_path(const struct mail_report *report, const char *path)
{
	const struct config_mail *mail = &report->reader->config->mail;
	const char *name = path == mail->users_path ? "users" : "aliases";
	const struct node *found = *path ? node_find(report->node, name) : NULL;
	return found ? found : report->node;
}

static void mail_add_problem(void *context, const char *path, unsigned line, const char *text)
{
	const struct mail_report *report = context;
	const struct node *node = mail_find_path(report, path);
	if (line)
		reader_problem_at(report->reader, node, "%s:%u: %s", path, line, text);
	else
		reader_problem_at(report->reader, node, "%s%s%s", path, *path ? ": " : "", text);
}

static void mail_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_mail *mail = target;
	struct mail_report report = {reader, node};
	const char *key;
	const char *mistake = config_mail_mistake(mail, &key);
	if (mistake)
		reader_problem_at(reader, node_find(node, key), "%s", mistake);
	else
		config_mail_load(reader->config, mail_add_problem, &report);
}

static bool mail_is_present(const void *target)
{
	const struct config_mail *mail = target;
	return mail->directory || mail->users_path || mail->domains.count;
}

const struct section table_mail = {
        .what = "mail",
        .keys = mail_keys,
        .size = sizeof(struct config_mail),
        .check = mail_check,
        .is_present = mail_is_present,
        .doc = "Mail, for SMTP, submission, LMTP and POP3.",
};

/* Called when all sections were read, also `store`. */
void table_mail_check(struct reader *reader, const struct node *top)
{
	const struct config *config = reader->config;
	const struct node *mail = node_find(top, "mail");
	bool stored = config_mail_is_stored(config);
	if (mail && !config->mail.directory && !config_mail_has_stored_mailboxes(config))
		reader_problem_at(reader, mail, "mail lacks 'directory'");
	if (mail && !config->mail.users_path && !stored)
		reader_problem_at(reader, mail, "mail lacks 'users'");
	if (stored && config->mail.aliases_path)
		reader_problem_at(reader, node_find(mail, "aliases"),
		        "'aliases' is not used: the database has them, as it has the users");
}
