/* A zone as a zone file, which weir_dns_zone_load and every other server can read. */
#ifndef WEIR_DNS_ZONE_WRITE_H
#define WEIR_DNS_ZONE_WRITE_H

#include <stdio.h>

#include "zone_image.h"

/* One line a record, all names absolute. Blocks. 0; -ENOMEM; -EIO: see errno of the stream. */
int dns_zone_write(const struct weir_dns_zone *zone, FILE *stream);

#endif
