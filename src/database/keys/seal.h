/* The key that encrypts secrets; see weir/database_secrets.h. */
#ifndef DATABASE_SEAL_H
#define DATABASE_SEAL_H

struct weir_database;
struct weir_database_sealer;

/* The key, of WEIR_DATABASE_SEAL_SIZE bytes; or NULL. In database.c. */
const unsigned char *database_seal_key(const struct weir_database *database);

/* The functions that encrypt in place of a key; or NULL. In database.c. */
const struct weir_database_sealer *database_sealer(const struct weir_database *database);

#endif
