/*
 * Asks for a password. Invariants: the terminal echoes again when this returns, and also when a
 * signal ends the process; the password is in no other memory than the caller's.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "passwd_ask.h"
#include "say.h"

enum line {
	LINE_READ,
	LINE_NONE,  /* the input ended, or failed */
	LINE_LONG,  /* longer than a password may be */
	LINE_SIGNAL /* interrupted */
};

static volatile sig_atomic_t caught;

static void passwd_ask_catch(int signal)
{
	caught = signal;
}

/*
 * Reads byte by byte, since the input behind the line may be for another program. `mask` lets
 * signals in while this waits, and only then, so that none is missed.
 */
static enum line passwd_ask_read_line(const sigset_t *mask, char ret[WEIR_PASSWORD_MAX + 1])
{
	size_t size = 0;
	bool longer = false, carriage_return = false;
	for (;;) {
		char c;
		struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
		if (mask && ppoll(&input, 1, NULL, mask) < 0 && caught)
			return LINE_SIGNAL;
		ssize_t got = read(STDIN_FILENO, &c, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || (got == 0 && !size))
			return LINE_NONE;
		if (got == 0 || c == '\n')
			break;
		/* A CR before the LF belongs to the line end. */
		bool held = carriage_return;
		carriage_return = c == '\r';
		longer |= size + held + !carriage_return > WEIR_PASSWORD_MAX;
		if (held && !longer)
			ret[size++] = '\r';
		if (!carriage_return && !longer)
			ret[size++] = c;
	}
	ret[size] = 0;
	return longer ? LINE_LONG : strlen(ret) == size ? LINE_READ : LINE_NONE;
}

static enum line passwd_ask_read_hidden(
        const char *prompt, const char *user, char ret[WEIR_PASSWORD_MAX + 1])
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	enum {
		SIGNALS = sizeof signals / sizeof signals[0]
	};
	struct sigaction action = {.sa_handler = passwd_ask_catch}, before[SIGNALS];
	struct termios shown, hidden;
	sigset_t all, mask;
	if (tcgetattr(STDIN_FILENO, &shown) < 0)
		return LINE_NONE;
	caught = 0;
	sigemptyset(&all);
	for (int i = 0; i < SIGNALS; i++)
		sigaddset(&all, signals[i]);
	sigprocmask(SIG_BLOCK, &all, &mask);
	for (int i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &action, &before[i]);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	fprintf(stderr, prompt, user);
	enum line line = passwd_ask_read_line(&mask, ret);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	fputc('\n', stderr);
	for (int i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &before[i], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (caught)
		raise(caught);
	return line;
}

static bool passwd_ask_usable(enum line line, const char *password)
{
	if (line == LINE_LONG)
		say("a password has %d bytes at most", WEIR_PASSWORD_MAX);
	else if (line != LINE_READ)
		say("no password was given");
	else if (!*password)
		say("an empty password lets everybody in; to remove a user: --delete");
	if (line != LINE_READ || !*password)
		return false;
	for (const char *c = password; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			say("the password contains a control character");
			return false;
		}
	return true;
}

bool passwd_ask(const char *user, char ret_password[WEIR_PASSWORD_MAX + 1])
{
	char again[WEIR_PASSWORD_MAX + 1];
	if (!isatty(STDIN_FILENO))
		return passwd_ask_usable(passwd_ask_read_line(NULL, ret_password), ret_password);
	if (!passwd_ask_usable(passwd_ask_read_hidden("New password of %s: ", user, ret_password),
	            ret_password))
		return false;
	enum line line = passwd_ask_read_hidden("The same again: ", user, again);
	bool same = line == LINE_READ && strcmp(again, ret_password) == 0;
	explicit_bzero(again, sizeof again);
	if (!same)
		say("the passwords differ; nothing was changed");
	return same;
}
