/*
 * The types of listeners, and what the files of several services need. A new protocol has its name
 * in enum service (config.h), a line in `service_infos` here, and one in services.c; each type of
 * its listeners has a row in `listener_types`, and a key of the same name in table_top.c.
 */
#include <stdio.h>
#include <string.h>

#include <weir/smtp.h>
#include <weir/users.h>

#include "helper.h"
#include "service.h"

/* -- types of listeners ------------------------------------------------------------------------ */

/* ALPN refuses clients that were led to the wrong protocol (the ALPACA attack). */
static const char *const http_alpn[] = {"h2", "http/1.1", "http/1.0", NULL};
static const char *const pop3_alpn[] = {"pop3", NULL};
static const char *const ftp_alpn[] = {"ftp", "ftp-data", NULL};
static const char *const dns_alpn[] = {"dot", NULL};

const struct service_info service_infos[SERVICE_COUNT] = {
        [SERVICE_HTTP] = {"sites", LOG_ACCESS, http_alpn},
        [SERVICE_SMTP] = {"mail", LOG_MAIL, NULL},
        [SERVICE_POP3] = {"mail", LOG_MAIL, pop3_alpn},
        [SERVICE_FTP] = {"ftp", LOG_FTP, ftp_alpn},
        [SERVICE_DNS] = {"dns", LOG_DNS, dns_alpn},
};

const struct listener_type listener_types[] = {
        {"http", SERVICE_HTTP, .scheme = "http"},
        {"https", SERVICE_HTTP, .secure = true, .scheme = "https"},
        {"smtp", SERVICE_SMTP, .upgrades = true, .variant = WEIR_SMTP_MX, .scheme = "smtp"},
        {"submission", SERVICE_SMTP, .upgrades = true, .variant = WEIR_SMTP_SUBMISSION,
                .scheme = "smtp"},
        {"submissions", SERVICE_SMTP, .secure = true, .variant = WEIR_SMTP_SUBMISSION,
                .scheme = "smtps"},
        {"lmtp", SERVICE_SMTP, .upgrades = true, .variant = WEIR_SMTP_LMTP, .scheme = "lmtp"},
        {"pop3", SERVICE_POP3, .upgrades = true, .scheme = "pop3"},
        {"pop3s", SERVICE_POP3, .secure = true, .scheme = "pop3s"},
        {"ftp", SERVICE_FTP, .upgrades = true, .scheme = "ftp"},
        {"ftps", SERVICE_FTP, .secure = true, .scheme = "ftps"},
        {"dns", SERVICE_DNS, .datagrams = true, .scheme = "dns"},
        {"dot", SERVICE_DNS, .secure = true, .scheme = "dot"},
        {0},
};

const struct listener_type *listener_type_find(const char *name)
{
	for (const struct listener_type *type = listener_types; type->name; type++)
		if (strcmp(type->name, name) == 0)
			return type;
	return NULL;
}

bool listeners_include(const struct config *config, enum service service)
{
	for (size_t i = 0; i < config->listeners.count; i++)
		if (config->listeners.items[i].type &&
		        config->listeners.items[i].type->service == service)
			return true;
	return config->listeners.count == 0 && service == SERVICE_HTTP;
}

bool listeners_include_https(const struct config *config)
{
	const struct listener_type *https = listener_type_find("https");
	for (size_t i = 0; i < config->listeners.count; i++)
		if (config->listeners.items[i].type == https)
			return true;
	return false;
}

bool listeners_have_forwarders(const struct config *config)
{
	for (size_t i = 0; i < config->listeners.count; i++)
		if (config->listeners.items[i].forwarders.count)
			return true;
	return false;
}

bool listeners_include_secure(const struct config *config)
{
	for (size_t i = 0; i < config->listeners.count; i++)
		if (config->listeners.items[i].type && config->listeners.items[i].type->secure)
			return true;
	return false;
}

bool listeners_include_tls(const struct config *config)
{
	for (size_t i = 0; i < config->listeners.count; i++) {
		const struct listener_type *type = config->listeners.items[i].type;
		if (type && (type->secure || type->upgrades))
			return true;
	}
	return false;
}

/* -- helpers ----------------------------------------------------------------------------------- */

void service_set_listener(const struct service_options *options, struct weir_listener *listener)
{
	const struct weir_bounds of_protocol = listener->bounds;
	struct weir_bounds *bounds = &listener->bounds;
	*listener = options->listener;
	bounds->idle_ms = or_default(bounds->idle_ms, of_protocol.idle_ms);
	bounds->replies_max = or_default(bounds->replies_max, of_protocol.replies_max);
}

const char *service_example_user(const struct weir_users *users, char text[SERVICE_USER_SIZE])
{
	struct weir_span name;
	if (!users || !weir_users_first_name(users, &name))
		name = WEIR_SPAN("USER");
	snprintf(text, SERVICE_USER_SIZE, "%.*s", (int)name.size, name.data);
	return text;
}
