/*
 * Files that values name, and that are read with the configuration: users and passwords. A mistake
 * in one is made a problem at the value that names it. A process that leaves them to another one
 * makes sure that they are there.
 */
#include <string.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/users.h>

#include "helper.h"
#include "sources.h"
#include "table.h"

static void reader_report_missing(
        struct reader *reader, const struct node *node, const char *path, int error)
{
	if (error < 0)
		reader_problem_at(reader, node, "%s: %s", path, weir_error_text(error));
}

bool reader_leaves(struct reader *reader, const struct node *node, const char *path)
{
	int error;
	bool left = sources_leave(path, &error);
	reader_report_missing(reader, node, path, error);
	return left;
}

bool reader_leaves_to_keys(struct reader *reader, const struct node *node, const char *path)
{
	int error;
	bool left = sources_leave_to_keys(path, &error);
	reader_report_missing(reader, node, path, error);
	return left;
}

/* -- users files ------------------------------------------------------------------------------- */

/* Reports mistakes in a users file, at the value that names it. */
struct reader_users_report {
	struct reader *reader;
	const struct node *node;
	const char *path;
	bool any;
};

static void reader_report_users_line(void *context, unsigned line, const char *text)
{
	struct reader_users_report *report = context;
	report->any = true;
	if (line)
		reader_problem_at(
		        report->reader, report->node, "%s:%u: %s", report->path, line, text);
	else
		reader_problem_at(report->reader, report->node, "%s: %s", report->path, text);
}

void reader_load_users(
        struct reader *reader, const struct node *node, const char *path, struct weir_users **ret)
{
	struct reader_users_report report = {reader, node, path, false};
	if (!path || reader_leaves(reader, node, path))
		return;
	int error = weir_users_load(path, reader_report_users_line, &report, ret);
	if (error < 0 && !report.any)
		reader_report_users_line(&report, 0, weir_error_text(error));
	if (error < 0)
		*ret = NULL;
}

/* -- passwords --------------------------------------------------------------------------------- */

const char *reader_password(struct reader *reader, const struct node *node, const char *path)
{
	char text[WEIR_PASSWORD_MAX + 2] = "";
	const char *copy = NULL;
	int error = file_read_line(path, text, sizeof text);
	if (error < 0)
		reader_problem_at(reader, node, "%s: %s", path, weir_error_text(error));
	else if (!*text || strlen(text) > WEIR_PASSWORD_MAX)
		reader_problem_at(reader, node,
		        "%s: the first line must be the password, and it is %s", path,
		        *text ? "too long" : "empty");
	else
		copy = reader_copy(reader, text, strlen(text));
	explicit_bzero(text, sizeof text);
	return copy;
}
