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

#include "config.h"
#include "config_mail.h"
#include "tables.h"
#include "types.h"

/* -- limits ------------------------------------------------------------------------------------ */

static const struct key mail_limit_keys[] = {
        {"message-size", &type_size, AT(config_mail_limits, message_size), .min = 64 << 10,
                .max = 1ull << 40, .preset = WEIR_SMTP_SIZE_MAX, .doc = "The largest message."},
        {"recipients", &type_number, AT(config_mail_limits, recipients), .min = 1,
                .max = WEIR_MAIL_RECIPIENTS_MAX, .preset = WEIR_SMTP_RECIPIENTS_MAX,
                .doc = "How many recipients a message may have."},
        {"messages", &type_number, AT(config_mail_limits, messages), .min = 1, .max = 1000000,
                .preset = WEIR_SMTP_MESSAGES_MAX,
                .doc = "How many messages a connection may send."},
        {"connections", &type_number, AT(config_mail_limits, connections), .min = 1, .max = 1000000,
                .preset = WEIR_PEER_CONNECTIONS_MAX,
                .doc = "How many connections one address, or one /64 of IPv6, may have open."},
        {"mailbox-size", &type_size, AT(config_mail_limits, mailbox_size), .min = 1,
                .max = 1ull << 50, .otherwise = "no limit", .example = "1G",
                .doc = "The size of a mailbox at which mail for it is refused."},
        {"mailbox-messages", &type_number, AT(config_mail_limits, mailbox_messages), .min = 1,
                .max = WEIR_MAILDROP_MAX, .otherwise = "no limit", .example = "100000",
                .doc = "The number of messages at which mail for a mailbox is refused."},
        {0},
};
static const struct section table_mail_limits = {
        .what = "limits of mail",
        .keys = mail_limit_keys,
        .size = sizeof(struct config_mail_limits),
        .doc = "What a client of mail may use.",
};

/* -- the relay --------------------------------------------------------------------------------- */

static const char *const relay_tls_words[] = {
        [WEIR_SMTP_CLIENT_TLS_OFF] = "off",
        [WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC] = "opportunistic",
        [WEIR_SMTP_CLIENT_TLS_REQUIRED] = "required",
        [WEIR_SMTP_CLIENT_TLS_IMPLICIT] = "implicit",
        NULL,
};

static const struct key relay_keys[] = {
        {"host", &type_text, AT(config_relay, host), .required = true,
                .example = "smtp.provider.example", .doc = "The name or address of the smart host.",
                .more = "A name is looked up in `/etc/hosts` and by the servers of "
                        "`/etc/resolv.conf`."},
        {"queue", &type_new_directory, AT(config_relay, queue), .required = true,
                .example = "queue",
                .doc = "The directory of waiting messages; it is created if it is missing."},
        {"port", &type_number, AT(config_relay, port), .min = 1, .max = 65535,
                .otherwise = "25, or 465 with implicit TLS", .example = "587",
                .doc = "The port of the smart host."},
        {"tls", &type_word, AT(config_relay, tls), .words = relay_tls_words,
                .preset = WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC, .example = "required",
                .doc = "How TLS is used: off, opportunistic, required (STARTTLS) or implicit "
                       "(from the first byte).",
                .more = "Opportunistic uses TLS where it is offered, and does not check the "
                        "certificate. Required and implicit check it against the authorities that "
                        "the system trusts, or `ca`. With a `user` the default is required."},
        {"ca", &type_file, AT(config_relay, ca), .otherwise = "the authorities of the system",
                .doc = "A PEM file with the authority that signs the certificate of the host."},
        {"user", &type_text, AT(config_relay, user), .otherwise = "none", .example = "example-org",
                .doc = "The user name for authentication; it needs `password-file`."},
        {"password-file", &type_file, AT(config_relay, password_path), .otherwise = "none",
                .example = "relay-password",
                .doc = "A file with the password for authentication in its first line."},
        {"messages", &type_number, AT(config_relay, messages), .min = 1, .max = 10000000,
                .preset = WEIR_QUEUE_MESSAGES_MAX, .doc = "How many messages the queue may hold."},
        {"connections", &type_number, AT(config_relay, connections), .min = 1, .max = 100,
                .preset = WEIR_RELAY_CONNECTIONS_MAX,
                .doc = "How many connections to the smart host may be open."},
        {"retry-first", &type_duration, AT(config_relay, retry_first_ms), .min = 1000,
                .max = DAY_MS, .preset = WEIR_RELAY_RETRY_FIRST_S * 1000ull,
                .doc = "The time until the second attempt; it doubles with each attempt."},
        {"retry-most", &type_duration, AT(config_relay, retry_most_ms), .min = 1000, .max = DAY_MS,
                .preset = WEIR_RELAY_RETRY_MOST_S * 1000ull,
                .doc = "The longest time between two attempts."},
        {"warn-after", &type_duration, AT(config_relay, warn_ms), .min = 1000, .max = 30 * DAY_MS,
                .preset = WEIR_RELAY_WARN_S * 1000ull,
                .doc = "The time after which the sender is notified that a message is delayed."},
        {"give-up-after", &type_duration, AT(config_relay, life_ms), .min = 1000,
                .max = 30 * DAY_MS, .preset = WEIR_RELAY_LIFE_S * 1000ull,
                .doc = "The time after which a message is returned to its sender."},
        {0},
};

