# What runs in a qube between Xen and its distribution: /init of the initramfs, and the set-up at boot.
LIBS += guest-parts
guest-parts_SRCS := runtime/guest/init/cmdline.c runtime/guest/init/gpt.c runtime/guest/device.c \
	$(addprefix runtime/guest/setup/,sysinit.c early.c volume.c folders.c hooks.c network.c lease.c binds.c binds_parse.c)
guest-parts_LIBS := network-ip common-min

XEN_BINS += guest-init qubes-guest-setup
SOCKET_BINS += qubes-guest-setup
guest-init_SRCS := $(addprefix runtime/guest/init/,init.c say.c modules.c swap.c switch.c)
guest-init_LIBS := guest-parts common-min
guest-init_LDFLAGS := -static

qubes-guest-setup_SRCS := runtime/guest/setup/main.c
qubes-guest-setup_LIBS := guest-parts qubesdb-client common-min

TESTS += test-guest
test-guest_SRCS := $(wildcard runtime/guest/tests/test_*.c)
test-guest_LIBS := guest-parts common

FUZZ += fuzz-gpt
fuzz-gpt_SRCS := qa/fuzz/gpt.c
fuzz-gpt_LIBS := common-min

FUZZ += fuzz-name-servers
fuzz-name-servers_SRCS := qa/fuzz/name-servers.c
fuzz-name-servers_LIBS := network-parts common-min

FUZZ += fuzz-binds
fuzz-binds_SRCS := qa/fuzz/binds.c
fuzz-binds_LIBS := guest-parts common-min

CHECK_FAST += runtime/guest/tests/run
