# common-min needs libc alone: for the static programs of the guest.
LIBS += common common-min common-test

common_min_SRCS := $(addprefix common/base/,alloc.c arena.c blob.c error.c strbuf.c strmap.c strv.c) \
	common/sys/clock.c common/sys/cpio.c common/sys/file.c common/sys/hook.c common/sys/log_file.c common/sys/notice.c common/sys/process.c common/sys/socket.c
common-min_SRCS := $(common_min_SRCS)

common_SRCS := $(common_min_SRCS) common/base/deb822.c common/base/yaml.c common/sys/hash.c common/sys/journal.c common/sys/mounts.c common/ui/event.c common/ui/options.c common/ui/progress.c
common_PKGS := yaml-0.1 libcrypto jansson

common-test_SRCS := common/tests/test.c

TESTS += test-common
test-common_SRCS := $(wildcard common/tests/test_*.c)
test-common_LIBS := common

CHECK_FAST += common/tests/includes common/tests/capabilities common/tests/run-suites-cases
