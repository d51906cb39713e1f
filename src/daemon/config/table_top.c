/* The keys of the configuration as a whole, of `guard` and of `limits`. */
#include <weir/limits.h>
#include <weir/log.h>

#include "config.h"
#include "key_rows.h"
#include "tables.h"

/* -- limits ------------------------------------------------------------------------------------ */

#define KEYS_STRUCT config_limits
static const struct key limit_keys[] = {
#include "limit_keys.def"
        {0},
};
#undef KEYS_STRUCT
static const struct section table_limits = {
        .what = "limits",
        .keys = limit_keys,
        .size = sizeof(struct config_limits),
        .doc = "The limits of clients.",
};

/* -- guard ------------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_guard
static const struct key guard_keys[] = {
#include "guard_keys.def"
        {0},
};
#undef KEYS_STRUCT
static const struct section table_guard = {
        .what = "guard",
        .keys = guard_keys,
        .size = sizeof(struct config_guard),
        .doc = "The guard against guessing passwords, in all protocols. Answers to passwords, right "
               "or wrong, are delayed for a network that has sent wrong ones: an address of IPv4, "
               "or a /64 of IPv6. A user who has logged in from the network before is delayed only "
               "for wrong passwords under the user's own name.",
};

/* -- the whole --------------------------------------------------------------------------------- */

static const char *const log_format_words[] = {
        [WEIR_LOG_TEXT] = "text",
        [WEIR_LOG_LOGFMT] = "logfmt",
        [WEIR_LOG_JSON] = "json",
        NULL,
};

#define KEYS_STRUCT config
static const struct key top_keys[] = {
#include "top_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void top_check(struct reader *reader, struct node *node, void *target)
{
	(void)target;
	table_listen_check(reader, node);
	table_tls_check(reader, node);
	table_ftp_check(reader, node);
	table_dns_check(reader, node);
	table_http_check(reader, node);
	table_admin_check(reader, node);
}

const struct section table_top = {
        .what = "the configuration",
        .keys = top_keys,
        .size = sizeof(struct config),
        .check = top_check,
        .doc = "The keys of the file as a whole.",
};
