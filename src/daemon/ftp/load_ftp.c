/*
 * The options of FTP: --root, --users and --ftp-writable, each of which replaces a key of the file.
 * With --users the users of that file may read; with --ftp-writable they may write, too.
 */
#include <errno.h>
#include <string.h>

#include "config_file.h"
#include "config_ftp.h"
#include "kinds.h"
#include "load_ftp.h"
#include "load_mail.h"
#include "say.h"

static void load_ftp_say_mistake(void *context, const char *path, unsigned line, const char *text)
{
	(void)context;
	if (line)
		say("%s:%u: %s", path, line, text);
	else
		say("%s: %s", path, text);
}

/* Replaces the users file of the configuration. */
static int load_ftp_choose_users(struct config *config, const char *path)
{
	struct config_ftp *ftp = &config->ftp;
	int error = config_file_path(config, path, &ftp->users_path);
	if (error < 0)
		return error;
	weir_users_release(ftp->users);
	/* Mail may have loaded the same file already. */
	const struct config_mail *mail = &config->mail;
	bool same = mail->users && strcmp(mail->users_path, ftp->users_path) == 0;
	ftp->users = same ? weir_users_hold(mail->users) : NULL;
	return config_ftp_load(config, load_ftp_say_mistake, NULL);
}

int load_ftp(struct config *config, const struct options *options)
{
	struct config_ftp *ftp = &config->ftp;
	int error = 0;
	if (!kinds_include(config, SERVICE_FTP)) {
		if (!options->ftp_writable)
			return 0;
		say("--ftp-writable needs an address for FTP: add "
		    "--ftp ADDRESS:PORT");
		return -EINVAL;
	}
	if (options->root)
		ftp->root = config->sites.items[0].root;
	if (options->users)
		error = load_ftp_choose_users(config, options->users);
	if (error < 0)
		return error;
	ftp->writable |= options->ftp_writable;
	if (ftp->writable && !ftp->users_path && !ftp->anonymous_writes) {
		say("--ftp-writable lets users write, and there are none: add --users FILE");
		return -EINVAL;
	}
	if (config_ftp_root(config))
		return 0;
	say("FTP needs a directory: add --root DIR");
	return -EINVAL;
}
