/* Addresses that are written instead of a name. */
#ifndef WEIR_LITERAL_H
#define WEIR_LITERAL_H

#include <stdbool.h>

#include <weir/address.h>

/*
 * Reads an IPv4 or IPv6 address without brackets. A link-local one may have an interface after a %.
 */
bool address_literal_parse(struct weir_span text, uint16_t port, struct weir_address *ret);

#endif
