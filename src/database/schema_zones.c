/* Zones of DNS, and the keys of TSIG. */
#include "schema.h"

const struct schema_part schema_zones = {.name = "zones"};
