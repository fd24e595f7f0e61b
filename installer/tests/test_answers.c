/* Promises: whatever an answer file holds, it is an answer or an error with its place; what is written is read again. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "installer/questions/quality.h"
#include "installer/questions/questions.h"

static int load(const char *text, size_t n, struct answers *out, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/answers.yaml", test_dir());

	CHECK_INT(write_file(AT_FDCWD, path, text, n, 0600), 0);
	return answers_load(path, out, err);
}

static void refused(const char *text, size_t n, const char *place, const char *cause)
{
	_cleanup_answers_ struct answers a = {0};
	_cleanup_error_ struct error err = {0};

	CHECK(load(text, n, &a, &err) < 0);
	CHECK(err.object && strstr(err.object, place));
	if (!CHECK(err.cause && strstr(err.cause, cause)))
		test_check_str(err.cause, cause, __FILE__, __LINE__, text);
}

TEST(answers_bad_bytes)
{
	static const char nul[] = "unattended: yes\nlayout: \"whole\0disk\"\n";
	char *line = malloc(1 << 20);

	refused(nul, sizeof(nul) - 1, "answers.yaml:2", "NUL byte");
	memset(line, 'x', 1 << 20);
	refused(line, 1 << 20, "answers.yaml", "larger than 256 KiB: this is no answer file");
	memcpy(line, "layout: ", 8);
	line[200000] = '\n';
	refused(line, 200001, "answers.yaml:1", "must be whole-disk or beside");
	free(line);
}

TEST(answers_refused)
{
	static const struct {
		const char *text, *place, *cause;
	} cases[] = {
		{"user: {name: a, name: b}\n", ":1", "name"},
		{"user: alice\n", ":1", ""},
		{"- a\n- b\n", ":1", ""},
		{"user: {shell: zsh}\n", ":1", "shell"},
		{"layout: [beside]\n", ":1", ""},
		{"\nlayout: half\n", ":2", "must be whole-disk or beside"},
		{"disk: {rule: first}\n", ":1", "must be only, largest or smallest"},
		{"disk: {}\n", ":1", "one of 'serial', 'id' and 'rule'"},
		{"disk: {serial: \"\"}\n", ":1", "is empty"},
		{"no-encryption: yes\n", ":1", "word for word"},
		{"accept-missing: iommu\n", ":1", "must be a list"},
		{"accept-missing: [[iommu]]\n", ":1", "must be a list of words"},
		{"accept-missing: [vt-d]\n", ":1", "must be hvm, slat, iommu or remap"},
		{"qubes: work\n", ":1", "must be a list"},
		{"qubes: [work, play]\n", ":1", "'play' must be sys-net, "},
		{"default-qrexec-timeout: 0\n", ":1", "must be a number from 1 to 86400"},
		{"skip-bootloader: 1\n", ":1", "yes or no"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		refused(cases[i].text, strlen(cases[i].text), cases[i].place, cases[i].cause);
}

TEST(answers_round_trip)
{
	static const char text[] = "unattended: yes\ndisk: {serial: 'S \"1\" \\'}\nlayout: beside\npassphrase: \"geheim\"\n"
				   "user: {name: alice, password: offen}\naccept-missing: [iommu, remap]\ndom0-memory: 2048\n"
				   "skip-bootloader: yes\nafter: stay\nqubes: []\nautostart: no\n";
	_cleanup_answers_ struct answers a = {0}, b = {0};
	_cleanup_strbuf_ struct strbuf once = {0}, twice = {0};
	_cleanup_error_ struct error err = {0};

	CHECK_INT(load(text, sizeof(text) - 1, &a, &err), 0);
	CHECK_INT(answers_complete(&a, NULL), 0);
	answers_write(&a, &once);
	CHECK(!strstr(once.p, "geheim") && !strstr(once.p, "offen"));
	CHECK(strstr(once.p, "the secrets must be added (/usr/share/doc/bulkhead-dom0/unattended.md)"));
	CHECK(strstr(once.p, "# passphrase: \"...\"") && strstr(once.p, "  # password: \"...\""));
	CHECK(strstr(once.p, "accept-missing: [iommu, remap]\n") && strstr(once.p, "  name: \"alice\"\n"));
	CHECK_INT(load(once.p, once.n, &b, &err), 0);
	CHECK_STR(b.disk_value, "S \"1\" \\");
	CHECK(b.qubes && !*b.qubes && !b.autostart);
	CHECK(b.layout == DISK_BESIDE && b.skip_bootloader && b.after == AFTER_STAY && !b.passphrase.p);
	answers_write(&b, &twice);
	CHECK_STR(twice.p, once.p);
}

TEST(answers_needed)
{
	static const char rule[] = "disk: {rule: largest}\npassphrase: x\nuser: {name: alice, password: y}\n";
	static const char plain[] = "disk: {serial: x}\nno-encryption: " ANSWERS_NO_ENCRYPTION
				    "\nuser: {name: alice, password: y}\n";
	_cleanup_answers_ struct answers a = {0}, b = {0};
	_cleanup_error_ struct error err = {0};

	CHECK_INT(load(rule, sizeof(rule) - 1, &a, &err), 0);
	CHECK_INT(answers_complete(&a, &err), -EINVAL);
	CHECK(strstr(err.cause, "'erase' is missing"));
	CHECK_INT(load(plain, sizeof(plain) - 1, &b, &err), 0);
	CHECK_INT(answers_complete(&b, &err), 0);
}

/* Each question can be explained, and fits the bits that say which are answered. */
TEST(questions_are_documented)
{
	size_t n = 0;

	for (const struct question *q = questions(); q->key; q++, n++) {
		CHECK(q->explain && q->value && q->set && (q->get || q->kind == QUESTION_SECRET));
		CHECK(!q->prompt || q->kind != QUESTION_WORD || q->words);
	}
	CHECK(n < QUESTIONS_MAX);
}

TEST(passphrase_quality)
{
	static const struct {
		const char *text, *word;
	} cases[] = {{"", "very weak"}, {"aaaaaaaaaaaaaaaaaaaaaaaa", "very weak"}, {"12345678901234567890", "very weak"},
		     {"qwertyuiop", "very weak"}, {"correct horse", "very weak"},
		     {"correct horse battery staple", "fair"}, {"h7Q!x2", "weak"},
		     {"violet anchor maple thunder river stone", "strong"}, {"k8#Lw!z0Vq2Rt5", "strong"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		test_check_str(quality_word(quality_bits(cases[i].text, strlen(cases[i].text))), cases[i].word, __FILE__,
			       __LINE__, cases[i].text);
}
