/* Helpers of all services. */
#include <stdio.h>

#include <weir/users.h>

#include "service.h"

const char *service_example_user(const struct weir_users *users, char text[SERVICE_USER_SIZE])
{
	struct weir_span name;
	if (!users || !weir_users_first_name(users, &name))
		name = WEIR_SPAN("USER");
	snprintf(text, SERVICE_USER_SIZE, "%.*s", (int)name.size, name.data);
	return text;
}

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
