/*
 * Values of mail: networks; and the users and aliases, read so that `weir check` looks at them, too.
 * What is wrong with a file is told with its line, at the place of the value that names it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/smtp_client.h>

#include "config_check.h"
#include "config_mail.h"

void value_networks(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	struct config_list list = {NULL, 0};
	size_t count = schema_count(reader, key->name, node, CONFIG_NETWORKS_MAX,
	        "networks, as [192.0.2.0/24, \"2001:db8::/32\"]");
	if (!count)
		return;
	struct weir_network *networks = schema_alloc(reader, count * sizeof *networks);
	for (size_t i = 0; networks && i < count; i++) {
		yaml_node_t *item = schema_item(reader, node, i);
		const char *text = schema_text(reader, key->name, item);
		if (text && weir_network_parse(weir_span_of(text), &networks[list.count++]) < 0)
			problems_add(reader->problems, schema_place(item),
			        "'%.64s' is no network: 192.0.2.0/24, 2001:db8::/32 or one "
			        "address, no bits set behind the prefix",
			        text);
	}
	list.items = networks;
	memcpy(target, &list, sizeof list);
}

/* -- users and aliases ------------------------------------------------------------------------- */

struct value_mail_report {
	struct reader *reader;
	yaml_node_t *node; /* of `mail` */
};

/* The value that names the path, or the mapping if none does. */
static yaml_node_t *value_mail_find_path(struct value_mail_report *report, const char *path)
{
	const struct config_mail *mail = &report->reader->config->mail;
	const char *name = path == mail->users_path ? "users" : "aliases";
	yaml_node_t *found = *path ? schema_find(report->reader, report->node, name) : NULL;
	return found ? found : report->node;
}

static void value_mail_add_problem(void *context, const char *path, unsigned line, const char *text)
{
	struct value_mail_report *report = context;
	struct problems *problems = report->reader->problems;
	struct file_position place = schema_place(value_mail_find_path(report, path));
	if (line)
		problems_add(problems, place, "%s:%u: %s", path, line, text);
	else
		problems_add(problems, place, "%s%s%s", path, *path ? ": " : "", text);
}

void value_load_mail(struct reader *reader, yaml_node_t *node)
{
	struct value_mail_report report = {reader, node};
	config_mail_load(reader->config, value_mail_add_problem, &report);
}

/* -- the relay --------------------------------------------------------------------------------- */

void config_check_init_relay(void *target)
{
	*(struct config_relay *)target =
	        (struct config_relay){.tls = WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC};
}

static void value_mail_read_password(
        struct reader *reader, yaml_node_t *node, struct config_relay *relay)
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
		problems_add(reader->problems, schema_place(node), "%s: %s", relay->password_path,
		        weir_error_text(error));
	else if (!*text || strlen(text) > WEIR_PASSWORD_MAX)
		problems_add(reader->problems, schema_place(node),
		        "%s: the first line is the password, and it is %s", relay->password_path,
		        *text ? "too long" : "empty");
	else
		relay->password = schema_copy(reader, text, strlen(text));
	explicit_bzero(text, sizeof text);
}

void config_check_relay(struct reader *reader, yaml_node_t *node, void *target)
{
	struct config_relay *relay = target;
	yaml_node_t *file = schema_find(reader, node, "password-file");
	if (relay->user && !schema_find(reader, node, "tls"))
		relay->tls = WEIR_SMTP_CLIENT_TLS_REQUIRED;
	if (!relay->user != !relay->password_path)
		problems_add(reader->problems, schema_place(node),
		        "'user' and 'password-file' need each other");
	else if (relay->user && relay->tls == WEIR_SMTP_CLIENT_TLS_OFF)
		problems_add(reader->problems, schema_place(schema_find(reader, node, "tls")),
		        "a password is not sent without TLS: 'tls' is required or implicit");
	if (relay->ca && relay->tls != WEIR_SMTP_CLIENT_TLS_REQUIRED &&
	        relay->tls != WEIR_SMTP_CLIENT_TLS_IMPLICIT)
		problems_add(reader->problems, schema_place(schema_find(reader, node, "ca")),
		        "'ca' is not used: it needs 'tls: required' or 'implicit'");
	if (relay->password_path)
		value_mail_read_password(reader, file, relay);
}

void config_check_mail(struct reader *reader, yaml_node_t *node, void *target)
{
	struct config_mail *mail = target;
	const char *key;
	if (mail->separator && strcmp(mail->separator, "off") == 0)
		mail->separator = NULL;
	const char *mistake = config_mail_mistake(mail, &key);
	if (mistake)
		problems_add(reader->problems, schema_place(schema_find(reader, node, key)), "%s",
		        mistake);
	else
		value_load_mail(reader, node);
}
