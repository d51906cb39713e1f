/*
 * Loads certificates. Each service has a weir_tls of its own from the same files, so that ALPN
 * refuses a client that was sent to the wrong port (the ALPACA attack).
 */
#include <time.h>

#include <weir/error.h>

#include "config_tls.h"
#include "kinds.h"
#include "say.h"
#include "sources.h"

/* A certificate should be replaced this long before it expires. */
enum {
	EXPIRES_SOON_S = 3 * 24 * 60 * 60
};

struct config_tls_report {
	void (*report)(void *context, const char *path, const char *text);
	void *context;
	bool any;
};

static void config_tls_pass_on(void *context, const char *path, const char *text)
{
	struct config_tls_report *to = context;
	to->any = true;
	to->report(to->context, path, text);
}

/* See sources_leave. */
static bool config_tls_leave(const struct config_tls *tls)
{
	for (size_t i = 0; i < tls->certificates.count; i++) {
		sources_leave(tls->certificates.items[i].chain);
		sources_leave(tls->certificates.items[i].key);
		sources_leave(tls->certificates.items[i].ocsp);
	}
	return sources_leave(tls->clients_ca);
}

int config_tls_load(struct config *config, const struct config *previous,
        void (*report)(void *context, const char *path, const char *text), void *context)
{
	struct config_tls *tls = &config->tls;
	if (config_tls_leave(tls))
		return 0;
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		if (!kinds_include(config, i))
			continue;
		struct config_tls_report to = {report, context, false};
		struct weir_tls *loaded;
		struct weir_tls_options options = {
		        .certificates = tls->certificates.items,
		        .count = tls->certificates.count,
		        .alpn = service_infos[i].alpn,
		        .clients = tls->clients,
		        .clients_ca = tls->clients_ca,
		        .tls13_only = tls->minimum == CONFIG_TLS_1_3,
		        .tickets = previous ? previous->tls.of[i] : NULL,
		};
		int error = weir_tls_server_create(&options, config_tls_pass_on, &to, &loaded);
		if (error < 0) {
			if (!to.any)
				report(context, "", weir_error_text(error));
			return error;
		}
		weir_tls_release(tls->of[i]);
		tls->of[i] = loaded;
	}
	return 0;
}

void config_tls_warn(const struct config *config)
{
	const struct weir_tls *tls = NULL;
	for (unsigned i = 0; i < SERVICE_COUNT && !tls; i++)
		tls = config->tls.of[i];
	int64_t left_s = tls ? weir_tls_expires_s(tls) - time(NULL) : EXPIRES_SOON_S;
	if (left_s < 0)
		say("a certificate has expired; clients will refuse it (openssl x509 -enddate "
		    "-in FILE tells when)");
	else if (left_s < EXPIRES_SOON_S)
		say("a certificate expires in %lld hours", (long long)(left_s / 3600));
}
