#include "builder/root/direct/staged.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/root/direct/stage.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

/* Files of the control folder may be absent. */
static int read_texts(struct staged *s)
{
	const struct {
		const char *path;
		struct strbuf *to;
		bool optional;
	} texts[] = {{"names", &s->names, false},
		     {"folders", &s->folders, false},
		     {"control/control", &s->control, false},
		     {"control/conffiles", &s->conffiles, true},
		     {"control/triggers", &s->triggers, true}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int r = read_file(s->fd, texts[i].path, STAGE_TEXT_MAX, texts[i].to);

		if (r < 0 && !(r == -ENOENT && texts[i].optional))
			return r;
	}
	return 0;
}

static int read_control(struct staged *s, struct error *err)
{
	struct deb822 d = {.rest = strbuf_blob(&s->control)};
	struct blob name, arch;

	if (deb822_next(&d, &s->stanza) != 1)
		return error_set(err, -EBADMSG, s->label, NULL, "its control file is wrong: %s",
				 d.error ? d.error : "it is empty");
	name = deb822_get(&s->stanza, "Package");
	arch = deb822_get(&s->stanza, "Architecture");
	if (!name.n || !arch.n || memchr(name.p, '/', name.n) || memchr(arch.p, '/', arch.n))
		return error_set(err, -EBADMSG, s->label, NULL,
				 "its control file is wrong: no good name");
	s->name = blob_dup(name);
	s->info = blob_eq_str(deb822_get(&s->stanza, "Multi-Arch"), "same")
			  ? xasprintf("%.*s:%.*s", BLOB_ARG(name), BLOB_ARG(arch))
			  : xstrdup(s->name);
	return 0;
}

int staged_read(int stage, size_t place, const char *label, struct staged *s, struct error *err)
{
	char folder[24];
	int r;

	*s = (struct staged){.place = place, .label = label};
	snprintf(folder, sizeof(folder), "%zu", place);
	s->fd = openat(stage, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = s->fd < 0 ? -errno : read_texts(s);
	if (r < 0)
		return error_errno(err, r, label, "cannot read what was unpacked of it");
	/* What is wrong with conffiles is for who decides how the package is unpacked (judge.c). */
	stage_conffiles(strbuf_blob(&s->conffiles), &s->staged);
	return read_control(s, err);
}

void staged_free(struct staged *s)
{
	if (s->fd >= 0)
		close(s->fd);
	strbuf_free(&s->control);
	strbuf_free(&s->names);
	strbuf_free(&s->conffiles);
	strbuf_free(&s->folders);
	strbuf_free(&s->triggers);
	strmap_free(&s->staged);
	free(s->name);
	free(s->info);
}

bool staged_has(const struct staged *s, const char *control_file)
{
	_cleanup_free_ char *path = xasprintf("control/%s", control_file);

	return faccessat(s->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
