/* The table of services, and their contents on one worker. */
#include "kinds.h"
#include "service_dns.h"
#include "service_ftp.h"
#include "service_http.h"
#include "service_mail.h"
#include "services.h"

const struct service_type *const services[SERVICE_COUNT] = {
        [SERVICE_HTTP] = &service_http,
        [SERVICE_SMTP] = &service_smtp,
        [SERVICE_POP3] = &service_pop3,
        [SERVICE_FTP] = &service_ftp,
        [SERVICE_DNS] = &service_dns,
};

int contents_load(struct config *config, struct shares shares, struct contents *ret)
{
	struct contents contents = {0};
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		if (!kinds_include(config, i))
			continue;
		int error = services[i]->load(config, shares, &contents.of[i]);
		if (error < 0) {
			contents_unload(&contents);
			return error;
		}
		if (config->tls.of[i])
			contents.tls[i] = weir_tls_hold(config->tls.of[i]);
	}
	*ret = contents;
	return 0;
}

void contents_unload(struct contents *contents)
{
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		if (contents->of[i])
			services[i]->unload(contents->of[i]);
		weir_tls_release(contents->tls[i]);
	}
	*contents = (struct contents){0};
}
