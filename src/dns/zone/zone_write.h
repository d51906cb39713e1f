/* Writes a zone as a zone file, which weir_dns_zone_load and other servers can read. */
#ifndef WEIR_DNS_ZONE_WRITE_H
#define WEIR_DNS_ZONE_WRITE_H

#include <stdio.h>

#include "zone_image.h"

/*
 * One line for each record, with absolute names. Blocks. Returns 0, -ENOMEM, or -EIO: see errno of
 * the stream.
 */
int dns_zone_write(const struct weir_dns_zone *zone, FILE *stream);

#endif
