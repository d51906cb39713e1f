/* The verbs of FTP and their functions. */
#ifndef WEIR_FTP_VERBS_H
#define WEIR_FTP_VERBS_H

#include "session.h"

/* Carries out a line. The reply comes now or in a later turn. */
void ftp_verb_run(struct ftp_session *session, const char *line);

/* Whether a line is answered during a transfer. */
bool ftp_verb_during(const struct ftp_session *session, const char *line);

/* Replies to HELP: all verbs, or the usage of one. */
void ftp_verb_help(struct ftp_session *session, const char *verb);

/* -- the functions; the argument is "" if there is none -------------------------------------- */

#define FTP_VERB(name) void ftp_##name(struct ftp_session *session, const char *argument)

/* verb_access.c */
FTP_VERB(user);
FTP_VERB(pass);
FTP_VERB(acct);
FTP_VERB(rein);
FTP_VERB(quit);
FTP_VERB(auth);
FTP_VERB(pbsz);
FTP_VERB(prot);
FTP_VERB(ccc);
FTP_VERB(port);
FTP_VERB(eprt);
FTP_VERB(pasv);
FTP_VERB(epsv);
/* verb_parameter.c */
FTP_VERB(type);
FTP_VERB(stru);
FTP_VERB(mode);
FTP_VERB(rest);
FTP_VERB(allo);
/* verb_change.c */
FTP_VERB(cwd);
FTP_VERB(cdup);
FTP_VERB(pwd);
FTP_VERB(mkd);
FTP_VERB(rmd);
FTP_VERB(dele);
FTP_VERB(rnfr);
FTP_VERB(rnto);
FTP_VERB(mfmt);
FTP_VERB(site);
FTP_VERB(size);
FTP_VERB(mdtm);
FTP_VERB(mlst);
FTP_VERB(feat);
FTP_VERB(opts);
FTP_VERB(lang);
FTP_VERB(clnt);
FTP_VERB(host);
FTP_VERB(help);
FTP_VERB(syst);
FTP_VERB(noop);
FTP_VERB(smnt);
/* verb_transfer.c */
FTP_VERB(retr);
FTP_VERB(stor);
FTP_VERB(stou);
FTP_VERB(appe);
FTP_VERB(abor);
/* verb_list.c */
FTP_VERB(list_all);
FTP_VERB(nlst);
FTP_VERB(mlsd);
FTP_VERB(stat);

#undef FTP_VERB

#endif
