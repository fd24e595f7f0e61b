#include "builder/medium/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "builder/medium/iso_read.h"
#include "builder/medium/signify.h"
#include "builder/medium/sums.h"
#include "builder/medium/verity.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/ui/progress.h"

enum { TEXT_MAX = 16 << 20, PIECE = 1 << 20 };

static const char again[] = "write the stick again; if it stays, get or build the image again";
static const char list_name[] = "the medium's " SUMS_NAME;

struct verify {
	struct arena *arena;
	const char *path;
	const struct verify_options *options;
	const struct iso *iso;
	struct sums own;     /* the medium's list */
	struct sums outside; /* SHA256SUMS */
	const char *whole;   /* digest of the image in it; NULL: none */
	const char *whole_from;
	struct progress progress;
	struct verify_report *report;
};

/* -EBADMSG, with the part and its place in the image as the object. */
static int wrong_part(const struct verify *v, const struct iso_file *part, struct error *err,
		      const char *cause)
{
	_cleanup_free_ char *object =
		xasprintf("%s: %s (bytes %llu to %llu)", v->path, part->path, (unsigned long long)part->offset,
			  (unsigned long long)(part->offset + part->size));

	return error_set(err, -EBADMSG, object, again, "%s", cause);
}

static int unreadable(const struct verify *v, const char *part, uint64_t offset, int code,
		      struct error *err)
{
	_cleanup_free_ char *object = xasprintf("%s: %s", v->path, part);

	return error_set(err, code, object, again, "cannot read near byte %llu: %s", (unsigned long long)offset,
			 strerror(-code));
}

static int digest_part(struct verify *v, const struct iso_file *f, char hex[SHA256_HEX],
		       struct error *err)
{
	_cleanup_sha256_ struct sha256 *s = sha256_new();
	_cleanup_free_ char *piece = xmalloc(PIECE);

	for (uint64_t at = 0; at < f->size;) {
		size_t n = f->size - at < PIECE ? (size_t)(f->size - at) : PIECE;
		int r = iso_read(v->iso, f, piece, n, at);

		if (r < 0)
			return unreadable(v, f->path, f->offset + at, r, err);
		sha256_add(s, piece, n);
		at += n;
		progress_add(&v->progress, n);
	}
	sha256_end_hex(take_ptr(s), hex);
	return 0;
}

static int compare(struct verify *v, const struct iso_file *part, const char *got, const char *want,
		   const char *from, struct error *err)
{
	_cleanup_free_ char *cause = NULL;

	if (!strcmp(got, want))
		return 0;
	cause = xasprintf("its SHA-256 is %s, but %s says %s", got, from, want);
	return wrong_part(v, part, err, cause);
}

static int read_text(const struct verify *v, const char *path, const struct iso_file **f, char **text,
		     struct error *err)
{
	_cleanup_free_ char *object = xasprintf("%s: %s", v->path, path);
	int r;

	*f = iso_find(v->iso, path);
	if (!*f)
		return error_set(err, -EBADMSG, object, "is it a medium of Bulkhead?", "is not there");
	r = iso_read_text(v->iso, *f, TEXT_MAX, text);
	return r < 0 ? unreadable(v, path, (*f)->offset, r, err) : 0;
}

static int read_own_list(struct verify *v, struct error *err)
{
	_cleanup_free_ char *text = NULL, *where = xasprintf("%s: " MEDIUM_SUMS, v->path);
	const struct iso_file *f;
	int r = read_text(v, MEDIUM_SUMS, &f, &text, err);

	return r < 0 ? r : sums_parse(v->arena, where, (struct blob){text, (size_t)f->size}, &v->own, err);
}

struct place {
	const struct iso *iso;
	const struct iso_file *file;
};

static int read_place(void *arg, void *to, size_t n, uint64_t offset)
{
	const struct place *p = arg;

	return iso_read(p->iso, p->file, to, n, offset);
}

static void verity_progress(void *arg, uint64_t bytes)
{
	progress_add(arg, bytes);
}

static int say_fault(const struct verify *v, const struct iso_file *f, const struct verity_fault *fault, int code,
		     struct error *err)
{
	_cleanup_free_ char *object = xasprintf("%s: %s", v->path, f->path);

	return error_set(err, code, object, again, "block %llu (byte %llu of the file, %llu of the image) %s",
			 (unsigned long long)fault->block, (unsigned long long)fault->offset,
			 (unsigned long long)(f->offset + fault->offset), fault->cause);
}

