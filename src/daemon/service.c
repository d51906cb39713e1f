/* What the servers of all services tell in the same way. */
#include "service.h"

void service_accept_failed(void *options, int error)
{
	const struct service_options *given = options;
	given->accept_failed(given->context, error);
}

void service_tls_failed(void *options, const struct weir_address *peer, const char *why)
{
	const struct service_options *given = options;
	given->tls_failed(given->context, peer, why);
}
