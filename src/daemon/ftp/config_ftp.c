/* The users and the root of FTP. */
#include <weir/error.h>

#include "config_ftp.h"
#include "kinds.h"
#include "say.h"
#include "sources.h"

const char *config_ftp_root(const struct config *config)
{
	if (config->ftp.root)
		return config->ftp.root;
	return config->sites.count ? config->sites.items[0].root : NULL;
}

void config_ftp_warn(const struct config *config)
{
	const struct config_ftp *ftp = &config->ftp;
	unsigned ports = ftp->passive.last - ftp->passive.first + 1U;
	uint64_t sessions = ftp->sessions_per_address;
	if (ftp->passive.first && kinds_include(config, SERVICE_FTP) && ports < sessions)
		say("'passive-ports' has %u port%s, and 'sessions-per-address' lets one address use "
		    "%llu at a time: name more ports, or allow fewer sessions",
		        ports, ports == 1 ? "" : "s", (unsigned long long)sessions);
}

struct config_ftp_report {
	void (*report)(void *context, const char *path, unsigned line, const char *text);
	void *context;
	const char *path;
	bool any;
};

static void config_ftp_tell(void *context, unsigned line, const char *text)
{
	struct config_ftp_report *report = context;
	report->any = true;
	report->report(report->context, report->path, line, text);
}

int config_ftp_load(struct config *config,
        void (*report)(void *context, const char *path, unsigned line, const char *text),
        void *context)
{
	struct config_ftp *ftp = &config->ftp;
	struct config_ftp_report to = {report, context, ftp->users_path, false};
	if (!ftp->users_path || ftp->users || sources_leave(ftp->users_path))
		return 0;
	int error = weir_users_load(ftp->users_path, config_ftp_tell, &to, &ftp->users);
	if (error < 0 && !to.any)
		config_ftp_tell(&to, 0, weir_error_text(error));
	return error;
}
