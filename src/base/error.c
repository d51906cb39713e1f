/* The texts of our own codes (those of the system come from strerror), and the version. */
#include <string.h>

#include <weir/error.h>
#include <weir/version.h>

static const char *error_text_of_http(int error)
{
	static const char *const texts[] = {
	        "malformed status line",
	        "a line of the head does not end in CRLF, or contains NUL",
	        "a field is continued on a second line",
	        "malformed field",
	        "the head is too large",
	        "malformed or misplaced Content-Length",
	        "more than one Content-Length",
	        "both Content-Length and Transfer-Encoding",
	        "unknown or misplaced Transfer-Encoding",
	        "malformed chunk",
	        "malformed trailer field",
	        "unexpected interim reply",
	        "the connection ended before the reply did",
	        "bytes that belong to no reply",
	        "the body is larger than allowed",
	        "malformed or misplaced record of FastCGI",
	        "the application refuses the request",
	        "the application is overloaded",
	};
	size_t index = (size_t)(WEIR_E_HTTP_STATUS - error);
	return index < sizeof texts / sizeof *texts ? texts[index] : NULL;
}

const char *weir_error_text(int error)
{
	switch (error) {
	case 0:
		return "no error";
	case WEIR_E_LIMIT:
		return "a limit was reached";
	case WEIR_E_SYNTAX:
		return "malformed input";
	case WEIR_E_CLOSED:
		return "already closed";
	case WEIR_E_TLS:
		return "TLS failed";
	case WEIR_E_DATABASE:
		return "the database has refused a statement";
	}
	const char *text = error_text_of_http(error);
	if (!text)
		text = strerrordesc_np(-error);
	return text ? text : "unknown error";
}

const char *weir_version(void)
{
	return WEIR_VERSION;
}
