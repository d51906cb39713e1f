/* The list of all services. No service needs it: only those that run them do. */
#include <stddef.h>

#include <weir/tls.h>

#include "service.h"
#include "service_dns.h"
#include "service_ftp.h"
#include "service_http.h"
#include "service_mail.h"

const struct service_type *const services[SERVICE_COUNT] = {
        [SERVICE_HTTP] = &service_http,
        [SERVICE_SMTP] = &service_smtp,
        [SERVICE_POP3] = &service_pop3,
        [SERVICE_FTP] = &service_ftp,
        [SERVICE_DNS] = &service_dns,
};

int service_states_load(struct config *config, struct budget budget, struct service_states *ret)
{
	struct service_states states = {0};
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		if (!listeners_include(config, i))
			continue;
		int error = services[i]->load(config, budget, &states.of[i]);
		if (error < 0) {
			service_states_unload(&states);
			return error;
		}
		if (config->tls.of[i])
			states.tls[i] = weir_tls_hold(config->tls.of[i]);
	}
	*ret = states;
	return 0;
}

void service_states_unload(struct service_states *states)
{
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		if (states->of[i])
			services[i]->unload(states->of[i]);
		weir_tls_release(states->tls[i]);
	}
	*states = (struct service_states){0};
}
