/*
 * The options of mail on the command line: --mail, --users and --domain, each of which replaces a
 * key of the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "config.h"
#include "options.h"
#include "say.h"
#include "service.h"
#include "service_mail.h"

static bool load_mail_is_given(const struct options *options)
{
	return options->mail || options->users || options->domain_count;
}

static bool load_mail_serves(const struct config *config)
{
	return listeners_include(config, SERVICE_SMTP) || listeners_include(config, SERVICE_POP3);
}

static int load_mail_choose_domains(struct config *config, const struct options *options)
{
	size_t count = options->domain_count;
	if (count == 0)
		return 0;
	const char **items = config_alloc(config, (count + 1) * sizeof *items);
	if (!items) {
		say("out of memory");
		return -ENOMEM;
	}
	memcpy(items, options->domains, count * sizeof *items);
	config->mail.domains.items = items;
	config->mail.domains.count = count;
	return 0;
}

static void load_mail_report(void *context, const char *path, unsigned line, const char *text)
{
	(void)context;
	if (line)
		say("%s:%u: %s", path, line, text);
	else
		say("%s%s%s", path, *path ? ": " : "", text);
}

int load_mail(struct config *config, const struct options *options)
{
	struct config_mail *mail = &config->mail;
	const char *key;
	int error = 0;
	if (!load_mail_is_given(options) || !load_mail_serves(config))
		return 0;
	if (options->mail)
		error = config_absolute_path(config, options->mail, &mail->directory);
	if (error == 0 && options->users)
		error = config_absolute_path(config, options->users, &mail->users_path);
	if (error == 0)
		error = load_mail_choose_domains(config, options);
	if (error < 0)
		return error;
	const char *mistake = config_mail_mistake(mail, &key);
	if (mistake) {
		say("%s: %s", key, mistake);
		return -EINVAL;
	}
	return config_mail_load(config, load_mail_report, NULL);
}

int load_mail_check(
        struct config *config, const struct options *options, const struct config *previous)
{
	bool lacks = false;
	for (size_t i = 0; i < config->listeners.count; i++) {
		const struct config_listener *listener = &config->listeners.items[i];
		const char *lack = config_mail_lack(config, listener);
		if (lack)
			say("%s %s", listener->type->name, lack);
		lacks |= lack != NULL;
	}
	if (lacks)
		return -EINVAL;
	if (!load_mail_serves(config)) {
		bool used = listeners_include(config, SERVICE_FTP) && !options->mail &&
		            !options->domain_count;
		if (!load_mail_is_given(options) || used)
			return 0;
		say("--mail, --users and --domain need an address for mail: add "
		    "--smtp ADDRESS:PORT or --pop3 ADDRESS:PORT");
		return -EINVAL;
	}
	if (previous && config_mail_same_shared(&previous->mail, &config->mail))
		mail_shared_use(config, previous);
	return 0;
}
