/* The queue of mail for other hosts. */
#include "schema.h"

const struct schema_part schema_queue = {.name = "queue"};
