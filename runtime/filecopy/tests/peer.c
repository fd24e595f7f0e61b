/*
 * filecopy-peer to PROGRAM [ARGUMENT...] -- ENTRY...: sends what is described to a receiver and prints its answer as
 *	CODE NAME crc=ok|bad|-|none exit=N
 * filecopy-peer from CODE NAME ok|bad|none|early PROGRAM [ARGUMENT...]: takes a sender's stream, answers so, and prints exit=N.
 *
 * ENTRY: end | raw:BYTES | file|dir|link|fifo[,mode=OCTAL][,namelen=N][,filelen=N][,nsec=N]:NAME[:BODY], with \xNN in NAME and BODY.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "runtime/filecopy/protocol.h"

static void add_escaped(struct strbuf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned value;

		if (n - i >= 4 && p[i] == '\\' && p[i + 1] == 'x' && sscanf(p + i + 2, "%2x", &value) == 1) {
			strbuf_add_char(out, (char)value);
			i += 3;
		} else {
			strbuf_add_char(out, p[i]);
		}
	}
}

static void set_field(struct file_header *h, char *setting)
{
	char *equals = strchr(setting, '=');
	unsigned long long value = equals ? strtoull(equals + 1, NULL, !strncmp(setting, "mode", 4) ? 8 : 0) : 0;

	if (!strncmp(setting, "mode", 4))
		h->mode = (h->mode & S_IFMT) | (uint32_t)value;
	else if (!strncmp(setting, "namelen", 7))
		h->namelen = (uint32_t)value;
	else if (!strncmp(setting, "filelen", 7))
		h->filelen = value;
	else if (!strncmp(setting, "nsec", 4))
		h->mtime_nsec = (uint32_t)value;
	else
		abort();
}

static void add_entry(struct strbuf *out, char *entry)
{
	_cleanup_strbuf_ struct strbuf name = {0}, body = {0};
	char *colon = strchr(entry, ':'), *kind, *rest = NULL, *second;
	struct file_header h = {.mtime = 1000000000};

	if (!strcmp(entry, "end")) {
		strbuf_add(out, &(struct file_header){0}, sizeof(h));
		return;
	}
	if (!colon)
		abort();
	*colon++ = '\0';
	if (!strcmp(entry, "raw")) {
		add_escaped(out, colon, strlen(colon));
		return;
	}
	second = strchr(colon, ':');
	add_escaped(&name, colon, second ? (size_t)(second - colon) : strlen(colon));
	if (second)
		add_escaped(&body, second + 1, strlen(second + 1));
	strbuf_add_char(&name, '\0');
	kind = strtok_r(entry, ",", &rest);
	h.mode = !strcmp(kind, "file")   ? S_IFREG | 0640
		 : !strcmp(kind, "dir")  ? S_IFDIR | 0750
		 : !strcmp(kind, "link") ? S_IFLNK | 0777
					 : S_IFIFO | 0600;
	h.namelen = (uint32_t)name.n;
	h.filelen = body.n;
	for (char *setting; (setting = strtok_r(NULL, ",", &rest));)
		set_field(&h, setting);
	strbuf_add(out, &h, sizeof(h));
	strbuf_add(out, name.p, name.n);
	strbuf_add(out, body.p ? body.p : "", body.n);
}

static const struct {
	const char *name;
	int code;
} codes[] = {
	{"OK", 0},		{"EILSEQ", EILSEQ},	  {"ENOLINK", ENOLINK}, {"EINVAL", EINVAL},	{"EEXIST", EEXIST},
	{"EDQUOT", EDQUOT},	{"EREMOTEIO", EREMOTEIO}, {"ENOENT", ENOENT},	{"ENOTDIR", ENOTDIR},	{"ELOOP", ELOOP},
	{"ENOSPC", ENOSPC},	{"-EILSEQ", -EILSEQ},	  {"EACCES", EACCES},	{"EISDIR", EISDIR},	{"ENAMETOOLONG", ENAMETOOLONG},
	{"LEGAL_EOF", FILECOPY_LEGAL_EOF},
};

static pid_t start(char **argv, int *to, int *from)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		abort();
	struct process p = {.argv = (const char *const *)argv, .stdin_fd = in[0], .stdout_fd = out[1]};
	pid_t pid = process_spawn(&p);
	close(in[0]);
	close(out[1]);
	*to = in[1];
	*from = out[0];
	return pid;
}

static void print_answer(struct blob answer, uint32_t crc)
{
	struct result_header h;

	if (answer.n < sizeof(h)) {
		printf("none - crc=none");
		return;
	}
	memcpy(&h, answer.p, sizeof(h));
	const char *name = NULL;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if ((uint32_t)codes[i].code == h.error_code)
			name = codes[i].name;
	name ? printf("%s ", name) : printf("%u ", h.error_code);
	if (answer.n > 20)
		fwrite(answer.p + 20, 1, answer.n - 20, stdout);
	else
		putchar('-');
	/* After an error it is that of what was read, which differs. */
	printf(" crc=%s", h.error_code ? "-" : h.crc32 == crc && !h.pad ? "ok" : "bad");
}

static int send_to(char **argv)
{
	_cleanup_strbuf_ struct strbuf stream = {0}, answer = {0};
	char **entry = argv;
	int to, from;

	while (strcmp(*entry, "--"))
		entry++;
	*entry++ = NULL;
	pid_t pid = start(argv, &to, &from);
	for (; *entry; entry++)
		add_entry(&stream, *entry);
	(void)!write_all(to, stream.p, stream.n);
	close(to);
	read_fd(from, 65536, &answer);
	print_answer(strbuf_blob(&answer), (uint32_t)crc32_z(0, (unsigned char *)stream.p, stream.n));
	printf(" exit=%d\n", process_wait(pid));
	return 0;
}

/* Up to the end marker; a sender keeps its side open until it has the answer. */
static void read_stream(int fd, struct strbuf *stream)
{
	static const struct file_header end;
	ssize_t n;

	while ((n = read(fd, strbuf_reserve(stream, 65536), 65536)) > 0) {
		stream->n += (size_t)n;
		if (stream->n >= sizeof(end) && !memcmp(stream->p + stream->n - sizeof(end), &end, sizeof(end)))
			break;
	}
}

static int answer_from(const char *code, const char *name, const char *crc, char **argv)
{
	_cleanup_strbuf_ struct strbuf stream = {0};
	struct {
		struct result_header h;
		struct result_header_ext ext;
	} __attribute__((packed)) m = {{0, 0, 0}, {(uint32_t)strlen(name)}};
	bool early = !strcmp(crc, "early");
	int to, from;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (!strcmp(codes[i].name, code))
			m.h.error_code = (uint32_t)codes[i].code;
	pid_t pid = start(argv, &to, &from);
	if (!early)
		read_stream(from, &stream);
	m.h.crc32 = crc32_z(0, (unsigned char *)stream.p, stream.n) ^ !strcmp(crc, "bad");
	if (strcmp(crc, "none")) {
		write_all(to, &m, sizeof(m));
		write_all(to, name, strlen(name));
	}
	close(to);
	if (early)
		read_fd(from, (size_t)1 << 30, &stream);
	printf("exit=%d\n", process_wait(pid));
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc > 2 && !strcmp(argv[1], "to"))
		return send_to(argv + 2);
	return argc > 5 ? answer_from(argv[2], argv[3], argv[4], argv + 5) : 2;
}
