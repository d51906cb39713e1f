/* The start of a session: the directory of the authority, and the account. */
#include <errno.h>

#include <weir/error.h>

#include "acme_session_state.h"

enum {
	DIRECTORY_MS = 60 * 60 * 1000, /* after which it is fetched again */
};

static const char *acme_start_check_directory(const struct acme_session *session)
{
	const struct acme_directory *directory = &session->directory;
	if (directory->binding_required && !session->authority->account_id)
		return "the authority wants an external account: set 'account-id' and 'account-key'";
	if (!directory->has_profile)
		return "the authority does not have the 'profile' of the configuration";
	return NULL;
}

static void acme_start_on_directory(void *context, const struct acme_reply *reply)
{
	struct acme_session *session = context;
	if (!acme_reply_is_good(reply)) {
		acme_session_end_start(session, reply);
		return;
	}
	int error =
	        acme_directory_parse(reply->body, session->authority->profile, &session->directory);
	const char *why = error == -ENOMEM ? weir_error_text(error)
	                  : error < 0      ? "the authority's directory is malformed"
	                                   : acme_start_check_directory(session);
	if (why) {
		acme_session_refuse(session, error < 0 ? error : -EINVAL, why);
		return;
	}
	session->directory_ms = weir_loop_now_ms(session->loop);
	acme_account_open(session);
}

static void acme_start_on_fresh(struct weir_task *task)
{
	acme_account_open(WEIR_CONTAINER(task, struct acme_session, fresh));
}

void acme_session_start(struct acme_session *session, acme_reply_fn *done, void *context)
{
	session->started = done;
	session->started_context = context;
	if (!*session->folder)
		acme_account_name_folder(session);
	if (session->directory_ms &&
	        weir_loop_now_ms(session->loop) - session->directory_ms < DIRECTORY_MS) {
		session->fresh.run = acme_start_on_fresh;
		weir_loop_defer(session->loop, &session->fresh);
		return;
	}
	session->directory_ms = 0;
	acme_session_get(session, session->authority->url, acme_start_on_directory, session);
}
