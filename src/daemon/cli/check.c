/*
 * `weir check`. It opens nothing for writing and does not listen, so it may run beside the daemon.
 */
#include "check.h"
#include "config_file.h"
#include "config_warn.h"
#include "confine.h"
#include "resources.h"
#include "table_print.h"
#include "tables.h"

static int check_print(const struct options *options, struct config *config)
{
	printf("# The configuration in effect: %s\n", options->config_path);
	bool good = table_print(stdout, &table_top, config);
	config_warn(config);
	resources_warn_of_root(config);
	config_release(config);
	return good && fflush(stdout) == 0 && !ferror(stdout) ? EXIT_DONE : EXIT_FAILED;
}

int check(const struct options *options)
{
	struct problems problems = {.file = options->config_path};
	struct config *config = config_file_read(&problems, NULL);
	problems_print(&problems, stderr);
	problems_free(&problems);
	if (!config)
		return EXIT_FAILED;
	if (options->effective)
		return check_print(options, config);
	size_t names = 0;
	for (size_t i = 0; i < config->sites.count; i++)
		names += config->sites.items[i].names.count;
	size_t listeners = config->listeners.count ? config->listeners.count : 1;
	printf("%s: good: %zu site%s, %zu name%s, %zu listener%s", options->config_path,
	        config->sites.count, config->sites.count == 1 ? "" : "s", names,
	        names == 1 ? "" : "s", listeners, listeners == 1 ? "" : "s");
	if (config->mail.users)
		printf(", %zu user%s of mail", weir_users_count(config->mail.users),
		        weir_users_count(config->mail.users) == 1 ? "" : "s");
	if (config->dns.zones.count)
		printf(", %zu zone%s", config->dns.zones.count,
		        config->dns.zones.count == 1 ? "" : "s");
	putchar('\n');
	confine_print(config);
	config_warn(config);
	resources_warn_of_root(config);
	config_release(config);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}
