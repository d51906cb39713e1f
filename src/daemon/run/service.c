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
