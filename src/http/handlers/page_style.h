/* The style of the pages that the server makes: listings and errors. */
#ifndef HTTP_PAGE_STYLE_H
#define HTTP_PAGE_STYLE_H

/* In the element `style`; it follows the system's choice of light or dark. */
#define HTTP_PAGE_STYLE                                                                            \
	"body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;"    \
	"color:#1b2a33;background:#fbfcfc}h1{font-size:1.3em;font-weight:600}"                     \
	"@media(prefers-color-scheme:dark){body{color:#dbe5e8;background:#11191d}}"

#endif
