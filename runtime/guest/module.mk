# What runs in a qube between Xen and its distribution: /init of the initramfs, and the set-up at boot.
LIBS += guest-init-parts
guest-init-parts_SRCS := runtime/guest/init/gpt.c
guest-init-parts_LIBS := common-min

XEN_BINS += guest-init
guest-init_SRCS := $(addprefix runtime/guest/init/,init.c say.c modules.c device.c swap.c switch.c)
guest-init_LIBS := guest-init-parts common-min
guest-init_LDFLAGS := -static

TESTS += test-guest
test-guest_SRCS := $(wildcard runtime/guest/tests/test_*.c)
test-guest_LIBS := guest-init-parts common
