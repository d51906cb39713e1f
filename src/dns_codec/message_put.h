/* Writing inside of this layer: the parts of a record. */
#ifndef WEIR_DNS_MESSAGE_PUT_H
#define WEIR_DNS_MESSAGE_PUT_H

#include <weir/dns_message.h>

/* Puts the length and the rdata. Returns false without room; the caller must cut what was put. */
bool dns_put_rdata(struct weir_dns_writer *writer, uint16_t type, struct weir_span data);

#endif
