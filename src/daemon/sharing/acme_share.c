/* The wrappers that hold the contract of the table, and the implementation for files. */
#include <errno.h>
#include <stdlib.h>

#include "acme_share.h"

/* -- ends -------------------------------------------------------------------------------------- */

void acme_share_end(struct acme_share *share, int error, const char *why)
{
	acme_share_fn *done = share->done;
	share->done = NULL;
	if (done)
		done(share->context, error, why);
}

void acme_share_end_zone(struct acme_share *share, const char *zone)
{
	acme_share_zone_fn *done = share->zone_done;
	share->zone_done = NULL;
	if (done)
		done(share->context, zone);
}

static void acme_share_on_ending(struct weir_task *task)
{
	struct acme_share *share = WEIR_CONTAINER(task, struct acme_share, ending);
	if (share->zone_done)
		acme_share_end_zone(share, "");
	else
		acme_share_end(share, 0, "");
}

void acme_share_end_soon(struct acme_share *share)
{
	share->ending.run = acme_share_on_ending;
	weir_loop_defer(share->loop, &share->ending);
}

/* -- operations -------------------------------------------------------------------------------- */

void acme_share_claim(struct acme_share *share, acme_share_fn *done, void *context)
{
	share->done = done;
	share->context = context;
	share->type->claim(share);
}

void acme_share_publish(struct acme_share *share, acme_share_fn *done, void *context)
{
	share->done = done;
	share->context = context;
	share->type->publish(share);
}

void acme_share_find_zone(
        struct acme_share *share, const char *name, acme_share_zone_fn *done, void *context)
{
	share->zone_done = done;
	share->context = context;
	share->type->find_zone(share, name);
}

void acme_share_cancel(struct acme_share *share)
{
	weir_loop_cancel(share->loop, &share->ending);
	share->done = NULL;
	share->zone_done = NULL;
}

void acme_share_release(struct acme_share *share)
{
	share->type->release(share);
}

void acme_share_stop(struct acme_share *share, acme_share_fn *done, void *context)
{
	acme_share_cancel(share);
	share->done = done;
	share->context = context;
	share->type->stop(share);
}

void acme_share_destroy(struct acme_share *share)
{
	if (!share)
		return;
	acme_share_cancel(share);
	share->type->destroy(share);
}

/* -- files ------------------------------------------------------------------------------------- */

static void acme_share_files_find_zone(struct acme_share *share, const char *name)
{
	(void)name;
	acme_share_end_soon(share);
}

static void acme_share_files_release(struct acme_share *share)
{
	(void)share;
}

static void acme_share_files_destroy(struct acme_share *share)
{
	free(share);
}

static const struct acme_share_type acme_share_files = {
        .claim = acme_share_end_soon,
        .publish = acme_share_end_soon,
        .find_zone = acme_share_files_find_zone,
        .release = acme_share_files_release,
        .stop = acme_share_end_soon,
        .destroy = acme_share_files_destroy,
};

int acme_share_create_files(
        struct weir_loop *loop, struct acme_store *store, struct acme_share **ret)
{
	struct acme_share *share = calloc(1, sizeof *share);
	if (!share)
		return -ENOMEM;
	share->type = &acme_share_files;
	share->loop = loop;
	share->store = store;
	*ret = share;
	return 0;
}
