/*
 * Certificates. Each service gets a weir_tls of its own from the same files: they are few, they are
 * small, and a client that was sent to the wrong port is told so by ALPN (the ALPACA attack).
 */
#include <weir/error.h>

#include "config_tls.h"
#include "kinds.h"

struct told {
	void (*report)(void *context, const char *path, const char *text);
	void *context;
	bool any;
};

static void pass_on(void *context, const char *path, const char *text)
{
	struct told *told = context;
	told->any = true;
	told->report(told->context, path, text);
}

int config_tls_load(struct config *config, const struct config *previous,
        void (*report)(void *context, const char *path, const char *text), void *context)
{
	struct config_tls *tls = &config->tls;
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		struct told told = {report, context, false};
		struct weir_tls *loaded;
		struct weir_tls_options options = {
		        .certificates = tls->certificates.items,
		        .count = tls->certificates.count,
		        .alpn = services[i]->alpn,
		        .clients = tls->clients,
		        .clients_ca = tls->clients_ca,
		        .tls13_only = tls->minimum == CONFIG_TLS_1_3,
		        .tickets = previous ? previous->tls.of[i] : NULL,
		};
		int error = weir_tls_server(&options, pass_on, &told, &loaded);
		if (error < 0) {
			if (!told.any)
				report(context, "", weir_error_text(error));
			return error;
		}
		weir_tls_release(tls->of[i]);
		tls->of[i] = loaded;
	}
	return 0;
}
