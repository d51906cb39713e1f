/* The keys of `ftp`. The users are loaded here, so that `weir check` finds their mistakes, too. */
#include <weir/ftp.h>
#include <weir/limits.h>

#include "config.h"
#include "config_ftp.h"
#include "kinds.h"
#include "key_rows.h"
#include "tables.h"

static const char *const upload_words[] = {
        [WEIR_FTP_KEEP_PART] = "keep-part", [WEIR_FTP_WHOLE] = "whole", NULL};
static const char *const tls_words[] = {
        [CONFIG_FTP_TLS_OFFERED] = "offered", [CONFIG_FTP_TLS_REQUIRED] = "required", NULL};
static const char *const reuse_words[] = {
        [WEIR_FTP_REUSE_PREFER] = "prefer",
        [WEIR_FTP_REUSE_REQUIRE] = "require",
        [WEIR_FTP_REUSE_OFF] = "off",
        NULL,
};

#define KEYS_STRUCT config_ftp
static const struct key ftp_keys[] = {
#include "ftp_keys.def"
        {0},
};
#undef KEYS_STRUCT

/* -- rules ------------------------------------------------------------------------------------- */

struct ftp_report {
	struct reader *reader;
	const struct node *node;
};

static void ftp_add_problem(void *context, const char *path, unsigned line, const char *text)
{
	const struct ftp_report *report = context;
	if (line)
		reader_problem_at(report->reader, report->node, "%s:%u: %s", path, line, text);
	else
		reader_problem_at(report->reader, report->node, "%s: %s", path, text);
}

static void ftp_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_ftp *ftp = target;
	const struct node *users = node_find(node, "users");
	struct ftp_report report = {reader, users ? users : node};
	if (!ftp->anonymous && !users)
		reader_problem_at(reader, node,
		        "nobody could log in: name a file of 'users', or let 'anonymous' in");
	config_ftp_load(reader->config, ftp_add_problem, &report);
}

const struct section table_ftp = {
        .what = "ftp",
        .keys = ftp_keys,
        .size = sizeof(struct config_ftp),
        .check = ftp_check,
        .doc = "FTP, on the files that HTTP serves or on others.",
};

/* FTP serves the root of the first site if it has none of its own. */
void table_ftp_check(struct reader *reader, const struct node *top)
{
	const struct node *ftp = node_find(top, "ftp");
	if (ftp && kinds_include(reader->config, SERVICE_FTP) && !config_ftp_root(reader->config))
		reader_problem_at(reader, ftp,
		        "'ftp' has no 'root', and there is no site whose root it could serve");
}
