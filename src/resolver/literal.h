/* Addresses that are written where a name may stand. */
#ifndef WEIR_LITERAL_H
#define WEIR_LITERAL_H

#include <stdbool.h>

#include <weir/address.h>

/* An IPv4 or IPv6 address, without brackets; a link-local one may have its interface behind a %. */
bool address_literal_parse(struct weir_span text, uint16_t port, struct weir_address *ret);

#endif
