/* Writing inside this layer: the parts of a record. */
#ifndef WEIR_DNS_MESSAGE_PUT_H
#define WEIR_DNS_MESSAGE_PUT_H

#include <weir/dns_message.h>

/* The length and the rdata behind it. False: it does not fit; what was put is for the caller to cut. */
bool dns_put_rdata(struct weir_dns_writer *writer, uint16_t type, struct weir_span data);

#endif
