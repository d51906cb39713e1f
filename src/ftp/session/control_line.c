/*
 * Lines of the control connection (RFC 959 5.3) are those of telnet (RFC 854). A byte 255, IAC,
 * begins a telnet command; two of them are one byte of text. Options are refused, as RFC 1123
 * 4.1.2.12 asks. Interrupt and synch, which may precede ABOR, are ignored.
 *
 * Leaves out where a line ends, and the verbs.
 */
#include <weir/error.h>

#include "control_line.h"

enum telnet {
	TELNET_SE = 240,
	TELNET_SB = 250,
	TELNET_WILL = 251,
	TELNET_WONT = 252,
	TELNET_DO = 253,
	TELNET_DONT = 254,
	TELNET_IAC = 255
};

static void ftp_control_line_refuse(
        struct ftp_telnet_answer *answer, unsigned char verb, unsigned char option)
{
	unsigned char refusal = verb == TELNET_WILL ? TELNET_DONT : TELNET_WONT;
	if (verb != TELNET_WILL && verb != TELNET_DO)
		return;
	if (answer->size + 3 > sizeof answer->bytes)
		return;
	answer->bytes[answer->size++] = TELNET_IAC;
	answer->bytes[answer->size++] = refusal;
	answer->bytes[answer->size++] = option;
}

/* Returns the size of a subnegotiation after IAC SB, including IAC SE. */
static size_t ftp_control_line_subnegotiation(const unsigned char *at, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++)
		if (at[i] == TELNET_IAC && at[i + 1] == TELNET_SE)
			return i + 2;
	return size;
}

/*
 * Returns the size of a telnet command, which begins with IAC. Returns 0 for a byte 255 of text,
 * from a client without telnet.
 */
static size_t ftp_control_line_telnet_command(
        const unsigned char *at, size_t size, struct ftp_telnet_answer *answer)
{
	if (size < 2)
		return size;
	if (at[1] < TELNET_SE || at[1] == TELNET_IAC)
		return 0;
	if (at[1] == TELNET_SB)
		return 2 + ftp_control_line_subnegotiation(at + 2, size - 2);
	if (at[1] < TELNET_WILL)
		return 2;
	if (size < 3)
		return size;
	ftp_control_line_refuse(answer, at[1], at[2]);
	return 3;
}

ssize_t ftp_telnet_strip(struct weir_span line, char *to, struct ftp_telnet_answer *answer)
{
	const unsigned char *bytes = (const unsigned char *)line.data;
	size_t put = 0;
	answer->size = 0;
	for (size_t i = 0; i < line.size; i++) {
		if (bytes[i] == TELNET_IAC) {
			size_t skip =
			        ftp_control_line_telnet_command(bytes + i, line.size - i, answer);
			if (skip) {
				i += skip - 1;
				continue;
			}
			if (bytes[i + 1] == TELNET_IAC)
				i++;
		}
		if (bytes[i] == 0 && i && bytes[i - 1] == '\r')
			continue;
		if (bytes[i] == 0)
			return WEIR_E_SYNTAX;
		to[put++] = (char)bytes[i];
	}
	if (put && to[put - 1] == '\r' && line.data[line.size - 1] == '\r')
		put--;
	/*
	 * Interrupt and synch may come as urgent bytes without IAC. No verb begins with such a
	 * byte.
	 */
	size_t begin = 0;
	while (begin < put && (unsigned char)to[begin] >= TELNET_SE)
		begin++;
	put -= begin;
	memmove(to, to + begin, put);
	to[put] = 0;
	return (ssize_t)put;
}

struct ftp_command ftp_command_parse(const char *line)
{
	struct ftp_command command = {.verb = ""};
	size_t size = strcspn(line, " ");
	command.argument = line[size] ? line + size + 1 : line + size;
	if (size >= sizeof command.verb)
		return command;
	for (size_t i = 0; i < size; i++) {
		bool small = line[i] >= 'a' && line[i] <= 'z';
		command.verb[i] = (char)(small ? line[i] - 'a' + 'A' : line[i]);
	}
	return command;
}
