/* Promise: a definition is wrong as a whole or right as a whole, and the message names file and line. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "builder/definition.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/tests/test.h"

#define HEAD "name: x\nfamily: deb\nsuites: [trixie]\n"

/* Reads `text` as x.yaml. 0: *d is the caller's; else `want` ("LINE: cause") is what the error must say. */
static int read_text(const char *text, struct definition **d, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/x.yaml", test_dir());

	if (write_file(AT_FDCWD, path, text, strlen(text), 0644) < 0)
		return -EIO;
	return definition_read(path, d, err);
}

static void check_refused(const char *text, const char *want)
{
	_cleanup_definition_ struct definition *d = NULL;
	_cleanup_error_ struct error err = {0};
	_cleanup_free_ char *got = NULL;

	CHECK_INT(read_text(text, &d, &err), -EINVAL);
	if (!err.object)
		return;
	got = xasprintf("%s: %s",
			strrchr(err.object, '/') ? strrchr(err.object, '/') + 1 : err.object,
			err.cause);
	CHECK_STR(got, want);
}

TEST(minimal)
{
	_cleanup_definition_ struct definition *d = NULL;
	_cleanup_error_ struct error err = {0};

	if (!CHECK_INT(read_text(HEAD "packages: [apt, libc6]\noverlay: x.overlay\n", &d, &err), 0))
		return;
	CHECK_STR(d->name, "x");
	CHECK_STR(d->suites[0], "trixie");
	CHECK_STR(d->components[0], "main");
	CHECK_STR(d->packages[1], "libc6");
	CHECK(!d->packages[2]);
	CHECK(!*d->runtime);
	CHECK_STR(d->overlay, "x.overlay");
	CHECK_INT(d->n_outputs, 0);
}

TEST(outputs)
{
	_cleanup_definition_ struct definition *d = NULL;
	_cleanup_error_ struct error err = {0};
	const struct definition_output *o;

	if (!CHECK_INT(
		    read_text(
			    HEAD
			    "outputs:\n"
			    "  root.img: {kind: template-disk, size: 10G, label: \"Root "
			    "filesystem\"}\n"
			    "  root.erofs: {kind: erofs, verity: true}\n"
			    "  initramfs: {kind: guest-initramfs, init: /init, modules: [ext4]}\n",
			    &d, &err),
		    0))
		return;
	CHECK_INT(d->n_outputs, 3);
	o = definition_output(d, "root.img");
	CHECK_INT(o->size, 10LL << 30);
	CHECK_STR(o->label, "Root filesystem");
	CHECK(definition_output(d, "root.erofs")->verity);
	CHECK_STR(definition_output(d, "initramfs")->modules[0], "ext4");
	CHECK(!definition_output(d, "none"));
}

TEST(refused)
{
	check_refused(HEAD "colour: red\n", "x.yaml:4: unknown key 'colour'");
	check_refused("name: y\nfamily: deb\n", "x.yaml:1: the file of image 'y' must be y.yaml");
	check_refused("name: x\n", "x.yaml:1: 'family' is missing");
	check_refused("name: x\nfamily: rpm\n", "x.yaml:2: family must be deb or iso, not 'rpm'");
	check_refused("name: x\nfamily: deb\n", "x.yaml:1: 'suites' is missing");
	check_refused(HEAD "packages: [\"a b\"]\n", "x.yaml:4: 'a b' in 'packages' is not a name");
	check_refused(HEAD "packages: apt\n", "x.yaml:4: 'packages' must be a list");
	check_refused(HEAD "overlay: ../x\n",
		      "x.yaml:4: 'overlay' must be a folder beside the definition");
	check_refused(HEAD "medium: ../iso\n", "x.yaml:4: 'medium' must be the name of an image");
	check_refused(HEAD "images: [dom0]\n", "x.yaml:4: 'images' does not fit this family");
	check_refused(HEAD "outputs:\n  a: {kind: zip}\n", "x.yaml:5: unknown kind 'zip'");
	check_refused(HEAD "outputs:\n  a: {size: 1G}\n", "x.yaml:5: output 'a' has no kind");
	check_refused(HEAD "outputs:\n  a: {kind: tar, size: 1G}\n",
		      "x.yaml:5: unknown key 'size' for an output of kind tar");
	check_refused(HEAD "outputs:\n  a: {kind: file, path: /boot/../x}\n",
		      "x.yaml:5: 'path' must be an absolute path without '..'");
	check_refused(HEAD "outputs:\n  a: {kind: iso}\n",
		      "x.yaml:5: an output of kind iso does not fit this family");
	check_refused(HEAD "outputs:\n  ../a: {kind: tar}\n",
		      "x.yaml:5: '../a' cannot be the name of an output");
}

TEST(iso)
{
	_cleanup_definition_ struct definition *d = NULL;
	_cleanup_error_ struct error err = {0};

	if (!CHECK_INT(read_text("name: x\nfamily: iso\nimages: [dom0]\n"
				 "files: {/boot/vmlinuz: dom0/vmlinuz}\n"
				 "outputs: {x.iso: {kind: iso, volume: V, menu: grub.cfg}}\n",
				 &d, &err),
		       0))
		return;
	CHECK_STR(d->files[0].path, "/boot/vmlinuz");
	CHECK_STR(d->files[0].source, "dom0/vmlinuz");
	check_refused("name: x\nfamily: iso\nfiles: {boot: dom0/x}\n",
		      "x.yaml:3: 'boot' must be an absolute path without '..'");
	check_refused("name: x\nfamily: iso\noutputs: {x.iso: {kind: iso, compress: zstd}}\n",
		      "x.yaml:3: unknown key 'compress' for an output of kind iso");
	check_refused("name: x\nfamily: iso\nmedium: y\n", "x.yaml:3: 'medium' does not fit this family");
	check_refused("name: x\nfamily: iso\npackages: [a]\n",
		      "x.yaml:3: 'packages' does not fit this family");
}
