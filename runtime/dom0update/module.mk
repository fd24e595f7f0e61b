# dom0's updates: fetched by a qube, judged by dom0.
LIBS += dom0update-parts
dom0update-parts_SRCS := $(addprefix runtime/dom0update/,apt.c fetch.c sources.c)
dom0update-parts_LIBS := common

SOCKET_BINS += qubes-dom0-update
XEN_BINS += qubes-dom0-update
qubes-dom0-update_SRCS := runtime/dom0update/main.c
qubes-dom0-update_LIBS := dom0update-parts common

TESTS += test-dom0update
test-dom0update_SRCS := runtime/dom0update/tests/test_dom0update.c
test-dom0update_LIBS := dom0update-parts common
CHECK_FAST += runtime/dom0update/tests/run

FUZZ += fuzz-dom0update
fuzz-dom0update_SRCS := qa/fuzz/dom0update.c
fuzz-dom0update_LIBS := dom0update-parts common
