/* The key that encrypts secrets; see weir/database_secrets.h. */
#ifndef DATABASE_SEAL_H
#define DATABASE_SEAL_H

struct weir_database;

/* The key, of WEIR_DATABASE_SEAL_SIZE bytes; or NULL. In database.c. */
const unsigned char *database_seal_key(const struct weir_database *database);

/* The purposes of seals, beside the purposes of struct weir_database_secrets_options. */
#define SEAL_ACME "acme"
#define SEAL_CERTIFICATE "certificate"
#define SEAL_TSIG "tsig"

#endif
