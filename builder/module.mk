# bulkhead: the image builder. All but main() is in an internal library, so that tests can link it; sub-folders add
# their sources in a module.mk of their own: builder_SRCS += ..., builder_PKGS += ...
LIBS += builder
builder_SRCS += builder/definition.c builder/source.c builder/build.c \
	builder/sandbox.c builder/sandbox_mount.c builder/sandbox_limits.c
builder_LIBS += builder-lock common
builder_PKGS += libarchive

BINS += bulkhead
bulkhead_SRCS := builder/main.c
bulkhead_LIBS := builder
