# bulkhead: the image builder. All but main() is in an internal library, so that tests can link it; sub-folders add
# their sources in a module.mk of their own: builder_SRCS += ..., builder_PKGS += ...
LIBS += builder
builder_SRCS += $(addprefix builder/,build.c build_info.c definition.c display.c gc.c graph.c graph_plan.c graph_run.c history.c) \
	$(addprefix builder/,inputs.c manifest.c manifest_read.c publish.c records.c relock.c source.c spdx.c steps.c) \
	$(addprefix builder/,sandbox.c sandbox_mount.c sandbox_limits.c sandbox_landlock.c store.c store_gc.c user.c)
builder_LIBS += builder-lock builder-fetch builder-deb common
builder_PKGS += jansson libseccomp
# Static, and so only what is used of it: the shared one brings libxml2 and ICU, whose loading takes a third of a build
# that has nothing to do.
builder_LDLIBS += -l:libarchive.a -lnettle -llzma -lzstd -lz -lacl

BINS += bulkhead
bulkhead_SRCS := builder/main.c
bulkhead_LIBS := builder

FUZZ += fuzz-definition fuzz-direct fuzz-manifest fuzz-package
fuzz-definition_SRCS := qa/fuzz/definition.c
fuzz-definition_LIBS := builder
fuzz-direct_SRCS := qa/fuzz/direct.c
fuzz-direct_LIBS := builder
fuzz-manifest_SRCS := qa/fuzz/manifest.c
fuzz-manifest_LIBS := builder
fuzz-package_SRCS := qa/fuzz/package.c
fuzz-package_LIBS := builder
