/* FTP's users, and which directory it serves. */
#include <weir/error.h>

#include "config_ftp.h"

void config_ftp_default(struct config_ftp *ftp)
{
	*ftp = (struct config_ftp){.anonymous = true};
}

const char *config_ftp_root(const struct config *config)
{
	if (config->ftp.root)
		return config->ftp.root;
	return config->sites.count ? config->sites.items[0].root : NULL;
}

struct report {
	void (*report)(void *context, const char *path, unsigned line, const char *text);
	void *context;
	const char *path;
	bool told;
};

static void tell(void *context, unsigned line, const char *text)
{
	struct report *report = context;
	report->told = true;
	report->report(report->context, report->path, line, text);
}

int config_ftp_load(struct config *config,
        void (*report)(void *context, const char *path, unsigned line, const char *text),
        void *context)
{
	struct config_ftp *ftp = &config->ftp;
	struct report to = {report, context, ftp->users_path, false};
	if (!ftp->users_path || ftp->users)
		return 0;
	int error = weir_users_load(ftp->users_path, tell, &to, &ftp->users);
	if (error < 0 && !to.told)
		tell(&to, 0, weir_error_text(error));
	return error;
}
