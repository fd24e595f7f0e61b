# Command line tools of the Admin API: one binary, many names.
SOCKET_BINS += qvm
XEN_BINS += qvm
qvm_SRCS := $(addprefix runtime/qvm/,main.c common.c power.c drive.c create.c prefs.c features.c ls.c ls_rows.c ls_filter.c ls_order.c run.c query.c clone.c \
	table.c volume.c import.c pool.c firewall.c device.c check.c) runtime/qubesd/device.c runtime/qubesd/firewall.c
qvm_LIBS := qubesadmin common
qvm_PKGS := jansson

CHECK_FAST += runtime/qvm/tests/run runtime/qvm/tests/chain runtime/qvm/tests/remote
