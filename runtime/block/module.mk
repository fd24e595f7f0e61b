# Block devices that other qubes can have: which they are, telling dom0 of them, giving them.
LIBS += block-parts block-vbd
block-parts_SRCS := runtime/block/devices.c common/sys/mounts.c
block-parts_LIBS := common-min
block-vbd_SRCS := runtime/block/vbd.c
block-vbd_LIBS := block-parts common-min
block-vbd_PKGS := xenstore

SOCKET_BINS += qubes-block-devices
XEN_BINS += qubes-block-devices qubes-block-serve
qubes-block-devices_SRCS := runtime/block/main.c common/ui/options.c
qubes-block-devices_LIBS := block-parts qubesdb-client common-min
qubes-block-serve_SRCS := runtime/block/serve.c
qubes-block-serve_LIBS := block-vbd common-min

TESTS += test-block
test-block_SRCS := runtime/block/tests/test_block.c
test-block_LIBS := block-parts common

CHECK_FAST += runtime/block/tests/run
