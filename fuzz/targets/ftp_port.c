/* PORT and EPRT: what is understood is written and understood again, the same. */
#include <stdio.h>
#include <stdlib.h>

#include "data_connection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_eprt(const struct weir_address *address)
{
	char host[WEIR_ADDRESS_TEXT_MAX], text[2 * WEIR_ADDRESS_TEXT_MAX];
	struct weir_address back;
	/* A mapped address is written as what it is, and would be another kind. */
	struct weir_address plain = ftp_unmapped(address);
	if (!ftp_same_host(address, &plain))
		abort();
	weir_address_host(&plain, host);
	snprintf(text, sizeof text, "|%d|%s|%u|", plain.any.sa_family == AF_INET ? 1 : 2, host,
	        weir_address_port(&plain));
	if (ftp_eprt_parse(weir_span_of(text), &back) != 0 || !ftp_same_host(&plain, &back) ||
	        weir_address_port(&plain) != weir_address_port(&back))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[WEIR_FTP_PORT_TEXT_MAX];
	struct weir_address address, back;
	if (ftp_port_parse(weir_span(data, size), &address) == 0) {
		ftp_port_format(&address, text);
		if (ftp_port_parse(weir_span_of(text), &back) != 0 ||
		        memcmp(&address, &back, sizeof back) != 0)
			abort();
	}
	if (ftp_eprt_parse(weir_span(data, size), &address) == 0)
		check_eprt(&address);
	return 0;
}
