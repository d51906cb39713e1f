/*
 * Opens the directory of the mailboxes as the user that the daemon will become, so that missing
 * rights are found before any mail is accepted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/mail_store.h>
#include <weir/peers.h>

#include "config_mail.h"
#include "mail_host.h"
#include "say.h"

static int mail_host_open_store(const struct config *config, struct mail_host *host)
{
	const struct config_mail *mail = &config->mail;
	struct weir_mail_store_options options;
	weir_mail_store_options_init(&options);
	options.message_max = config_mail_stored_max(mail);
	options.mailbox_max = mail->limits.mailbox_size;
	options.messages_max = mail->limits.mailbox_messages;
	int error = resources_make_directory(config, mail->directory);
	if (error == 0 && (error = resources_lend(config->user)) == 0) {
		if (faccessat(AT_FDCWD, mail->directory, R_OK | W_OK | X_OK, AT_EACCESS) < 0)
			error = -errno;
		else
			error = weir_maildir_create(mail->directory, &options, &host->store);
		resources_return();
	}
	if (error < 0)
		say("cannot keep mail in %s: %s", mail->directory, weir_error_text(error));
	return error;
}

static int mail_host_create(const struct config *config, struct mail_host **ret)
{
	struct mail_host *host = calloc(1, sizeof *host);
	if (!host)
		return -ENOMEM;
	atomic_init(&host->holds, 1);
	int error = weir_peers_create((unsigned)config->mail.limits.connections, 0, &host->peers);
	if (error == 0)
		error = mail_host_open_store(config, host);
	if (error < 0)
		mail_host_release(host);
	else
		*ret = host;
	return error;
}

static void release_host(struct config *config)
{
	mail_host_release(config->mail.host);
}

int mail_host_load(struct config *config, struct shares shares, void **ret_content)
{
	(void)shares;
	int error = config->mail.host ? 0 : mail_host_create(config, &config->mail.host);
	config_on_release(config, release_host);
	if (error == 0)
		*ret_content = config_hold(config);
	return error;
}

void mail_host_unload(void *content)
{
	config_release(content);
}

void mail_host_share(struct config *config, const struct config *from)
{
	struct mail_host *own = config->mail.host;
	config->mail.host = from->mail.host ? mail_host_hold(from->mail.host) : NULL;
	mail_host_release(own);
	config_on_release(config, release_host);
}

struct mail_host *mail_host_hold(struct mail_host *host)
{
	atomic_fetch_add(&host->holds, 1);
	return host;
}

void mail_host_release(struct mail_host *host)
{
	if (!host || atomic_fetch_sub(&host->holds, 1) != 1)
		return;
	weir_mail_store_destroy(host->store);
	weir_peers_release(host->peers);
	free(host);
}
