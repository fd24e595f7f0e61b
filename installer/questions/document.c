/* docs/unattended.md: what frames the table of questions. */
#include "installer/questions/questions.h"

static const char before[] =
	"# Unattended installation: the answer file\n"
	"\n"
	"A file `answers.yaml` on a volume labelled `BULKHEAD_ANS`, in any file system the live system can read whose labels "
	"may\n"
	"have twelve characters (ext4, ISO 9660, not FAT):\n"
	"\n"
	"    mke2fs -t ext4 -L BULKHEAD_ANS -d FOLDER-WITH-ANSWERS /dev/sdX\n"
	"\n"
	"    unattended: yes\n"
	"    disk: {serial: S6Z1NX0R01}\n"
	"    passphrase: \"correct horse battery staple\"\n"
	"    user: {name: alice, password: \"...\"}\n"
	"\n"
	"`disk.serial` below is `serial` in the map `disk`. The same questions make the dialogue: a given answer skips its\n"
	"question, a wrong one stops with file and line, a missing one is asked, or is an error with `unattended: yes`.\n"
	"\n"
	"| key | value | |\n"
	"|---|---|---|\n";

static const char after[] =
	"\n"
	"An unknown or repeated key, a wrong type or an impossible value stops the installation before anything is written.\n"
	"`bulkhead-installer plan --answers FILE` shows what an answer file would do.\n"
	"\n"
	"The file holds secrets in clear: destroy the volume afterwards. The installer keeps them in locked memory, wipes them,\n"
	"and never prints or logs them. The installed machine keeps its answers, without the secrets, in\n"
	"`/var/log/bulkhead/answers.yaml`.\n"
	"\n"
	"This page is made from the installer's table of questions (`bulkhead-installer questions`).\n";

void questions_document(struct strbuf *out)
{
	strbuf_add_str(out, before);
	for (const struct question *q = questions(); q->key; q++)
		strbuf_printf(out, "| `%s`%s | %s | %s |\n", q->key, q->needed && !q->optional ? " \\*" : "", q->value, q->explain);
	strbuf_add_str(out, "\n\\* needed: `disk` always in one of its three forms, `erase` with a rule, `passphrase` unless "
			    "`no-encryption` is given, `recovery-key` with `recovery: yes`.\n");
	strbuf_add_str(out, after);
}