static void relay_read_password(
        struct reader *reader, const struct node *node, struct config_relay *relay)
{
	char text[WEIR_PASSWORD_MAX + 2] = "";
	FILE *file = fopen(relay->password_path, "re");
	int error = file ? 0 : -errno;
	if (file && !fgets(text, sizeof text, file))
		error = ferror(file) ? -EIO : 0;
	if (file)
		fclose(file);
	text[strcspn(text, "\r\n")] = 0;
	if (error < 0)
		reader_problem_at(
		        reader, node, "%s: %s", relay->password_path, weir_error_text(error));
	else if (!*text || strlen(text) > WEIR_PASSWORD_MAX)
		reader_problem_at(reader, node,
		        "%s: the first line must be the password, and it is %s",
		        relay->password_path, *text ? "too long" : "empty");
	else
		relay->password = reader_copy(reader, text, strlen(text));
	explicit_bzero(text, sizeof text);
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
	if (relay->password_path)
		relay_read_password(reader, node_find(node, "password-file"), relay);
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

static const struct key mail_keys[] = {
        {"directory", &type_new_directory, AT(config_mail, directory), .required = true,
                .example = "mail", .option = "mail",
                .doc = "The directory of the mailboxes, a Maildir for each user.",
                .more = "It is created if it is missing, and must be on one file system. A "
                        "mailbox is created by its first message."},
        {"users", &type_file, AT(config_mail, users_path), .required = true, .example = "users",
                .option = "users",
                .option_doc = "A file of users, as `weir passwd` writes it: they have mailboxes, "
                              "send mail, and log in by FTP.",
                .doc = "A file of the users who have mailboxes and may send, as `weir passwd` "
                       "writes it."},
        {"domains", &type_hosts, AT(config_mail, domains), .max = CONFIG_NAMES_MAX,
                .otherwise = "none", .example = "[example.org]", .option = "domain",
                .option_argument = "NAME", .option_doc = "A domain whose mail is local.",
                .doc = "The domains whose mail is local; all listeners but those of POP3 need one.",
                .more = "The first one is also the domain of `<postmaster>`, and the name of the "
                        "server if neither `hostname` nor the machine gives one."},
        {"aliases", &type_file, AT(config_mail, aliases_path), .otherwise = "none",
                .example = "aliases", .doc = "A file of aliases: lines of `name: target, ...`.",
                .more = "The name is one at all domains, an address, or `@domain` for all other "
                        "names of that domain. A target is a user, another alias, or an address "
                        "elsewhere. A line that begins with `#` is a comment. An alias goes "
                        "before a user of the same name."},
        {"postmaster", &type_text, AT(config_mail, postmaster),
                .otherwise = "the first user of the file", .example = "alice",
                .doc = "The user who receives mail for postmaster and abuse, unless these are "
                       "aliases or users."},
        {"separator", &type_text_or_off, AT(config_mail, separator), .preset_text = "+",
                .doc = "The character that may follow the name of a user in an address, as in "
                       "alice+shop; or off."},
        {"hostname", &type_text, AT(config_mail, hostname),
                .otherwise = "the machine's name if it contains a dot, or the first domain",
                .example = "mail.example.org",
                .doc = "The name by which the server introduces itself."},
        {"networks", &type_networks, AT(config_mail, networks), .min = 1,
                .max = CONFIG_NETWORKS_MAX, .otherwise = "none", .example = "[192.0.2.0/24]",
                .doc = "Networks that may send to other domains without authentication."},
        {"greeting-delay", &type_duration, AT(config_mail, greeting_delay_ms), .max = 60 * 1000,
                .example = "1s",
                .doc = "How long the greeting waits; a client that speaks before it is refused."},
        {"normalise", &type_flag, AT(config_mail, normalise),
                .doc = "Whether line ends other than CRLF are converted, instead of the message "
                       "being refused."},
        {"strict-addresses", &type_flag, AT(config_mail, strict_addresses),
                .doc = "Whether MAIL and RCPT accept only addresses exactly as RFC 5321 defines "
                       "them.",
                .more = "Otherwise addresses are also accepted without angle brackets, behind a "
                        "name, without a domain, with dots anywhere in the local part, with a "
                        "local part of more than 64 bytes, and with an underscore in the domain "
                        "or a dot at its end."},
        {"relay", &type_section, AT(config_mail, relay), .of = &table_relay,
                .otherwise = "mail for other domains is refused",
                .doc = "The smart host that forwards mail for other domains, see `relay` below."},
        {"limits", &type_section, AT(config_mail, limits), .of = &table_mail_limits,
                .doc = "What a client of mail may use, see `limits` below."},
        {0},
};

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
	return mail->directory && mail->users_path;
}

const struct section table_mail = {
        .what = "mail",
        .keys = mail_keys,
        .size = sizeof(struct config_mail),
        .check = mail_check,
        .is_present = mail_is_present,
        .doc = "Mail, for SMTP, submission, LMTP and POP3.",
};
