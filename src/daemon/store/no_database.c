/*
 * In place of the layers postgres and database, in a build without libpq: a configuration with
 * `store` is refused, so nothing that would use a database is called.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/postgres.h>

#include "helper.h"

void weir_postgres_options_init(struct weir_postgres_options *options)
{
	*options = (struct weir_postgres_options){0};
}

int weir_postgres_list_needs(const struct weir_postgres_options *options,
        weir_postgres_need_fn *need, void *context, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	(void)options, (void)need, (void)context;
	text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, "this program was built without PostgreSQL");
	return -ENOSYS;
}

void weir_postgres_call_options_init(struct weir_postgres_call_options *options)
{
	*options = (struct weir_postgres_call_options){0};
}

int weir_postgres_call_start(struct weir_postgres *postgres,
        const struct weir_postgres_call_options *options, const struct weir_postgres_events *events,
        void *context, struct weir_postgres_call **ret)
{
	(void)postgres, (void)options, (void)events, (void)context, (void)ret;
	return -ENOSYS;
}

const char *weir_postgres_failure(const struct weir_postgres *postgres)
{
	(void)postgres;
	return NULL;
}

struct weir_span weir_postgres_row_value(const struct weir_postgres_row *row, unsigned column)
{
	(void)row, (void)column;
	return weir_span(NULL, 0);
}

#define NEVER_CALLED(name)                                                                         \
	void name(void);                                                                           \
	void name(void)                                                                            \
	{                                                                                          \
		abort();                                                                           \
	}

/* Functions that allow NULL. */
#define CALLED_WITH_NULL(name)                                                                     \
	void name(void);                                                                           \
	void name(void)                                                                            \
	{                                                                                          \
	}

CALLED_WITH_NULL(weir_database_guard_destroy)
CALLED_WITH_NULL(weir_database_release)
CALLED_WITH_NULL(weir_database_secrets_destroy)
CALLED_WITH_NULL(weir_database_snapshot_destroy)
CALLED_WITH_NULL(weir_database_watch_destroy)
NEVER_CALLED(weir_database_acme_claim)
NEVER_CALLED(weir_database_acme_content)
NEVER_CALLED(weir_database_acme_load)
NEVER_CALLED(weir_database_acme_release)
NEVER_CALLED(weir_database_acme_store)
NEVER_CALLED(weir_database_acme_zone)
NEVER_CALLED(weir_database_call_cancel)
NEVER_CALLED(weir_database_certificate_key)
NEVER_CALLED(weir_database_certificate_put)
NEVER_CALLED(weir_database_certificate_remove)
NEVER_CALLED(weir_database_certificates_list)
NEVER_CALLED(weir_database_check)
NEVER_CALLED(weir_database_copies_clean)
NEVER_CALLED(weir_database_copies_sweep)
NEVER_CALLED(weir_database_copy_read)
NEVER_CALLED(weir_database_copy_ignored)
NEVER_CALLED(weir_database_copy_text)
NEVER_CALLED(weir_database_copy_write)
NEVER_CALLED(weir_database_copy_written)
NEVER_CALLED(weir_database_create)
NEVER_CALLED(weir_database_erase)
NEVER_CALLED(weir_database_export_mail)
NEVER_CALLED(weir_database_export_queue)
NEVER_CALLED(weir_database_guard_clear)
NEVER_CALLED(weir_database_guard_create)
NEVER_CALLED(weir_database_import_mail)
NEVER_CALLED(weir_database_import_queue)
NEVER_CALLED(weir_database_import_users)
NEVER_CALLED(weir_database_is_sealed)
NEVER_CALLED(weir_database_leave)
NEVER_CALLED(weir_database_look)
NEVER_CALLED(weir_database_mail_create)
NEVER_CALLED(weir_database_mailbox_remove)
NEVER_CALLED(weir_database_mailboxes_list)
NEVER_CALLED(weir_database_migrate)
NEVER_CALLED(weir_database_pool)
NEVER_CALLED(weir_database_queue_open)
NEVER_CALLED(weir_database_queue_options_init)
NEVER_CALLED(weir_database_repair)
NEVER_CALLED(weir_database_secrets_create)
NEVER_CALLED(weir_database_secrets_info)
NEVER_CALLED(weir_database_secrets_options_init)
NEVER_CALLED(weir_database_seal_by)
NEVER_CALLED(weir_database_set_seal)
NEVER_CALLED(weir_database_set_sealer)
NEVER_CALLED(weir_database_snapshot_create)
NEVER_CALLED(weir_database_snapshot_info)
NEVER_CALLED(weir_database_snapshot_options_init)
NEVER_CALLED(weir_database_snapshot_poll)
NEVER_CALLED(weir_database_statement)
NEVER_CALLED(weir_database_tsig_list)
NEVER_CALLED(weir_database_tsig_put)
NEVER_CALLED(weir_database_tsig_remove)
NEVER_CALLED(weir_database_tsig_secret)
NEVER_CALLED(weir_database_unseal_by)
NEVER_CALLED(weir_database_user_change)
NEVER_CALLED(weir_database_user_find)
NEVER_CALLED(weir_database_users_format)
NEVER_CALLED(weir_database_users_select)
NEVER_CALLED(weir_database_users_split)
NEVER_CALLED(weir_database_watch_create)
NEVER_CALLED(weir_database_watch_looks)
NEVER_CALLED(weir_database_zone_put)
NEVER_CALLED(weir_database_zone_read)
NEVER_CALLED(weir_database_zone_remove)
NEVER_CALLED(weir_database_zones_list)