/* The root hash stands in the menu, where the kernel gets it from. */
static int root_hash(const struct verify *v, unsigned char hash[SHA256_BYTES], struct error *err)
{
	static const char word[] = "bulkhead.roothash=";
	_cleanup_free_ char *text = NULL;
	const struct iso_file *menu;
	const char *at;
	int r = read_text(v, "/boot/grub/grub.cfg", &menu, &text, err);

	if (r < 0)
		return r;
	at = strstr(text, word);
	if (!at || strlen(at) < strlen(word) + SHA256_HEX - 1 ||
	    hex_decode((struct blob){at + strlen(word), SHA256_HEX - 1}, hash, SHA256_BYTES) < 0)
		return wrong_part(v, menu, err, "names no root hash");
	return 0;
}

static int check_verity(struct verify *v, struct error *err)
{
	const struct iso_file *root = iso_find(v->iso, "/live/dom0.erofs"),
			      *tree = iso_find(v->iso, "/live/dom0.verity");
	struct place places[] = {{v->iso, root}, {v->iso, tree}};
	struct verity_fault fault;
	unsigned char hash[SHA256_BYTES];
	int r;

	if (!root || !tree)
		return error_set(err, -EBADMSG, v->path, "is it a medium of Bulkhead?",
				 "%s is not there", root ? "/live/dom0.verity" : "/live/dom0.erofs");
	r = root_hash(v, hash, err);
	if (r < 0)
		return r;
	r = verity_check(&(struct verity_file){read_place, &places[0], root->size},
			 &(struct verity_file){read_place, &places[1], tree->size}, hash, verity_progress,
			 &v->progress, &fault);
	return r < 0 ? say_fault(v, fault.in_tree ? tree : root, &fault, r, err) : 0;
}

/* What xorriso writes into after the list is made; the digest of the image covers them. */
static bool has_no_digest(const char *path)
{
	return !strcmp(path, MEDIUM_SUMS) || !strcmp(path, "/boot/boot.cat") ||
	       !strcmp(path, "/boot/grub/eltorito.img");
}

static int check_files(struct verify *v, struct error *err)
{
	struct verify_report *report = v->report;

	report->parts = arena_alloc(v->arena, (v->iso->n_files + 2) * sizeof(*report->parts));
	for (size_t i = 0; i < v->iso->n_files; i++) {
		const struct iso_file *f = &v->iso->files[i];
		const char *want = sums_find(&v->own, f->path + 1);
		struct verify_part *part = &report->parts[report->n_parts++];
		int r;

		*part = (struct verify_part){arena_strdup(v->arena, f->path), f->offset, f->size, ""};
		r = digest_part(v, f, part->sha256, err);
		if (r == 0 && want)
			r = compare(v, f, part->sha256, want, list_name, err);
		else if (r == 0 && !has_no_digest(f->path))
			r = wrong_part(v, f, err, "is not in " MEDIUM_SUMS);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < v->own.n; i++) {
		_cleanup_free_ char *path = xasprintf("/%s", v->own.list[i].name);

		if (!iso_find(v->iso, path))
			return error_set(err, -EBADMSG, v->path, again, "%s is not there, but " MEDIUM_SUMS " names it",
					 path);
	}
	return 0;
}

static int check_esp(struct verify *v, struct error *err)
{
	const struct iso_file *esp = &v->iso->esp;
	struct verify_part *part = &v->report->parts[v->report->n_parts];
	int r;

	if (!esp->size || !*v->own.esp)
		return error_set(err, -EBADMSG, v->path, again, "%s",
				 esp->size ? MEDIUM_SUMS " does not name the EFI system partition"
					   : "has no EFI system partition");
	*part = (struct verify_part){esp->path, esp->offset, esp->size, ""};
	r = digest_part(v, esp, part->sha256, err);
	if (r == 0)
		r = compare(v, esp, part->sha256, v->own.esp, list_name, err);
	v->report->n_parts++;
	return r;
}

static const char *digest_of(const struct verify *v, const char *path)
{
	for (size_t i = 0; i < v->report->n_parts; i++)
		if (!strcmp(v->report->parts[i].path, path))
			return v->report->parts[i].sha256;
	return NULL;
}

/* The manifest also names the image as it is unpacked; the medium has only what it names and carries. */
static int check_template(struct verify *v, const struct iso_file *manifest, struct error *err)
{
	_cleanup_free_ char *text = NULL, *where = xasprintf("%s: %s", v->path, manifest->path);
	struct sums list;
	size_t found = 0;
	int r = iso_read_text(v->iso, manifest, TEXT_MAX, &text);

	if (r < 0)
		return unreadable(v, manifest->path, manifest->offset, r, err);
	r = sums_parse(v->arena, where, (struct blob){text, (size_t)manifest->size}, &list, err);
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_free_ char *path = xasprintf("%.*s/%s", (int)(strrchr(manifest->path, '/') - manifest->path),
						      manifest->path, list.list[i].name);
		const char *got = digest_of(v, path);

		if (!got)
			continue;
		found++;
		r = compare(v, iso_find(v->iso, path), got, list.list[i].hex, manifest->path, err);
	}
	return r == 0 && !found ? wrong_part(v, manifest, err, "names nothing that is there") : r;
}

