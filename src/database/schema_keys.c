/* Certificates, and the secrets that front ends share. */
#include "schema.h"

const struct schema_part schema_keys = {.name = "keys"};
