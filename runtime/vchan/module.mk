LIBS += vchan-socket vchan-xen
vchan-socket_SRCS := runtime/vchan/socket.c
vchan-xen_SRCS := runtime/vchan/xen.c
vchan-xen_PKGS := xenvchan xenevtchn xenstore

TESTS += test-vchan
test-vchan_SRCS := runtime/vchan/tests/test_vchan.c
test-vchan_LIBS := vchan common-min