static int check_templates(struct verify *v, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->iso->n_files; i++) {
		struct blob path = blob_of(v->iso->files[i].path);

		if (blob_has_prefix(path, "/templates/") && blob_has_suffix(path, "/manifest"))
			r = check_template(v, &v->iso->files[i], err);
	}
	return r;
}

static int check_whole(struct verify *v, struct error *err)
{
	const struct iso_file all = {"the image as a whole", 0, v->iso->size};
	int r;

	if (!v->whole)
		return 0;
	r = digest_part(v, &all, v->report->sha256, err);
	return r < 0 ? r : compare(v, &all, v->report->sha256, v->whole, v->whole_from, err);
}

/* By its name; for a stick, whose name says nothing, the only image of the list. */
static int find_whole(struct verify *v, const char *name, struct error *err)
{
	size_t images = 0;

	v->whole = name ? sums_find(&v->outside, name) : NULL;
	for (size_t i = 0; !name && i < v->outside.n; i++)
		if (blob_has_suffix(blob_of(v->outside.list[i].name), ".iso")) {
			v->whole = v->outside.list[i].hex;
			images++;
		}
	if (!v->whole || images > 1)
		return error_set(err, -EBADMSG, v->whole_from, NULL,
				 name ? "does not name %s" : "names no image, or several%.0s", name ? name : "");
	return 0;
}

static int read_sums(struct verify *v, const char *name, struct error *err)
{
	_cleanup_free_ char *signature = xasprintf("%s.sig", v->whole_from);
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = read_file(AT_FDCWD, v->whole_from, TEXT_MAX, &text);

	if (r < 0)
		return error_errno(err, r, v->whole_from, "cannot read");
	if (v->options->key) {
		r = signify_verify(v->options->key, strbuf_blob(&text), signature, err);
		if (r < 0)
			return r;
	}
	r = sums_parse(v->arena, v->whole_from, strbuf_blob(&text), &v->outside, err);
	/* A list that just happens to lie there may be of other images. */
	if (r == 0 && name && !v->options->sums && !v->options->key && !sums_find(&v->outside, name))
		return 0;
	if (r == 0)
		r = find_whole(v, name, err);
	if (r == 0)
		v->report->trust = v->options->key ? VERIFY_SIGNED : VERIFY_SUMS;
	return r;
}

/* SHA256SUMS: as told, or beside an image. A key without it would be a promise not kept. */
static int find_sums(struct verify *v, int fd, struct error *err)
{
	const char *slash = strrchr(v->path, '/');
	struct stat st;
	bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

	v->whole_from = v->options->sums;
	if (!v->whole_from && file) {
		v->whole_from = arena_printf(v->arena, "%.*s" SUMS_NAME, slash ? (int)(slash + 1 - v->path) : 0,
					     v->path);
		if (!v->options->key && faccessat(AT_FDCWD, v->whole_from, F_OK, 0) < 0)
			v->whole_from = NULL;
	}
	if (!v->whole_from && v->options->key)
		return error_set(err, -EINVAL, v->path, "name it with --sums",
				 "a key needs the " SUMS_NAME " that it signed");
	return v->whole_from ? read_sums(v, file ? (slash ? slash + 1 : v->path) : NULL, err) : 0;
}

static int check_all(struct verify *v, struct error *err)
{
	/* What names a block comes before what names a whole file. */
	static int (*const checks[])(struct verify *, struct error *) = {
		read_own_list, check_verity, check_files, check_templates, check_esp, check_whole};
	const struct iso_file *root = iso_find(v->iso, "/live/dom0.erofs");
	uint64_t total = v->iso->esp.size + (root ? root->size : 0) + (v->whole ? v->iso->size : 0);
	int r = 0;

	for (size_t i = 0; i < v->iso->n_files; i++)
		total += v->iso->files[i].size;
	v->report->size = v->iso->size;
	progress_start(&v->progress, "verifying", total, v->options->quiet);
	for (size_t i = 0; r == 0 && i < sizeof(checks) / sizeof(checks[0]); i++)
		r = checks[i](v, err);
	progress_end(&v->progress);
	return r;
}

int verify_medium(struct arena *a, int fd, const char *path, const struct verify_options *o,
		  struct verify_report *report, struct error *err)
{
	struct verify v = {.arena = a, .path = path, .options = o, .report = report};
	_cleanup_iso_ struct iso *iso = NULL;
	int r;

	*report = (struct verify_report){.trust = VERIFY_MEDIUM};
	r = find_sums(&v, fd, err);
	if (r == 0)
		r = iso_open(fd, path, &iso, err);
	v.iso = iso;
	return r < 0 ? r : check_all(&v, err);
}
